import formbody from '@fastify/formbody'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { inspect } from 'node:util'
import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import { isLocalPath } from '../../lib/http/local-path.js'
import type { DocuWare } from '../../testing/index.js'
import { bearer, buildApp, clockAt, masterKey, token, validator } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { startProxy } from '../mongo-proxy.js'
import { eventually } from '../store-app.js'
import { asDocuware, authorize, authorized, connect, cookieOf, docuwareApp, publicUrl, redirectUri, rolesOf, type DocuwareAppOptions } from './docuware-app.js'
import { json, startStub } from './stub.js'

type Answer = Awaited<ReturnType<FastifyInstance['inject']>>
interface Begun { readonly answer: Answer, readonly url: URL, readonly state: string, readonly cookie: string }

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

let callers = 0
/** An address that has not been seen: the rate limit counts by address. */
const elsewhere = (): string => `10.0.${Math.floor(++callers / 250)}.${callers % 250 + 1}`

async function begin (app: FastifyInstance, id: string, body: object = {}, headers: object = {}): Promise<Begun> {
  const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: { ...asDocuware, ...headers }, payload: body, remoteAddress: elsewhere() })
  if (answer.statusCode !== 303) throw new Error(`${answer.statusCode} ${answer.body}`)
  const url = new URL(String(answer.headers.location))
  return { answer, url, state: url.searchParams.get('state') ?? '', cookie: cookieOf(answer) }
}

/** Where the identity service sends the browser back to: its query. */
const signedIn = async (dw: DocuWare, { url }: Begun): Promise<URLSearchParams> => new URL(await dw.signIn(url.href)).searchParams

async function callback (app: FastifyInstance, query: URLSearchParams | string, cookie = '', headers: object = {}): Promise<Answer> {
  return await app.inject({ url: `/docuware/oauth/callback?${query.toString()}`, headers: { cookie, ...headers }, remoteAddress: elsewhere() })
}

const exchanges = (dw: DocuWare): number => dw.counters()['POST /connect/token authorization_code'] ?? 0

async function connected (t: Test, options: DocuwareAppOptions = {}): Promise<{ app: FastifyInstance, dw: DocuWare, id: string, uri: string }> {
  const { app, dw, uri } = await docuwareApp(t, options)
  return { app, dw, uri, id: (await connect(app, dw)).id }
}

/** Why authorizations failed, in alphabetical order, when that many have. */
async function reasons (app: FastifyInstance, count: number): Promise<unknown[]> {
  const find = async () => await app.auditLog.find({ event: 'connection.authorization_failed' })
  await eventually('they are written down', async () => (await find()).length >= count)
  return (await find()).map(({ details }) => details['reason']).sort()
}

t.test('who is not of the role `docuware` begins nothing', async (t) => {
  const { app, dw, id } = await connected(t)
  const { version } = await app.docuware.connections.get(id) ?? {}
  for (const [method, action] of [['GET', 'authorize'], ['POST', 'authorize'], ['POST', 'sync'], ['POST', 'revoke']] as const) {
    for (const [roles, status, code] of [[undefined, 401, 'DWA_ACCESS_UNAUTHENTICATED'], ['system', 403, 'DWA_ACCESS_FORBIDDEN'], ['oauth_provider', 403, 'DWA_ACCESS_FORBIDDEN'], ['Docuware', 403, 'DWA_ACCESS_FORBIDDEN']] as const) {
      const answer = await app.inject({ method, url: `/docuware/connections/${id}/${action}`, headers: { ...html, ...(roles === undefined ? {} : { 'x-roles': roles }) } })
      t.match(answer, { statusCode: status, headers: { 'cache-control': 'no-store', 'set-cookie': undefined, location: undefined } }, `${method} ${action} by ${roles ?? 'nobody'}`)
      t.match(answer.json(), { code }, 'and how that looks is the app\'s affair')
    }
  }
  t.strictSame(dw.calls(), [])
  t.equal((await app.docuware.connections.get(id))?.version, version)
  t.strictSame((await app.auditLog.find()).filter(({ event }) => event.startsWith('connection.')).map(({ event }) => event), ['connection.created'])
})

t.test('security 13: a page of another site begins nothing', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  const cases: Array<[headers: { [name: string]: string }, crosses: boolean]> = [
    [{ 'sec-fetch-site': 'cross-site' }, true], [{ 'sec-fetch-site': 'cross-site', origin: publicUrl }, true], [{ 'sec-fetch-site': '' }, true],
    [{ origin: 'https://evil.example' }, true], [{ origin: 'null' }, true], [{ origin: `${publicUrl}0` }, true], [{ origin: publicUrl.replace('http', 'https') }, true], [{ origin: '' }, true],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, true], [{ 'sec-fetch-site': 'same-site', origin: 'https://evil.example' }, true], [{ 'sec-fetch-site': 'same-site', origin: 'null' }, true],
    [{ 'sec-fetch-site': 'same-origin' }, false], [{ 'sec-fetch-site': 'same-origin', origin: 'null' }, false], [{ 'sec-fetch-site': 'same-site', origin: publicUrl }, false], [{ 'sec-fetch-site': 'none' }, false], [{ origin: publicUrl }, false], [{}, false]
  ]
  for (const action of ['revoke', 'sync', 'authorize']) {
    for (const [headers, crosses] of cases) {
      const post = async (others: object) => await app.inject({ method: 'POST', url: `/docuware/connections/${id}/${action}`, headers: { ...headers, ...others }, remoteAddress: elsewhere() })
      const { statusCode, body } = await post(asDocuware)
      t.equal(statusCode, crosses ? 403 : action === 'authorize' ? 303 : 200, `${action} ${JSON.stringify(headers)}`)
      if (!crosses) continue
      t.match(body, 'DWA_CROSS_SITE')
      t.match(await post({}), { statusCode: 403, headers: { 'cache-control': 'no-store' } }, 'before it is asked who calls')
    }
  }
  t.match(await app.inject({ url: `/docuware/connections/${id}/authorize`, headers: { ...asDocuware, 'sec-fetch-site': 'cross-site' } }), { statusCode: 200 }, 'a link is no harm')
})

t.test('security 10: 303 to the identity service, or the address as JSON', async (t) => {
  const { app, dw, id } = await connected(t)
  const cases: Array<[accept: string | undefined, json: boolean]> = [
    [undefined, false], ['*/*', false], [html.accept, false], ['application/json', true], ['application/json, text/plain, */*', true], ['application/json;q=0.9, text/html', false]
  ]
  for (const [accept, asked] of cases) {
    const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: { ...asDocuware, host: 'evil.example', 'x-forwarded-host': 'evil.example', ...(accept === undefined ? {} : { accept }) } })
    t.match(answer, { statusCode: asked ? 200 : 303, headers: { 'cache-control': 'no-store', 'set-cookie': /^dwa_authorize_/ } }, accept ?? 'no Accept')
    const { url = answer.headers.location } = asked ? answer.json<{ url?: string }>() : {}
    const { origin, pathname, searchParams } = new URL(String(url))
    t.equal(origin + pathname, `${dw.identityUrl}/connect/authorize`)
    t.strictSame([...searchParams.keys()].sort(), ['client_id', 'code_challenge', 'code_challenge_method', 'redirect_uri', 'response_type', 'scope', 'state'])
    t.match(Object.fromEntries(searchParams), { client_id: dw.clientId, code_challenge: /^[\w-]{43}$/, code_challenge_method: 'S256', redirect_uri: redirectUri, response_type: 'code', scope: 'docuware.platform openid dwprofile offline_access', state: /^[\w-]{43}$/ }, 'the redirect URI is that of publicUrl, whatever the request says')
  }
  t.match((await app.auditLog.find({ event: 'connection.authorize_started' })).at(0), { actor: { type: 'user', id: 'u1' }, target: { id, name: 'acme' }, requestId: /./, details: { unbound: false } })
})

t.test('the prefix and publicUrl\'s path are part of the redirect URI', async (t) => {
  const { app, dw, id } = await connected(t, { publicUrl: 'https://app.example.com/base/', docuware: { prefix: '/dw' }, simulator: { redirectUris: ['https://app.example.com/base/dw/oauth/callback'] } })
  const started = await app.inject({ method: 'POST', url: `/dw/connections/${id}/authorize`, headers: asDocuware })
  const back = new URL(await dw.signIn(String(started.headers.location)))
  t.equal(back.origin + back.pathname, 'https://app.example.com/base/dw/oauth/callback')
  t.match(await app.inject({ url: `/dw/oauth/callback${back.search}`, headers: { cookie: cookieOf(started) } }), { statusCode: 200 })
})

t.test('without a public URL there is no redirect URI', async (t) => {
  const { dw, uri } = await docuwareApp(t)
  const app = await buildApp(t, { uri, store: { access: rolesOf }, docuware: { allowInsecure: true } })
  const { id } = await connect(app, dw)
  await t.rejects(app.docuware.authorizationUrl(id, { unbound: true }), { code: 'DWA_OPTIONS_INVALID', message: /^store\.publicUrl: is required/ })
  for (const url of [`/docuware/connections/${id}/authorize`, '/docuware/oauth/callback?code=x&state=y']) t.match((await app.inject({ method: url.includes('callback') ? 'GET' : 'POST', url, headers: asDocuware })).json(), { statusCode: 500, code: 'DWA_OPTIONS_INVALID' })
  t.strictSame(dw.calls(), [])
})

t.test('the browser goes back to a path on this site, and nowhere else', async (t) => {
  const good = ['/', '/done', '/done?a=b&c=%2F#d', '/a//b', '/a/../b', '/%5cevil.example', '/%2f%2fevil.example', '/@evil.example', '/done;x=1', `/${'x'.repeat(2047)}`]
  const bad = ['', 'done', './done', '//evil.example', '///evil.example', '/\\evil.example', '\\\\evil.example', '/\t/evil.example', '/\n/evil.example', ' /done', '/done ', '/a b', '/a\0',
    '/..//evil.example', '/.//evil.example', '/a/..//evil.example', '/%2e%2e//evil.example', '/%2E//evil.example', '/é', 'https://evil.example', 'https:evil.example', 'javascript:alert(1)', `/${'x'.repeat(2048)}`]
  for (const path of good) t.equal(isLocalPath(path), true, path.slice(0, 40))
  for (const path of bad) t.equal(isLocalPath(path), false, JSON.stringify(path.slice(0, 40)))

  const { app, dw, id } = await connected(t)
  for (const path of good.slice(0, 4)) {
    const begun = await begin(app, id, { returnTo: path })
    t.match(await callback(app, await signedIn(dw, begun), begun.cookie, html), { statusCode: 303, headers: { location: path, 'cache-control': 'no-store' } }, path)
  }
  const post = async (options: object): Promise<Answer> => await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, remoteAddress: elsewhere(), ...options, headers: { ...asDocuware, ...('headers' in options && typeof options.headers === 'object' ? options.headers : {}) } })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const ways: Array<[name: string, with_: (returnTo: string) => object]> = [
    ['a form', (returnTo) => ({ headers: form, payload: new URLSearchParams({ returnTo }).toString() })],
    ['JSON', (returnTo) => ({ payload: { returnTo } })],
    ['the query', (returnTo) => ({ query: { returnTo } })]
  ]
  for (const [name, way] of ways) {
    const started = await post(way('/done?x=1'))
    const back = new URL(await dw.signIn(String(started.headers.location)))
    t.equal((await callback(app, back.searchParams, cookieOf(started))).headers.location, '/done?x=1', name)
    for (const returnTo of bad) {
      const refused = await post(way(returnTo))
      t.match([refused.statusCode, refused.headers['set-cookie'], refused.headers.location], [400, undefined, undefined], `${name}: ${JSON.stringify(returnTo.slice(0, 40))}`)
    }
  }
  const wrong = { code: 'DWA_DOCUWARE_INVALID_REQUEST', message: 'returnTo: must be a path on this site' }
  for (const returnTo of [['/done'], { $ne: null }, 7, true, null]) {
    const { statusCode, body } = await post({ payload: { returnTo } })
    t.match([statusCode, body], returnTo === null ? [303, ''] : [400, wrong.message], JSON.stringify(returnTo))
  }
  t.match((await post({ headers: form, payload: 'returnTo=/a&returnTo=/b' })).json(), wrong, 'two of them')
  t.match(await post({ url: `/docuware/connections/${id}/authorize?returnTo=/a&returnTo=/b` }), { statusCode: 400 })
  await t.rejects(app.docuware.authorizationUrl(id, { unbound: true, returnTo: '//evil.example' }), { ...wrong, field: 'returnTo', statusCode: 400 })
})

const wrongPath = 'returnTo: must be a path on this site'

t.test('security 12: the page asks, in headers that keep it to itself; nothing on it is HTML but its own', async (t) => {
  const { app, dw, id } = await connected(t)
  await authorize(app, dw, id)
  const hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)> & \'`'
  await app.docuware.connections.update(id, { name: hostile })
  const page = await app.inject({ url: `/docuware/connections/${id}/authorize`, query: { returnTo: `/${hostile.replaceAll(' ', '')}` }, headers: asDocuware })
  t.equal(page.statusCode, 200)
  t.match(page.headers, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': /^default-src 'none'; style-src 'sha256-[\w+/]+=*'; base-uri 'none'; frame-ancestors 'none'$/,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store'
  })
  t.notOk('access-control-allow-origin' in page.headers)
  t.notMatch(page.body, /<(script|img|link|a|iframe)\b/)
  t.match(page.body, 'Connect &#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;')
  t.match(page.body, new URL(dw.platformUrl).host)
  t.match(page.body, `It is connected as ${dw.user.username} now.`)
  t.match(page.body, '<form method="post">')
  t.match(page.body, 'name="returnTo" value="/&#34;&#62;&#60;script&#62;')
  for (const query of ['returnTo=//evil.example', 'returnTo=/a&returnTo=/b']) t.match(await app.inject({ url: `/docuware/connections/${id}/authorize?${query}`, headers: asDocuware }), { statusCode: 400, body: wrongPath }, query)
  t.match(await app.inject({ url: '/docuware/connections/nobody/authorize', headers: { ...asDocuware, ...html } }), { statusCode: 404, headers: { 'content-type': /^text\/html/ }, body: /The connection &#34;nobody&#34; does not exist/ })
  t.notOk((await app.inject({ url: `/docuware/connections/${id}/authorize`, headers: asDocuware })).body.includes('name="returnTo"'))

  const begun = await begin(app, id)
  const done = await callback(app, await signedIn(dw, begun), begun.cookie, html)
  t.match(done, { statusCode: 200, headers: page.headers['content-security-policy'] === undefined ? {} : { 'content-security-policy': page.headers['content-security-policy'], 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' } })
  t.notMatch(done.body, /<script|<img/)
  const failed = await callback(app, 'code=<script>&state=<script>&error_description=<script>', '', html)
  t.match(failed, { statusCode: 400, headers: { 'x-frame-options': 'DENY', 'cache-control': 'no-store' } })
  t.notMatch(failed.body, '<script')
})

t.test('security 13: the binding cookie', async (t) => {
  for (const [publicUrl, pattern] of [
    ['http://127.0.0.1:3000', /^dwa_authorize_[\w-]{16}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/],
    ['https://app.example.com', /^__Host-dwa_authorize_[\w-]{16}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/]
  ] as const) {
    const { app, dw, id } = await connected(t, { publicUrl, simulator: { redirectUris: [`${publicUrl}/docuware/oauth/callback`] } })
    const [one, other] = [await begin(app, id), await begin(app, id)]
    t.match(one.answer.headers['set-cookie'], pattern, publicUrl)
    t.not(one.cookie.split('=')[0], other.cookie.split('=')[0], 'a name for each state: two can be under way')
    t.notOk(one.cookie.includes(one.state))
    const done = await callback(app, await signedIn(dw, one), `${other.cookie}; ${one.cookie}`)
    t.equal(done.statusCode, 200)
    const gone = String(done.headers['set-cookie'])
    t.match(gone, /=; Max-Age=0; Path=\/; HttpOnly;/)
    t.equal(gone.split('=')[0], one.cookie.split('=')[0], 'the used one is taken away')
    t.equal((await callback(app, await signedIn(dw, other), other.cookie)).statusCode, 200)
  }
})

t.test('security 35, 55: neither the state, the verifier nor the cookie can be read from what is kept of an authorization, which the database removes by itself', async (t) => {
  const { app, dw, id, uri } = await connected(t)
  const client = new MongoClient(uri)
  t.teardown(() => client.close())
  /** The documents that end at some time, with their collections. */
  const ending = async () => (await Promise.all((await client.db().collections()).map(async (collection) => (await collection.find({ expiresAt: { $type: 'date' } }).toArray()).map((document) => ({ collection, document }))))).flat()
  const before = Date.now()
  const begun = await begin(app, id, { returnTo: '/done' })
  const [kept, ...others] = await ending()
  t.strictSame(others, [])
  if (kept === undefined) return t.fail('nothing is kept')
  const { expiresAt } = kept.document
  t.ok(expiresAt instanceof Date && expiresAt.getTime() >= before + 600_000 && expiresAt.getTime() <= Date.now() + 600_000, String(expiresAt))
  t.match((await kept.collection.indexes()).filter(({ key }) => Object.keys(key).join() === 'expiresAt').map(({ expireAfterSeconds }) => expireAfterSeconds), [0])

  const { codeVerifiers: earlier } = dw.secretsIssued()
  t.equal((await callback(app, await signedIn(dw, begun), begun.cookie)).statusCode, 303)
  const [verifier = '', ...more] = dw.secretsIssued().codeVerifiers.slice(earlier.length)
  t.strictSame([verifier.length, more], [43, []])
  const text = JSON.stringify(kept.document)
  for (const [name, secret] of Object.entries({ state: begun.state, verifier, cookie: begun.cookie.split('=')[1] ?? '' })) {
    t.equal(secret.length, 43, name)
    for (const spelled of [secret, Buffer.from(secret).toString('base64url'), Buffer.from(secret, 'base64url').toString('hex'), Buffer.from(secret, 'base64url').toString('base64')]) t.notOk(text.includes(spelled), name)
  }
  const { keyId } = app.store.keyRing.current('encryption')
  const sealed = [...text.matchAll(/"v1\.([\w-]+)\.[\w-]{16}\.([\w-]+)\.[\w-]{22}"/g)].map(([, key, bytes = '']) => [key, Buffer.from(bytes, 'base64url').length])
  t.strictSame(sealed, [[keyId, verifier.length]], 'encrypted is the verifier, by the data key')
  t.strictSame(await ending(), [], 'and once it was used nothing is kept')
})

t.test('authorizationUrl binds its link to the browser of the reply, or says in the log that it is bound to none', async (t) => {
  const { app, dw, id } = await connected(t, {
    routes (app) { app.get('/connect', async (_, reply) => await app.docuware.authorizationUrl('acme', { reply, returnTo: '/done', actor: { type: 'user', id: 'ann' }, requestId: 'r1' })) }
  })
  await t.rejects(app.docuware.authorizationUrl(id), { code: 'DWA_DOCUWARE_UNBOUND', statusCode: 500 })
  await t.rejects(app.docuware.authorizationUrl(id, { returnTo: '/', unbound: false }), { code: 'DWA_DOCUWARE_UNBOUND' })
  t.strictSame(dw.calls(), [])
  const answer = await app.inject('/connect')
  t.match(answer.headers['set-cookie'], /^dwa_authorize_/)
  const bound = new URL(await dw.signIn(answer.body)).searchParams
  t.equal((await callback(app, bound)).statusCode, 400, 'by another browser')
  const again = await app.inject('/connect')
  t.equal((await callback(app, new URL(await dw.signIn(again.body)).searchParams, cookieOf(again))).headers.location, '/done')

  const url = await app.docuware.authorizationUrl(id, { unbound: true })
  t.match((await app.auditLog.find({ event: 'connection.authorize_started' })).map(({ details, actor, requestId }) => ({ details, actor, requestId })), [
    { details: { unbound: true }, actor: null },
    { details: { unbound: false }, actor: { type: 'user', id: 'ann' }, requestId: 'r1' },
    { details: { unbound: false } }
  ])
  t.equal((await callback(app, new URL(await dw.signIn(url)).searchParams)).statusCode, 200, 'by whoever has it')
  t.match((await app.auditLog.find({ event: 'connection.authorized' })).map(({ actor }) => actor), [null, { id: 'ann' }])
})

t.test('a state counts once, for ten minutes, in its browser, for the connection as it was', async (t) => {
  let now = Date.now()
  const { app, dw } = await docuwareApp(t, { store: { clock: clockAt(() => now) }, simulator: { lifetimes: { code: 3600 } } })
  const { connections } = app.docuware
  const cases: Array<[name: string, reason: string | null, attempt: (begun: Begun, query: URLSearchParams, id: string) => Promise<Answer>]> = [
    ['as it was begun', null, (begun, query) => callback(app, query, begun.cookie)],
    ['a second before it ends', null, (begun, query) => { now += 599_000; return callback(app, query, begun.cookie) }],
    ['when it ends', 'state', (begun, query) => { now += 600_000; return callback(app, query, begun.cookie) }],
    ['again', 'state', async (begun, query) => { await callback(app, query, begun.cookie); return await callback(app, query, begun.cookie) }],
    ['one that nobody knows', 'state', (begun, query) => { query.set('state', 'x'.repeat(43)); return callback(app, query, begun.cookie) }],
    ['in other letters', 'state', (begun, query) => { query.set('state', begun.state.toLowerCase() === begun.state ? begun.state.toUpperCase() : begun.state.toLowerCase()); return callback(app, query, begun.cookie) }],
    ['of 4 KB', 'state', (begun, query) => { query.set('state', 'x'.repeat(4096)); return callback(app, query, begun.cookie) }],
    ['without its cookie', 'browser', (_, query) => callback(app, query)],
    ['with another value', 'browser', (begun, query) => callback(app, query, `${begun.cookie.split('=')[0] ?? ''}=${'x'.repeat(43)}`)],
    ['with another one\'s cookie', 'browser', async (_, query, id) => await callback(app, query, (await begin(app, id)).cookie)],
    ['with a cookie named in other letters', 'browser', (begun, query) => callback(app, query, begun.cookie.replace('dwa_', 'DWA_'))],
    ['beside a tossed cookie', null, (begun, query) => callback(app, query, `${begun.cookie.split('=')[0] ?? ''}=evil; ${begun.cookie}`)],
    ['the platform is another', 'connection_changed', async (begun, query, id) => { await connections.update(id, { platformUrl: 'https://dw.example.com' }); return await callback(app, query, begun.cookie) }],
    ['the platform is another, and back', 'connection_changed', async (begun, query, id) => { await connections.update(id, { platformUrl: 'https://dw.example.com' }); await connections.update(id, { platformUrl: dw.platformUrl }); return await callback(app, query, begun.cookie) }],
    ['the client is another', 'connection_changed', async (begun, query, id) => { await connections.update(id, { clientId: 'another' }); return await callback(app, query, begun.cookie) }],
    ['the secret is another', 'connection_changed', async (begun, query, id) => { await connections.update(id, { clientSecret: dw.addClientSecret() }); return await callback(app, query, begun.cookie) }],
    ['the secret is gone', 'connection_changed', async (begun, query, id) => { await connections.update(id, { clientSecret: null }); return await callback(app, query, begun.cookie) }],
    ['other scopes', 'connection_changed', async (begun, query, id) => { await connections.update(id, { scopes: ['docuware.platform'] }); return await callback(app, query, begun.cookie) }],
    ['it was revoked', 'connection_changed', async (begun, query, id) => { await app.docuware.revoke(id); return await callback(app, query, begun.cookie) }],
    ['its tokens were dropped', 'connection_changed', async (begun, query, id) => { await connections.update(id, { dropTokens: true }); return await callback(app, query, begun.cookie) }],
    ['another name is no matter', null, async (begun, query, id) => { await connections.update(id, { name: 'renamed' }); return await callback(app, query, begun.cookie) }],
    ['the connection is gone', 'connection_changed', async (begun, query, id) => { await connections.remove(id); return await callback(app, query, begun.cookie) }]
  ]
  for (const [name, reason, attempt] of cases) {
    const { id } = await connect(app, dw, 'state')
    const begun = await begin(app, id, { returnTo: '/done' })
    const query = await signedIn(dw, begun)
    const before = exchanges(dw) + (name === 'again' ? 1 : 0)
    const answer = await attempt(begun, query, id)
    if (reason === null) {
      t.match(answer, { statusCode: 303, headers: { location: '/done' } }, name)
    } else {
      t.match(answer, { statusCode: 400, headers: { location: undefined, 'cache-control': 'no-store' } }, name)
      t.match(answer.json(), { code: 'DWA_DOCUWARE_INVALID_STATE' })
      t.equal(exchanges(dw), before, 'nothing was exchanged')
      if (reason === 'browser') t.match((await callback(app, query, begun.cookie)).json(), { code: 'DWA_DOCUWARE_INVALID_STATE' }, 'and it is used up')
      else if (reason === 'connection_changed' && await connections.get(id) !== null) t.match(await connections.get(id), { hasAccessToken: false, status: 'draft' })
    }
    if (await connections.get(id) !== null) await connections.remove(id)
  }
  const expected = cases.map(([, reason]) => reason).filter((reason) => reason === 'browser' || reason === 'connection_changed').sort()
  const found = await reasons(app, expected.length + 1)
  t.strictSame(found.filter((reason) => reason !== 'state'), expected)
  const unknown = found.filter((reason) => reason === 'state').length
  t.ok(unknown > 0 && unknown < 5, `what anybody can bring about is counted, not written down each time: ${unknown}`)
})

t.test('a callback that lacks something, or has it twice, is refused as it stands and uses nothing up', async (t) => {
  const { app, dw, id } = await connected(t)
  const begun = await begin(app, id)
  const query = await signedIn(dw, begun)
  const [code = '', state = ''] = [query.get('code') ?? '', begun.state]
  const long = 'x'.repeat(4097)
  const bad = ['', 'code=x', `state=${state}`, `code=&state=${state}`, 'code=x&state=', `error=&state=${state}`, `error=&code=&state=${state}`,
    `code=${code}&code=${code}&state=${state}`, `code=${code}&state=${state}&state=${state}`, `code=${code}&state=${state}&iss=a&iss=b`, `error=a&error=b&state=${state}`,
    `code[]=${code}&state[]=${state}`, `code[$ne]=x&state=${state}`, `code=${code}&state[$ne]=x`, `Code=${code}&State=${state}`, `code=${long}&state=${state}`, `code=x&state=${long}`, `code=${code}&state=${state}&error=${long}`, '__proto__[code]=x&constructor=y']
  for (const search of bad) {
    const answer = await callback(app, search, begun.cookie)
    t.match(answer, { statusCode: 400, headers: { 'cache-control': 'no-store' } }, search.slice(0, 60))
    t.match(answer.json(), { message: 'Missing code or state', code: 'DWA_DOCUWARE_BAD_CALLBACK' })
  }
  t.match(await callback(app, bad[0] ?? '', '', html), { statusCode: 400, headers: { 'content-type': /^text\/html/ }, body: /Missing code or state/ })
  t.equal(exchanges(dw), 0)
  t.match(await callback(app, `unknown=x&${query.toString()}`, begun.cookie), { statusCode: 200 })
})

t.test('security 23: of 50 callbacks with one state at once, one exchanges the code', async (t) => {
  const { app, dw, id } = await connected(t)
  const begun = await begin(app, id)
  const query = await signedIn(dw, begun)
  const answers = await Promise.all(Array.from({ length: 50 }, async () => (await callback(app, query, begun.cookie)).statusCode))
  t.strictSame(answers.sort(), [200, ...Array<number>(49).fill(400)])
  t.equal(exchanges(dw), 1)
  t.match(await app.docuware.connections.get(id), { status: 'authorized' })
})

t.test('an identity service that refuses is heard', async (t) => {
  const { app, dw, id } = await connected(t)
  dw.set({ deny: true })
  const first = await begin(app, id)
  const query = await signedIn(dw, first)
  t.equal(query.get('error'), 'access_denied')
  const program = await callback(app, query, first.cookie)
  t.match(program.json(), { statusCode: 400, code: 'DWA_DOCUWARE_DENIED', message: 'The authorization was refused: access_denied' })
  t.match((await callback(app, query, first.cookie)).json(), { code: 'DWA_DOCUWARE_INVALID_STATE' }, 'the state is used up')
  const second = await begin(app, id)
  t.match(await callback(app, await signedIn(dw, second), second.cookie, html), { statusCode: 400, headers: { 'content-type': /^text\/html/, 'cache-control': 'no-store' }, body: /The authorization was refused: access_denied/ })

  const cases: Array<[returnTo: string, error: string, location: string]> = [
    ['/done', 'access_denied', '/done?error=access_denied'],
    ['/done?a=b&error=old#c', 'access_denied', '/done?a=b&error=access_denied#c'],
    ['/done', 'invalid_scope', '/done?error=invalid_scope'],
    ['/done', '<script>', '/done?error=unknown_error'],
    ['/done', 'a\r\nset-cookie: x=y', '/done?error=unknown_error'],
    ['/', 'x'.repeat(65), '/?error=unknown_error']
  ]
  for (const [returnTo, error, location] of cases) {
    const begun = await begin(app, id, { returnTo })
    t.match(await callback(app, new URLSearchParams({ state: begun.state, error, error_description: 'what it says of it', code: 'x' }), begun.cookie, html), { statusCode: 303, headers: { location } }, location)
  }
  const foreign = await begin(app, id, { returnTo: '/done' })
  t.match((await callback(app, `error=access_denied&state=${foreign.state}`)).json(), { code: 'DWA_DOCUWARE_INVALID_STATE' }, 'in another browser')
  const stateless = await callback(app, 'error=access_denied', '', html)
  t.match(stateless, { statusCode: 400, headers: { 'content-type': /^text\/html/ }, body: /The authorization was refused: access_denied/ }, 'without a state')
  t.equal(exchanges(dw), 0)
  t.strictSame(await reasons(app, 11), ['browser', ...Array<string>(9).fill('denied'), 'state'])
  t.match((await app.auditLog.find({ event: 'connection.authorization_failed', target: id })).at(-1), { level: 'warning', actor: { id: 'u1' }, details: { error: 'The authorization was refused: access_denied' } })
})

t.test('security 6: an answer of another identity service is refused before the code goes anywhere', async (t) => {
  const { app, dw, id } = await connected(t)
  dw.set({ iss: 'foreign' })
  for (const [returnTo, expected] of [[undefined, { statusCode: 400, body: /DWA_DOCUWARE_FOREIGN_ISSUER/ }], ['/done', { statusCode: 303, headers: { location: '/done?error=server_error' } }]] as const) {
    const begun = await begin(app, id, { returnTo })
    t.match(await callback(app, await signedIn(dw, begun), begun.cookie), expected)
  }
  const begun = await begin(app, id)
  t.match((await callback(app, `error=access_denied&state=${begun.state}&iss=https%3A%2F%2Fevil.example`, begun.cookie)).json(), { code: 'DWA_DOCUWARE_FOREIGN_ISSUER' }, 'also when it refuses')
  t.equal(exchanges(dw), 0)
  t.strictSame(await reasons(app, 3), ['issuer', 'issuer', 'issuer'])
  for (const iss of ['absent', 'present'] as const) {
    dw.set({ iss })
    t.match(await authorize(app, dw, id), { statusCode: 200 }, iss)
  }
  const mixed = await begin(app, id)
  const right = await signedIn(dw, mixed)
  const wrong = new URLSearchParams(right)
  wrong.set('iss', 'https://evil.example')
  t.match((await callback(app, wrong, mixed.cookie)).json(), { code: 'DWA_DOCUWARE_FOREIGN_ISSUER' })
  t.match((await callback(app, right, mixed.cookie)).json(), { code: 'DWA_DOCUWARE_INVALID_STATE' }, 'by then the state is used up')
  const lower = await begin(app, id)
  const query = await signedIn(dw, lower)
  const issuer = new URL(query.get('iss') ?? '')
  query.set('iss', issuer.origin + issuer.pathname.toUpperCase())
  t.equal((await callback(app, query, lower.cookie)).statusCode, 200, 'whose letter case may be another, on premises')
})

t.test('an exchange that fails leaves the connection as it was, says why, and does not say more', async (t) => {
  const { app, dw, id } = await connected(t, { docuware: { http: { timeoutMs: 400 } } })
  const token = { on: 'identity', path: '/connect/token' } as const
  const cases: Array<[name: string, plan: () => void, reason: string]> = [
    ['a wrong code', () => {}, 'invalid_grant'],
    ['status 500', () => { dw.failNext(1, 500, token) }, 'server_error'],
    ['status 503 and no JSON', () => { dw.disguiseNext(1, 'html', { ...token, status: 503 }) }, 'answered with status 503'],
    ['HTML with status 200', () => { dw.disguiseNext(1, 'html', token) }, 'the answer makes no sense'],
    ['XML', () => { dw.disguiseNext(1, 'xml', token) }, 'the answer makes no sense'],
    ['status 302', () => { dw.failNext(1, 302, token) }, 'server_error'],
    ['status 429', () => { dw.throttle(1, token) }, 'server_error'],
    ['no answer in time', () => { dw.slowNext(1, { ...token, delayMs: 60_000 }) }, 'no complete answer within 400 ms'],
    ['an answer that drips', () => { dw.slowNext(1, { ...token, dripMs: 100 }) }, 'no complete answer within 400 ms'],
    ['a lost connection', () => { dw.dropNext(1, token) }, 'the connection failed (ECONNRESET)'],
    ['a lost answer', () => { dw.dropNext(1, { ...token, when: 'after' }) }, 'the connection failed (ECONNRESET)'],
    ['half an answer', () => { dw.dropNext(1, { ...token, when: 'body' }) }, 'the connection failed (ECONNRESET)'],
    ['an expired client secret', () => { dw.expireClientSecret() }, 'invalid_client'],
    ['an expired client secret, with 401', () => { dw.set({ invalidClientStatus: 401 }) }, 'invalid_client']
  ]
  for (const [name, plan, reason] of cases) {
    const begun = await begin(app, id)
    const query = await signedIn(dw, begun)
    if (name === 'a wrong code') query.set('code', 'wrong')
    plan()
    dw.clearCalls()
    const answer = await callback(app, query, begun.cookie)
    t.match(answer.json(), { statusCode: 502, code: 'DWA_DOCUWARE_EXCHANGE', message: `The authorization code could not be exchanged: ${reason}` }, name)
    t.equal(exchanges(dw), 1, 'a code is sent once')
    t.match(await app.docuware.connections.get(id), { status: 'draft', hasAccessToken: false, account: null })
    dw.clearPlans()
  }
  t.match((await app.auditLog.find({ event: 'connection.authorization_failed' })).at(-1), { target: { id }, details: { reason: 'exchange', error: 'The authorization code could not be exchanged: invalid_grant' } })
  const begun = await begin(app, id, { returnTo: '/done' })
  t.match(await callback(app, await signedIn(dw, begun), begun.cookie), { statusCode: 303, headers: { location: '/done?error=server_error' } })
  const page = await begin(app, id)
  t.match(await callback(app, await signedIn(dw, page), page.cookie, html), { statusCode: 502, headers: { 'content-type': /^text\/html/ }, body: /could not be exchanged: invalid_client/ })
  await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() })
  t.match(await authorize(app, dw, id), { statusCode: 200 })
})

t.test('an authorization that fails leaves an earlier one alone; one that succeeds takes its place', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id, ...before } = await authorized(app, dw)
  const old = await app.docuware.connections.secrets(id)
  dw.set({ deny: true })
  await authorize(app, dw, id)
  dw.set({ deny: false })
  dw.failNext(1, 500, { on: 'identity', path: '/connect/token' })
  await authorize(app, dw, id)
  t.match(await app.docuware.connections.get(id), { status: 'authorized', account: before.account, expiresAt: before.expiresAt, version: before.version })
  t.strictSame(await app.docuware.connections.secrets(id), old)
  dw.set({ refreshTokenSupported: false })
  await app.docuware.connections.update(id, { scopes: ['docuware.platform', 'openid'] })
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.match(await app.docuware.connections.secrets(id), { accessToken: dw.secretsIssued().accessTokens.at(-1), refreshToken: null }, 'nothing of the old one is kept')
})

t.test('whose account it is, is asked for and may stay unknown', async (t) => {
  const { app, dw, id } = await connected(t)
  const { sub, username } = dw.user
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.strictSame((await app.docuware.connections.get(id))?.account, { sub, username, organization: dw.organization.name })
  const userinfo = { on: 'identity', path: '/connect/userinfo' } as const
  for (const [name, plan] of Object.entries({
    'status 500': () => { dw.failNext(1, 500, userinfo) },
    'status 404': () => { dw.failNext(2, 404, userinfo) },
    HTML: () => { dw.disguiseNext(1, 'html', userinfo) },
    'no answer': () => { dw.dropNext(1, userinfo) }
  })) {
    plan()
    t.match(await authorize(app, dw, id), { statusCode: 200 }, name)
    t.match(await app.docuware.connections.get(id), { status: 'authorized', hasAccessToken: true, account: null }, 'not that of an earlier one')
  }
  await app.docuware.connections.update(id, { scopes: ['docuware.platform', 'openid'] })
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.strictSame((await app.docuware.connections.get(id))?.account, { sub })
  await app.docuware.connections.update(id, { scopes: ['docuware.platform'] })
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.match(await app.docuware.connections.get(id), { account: null, hasRefreshToken: false })
})

t.test('a native app has no secret, and proves itself by PKCE alone; another one by both', async (t) => {
  const { app, dw } = await docuwareApp(t, { simulator: { clientSecret: null } })
  const { id } = await authorized(app, dw)
  const both = await docuwareApp(t)
  await authorized(both.app, both.dw)
  const sent = (dw: DocuWare) => dw.calls().filter(({ path }) => path === '/connect/token').map(({ parameters, authorization }) => [parameters.toSorted(), authorization])
  const always = ['client_id', 'code', 'code_verifier', 'grant_type', 'redirect_uri']
  t.strictSame(sent(dw), [[always, undefined]])
  t.strictSame(sent(both.dw), [[[...always.slice(0, 1), 'client_secret', ...always.slice(1)], undefined]], 'in the form, not in a header')
  dw.expireTokens()
  t.match(await app.docuware.client(id).whoami(), { User: { Id: dw.user.sub } })
  t.strictSame(sent(dw).at(-1), [['client_id', 'grant_type', 'refresh_token'], undefined])
  await app.docuware.revoke(id)
  t.match(dw.calls().filter(({ path }) => path === '/connect/revocation').map(({ status, parameters }) => [status, parameters.includes('client_secret')]), [[200, false], [200, false]])
})

t.test('a platform without refresh tokens is not asked for one, and at the end a person must sign in again', async (t) => {
  let now = Date.now()
  const { app, dw } = await docuwareApp(t, { store: { clock: clockAt(() => now) }, simulator: { refreshTokenSupported: false } })
  const { id } = await connect(app, dw)
  const { url } = await begin(app, id)
  t.equal(url.searchParams.get('scope'), 'docuware.platform openid dwprofile')
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.match(await app.docuware.connections.get(id), { status: 'authorized', hasRefreshToken: false, discovered: { refreshTokenSupported: false }, scopes: ['docuware.platform', 'openid', 'dwprofile', 'offline_access'] })
  now += 3_599_000
  await t.resolves(app.docuware.client(id).whoami(), 'to the last second')
  now += 2000
  await t.rejects(app.docuware.client(id).whoami(), { code: 'DWA_DOCUWARE_REAUTHORIZE' })
  t.match(await app.docuware.connections.get(id), { status: 'reauthorize' })
  t.match(await authorize(app, dw, id), { statusCode: 200 })
})

t.test('endpoints may have a query, and the issuer other letters', async (t) => {
  const { app, dw } = await docuwareApp(t, { simulator: { endpointQuery: 'tenant=acme', issuerCase: 'upper' } })
  const { id } = await authorized(app, dw)
  dw.expireTokens()
  await app.docuware.client(id).whoami()
  await app.docuware.revoke(id)
  t.strictSame(dw.calls().filter(({ path }) => /^\/connect/.test(path)).map(({ path, query, status }) => [path, query['tenant'], status]), [
    ['/connect/authorize', 'acme', 302], ['/connect/token', 'acme', 200], ['/connect/userinfo', 'acme', 200], ['/connect/token', 'acme', 200], ['/connect/revocation', 'acme', 200], ['/connect/revocation', 'acme', 200]
  ])
})

t.test('security 54: MongoDB is away', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app, dw } = await docuwareApp(t, { uri: proxy.uri, database: uri })
  const { id } = await connect(app, dw)
  await app.ready()

  t.test('before the exchange: nothing is exchanged, and what was begun still counts', async (t) => {
    const begun = await begin(app, id)
    const query = await signedIn(dw, begun)
    await proxy.cut()
    await eventually('the loss is noticed', () => !app.store.available)
    for (const accept of ['application/json', 'text/html']) {
      t.match(await callback(app, query, begun.cookie, { accept }), { statusCode: 503, headers: { 'retry-after': /^\d+$/, 'cache-control': 'no-store' }, body: /The database cannot be reached/ }, accept)
    }
    t.match(await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware }), { statusCode: 503 })
    t.equal(exchanges(dw), 0)
    await proxy.open()
    await eventually('it is back', () => app.store.available)
    t.match(await callback(app, query, begun.cookie), { statusCode: 200 })
  })

  t.test('after the exchange: the tokens are kept and saved when it is back', async (t) => {
    const begun = await begin(app, id, { returnTo: '/done' })
    const query = await signedIn(dw, begun)
    const old = await app.docuware.connections.secrets(id)
    const gate = dw.holdTokens()
    const answer = callback(app, query, begun.cookie)
    await gate.waiting()
    await proxy.cut()
    gate.release()
    t.match(await answer, { statusCode: 503, headers: { 'retry-after': /^\d+$/ } })
    await proxy.open()
    await eventually('they are saved', async () => app.store.available && (await app.docuware.connections.secrets(id)).accessToken !== old.accessToken)
    t.match(await app.docuware.connections.secrets(id), { accessToken: dw.secretsIssued().accessTokens.at(-1), refreshToken: dw.secretsIssued().refreshTokens.at(-1) })
    t.match((await callback(app, query, begun.cookie)).json(), { code: 'DWA_DOCUWARE_INVALID_STATE' })
    t.match(await app.auditLog.find({ event: 'connection.authorized', limit: 1 }), [{ target: { id } }])
  })
})

t.test('an authorization overtaken by a change of its connection is thrown away', async (t) => {
  const { app, dw, id } = await connected(t)
  const begun = await begin(app, id)
  const query = await signedIn(dw, begun)
  const gate = dw.holdTokens()
  const answer = callback(app, query, begun.cookie)
  await gate.waiting()
  await app.docuware.connections.update(id, { clientId: 'another' })
  gate.release()
  t.match((await answer).json(), { code: 'DWA_DOCUWARE_INVALID_STATE' })
  t.match(await app.docuware.connections.get(id), { status: 'draft', hasAccessToken: false, hasRefreshToken: false })
  t.strictSame(await reasons(app, 1), ['connection_changed'])
})

t.test('security 31: sixty authorizations and sixty callbacks a minute from one address', async (t) => {
  const { app, id } = await connected(t)
  const requests = {
    'GET authorize': { method: 'GET', url: `/docuware/connections/${id}/authorize` },
    'POST authorize': { method: 'POST', url: '/docuware/connections/nobody/authorize' },
    callback: { method: 'GET', url: '/docuware/oauth/callback?code=x&state=y' }
  } as const
  for (const [name, request] of Object.entries(requests)) {
    const send = async (remoteAddress: string, headers: object = {}) => await app.inject({ ...request, headers: { ...asDocuware, ...headers }, remoteAddress })
    for (let sent = 0; sent < 60; sent++) if ((await send('192.0.2.1')).statusCode === 429) t.fail(`${name}: ${sent}`)
    const refused = await send('192.0.2.1')
    t.match(refused, { statusCode: 429, headers: { 'retry-after': /^([1-9]|[1-5]\d|60)$/, 'cache-control': 'no-store' } }, name)
    t.match(refused.json(), { code: 'DWA_RATE_LIMITED', message: /^Too many requests: try again in \d+ s$/ })
    t.match(await send('192.0.2.1', html), { statusCode: 429, headers: { 'retry-after': /./, 'content-type': /^text\/html/ }, body: /Too many requests/ })
    t.not((await send('192.0.2.2')).statusCode, 429, 'another address')
  }
  for (let sent = 0; sent < 70; sent++) if ((await app.inject({ method: 'POST', url: '/docuware/connections/nobody/sync', headers: asDocuware, remoteAddress: '192.0.2.1' })).statusCode !== 404) t.fail('a sync is not counted')

  const { app: strict } = await docuwareApp(t, { docuware: { requestsPerMinute: 2 } })
  const statuses: number[] = []
  for (let sent = 0; sent < 3; sent++) statuses.push((await strict.inject(requests.callback)).statusCode)
  t.strictSame(statuses, [400, 400, 429], 'or as many as are configured')
  const from = async (remoteAddress: string): Promise<number> => (await strict.inject({ ...requests.callback, remoteAddress })).statusCode
  t.strictSame([await from('2001:db8:1:2::1'), await from('2001:db8:1:2::2'), await from('2001:db8:1:2:a:b:c:d'), await from('2001:db8:1:3::1')], [400, 400, 429, 400], 'of one IPv6 network')
})

t.test('whatever is answered, nobody keeps it and no other site may read it', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  const path = `/docuware/connections/${id}`
  const form = 'application/x-www-form-urlencoded'
  const cases: Array<[status: number, request: { method?: 'HEAD' | 'POST', url: string, headers?: object, payload?: string }]> = [
    [200, { url: `${path}/authorize` }],
    [200, { method: 'HEAD', url: `${path}/authorize` }],
    [303, { method: 'POST', url: `${path}/authorize` }],
    [200, { method: 'POST', url: `${path}/sync` }],
    [200, { method: 'POST', url: `${path}/revoke` }],
    [400, { method: 'POST', url: `${path}/authorize`, headers: { 'content-type': 'application/json' }, payload: '{"returnTo":' }],
    [413, { method: 'POST', url: `${path}/authorize`, headers: { 'content-type': form }, payload: `returnTo=/${'x'.repeat(17 * 1024)}` }],
    [415, { method: 'POST', url: `${path}/authorize`, headers: { 'content-type': 'application/xml' }, payload: '<returnTo/>' }],
    [400, { url: '/docuware/oauth/callback' }],
    [400, { method: 'HEAD', url: '/docuware/oauth/callback?code=x&state=y' }]
  ]
  for (const [status, { headers = {}, ...request }] of cases) {
    const answer = await app.inject({ ...request, headers: { ...asDocuware, origin: publicUrl, ...headers } })
    t.match([answer.statusCode, answer.headers['cache-control'], answer.headers['access-control-allow-origin']], [status, 'no-store', undefined], JSON.stringify(request).slice(0, 100))
  }
})

t.test('beside an app\'s own forms, limits and protection of every route', async (t) => {
  const { app, dw } = await docuwareApp(t, {
    async before (app) {
      await app.register(formbody)
      await app.register(rateLimit, { max: 1000 })
    },
    jwt: { validators: [validator('demo')], protect: { every: 'jwt_demo' } }
  })
  const { id } = await connect(app, dw)
  const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: { ...asDocuware, ...bearer(token()), 'content-type': 'application/x-www-form-urlencoded' }, payload: 'returnTo=/done' })
  t.equal(started.statusCode, 303, started.body)
  const back = new URL(await dw.signIn(String(started.headers.location)))
  t.match(await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started) } }), { statusCode: 303, headers: { location: '/done' } }, 'who comes back from DocuWare has no token')
})

t.test('security 35, 52, 55: no code, state, token, cookie or secret is in a log line, an error, an entry or the database', async (t) => {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const raised: string[] = []
  let now = Date.now()
  const { app, dw } = await docuwareApp(t, {
    uri,
    onLine: (line) => { lines.push(line) },
    store: { clock: clockAt(() => now) },
    before (app) { app.addHook('onError', async (_request, _reply, error) => { raised.push(inspect(error, { depth: 20, showHidden: true })) }) }
  })
  const cookies: string[] = []
  const run = async (id: string, change: (query: URLSearchParams) => void = () => {}, headers: object = {}, method: 'GET' | 'HEAD' = 'GET'): Promise<Answer> => {
    const begun = await begin(app, id)
    cookies.push(begun.cookie.split('=')[1] ?? '')
    const query = await signedIn(dw, begun)
    change(query)
    return await app.inject({ method, url: `/docuware/oauth/callback?${query.toString()}`, headers: { cookie: begun.cookie, ...headers }, remoteAddress: elsewhere() })
  }
  const { id } = await connect(app, dw)
  const tokenEndpoint = { on: 'identity', path: '/connect/token' } as const
  t.equal((await run(id)).statusCode, 200)
  t.equal((await run(id, () => {}, {}, 'HEAD')).statusCode, 200)
  t.equal((await run(id, (query) => { query.set('code', 'a wrong code of mine') })).statusCode, 502)
  t.equal((await run(id, (query) => { query.set('state', 'a wrong state of mine') }, html)).statusCode, 400)
  t.equal((await run(id, (query) => { query.append('state', 'x') })).statusCode, 400)
  for (const plan of [() => { dw.failNext(1, 500, tokenEndpoint) }, () => { dw.disguiseNext(1, 'html', tokenEndpoint) }, () => { dw.dropNext(1, { ...tokenEndpoint, when: 'body' }) }]) {
    plan()
    t.equal((await run(id)).statusCode, 502)
    plan()
    t.equal((await run(id, () => {}, html)).statusCode, 502)
  }
  dw.failNext(1, 500, { on: 'identity', path: '/connect/userinfo' })
  t.equal((await run(id)).statusCode, 200)
  dw.expireTokens()
  await app.docuware.client(id).whoami()
  await app.docuware.sync(id)
  now += 7_200_000
  dw.failNext(1, 500, tokenEndpoint)
  await t.rejects(app.docuware.client(id).whoami())
  now += 120_000
  dw.expireRefreshTokens()
  await t.rejects(app.docuware.client(id).whoami(), { code: 'DWA_DOCUWARE_REAUTHORIZE' })
  t.equal((await run(id)).statusCode, 200)
  dw.failNext(1, 500, { on: 'identity', path: '/connect/revocation' })
  await app.docuware.revoke(id)
  await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() })
  t.equal((await run(id)).statusCode, 200)

  // What only a service of bad manners says.
  const canaries = ['canary-of-an-access-token', 'canary-of-a-refresh-token', 'canary-of-an-id-token', 'canary-in-an-error']
  const [access, refresh, idToken, error] = canaries
  const answers = [
    JSON.stringify({ access_token: access, refresh_token: refresh, id_token: idToken, token_type: 'mac' }),
    JSON.stringify({ access_token: [access], refresh_token: refresh, token_type: 'Bearer' }),
    `{"access_token":"${access}","refresh_token":"${refresh}"`,
    `"${access}"`,
    `[{"access_token":"${access}"}]`,
    JSON.stringify({ error, error_description: error, access_token: access })
  ]
  let answer = ''
  const rude = await startStub(t, (origin) => ({
    '/DocuWare/Platform/Home/IdentityServiceInfo': json({ IdentityServiceUrl: origin }),
    '/.well-known/openid-configuration': json({ issuer: origin, authorization_endpoint: `${origin}/authorize`, token_endpoint: `${origin}/token` }),
    '/authorize': json({}),
    '/token': (request, response) => { json(answer)(request, response) }
  }))
  const stub = await connect(app, { ...dw, platformUrl: `${rude.origin}/DocuWare/Platform` }, 'rude')
  for (answer of answers) {
    for (const headers of [{}, html]) {
      const begun = await begin(app, stub.id)
      cookies.push(begun.cookie.split('=')[1] ?? '')
      canaries.push(begun.state)
      const refused = await callback(app, `code=canary-of-a-code&state=${begun.state}`, begun.cookie, headers)
      t.match(refused, { statusCode: 502, body: /makes no sense/ }, answer)
      lines.push(refused.body, JSON.stringify(refused.headers))
    }
  }
  canaries.push('canary-of-a-code')
  await app.docuware.connections.secrets(id)
  await app.auditLog.verify()
  await app.close()

  const client = new MongoClient(uri)
  t.teardown(() => client.close())
  const collections = (await client.db().listCollections().toArray()).map(({ name }) => name)
  const dumped = await Promise.all(collections.map(async (name) => JSON.stringify(await client.db().collection(name).find().toArray())))
  t.ok(collections.includes('dwa_authorization_states') && collections.includes('dwa_connections'), collections.join(', '))
  const kept = { 'the log lines': lines.join('\n'), 'the database': dumped.join('\n'), 'the errors': raised.join('\n') }
  t.match(kept['the log lines'], '"url":"/docuware/oauth/callback"')
  t.match(kept['the log lines'], 'DWA_DOCUWARE_EXCHANGE')
  t.match(kept['the database'], 'connection.authorization_failed')
  t.match(kept['the errors'], 'TokenFailure')
  const { passwords: _, passphrases: __, loginTokens: ___, ...issued } = dw.secretsIssued()
  for (const [kind, secrets] of Object.entries({ ...issued, cookies, canaries, 'wrong ones': ['a wrong code of mine', 'a+wrong+code', 'a wrong state of mine', 'a+wrong+state'], masterKey: [masterKey] })) {
    t.ok(secrets.length > 0, kind)
    for (const secret of secrets) {
      for (const [where, text] of Object.entries(kept)) {
        t.notOk(text.includes(secret), `${kind} in ${where}`)
        t.notOk(text.includes(secret.slice(-16)), `the end of ${kind} in ${where}`)
      }
    }
  }
})
