import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { basic, bearer, createConnector, isConnectorHttpError, type ConnectorOptions, type ConnectorRequestOptions } from '../../connectors.js'
import { json, startApi, text, type Answer } from './echo-api.js'
import { rejection, testConnector } from './test-connector.js'

const drop: Answer = (_request, response) => { response.destroy() }

t.test('a request goes below the base URL by its method, with the connector\'s headers, the strategy\'s and the caller\'s', async (t) => {
  const api = await startApi(t)
  const connector = createConnector({ baseUrl: `${api.url}/v1/`, auth: bearer('the-token'), headers: { 'X-Base': 'base', ACCEPT: 'text/csv' }, allowInsecure: true })
  for (const [method, call] of [['GET', connector.get], ['POST', connector.post], ['PUT', connector.put], ['PATCH', connector.patch], ['DELETE', connector.delete]] as const) {
    t.strictSame((await call('/orders/1')).data, { ok: true })
    t.match(api.requests.at(-1), { method, url: '/v1/orders/1', headers: { authorization: 'Bearer the-token', 'x-base': 'base', accept: 'text/csv', 'user-agent': /^fastify-docuware-auth\/\d/ } }, method)
  }
  for (const [path, options, url] of [
    ['orders', {}, '/v1/orders'],
    ['', {}, '/v1/'],
    ['/orders?a=1', { query: { b: 'x y&z', c: ['1', 2, true, null], d: undefined, e: [] } }, '/v1/orders?a=1&b=x+y%26z&c=1&c=2&c=true'],
    [`${api.url}/elsewhere`, {}, '/elsewhere'],
    ['/a%2Fb/ü', {}, '/v1/a%2Fb/%C3%BC']
  ] as const) {
    await connector.request('options', path, options)
    t.match(api.requests.at(-1), { method: 'OPTIONS', url }, path)
  }
  await connector.get('/', { headers: { 'X-BASE': 'own', Authorization: 'Bearer own' } })
  t.match(api.requests.at(-1)?.headers, { 'x-base': 'own', authorization: 'Bearer own' })
  await connector.get('/')
  t.match(api.requests.at(-1)?.headers, { 'x-base': 'base', authorization: 'Bearer the-token' }, 'what one call adds is not the next one\'s')
})

t.test('an answer has its status, its headers in lower case, and its data by media type', async (t) => {
  const api = await startApi(t)
  const { connector } = testConnector(api.url)
  const raw = (status: number, type: string, body: string | Buffer, headers: Record<string, string> = {}): Answer => (_request, response) => { response.writeHead(status, { ...(type === '' ? {} : { 'content-type': type }), ...headers }).end(body) }
  const cases: Array<[name: string, answer: Answer, status: number, data: unknown, method?: string]> = [
    ['JSON', json(201, { a: [1, null] }, { 'X-Total': '7' }), 201, { a: [1, null] }],
    ['JSON of a vendor', raw(200, 'application/vnd.x+json; charset=utf-8', '\ufeff{"a":"ü"}'), 200, { a: 'ü' }],
    ['JSON in gzip', raw(200, 'application/json', gzipSync('{"a":1}'), { 'content-encoding': 'gzip' }), 200, { a: 1 }],
    ['JSON null', raw(200, 'application/json', 'null'), 200, null],
    ['text', text(200, 'ready, ü'), 200, 'ready, ü'],
    ['HTML', raw(200, 'text/html', '<p>'), 200, '<p>'],
    ['no media type', raw(200, '', 'anything'), 200, 'anything'],
    ['empty', text(200, ''), 200, null],
    ['empty JSON', raw(200, 'application/json', ''), 200, null],
    ['204', raw(204, '', ''), 204, null],
    ['HEAD', raw(200, 'application/json', '', { 'content-length': '1000' }), 200, null, 'HEAD']
  ]
  for (const [name, answer, status, data, method = 'GET'] of cases) {
    api.answers.push(answer)
    const response = await connector.request(method, '/')
    t.strictSame([response.status, response.data], [status, data], name)
  }
  api.answers.push(json(200, {}, { 'X-Total': '7' }))
  const { headers } = await connector.get('/')
  t.strictSame([headers['x-total'], headers['content-type'], 'set-cookie' in headers], ['7', 'application/json', false])
  const repeated: Answer = (_request, response) => { response.writeHead(200, ['Set-Cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'X-List', 'one', 'X-List', 'two', 'set-cookie', 'b=2']).end() }
  for (const options of [{}, { as: 'bytes' }] as const) {
    api.answers.push(repeated)
    const { headers } = await connector.get('/', options)
    t.strictSame([headers['x-list'], headers['set-cookie']], ['one, two', ['a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'b=2']], 'headers that are there twice; cookies cannot be joined')
  }

  for (const [name, answer, bytes] of [['bytes', raw(200, 'application/json', Buffer.from([0, 255, 10])), [0, 255, 10]], ['no bytes', raw(204, '', ''), []]] as const) {
    api.answers.push(answer)
    const { data } = await connector.get('/', { as: 'bytes' })
    t.ok(data instanceof Uint8Array, name)
    t.strictSame([...(data instanceof Uint8Array ? data : [])], bytes, name)
  }
  for (const body of ['{"hidden":', 'hidden', '{}x']) {
    api.answers.push(raw(200, 'application/json', body))
    const error = await rejection(connector.get('/'))
    t.match(error, { code: 'DWA_CONNECTOR_NOT_JSON', message: 'The API answered malformed JSON (status 200) where JSON was expected' })
    t.notOk(error instanceof Error && ('cause' in error || error.message.includes('hidden')), 'and what was there is nobody\'s business')
  }
})

t.test('an answer that is too large is refused, and the rest of it is not fetched', async (t) => {
  const api = await startApi(t)
  const { connector } = testConnector(api.url, { maxBytes: 1000 })
  const body = JSON.stringify('x'.repeat(999))
  for (const [name, headers, content] of [['by its length', { 'content-length': '1001' }, body], ['by what comes', {}, body], ['unpacked', { 'content-encoding': 'gzip' }, gzipSync(body)]] as const) {
    for (const type of ['application/json', 'text/plain', 'bytes']) {
      api.answers.push((_request, response) => { response.writeHead(200, { 'content-type': type === 'bytes' ? 'image/png' : type, ...headers }).end(content) })
      t.match(await rejection(connector.get('/', type === 'bytes' ? { as: 'bytes' } : {})), { code: 'DWA_CONNECTOR_UNEXPECTED_ANSWER', message: 'The API answered more than 1000 bytes' }, `${type}, ${name}`)
    }
  }
  api.answers.push(json(200, 'x'.repeat(998)))
  t.equal((await connector.get('/')).data, 'x'.repeat(998), 'just so much')
  t.equal(api.requests.length, 10, 'nothing was tried again')
})

t.test('a request carries JSON, a form, text, bytes, a stream or what a function opens, and one of them alone', async (t) => {
  const api = await startApi(t)
  const { connector } = testConnector(api.url)
  async function * pieces (): AsyncGenerator<string | Uint8Array> { yield 'first '; yield Buffer.from('second') }
  const cases: Array<[name: string, options: ConnectorRequestOptions, body: string, headers: Record<string, string | undefined>]> = [
    ['JSON', { json: { a: 'ü', b: undefined } }, '{"a":"ü"}', { 'content-type': 'application/json', 'content-length': '10' }],
    ['JSON null', { json: null }, 'null', { 'content-type': 'application/json' }],
    ['JSON under the caller\'s name', { json: 1, headers: { 'Content-Type': 'application/merge-patch+json' } }, '1', { 'content-type': 'application/merge-patch+json' }],
    ['a form', { form: { a: 'x y&z=ü', list: [1, 2], none: null } }, 'a=x+y%26z%3D%C3%BC&list=1&list=2', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an empty form', { form: {} }, '', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text', { body: 'a,ü', headers: { 'content-type': 'text/csv' } }, 'a,ü', { 'content-type': 'text/csv' }],
    ['bytes', { body: Buffer.from('bytes') }, 'bytes', { 'content-type': undefined }],
    ['a Blob', { body: new Blob(['blob']) }, 'blob', {}],
    ['a Node stream', { body: Readable.from([Buffer.from('st'), Buffer.from('ream')]) }, 'stream', { 'transfer-encoding': 'chunked' }],
    ['an iterable', { body: pieces() }, 'first second', { 'transfer-encoding': 'chunked' }],
    ['a function', { body: () => pieces() }, 'first second', { 'transfer-encoding': 'chunked' }],
    ['nothing', {}, '', { 'content-type': undefined, 'content-length': '0' }]
  ]
  for (const [name, options, body, headers] of cases) {
    await connector.post('/', options)
    const arrived = api.requests.at(-1)
    t.equal(arrived?.body.toString('utf8'), body, name)
    for (const [header, value] of Object.entries(headers)) t.equal(arrived?.headers[header], value, `${name}: ${header}`)
  }

  const custom = createConnector({ baseUrl: api.url, auth: bearer('t'), headers: { 'Content-Type': 'application/vnd.api+json' }, allowInsecure: true })
  await custom.post('/', { json: {} })
  t.equal(api.requests.at(-1)?.headers['content-type'], 'application/vnd.api+json', 'the connector\'s own name for its JSON')
  await custom.post('/', { form: {} })
  t.equal(api.requests.at(-1)?.headers['content-type'], 'application/x-www-form-urlencoded', 'which is none for forms')

  const sent = api.requests.length
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const refused: Array<[name: string, options: ConnectorRequestOptions, method?: string]> = [
    ['json and form', { json: {}, form: {} }], ['json and body', { json: null, body: '' }], ['form and body', { form: {}, body: '' }],
    ['a function as JSON', { json: () => 1 }], ['JSON in a circle', { json: cyclic }], ['a big integer', { json: 1n }],
    ['a body to GET', { json: {} }, 'GET'], ['a method that is none', {}, 'GE T'], ['a method that is forbidden', {}, 'TRACE'],
    ['a header that is none', { headers: { 'a b': 'hidden' } }], ['a header that splits', { headers: { a: 'hidden\r\nb: c' } }], ['a header that is not Latin-1', { headers: { a: 'hidden €' } }]
  ]
  for (const [name, options, method = 'POST'] of refused) {
    const error = await rejection(connector.request(method, '/', options))
    t.match(error, { code: 'DWA_CONNECTOR_INVALID_REQUEST' }, name)
    t.notOk(error instanceof Error && ('cause' in error || error.message.includes('hidden')), name)
  }
  const failed = new Error('of the value itself')
  t.equal(await rejection(connector.post('/', { json: { toJSON () { throw failed } } })), failed)
  t.match(await rejection(connector.post('/', { body: createReadStream('/no/such/file') })), { code: 'ENOENT' }, 'a stream that breaks is no fault of the API')
  t.equal(api.requests.length, sent)
})

t.test('any answer that is no success is an error with status, URL without query, and the start of the body', async (t) => {
  const api = await startApi(t)
  const { connector } = testConnector(`${api.url}/v1`, { retries: 0 })
  for (const status of [300, 304, 400, 403, 404, 409, 410, 418, 422, 429, 500, 501, 503]) {
    api.answers.push(status === 304 ? (_request, response) => { response.writeHead(304).end() } : json(status, { problem: status }))
    const error = await rejection(connector.post('/orders?code=in-the-query', { query: { other: 'in-the-query' }, json: {} }))
    t.match(error, { code: 'DWA_CONNECTOR_HTTP', statusCode: 502, status, url: `${api.url}/v1/orders`, body: status === 304 ? '' : `{"problem":${status}}`, message: `POST ${api.url}/v1/orders was answered with status ${status}` })
    t.ok(isConnectorHttpError(error))
    t.notMatch(JSON.stringify(error), /in-the-query/)
  }
  t.notOk(isConnectorHttpError(await rejection(connector.request('GE T', '/'))))

  const broken: Answer = (_request, response) => { response.writeHead(400, { 'content-length': '1000' }).write('{', () => { response.destroy() }) }
  for (const [name, answer, body] of [
    ['2 KB', text(400, 'word '.repeat(1000)), 'word '.repeat(410).slice(0, 2048)],
    ['2 KB of what is longer than anybody looks at', text(400, 'word '.repeat(40_000)), 'word '.repeat(410).slice(0, 2048)],
    ['no half characters', text(400, ` ${'ü'.repeat(2000)}`), ` ${'ü'.repeat(1023)}`],
    ['nothing', text(400, ''), ''],
    ['null where it breaks', broken, null]
  ] as const) {
    api.answers.push(answer)
    t.match(await rejection(connector.get('/')), { status: 400, body }, name)
  }
  const fetch: typeof globalThis.fetch = async () => new Response('x', { status: 404 })
  t.match(await rejection(testConnector('https://api.example/v1', { fetch }).connector.get('/a')), { url: 'https://api.example/v1/a' }, 'also of a fetch that does not say where it went')
})

t.test('practice: plain http refused, but on loopback when the app says so; an error names the option and not its value', async (t) => {
  const auth = basic({ username: 'ann', password: 'hunter2' })
  const cases: Array<[path: string, options: Record<string, unknown>]> = [
    ['connector.baseUrl: must be https', { baseUrl: 'http://api.example' }],
    ['connector.baseUrl: must be https', { baseUrl: 'http://api.example', allowInsecure: true }],
    ['connector.baseUrl: must be https', { baseUrl: 'http://127.0.0.1:1' }],
    ['connector.baseUrl: must be https', { baseUrl: 'http://127.0.0.1.evil.example', allowInsecure: true }],
    ['connector.baseUrl: must be https', { baseUrl: 'http://10.0.0.1', allowInsecure: true }],
    ['connector.baseUrl: must be https', { baseUrl: 'ftp://api.example', allowInsecure: true }],
    ['connector.baseUrl: must be https', { baseUrl: 'blob:https://api.example/hunter2' }],
    ['connector.baseUrl: must not hold credentials', { baseUrl: 'https://hunter2@api.example' }],
    ['connector.baseUrl: must not hold credentials', { baseUrl: 'https://:hunter2@api.example' }],
    ['connector.baseUrl: must not have a query', { baseUrl: 'https://api.example/?key=hunter2' }],
    ['connector.baseUrl: must not have a query', { baseUrl: 'https://api.example/#hunter2' }],
    ['connector.baseUrl: is no URL', { baseUrl: 'hunter2' }],
    ['connector.baseUrl: must be string', { baseUrl: new URL('https://api.example') }],
    ['connector.baseUrl: is required', { baseUrl: undefined }],
    ['connector.auth: is required', { auth: undefined }],
    ['connector.auth: must be object', { auth: 'hunter2' }],
    ['connector.auth.apply: must be a function', { auth: { name: 'own', apply: 'hunter2' } }],
    ['connector.auth.onUnauthorized: must be a function', { auth: { ...auth, onUnauthorized: true } }],
    ['connector.auth.secrets[0]: must be string', { auth: { ...auth, secrets: [7] } }],
    ['connector.headers.a: must be string', { headers: { a: 1 } }],
    ['connector.headers.a: must match', { headers: { a: 'hunter2\n' } }],
    ['connector.timeoutMs: must be >= 1', { timeoutMs: 0 }],
    ['connector.timeoutMs: must be <= 2147483647', { timeoutMs: 2 ** 31 }],
    ['connector.retries: must be >= 0', { retries: -1 }],
    ['connector.retries: must be integer', { retries: 1.5 }],
    ['connector.maxBytes: must be integer', { maxBytes: '1' }],
    ['connector.allowInsecure: must be boolean', { allowInsecure: 'yes' }],
    ['connector.fetch: must be a function', { fetch: 'hunter2' }],
    ['connector.random: must be a function', { random: 4 }],
    ['connector.clock: must be object', { clock: 4 }],
    ['connector.logger: must be object', { logger: 4 }],
    ['connector.token: unknown option', { token: 'hunter2' }]
  ]
  const create: (options: unknown) => unknown = createConnector as (options: unknown) => unknown
  for (const [message, options] of cases) {
    const error = await rejection((async () => create({ baseUrl: 'https://api.example', auth, ...options }))())
    t.match(error, { code: 'DWA_OPTIONS_INVALID', message: new RegExp(`^${message.replaceAll(/[.[\]]/g, '\\$&')}`) }, message)
    t.notMatch(String(error), /hunter2/, message)
  }
  const allowed: Array<Partial<ConnectorOptions>> = [
    {}, { baseUrl: 'https://127.0.0.1' }, { timeoutMs: undefined, headers: undefined, retries: undefined, fetch: undefined },
    ...['http://localhost:1', 'http://127.0.0.1:1/v1', 'http://[::1]/'].map((baseUrl) => ({ baseUrl, allowInsecure: true }))
  ]
  for (const options of allowed) t.ok(createConnector({ baseUrl: 'https://api.example', auth, ...options }), JSON.stringify(options))
})

t.test('a request that is for another place than the connector\'s own is not sent', async (t) => {
  const [own, foreign] = [await startApi(t), await startApi(t)]
  const { connector } = testConnector(`${own.url}/v1`)
  const host = new URL(own.url).host
  for (const path of [`${foreign.url}/x`, `//${new URL(foreign.url).host}/x`, `https://${host}/x`, `http://u:hidden@${host}/x`, `blob:${own.url}/x`, 'data:,hidden', `HTTP://localhost:${new URL(own.url).port}/x`]) {
    const error = await rejection(connector.get(path))
    t.match(error, { code: 'DWA_CONNECTOR_FOREIGN_ORIGIN' }, path)
    t.notMatch(String(error), /hidden/, path)
  }
  for (const path of ['/\\evil.example', '/a\r\nb', 'http://', '\t//evil.example']) t.match(await rejection(connector.get(path)), { code: 'DWA_CONNECTOR_INVALID_REQUEST' }, path)
  t.strictSame([own.requests.length, foreign.requests.length], [0, 0])
})

t.test('what is tried again, how often, and after how long', async (t) => {
  interface Case { method?: string, options?: ConnectorRequestOptions, connector?: Partial<ConnectorOptions>, answers: Answer[], calls: number, waits: number[], error?: object }
  const status = (status: number, retryAfter?: string): Answer => json(status, {}, retryAfter === undefined ? {} : { 'retry-after': retryAfter })
  const growing = [1000, 1750, 2875, 4563] // in the middle of [500, 3 x last]
  const retried = [408, 429, 502, 503, 504]
  const cases: Record<string, Case> = {
    ...Object.fromEntries(retried.map((code) => [`GET after ${code}`, { answers: [status(code)], calls: 2, waits: [1000] }])),
    ...Object.fromEntries(retried.map((code) => [`not POST after ${code}`, { method: 'POST', options: { json: {} }, answers: [status(code, '1')], calls: 1, waits: [], error: { status: code } }])),
    ...Object.fromEntries(retried.map((code) => [`POST after ${code} that may be sent twice`, { method: 'POST', options: { json: { a: 1 }, idempotent: true }, answers: [status(code)], calls: 2, waits: [1000] }])),
    ...Object.fromEntries(['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'get', 'delete'].map((method) => [method, { method, answers: [status(503)], calls: 2, waits: [1000] }])),
    ...Object.fromEntries([400, 403, 404, 409, 425, 500, 501, 505].map((code) => [`not after ${code}`, { answers: [status(code, '1')], calls: 1, waits: [], error: { status: code } }])),
    'not PATCH': { method: 'PATCH', options: { json: {} }, answers: [status(503)], calls: 1, waits: [], error: { status: 503 } },
    'not a GET that may not be sent twice': { options: { idempotent: false }, answers: [status(503)], calls: 1, waits: [], error: { status: 503 } },
    'with waits that grow, until it succeeds': { answers: [status(502), drop, status(504), status(408)], calls: 5, waits: growing },
    'five times at most': { answers: Array.from({ length: 6 }, () => status(503)), calls: 5, waits: growing, error: { code: 'DWA_CONNECTOR_HTTP', status: 503 } },
    'as often as the option says': { connector: { retries: 1 }, answers: [status(503), status(503), status(503)], calls: 2, waits: [1000], error: { status: 503 } },
    'never, when it says so': { connector: { retries: 0 }, answers: [status(503)], calls: 1, waits: [], error: { status: 503 } },
    'a connection that is reset': { answers: [drop], calls: 2, waits: [1000] },
    'a connection that is reset again and again': { connector: { retries: 1 }, answers: [drop, drop], calls: 2, waits: [1000], error: { code: 'DWA_CONNECTOR_UNREACHABLE', statusCode: 503, message: 'The API cannot be reached: the connection was closed', cause: Error } },
    'a connection that is reset within the answer': { answers: [(_request, response) => { response.writeHead(200, { 'content-type': 'application/json', 'content-length': '9' }).write('{', () => { response.destroy() }) }], calls: 2, waits: [1000] },
    'not a write whose connection is reset': { method: 'POST', options: { json: {} }, answers: [drop], calls: 1, waits: [], error: { code: 'DWA_CONNECTOR_UNREACHABLE' } },
    'after the seconds that are asked for': { answers: [status(429, '7'), status(503, '0'), status(408, '2')], calls: 4, waits: [7000, 0, 2000] },
    'after the date that is asked for': { answers: [status(429, 'Sat, 21 Nov 2026 12:00:10 GMT')], calls: 2, waits: [10_000] },
    'at once after a date that is past': { answers: [status(503, 'Fri, 20 Nov 2026 12:00:00 GMT')], calls: 2, waits: [0] },
    'after two minutes at most': { answers: [status(429, '86400'), status(429, 'Wed, 21 Nov 2035 12:00:00 GMT')], calls: 3, waits: [120_000, 120_000] },
    'a header that says nothing': { answers: [status(429, 'soon'), status(429, '-5'), status(429, '1.5')], calls: 4, waits: growing.slice(0, 3) },
    'after the shortest wait': { connector: { random: () => 0 }, answers: [status(503), status(503)], calls: 3, waits: [500, 500] },
    'after the longest wait': { connector: { random: () => 1, retries: 5 }, answers: Array.from({ length: 5 }, () => status(503)), calls: 6, waits: [1500, 4500, 13_500, 20_000, 20_000] }
  }
  for (const [name, { method = 'GET', options = {}, connector: more = {}, answers, calls, waits, error }] of Object.entries(cases)) {
    const api = await startApi(t)
    api.answers.push(...answers)
    const { connector, waits: waited, lines } = testConnector(api.url, more)
    const call = connector.request(method, '/x?secret=in-the-query', options)
    if (error === undefined) t.match(await call, { status: 200 }, name)
    else t.match(await rejection(call), error, name)
    t.equal(api.requests.length, calls, `${name}: calls`)
    t.strictSame(waited, waits, `${name}: waits`)
    t.equal(new Set(api.requests.map(({ body }) => body.toString('latin1'))).size, 1, `${name}: with the same body`)
    t.notMatch(lines.join(), /in-the-query|the-token/, name)
  }
})

t.test('a certificate that is refused is refused for good', async (t) => {
  let calls = 0
  const fetch: typeof globalThis.fetch = async () => {
    calls++
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }) })
  }
  t.match(await rejection(testConnector('https://api.example', { fetch }).connector.get('/x')), { code: 'DWA_CONNECTOR_UNREACHABLE', message: /certificate has expired/ })
  t.equal(calls, 1)
})

t.test('each try has its time, and the answer has to be complete in it', async (t) => {
  const api = await startApi(t)
  let late: () => void = () => {}
  const { connector, clock } = testConnector(api.url, { timeoutMs: 5000, retries: 2 })
  const silent: Answer = () => { setImmediate(() => { late() }) }
  const dripping: Answer = (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).write('{', () => { setImmediate(() => { late() }) }) }
  for (const [name, answer] of [['silent', silent], ['dripping', dripping]] as const) {
    api.requests.length = 0
    late = () => { clock.advance(4999); clock.advance(1) }
    api.answers.push(answer, answer, answer)
    t.match(await rejection(connector.get('/')), { code: 'DWA_CONNECTOR_TIMEOUT', statusCode: 504, message: 'The API did not answer within 5000 ms' }, name)
    t.equal(api.requests.length, 3, 'reads are tried again')
    api.answers.push(answer)
    t.match(await rejection(connector.post('/')), { code: 'DWA_CONNECTOR_TIMEOUT' })
    t.equal(api.requests.length, 4, 'writes are not')
    api.answers.push(answer)
    late = () => { clock.advance(7) }
    t.match(await rejection(connector.post('/', { timeoutMs: 7 })), { message: /within 7 ms/ }, 'a request may have its own')
  }
  const usual = testConnector(api.url)
  late = () => { usual.clock.advance(29_999); usual.clock.advance(1) }
  api.answers.push(silent)
  t.match(await rejection(usual.connector.post('/')), { code: 'DWA_CONNECTOR_TIMEOUT', message: 'The API did not answer within 30000 ms' }, 'by default')
  t.match(await connector.get('/'), { status: 200 })
  clock.advance(1e6)
})

t.test('the caller ends a call at once, also while it waits', async (t) => {
  const api = await startApi(t)
  const reason = new Error('not wanted any more')
  const aborted = AbortSignal.abort(reason)
  const { connector } = testConnector(api.url, { onWait: () => false })
  t.equal(await rejection(connector.get('/', { signal: aborted })), reason)
  t.equal(api.requests.length, 0)

  const during = new AbortController()
  api.answers.push(() => { during.abort(reason) })
  t.equal(await rejection(connector.get('/', { signal: during.signal })), reason, 'while the API thinks')
  t.equal(api.requests.length, 1, 'and it is not asked again')

  const within = new AbortController()
  api.answers.push((_request, response) => { response.writeHead(200, { 'content-type': 'text/plain' }).write('x', () => { setImmediate(() => { within.abort(reason) }) }) })
  t.equal(await rejection(connector.get('/', { signal: within.signal })), reason, 'while the answer comes in')

  const refusal = new AbortController()
  api.answers.push((_request, response) => { response.writeHead(503, { 'content-type': 'text/plain' }).write('x', () => { setImmediate(() => { refusal.abort(reason) }) }) })
  t.equal(await rejection(connector.get('/', { signal: refusal.signal })), reason, 'while a refusal comes in')

  const waiting = new AbortController()
  const impatient = testConnector(api.url, { onWait: () => { waiting.abort(reason); return false } })
  api.answers.push(json(503, {}, { 'retry-after': '60' }))
  t.equal(await rejection(impatient.connector.get('/', { signal: waiting.signal })), reason, 'while it waits for the next try')

  const asking = new AbortController()
  const slow = testConnector(api.url, { auth: { name: 'slow', apply: async () => { setImmediate(() => { asking.abort(reason) }); return await new Promise(() => {}) } } })
  t.equal(await rejection(slow.connector.get('/', { signal: asking.signal })), reason, 'while its strategy thinks')

  const renewing = new AbortController()
  const stuck = testConnector(api.url, { auth: { name: 'stuck', apply: (request) => request, onUnauthorized: async () => { setImmediate(() => { renewing.abort(reason) }); return await new Promise(() => {}) } } })
  api.answers.push(json(401, {}))
  t.equal(await rejection(stuck.connector.get('/', { signal: renewing.signal })), reason, 'while its strategy renews')
  t.equal(api.requests.length, 5)
  t.match(await connector.get('/', { signal: new AbortController().signal }), { status: 200 })
})
