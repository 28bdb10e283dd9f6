import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { bearer, buildApp, clockAt, issuer, keepToken, masterKey, secret, token, validator } from './app.js'
import { startTestMongo } from './mongo.js'

const mongo = await startTestMongo(t)

/** Items of the security list. */
const answered = Array.from({ length: 57 }, (_, index) => index + 1)

t.test('each item of the security list is in a test\'s name and on the page', async (t) => {
  const files = (await readdir(import.meta.dirname, { recursive: true })).filter((file) => file.endsWith('.test.ts'))
  const named = new Set<number>()
  for (const file of files) {
    const source = await readFile(join(import.meta.dirname, file), 'utf8')
    for (const [, numbers = ''] of source.matchAll(/\btest\(['"`](?:security )?((?:\d+)(?:, \d+)*)[.:] /g)) for (const number of numbers.split(', ')) named.add(Number(number))
  }
  const page = await readFile(join(import.meta.dirname, '..', 'SECURITY.md'), 'utf8')
  const listed = new Set([...page.matchAll(/^\|.*\| ([\d, ]+) \|$/gm)].flatMap(([, numbers = '']) => numbers.split(', ').map(Number)))
  t.strictSame(answered.filter((number) => !named.has(number)), [], 'without a test')
  t.strictSame(answered.filter((number) => !listed.has(number)), [], 'missing in SECURITY.md')
})

t.test('security 48: a verified token counts for its validator, as that validator is now, until it expires', async (t) => {
  let now = Date.now()
  const app = await buildApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'cache_', clock: clockAt(() => now) },
    jwt: { validators: [validator('one'), validator('twin', { secretKey: `${secret}, another` })] },
    routes (app) { for (const name of ['one', 'twin', 'stored']) app.get(`/${name}`, { config: { auth: `jwt_${name}` } }, async (request) => request.jwtValidator) }
  })
  await app.jwtValidators.create(validator('stored', { secretKey: `${secret}, stored` }))
  const status = async (path: string, value: string): Promise<number> => (await app.inject({ url: path, headers: bearer(value) })).statusCode
  const times = { iat: Math.floor(now / 1000), exp: Math.floor(now / 1000) + 300 }
  const own = token(times)
  const stored = token(times, { secret: `${secret}, stored` })

  await keepToken(t, app, '/one', own)
  await keepToken(t, app, '/stored', stored)
  for (let use = 1; use <= 3; use++) t.equal(await status('/twin', own), 401, 'a kept token of another validator is none')
  t.equal(await status('/one', `${own.slice(0, -2)}AA`), 401, 'the whole text counts')
  const payload = own.split('.')[1] ?? ''
  t.equal(await status('/one', own.replace(payload, Buffer.from(JSON.stringify({ iss: 'evil' })).toString('base64url'))), 401, 'also where it ends alike')
  await app.jwtValidators.update('stored', { audience: 'another api' })
  t.equal(await status('/stored', stored), 401, 'a changed validator knows nothing of before')
  await app.jwtValidators.update('stored', { audience: 'api' })
  await keepToken(t, app, '/stored', stored)
  await app.jwtValidators.update('stored', { enabled: false })
  t.equal(await status('/stored', stored), 500, 'a disabled one is gone')
  now += 299_000
  t.equal(await status('/one', own), 200)
  now += 1000
  t.equal(await status('/one', own), 401, 'expired')
})

t.test('security 50: one transport, the header; a token elsewhere is not looked at', async (t) => {
  const app = await buildApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'transport_' },
    jwt: { validators: [validator('demo')] },
    routes (app) { app.post('/', { config: { auth: 'jwt_demo' } }, async () => 'in') }
  })
  const right = token()
  const cases = [
    ['missing', {}, 401, 'Bearer'],
    ['in the query', { query: { access_token: right } }, 401, 'Bearer'],
    ['in the body', { payload: { access_token: right } }, 401, 'Bearer'],
    ['in a cookie, without cookie mode', { headers: { cookie: `authorization=${right}` } }, 401, 'Bearer'],
    ['in another header', { headers: { 'x-access-token': right } }, 401, 'Bearer'],
    ['another scheme', { headers: { authorization: `Basic ${right}` } }, 401, 'Bearer error="invalid_token"'],
    ['no scheme', { headers: { authorization: right } }, 401, 'Bearer error="invalid_token"'],
    ['two in one header', { headers: { authorization: `Bearer ${right}, Bearer ${right}` } }, 401, 'Bearer error="invalid_token"'],
    ['in the header, and elsewhere too', { headers: { authorization: `bEARER ${right}` }, query: { access_token: 'x' } }, 200, undefined]
  ] as const
  for (const [name, request, status, challenge] of cases) {
    const answer = await app.inject({ method: 'POST', url: '/', ...request })
    t.strictSame([answer.statusCode, answer.headers['www-authenticate']], [status, challenge], name)
  }
})

t.test('security 47: a megabyte in the header is refused like any other token, over a wire that lets it through', async (t) => {
  const app = await buildApp(t, {
    uri: mongo.uri,
    fastify: { http: { maxHeaderSize: 4 << 20 } },
    store: { collectionPrefix: 'huge_' },
    jwt: { validators: [validator('demo', { cookieEnabled: true })] },
    routes (app) { app.get('/', { config: { auth: 'jwt_demo' } }, async () => 'in') }
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const huge = 'a'.repeat(1 << 20)
  for (const [name, value, code] of [['authorization', `Bearer ${huge}`, 'DWA_JWT_INVALID_TOKEN'], ['authorization', huge, 'DWA_JWT_MALFORMED_AUTHORIZATION'], ['cookie', `authorization=${huge}`, 'DWA_JWT_INVALID_TOKEN']] as const) {
    const answer = await fetch(url, { headers: { [name]: value } })
    t.same([answer.status, Object(await answer.json()).code], [401, code], `${name} ${value.slice(0, 10)}`)
  }
})

t.test('security 53: whatever is wrong with a token, the answer is the same', async (t) => {
  const app = await buildApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'uniform_' },
    jwt: { validators: [validator('demo')] },
    routes (app) { app.get('/', { config: { auth: 'jwt_demo' } }, async () => 'in') }
  })
  const wrong = {
    expired: token({ exp: 1 }),
    'not yet valid': token({ nbf: 4_000_000_000 }),
    'another issuer': token({ iss: `${issuer}/` }),
    'another audience': token({ aud: 'another api' }),
    'another key': token({}, { secret: `${secret}, another` }),
    'another algorithm': token({}, { secret: secret.repeat(2), algorithm: 'HS512' }),
    'no token': 'x'
  }
  const answers = await Promise.all(Object.values(wrong).map(async (value) => {
    const { statusCode, body, headers: { date: _, ...headers } } = await app.inject({ url: '/', headers: bearer(value) })
    return JSON.stringify({ statusCode, body, headers })
  }))
  t.equal(new Set(answers).size, 1, Object.keys(wrong).join(', '))
  t.match(answers[0], '401')
})

t.test('security 35, 52: neither the database nor a log line holds a token, a cookie or a secret; a scope does not break out of its header', async (t) => {
  const lines: string[] = []
  const stream = new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } })
  const app = await buildApp(t, {
    uri: mongo.uri,
    fastify: { logger: { level: 'trace', stream } },
    store: { collectionPrefix: 'dump_' },
    routes (app) {
      app.get('/', { config: { auth: 'jwt_stored' } }, async () => 'in')
      app.get('/scope', { onRequest: (request, reply, done) => { app.requireAuth('jwt_stored', { scopes: ['a"\r\nset-cookie: x=y', 'b\\'] }).call(app, request, reply, done) } }, async () => 'in')
    }
  })
  const secretKey = `${secret}, write-only`
  const cookieSecret = 'another secret, of the cookie, of more than 32 bytes'
  await app.jwtValidators.create(validator('stored', { secretKey, cookieSecret, cookieEnabled: true }))
  const right = token({}, { secret: secretKey })
  const wrong = token({}, { secret })
  const answer = await app.inject({ url: '/', headers: bearer(right) })
  const [cookie] = answer.cookies
  t.equal(answer.statusCode, 200)
  t.ok(cookie?.value)
  await app.inject({ url: '/', headers: bearer(wrong) })
  await app.inject({ url: '/', cookies: { authorization: cookie?.value ?? '' } })
  await app.inject({ url: '/', cookies: { authorization: wrong } })
  const scope = await app.inject({ url: '/scope', headers: bearer(right) })
  t.equal(scope.statusCode, 403)
  t.equal(scope.headers['www-authenticate'], 'Bearer error="insufficient_scope", scope="aset-cookie:x=y b"')
  t.equal(scope.headers['set-cookie'], undefined)
  await app.jwtValidators.update('stored', { secretKey: `${secretKey}, again` })
  await app.close()

  const client = new MongoClient(mongo.uri)
  t.teardown(() => client.close())
  const collections = await client.db().listCollections({ name: /^dump_/ }).toArray()
  const documents = await Promise.all(collections.map(async ({ name }) => JSON.stringify(await client.db().collection(name).find().toArray())))
  const kept = [...documents, ...lines].join('\n')
  t.match(kept, /jwt\.refused/)
  t.match(kept, /JWT refused/)
  for (const [name, value] of Object.entries({ right, wrong, cookie: cookie?.value ?? '', secretKey, cookieSecret, masterKey })) {
    t.notOk(kept.includes(value), name)
    t.notOk(kept.includes(value.slice(-24)), `the end of ${name}`)
  }
})
