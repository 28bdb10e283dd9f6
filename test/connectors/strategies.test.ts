import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fastCheck from 'fast-check'
import { jwtVerify } from 'jose'
import t from 'tap'
import { apiKey, basic, bearer, createConnector, hmac, jwtAssertion, pythonJson, storeHeaders, type Strategy } from '../../connectors.js'
import { ManualClock } from '../manual-clock.js'
import { json, startApi } from './echo-api.js'

const now = Date.UTC(2031, 0, 2, 3, 4, 5, 678)
const clock = new ManualClock(now)

/** What Node adds, and this package's name. */
const ofNode = ['host', 'connection', 'accept-encoding', 'user-agent']

t.test('each strategy sends what its pattern says, beside the connector\'s headers and the caller\'s', async (t) => {
  const api = await startApi(t)
  const cases: Array<[name: string, auth: Strategy, headers: Record<string, string>, url?: string]> = [
    ['apiKey', apiKey({ key: 'the-key' }), { 'x-api-key': 'the-key' }],
    ['apiKey, own header', apiKey({ key: 'the-key', header: 'X-Token' }), { 'x-token': 'the-key' }],
    ['apiKey with a secret', apiKey({ key: 'the-key', secret: 'the secret' }), { 'x-api-key': 'the-key', 'x-api-secret': 'the secret' }],
    ['apiKey under a scheme', apiKey({ key: 'the-key', scheme: 'ApiKey' }), { authorization: 'ApiKey the-key' }],
    ['apiKey in the query', apiKey({ key: 'k&y=1', query: 'api_key', secret: 's' }), { 'x-api-secret': 's' }, '/v1/orders?page=2&api_key=k%26y%3D1'],
    ['bearer', bearer('token.one'), { authorization: 'Bearer token.one' }],
    ['bearer of a function', bearer(() => 'token.two'), { authorization: 'Bearer token.two' }],
    ['bearer of a promise', bearer(async () => 'token.three'), { authorization: 'Bearer token.three' }],
    ['basic', basic({ username: 'jörg', password: 'pä:ss' }), { authorization: `Basic ${Buffer.from('jörg:pä:ss', 'utf8').toString('base64')}` }],
    ['storeHeaders', storeHeaders({ storeId: '42', apiKey: 'manager' }), { 'x-manager-token': 'manager', 'x-store-id': '42', accept: 'application/json' }],
    ['storeHeaders, own names', storeHeaders({ storeId: '42', apiKey: 'manager', apiKeyHeader: 'X-Key', storeIdHeader: 'X-Shop' }), { 'x-key': 'manager', 'x-shop': '42', accept: 'application/json' }]
  ]
  for (const [name, auth, headers, url = '/v1/orders?page=2'] of cases) {
    const connector = createConnector({ baseUrl: `${api.url}/v1`, auth, headers: { 'X-Base': 'base' }, allowInsecure: true })
    t.match(await connector.get('/orders', { query: { page: 2 }, headers: { 'X-Own': 'own' } }), { status: 200, data: { ok: true } }, name)
    const { method, url: sent, headers: arrived = {} } = api.requests.at(-1) ?? {}
    const expected = { accept: 'application/json, */*;q=0.8', 'x-base': 'base', 'x-own': 'own', ...headers }
    t.strictSame([method, sent], ['GET', url], name)
    t.strictSame(Object.fromEntries(Object.entries(arrived).filter(([header]) => !ofNode.includes(header))), expected, `${name}: and nothing else`)
    const own = Object.fromEntries(Object.keys(headers).map((header) => [header.toUpperCase(), 'mine']))
    await connector.get('/orders', { headers: own })
    for (const header of Object.keys(headers)) t.equal(api.requests.at(-1)?.headers[header], 'mine', `${name}: a caller's ${header} stays`)
  }
})

t.test('a bearer function that gives no token sends nothing', async (t) => {
  const api = await startApi(t)
  for (const token of ['', 'a\r\nb', 'ä', undefined, null, 7]) {
    const source: () => string = JSON.parse('{}').token ?? (() => token)
    await t.rejects(createConnector({ baseUrl: api.url, auth: bearer(source), allowInsecure: true }).get('/'), { code: 'DWA_CONNECTOR_INVALID_REQUEST' }, String(token))
  }
  const failed = new Error('vault is sealed')
  await t.rejects(createConnector({ baseUrl: api.url, auth: bearer(async () => { throw failed }), allowInsecure: true }).get('/'), failed)
  t.equal(api.requests.length, 0)
})

t.test('hmac signs method, path, time and the very text that is sent', async (t) => {
  const api = await startApi(t)
  const signature = (secret: string, ...lines: string[]): string => createHmac('sha256', secret).update(lines.join('\n')).digest('base64')
  const time = String(Math.floor(now / 1000))
  const cases: Array<[name: string, form: 'python' | 'compact', method: string, path: string, json: unknown, body: string, signed: string[]]> = [
    ['python by default', 'python', 'post', '/orders', { b: 5.3, a: 'ü' }, '{"a": "\\u00fc", "b": 5.3}', ['POST', '/orders', time, '{"a": "\\u00fc", "b": 5.3}']],
    ['RFC 8785', 'compact', 'PUT', '/orders/1?x=%20y', { b: 1e21, a: 'ü', c: undefined }, '{"a":"ü","b":1e+21}', ['PUT', '/orders/1?x=%20y', time, '{"a":"ü","b":1e+21}']],
    ['no body', 'python', 'GET', '/orders', undefined, '', ['GET', '/orders', time]],
    ['path without a slash', 'python', 'GET', 'orders', undefined, '', ['GET', 'orders', time]],
    ['empty object', 'python', 'POST', '/orders', {}, '{}', ['POST', '/orders', time]],
    ['empty list', 'compact', 'POST', '/orders', [], '[]', ['POST', '/orders', time]],
    ['null', 'python', 'POST', '/orders', null, '', ['POST', '/orders', time]],
    ['an object that says nothing', 'python', 'POST', '/orders', { a: undefined }, '{}', ['POST', '/orders', time]],
    ['false', 'python', 'POST', '/orders', false, 'false', ['POST', '/orders', time]],
    ['zero', 'python', 'POST', '/orders', 0, '0', ['POST', '/orders', time]],
    ['zero below zero', 'python', 'POST', '/orders', -0, '-0.0', ['POST', '/orders', time]],
    ['no text', 'compact', 'POST', '/orders', '', '""', ['POST', '/orders', time]],
    ['a text that looks empty', 'python', 'POST', '/orders', '{}', '"{}"', ['POST', '/orders', time, '"{}"']],
    ['a list of nothing', 'python', 'POST', '/orders', [null], '[null]', ['POST', '/orders', time, '[null]']],
    ['date', 'python', 'POST', '/orders', new Date(0), '"1970-01-01T00:00:00.000Z"', ['POST', '/orders', time, '"1970-01-01T00:00:00.000Z"']]
  ]
  for (const [name, canonicalJson, method, path, json, body, signed] of cases) {
    const connector = createConnector({ baseUrl: `${api.url}/v1`, auth: hmac({ key: 'id', secret: 'sécret', canonicalJson, clock }), allowInsecure: true })
    await connector.request(method, path, json === undefined ? {} : { json })
    const arrived = api.requests.at(-1)
    const { headers = {} } = arrived ?? {}
    t.strictSame([arrived?.url, headers['x-api-key'], headers['x-timestamp'], headers['x-signature']], [`/v1/${path.replace(/^\//, '')}`, 'id', time, signature('sécret', ...signed)], name)
    t.equal(arrived?.body.toString('utf8'), body, name)
  }
  await createConnector({ baseUrl: api.url, auth: hmac({ key: 'id', secret: 's', clock }), allowInsecure: true }).get('/orders', { query: { page: 2 } })
  t.match(api.requests.at(-1), { url: '/orders?page=2', headers: { 'x-signature': signature('s', 'GET', '/orders', time) } }, 'the query is signed only inside the path')

  const sent = api.requests.length
  const connector = createConnector({ baseUrl: api.url, auth: hmac({ key: 'id', secret: 's' }), allowInsecure: true })
  const compact = createConnector({ baseUrl: api.url, auth: hmac({ key: 'id', secret: 's', canonicalJson: 'compact' }), allowInsecure: true })
  for (const options of [{ form: { a: 1 } }, { body: 'text' }, { body: new Uint8Array([1]) }, { json: { a: Infinity } }, { json: () => 1 }, { json: { a: { toJSON: () => NaN } } }]) {
    await t.rejects(connector.post('/', options), { code: 'DWA_CONNECTOR_INVALID_REQUEST' }, 'what is not signed is not sent')
  }
  for (const value of [NaN, 1n]) await t.rejects(compact.post('/', { json: { value } }), { code: 'DWA_CONNECTOR_INVALID_REQUEST' })
  t.equal(api.requests.length, sent)
})

t.test('canonical JSON has the bytes of Python\'s json.dumps(sort_keys=True)', async (t) => {
  const table: ReadonlyArray<[string, string]> = JSON.parse(readFileSync(new URL('../fixtures/python-json.json', import.meta.url), 'utf8'))
  t.ok(table.length > 50)
  for (const [given, expected] of table) t.equal(pythonJson(JSON.parse(given)), expected, given)
  t.equal(pythonJson(1e3), '1000', 'JavaScript does not know 1e3 from 1000')
  t.equal(pythonJson(-0), '-0.0')
  t.equal(pythonJson(1e21), '1e+21')
  t.equal(pythonJson({ big: 2n ** 70n, none: undefined, list: [undefined, () => 1] }), '{"big": 1180591620717411303424, "list": [null, null]}')
  t.throws(() => pythonJson(undefined), { code: 'DWA_CONNECTOR_INVALID_REQUEST' })

  const values = fastCheck.sample(fastCheck.jsonValue({ noUnicodeString: false }), { numRuns: 3000, seed: 7 })
  const python = spawnSync('python3', ['-c', 'import json,sys\nfor line in sys.stdin.buffer.read().decode("ascii").splitlines(): print(json.dumps(json.loads(line), sort_keys=True))'], { input: values.map((value) => pythonJson(value)).join('\n'), encoding: 'ascii', maxBuffer: 1 << 28 })
  if (python.error !== undefined) return t.comment('python3 is not here: the table above stands for it')
  const written = spawnSync('python3', [fileURLToPath(new URL('../fixtures/python-json.py', import.meta.url))], { encoding: 'utf8' })
  t.strictSame(JSON.parse(written.stdout), table, 'the table is Python\'s own')
  t.strictSame(python.stdout.trimEnd().split('\n'), values.map((value) => pythonJson(value)), 'what Python reads of it, it writes with the same bytes')
})

t.test('jwtAssertion signs a fresh token for every try', async (t) => {
  const api = await startApi(t)
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const time = new ManualClock(now)
  const verify = async (key: Parameters<typeof jwtVerify>[1]): ReturnType<typeof jwtVerify> => await jwtVerify(String(api.requests.at(-1)?.headers.authorization).replace('Bearer ', ''), key, { currentDate: new Date(time.now()) })
  const secret = createConnector({ baseUrl: api.url, auth: jwtAssertion({ issuer: 'me', secret: 'short', clock: time }), allowInsecure: true })
  await secret.get('/')
  const seconds = Math.floor(now / 1000)
  const first = await verify(Buffer.from('short'))
  t.strictSame([first.protectedHeader, first.payload], [{ alg: 'HS256', typ: 'JWT' }, { iss: 'me', iat: seconds, exp: seconds + 3600 }])
  const rsa = createConnector({ baseUrl: api.url, auth: jwtAssertion({ issuer: 'me', privateKey: pem, expiresIn: 60, audience: 'them', clock: time }), allowInsecure: true, random: () => 0, clock: { now: () => time.now(), after: (ms, run) => { if (ms === 5000) { time.advance(ms); run() } return () => {} } } })
  api.answers.push(json(503, {}, { 'retry-after': '5' }))
  await rsa.get('/')
  const { protectedHeader, payload } = await verify(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })))
  t.strictSame(protectedHeader, { alg: 'RS256', typ: 'JWT' })
  t.match(payload, { iss: 'me', aud: 'them' })
  t.ok((payload.iat ?? 0) > seconds, 'the second try has its own time')
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60)
})

t.test('options of a strategy are checked, and an error names the option and not its value', async (t) => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const made: Array<[path: string, () => unknown]> = [
    ['apiKey.key', () => apiKey({ key: '' })],
    ['apiKey.key', () => apiKey({ key: 'hunter2\r\n' })],
    ['apiKey.header', () => apiKey({ key: 'hunter2', header: 'a b' })],
    ['apiKey', () => apiKey({ key: 'hunter2', header: 'a', query: 'b' })],
    ['apiKey', () => apiKey({ key: 'hunter2', scheme: 'a', query: 'b' })],
    ['bearer.token', () => bearer('hunter2\n')],
    ['basic.username', () => basic({ username: 'a:b', password: 'hunter2' })],
    ['basic.password', () => basic({ username: 'a', password: 'hunter2\n' })],
    ['hmac.canonicalJson', () => hmac(JSON.parse('{"key":"k","secret":"hunter2","canonicalJson":"perl"}'))],
    ['jwtAssertion.secret', () => jwtAssertion({ issuer: 'a', algorithm: 'HS256' })],
    ['jwtAssertion.secret', () => jwtAssertion({ issuer: 'a', secret: 'hunter2', privateKey: ec })],
    ['jwtAssertion.privateKey', () => jwtAssertion({ issuer: 'a' })],
    ['jwtAssertion.privateKey', () => jwtAssertion({ issuer: 'a', privateKey: 'hunter2' })],
    ['jwtAssertion.privateKey', () => jwtAssertion({ issuer: 'a', privateKey: small })],
    ['jwtAssertion.privateKey', () => jwtAssertion({ issuer: 'a', privateKey: ec })],
    ['jwtAssertion.expiresIn', () => jwtAssertion({ issuer: 'a', secret: 'hunter2', expiresIn: 0 })],
    ['storeHeaders.storeId', () => storeHeaders(JSON.parse('{"apiKey":"hunter2"}'))],
    ['storeHeaders.unknown', () => storeHeaders(JSON.parse('{"storeId":"1","apiKey":"hunter2","unknown":1}'))]
  ]
  for (const [path, make] of made) {
    t.throws(make, { code: 'DWA_OPTIONS_INVALID', message: new RegExp(`^${path.replace('.', '\\.')}: `) }, path)
    try { make() } catch (error) { t.notMatch(String(error), /hunter2|PRIVATE/, path) }
  }
})
