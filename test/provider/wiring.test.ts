import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:http2'
import Fastify, { type FastifyInstance } from 'fastify'
import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import { maxTokenMs } from '../../lib/provider/client-schema.js'
import { provider } from '../../plugins/provider.js'
import { store } from '../../plugins/store.js'
import { bearer, masterKey } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { basic, challenge, codeFor, issuer, makeClient, post, providerApp, redeem, refresh, verifier, type ProviderAppOptions } from './provider-app.js'

async function start (t: Test, options: Partial<ProviderAppOptions> = {}): Promise<FastifyInstance> {
  const { uri } = await startTestMongo(t)
  return await providerApp(t, { uri, ...options })
}

const s256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

t.test('a form over HTTP/2 says neither its length nor its encoding, and is a form', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey], publicUrl: issuer })
  await app.register(provider, { issuer, owner: { current: () => null, loginUrl: () => '/login', find: () => null } })
  const { client: { clientId }, clientSecret } = await app.oauthProvider.clients.create({ name: 'Job', applicationType: 'backend', scopes: ['read'] })
  const session = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
  t.teardown(() => { session.destroy() })
  for (const [path, form] of [['/token', 'grant_type=client_credentials'], ['/introspect', 'token=x'], ['/revoke', 'token=x']] as const) {
    const stream = session.request({ ':method': 'POST', ':path': `/oauth2${path}`, 'content-type': 'application/x-www-form-urlencoded', authorization: basic(clientId, clientSecret ?? '') })
    t.notOk('content-length' in stream.sentHeaders || 'transfer-encoding' in stream.sentHeaders)
    stream.end(form)
    const [headers] = await once(stream, 'response') as [Record<string, unknown>]
    let body = ''
    for await (const chunk of stream.setEncoding('utf8')) body += String(chunk)
    t.equal(headers[':status'], 200, `${path} ${body}`)
    t.equal(headers['cache-control'], 'no-store')
    if (path === '/token') t.match(JSON.parse(body), { access_token: /^dwa_a_/, scope: 'read' })
  }
})

t.test('a web client with JWT access tokens: each is a new one, in the grace it is the same, and refresh tokens stay random', async (t) => {
  const app = await start(t)
  const shop = await makeClient(app, { tokenType: 'jwt', jwtAlgorithm: 'ES256' })
  const claimsOf = (token: unknown): Record<string, unknown> => JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
  const first = await redeem(app, shop, await codeFor(app, shop))
  const second = await refresh(app, shop, first.body['refresh_token'], { scope: 'read' })
  for (const { body } of [first, second]) {
    t.match(body['access_token'], /^[\w-]+\.[\w-]+\.[\w-]+$/)
    t.match(body['refresh_token'], /^dwa_r_[\w-]{86}$/)
    t.match((await post(app, '/introspect', { token: String(body['access_token']) }, shop)).body, { active: true })
  }
  const [before, after] = [claimsOf(first.body['access_token']), claimsOf(second.body['access_token'])]
  t.strictSame([before['scope'], after['scope'], after['iss'], after['client_id']], ['read write', 'read', issuer, shop.clientId])
  t.equal(after['sub'], before['sub'])
  t.not(after['jti'], before['jti'])
  t.strictSame((await refresh(app, shop, first.body['refresh_token'], { scope: 'read' })).body, second.body, 'the same answer in the grace, letter by letter')
  t.equal((await refresh(app, shop, second.body['refresh_token'])).status, 200)
  await refresh(app, shop, first.body['refresh_token'])
  for (const { body } of [first, second]) t.same((await post(app, '/introspect', { token: String(body['access_token']) }, shop)).body, { active: false }, 'reuse ends them as any others')

  const phone = await makeClient(app, { applicationType: 'mobile', allowImplicit: true, tokenType: 'jwt', jwtAlgorithm: 'EdDSA' })
  const { headers } = await app.inject({ url: `/oauth2/authorize?response_type=token&client_id=${phone.clientId}&state=s&scope=read`, headers: { 'x-user': 'ann' } })
  const fragment = new URLSearchParams(new URL(String(headers.location)).hash.slice(1))
  t.strictSame([...fragment.keys()].sort(), ['access_token', 'expires_in', 'iss', 'scope', 'state', 'token_type'])
  t.strictSame([claimsOf(fragment.get('access_token'))['client_id'], claimsOf(fragment.get('access_token'))['scope']], [phone.clientId, 'read'])
  t.match((await app.inject({ url: '/oauth2/tokeninfo', headers: bearer(fragment.get('access_token') ?? '') })).json(), { audience: phone.clientId, scopes: 'read' })
})

t.test('36: an issuer with a path, and another prefix', async (t) => {
  const tenant = `${issuer}/tenant/one`
  const app = await start(t, { provider: { issuer: tenant, prefix: '/auth/v2' } })
  const shop = await makeClient(app, { tokenType: 'jwt', jwtAlgorithm: 'ES256', skipAuthorization: false })
  const read = async (url: string): Promise<{ readonly statusCode: number, json: () => Record<string, unknown> }> => await app.inject({ url, headers: { 'x-user': 'ann' } })
  const metadata = (await read('/.well-known/oauth-authorization-server/tenant/one')).json()
  const base = `${issuer}/auth/v2`
  t.match(metadata, { issuer: tenant, authorization_endpoint: `${base}/authorize`, token_endpoint: `${base}/token`, revocation_endpoint: `${base}/revoke`, introspection_endpoint: `${base}/introspect`, userinfo_endpoint: `${base}/userinfo`, jwks_uri: `${base}/jwks` })
  for (const elsewhere of ['/.well-known/oauth-authorization-server', '/tenant/one/.well-known/oauth-authorization-server', '/oauth2/jwks', '/oauth2/authorize', '/tenant/one/authorize']) t.equal((await read(elsewhere)).statusCode, 404, elsewhere)
  for (const [name, url] of Object.entries(metadata).filter(([name]) => /_endpoint$|_uri$/.test(name))) {
    const { pathname } = new URL(String(url))
    t.not((await read(pathname)).statusCode, 404, `${name} is there`)
  }
  const query = new URLSearchParams({ response_type: 'code', client_id: shop.clientId, code_challenge: challenge, code_challenge_method: 'S256' }).toString()
  const page = await app.inject({ url: `/auth/v2/authorize?${query}`, headers: { 'x-user': 'ann' } })
  t.match(page.body, 'action="/auth/v2/authorize"')
  const fields = new URLSearchParams([...page.body.matchAll(/<input type="(?:hidden|checkbox)" name="([^"]*)" value="([^"]*)"/g)].map(([, name = '', value = '']): [string, string] => [name, value]))
  fields.set('decision', 'allow')
  const answer = await app.inject({ method: 'POST', url: '/auth/v2/authorize', headers: { 'x-user': 'ann', cookie: String(page.headers['set-cookie']).split(';', 1).join(), origin: issuer, 'content-type': 'application/x-www-form-urlencoded' }, payload: fields.toString() })
  const { searchParams } = new URL(String(answer.headers.location))
  t.equal(searchParams.get('iss'), tenant, 'RFC 9207')
  const token = await app.inject({ method: 'POST', url: '/auth/v2/token', headers: { authorization: basic(shop.clientId, shop.secret ?? ''), 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams({ grant_type: 'authorization_code', code: searchParams.get('code') ?? '', code_verifier: verifier }).toString() })
  t.equal((JSON.parse(Buffer.from(token.json<{ access_token: string }>().access_token.split('.')[1] ?? '', 'base64url').toString()) as { iss: string }).iss, tenant)
  t.equal((await read('/auth/v2/consents')).statusCode, 200)
  const nobody = await app.inject({ url: '/auth/v2/consents' })
  t.equal(nobody.headers.location, `/login?next=${encodeURIComponent('/auth/v2/consents')}`)
})

t.test('getData shows a route what its token may see', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(async () => { await connection.close(true) })
  const Order = connection.model('Order', new mongoose.Schema({ owner: String, total: Number, note: String, paid: Boolean }))
  const app = await providerApp(t, {
    uri,
    provider: { resources: { orders: { model: Order } } },
    routes (app) {
      app.get('/orders', { config: { auth: 'oauth_provider', scopes: ['orders'] } }, async ({ oauthToken }) => oauthToken === null ? null : await app.oauthProvider.getData(oauthToken, 'orders'))
      app.get('/paid', { config: { auth: 'oauth_provider' } }, async ({ oauthToken }) => oauthToken === null ? null : await app.oauthProvider.getData(oauthToken, 'orders', { allScopesMatch: true }))
      app.get<{ Params: { id: string } }>('/orders/:id', { config: { auth: 'oauth_provider' } }, async ({ oauthToken, params: { id } }) => oauthToken === null ? null : await app.oauthProvider.getData(oauthToken, 'orders', { id }))
    }
  })
  const [one, two, foreign] = await Order.create([{ owner: 'ann', total: 1, note: 'x', paid: true }, { owner: 'ann', total: 2, note: 'y', paid: false }, { owner: 'bob', total: 3 }])
  await app.oauthProvider.scopes.create({ code: 'orders', name: 'Orders', model: 'orders', filter: { owner: '$$user.id' }, fields: ['total'] })
  await app.oauthProvider.scopes.create({ code: 'paid', name: 'Paid', model: 'orders', filter: { paid: true }, fields: ['note'] })
  const shop = await makeClient(app, { scopes: ['orders', 'paid'] })
  const token = async (scope: string): Promise<Record<string, string>> => bearer(String((await redeem(app, shop, await codeFor(app, shop, { scope }))).body['access_token']))
  const both = await token('orders paid')
  const read = async (url: string, headers: Record<string, string>): Promise<unknown> => (await app.inject({ url, headers })).json()
  const [a, b, c] = [one, two, foreign].map((order) => String(order?._id))
  t.strictSame(await read('/orders', await token('orders')), { [a ?? '']: { id: a, total: 1 }, [b ?? '']: { id: b, total: 2 } })
  t.strictSame(await read('/orders', both), { [a ?? '']: { id: a, total: 1, note: 'x' }, [b ?? '']: { id: b, total: 2 } })
  t.strictSame(await read('/paid', both), { [a ?? '']: { id: a, total: 1, note: 'x' } })
  t.strictSame(await read(`/orders/${a ?? ''}`, both), { id: a, total: 1, note: 'x' })
  for (const id of [c, 'unknown', '$ne']) t.strictSame(await read(`/orders/${id ?? ''}`, both), {}, `somebody else's, or nobody's: ${id ?? ''}`)
  t.equal((await app.inject({ url: '/orders', headers: await token('paid') })).statusCode, 403)
})

t.test('23, 24: a verifier that is none by RFC 7636 fits no challenge, whatever its hash', async (t) => {
  const app = await start(t)
  const shop = await makeClient(app)
  for (const [bad, why] of [['v'.repeat(42), 'too short'], ['v'.repeat(129), 'too long'], [`${'v'.repeat(42)} `, 'a blank'], [`${'v'.repeat(42)}ä`, 'no ASCII'], [`${'v'.repeat(43)}\n`, 'a line feed']] as const) {
    t.match(await redeem(app, shop, await codeFor(app, shop, { code_challenge: s256(bad) }), { code_verifier: bad }), { status: 400, body: { error: /^invalid_(grant|request)$/ } }, why)
  }
  for (const good of ['v'.repeat(43), 'v'.repeat(128), '-._~'.repeat(11)]) t.equal((await redeem(app, shop, await codeFor(app, shop, { code_challenge: s256(good) }), { code_verifier: good })).status, 200)
})

t.test('21: a verifier is no secret: a confidential client without its own is refused, and its code stays good', async (t) => {
  const app = await start(t)
  const shop = await makeClient(app)
  const code = await codeFor(app, shop)
  const grant = { grant_type: 'authorization_code', code, code_verifier: verifier }
  for (const form of [{ ...grant, client_id: shop.clientId }, { ...grant, client_id: shop.clientId, client_secret: '' }, grant]) t.match(await post(app, '/token', form), { status: 401, body: { error: 'invalid_client' } })
  t.match(await post(app, '/token', grant, { headers: { authorization: basic(shop.clientId, '') } }), { status: 401, body: { error: 'invalid_client' } })
  const { body } = await redeem(app, shop, code)
  t.match(await post(app, '/token', { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']), client_id: shop.clientId, code_verifier: verifier }), { status: 401, body: { error: 'invalid_client' } })
  t.equal((await refresh(app, shop, body['refresh_token'])).status, 200)
})

t.test('23: codes and tokens hold 256 random bits that are never the same', async (t) => {
  const app = await start(t)
  const shop = await makeClient(app)
  const seen: Record<string, Buffer[]> = { code: [], access: [], refresh: [] }
  for (let round = 0; round < 24; round++) {
    const code = await codeFor(app, shop)
    const { body } = await redeem(app, shop, code)
    for (const [kind, text, prefix, secretAt] of [['code', code, 'dwa_c_', 12], ['access', String(body['access_token']), 'dwa_a_', 12], ['refresh', String(body['refresh_token']), 'dwa_r_', 16]] as const) {
      t.ok(text.startsWith(prefix))
      const secret = Buffer.from(text.slice(prefix.length), 'base64url').subarray(secretAt, secretAt + 32)
      t.equal(secret.length, 32, kind)
      seen[kind]?.push(secret)
    }
  }
  for (const [kind, secrets] of Object.entries(seen)) {
    for (let byte = 0; byte < 32; byte++) t.ok(new Set(secrets.map((secret) => secret[byte])).size > 8, `${kind}: byte ${byte} is none that is always the same`)
  }
  t.equal(new Set(Object.values(seen).flat().map((secret) => secret.toString('hex'))).size, 72)
})

t.test('36: a new key is published for longer than the key set may be kept, before it signs', async (t) => {
  const { uri } = await startTestMongo(t)
  let ahead = 0
  const app = await providerApp(t, { uri, store: { clock: { now: () => Date.now() + ahead, after: (ms, run) => { const timer = setTimeout(run, ms).unref(); return () => { clearTimeout(timer) } } } } })
  const backend = await makeClient(app, { applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'ES256' })
  const kidOf = async (): Promise<string> => {
    const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
    return (JSON.parse(Buffer.from(String(body['access_token']).split('.', 1).join(), 'base64url').toString()) as { kid: string }).kid
  }
  const published = async (): Promise<{ readonly kids: string[], readonly age: number }> => {
    const { headers, ...answer } = await app.inject({ url: '/oauth2/jwks' })
    return { kids: answer.json<{ keys: Array<{ kid: string }> }>().keys.map(({ kid }) => kid), age: Number(/^public, max-age=(\d+)$/.exec(String(headers['cache-control']))?.[1]) }
  }
  const first = await kidOf()
  await app.oauthProvider.clients.generatePrivateKey(backend.clientId)
  const { kids, age } = await published()
  t.equal(kids.length, 2, 'both at once')
  const next = kids.find((kid) => kid !== first)
  t.ok(age >= 60)
  ahead = age * 1000 + 60_000 // whoever read the set just before, and a minute for clocks that differ
  t.equal(await kidOf(), first, 'nobody can be without the key that signs')
  ahead = 2 * age * 1000
  t.equal(await kidOf(), next)
  t.strictSame((await published()).kids.sort(), [...kids].sort(), 'and the old one goes on being published')
  ahead += maxTokenMs + 3_600_000 // an hour more for who learned of the new one late
  t.strictSame((await published()).kids, [next], 'until its last token has expired')
  t.equal((await app.inject({ url: '/.well-known/oauth-authorization-server' })).headers['cache-control'], `public, max-age=${age}`)
})

t.test('8, 17: boundaries', async (t) => {
  const app = await start(t)
  const backend = await makeClient(app, { applicationType: 'backend' })
  const shop = await makeClient(app)
  for (const [length, status] of [[4096, 200], [4097, 400]] as const) t.equal((await post(app, '/token', { grant_type: 'client_credentials', x: 'x'.repeat(length) }, backend)).status, status, `a parameter of ${length}`)
  for (const [length, active] of [[4096, 200], [4097, 400]] as const) t.equal((await post(app, '/introspect', { token: 'x'.repeat(length) }, backend)).status, active, `a token of ${length}`)
  for (const [length, status] of [[4096, 303], [4097, 'invalid_request']] as const) {
    const { headers } = await app.inject({ url: `/oauth2/authorize?${new URLSearchParams({ response_type: 'code', client_id: shop.clientId, code_challenge: challenge, code_challenge_method: 'S256', nonce: 'x'.repeat(length) }).toString()}`, headers: { 'x-user': 'ann' } })
    t.equal(new URL(String(headers.location)).searchParams.get('error'), status === 303 ? null : status, `authorize: ${length}`)
  }
  const longest = 'c'.repeat(255)
  const made = await makeClient(app, { applicationType: 'backend', clientId: longest })
  t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, made)).status, 200)
  await t.rejects(makeClient(app, { clientId: 'c'.repeat(256) }), { code: 'DWA_PROVIDER_INVALID_CLIENT' })
  t.equal((await makeClient(app, { clientId: 'c' })).clientId, 'c')
  t.match(await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: `${longest}c`, secret: 'x' }), { status: 401, body: { error: 'invalid_client' } })
})
