import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import docuwareAuth, { connectors, store, type ConnectorsOptions, type DocuwareOptions } from '../../index.js'
import type { Clock } from '../../lib/clock.js'
import type { AuthInput, ConnectorInput } from '../../lib/connectors/connector-schema.js'
import { startDocuWare, type DocuWare } from '../../testing/index.js'
import { clockAt, masterKey } from '../app.js'
import { cookieOf, publicUrl, rolesOf } from '../docuware/caller.js'
import { searchAtEnd } from '../docuware/docuware-app.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { json, startApi, text } from './echo-api.js'

const asSystem = { 'x-roles': 'system' }
const redirectUri = `${publicUrl}/connectors/oauth/callback`

interface ConnectorsApp { readonly app: FastifyInstance, readonly uri: string, readonly lines: string[] }

async function connectorsApp (t: Test, options: ConnectorsOptions = {}, given: { uri?: string, database?: string, dw?: DocuWare, clock?: Clock, docuware?: DocuwareOptions } = {}): Promise<ConnectorsApp> {
  const uri = given.uri ?? (await startTestMongo(t)).uri
  const lines: string[] = []
  if (given.dw !== undefined) searchAtEnd(t, given.dw, given.database ?? uri, lines)
  const app = Fastify({ logger: { level: 'trace', stream: { write (line: string) { lines.push(line) } } } })
  t.teardown(() => app.close())
  const { clock, docuware } = given
  await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey], access: rolesOf, ...(clock === undefined ? {} : { clock }) }, publicUrl, connectors: { allowInsecure: true, ...options }, ...(docuware === undefined ? {} : { docuware }) })
  return { app, uri, lines }
}

const clientOf = (dw: DocuWare): AuthInput => ({
  type: 'oauth2',
  clientId: dw.clientId,
  clientSecret: dw.clientSecret ?? '',
  authorizationUrl: `${dw.identityUrl}/connect/authorize`,
  tokenUrl: `${dw.identityUrl}/connect/token`,
  revocationUrl: `${dw.identityUrl}/connect/revocation`,
  scopes: ['docuware.platform', 'openid', 'offline_access']
})

async function simulator (t: Test, options: Parameters<typeof startDocuWare>[0] = {}): Promise<DocuWare> {
  const dw = await startDocuWare({ autoApprove: true, redirectUris: [redirectUri], ...options })
  t.teardown(() => dw.stop())
  return dw
}

async function authorize (app: FastifyInstance, dw: DocuWare, name: string, headers: object = {}): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> {
  const started = await app.inject({ method: 'POST', url: `/connectors/${name}/authorize`, headers: asSystem })
  if (started.statusCode !== 303) throw new Error(`${started.statusCode} ${started.body}`)
  const back = new URL(await dw.signIn(String(started.headers.location)))
  return await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started), accept: 'text/html', ...headers } })
}

const tokenCalls = (dw: DocuWare): number => Object.entries(dw.counters()).filter(([name]) => name.startsWith('POST /connect/token')).reduce((sum, [, count]) => sum + count, 0)

t.test('practice: secrets encrypted at rest, secret fields write-only in every API answer; each strategy can be stored, and is used like a declared one', async (t) => {
  const api = await startApi(t)
  const { app, lines } = await connectorsApp(t)
  const secrets = ['key-0123456789', 'secret-0123456789', 'token-0123456789', 'password-0123456789', 'hmac-key-0123456789', 'hmac-secret-0123456789', 'jwt-secret-0123456789', 'manager-0123456789']
  const stored: Array<[auth: AuthInput, header: string, expected: RegExp]> = [
    [{ type: 'apiKey', key: 'key-0123456789', secret: 'secret-0123456789', header: 'X-Key' }, 'x-key', /^key-0123456789$/],
    [{ type: 'bearer', token: 'token-0123456789' }, 'authorization', /^Bearer token-0123456789$/],
    [{ type: 'basic', username: 'ann', password: 'password-0123456789' }, 'authorization', /^Basic /],
    [{ type: 'hmac', key: 'hmac-key-0123456789', secret: 'hmac-secret-0123456789' }, 'x-signature', /^.{44}$/],
    [{ type: 'jwtAssertion', issuer: 'me', secret: 'jwt-secret-0123456789' }, 'authorization', /^Bearer eyJ/],
    [{ type: 'storeHeaders', storeId: '42', apiKey: 'manager-0123456789' }, 'x-manager-token', /^manager-0123456789$/]
  ]
  const created: unknown[] = []
  for (const [auth, header, expected] of stored) {
    const view = await app.connectors.create({ name: auth.type, baseUrl: `${api.url}/v1`, auth, headers: { 'X-App': 'test' } }, { actor: { type: 'user', id: 'u1' } })
    created.push(view)
    t.match(view, { name: auth.type, version: 1, auth: { type: auth.type }, hasCredentials: true, status: null })
    const use = app.connectors.use(auth.type)
    t.match(await use.get('/orders'), { status: 200, data: { ok: true } })
    t.match(api.requests.at(-1), { url: '/v1/orders', headers: { 'x-app': 'test', [header]: expected } }, auth.type)
    for (const call of [use.post, use.put, use.patch, use.delete]) await call('/orders')
    t.strictSame(api.requests.slice(-4).map(({ method }) => method), ['POST', 'PUT', 'PATCH', 'DELETE'])
  }
  t.strictSame((await app.connectors.list()).map(({ name }) => name), stored.map(([{ type }]) => type).sort())
  t.strictSame((await app.connectors.page(2, 'basic')).map(({ name }) => name), ['bearer', 'hmac'])
  t.strictSame(await app.connectors.secrets('apiKey', { actor: { type: 'user', id: 'u1' } }), { key: 'key-0123456789', secret: 'secret-0123456789' })
  const entries = await app.auditLog.find({ event: 'connector.*', limit: 100 })
  t.match(entries.at(0), { event: 'connector.secrets_read', level: 'warning', actor: { type: 'user', id: 'u1' }, target: { type: 'connector', name: 'apiKey' } })
  t.equal(entries.filter(({ event }) => event === 'connector.created').length, stored.length)
  const documents = JSON.stringify(await app.store.connection.collection('dwa_connectors').find().toArray())
  const shown = JSON.stringify([created, await app.connectors.list(), await app.connectors.page(100), await Promise.all(stored.map(async ([{ type }]) => [await app.connectors.get(type), await app.connectors.update(type, { retries: 1 })])), entries, lines])
  for (const secret of secrets) t.notOk(documents.includes(secret) || shown.includes(secret), `${secret} is nowhere in plain text`)
})

t.test('a field that is unknown, missing or malformed is an error with its name, and nothing is written', async (t) => {
  const { app } = await connectorsApp(t, { allowInsecure: false })
  const good: ConnectorInput = { name: 'shop', baseUrl: 'https://shop.example/v1', auth: { type: 'apiKey', key: 'k' } }
  const oauth = { type: 'oauth2', clientId: 'c', authorizationUrl: 'https://id.example/authorize', tokenUrl: 'https://id.example/token' }
  const cases: Array<[field: string, given: object]> = [
    ['name', { name: '' }], ['name', { name: ' a' }], ['name', { name: { $ne: 1 } }],
    ['baseUrl', { baseUrl: 'http://shop.example' }], ['baseUrl', { baseUrl: 'http://127.0.0.1' }], ['baseUrl', { baseUrl: 'https://u:p@shop.example' }], ['baseUrl', { baseUrl: 'https://shop.example?x=1' }], ['baseUrl', { baseUrl: 'shop' }],
    ['headers', { headers: { a: 'b\r\nc' } }], ['headers', { headers: { a: 1 } }], ['headers', { headers: { 'a b': 'c' } }], ['headers', { headers: { 'a.b': 'c' } }], ['headers', { headers: { $a: 'c' } }], ['timeoutMs', { timeoutMs: 0 }], ['retries', { retries: -1 }], ['unknown', { unknown: 1 }],
    ['auth', { auth: { type: 'none' } }], ['auth', { auth: { type: 'apiKey' } }], ['auth', { auth: { type: 'apiKey', key: 'k', header: 'a', query: 'b' } }], ['auth', { auth: { type: 'apiKey', key: 'k', unknown: 1 } }], ['auth', { auth: { type: 'constructor' } }],
    ['auth', { auth: { ...oauth, tokenUrl: 'http://id.example/token' } }], ['auth', { auth: { ...oauth, authorizationUrl: 'x' } }], ['auth', { auth: { ...oauth, scopes: ['a b'] } }], ['auth', { auth: { type: 'jwtAssertion', issuer: 'a' } }]
  ]
  for (const [field, given] of cases) {
    const input: ConnectorInput = { ...good, ...given }
    await t.rejects(app.connectors.create(input), { code: 'DWA_CONNECTOR_INVALID', statusCode: 400, field }, JSON.stringify(given))
  }
  t.strictSame(await app.connectors.list(), [])
  await app.connectors.create(good)
  await t.rejects(app.connectors.create(good), { code: 'DWA_STORE_DUPLICATE' })
  await t.rejects(app.connectors.update('shop', { auth: { key: '' } }), { code: 'DWA_CONNECTOR_INVALID', field: 'key' })
  await t.rejects(app.connectors.update('shop', JSON.parse('{"auth":{"$set":1}}')), { code: 'DWA_CONNECTOR_INVALID' })
  await t.rejects(app.connectors.update('nobody', {}), { code: 'DWA_STORE_NOT_FOUND' })
  await t.rejects(app.connectors.use('nobody').get('/'), { code: 'DWA_STORE_NOT_FOUND' })
  await t.rejects(app.connectors.update('shop', { name: 'other' }, { version: 7 }), { code: 'DWA_STORE_CONFLICT' })
  t.match(await app.connectors.get('shop'), { version: 1 })
  await app.connectors.remove('shop', { version: 1 })
  t.equal(await app.connectors.get('shop'), null)
})

t.test('security 55: whoever changes a host gets no secret sent there', async (t) => {
  const [api, other] = [await startApi(t), await startApi(t)]
  const { app } = await connectorsApp(t)
  await app.connectors.create({ name: 'shop', baseUrl: api.url, auth: { type: 'apiKey', key: 'the-old-key' } })
  t.match(await app.connectors.update('shop', { retries: 1, headers: { a: 'b' }, baseUrl: api.url }), { hasCredentials: true, retries: 1 })
  await app.connectors.use('shop').get('/')
  t.equal(api.requests.at(-1)?.headers['x-api-key'], 'the-old-key')
  t.match(await app.connectors.update('shop', { auth: { header: 'X-Other' } }), { hasCredentials: true, auth: { header: 'X-Other' } }, 'what is left out stays')
  await app.connectors.use('shop').get('/')
  t.equal(api.requests.at(-1)?.headers['x-other'], 'the-old-key')

  t.match(await app.connectors.update('shop', { baseUrl: other.url }), { hasCredentials: false })
  await t.rejects(app.connectors.use('shop').get('/'), { code: 'DWA_CONNECTOR_CONFIGURATION', statusCode: 500 })
  t.strictSame(other.requests, [])
  t.match(await app.connectors.update('shop', { auth: { key: 'the-new-key', header: null } }), { hasCredentials: true })
  await app.connectors.use('shop').get('/')
  t.equal(other.requests.at(-1)?.headers['x-api-key'], 'the-new-key')
  t.match(await app.connectors.update('shop', { baseUrl: api.url, auth: { key: 'both-at-once' } }), { hasCredentials: true })
  await app.connectors.use('shop').get('/')
  t.equal(api.requests.at(-1)?.headers['x-api-key'], 'both-at-once')
  t.match(await app.connectors.update('shop', { auth: { type: 'basic', username: 'ann' } }), { hasCredentials: false, auth: { type: 'basic', username: 'ann' } }, 'another strategy has none of its own')
  await t.rejects(app.connectors.update('shop', { auth: { type: 'bearer', header: 'x' } }), { code: 'DWA_CONNECTOR_INVALID' })
  await app.connectors.update('shop', { auth: { type: 'jwtAssertion', issuer: 'me', secret: 'jwt-secret' } })
  t.match(await app.connectors.update('shop', { baseUrl: other.url, auth: { audience: 'them' } }), { hasCredentials: false, auth: { type: 'jwtAssertion', issuer: 'me', audience: 'them' } })
})

t.test('security 55: another address of an authorization server clears the client secret and the tokens, unless the change has the secret', async (t) => {
  const api = await startApi(t)
  const { app } = await connectorsApp(t)
  const client = { type: 'oauth2' as const, clientId: 'c', authorizationUrl: `${api.url}/authorize`, tokenUrl: `${api.url}/token`, revocationUrl: `${api.url}/revoke` }
  const stateOf = async (): Promise<unknown[]> => {
    const { status, hasCredentials, hasAccessToken, hasRefreshToken } = await app.connectors.get('shop') ?? {}
    return [status, hasCredentials, hasAccessToken, hasRefreshToken]
  }
  for (const change of [{ baseUrl: `${api.url}/v2` }, { auth: { authorizationUrl: `${api.url}/other` } }, { auth: { tokenUrl: `${api.url}/other` } }, { auth: { revocationUrl: `${api.url}/other` } }, { auth: { revocationUrl: null } }]) {
    for (const supplied of [false, true]) {
      await app.connectors.create({ name: 'shop', baseUrl: api.url, auth: { ...client, clientSecret: 'the-old-secret' } })
      const state = new URL(await app.connectors.authorizationUrl('shop', { unbound: true })).searchParams.get('state') ?? ''
      api.answers = [json(200, { access_token: 'token-1', refresh_token: 'refresh-1' })]
      t.equal((await app.inject({ url: `/connectors/oauth/callback?code=c&state=${state}` })).statusCode, 200)
      t.strictSame(await stateOf(), ['authorized', true, true, true])
      const { auth, ...plain } = { auth: {}, ...change }
      await app.connectors.update('shop', { ...plain, auth: { ...auth, ...(supplied ? { clientSecret: 'the-new-secret' } : {}) } })
      t.strictSame(await stateOf(), ['draft', supplied, false, false], `${JSON.stringify(change)}${supplied ? ', with the secret' : ''}`)
      t.strictSame(await app.connectors.secrets('shop'), supplied ? { clientSecret: 'the-new-secret' } : {})
      await app.connectors.remove('shop')
    }
  }
})

t.test('each change of a stored connector is one entry, by whoever made it', async (t) => {
  const { app } = await connectorsApp(t)
  const by = (id: string) => ({ actor: { type: 'user', id } })
  await app.connectors.create({ name: 'shop', baseUrl: 'https://shop.example', auth: { type: 'bearer', token: 'the-token' } }, by('u1'))
  await app.connectors.update('shop', { name: 'store', auth: { token: 'another-token' } }, by('u2'))
  await app.connectors.secrets('store', by('u3'))
  await app.connectors.remove('store', by('u4'))
  const entries = (await app.auditLog.find({ event: 'connector.*' })).reverse()
  t.strictSame(entries.map(({ event, target, actor }) => [event, target?.name, actor?.id]), [['connector.created', 'shop', 'u1'], ['connector.updated', 'store', 'u2'], ['connector.secrets_read', 'store', 'u3'], ['connector.deleted', 'store', 'u4']])
  t.notMatch(JSON.stringify(entries), /(the|another)-token/)
})

t.test('a change, a rename and a removal are known to every process within a second', async (t) => {
  const api = await startApi(t)
  const { app, uri } = await connectorsApp(t)
  const other = (await connectorsApp(t, {}, { uri })).app
  await app.connectors.create({ name: 'shop', baseUrl: api.url, auth: { type: 'apiKey', key: 'key-number-1' } })
  await other.connectors.use('shop').get('/')
  await app.connectors.update('shop', { auth: { key: 'key-number-2' } })
  await eventually('the other one sends the new key', async () => {
    await other.connectors.use('shop').get('/')
    return api.requests.at(-1)?.headers['x-api-key'] === 'key-number-2'
  }, 1000)
  await app.connectors.update('shop', { name: 'store' })
  await eventually('it is not there by its old name', async () => await other.connectors.use('shop').get('/').then(() => false, ({ code }: { code?: string }) => code === 'DWA_STORE_NOT_FOUND'), 1000)
  t.match(await other.connectors.use('store').get('/'), { status: 200 })
  await app.connectors.remove('store')
  await eventually('it is gone', async () => await other.connectors.use('store').get('/').then(() => false, ({ code }: { code?: string }) => code === 'DWA_STORE_NOT_FOUND'), 1000)
})

t.test('an oauth2 connector is authorized by a person, refreshes by itself and is revoked', async (t) => {
  const dw = await simulator(t)
  const { app } = await connectorsApp(t, {}, { dw })
  const { id } = await app.connectors.create({ name: 'dw', baseUrl: dw.platformUrl, auth: clientOf(dw) })
  t.match(await app.connectors.get('dw'), { status: 'draft', hasAccessToken: false, auth: { clientId: dw.clientId } })
  await t.rejects(app.connectors.use('dw').get('/Organizations'), { code: 'DWA_CONNECTOR_NOT_AUTHORIZED', statusCode: 409 })
  const page = await app.inject({ url: '/connectors/dw/authorize', headers: asSystem })
  t.match(page, { statusCode: 200, headers: { 'cache-control': 'no-store' }, body: /Connect dw to 127\.0\.0\.1/ })
  const finished = await authorize(app, dw, 'dw')
  t.match(finished, { statusCode: 200, body: /dw is connected/ })
  t.match(await app.connectors.get('dw'), { status: 'authorized', hasAccessToken: true, hasRefreshToken: true })
  t.match(await app.connectors.use('dw').get('/Organizations'), { status: 200 })

  dw.expireTokens()
  const calls = tokenCalls(dw)
  t.strictSame((await Promise.all(Array.from({ length: 20 }, async () => await app.connectors.use('dw').get('/Organizations')))).map(({ status }) => status), Array.from({ length: 20 }, () => 200), 'expired token, refresh, one retry, shared')
  t.equal(tokenCalls(dw), calls + 1)
  t.match(await app.inject({ method: 'POST', url: '/connectors/dw/revoke', headers: asSystem }), { statusCode: 200 })
  t.match(await app.connectors.get('dw'), { status: 'draft', hasAccessToken: false, hasRefreshToken: false, hasCredentials: true })
  const events = (await app.auditLog.find({ event: 'connector.*', target: id ?? '' })).map(({ event }) => event).reverse()
  t.strictSame(events, ['connector.created', 'connector.authorize_started', 'connector.authorized', 'connector.refreshed', 'connector.revoked'])
  for (const [auth, what] of [[{ clientId: 'another' }, 'clientId'], [{ tokenUrl: `${dw.identityUrl}/other` }, 'tokenUrl']] as const) {
    if ((await app.connectors.get('dw'))?.hasCredentials === false) await app.connectors.update('dw', { auth: clientOf(dw) })
    await app.connectors.update('dw', { auth: { ...clientOf(dw) } })
    t.match(await authorize(app, dw, 'dw'), { statusCode: 200 })
    t.match(await app.connectors.update('dw', { auth }), { status: 'draft', hasAccessToken: false, hasCredentials: what === 'clientId' }, `another ${what} drops the tokens`)
  }
})

t.test('who is not of the role `system` begins nothing, and a callback that is wrong is a page', async (t) => {
  const dw = await simulator(t)
  const { app } = await connectorsApp(t, {}, { dw })
  await app.connectors.create({ name: 'dw', baseUrl: dw.platformUrl, auth: clientOf(dw) })
  await app.connectors.create({ name: 'plain', baseUrl: dw.platformUrl, auth: { type: 'bearer', token: 'plain-token' } })
  for (const [method, action] of [['GET', 'authorize'], ['POST', 'authorize'], ['POST', 'revoke']] as const) {
    for (const [roles, status] of [[undefined, 401], ['docuware', 403], ['oauth_provider', 403]] as const) {
      t.equal((await app.inject({ method, url: `/connectors/dw/${action}`, headers: roles === undefined ? {} : { 'x-roles': roles } })).statusCode, status, `${method} ${action} by ${roles}`)
    }
    t.match((await app.inject({ method, url: `/connectors/plain/${action}`, headers: asSystem })).json(), { code: 'DWA_CONNECTOR_NOT_OAUTH' })
    t.equal((await app.inject({ method, url: `/connectors/nobody/${action}`, headers: asSystem })).statusCode, 404)
  }
  t.equal((await app.inject({ method: 'POST', url: '/connectors/dw/authorize', headers: { ...asSystem, 'sec-fetch-site': 'cross-site' } })).statusCode, 403)

  const back = async (query: string, cookie = ''): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> => await app.inject({ url: `/connectors/oauth/callback?${query}`, headers: { accept: 'text/html', cookie } })
  const begin = async (): Promise<{ state: string, code: string, cookie: string }> => {
    const started = await app.inject({ method: 'POST', url: '/connectors/dw/authorize', headers: asSystem })
    const { searchParams } = new URL(await dw.signIn(String(started.headers.location)))
    return { state: searchParams.get('state') ?? '', code: searchParams.get('code') ?? '', cookie: cookieOf(started) }
  }
  const [first, second, third] = [await begin(), await begin(), await begin()]
  for (const query of ['', 'code=x', `state=${first.state}`, `code=a&code=b&state=${first.state}`, `code=&state=${first.state}`]) t.match(await back(query), { statusCode: 400, headers: { 'content-type': /html/ }, body: /Missing code or state/ }, query.slice(0, 12))
  t.match(await back('code=x&state=unknown'), { statusCode: 400, body: /Invalid session/ })
  t.match(await back(`code=${first.code}&state=${first.state}`), { statusCode: 400, body: /Invalid session/ }, 'from another browser')
  t.match(await back(`code=${first.code}&state=${first.state}`, first.cookie), { statusCode: 400, body: /Invalid session/ }, 'it counts once')
  t.match(await back(`error=access_denied&state=${second.state}`, second.cookie), { statusCode: 400, body: /access_denied/ })
  t.match(await back(`error=<script>&state=${third.state}`, third.cookie), { statusCode: 400, body: /unknown_error/ })
  t.equal(dw.counters()['POST /connect/token authorization_code'] ?? 0, 0)
  await app.connectors.update('dw', { auth: { issuer: dw.identityUrl } })
  const fourth = await begin()
  t.match(await back(`code=${fourth.code}&state=${fourth.state}&iss=https://other.example`, fourth.cookie), { statusCode: 400, body: /another authorization server/ })
  const fifth = await begin()
  await app.connectors.update('dw', { auth: { clientId: 'changed since', issuer: null } })
  t.match(await back(`code=${fifth.code}&state=${fifth.state}`, fifth.cookie), { statusCode: 400, body: /Invalid session/ }, 'the connector is another by now')
  const page = await app.inject({ method: 'POST', url: '/connectors/dw/authorize', headers: asSystem, payload: { returnTo: '/done?x=1' } })
  const home = new URL(String(page.headers.location)).searchParams.get('state') ?? ''
  t.match(await back(`error=access_denied&state=${home}`, cookieOf(page)), { statusCode: 303, headers: { location: '/done?x=1&error=access_denied' } })
  t.match(await app.inject({ method: 'POST', url: '/connectors/dw/authorize', headers: asSystem, payload: { returnTo: '//evil.example' } }), { statusCode: 400 })
})

t.test('practice: state required, bound, single use: in its browser, within ten minutes, for connectors alone, and then to a path on this site', async (t) => {
  let now = Date.now()
  const dw = await simulator(t, { redirectUris: [redirectUri, `${publicUrl}/docuware/oauth/callback`], lifetimes: { code: 3600 } })
  const { app } = await connectorsApp(t, {}, { dw, clock: clockAt(() => now), docuware: { allowInsecure: true } })
  await app.connectors.create({ name: 'dw', baseUrl: dw.platformUrl, auth: clientOf(dw) })
  const begin = async (returnTo: string): Promise<{ query: URLSearchParams, cookie: string }> => {
    const started = await app.inject({ method: 'POST', url: '/connectors/dw/authorize', headers: asSystem, payload: { returnTo } })
    return { query: new URL(await dw.signIn(String(started.headers.location))).searchParams, cookie: cookieOf(started) }
  }
  const back = async (query: URLSearchParams, cookie: string, path = '/connectors'): Promise<Array<number | string | undefined>> => {
    const { statusCode, headers: { location }, body } = await app.inject({ url: `${path}/oauth/callback?${query.toString()}`, headers: { cookie, accept: 'text/html' } })
    return [statusCode, location, /<p>(.*)<\/p>/.exec(body)?.[1]]
  }
  const invalid = [400, undefined, 'Invalid session']
  const [good, late, other] = [await begin('/done?x=1'), await begin('/done'), await begin('/done')]
  t.strictSame(await back(good.query, other.cookie), invalid, 'another browser')
  t.strictSame(await back(good.query, good.cookie), invalid, 'which has used it up')
  const again = await begin('/done?x=1')
  t.strictSame(await back(again.query, again.cookie), [303, '/done?x=1', undefined])
  t.strictSame(await back(again.query, again.cookie), invalid, 'a second time')

  const { id } = await app.docuware.connections.create({ name: 'acme', platformUrl: dw.platformUrl, clientId: dw.clientId, clientSecret: dw.clientSecret ?? '' })
  const foreign = new URL(await dw.signIn(await app.docuware.authorizationUrl(id, { unbound: true }))).searchParams
  t.strictSame(await back(foreign, ''), invalid, 'one of a DocuWare connection')
  t.strictSame(await back(foreign, '', '/docuware'), [200, undefined, 'You can close this window.'], 'where it still counts')
  now += 600_000
  t.strictSame(await back(late.query, late.cookie), invalid, 'ten minutes later')
})

t.test('practice: rate limits: 429 with Retry-After on the start and the callback, sixty requests a minute from one address', async (t) => {
  const { app } = await connectorsApp(t)
  for (const [method, url, status] of [['GET', '/connectors/oauth/callback?code=x&state=y', 400], ['GET', '/connectors/nobody/authorize', 404], ['POST', '/connectors/nobody/authorize', 404]] as const) {
    const send = async (remoteAddress: string): Promise<[number, boolean]> => {
      const { statusCode, headers } = await app.inject({ method, url, headers: asSystem, remoteAddress })
      return [statusCode, /^([1-9]|[1-5]\d|60)$/.test(String(headers['retry-after']))]
    }
    for (let sent = 0; sent < 60; sent++) t.strictSame(await send('192.0.2.1'), [status, false])
    t.strictSame([await send('192.0.2.1'), await send('192.0.2.2')], [[429, true], [status, false]], `${method} ${url}`)
  }
  const { app: strict } = await connectorsApp(t, { requestsPerMinute: 1 })
  const statuses = [await strict.inject('/connectors/oauth/callback'), await strict.inject('/connectors/oauth/callback')].map(({ statusCode }) => statusCode)
  t.strictSame(statuses, [400, 429], 'or as many as are configured')
})

t.test('connectors declared in code: strategies as they are made, settings as stored ones have them', async (t) => {
  const api = await startApi(t)
  const dw = await simulator(t)
  const { apiKey } = await import('../../connectors.js')
  const declared = {
    shop: { baseUrl: api.url, auth: apiKey({ key: 'declared-key' }) },
    plain: { baseUrl: api.url, auth: { type: 'bearer' as const, token: 'declared-token' }, retries: 0 },
    dw: { baseUrl: dw.platformUrl, auth: clientOf(dw) }
  }
  const { app, uri } = await connectorsApp(t, { declared }, { dw })
  const other = (await connectorsApp(t, { declared }, { uri, dw })).app
  await app.connectors.use('shop').get('/')
  t.equal(api.requests.at(-1)?.headers['x-api-key'], 'declared-key')
  await app.connectors.use('plain').get('/')
  t.equal(api.requests.at(-1)?.headers.authorization, 'Bearer declared-token')
  t.match(await app.connectors.get('plain'), { id: null, version: 0, auth: { type: 'bearer' }, retries: 0 })
  t.notMatch(JSON.stringify(await app.connectors.list()), /declared-(key|token)/)
  for (const attempt of [async () => { await app.connectors.update('shop', {}) }, async () => { await app.connectors.remove('shop') }, async () => { await app.connectors.secrets('shop') }]) await t.rejects(attempt(), { code: 'DWA_CONNECTOR_READ_ONLY', statusCode: 409 })
  await t.rejects(app.connectors.create({ name: 'shop', baseUrl: 'https://x.example', auth: { type: 'bearer', token: 'x' } }), { code: 'DWA_STORE_DUPLICATE' })
  await t.rejects(app.connectors.authorizationUrl('shop', { unbound: true }), { code: 'DWA_CONNECTOR_NOT_OAUTH' })
  await t.rejects(app.connectors.authorizationUrl('dw'), { code: 'DWA_CONNECTOR_UNBOUND', statusCode: 500, message: 'An authorization URL needs the reply of the browser that will follow it, or unbound: true' })

  await t.rejects(app.connectors.use('dw').get('/Organizations'), { code: 'DWA_CONNECTOR_NOT_AUTHORIZED' })
  await Promise.all([app, other].map(async (one) => await one.connectors.authorizationUrl('dw', { unbound: true })))
  t.equal(await app.store.connection.collection('dwa_connector_grants').countDocuments(), 1)
  t.match(await app.connectors.get('dw'), { status: 'draft', hasAccessToken: false })
  t.match(await authorize(app, dw, 'dw'), { statusCode: 200, body: /dw is connected/ })
  t.match(await app.connectors.get('dw'), { status: 'authorized', hasAccessToken: true, hasRefreshToken: true })
  t.match(await app.connectors.use('dw').get('/Organizations'), { status: 200 })
  t.match(await other.connectors.use('dw').get('/Organizations'), { status: 200 }, 'in every process')
  dw.expireTokens()
  const calls = tokenCalls(dw)
  await Promise.all([app, other, app, other].map(async (one) => await one.connectors.use('dw').get('/Organizations')))
  t.equal(tokenCalls(dw), calls + 1, 'one refresh for both processes')

  const moved = (await connectorsApp(t, { declared: { dw: { ...declared.dw, auth: { ...clientOf(dw), clientId: 'another' } } } }, { uri, dw })).app
  await t.rejects(moved.connectors.use('dw').get('/Organizations'), { code: 'DWA_CONNECTOR_NOT_AUTHORIZED' }, 'tokens of another client are not its own')
  t.match(await app.connectors.use('dw').get('/Organizations'), { status: 200 }, 'and nothing is lost by looking')
  await Promise.all([moved.connectors.authorizationUrl('dw', { unbound: true }), moved.connectors.authorizationUrl('dw', { unbound: true })])
  await eventually('the old code has no token any more', async () => await app.connectors.use('dw').get('/Organizations').then(() => false, ({ code }: { code?: string }) => code === 'DWA_CONNECTOR_NOT_AUTHORIZED'), 2000)

  await moved.connectors.create({ name: 'shop', baseUrl: api.url, auth: { type: 'bearer', token: 'stored-token' } })
  await eventually('a name that is both is neither', async () => await app.connectors.use('shop').get('/').then(() => false, ({ code }: { code?: string }) => code === 'DWA_CONNECTOR_CONFIGURATION'), 2000)
})

t.test('the id of a connector that is gone finds none, though another one is named like it; what is declared is found by its name first', async (t) => {
  const [api, dw] = [await startApi(t), await simulator(t)]
  const declaredName = 'd'.repeat(24)
  const { app } = await connectorsApp(t, { declared: { [declaredName]: { baseUrl: dw.platformUrl, auth: clientOf(dw) } } }, { dw })
  const create = async (name: string): Promise<string> => String((await app.connectors.create({ name, baseUrl: api.url, auth: { type: 'bearer', token: 'x' } })).id)
  const id = await create('shop')
  await app.connectors.remove(id)
  const other = await create(id)
  await t.rejects(app.connectors.use(id).get('/'), { code: 'DWA_STORE_NOT_FOUND' })
  t.strictSame(api.requests, [])
  t.match(await app.connectors.use(other).get('/'), { status: 200 }, 'by its own')
  t.match(await authorize(app, dw, declaredName), { statusCode: 200 })
  t.match(await app.connectors.get(declaredName), { id: null, status: 'authorized' })
  t.match(await app.connectors.use(declaredName).get('/Organizations'), { status: 200 })
})

t.test('security 55: a request that waits does not take the token of another host along', async (t) => {
  const [api, other] = [await startApi(t), await startApi(t)]
  const { app } = await connectorsApp(t)
  const auth = { type: 'oauth2' as const, clientId: 'c', authorizationUrl: `${api.url}/authorize`, tokenUrl: `${api.url}/token` }
  await app.connectors.create({ name: 'shop', baseUrl: api.url, auth })
  const authorizeWith = async (token: string): Promise<void> => {
    const state = new URL(await app.connectors.authorizationUrl('shop', { unbound: true })).searchParams.get('state') ?? ''
    api.answers.push(json(200, { access_token: token }))
    t.equal((await app.inject({ url: `/connectors/oauth/callback?code=c&state=${state}` })).statusCode, 200)
  }
  await authorizeWith('token-of-api')
  api.answers.push(json(503, {}, { 'retry-after': '1' }))
  const waiting = app.connectors.use('shop').get('/slow')
  await eventually('it waits', async () => api.requests.some(({ url }) => url === '/slow'))
  await app.connectors.update('shop', { baseUrl: other.url })
  await authorizeWith('token-of-other')
  await t.rejects(waiting, { code: 'DWA_STORE_CONFLICT' })
  t.notMatch(JSON.stringify(api.requests.map(({ headers }) => headers)), /token-of-other/)
})

t.test('options are checked with their paths', async (t) => {
  const { uri } = await startTestMongo(t)
  const cases: Array<[path: string, options: object]> = [
    ['connectors.prefix', { prefix: 'x' }],
    ['connectors.unknown', { unknown: 1 }],
    ['connectors.declared.a.baseUrl', { declared: { a: { baseUrl: 'http://x.example', auth: { type: 'bearer', token: 'x' } } } }],
    ['connectors.declared.a.auth.type', { declared: { a: { baseUrl: 'https://x.example', auth: { type: 'none' } } } }],
    ['connectors.declared.a.auth.token', { declared: { a: { baseUrl: 'https://x.example', auth: { type: 'bearer' } } } }],
    ['connectors.declared.a.auth.tokenUrl', { declared: { a: { baseUrl: 'https://x.example', auth: { type: 'oauth2', clientId: 'c', authorizationUrl: 'https://x.example', tokenUrl: 'http://x.example' } } } }],
    ['connectors.declared. a', { declared: { ' a': { baseUrl: 'https://x.example', auth: { type: 'bearer', token: 'x' } } } }]
  ]
  for (const [path, options] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(store, { uri, secretKeys: [masterKey] })
    await t.rejects(async () => { await app.register(connectors, options) }, { code: 'DWA_OPTIONS_INVALID', message: new RegExp(`^${path.replaceAll('.', '\\.')}: `) }, path)
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey] })
  await app.register(connectors)
  await t.rejects(async () => { await app.register(connectors) }, { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
})

t.test('while MongoDB is away declared connectors work, stored ones for as long as they are known', async (t) => {
  const api = await startApi(t)
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app } = await connectorsApp(t, { declared: { code: { baseUrl: api.url, auth: { type: 'bearer', token: 'declared-token' } } } }, { uri: proxy.uri })
  await app.connectors.create({ name: 'known', baseUrl: api.url, auth: { type: 'bearer', token: 'stored-token' } })
  await app.connectors.create({ name: 'unknown', baseUrl: api.url, auth: { type: 'bearer', token: 'stored-token' } })
  await app.connectors.use('known').get('/')
  proxy.cut()
  t.match(await app.connectors.use('code').get('/'), { status: 200 })
  t.match(await app.connectors.use('known').get('/'), { status: 200 })
  await t.rejects(app.connectors.use('unknown').get('/'), { code: 'DWA_STORE_UNAVAILABLE' })
})

t.test('a token that another process has renewed is used at once, though the change feed has not told of it yet', async (t) => {
  const dw = await simulator(t)
  const declared = { dw: { baseUrl: dw.platformUrl, auth: clientOf(dw) } }
  const { app, uri } = await connectorsApp(t, { declared }, { dw })
  const proxy = await startProxy(t, uri)
  const other = (await connectorsApp(t, { declared }, { uri: proxy.uri, database: uri, dw })).app
  await authorize(app, dw, 'dw')
  await eventually('the other process has the token', async () => await other.connectors.use('dw').get('/Organizations').then(() => true, () => false))
  const calls = tokenCalls(dw)
  const feed = proxy.hold('getMore')
  await feed.waiting(1)
  dw.expireTokens()
  t.match(await app.connectors.use('dw').get('/Organizations'), { status: 200 })
  t.match(await other.connectors.use('dw').get('/Organizations'), { status: 200 })
  t.equal(tokenCalls(dw), calls + 1)
  await feed.release()
})

t.test('token endpoints that answer nonsense', async (t) => {
  const api = await startApi(t)
  const { app } = await connectorsApp(t)
  await app.connectors.create({ name: 'odd', baseUrl: api.url, auth: { type: 'oauth2', clientId: 'c', clientSecret: 'the client secret', authorizationUrl: `${api.url}/authorize?tenant=1`, tokenUrl: `${api.url}/token`, clientAuthentication: 'basic' } })
  const begin = async (): Promise<{ state: string, cookie: string, url: URL }> => {
    const started = await app.inject({ method: 'POST', url: '/connectors/odd/authorize', headers: asSystem })
    const url = new URL(String(started.headers.location))
    return { url, state: url.searchParams.get('state') ?? '', cookie: cookieOf(started) }
  }
  const finish = async ({ state, cookie }: { state: string, cookie: string }): Promise<number> => (await app.inject({ url: `/connectors/oauth/callback?code=the-code&state=${state}`, headers: { cookie, accept: 'text/html' } })).statusCode
  const { url } = await begin()
  t.strictSame([url.searchParams.get('tenant'), url.searchParams.get('code_challenge_method'), url.searchParams.has('scope')], ['1', 'S256', false])
  for (const answer of [text(200, 'access_token=x'), json(200, []), json(200, {}), json(200, { access_token: '' }), json(200, { access_token: 'a\nb' }), json(200, { access_token: { $ne: 1 } }), json(500, { access_token: 'x' }), json(400, { error: 'invalid_grant' }), text(200, '<html>', { 'content-type': 'text/html' }), text(302, '', { location: 'https://evil.example' })]) {
    api.answers.push(answer)
    t.equal(await finish(await begin()), 502)
    t.match(await app.connectors.get('odd'), { hasAccessToken: false })
  }
  for (const [given, authorization, lifetime] of [
    [{ access_token: 'token-a' }, 'Bearer token-a', 3600],
    [{ access_token: 'token-b', token_type: 'bearer', expires_in: 'x' }, 'Bearer token-b', 3600],
    [{ access_token: 'token-c', token_type: 'MAC', expires_in: 600 }, 'MAC token-c', 600],
    [{ access_token: 'token-d', token_type: 7, expires_in: '900' }, 'Bearer token-d', 900]
  ] as const) {
    api.answers.push(json(200, given))
    t.equal(await finish(await begin()), 200)
    t.match(api.requests.at(-1), { method: 'POST', url: '/token', headers: { authorization: `Basic ${Buffer.from('c:the+client+secret').toString('base64')}` } })
    const { expiresAt } = await app.connectors.get('odd') ?? {}
    t.ok(Math.abs((expiresAt?.getTime() ?? 0) - Date.now() - lifetime * 1000) < 60_000, String(lifetime))
    await app.connectors.use('odd').get('/data')
    t.equal(api.requests.at(-1)?.headers.authorization, authorization)
  }
  api.answers.push(json(401, { error: 'expired' }))
  await t.rejects(app.connectors.use('odd').get('/data'), { code: 'DWA_CONNECTOR_NO_REFRESH_TOKEN', statusCode: 409 })
  t.match(await app.connectors.get('odd'), { status: 'reauthorize', statusMessage: /authorize the connector again/ })
})

t.test('why the authorization server cannot be reached: hosts and addresses are in the log, and nowhere else', async (t) => {
  const [api, identity] = [await startApi(t), await startApi(t)]
  const { app, lines } = await connectorsApp(t)
  const auth = { type: 'oauth2' as const, clientId: 'c', authorizationUrl: 'https://id.example/authorize', tokenUrl: `${identity.url}/token` }
  await app.connectors.create({ name: 'odd', baseUrl: api.url, auth })
  const finish = async (headers: object): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> => {
    const started = await app.inject({ method: 'POST', url: '/connectors/odd/authorize', headers: asSystem })
    const state = new URL(String(started.headers.location)).searchParams.get('state') ?? ''
    return await app.inject({ url: `/connectors/oauth/callback?code=the-code&state=${state}`, headers: { cookie: cookieOf(started), ...headers } })
  }
  identity.answers.push(json(200, { access_token: 'token-1', refresh_token: 'refresh-1' }))
  t.equal((await finish({})).statusCode, 200)
  await identity.stop()
  api.answers.push(json(401, {}))
  await t.rejects(app.connectors.use('odd').get('/data'), { code: 'DWA_CONNECTOR_REFRESH_FAILED', message: 'The access token of connector "odd" could not be refreshed: the connection failed (ECONNREFUSED)' })

  const { host, port } = new URL(identity.url)
  const cases: Array<[tokenUrl: string, code: RegExp, told: string]> = [
    [`${identity.url}/token`, /^ECONNREFUSED$/, host],
    ['https://does-not-exist.invalid/token', /^(ENOTFOUND|EAI_AGAIN)$/, 'does-not-exist.invalid'],
    [`${api.url.replace('http', 'https')}/token`, /^(EPROTO|ERR_SSL_[A-Z_]+)$/, 'SSL']
  ]
  for (const [tokenUrl, expected, told] of cases) {
    await app.connectors.update('odd', { auth: { tokenUrl } })
    lines.length = 0
    const [page, problem] = [await finish({ accept: 'text/html' }), await finish({})]
    const [, code = ''] = /<p>The authorization code could not be exchanged for tokens: the connection failed \((\w+)\)<\/p>/.exec(page.body) ?? []
    t.match(code, expected, tokenUrl)
    t.strictSame([page.statusCode, problem.json()], [502, { statusCode: 502, code: 'DWA_CONNECTOR_EXCHANGE', error: 'Bad Gateway', message: `The authorization code could not be exchanged for tokens: the connection failed (${code})` }])
    t.equal(lines.filter((line) => line.includes(told) && line.includes('could not be exchanged')).length, 2, `${told} is in the log`)
    const entries = JSON.stringify(await app.auditLog.find({ event: 'connector.*' }))
    for (const place of [page.body, entries]) t.notOk(place.includes(port) || place.includes('127.0.0.1') || place.includes('.invalid'), 'nowhere else')
  }
})
