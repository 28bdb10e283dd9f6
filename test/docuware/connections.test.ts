import t from 'tap'
import { authorize, authorized, asDocuware, connect, cookieOf, docuwareApp, redirectUri } from './docuware-app.js'

t.test('a connection is authorized, used, probed and revoked, and each step is in the log', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id, ...created } = await connect(app, dw)
  t.match(created, { name: 'acme', platformUrl: dw.platformUrl, status: 'draft', hasClientSecret: true, hasRefreshToken: false, expiresAt: null, account: null, scopes: ['docuware.platform', 'openid', 'dwprofile', 'offline_access'] })
  await t.rejects(app.docuware.client('acme').whoami(), { code: 'DWA_DOCUWARE_NOT_AUTHORIZED' })

  const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })
  t.equal(started.statusCode, 303)
  const url = new URL(String(started.headers.location))
  t.match(Object.fromEntries(url.searchParams), { response_type: 'code', client_id: dw.clientId, redirect_uri: redirectUri, scope: 'docuware.platform openid dwprofile offline_access', code_challenge_method: 'S256' })
  t.notOk(url.searchParams.has('prompt'))
  const back = new URL(await dw.signIn(url.href))
  const callback = await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started), accept: 'text/html' } })
  t.equal(callback.statusCode, 200, callback.body)
  t.match(callback.body, 'acme is connected')

  const connection = await app.docuware.connections.get('acme')
  t.match(connection, { status: 'authorized', hasAccessToken: true, hasRefreshToken: true, account: { sub: dw.user.sub } })
  t.match(await app.docuware.client('acme').whoami(), { User: { Id: dw.user.sub } })
  const sync = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: asDocuware })
  t.match(sync.json(), { queued: false, result: { ok: true, account: { organization: dw.organization.name } } })
  t.match(await app.docuware.connections.get(id), { lastSync: { ok: true }, syncingSince: null, account: { organization: dw.organization.name } })

  const revoked = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/revoke`, headers: asDocuware })
  t.match(revoked.json(), { status: 'draft', hasAccessToken: false, hasRefreshToken: false })
  t.match(dw.counters(), { 'POST /connect/revocation': 2 })
  await t.rejects(app.docuware.client('acme').whoami(), { code: 'DWA_DOCUWARE_NOT_AUTHORIZED' })
  await app.docuware.connections.remove(id)
  const events = (await app.auditLog.find({ event: 'connection.*' })).map(({ event }) => event).reverse()
  t.same(events, ['connection.created', 'connection.discovered', 'connection.authorize_started', 'connection.authorized', 'connection.sync_started', 'connection.sync_succeeded', 'connection.revoked', 'connection.deleted'])
})

t.test('an access token is refreshed before it ends, and once after a 401', async (t) => {
  const { app, dw } = await docuwareApp(t, { docuware: { refreshBeforeSeconds: 300 }, simulator: { lifetimes: { accessToken: 200 } } })
  const { id } = await authorized(app, dw)
  const client = app.docuware.client(id)
  await client.whoami()
  t.equal(dw.counters()['POST /connect/token refresh_token'], 1, 'it had less than five minutes left')
  dw.expireTokens()
  await Promise.all(Array.from({ length: 20 }, async () => { await client.organizations() }))
  t.equal(dw.counters()['POST /connect/token refresh_token'], 2)
  t.match(await authorize(app, dw, id), { statusCode: 200 })
})
