import { gzipSync } from 'node:zlib'
import t from 'tap'
import { CallRate } from '../../lib/connectors/call-rate.js'
import { nextWait } from '../../lib/connectors/retry-policy.js'
import { CabinetListRates } from '../../lib/docuware/rest/cabinet-list-rates.js'
import { createRestClient } from '../../lib/docuware/rest/create-rest-client.js'
import { isDocuWareHttpError } from '../../lib/docuware/rest/docuware-client.js'
import { isAuthError } from '../../lib/errors.js'
import { ManualClock } from '../manual-clock.js'
import { json, rejection, startPlatform, TestAccess, testClient, type Answer } from './rest-platform.js'

const code = (error: unknown): unknown => isAuthError(error) ? error.code : error

t.test('security 55: a token goes to the connection\'s own origin only, whatever a path says', async (t) => {
  const own = await startPlatform(t, (request, response) => { json(response, { url: request.url }) })
  const foreign = await startPlatform(t, (_request, response) => { json(response, {}) })
  const { dw } = testClient(own.platformUrl)
  const foreignHost = new URL(foreign.origin).host
  const ownHost = new URL(own.origin).host
  const allowed = [
    ['/Organizations', '/DocuWare/Platform/Organizations'],
    ['Organizations', '/DocuWare/Platform/Organizations'],
    ['/', '/DocuWare/Platform/'],
    ['', '/DocuWare/Platform/'],
    ['/Organizations?a=1#there', '/DocuWare/Platform/Organizations?a=1'],
    ['/DocuWare/Platform/Organizations', '/DocuWare/Platform/Organizations'],
    ['/docuware/platform/FileCabinets/1', '/docuware/platform/FileCabinets/1'],
    ['/DocuWare/Platform', '/DocuWare/Platform'],
    ['/DocuWare/Platform?a=1', '/DocuWare/Platform?a=1'],
    ['/DocuWare/PlatformX', '/DocuWare/Platform/DocuWare/PlatformX'],
    [`${own.origin}/DocuWare/Platform/Organizations`, '/DocuWare/Platform/Organizations'],
    [`${own.origin.toUpperCase()}/x`, '/x'],
    [`//${ownHost}/x`, '/x'],
    ['/../../elsewhere', '/elsewhere'],
    ['/%2e%2e/Settings', '/DocuWare/Settings'],
    ['/a b', '/DocuWare/Platform/a%20b'],
    ['/x?q=a\\b', '/DocuWare/Platform/x?q=a\\b'],
    ['/@evil.example/', '/DocuWare/Platform/@evil.example/']
  ] as const
  for (const [path, url] of allowed) t.same(await dw.get(path), { url }, path)

  own.seen.length = 0
  const refused = [
    [`${foreign.origin}/DocuWare/Platform/Organizations`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`//${foreignHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`///${foreignHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`http:${foreign.origin.slice(5)}`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`${own.origin}@${foreignHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`http://someone@${ownHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`http://someone:else@${ownHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`https://${ownHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`ws://${ownHost}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`blob:${own.origin}/x`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    ['javascript:alert(1)', 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    ['file:///etc/passwd', 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    ['data:text/plain,x', 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`http://127.0.0.1.evil.example:${new URL(own.origin).port}/`, 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    ['http://127.0.0.1:1/x', 'DWA_DOCUWARE_FOREIGN_ORIGIN'],
    [`/\\${foreignHost}/x`, 'DWA_DOCUWARE_INVALID_REQUEST'],
    [`\\\\${foreignHost}\\x`, 'DWA_DOCUWARE_INVALID_REQUEST'],
    ['/..\\..\\x', 'DWA_DOCUWARE_INVALID_REQUEST'],
    [`/\t/${foreignHost}/x`, 'DWA_DOCUWARE_INVALID_REQUEST'],
    [`\u0000//${foreignHost}/x`, 'DWA_DOCUWARE_INVALID_REQUEST'],
    ['/a\r\nhost: evil', 'DWA_DOCUWARE_INVALID_REQUEST'],
    ['http://', 'DWA_DOCUWARE_INVALID_REQUEST'],
    ['http://[::1', 'DWA_DOCUWARE_INVALID_REQUEST']
  ] as const
  for (const [path, expected] of refused) {
    const error = await rejection(dw.get(`${path}?secret=in-the-query`))
    t.equal(code(error), expected, JSON.stringify(path))
    t.notMatch(`${String(error)} ${JSON.stringify(error)}`, /in-the-query|someone/, JSON.stringify(path))
  }
  t.same(own.seen, [])
  t.same(foreign.seen, [])
})

t.test('ids lead nowhere else', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, {}) })
  const { dw } = testClient(platformUrl)
  await dw.document('a/../b?c#d%', 'x/y')
  t.equal(seen.at(-1)?.url, '/DocuWare/Platform/FileCabinets/a%2F..%2Fb%3Fc%23d%25/Documents/x%2Fy')
  for (const id of ['', '.', '..']) t.equal(code(await rejection(dw.fileCabinet(id))), 'DWA_DOCUWARE_INVALID_REQUEST', JSON.stringify(id))
  t.equal(seen.length, 1)
})

t.test('redirects are followed on the own origin, for requests without a body, and not for ever', async (t) => {
  const foreign = await startPlatform(t, (_request, response) => { json(response, {}) })
  const own = await startPlatform(t, ({ url, method }, response) => {
    const to = (location: string, status = 302): unknown => response.writeHead(status, { location }).end('moved')
    switch (url.replace('/DocuWare/Platform', '').split('?')[0]) {
      case '/once': return to('Organizations', 301)
      case '/twice': return to(`${own.origin}/DocuWare/Platform/once`, 308)
      case '/out': return to(`${foreign.origin}/?secret=in-the-query`)
      case '/sideways': return to(`//${new URL(foreign.origin).host}/`, 307)
      case '/backwards': return to('/\\evil.example/', 303)
      case '/userinfo': return to(own.origin.replace('//', '//u:p@'))
      case '/round': return to('/DocuWare/Platform/round')
      case '/nowhere': return response.writeHead(302).end()
      default: return json(response, { url, method })
    }
  })
  const { dw } = testClient(own.platformUrl)
  t.same(await dw.get('/once'), { url: '/DocuWare/Platform/Organizations', method: 'GET' })
  t.same(await dw.get('/twice'), { url: '/DocuWare/Platform/Organizations', method: 'GET' })
  t.equal(own.seen.filter(({ headers }) => headers.authorization === 'Bearer token-0').length, own.seen.length, 'with the token')
  for (const path of ['/out', '/sideways', '/userinfo']) {
    const error = await rejection(dw.get(path))
    t.equal(code(error), 'DWA_DOCUWARE_FOREIGN_ORIGIN', path)
    t.notMatch(String(error), /in-the-query|u:p/)
  }
  t.equal(code(await rejection(dw.get('/backwards'))), 'DWA_DOCUWARE_INVALID_REQUEST')
  t.same(foreign.seen, [])
  for (const [call, status] of [[() => dw.get('/nowhere'), 302], [() => dw.post('/once', { json: {} }), 301], [() => dw.delete('/twice'), 308]] as const) {
    t.match(await rejection(call()), { code: 'DWA_DOCUWARE_HTTP', status })
  }
  own.seen.length = 0
  t.match(await rejection(dw.put('/once', { body: 'a file' })), { code: 'DWA_DOCUWARE_HTTP', status: 301 })
  t.equal(own.seen.length, 1)
  t.match(await rejection(testClient(own.platformUrl, { fetch }).dw.put('/once', { body: 'a file' })), { code: 'DWA_DOCUWARE_UNREACHABLE', message: /unexpected redirect/ }, 'fetch cannot be redirected with a stream')
  t.equal(own.seen.length, 2)
  own.seen.length = 0
  t.match(await rejection(dw.get('/round')), { code: 'DWA_DOCUWARE_HTTP', status: 302 })
  t.equal(own.seen.length, 6)
})

t.test('a request says what it wants, who it is, and nothing a caller could put in the token\'s place', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, {}) })
  const { dw } = testClient(platformUrl)
  const last = (): object => seen.at(-1) ?? {}
  await dw.get('/x', { query: { text: 'a b&c', number: 1, no: false, none: null, left: undefined } })
  t.match(last(), { method: 'GET', url: '/DocuWare/Platform/x?text=a+b%26c&number=1&no=false', headers: { accept: 'application/json', authorization: 'Bearer token-0', 'user-agent': /^fastify-docuware-auth\/\d/ } })
  await dw.request('post', '/x?a=1', { query: { b: 2 }, json: { Name: 'ä' }, headers: { Authorization: 'Bearer other', ACCEPT: 'application/json, text/plain' } })
  t.match(last(), { method: 'POST', url: '/DocuWare/Platform/x?a=1&b=2', body: '{"Name":"ä"}', headers: { authorization: 'Bearer token-0', 'content-type': 'application/json', accept: 'application/json, text/plain' } })
  await dw.patch('/x', { json: null, headers: { 'Content-Type': 'application/vnd.docuware.platform.x+json' } })
  t.match(last(), { method: 'PATCH', body: 'null', headers: { 'content-type': 'application/vnd.docuware.platform.x+json' } })
  await dw.put('/x', { body: 'plain', headers: { 'content-type': 'text/plain' } })
  t.match(last(), { method: 'PUT', body: 'plain', headers: { 'content-type': 'text/plain', 'content-length': '5' } })
  await dw.delete('/x')
  t.match(last(), { method: 'DELETE', body: '' })
  const count = seen.length
  for (const [name, call] of [
    ['both bodies', () => dw.post('/x', { json: {}, body: '' })],
    ['a body to GET', () => dw.get('/x', { json: {} })],
    ['a method that is none', () => dw.request('GE T', '/x')],
    ['a header that is none', () => dw.get('/x', { headers: { 'x-secret': 'hidden\r\nvalue' } })]
  ] as const) {
    const error = await rejection(call())
    t.equal(code(error), 'DWA_DOCUWARE_INVALID_REQUEST', name)
    t.notMatch(String(error), /hidden/)
  }
  for (const accessToken of ['a\nb', 'a b', '', 'ä']) {
    const error = await rejection(testClient(platformUrl, { access: new TestAccess(platformUrl, accessToken) }).dw.get('/x'))
    t.equal(code(error), 'DWA_DOCUWARE_INVALID_REQUEST')
    if (accessToken !== '') t.notOk(String(error).includes(accessToken))
  }
  t.equal(seen.length, count)
})

t.test('a token at hand costs no promise: the request is on its way when the call returns', async (t) => {
  const sent: string[] = []
  const fetch: typeof globalThis.fetch = async (input) => {
    sent.push(String(input))
    return new Response('{}', { headers: { 'content-type': 'application/json' } })
  }
  const { dw } = testClient('https://acme.example/DocuWare/Platform', { fetch })
  const call = dw.get('/Organizations')
  t.same(sent, ['https://acme.example/DocuWare/Platform/Organizations'])
  await call
})

t.test('security 52: what DocuWare refuses is an error with its status and its message; the exception behind it is for the log, and credentials are for neither', async (t) => {
  const secret = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'
  const error = (Message: unknown, more = {}): object => ({ Message, Uri: 'https://acme/x?secret=in-the-query', Method: 'GET', ...more })
  const html = { 'content-type': 'text/html' }
  const cases: Array<[name: string, status: number, body: unknown, headers: Record<string, string>, expected: object]> = [
    ['403', 403, error('No right'), {}, { code: 'DWA_DOCUWARE_HTTP', statusCode: 502, status: 403, docuwareMessage: 'No right', message: 'DocuWare answered 403: No right', method: 'GET', path: '/DocuWare/Platform/x' }],
    ['404', 404, error('Not\r\n  there'), {}, { status: 404, docuwareMessage: 'Not there' }],
    ['422', 422, error('The requested search result count exceeds the system limit'), {}, { status: 422, message: /exceeds the system limit/ }],
    ['keys in other letters', 422, { message: 'camel' }, {}, { docuwareMessage: 'camel' }],
    ['a blank message', 500, error(' '), {}, { status: 500, docuwareMessage: null, message: 'DocuWare answered 500' }],
    ['a message that is no text', 500, error({ a: 1 }), {}, { docuwareMessage: null }],
    ['a list', 400, [1], {}, { status: 400, docuwareMessage: null }],
    ['nothing', 500, '', {}, { status: 500, message: 'DocuWare answered 500' }],
    ['HTML', 404, '<html>', html, { status: 404, docuwareMessage: null, message: 'DocuWare answered 404 with HTML' }],
    ['XML', 500, '<Error/>', { 'content-type': 'application/xml; charset=utf-8' }, { message: 'DocuWare answered 500 with XML' }],
    ['no media type', 500, 'x', { 'content-type': '' }, { message: 'DocuWare answered 500 with something without a media type' }],
    ['malformed JSON', 500, '{', { 'content-type': 'application/json' }, { status: 500, message: 'DocuWare answered 500' }],
    ['far too much', 500, `"${'x'.repeat(100_000)}"`, { 'content-type': 'application/json' }, { status: 500, message: 'DocuWare answered 500' }],
    ['a long message', 500, error('word '.repeat(1000)), {}, { docuwareMessage: /^.{490,500}$/ }],
    ['a token in the message', 400, error(`${secret} and token-0 and https://acme/x?code=in-the-query`), {}, { docuwareMessage: /^((?!eyJ|token-0|in-the-query).)*$/ }],
    ['410 at the old logon', 410, error('Gone'), {}, { status: 410, code: 'DWA_DOCUWARE_HTTP' }]
  ]
  let next = cases[0]
  const { platformUrl } = await startPlatform(t, (_request, response) => {
    const [, status = 0, body = '', headers = {}] = next ?? []
    if (typeof body === 'string') response.writeHead(status, headers).end(body)
    else json(response, body, status, headers)
  })
  const { dw, lines } = testClient(platformUrl)
  for (const one of cases) {
    next = one
    const refusal = await rejection(dw.get('/x?secret=in-the-query'))
    t.match(refusal, one[4], one[0])
    t.ok(isDocuWareHttpError(refusal), one[0])
    t.notMatch(JSON.stringify(refusal), /in-the-query|eyJ/, one[0])
  }
  t.match(await rejection(dw.post('/Account/Logon')), { code: 'DWA_DOCUWARE_LEGACY_LOGON', message: /\/DocuWare\/Platform\/Account\/Logon/ }, 'the old logon')
  t.same(lines, [], 'a refusal is the caller\'s')

  next = ['', 500, error('Failed', { Exception: `System.Exception: broken\n at X(${secret})` }), {}, {}]
  const refusal = await rejection(dw.get('/x?secret=in-the-query'))
  t.notMatch(`${String(refusal)} ${JSON.stringify(refusal)}`, /System\.Exception/)
  t.match(lines.map((line) => JSON.parse(line)), [{ message: 'DocuWare reported an exception', exception: /^System\.Exception: broken at X/, path: '/DocuWare/Platform/x' }])
  t.notMatch(lines.join(), /eyJ|in-the-query/)
  t.notOk(isDocuWareHttpError(new Error('x')))
})

t.test('only JSON is taken for JSON, and only so much of it', async (t) => {
  const type = (value: string): Record<string, string> => ({ 'content-type': value })
  let answer: Answer = () => {}
  const { platformUrl } = await startPlatform(t, (...args) => answer(...args))
  const { dw } = testClient(platformUrl, { maxJsonBytes: 1000 })
  const ask = async (headers: Record<string, string>, body: string | Buffer, status = 200): Promise<unknown> => {
    answer = (_request, response) => { response.writeHead(status, headers).end(body) }
    return await dw.get('/x')
  }
  t.same(await ask(type('application/json'), '{"a":1}'), { a: 1 })
  t.same(await ask(type('application/vnd.docuware.platform.x+json;charset=utf-8'), '[1]'), [1])
  t.same(await ask(type('TEXT/JSON'), '\ufeff"a"'), 'a', 'with a byte order mark')
  t.same(await ask({ ...type('application/json'), 'content-encoding': 'gzip' }, gzipSync('\ufeff{"a":1}')), { a: 1 }, 'packed')
  t.same(await ask({ ...type('application/json'), 'content-length': '1000' }, JSON.stringify('x'.repeat(998))), 'x'.repeat(998), 'just so much')
  for (const [name, headers, body, status] of [['none', {}, '', 204], ['empty', type('text/html'), '', 200], ['of length 0', { 'content-length': '0' }, '', 200]] as const) t.equal(await ask(headers, body, status), null, name)

  const refused: Array<[headers: Record<string, string>, body: string | Buffer, message: RegExp]> = [
    [type('text/html; charset=utf-8'), '<html>', /HTML \(status 200\) where JSON/],
    [type('application/xhtml+xml'), '<html>', /HTML/],
    [type('application/xml'), '<a/>', /XML/],
    [type('image/svg+xml'), '<a/>', /XML/],
    [type('text/xml'), '<secret-in-body/>', /XML/],
    [type('text/plain'), 'secret-in-body', /text\/plain/],
    [{}, '{}', /something without a media type/],
    [type('<script>'), '{}', /something without a media type/],
    [type('application/json'), '{"secret-in-body":', /malformed JSON/]
  ]
  for (const [headers, body, message] of refused) {
    const error = await rejection(ask(headers, body))
    t.match(error, { code: 'DWA_DOCUWARE_NOT_JSON', message })
    t.notMatch(String(error), /secret-in-body/)
  }
  for (const [name, headers, body] of [
    ['by its length', { ...type('application/json'), 'content-length': '1001' }, JSON.stringify('x'.repeat(999))],
    ['by what comes', type('application/json'), JSON.stringify('x'.repeat(999))],
    ['packed', { ...type('application/json'), 'content-encoding': 'gzip' }, gzipSync(JSON.stringify('x'.repeat(1_000_000)))]
  ] as const) t.match(await rejection(ask(headers, body)), { code: 'DWA_DOCUWARE_UNEXPECTED_ANSWER', message: /more than 1000 bytes/ }, name)

  answer = (_request, response) => { response.writeHead(200, type('text/plain')).end('as it is') }
  t.equal(await dw.get('/x', { as: 'text' }), 'as it is')
  answer = (_request, response) => { response.writeHead(200, type('text/plain')).end('x'.repeat(1001)) }
  t.equal(code(await rejection(dw.get('/x', { as: 'text' }))), 'DWA_DOCUWARE_UNEXPECTED_ANSWER')
})

t.test('401 renews the token once and tries again once; a missing licence does neither', async (t) => {
  let good = 'token-1'
  let refuse: (response: Parameters<Answer>[1]) => void = (response) => { response.writeHead(401, { 'content-type': 'text/html' }).end('<html>sign in</html>') }
  const { platformUrl, seen } = await startPlatform(t, ({ headers, url }, response) => {
    if (headers.authorization === `Bearer ${good}`) json(response, { url })
    else refuse(response)
  })
  const { dw, access, waits } = testClient(platformUrl)
  t.same(await dw.get('/x'), { url: '/DocuWare/Platform/x' })
  t.match(access.refused, [{ accessToken: 'token-0' }])
  await dw.get('/x')
  t.equal(seen.length, 3, 'the new token is kept')

  good = 'token-3'
  t.match(await rejection(dw.post('/x', { json: {} })), { code: 'DWA_DOCUWARE_HTTP', status: 401, message: 'DocuWare answered 401 with HTML' }, 'not a second time')
  t.equal(access.refused.length, 2)
  t.match(await dw.post('/x', { json: {} }), {}, 'writes are sent again too: they were not processed')

  for (const Message of ['None of the registered licenses are available for client [peggy]', 'Keine der registrierten Lizenzen ist verfügbar']) {
    good = 'another'
    refuse = (response) => { json(response, { Message, StatusCode: 401 }, 401) }
    const renewals = access.refused.length
    t.match(await rejection(dw.get('/x')), { code: 'DWA_DOCUWARE_LICENCES', statusCode: 503, message: new RegExp(Message.slice(0, 30)) })
    t.equal(access.refused.length, renewals)
  }
  access.renew = async () => { throw new Error('a person must sign in') }
  refuse = (response) => { json(response, { Message: 'Unauthorized' }, 401) }
  t.match(await rejection(dw.get('/x')), { message: 'a person must sign in' })
  t.same(waits, [])
})

t.test('each of 64 requests at a time that are refused renews once, and all are served', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, ({ headers, url }, response) => {
    if (headers.authorization === 'Bearer token-0') json(response, { Message: 'expired' }, 401)
    else json(response, { url })
  })
  const { dw, access } = testClient(platformUrl)
  const answers = await Promise.all(Array.from({ length: 64 }, async (_, index) => await dw.get(`/x/${index}`)))
  t.same(answers, Array.from({ length: 64 }, (_, index) => ({ url: `/DocuWare/Platform/x/${index}` })))
  t.equal(access.refused.length, 64)
  t.equal(new Set(access.refused).size, 1, 'all of the same token')
  t.equal(seen.length, 128)
})

t.test('a renewed token goes where it belongs, and one that has to be waited for is waited for', async (t) => {
  const moved = await startPlatform(t, ({ headers }, response) => { json(response, { token: headers.authorization }) })
  const old = await startPlatform(t, (_request, response) => { json(response, {}, 401) })
  const access = new TestAccess(old.platformUrl)
  access.renew = async () => ({ platformUrl: moved.platformUrl, accessToken: 'moved' })
  t.same(await testClient(old.platformUrl, { access }).dw.get('/x'), { token: 'Bearer moved' })
  t.equal(code(await rejection(testClient(old.platformUrl, { access }).dw.get(`${old.origin}/x`))), 'DWA_DOCUWARE_FOREIGN_ORIGIN', 'a whole URL is not its place any more')
  const slow = createRestClient({ current: async () => ({ platformUrl: moved.platformUrl, accessToken: 'late' }), renew: async () => { throw new Error() } })
  t.same(await slow.get('/x'), { token: 'Bearer late' })
})

t.test('what is tried again, how often, and after how long', async (t) => {
  const drop = 0
  const httpDate = 'Sat, 21 Nov 2026 12:00:10 GMT' // ten seconds from the clock's start
  interface Case { method?: string, options?: object, answers: Array<number | [status: number, retryAfter: string]>, calls: number, waits: number[], error?: object, client?: object }
  const growing = [1000, 1750, 2875, 4563] // in the middle of [500, 3 x last]
  const cases: Record<string, Case> = {
    'a read, until it succeeds': { answers: [502, 503, 504, 408], calls: 5, waits: growing },
    'a read, no more than five times': { answers: [503, 503, 503, 503, 503, 503], calls: 5, waits: growing, error: { code: 'DWA_DOCUWARE_HTTP', status: 503 } },
    'no other status': { answers: [500], calls: 1, waits: [], error: { status: 500 } },
    'PUT and DELETE': { method: 'PUT', options: { json: { a: 1 } }, answers: [503], calls: 2, waits: [1000] },
    'no write that may have been processed': { method: 'POST', options: { json: {} }, answers: [503], calls: 1, waits: [], error: { status: 503 } },
    'nor PATCH': { method: 'PATCH', options: { json: {} }, answers: [504], calls: 1, waits: [], error: { status: 504 } },
    'a write that the caller declares harmless': { method: 'POST', options: { json: {}, idempotent: true }, answers: [503], calls: 2, waits: [1000] },
    'no read that the caller declares harmful': { options: { idempotent: false }, answers: [503], calls: 1, waits: [], error: { status: 503 } },
    'a broken connection, for reads': { answers: [drop, drop], calls: 3, waits: [1000, 1750] },
    'a connection that stays broken': { answers: [drop, drop, drop, drop, drop], calls: 5, waits: growing, error: { code: 'DWA_DOCUWARE_UNREACHABLE', statusCode: 503, message: 'DocuWare cannot be reached: the connection was closed', cause: Error } },
    'no broken connection, for writes': { method: 'POST', answers: [drop], calls: 1, waits: [], error: { code: 'DWA_DOCUWARE_UNREACHABLE' } },
    'throttled, after a minute': { answers: [429], calls: 2, waits: [60_000] },
    'throttled writes too, after the seconds asked for': { method: 'POST', options: { json: { a: 1 } }, answers: [[429, '7'], [429, '0']], calls: 3, waits: [7000, 0] },
    'throttled, until a date': { method: 'PATCH', options: { json: {} }, answers: [[429, httpDate]], calls: 2, waits: [10_000] },
    'throttled, until a date that is past': { answers: [[429, 'Fri, 20 Nov 2026 12:00:00 GMT']], calls: 2, waits: [0] },
    'throttled, no longer than the cap': { answers: [[429, '86400'], 429], calls: 3, waits: [120_000, 60_000] },
    'throttled, with a cap of its own': { client: { maxRetryAfterMs: 5000 }, answers: [[429, '86400'], 429], calls: 3, waits: [5000, 5000] },
    'throttled, with a header that says nothing': { answers: [[429, 'soon'], [429, '-5']], calls: 3, waits: [60_000, 60_000] },
    'throttled for ever': { method: 'POST', answers: [[429, '1'], [429, '1'], [429, '1'], [429, '1'], [429, '1']], calls: 5, waits: [1000, 1000, 1000, 1000], error: { code: 'DWA_DOCUWARE_HTTP', status: 429 } },
    'unavailable for a time that is named': { answers: [[503, '3'], 503], calls: 3, waits: [3000, 1000] },
    'as often as the option says': { client: { tries: 2 }, answers: [503, 503, 503], calls: 2, waits: [1000], error: { status: 503 } },
    'the shortest wait': { client: { random: () => 0 }, answers: [503, 503], calls: 3, waits: [500, 500] },
    'the longest wait': { client: { random: () => 1, tries: 6 }, answers: [503, 503, 503, 503, 503], calls: 6, waits: [1500, 4500, 13_500, 20_000, 20_000] },
    'a 401 in between is not counted': { answers: [503, 401, 503, 503, 503], calls: 6, waits: growing }
  }
  for (const [name, { method = 'GET', options = {}, answers, calls, waits, error, client = {} }] of Object.entries(cases)) {
    const { platformUrl, seen } = await startPlatform(t, ({ body }, response, incoming) => {
      const answer = answers.shift()
      if (answer === undefined) return json(response, { body })
      if (answer === drop) return incoming.socket.destroy()
      const [status, header] = typeof answer === 'number' ? [answer] : answer
      return json(response, { Message: 'again' }, status, header === undefined ? {} : { 'retry-after': header })
    })
    const { dw, waits: waited, lines } = testClient(platformUrl, client)
    const call = dw.request(method, '/x?secret=in-the-query', options)
    if (error === undefined) t.same(await call, { body: 'json' in options ? JSON.stringify(options.json) : '' }, name)
    else t.match(await rejection(call), error, name)
    t.equal(seen.length, calls, `${name}: calls`)
    t.same(waited, waits, `${name}: waits`)
    t.notMatch(lines.join(), /in-the-query|token-/, name)
  }
})

t.test('the first wait is one second in the median, and every one is another', async (t) => {
  const firsts = Array.from({ length: 2001 }, () => nextWait(null, Math.random)).sort((a, b) => a - b)
  t.ok(Math.abs((firsts[1000] ?? 0) - 1000) < 100, String(firsts[1000]))
  t.ok((firsts[0] ?? 0) >= 500 && (firsts[2000] ?? 0) <= 1500)
  t.ok(new Set(firsts).size > 1900)
})

t.test('the status counts also when the rest of a refusal never comes', async (t) => {
  const statuses = [429, 401, 503, 422]
  const { platformUrl, seen } = await startPlatform(t, ({ headers }, response, incoming) => {
    const status = statuses.shift() ?? 200
    if (status === 200) return json(response, { token: headers.authorization })
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': '1000', 'retry-after': '1' }).write('{', () => { incoming.socket.destroy() })
  })
  const { dw, waits } = testClient(platformUrl)
  t.match(await rejection(dw.post('/x', { json: {} })), { code: 'DWA_DOCUWARE_HTTP', status: 503, docuwareMessage: null })
  t.equal(seen.length, 3)
  t.match(await rejection(dw.get('/x')), { status: 422 })
  t.same(waits, [1000])
})

t.test('after a wait the token is asked for anew', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, {}, seen.length === 1 ? 429 : 200) })
  const { dw, access } = testClient(platformUrl, { onWait: () => { access.bearer = { platformUrl, accessToken: 'newer' } } })
  await dw.get('/x')
  t.same(seen.map(({ headers }) => headers.authorization), ['Bearer token-0', 'Bearer newer'])
  t.same(access.refused, [])
})

t.test('a certificate that is refused is refused for good', async (t) => {
  let calls = 0
  const fetch: typeof globalThis.fetch = async () => {
    calls++
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }) })
  }
  t.match(await rejection(testClient('https://acme.example/DocuWare/Platform', { fetch }).dw.get('/x')), { code: 'DWA_DOCUWARE_UNREACHABLE', message: /certificate has expired/ })
  t.equal(calls, 1)
  const nameless: typeof globalThis.fetch = async () => { throw new TypeError('fetch failed', { cause: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }) }) }
  t.match(await rejection(testClient('https://acme.example/DocuWare/Platform', { fetch: nameless }).dw.get('/x')), { message: 'DocuWare cannot be reached: ECONNREFUSED' })
})

t.test('an answer has to be complete in time, byte after byte or not', async (t) => {
  let client: ReturnType<typeof testClient> | null = null
  const { platformUrl, seen } = await startPlatform(t, ({ url }, response) => {
    if (url.endsWith('/drip')) response.writeHead(200, { 'content-type': 'application/json' }).write('{')
    setImmediate(() => { client?.clock.advance(29_999) })
    setImmediate(() => { client?.clock.advance(1) })
  })
  client = testClient(platformUrl)
  for (const path of ['/silent', '/drip']) {
    seen.length = 0
    t.match(await rejection(client.dw.get(path)), { code: 'DWA_DOCUWARE_TIMEOUT', statusCode: 504, message: 'DocuWare did not answer within 30000 ms' }, path)
    t.equal(seen.length, 5, 'reads are tried again')
  }
  seen.length = 0
  t.match(await rejection(client.dw.post('/silent', { json: {} })), { code: 'DWA_DOCUWARE_TIMEOUT' })
  t.equal(seen.length, 1, 'writes are not')
  t.match(await rejection(client.dw.post('/silent', { timeoutMs: 5000 })), { message: 'DocuWare did not answer within 5000 ms' })
})

t.test('a caller who gives up is not kept waiting, wherever the call is', async (t) => {
  const reason = new Error('gave up')
  let arrived = (): void => {}
  const { platformUrl, seen } = await startPlatform(t, ({ url, method }, response) => {
    if (url.endsWith('/throttled')) json(response, {}, 429)
    else if (url.endsWith('/denied')) json(response, {}, 401)
    else if (method === 'POST') response.writeHead(200, { 'content-type': 'application/json' }).write('[')
    arrived()
  })
  const never = async (): Promise<never> => await new Promise(() => {})
  const started = async (call: (signal: AbortSignal) => Promise<unknown>, ready: Promise<void>): Promise<void> => {
    const controller = new AbortController()
    const result = rejection(call(controller.signal))
    await ready
    controller.abort(reason)
    t.equal(await result, reason)
  }
  const request = (): Promise<void> => new Promise((resolve) => { arrived = resolve })
  const soon = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })
  const { dw } = testClient(platformUrl)
  await started(async (signal) => await dw.get('/silent', { signal }), request())
  await started(async (signal) => await dw.post('/half', { signal }), request())
  const waiting = createRestClient(new TestAccess(platformUrl), { clock: new ManualClock() })
  const asked = request()
  await started(async (signal) => await waiting.get('/throttled', { signal }), asked.then(soon).then(soon))
  await started(async (signal) => await createRestClient({ current: never, renew: never }).get('/x', { signal }), soon())
  await started(async (signal) => await createRestClient({ current: () => new TestAccess(platformUrl).bearer, renew: never }).get('/denied', { signal }), request().then(soon))

  const count = seen.length
  t.equal(await rejection(dw.get('/x', { signal: AbortSignal.abort(reason) })), reason, 'before it began')
  t.equal(await rejection(createRestClient({ current: never, renew: never }).get('/x', { signal: AbortSignal.abort(reason) })), reason)
  t.equal(await rejection(dw.fileCabinets({ signal: AbortSignal.abort(reason) })), reason)
  t.equal(seen.length, count)
})

t.test('one signal may end any number of calls, without a warning and without traces', async (t) => {
  const warnings: Error[] = []
  const note = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const { platformUrl } = await startPlatform(t, ({ url }, response) => { if (url.endsWith('/x')) json(response, {}) })
  const { dw } = testClient(platformUrl)
  const controller = new AbortController()
  const { signal } = controller
  for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 64 }, async () => await dw.get('/x', { signal })))
  const silent = Array.from({ length: 64 }, () => rejection(dw.get('/silent', { signal })))
  controller.abort()
  t.same((await Promise.all(silent)).map((error) => error === signal.reason), Array(64).fill(true))
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  t.same(warnings, [])
})

t.test('lists of file cabinets keep under 60 a minute for an organization, in the order they were asked for', async (t) => {
  const clock = new ManualClock()
  const rate = new CallRate(2, 60_000, clock)
  const order: string[] = []
  const ask = async (name: string, signal?: AbortSignal): Promise<() => void> => {
    const answered = await rate.take(signal)
    order.push(name)
    return answered
  }
  const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })
  const first = await ask('1')
  const second = await ask('2')
  const gone = new AbortController()
  const [third, fourth, fifth] = [ask('3'), rejection(ask('4', gone.signal)), ask('5', gone.signal)]
  fifth.catch(() => {})
  clock.advance(120_000)
  await turn()
  t.same(order, ['1', '2'], 'a call that is still open may yet be counted')
  first()
  clock.advance(30_000)
  second()
  clock.advance(29_999)
  await turn()
  t.same(order, ['1', '2'])
  gone.abort(new Error('gave up'))
  t.match(await fourth, { message: 'gave up' })
  await t.rejects(fifth, { message: 'gave up' })
  const sixth = ask('6')
  clock.advance(1)
  await turn()
  t.same(order, ['1', '2', '3'], 'a minute after it was answered')
  clock.advance(30_000)
  await turn()
  t.same(order, ['1', '2', '3', '6'], 'who gave up is out of the way')
  for (const answered of [await third, await sixth]) answered()
  await t.rejects(rate.take(AbortSignal.abort(new Error('already'))), { message: 'already' })
})

t.test('every client of an organization counts, and nothing but lists of file cabinets does', async (t) => {
  const { origin, platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, { FileCabinet: [] }) })
  const clock = new ManualClock()
  const rates = new CabinetListRates(clock)
  const other = new TestAccess(platformUrl)
  other.bearer = { ...other.bearer, organization: 'other' }
  const nameless = new TestAccess(platformUrl)
  nameless.bearer = { platformUrl, accessToken: 'x' }
  const [one, two, three, four] = [testClient(platformUrl, { rates }), testClient(platformUrl, { rates }), testClient(platformUrl, { rates, access: other }), testClient(platformUrl, { rates, access: nameless })]
  const lists = ['/FileCabinets', '/filecabinets/', '/FileCabinets?orgid=1', '/FileCabinets/Index', '/DocuWare/Platform/FileCabinets']
  await Promise.all(Array.from({ length: 60 }, async (_, index) => await (index % 2 === 0 ? one : two).dw.get(lists[index % lists.length] ?? '')))
  const late = one.dw.fileCabinets()
  await Promise.all([one.dw.fileCabinet('1'), one.dw.get('/FileCabinets/1/Documents'), one.dw.get('/Organizations'), one.dw.get('/FileCabinetsX'), three.dw.fileCabinets(), four.dw.fileCabinets()])
  clock.advance(59_999)
  t.equal(seen.length, 66, 'other paths and other organizations go on')
  clock.advance(1)
  t.same(await late, [])
  t.equal(seen.length, 67)

  clock.advance(60_000)
  const busy = await Promise.all(Array.from({ length: 60 }, async () => await rates.of(`${origin} acme`).take(undefined)))
  const controller = new AbortController()
  const gone = rejection(one.dw.fileCabinets({ signal: controller.signal }))
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  for (const answered of busy) answered()
  clock.advance(60_000)
  controller.abort()
  t.equal(await gone, controller.signal.reason, 'who gives up in the moment of their turn')
  clock.advance(60_000)
  await Promise.all(Array.from({ length: 60 }, async () => await one.dw.fileCabinets()))
  t.equal(seen.length, 127, 'leaves the place to others')
  clock.advance(-3_600_000)
  t.same(await one.dw.fileCabinets(), [], 'a clock that is put back blocks nobody')
})
