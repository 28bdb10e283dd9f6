import t from 'tap'
import { startTestMongo } from '../mongo.js'
import { codeFor, makeClient, post, providerApp, redeem, refresh } from './provider-app.js'

t.test('33: revocation', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri })
  const shop = await makeClient(app)
  const mobile = await makeClient(app, { applicationType: 'mobile' })
  const other = await makeClient(app)
  const active = async (token: unknown): Promise<unknown> => (await post(app, '/introspect', { token: String(token) }, shop)).body['active']

  t.match(await post(app, '/revoke', { token: 'x' }), { status: 401, body: { error: 'invalid_client' } }, 'the client authenticates first')
  t.match(await post(app, '/revoke', {}, shop), { status: 400, body: { error: 'invalid_request' } })
  const unknown = await post(app, '/revoke', { token: 'unknown' }, shop)
  t.strictSame([unknown.status, unknown.body], [200, {}])

  const { body } = await redeem(app, shop, await codeFor(app, shop))
  for (const token of [body['access_token'], body['refresh_token']]) t.match(await post(app, '/revoke', { token: String(token) }, other), { status: 200 }, 'a foreign token')
  t.equal(await active(body['access_token']), true, 'is not touched')
  t.equal(await active(body['refresh_token']), true)

  const narrow = await refresh(app, shop, body['refresh_token'])
  t.equal((await post(app, '/revoke', { token: String(body['access_token']), token_type_hint: 'refresh_token' }, shop)).status, 200, 'a wrong hint misleads nobody')
  t.equal(await active(body['access_token']), false)
  t.equal(await active(narrow.body['access_token']), true, 'an access token goes alone')
  t.equal((await post(app, '/revoke_token', { token: String(narrow.body['refresh_token']), token_type_hint: 'nonsense' }, shop)).status, 200)
  t.equal(await active(narrow.body['access_token']), false, 'a refresh token takes its family along')
  t.equal(await active(narrow.body['refresh_token']), false)
  t.match(await refresh(app, shop, narrow.body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })
  t.equal((await post(app, '/revoke', { token: String(narrow.body['refresh_token']) }, shop)).status, 200, 'once more changes nothing')
  t.equal((await app.auditLog.find({ event: 'token.revoked' })).length, 2, 'one entry each')

  const own = await redeem(app, mobile, await codeFor(app, mobile))
  t.equal((await post(app, '/revoke', { token: String(own.body['refresh_token']), client_id: mobile.clientId })).status, 200, 'a public client revokes its own')
  t.match(await refresh(app, mobile, own.body['refresh_token']), { status: 400 })
})

t.test('34: introspection', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri, provider: { audiences: ['https://api.example'] } })
  const shop = await makeClient(app)
  const mobile = await makeClient(app, { applicationType: 'mobile' })
  const api = await makeClient(app, { applicationType: 'backend', audiences: [shop.clientId, 'https://api.example'] })
  const backend = await makeClient(app, { applicationType: 'backend' })
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  const ask = async (token: unknown, made = shop): Promise<unknown> => (await post(app, '/introspect', { token: String(token) }, made)).body

  t.match(await ask(body['refresh_token']), { active: true, client_id: shop.clientId, scope: 'read write' }, 'its own refresh token')
  t.match(await ask(body['access_token'], api), { active: true, client_id: shop.clientId }, 'a token of an audience that it serves')
  const forApi = await post(app, '/token', { grant_type: 'client_credentials', resource: 'https://api.example' }, backend)
  t.match(await ask(forApi.body['access_token'], api), { active: true, aud: 'https://api.example' })
  const code = await codeFor(app, shop)
  for (const [what, token, made] of [
    ['an unknown token', 'x', shop],
    ['an operator', '{"$ne":null}', shop],
    ['no token of ours that looks like a JWT', 'e30.eyJqdGkiOjF9.x', shop],
    ['JSON that is none', 'e30.e30e.x', shop],
    ['a foreign token', body['access_token'], backend],
    ['a foreign refresh token', body['refresh_token'], api],
    ['a code', code, shop]
  ] as const) t.same(await ask(token, made), { active: false }, what)
  const next = await refresh(app, shop, body['refresh_token'])
  t.same(await ask(body['refresh_token']), { active: false }, 'a used refresh token')
  t.match(await ask(next.body['refresh_token']), { active: true })
  t.match(await post(app, '/introspect', { token: 'x', client_id: mobile.clientId }), { status: 401, body: { error: 'invalid_client' } }, 'public clients may not')
  t.match(await post(app, '/introspect', {}, shop), { status: 400, body: { error: 'invalid_request' } })
  const jwt = await makeClient(app, { applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'ES256' })
  const { access_token: token } = (await post(app, '/token', { grant_type: 'client_credentials' }, jwt)).body
  t.match(await ask(token, jwt), { active: true, client_id: jwt.clientId })
  const [head = '', payload = '', signature = ''] = String(token).split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const altered = [head, Buffer.from(JSON.stringify({ ...claims, scope: 'admin' })).toString('base64url'), signature].join('.')
  t.same(await ask(altered, jwt), { active: false }, 'a JWT whose claims were altered')
})
