import { generateKeyPairSync } from 'node:crypto'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import t from 'tap'
import { apiKey, basic, bearer, hmac, isConnectorHttpError, jwtAssertion, storeHeaders, withHeaders, type ConnectorRequest, type ConnectorRequestOptions, type Strategy } from '../../connectors.js'
import { json, startApi, text, type Answer } from './echo-api.js'
import { rejection, testConnector } from './test-connector.js'

/** All that an error says, to people and to programs, and what it was caused by. */
function told (error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return [String(error), error instanceof Error ? error.stack : '', inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), inspect(cause, { depth: 20 }), JSON.stringify(cause)].join('\n')
}

function base64 (text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const password = 'pä"s/s\\w & ör+d<1>\''

/** Strategies, and what of theirs must be read nowhere. */
const strategies: Array<[name: string, auth: Strategy, credentials: string[]]> = [
  ['apiKey in a header', apiKey({ key: 'Hidden.key-1', secret: 'Hidden.key-1-and-secret' }), ['Hidden.key-1', 'and-secret']],
  ['apiKey under a scheme', apiKey({ key: 'hidden key', scheme: 'ApiKey' }), ['hidden key', 'hidden%20key']],
  ['apiKey in the query', apiKey({ key: 'hidden&k=(/"', query: 'api_key' }), ['hidden', 'k%3D', 'k=(']],
  ['a short apiKey in the query', apiKey({ key: 'k7', query: 'q' }), ['k7']],
  ['bearer', bearer('hidden.token.one'), ['hidden.token']],
  ['bearer of a function', bearer(async () => 'hidden~token/two='), ['hidden~token', 'token%2Ftwo', 'token\\/two']],
  ['basic', basic({ username: 'jörg', password }), [base64(`jörg:${password}`), password, JSON.stringify(password).slice(1, -1), encodeURIComponent(password), 'ör', '\\u00f6', '%C3%B6', '&ouml;', '&#246;']],
  ['hmac', hmac({ key: 'hidden-id', secret: 'hidden-secret' }), ['hidden']],
  ['jwtAssertion with HS256', jwtAssertion({ issuer: 'someone', secret: 'hidden-secret' }), ['hidden', 'eyJ']],
  ['jwtAssertion with RS256', jwtAssertion({ issuer: 'someone', privateKey: pem }), ['eyJ', 'PRIVATE']],
  ['storeHeaders', storeHeaders({ storeId: '42', apiKey: 'hidden-key' }), ['hidden']],
  ['one\'s own, in the path', { name: 'own', apply: (request) => ({ ...request, url: new URL(`/bot${'hidden:7%20'}/send`, request.url) }) }, ['hidden', '7%20', 'hidden:7 ']],
  ['one\'s own, with a path that is badly encoded', { name: 'own', apply: (request) => ({ ...request, url: new URL('/hidden-100%/send', request.url) }) }, ['hidden']],
  ['one\'s own, written into what it was given', { name: 'own', apply: (request) => { request.url.searchParams.set('q', 'hidden-parameter'); return request } }, ['hidden']],
  ['one\'s own, in capitals', { name: 'own', apply: (request) => withHeaders(request, { 'X-Own': 'hidden-header' }) }, ['hidden']],
  ['one\'s own, in the body', { name: 'own', secrets: ['', 'hid', 'hidden'], apply: (request) => request.method === 'GET' ? request : { ...request, body: 'user=1&pass=hidden' } }, ['hid', 'idden']]
]

/** How a careless API repeats what it was asked. */
const echoes: Array<[name: string, echo: (told: readonly string[]) => string]> = [
  ['JSON', (told) => JSON.stringify({ told })],
  ['JSON in ASCII', (told) => JSON.stringify(told).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`)],
  ['JSON with escaped slashes', (told) => JSON.stringify(told).replaceAll('/', '\\/')],
  ['JSON in JSON', (told) => JSON.stringify({ error: JSON.stringify(told) })],
  ['text', (told) => told.join(' ')],
  ['a query', (told) => told.map((value) => encodeURIComponent(value)).join(' ')],
  ['a query in small letters', (told) => told.map((value) => encodeURIComponent(value).replace(/%../g, (byte) => byte.toLowerCase())).join(' ')],
  ['a form', (told) => told.map((value) => new URLSearchParams({ a: value }).toString()).join('\n')],
  ['HTML', (told) => `<pre>${told.join('\n').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')}</pre>`],
  ['HTML in ASCII', (told) => told.join('\n').replace(/[^\n A-Za-z0-9]/gu, (character) => `&#x${character.codePointAt(0)?.toString(16) ?? ''};`)],
  ['more than is looked at', (told) => `${' '.repeat(65_530)}${JSON.stringify(told)}`]
]

t.test('practice: credentials in no log line, and in nothing that an error says, however the API repeats them', async (t) => {
  for (const [name, auth, credentials] of strategies) {
    const api = await startApi(t)
    const { connector, lines } = testConnector(`${api.url}/v1`, { auth, retries: 1 })
    const options: ConnectorRequestOptions = auth.name === 'own' ? {} : { json: { amount: 5 } }
    const refuse = (status: number, echo: (told: readonly string[]) => string): Answer => ({ url, rawHeaders, body }, response) => {
      said = `Refused: ${echo([...auth.secrets ?? [], url, ...rawHeaders, body.toString()])}`
      response.writeHead(status, { 'content-type': 'text/plain' }).end(said)
    }
    let said = ''
    for (const [form, echo] of echoes) {
      for (const status of [400, 401, 503]) {
        api.answers.push(refuse(status, echo), refuse(status, echo))
        const error = await rejection(connector.put('/orders', options))
        t.match(error, { code: 'DWA_CONNECTOR_HTTP', status, body: /^Refused: / }, `${name} in ${form}`)
        t.ok(isConnectorHttpError(error) && (form === 'more than is looked at' || !said.startsWith(error.body ?? '')), `${name} in ${form}: not as it was said`)
        t.strictSame(credentials.filter((credential) => told(error).includes(credential)), [], `${name} in ${form}`)
        api.answers.length = 0
      }
    }
    api.answers.push((_request, response) => { response.destroy() }, (_request, response) => { response.destroy() })
    const errors = [
      await rejection(connector.put('/orders', options)),
      await rejection(connector.put('/orders', { ...options, headers: { broken: 'a\nb' } }))
    ]
    api.answers.push((_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end('{') }, json(302, {}, { location: 'https://hidden@evil.example/hidden' }))
    errors.push(await rejection(connector.put('/orders', options)), await rejection(connector.get('/orders')))
    t.strictSame(errors.map((error) => error !== null && typeof error === 'object' && 'code' in error && error.code), ['DWA_CONNECTOR_UNREACHABLE', 'DWA_CONNECTOR_INVALID_REQUEST', 'DWA_CONNECTOR_NOT_JSON', 'DWA_CONNECTOR_FOREIGN_ORIGIN'], name)
    t.strictSame(credentials.filter((credential) => errors.some((error) => told(error).includes(credential))), [], name)
    t.ok(lines.length > 0, name)
    t.strictSame(credentials.filter((credential) => lines.join().includes(credential)), [], `${name}: in the log`)
  }
})

t.test('a secret that ends beyond what is read of an answer is not shown by its beginning', async (t) => {
  const api = await startApi(t)
  const secret = 'Long.Hidden-'.repeat(600)
  const { connector } = testConnector(api.url, { auth: apiKey({ key: secret }) })
  api.answers.push(text(400, `${secret.repeat(9)} and ${secret}`))
  const error = await rejection(connector.get('/'))
  t.match(error, { status: 400 })
  t.notMatch(told(error), /Hidden/)
})

t.test('what the caller itself sends under a telling name is masked too, and the rest is shown', async (t) => {
  const api = await startApi(t)
  const { connector, lines } = testConnector(api.url, { headers: { 'X-Tenant-Key': 'hidden-tenant' } })
  const echo: Answer = ({ url, headers }, response) => { response.writeHead(503, { 'content-type': 'text/plain' }).end(JSON.stringify([url, headers, 'hidden-parameter', 'Visible words'])) }
  api.answers.push(echo, echo, echo, echo, echo)
  const error = await rejection(connector.get('/orders', { query: { access_token: 'hidden-parameter' }, headers: { Authorization: 'Custom hidden-authorization', Cookie: 'sid=hidden-cookie', 'X-Trace': 'trace-0001' } }))
  t.match(error, { status: 503, body: /trace-0001.*Visible words/ })
  t.notMatch(told(error) + lines.join(), /hidden/)
})

t.test('a fetch that quotes its request in an error does not give the credentials away', async (t) => {
  const quoting: typeof globalThis.fetch = async (input) => { throw new Error(`request to ${String(input)} failed`) }
  const { connector, lines } = testConnector('https://api.example', { auth: apiKey({ key: 'hidden key', query: 'api_key' }), fetch: quoting, retries: 1 })
  const error = await rejection(connector.get('/orders'))
  t.match(error, { code: 'DWA_CONNECTOR_UNREACHABLE', message: /request to https:\/\/api\.example\/orders/ })
  t.notMatch(told(error) + lines.join(), /hidden/)
  t.equal(error instanceof Error ? error.cause : null, undefined, 'such a cause is left out')
  const plain: typeof globalThis.fetch = async () => { throw new TypeError('fetch failed', { cause: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }) }) }
  t.match(await rejection(testConnector('https://api.example', { fetch: plain, retries: 0 }).connector.get('/')), { message: 'The API cannot be reached: ECONNREFUSED', cause: { cause: { code: 'ECONNREFUSED' } } }, 'any other one is kept')
})

t.test('a redirect on the own origin is followed with the credentials, for GET and HEAD alone, and not for ever', async (t) => {
  const api = await startApi(t)
  const to = (location: string, status = 302): Answer => json(status, {}, { location })
  const auths: Array<[Strategy, Record<string, string>, string]> = [
    [bearer('the-token'), { authorization: 'Bearer the-token' }, ''], [basic({ username: 'a', password: 'b' }), { authorization: `Basic ${base64('a:b')}` }, ''], [apiKey({ key: 'the key', query: 'k', secret: 's' }), { 'x-api-secret': 's' }, '&k=the+key']
  ]
  for (const [auth, headers, query] of auths) {
    const { connector } = testConnector(`${api.url}/v1`, { auth })
    for (const status of [301, 302, 303, 307, 308]) {
      for (const method of ['GET', 'HEAD']) {
        api.requests.length = 0
        api.answers.push(to(`${api.url}/v2/once?a=1`, status), to('twice?b=2', status))
        t.match(await connector.request(method, '/orders', { headers: { 'X-Own': 'own' } }), { status: 200 }, `${method} ${status}`)
        t.strictSame(api.requests.map((request) => [request.method, request.url]), [[method, `/v1/orders${query.replace('&', '?')}`], [method, `/v2/once?a=1${query}`], [method, `/v2/twice?b=2${query}`]], `${method} ${status}`)
        for (const request of api.requests) t.match(request.headers, { ...headers, 'x-own': 'own' })
      }
    }
  }
  const { connector } = testConnector(api.url, { retries: 0 })
  const closed = Readable.from(['x'])
  const refused: Array<[name: string, answer: Answer, method: string, options: ConnectorRequestOptions, error: object]> = [
    ['POST', to('/x'), 'POST', { json: {} }, { code: 'DWA_CONNECTOR_HTTP', status: 302 }],
    ['POST with 307', to('/x', 307), 'POST', { form: { a: 1 } }, { status: 307 }],
    ['PUT', to('/x', 308), 'PUT', { json: {} }, { status: 308 }],
    ['DELETE', to('/x', 301), 'DELETE', {}, { status: 301 }],
    ['a stream', to('/x', 308), 'PUT', { body: closed }, { status: 308 }],
    ['bytes', to('/x', 308), 'PUT', { body: Buffer.from('x') }, { status: 308 }],
    ['nowhere', json(302, {}), 'GET', {}, { status: 302 }],
    ['300', to('/x', 300), 'GET', {}, { status: 300 }]
  ]
  for (const [name, answer, method, options, expected] of refused) {
    api.requests.length = 0
    api.answers = [answer]
    t.match(await rejection(connector.request(method, '/', options)), expected, name)
    t.equal(api.requests.length, 1, `${name}: once`)
  }
  api.requests.length = 0
  api.answers = Array.from({ length: 9 }, () => to('/round'))
  t.match(await rejection(connector.get('/')), { code: 'DWA_CONNECTOR_HTTP', status: 302, url: `${api.url}/round` })
  t.equal(api.requests.length, 6)
})

t.test('credentials never follow a redirect to another origin: nothing at all is sent there', async (t) => {
  const [own, foreign] = [await startApi(t), await startApi(t)]
  const port = new URL(own.url).port
  for (const [name, auth] of strategies) {
    const { connector } = testConnector(own.url, { auth })
    for (const location of [`${foreign.url}/x?code=in-the-query`, `//${new URL(foreign.url).host}/`, `http://localhost:${port}/`, `https://127.0.0.1:${port}/`, `http://user:hidden@127.0.0.1:${port}/`, 'data:,x']) {
      own.requests.length = 0
      own.answers.push(json(307, {}, { location }))
      const error = await rejection(connector.get('/orders'))
      t.match(error, { code: 'DWA_CONNECTOR_FOREIGN_ORIGIN', statusCode: 502 }, `${name} to ${location}`)
      t.notMatch(told(error), /hidden|in-the-query/)
      t.equal(own.requests.length, 1, 'once')
    }
  }
  own.answers = [json(302, {}, { location: '/\\evil.example/' })]
  t.match(await rejection(testConnector(own.url).connector.get('/')), { code: 'DWA_CONNECTOR_INVALID_REQUEST' })
  t.equal(foreign.requests.length, 0)

  const asked: string[] = []
  const fetch: typeof globalThis.fetch = async (input) => {
    asked.push(String(input))
    return new Response(null, { status: 302, headers: { location: asked.length === 1 ? '/twice' : 'http://api.example/x' } })
  }
  t.match(await rejection(testConnector('https://api.example', { fetch }).connector.get('/once')), { code: 'DWA_CONNECTOR_FOREIGN_ORIGIN', message: 'The credentials for https://api.example are not sent to http://api.example' })
  t.strictSame(asked, ['https://api.example/once', 'https://api.example/twice'], 'https never becomes http')
})

t.test('an app can write its own strategy: it sees the request as it goes out, and answers a changed one', async (t) => {
  const api = await startApi(t)
  const seen: ConnectorRequest[] = []
  const own = (apply: Strategy['apply']): ReturnType<typeof testConnector> => testConnector(`${api.url}/v1`, { auth: { name: 'own', apply }, headers: { 'X-Base': 'base' } })
  await own((request) => { seen.push(request); return request }).connector.request('post', 'orders?a=1', { query: { b: 2 }, json: { c: 3 }, headers: { 'X-Own': 'own' } })
  t.match(seen, [{ method: 'POST', path: 'orders?a=1', url: new URL(`${api.url}/v1/orders?a=1&b=2`), headers: { 'x-base': 'base', 'x-own': 'own', 'content-type': 'application/json' }, json: { c: 3 }, body: '{"c":3}' }])
  t.match(api.requests.at(-1), { method: 'POST', url: '/v1/orders?a=1&b=2', headers: { 'x-base': 'base' } })

  class Stamps implements Strategy {
    readonly name = 'stamps'
    count = 0
    async apply (request: ConnectorRequest): Promise<ConnectorRequest> {
      return withHeaders(request, { 'X-Stamp': String(++this.count), 'X-BASE': 'replaced', 'X-Own': 'not replaced' })
    }
  }
  const stamps = new Stamps()
  api.answers.push(json(503, {}))
  await testConnector(api.url, { auth: stamps, headers: { 'X-Base': 'base' } }).connector.get('/', { headers: { 'X-Own': 'own' } })
  t.match(api.requests.slice(-2).map(({ headers }) => headers), [{ 'x-stamp': '1' }, { 'x-stamp': '2', 'x-base': 'replaced', 'x-own': 'own' }], 'for every try, and what the caller set stays')

  for (const [name, body, expected] of [['text', 'changed', 'changed'], ['bytes', Buffer.from('changed'), 'changed'], ['nothing', null, '']] as const) {
    await own((request) => ({ ...request, body })).connector.post('/', { json: {} })
    t.equal(api.requests.at(-1)?.body.toString(), expected, name)
  }
  await own((request) => ({ ...request, url: new URL('/elsewhere?x=1', request.url) })).connector.get('/')
  t.equal(api.requests.at(-1)?.url, '/elsewhere?x=1')

  const sent = api.requests.length
  const foreign = await startApi(t)
  for (const url of [foreign.url, api.url.replace('127.0.0.1', 'localhost'), api.url.replace('//', '//u:p@')]) {
    t.match(await rejection(own((request) => ({ ...request, url: new URL(url) })).connector.get('/')), { code: 'DWA_CONNECTOR_FOREIGN_ORIGIN' }, url)
    t.match(await rejection(own(async (request) => ({ ...request, url: new URL(url) })).connector.get('/')), { code: 'DWA_CONNECTOR_FOREIGN_ORIGIN' }, url)
    t.match(await rejection(own((request) => { request.url.href = url; return request }).connector.get('/')), { code: 'DWA_CONNECTOR_FOREIGN_ORIGIN' }, url)
  }
  const error = await rejection(own((request) => withHeaders(request, { 'x-key': 'hidden\r\nvalue' })).connector.get('/'))
  t.match(error, { code: 'DWA_CONNECTOR_INVALID_REQUEST' })
  t.notMatch(told(error), /hidden/)
  for (const failed of [new Error('vault is sealed'), new TypeError('undefined is not a function')]) {
    t.equal(await rejection(own(() => { throw failed }).connector.get('/')), failed, 'what it throws is its own')
    t.equal(await rejection(own(async () => { throw failed }).connector.get('/')), failed)
  }
  const writing = own((request) => { Object.assign(request.headers, { authorization: 'hidden' }); return request }).connector
  t.ok(await rejection(writing.get('/')) instanceof TypeError, 'it cannot write into the headers of other requests')
  t.ok(await rejection(writing.get('/', { headers: { a: 'b' } })) instanceof TypeError)
  t.strictSame([api.requests.length, foreign.requests.length], [sent, 0])
})

t.test('a 401 is told to the strategy, and the request is sent once more unless it says no', async (t) => {
  const api = await startApi(t)
  let token = 0
  const told: unknown[] = []
  const failed = new TypeError('the vault is sealed')
  const outcomes: Array<[name: string, outcome: Strategy['onUnauthorized'], calls: number, error: object | null]> = [
    ['nothing', () => {}, 2, null],
    ['true', () => true, 2, null],
    ['a promise of true', async () => true, 2, null],
    ['a promise of nothing', async () => {}, 2, null],
    ['false', () => false, 1, { code: 'DWA_CONNECTOR_HTTP', status: 401 }],
    ['a promise of false', async () => false, 1, { code: 'DWA_CONNECTOR_HTTP', status: 401 }],
    ['an error', () => { throw failed }, 1, failed],
    ['a rejection', async () => { throw failed }, 1, failed],
    ['no such function', undefined, 1, { code: 'DWA_CONNECTOR_HTTP', status: 401 }]
  ]
  for (const [name, outcome, calls, error] of outcomes) {
    const onUnauthorized: Strategy['onUnauthorized'] = outcome === undefined ? undefined : (response, request) => { token++; told.push([response.status, response.headers['www-authenticate'], response.headers['set-cookie'], request.headers['authorization']]); return outcome(response, request) }
    const auth: Strategy = { name: 'own', apply: (request) => withHeaders(request, { authorization: `Custom ${token}` }), ...(onUnauthorized === undefined ? {} : { onUnauthorized }) }
    const { connector, waits } = testConnector(api.url, { auth, retries: 0 })
    api.requests.length = told.length = token = 0
    api.answers = [(_request, response) => { response.writeHead(401, ['WWW-Authenticate', 'Custom', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']).end() }]
    const result = await rejection(connector.post('/', { json: { a: 1 } }))
    if (error === null) t.equal(result, null, name)
    else t.match(result, error, name)
    t.strictSame(api.requests.map(({ headers, body }) => [headers.authorization, body.toString()]), [['Custom 0', '{"a":1}'], ['Custom 1', '{"a":1}']].slice(0, calls), name)
    t.strictSame(told, outcome === undefined ? [] : [[401, 'Custom', ['a=1', 'b=2'], 'Custom 0']], name)
    t.strictSame(waits, [], 'at once, and whether or not requests are repeated')
  }
})

t.test('a 401 to the second request is final', async (t) => {
  const api = await startApi(t)
  let told = 0
  const auth: Strategy = { name: 'own', apply: (request) => request, onUnauthorized: () => { told++ } }
  const { connector, waits } = testConnector(api.url, { auth })
  api.answers = [json(401, {}), json(401, {})]
  t.match(await rejection(connector.get('/')), { code: 'DWA_CONNECTOR_HTTP', status: 401 })
  t.strictSame([told, api.requests.length], [1, 2])
  api.answers = [json(503, {}), json(401, {}), json(503, {}), json(401, {})]
  t.match(await rejection(connector.get('/')), { code: 'DWA_CONNECTOR_HTTP', status: 401 }, 'also after a wait')
  t.strictSame([told, api.requests.length, waits.length], [2, 6, 2])
  api.answers = [json(401, {})]
  t.match(await connector.get('/'), { status: 200 }, 'the next call begins anew')
})

t.test('a stream that was read cannot be sent again; what opens one can', async (t) => {
  const api = await startApi(t)
  let renewals = 0
  const auth: Strategy = { name: 'own', apply: (request) => request, onUnauthorized: () => { renewals++ } }
  const { connector } = testConnector(api.url, { auth })
  for (const [name, answer, options] of [['401', json(401, {}), {}], ['503', json(503, {}), { idempotent: true }]] as const) {
    api.requests.length = 0
    api.answers = [answer]
    t.match(await rejection(connector.post('/', { body: Readable.from([Buffer.from('once')]), ...options })), { code: 'DWA_CONNECTOR_BODY_USED', statusCode: 502, cause: { code: 'DWA_CONNECTOR_HTTP', status: Number(name) } }, name)
    t.equal(api.requests.length, 1)
    for (const [kind, body] of [['function', () => Readable.from([Buffer.from('again')])], ['bytes', Buffer.from('again')], ['Blob', new Blob(['again'])]] as const) {
      api.requests.length = 0
      api.answers = [answer]
      t.match(await connector.post('/', { body, ...options }), { status: 200 }, kind)
      t.strictSame(api.requests.map(({ body }) => body.toString()), ['again', 'again'], `${kind} after ${name}`)
    }
  }
  t.equal(renewals, 4, 'the strategy is told all the same: the next call needs it')
  api.answers = [json(503, {})]
  t.match(await rejection(connector.post('/', { body: Readable.from([Buffer.from('once')]) })), { code: 'DWA_CONNECTOR_HTTP', status: 503 }, 'when there was no second try to come, the answer counts')
})
