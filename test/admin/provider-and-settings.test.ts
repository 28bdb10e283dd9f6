import t from 'tap'
import { startTestMongo } from '../mongo.js'
import { callback, codeFor, consentTo, makeClient, verifier } from '../provider/provider-app.js'
import { adminApp, call, roles } from './admin-app.js'

const mongo = await startTestMongo(t)

t.test('keys, consents and settings take their role and no other', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'roles_' } })
  const table = [
    ['GET', '/keys', 'system'], ['POST', '/keys/x/rotate', 'system'], ['GET', '/consents', 'oauth_provider'], ['GET', '/consents/x', 'oauth_provider'], ['DELETE', '/consents/x', 'oauth_provider'],
    ['GET', '/settings', 'system'], ['GET', '/settings/telemetry', 'system'], ['PATCH', '/settings/telemetry', 'system']
  ] as const
  for (const [method, path, allowed] of table) {
    t.match(await call(app, method, path, { as: null }), { status: 401, body: { code: 'DWA_ACCESS_UNAUTHENTICATED' } }, `${method} ${path} as nobody`)
    for (const role of roles) {
      const { status, body } = await call(app, method, path, { as: role, ...(method === 'POST' || method === 'PATCH' ? { body: {} } : {}) })
      if (role === allowed) t.ok([200, 404, 428].includes(status), `${method} ${path} as ${role}: ${status}`)
      else t.strictSame([status, body['code']], [403, 'DWA_ACCESS_FORBIDDEN'], `${method} ${path} as ${role}`)
    }
  }
  const routes = app.admin.resources.flatMap(({ records, name, operations }) => records !== undefined || name === 'log' ? [] : operations.map(({ method, path }) => `${method} ${path.replace(':id', 'x')}`))
  t.strictSame(routes.sort(), table.map(([method, path]) => `${method} ${path}`).sort(), 'these are all there are')
})

t.test('14. the consents of all people are seen, and ended with what was issued by them', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'consents_' }, people: true })
  const as = { as: 'oauth_provider' } as const
  const shop = await makeClient(app, { skipAuthorization: false })
  const other = await makeClient(app, { skipAuthorization: false })
  for (const code of ['read', 'write']) await app.oauthProvider.scopes.create({ code, name: code })
  for (const [made, user] of [[shop, 'ann'], [shop, 'bob'], [other, 'ann']] as const) await consentTo(app, made, user)
  const all = await call(app, 'GET', '/consents', as)
  t.match(all.body, { items: { length: 3 }, next: null })
  t.match(Object(all.body['items'])[0], { id: String, client: String, user: String, scopes: ['read'], grantedAt: String, updatedAt: String })
  t.notOk(all.text.includes('position'))
  const cases = [['user=ann', 2], ['user=nobody', 0], [`client=${shop.client.id}`, 2], [`client=${shop.client.id}&user=bob`, 1]] as const
  for (const [query, count] of cases) t.match((await call(app, 'GET', `/consents?${query}`, as)).body, { items: { length: count } }, query)
  const seen: unknown[] = []
  let path: string | undefined = '/consents?limit=1'
  while (path !== undefined) {
    const page = await call(app, 'GET', path, as)
    seen.push(...Object(page.body['items']).map(({ id }: { id: string }) => id))
    path = /^<\/admin\/api(.+)>; rel="next"$/.exec(String(page.headers['link']))?.[1]
  }
  t.equal(new Set(seen).size, 3)

  const [{ id }] = Object((await call(app, 'GET', `/consents?client=${shop.client.id}&user=ann`, as)).body['items'])
  t.match(await call(app, 'GET', `/consents/${String(id)}`, as), { status: 200, body: { id, user: 'ann' } })
  const before = await codeFor(app, shop, { scope: 'read', redirect_uri: callback })
  t.strictSame((await call(app, 'DELETE', `/consents/${String(id)}`, as)).status, 204)
  t.equal((await call(app, 'DELETE', `/consents/${String(id)}`, as)).status, 404)
  t.match(await call(app, 'GET', '/consents/unknown', as), { status: 404, body: { code: 'DWA_STORE_NOT_FOUND' } })
  t.match(await app.auditLog.find({ event: 'consent.revoked' }), [{ actor: { type: 'user', id: 'u1' }, details: { user: 'ann' } }])
  const redeemed = await app.inject({
    method: 'POST',
    url: '/oauth2/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ grant_type: 'authorization_code', code: before, code_verifier: verifier, redirect_uri: callback, client_id: shop.clientId, client_secret: shop.secret ?? '' }).toString()
  })
  t.strictSame(redeemed.json(), { error: 'invalid_grant', error_description: redeemed.json().error_description }, 'what was issued is void')
  t.match((await call(app, 'GET', '/consents', as)).body, { items: { length: 2 } })
})

t.test('keys are seen without their private side, and rotated', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'keys_' } })
  const clients = []
  for (const name of ['b', 'a']) clients.push((await app.oauthProvider.clients.create({ name, applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'ES256' })).client)
  await app.oauthProvider.clients.create({ name: 'opaque', applicationType: 'backend' })
  const list = await call(app, 'GET', '/keys')
  t.match([list.status, list.body], [200, { items: [{ clientName: 'a', state: 'signing' }, { clientName: 'b', state: 'signing' }], next: null }])
  t.notMatch(list.text, /PRIVATE|"d"/)
  const rotated = await call(app, 'POST', '/keys/b/rotate', { body: {} })
  t.match([rotated.status, rotated.body], [200, { items: [{ clientName: 'b', state: 'signing' }, { clientName: 'b', state: 'published' }] }])
  const at = await call(app, 'POST', `/keys/${clients[1]?.id}/rotate`, { body: { immediately: true } })
  t.match(at.body, { items: [{ clientName: 'a', state: 'retired' }, { clientName: 'a', state: 'signing' }] })
  t.match(await call(app, 'POST', '/keys/b/rotate', { body: { immediately: 'yes' } }), { status: 400, body: { errors: [{ path: 'immediately' }] } })
  t.match(await call(app, 'POST', '/keys/b/rotate', { body: { colour: 1 } }), { status: 400, body: { errors: [{ path: 'colour' }] } })
  t.match(await call(app, 'POST', '/keys/unknown/rotate', { body: {} }), { status: 404 })
  t.match((await call(app, 'GET', '/keys?state=published')).body, { items: [{ clientName: 'b' }] })
  const seen: string[] = []
  let path: string | undefined = '/keys?limit=1'
  while (path !== undefined) {
    const page = await call(app, 'GET', path)
    seen.push(...Object(page.body['items']).map(({ kid }: { kid: string }) => kid))
    path = /^<\/admin\/api(.+)>; rel="next"$/.exec(String(page.headers['link']))?.[1]
  }
  t.equal(new Set(seen).size, 4)
  t.match((await call(app, 'GET', `/keys?clientId=${String(clients[0]?.clientId)}`)).body, { items: [{ clientName: 'b' }, { clientName: 'b' }], next: null })
  for (const position of ['', 'x', '1', '1 kid', '1 kid ']) t.match(await call(app, 'GET', `/keys?after=${Buffer.from(position).toString('base64url')}`), { status: 400, body: { errors: [{ path: 'after' }] } }, position)
  t.match(await app.auditLog.find({ event: 'client.key_rotated' }), [{ actor: { id: 'u1' } }, { actor: { id: 'u1' } }])
})

t.test('whose role is not system brings no key of a client, and changes none', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'own_keys_' } })
  const create = async (roles: string, name: string, more: object) => await call(app, 'POST', '/clients', { as: 'oauth_provider', headers: { 'x-roles': roles }, body: { name, applicationType: 'backend', tokenType: 'jwt', ...more } })
  const change = async (roles: string, name: string, body: object) => await call(app, 'PATCH', `/clients/${name}`, { as: 'oauth_provider', headers: { 'x-roles': roles, 'if-match': '*' }, body })
  const imported = { jwtAlgorithm: 'HS256', jwtPrivateKey: 'planted-signing-key-of-32-bytes-or-more' }
  const forbidden = { status: 403, body: { code: 'DWA_ACCESS_FORBIDDEN' } }
  const both = 'oauth_provider,system'
  t.match(await create('oauth_provider', 'a', imported), forbidden)
  t.match(await create(both, 'a', imported), { status: 201 })
  t.match(await create('oauth_provider', 'b', { jwtAlgorithm: 'ES256' }), { status: 201 }, 'a key that is made is nobody\'s to choose')
  t.match(await change('oauth_provider', 'b', { jwtAlgorithm: 'RS256' }), forbidden)
  t.match(await change('oauth_provider', 'b', { jwtAlgorithm: 'ES256', skipAuthorization: true }), { status: 200 }, 'what is the same')
  t.match(await change(both, 'b', { jwtAlgorithm: 'ES384' }), { status: 200, body: { jwtAlgorithm: 'ES384' } })
  t.match(await create('oauth_provider', 'c', { tokenType: 'random' }), { status: 201 })
  t.match(await change('oauth_provider', 'c', { jwtAlgorithm: 'ES256' }), { status: 200 }, 'of one without keys')
  t.match(await change('oauth_provider', 'nobody', { jwtAlgorithm: 'ES256' }), { status: 404 })
})

t.test('52. settings of telemetry are changed at the version that was read, and the DSN is never shown', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'settings_' } })
  const dsn = 'https://0123456789abcdef0123456789abcdef@sentry.example/1'
  const before = await call(app, 'GET', '/settings/telemetry')
  t.match([before.status, before.headers['etag'], before.body], [200, '"telemetry-0"', { id: 'telemetry', version: 0, on: false, sendPii: false, sdkInstalled: Boolean }])
  t.match(await call(app, 'PATCH', '/settings/telemetry', { body: { dsn } }), { status: 428 })
  const on = await call(app, 'PATCH', '/settings/telemetry', { body: { dsn }, headers: { 'if-match': '"telemetry-0"' } })
  t.match([on.status, on.headers['etag'], on.body], [200, '"telemetry-1"', { version: 1, on: true, sendPii: false }])
  for (const stale of ['"telemetry-0"', '"1"', '"other-1"']) t.match(await call(app, 'PATCH', '/settings/telemetry', { body: { sendPii: true }, headers: { 'if-match': stale } }), { status: 412, body: { code: 'DWA_STORE_CONFLICT' } }, stale)
  t.match(await call(app, 'PATCH', '/settings/telemetry', { body: { sendPii: true }, headers: { 'if-match': '"telemetry-9", "telemetry-1"' } }), { status: 200, body: { sendPii: true } })
  t.equal((await call(app, 'GET', '/settings/telemetry', { headers: { 'if-none-match': '"telemetry-2"' } })).status, 304)
  const list = await call(app, 'GET', '/settings')
  t.match(list.body, { items: [{ id: 'telemetry', version: 2, on: true }], next: null })
  for (const [body, path] of [[{ dsn: 'ftp://x' }, 'dsn'], [{ sendPii: 'yes' }, 'sendPii'], [{ colour: 1 }, 'colour']] as const) {
    const refused = await call(app, 'PATCH', '/settings/telemetry', { body, headers: { 'if-match': '*' } })
    t.match([refused.status, refused.body], [400, { code: 'DWA_TELEMETRY_INVALID_SETTINGS', errors: [{ path }] }], path)
  }
  for (const { text } of [before, on, list]) t.notOk(text.includes('0123456789abcdef0123456789abcdef'))
  t.match(await app.auditLog.find({ event: 'settings.changed' }), [{ actor: { id: 'u1' } }, { actor: { id: 'u1' } }])
  const answers = await Promise.all(Array.from({ length: 4 }, async (_, index) => await call(app, 'PATCH', '/settings/telemetry', { body: { dsn: `https://${index}123456789abcdef0123456789abcdef@sentry.example/1` }, headers: { 'if-match': '"telemetry-2"' } })))
  t.equal(answers.filter(({ status }) => status === 200).length, 1, 'of four at once one wins')
  t.equal(answers.filter(({ status }) => status === 412).length, 3)
})
