import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { TailedChangeFeed } from '../../lib/log/change-feed.js'
import type { TokenFamilyDocument } from '../../lib/provider/token-family.js'
import { jwt } from '../../plugins/jwt.js'
import { bearer } from '../app.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { codeFor, issuer, makeClient, people, post, providerApp, redeem, refresh, type MadeClient, type ProviderAppOptions } from './provider-app.js'

function routes (app: FastifyInstance): void {
  app.get('/open', async () => 'open')
  app.get('/me', { config: { auth: 'oauth_provider' } }, async ({ oauthToken, oauthUser }) => ({ token: oauthToken, user: oauthUser }))
  app.get('/read', { config: { auth: 'oauth_provider', scopes: ['read'] } }, async () => 'read')
  app.get('/both', { config: { auth: 'oauth_provider', scopes: ['read', 'write'] } }, async () => 'both')
}

async function start (t: Test, options: Partial<ProviderAppOptions> = {}): Promise<{ app: FastifyInstance, uri: string, shop: MadeClient }> {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri, routes, ...options })
  return { app, uri, shop: await makeClient(app) }
}

/** An access token of Ann's. */
async function tokenOf (app: FastifyInstance, made: MadeClient, query: Record<string, string> = {}): Promise<{ access: string, refresh: string }> {
  const { body } = await redeem(app, made, await codeFor(app, made, query))
  return { access: String(body['access_token']), refresh: String(body['refresh_token']) }
}

const get = async (app: FastifyInstance, url: string, token: string): Promise<number> => (await app.inject({ url, headers: bearer(token) })).statusCode

t.test('a protected route has the token and the person, and neither secret', async (t) => {
  const { app, shop } = await start(t)
  const { access } = await tokenOf(app, shop)
  for (const use of ['first', 'second']) {
    const { statusCode, body } = await app.inject({ url: '/me', headers: bearer(access) })
    t.equal(statusCode, 200, use)
    const me = JSON.parse(body) as Record<string, Record<string, unknown>>
    t.match(me['user'], { id: 'ann', name: 'Ann' })
    t.same(Object.keys(me['token'] ?? {}).sort(), ['audience', 'clientId', 'clientName', 'expiresAt', 'family', 'grant', 'issuedAt', 'scopes', 'sub', 'userId'])
    t.match(me['token'], { clientId: shop.clientId, userId: 'ann', scopes: ['read', 'write'], grant: 'authorization_code', sub: /^[0-9a-f]{64}$/ })
    t.notOk(body.includes(access))
  }
  const backend = await makeClient(app, { applicationType: 'backend' })
  const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  t.match((await app.inject({ url: '/me', headers: bearer(String(body['access_token'])) })).json(), { user: null, token: { userId: null, sub: `client:${backend.clientId}` } })
  t.equal((await app.inject({ url: '/open' })).statusCode, 200)
})

t.test('50, 53: what is refused, and how', async (t) => {
  const { app, shop } = await start(t)
  const { access, refresh: refreshToken } = await tokenOf(app, shop, { scope: 'read' })
  const cases: Array<[string, Record<string, string>, string, number, string, string]> = [
    ['no token', {}, '/me', 401, 'Bearer', 'DWA_OAUTH_MISSING_TOKEN'],
    ['an empty header', { authorization: '' }, '/me', 401, 'Bearer', 'DWA_OAUTH_MISSING_TOKEN'],
    ['another scheme', { authorization: 'Basic eDp5' }, '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['two tokens', { authorization: `Bearer ${access} ${access}` }, '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['an unknown token', bearer('x'), '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['one that was never issued', bearer(`dwa_a_${Buffer.alloc(44, 1).toString('base64url')}`), '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['another token with the same end', bearer(`${access.slice(0, -25)}${access.at(-25) === 'A' ? 'B' : 'A'}${access.slice(-24)}`), '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['a JWT that is nobody\'s', bearer('e30.e30.x'), '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['46: a refresh token', bearer(refreshToken), '/me', 401, 'Bearer error="invalid_token"', 'DWA_OAUTH_INVALID_TOKEN'],
    ['a scope that the token lacks', bearer(access), '/both', 403, 'Bearer error="insufficient_scope", scope="read write"', 'DWA_OAUTH_INSUFFICIENT_SCOPE']
  ]
  t.equal(await get(app, '/read', access), 200)
  for (const [what, headers, url, status, challenge, code] of cases) {
    const response = await app.inject({ url, headers })
    t.equal(response.statusCode, status, what)
    t.equal(response.headers['www-authenticate'], challenge, what)
    t.equal(response.json<{ code: string }>().code, code, what)
  }
  for (const place of [`/me?access_token=${access}`]) t.equal((await app.inject({ url: place })).statusCode, 401, 'a token in the query is none')
})

t.test('an access token ends with its time, in memory too', async (t) => {
  let ahead = 0
  const clock = { now: () => Date.now() + ahead, after: (ms: number, run: () => void) => { const timer = setTimeout(run, ms).unref(); return () => { clearTimeout(timer) } } }
  const { app, shop } = await start(t, { store: { clock }, provider: { lifetimes: { accessToken: 100 } } })
  const { access } = await tokenOf(app, shop)
  t.equal(await get(app, '/me', access), 200)
  t.equal(await get(app, '/me', access), 200)
  ahead = 101_000
  t.equal(await get(app, '/me', access), 401)
})

t.test('33: what ends a token ends it at once here, and within a second in every process', async (t) => {
  const ends: Record<string, (app: FastifyInstance, shop: MadeClient, tokens: { access: string, refresh: string }) => Promise<unknown>> = {
    'its revocation': async (app, shop, { access }) => await post(app, '/revoke', { token: access }, shop),
    'that of its refresh token': async (app, shop, { refresh }) => await post(app, '/revoke', { token: refresh }, shop),
    'the reuse of a refresh token': async (app, shop, tokens) => {
      const second = await refresh(app, shop, tokens.refresh)
      await refresh(app, shop, second.body['refresh_token'])
      await refresh(app, shop, tokens.refresh)
    },
    'a revoked consent': async (app, shop) => { await app.oauthProvider.consents.revoke({ user: 'ann', client: shop.clientId }) },
    'a password change': async (app) => await app.oauthProvider.revokeUser('ann'),
    'the end of its client': async (app, shop) => { await app.oauthProvider.clients.remove(shop.clientId) },
    'a disabled client': async (app, shop) => await app.oauthProvider.clients.update(shop.clientId, { enabled: false })
  }
  const { app, uri } = await start(t)
  const other = await providerApp(t, { uri, routes })
  for (const [what, end] of Object.entries(ends)) {
    const shop = await makeClient(app)
    const tokens = await tokenOf(app, shop)
    for (const one of [app, other, app, other]) t.equal(await get(one, '/me', tokens.access), 200, what)
    await end(app, shop, tokens)
    t.equal(await get(app, '/me', tokens.access), 401, `${what}, here`)
    const began = Date.now()
    await eventually(`${what}, in the other process`, async () => await get(other, '/me', tokens.access) === 401)
    t.ok(Date.now() - began < 1000, `${what}, within a second`)
    t.match((await post(other, '/tokeninfo', { access_token: tokens.access })), { status: 401, body: { error: 'invalid_or_expired_token' } }, what)
  }
})

t.test('33: a process that does not hear of revocations asks the database for each request', async (t) => {
  const { app, shop } = await start(t)
  const { access } = await tokenOf(app, shop)
  const { changes } = app.store
  if (!(changes instanceof TailedChangeFeed)) throw new Error('another feed')
  const families = app.store.connection.collection<TokenFamilyDocument>('dwa_token_families')
  await eventually('the tail is live', () => changes.live)
  t.equal(await get(app, '/me', access), 200)
  await families.updateOne({}, { $set: { revokedAt: new Date() } })
  t.equal(await get(app, '/me', access), 200, 'while the tail is live, what nobody told is not seen')
  changes.stop()
  t.equal(await get(app, '/me', access), 401)
  await families.updateOne({}, { $unset: { revokedAt: 1 } })
  t.equal(await get(app, '/me', access), 200)
  await families.updateOne({}, { $set: { revokedAt: new Date() } })
  t.equal(await get(app, '/me', access), 401, 'every time')
})

t.test('a person whom the app has removed is gone a minute later, and a revoked one at once', async (t) => {
  let ahead = 0
  const clock = { now: () => Date.now() + ahead, after: (ms: number, run: () => void) => { const timer = setTimeout(run, ms).unref(); return () => { clearTimeout(timer) } } }
  const known = [...people]
  const { app, shop } = await start(t, { store: { clock }, people: known })
  const { access, refresh: token } = await tokenOf(app, shop)
  t.equal(await get(app, '/me', access), 200)
  known.splice(0, 1)
  ahead = 61_000
  t.equal(await get(app, '/me', access), 401)
  t.match(await refresh(app, shop, token), { status: 400, body: { error: 'invalid_grant' } }, 'a refresh asks at once')
})

t.test('54: with MongoDB away no token is good that may be revoked, and everything is back with it', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const app = await providerApp(t, { uri: proxy.uri, routes })
  const shop = await makeClient(app)
  const { access, refresh: token } = await tokenOf(app, shop)
  const code = await codeFor(app, shop)
  t.equal(await get(app, '/me', access), 200)
  await proxy.cut()
  await eventually('the database is known to be away', () => !app.store.available)
  t.equal(await get(app, '/me', access), 503)
  t.equal((await app.inject({ url: '/open' })).statusCode, 200)
  for (const [path, form] of Object.entries({
    '/token': { grant_type: 'authorization_code', code, code_verifier: 'v'.repeat(43) },
    '/introspect': { token: access },
    '/revoke': { token: access },
    '/tokeninfo': { access_token: access },
    '/userinfo': { access_token: access }
  })) {
    const { status, body, headers } = await post(app, path, form, shop)
    t.equal(status, 503, path)
    t.same(body, { error: 'temporarily_unavailable' }, path)
    t.match(headers, { 'retry-after': /^\d+$/, 'cache-control': 'no-store' }, path)
  }
  t.match(await refresh(app, shop, token), { status: 503 })
  await proxy.open()
  await eventually('the database is back', async () => app.store.available && await get(app, '/me', access) === 200)
  t.equal((await redeem(app, shop, code)).status, 200, 'the code is still good')
  t.equal((await refresh(app, shop, token)).status, 200, 'and the refresh token')
})

t.test('an app whose owner functions fail says 500 on routes, and server_error at the endpoints', async (t) => {
  let fails = false
  const find = (id: unknown): object | null => {
    if (fails) throw new Error('the directory is away')
    return people.find((person) => person.id === id) ?? null
  }
  const { uri } = await startTestMongo(t)
  const owner = { current: (request: { headers: Record<string, unknown> }) => find(request.headers['x-user']), loginUrl: () => '/login', find }
  const app = await providerApp(t, { uri, routes, provider: { owner } })
  const fresh = await providerApp(t, { uri, routes, provider: { owner } })
  const shop = await makeClient(app)
  const code = await codeFor(app, shop)
  const { access } = await tokenOf(app, shop)
  fails = true
  const response = await fresh.inject({ url: '/me', headers: bearer(access) })
  t.equal(response.statusCode, 500)
  t.notOk(response.body.includes('directory'))
  t.match(await redeem(app, shop, code), { status: 500, body: { error: 'server_error' } })
  fails = false
  t.equal((await redeem(app, shop, code)).status, 200, 'the code was not used up')
})

t.test('a jwt_ validator takes the provider\'s tokens without a request to it', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, {
    uri,
    routes (app) {
      routes(app)
      app.register(jwt, { validators: [{ name: 'own', signatureType: 'public_key', publicKeyJwkUri: `${issuer}/oauth2/jwks`, publicKeyAlgorithm: 'ES256', issuer, audience: 'api-client', clockTolerance: 5 }] })
      app.get('/jwt', { config: { auth: 'jwt_own', scopes: ['read'] } }, async ({ jwtPayload }) => jwtPayload)
    }
  })
  const client = await makeClient(app, { applicationType: 'backend', clientId: 'api-client', tokenType: 'jwt', jwtAlgorithm: 'ES256' })
  const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, client)
  const token = String(body['access_token'])
  const response = await app.inject({ url: '/jwt', headers: bearer(token) })
  t.match({ status: response.statusCode, claims: response.json<object>() }, { status: 200, claims: { iss: issuer, aud: 'api-client', client_id: 'api-client', scope: 'read write' } })
  t.equal(await get(app, '/me', token), 200, 'and as the provider\'s own, it is looked up')
  await post(app, '/revoke', { token }, client)
  t.equal(await get(app, '/me', token), 401)
})

t.test('tokeninfo, userinfo and otherinfo over HTTP', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(async () => { await connection.close() })
  const User = connection.model('User', new mongoose.Schema({ _id: String, name: String, email: String, password: String }))
  await User.create([{ _id: 'ann', name: 'Ann', email: 'ann@example.org', password: 'x' }, { _id: 'bob', name: 'Bob', email: 'bob@example.org', password: 'y' }])
  const app = await providerApp(t, { uri, provider: { resources: { users: { model: User, user: true } } } })
  await app.oauthProvider.scopes.create({ code: 'email', name: 'E-mail', model: 'users', filter: { _id: '$$user.id' }, fields: ['email'] })
  await app.oauthProvider.scopes.create({ code: 'names', name: 'Names', model: 'users', fields: ['name'] })
  const shop = await makeClient(app, { scopes: ['email', 'names'] })
  const { access } = await tokenOf(app, shop)
  const info = await app.inject({ url: '/oauth2/tokeninfo', headers: bearer(access) })
  t.match(info.json(), { audience: shop.clientId, scopes: 'email names', user_id: /^[0-9a-f]{64}$/ })
  t.equal(info.headers['cache-control'], 'no-store')
  const me = (await app.inject({ url: '/oauth2/userinfo', headers: bearer(access) })).json<Record<string, unknown>>()
  t.match(me, { email: 'ann@example.org', name: 'Ann', sub: info.json<{ user_id: string }>().user_id })
  t.notOk('password' in me)
  const others = (await app.inject({ url: '/oauth2/otherinfo?model=users', headers: bearer(access) })).json<Record<string, unknown>>()
  t.same(others, { ann: { id: 'ann', email: 'ann@example.org', name: 'Ann' }, bob: { id: 'bob', name: 'Bob' } })
  t.match((await app.inject({ url: '/oauth2/otherinfo', headers: bearer(access) })), { statusCode: 400 })
  t.same((await app.inject({ url: '/oauth2/otherinfo?model=nothing', headers: bearer(access) })).json<{ error: string }>().error, 'invalid_model')
  t.equal((await app.inject({ url: '/oauth2/otherinfo?model=nothing' })).statusCode, 401, 'the token is looked at first')

  t.test('50: a token comes in one place, and in the query only where that is allowed', async (t) => {
    const lenient = await makeClient(app, { scopes: ['names'], tokenInQuery: true })
    const inQuery = (await tokenOf(app, lenient)).access
    for (const path of ['tokeninfo', 'userinfo', 'otherinfo']) {
      const more = path === 'otherinfo' ? 'model=users' : ''
      t.equal((await app.inject({ url: `/oauth2/${path}?${more}`, headers: bearer(access) })).statusCode, 200, `${path}, header`)
      t.equal((await post(app, `/${path}?${more}`, { access_token: access })).status, 200, `${path}, form`)
      t.equal((await app.inject({ url: `/oauth2/${path}?${more}&access_token=${inQuery}` })).statusCode, 200, `${path}, query`)
      const strict = await app.inject({ url: `/oauth2/${path}?${more}&access_token=${access}` })
      t.match({ status: strict.statusCode, body: strict.json<object>(), challenge: strict.headers['www-authenticate'] }, { status: 401, body: { error: 'invalid_or_expired_token' }, challenge: 'Bearer error="invalid_token"' }, `${path}, query of a client that may not`)
      t.match(await post(app, `/${path}?${more}`, { access_token: inQuery }, { headers: bearer(inQuery) }), { status: 400, body: { error: 'invalid_request' } }, `${path}, two places`)
      t.match(await post(app, `/${path}?access_token=${inQuery}&${more}`, { access_token: inQuery }), { status: 400, body: { error: 'invalid_request' } }, `${path}, two others`)
      t.match(await post(app, `/${path}?${more}`, `access_token=${access}&access_token=${access}`), { status: 400, body: { error: 'invalid_request' } }, `${path}, repeated`)
    }
  })
})
