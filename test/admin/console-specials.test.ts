import { generateKeyPairSync } from 'node:crypto'
import mongoose from 'mongoose'
import t from 'tap'
import { systemClock, type Clock } from '../../lib/clock.js'
import { explanationOf } from '../../lib/jwt/token-explanation.js'
import { readBefore } from '../../lib/admin/console/form-page.js'
import { startDocuWare } from '../../testing/index.js'
import { secret, token, validator } from '../app.js'
import { cookieOf } from '../docuware/caller.js'
import { startTestMongo } from '../mongo.js'
import { consentTo, makeClient } from '../provider/provider-app.js'
import { SentryEndpoint } from '../sentry-endpoint.js'
import { eventually } from '../store-app.js'
import { consoleApp, fill, look, openForm, send } from './console-app.js'

const publicUrl = 'http://127.0.0.1:3000'
const redirectUri = `${publicUrl}/docuware/oauth/callback`

t.test('a connection is authorized, synced and revoked without a script', async (t) => {
  const dw = await startDocuWare({ autoApprove: true, redirectUris: [redirectUri] })
  t.teardown(() => dw.stop())
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, store: { log: { personalData: true } } })
  const made = await fill(app, '/connections/new', '/connections/new', { name: 'acme', platformUrl: dw.platformUrl, clientId: dw.clientId, clientSecret: String(dw.clientSecret) })
  const path = String(made.headers['location']).replace(/^\/admin|\?.*$/g, '')
  const page = await look(app, path)
  for (const text of [redirectUri, 'docuware.platform openid dwprofile offline_access', dw.clientId]) t.ok(page.text.includes(`>${text}</code>`), text)
  t.match(page.text, /Not authorized yet[^]*It was never synced/)
  t.match(page.headers['content-security-policy'], "form-action 'self' http:;", 'a form may lead to the identity service')
  t.notMatch(page.text, `${path}/revoke`)

  const denied = await send(app, `${path}/authorize`, await openForm(app, path, `${path}/authorize`))
  t.equal(denied.status, 303)
  const deniedState = new URL(String(denied.headers['location'])).searchParams.get('state') ?? ''
  const back = await app.inject({ url: `/docuware/oauth/callback?error=access_denied&state=${deniedState}`, headers: { cookie: cookieOf(denied) } })
  t.match(back.headers.location, /^\/admin\/connections\/[\da-f]{24}\?done=authorized&error=/)
  t.match((await look(app, String(back.headers.location).slice('/admin'.length))).text, /It was not authorized\./)

  const begun = await send(app, `${path}/authorize`, await openForm(app, path, `${path}/authorize`))
  const callback = new URL(await dw.signIn(String(begun.headers['location'])))
  const finished = await app.inject({ url: callback.pathname + callback.search, headers: { cookie: cookieOf(begun) } })
  t.equal(finished.headers.location, `/admin${path}?done=authorized`)
  t.match((await look(app, `${path}?done=authorized`)).text, /DocuWare has been authorized\.[^]*>Authorized</)

  t.match(await fill(app, path, `${path}/sync`), { status: 303, headers: { location: `/admin${path}?done=synced` } })
  t.match((await look(app, path)).text, /The last sync went well: Connected to/)
  for (const at of ['', '/connections']) t.match((await look(app, at)).text, /<bdi>acme<\/bdi>[^]*<span class="badge good">Authorized<\/span>/, 'at a glance')
  t.notMatch((await look(app, '', { as: 'system' })).text, 'badge good', 'for those who may see connections')
  const log = await look(app, '/log?event=connection.*')
  for (const event of ['connection.created', 'connection.authorized', 'connection.sync_succeeded']) t.ok(log.text.includes(`<code>${event}</code>`), event)
  dw.failNext(5, 404)
  await fill(app, path, `${path}/sync`)
  t.match((await look(app, path)).text, /The last sync failed: /)
  t.match(await fill(app, path, `${path}/revoke`), { status: 303, headers: { location: `/admin${path}?done=revoked` } })
  t.match((await look(app, path)).text, /Not authorized yet/)
  for (const event of ['connection.created', 'connection.authorize_started', 'connection.revoked']) t.strictSame((await app.auditLog.find({ event, limit: 1 }))[0]?.personal, { ip: '127.0.0.1', userName: 'Ann' }, event)
  for (const texts of Object.values(dw.secretsIssued())) for (const one of texts.filter(({ length }) => length >= 16)) for (const at of ['', path, `${path}/edit`, '/log', '/connections']) t.notOk((await look(app, at)).text.includes(one), at)
  dw.failNext(1, 500)
  await app.docuware.connections.update(path.slice('/connections/'.length), { platformUrl: 'http://127.0.0.1:9/DocuWare/Platform' })
  t.match(await fill(app, path, `${path}/authorize`), { status: 502, text: 'This did not work' })
  t.equal((await send(app, '/connections/none/sync', await openForm(app, path, `${path}/sync`))).status, 404)
})

t.test('a sync that takes its time is left to go on, and the page says that it runs', async (t) => {
  const { uri } = await startTestMongo(t)
  const held: Array<() => void> = []
  const clock: Clock = { now: () => systemClock.now(), after: (ms, run) => ms === 10_000 ? hold(run) : systemClock.after(ms, run) }
  function hold (run: () => void): () => void {
    held.push(run)
    return () => {}
  }
  const lines: string[] = []
  const jobs: Array<{ readonly take: () => void, readonly refuse: () => void }> = []
  const queue = {
    enqueue: async () => await new Promise<string>((resolve, reject) => { jobs.push({ take: () => { resolve('job-1') }, refuse: () => { reject(new Error('gone')) } }) }),
    process: () => {}
  }
  const app = await consoleApp(t, { uri, docuware: { queue }, store: { clock }, onLine: (line) => { lines.push(line) } })
  const { id } = await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'c' })
  const path = `/connections/${id}`
  const syncing = { status: 303, headers: { location: `/admin${path}?done=syncing` } }
  const queued = fill(app, path, `${path}/sync`)
  await eventually('the queue was asked', () => jobs.length === 1)
  jobs[0]?.take()
  t.match(await queued, syncing, 'it is in the queue')
  held.length = 0
  const slow = fill(app, path, `${path}/sync`)
  await eventually('the queue was asked again', () => jobs.length === 2)
  for (const run of held) run()
  t.match(await slow, syncing, 'nobody waits any longer')
  await app.docuware.connections.remove(id)
  jobs[1]?.refuse()
  await eventually('it is in the app\'s log', () => lines.some((line) => line.includes('could not be ended')))
})

t.test('clients: the secret is shown once, rotated and dropped; what to copy is there', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const made = await fill(app, '/clients/new', '/clients/new', { name: 'Shop', applicationType: 'web', redirectUris: 'https://shop.example/cb\r\nhttps://shop.example/other', requirePkce: 'on', enabled: 'on', 'lifetimes.accessToken': '600', tokenType: 'jwt' })
  t.equal(made.status, 200)
  const secretIn = (text: string): string => /data-copy="Copy: Client secret">([\w-]{20,})</.exec(text)?.[1] ?? ''
  const first = secretIn(made.text)
  t.ok(first.length >= 43, 'shown this once')
  t.match(made.headers['cache-control'], 'no-store')
  const [client] = (await app.oauthProvider.clients.list())
  t.match(client, { name: 'Shop', redirectUris: ['https://shop.example/cb', 'https://shop.example/other'], lifetimes: { accessToken: 600 }, requirePkce: true, enabled: true, skipAuthorization: false, jwtAlgorithm: 'RS256' })
  const path = `/clients/${client?.id ?? ''}`
  const page = await look(app, path)
  for (const text of [client?.clientId ?? '', 'https://shop.example/cb', `${publicUrl}/oauth2/token`, `${publicUrl}/oauth2/authorize`, `${publicUrl}/oauth2/jwks`, publicUrl]) t.ok(page.text.includes(`>${text}</code>`), text)
  t.notOk(page.text.includes(first))
  t.notMatch(page.text, 'drop-secret')

  const rotated = await fill(app, path, `${path}/rotate-secret`)
  const second = secretIn(rotated.text)
  t.ok(second.length >= 43 && second !== first)
  t.equal([...(await look(app, path)).text.matchAll(/drop-secret/g)].length, 2)
  const before = (await app.oauthProvider.clients.get(client?.id ?? ''))?.clientSecrets ?? []
  t.match(await fill(app, path, `${path}/drop-secret`), { status: 303 })
  t.strictSame((await app.oauthProvider.clients.get(client?.id ?? ''))?.clientSecrets.map(({ id }) => id), [before[1]?.id], 'the first of the list')
  t.match(await fill(app, path, `${path}/rotate-secret`), { status: 200 })
  const form = await openForm(app, path, `${path}/rotate-secret`)
  t.match(await send(app, `${path}/drop-secret`, form), { status: 303 }, 'without a name: the older one')

  for (const page of [path, `${path}/edit`, '/clients', '/log', '']) for (const secret of [first, second]) t.notOk((await look(app, page)).text.includes(secret), page)
  t.match((await look(app, '/keys')).text, /Shop[^]*RS256[^]*signing/)
  t.match(await fill(app, '/keys', `/keys/${encodeURIComponent(client?.clientId ?? '')}/rotate`, { immediately: 'on' }), { status: 303, headers: { location: '/admin/keys?done=rotated' } })
  t.equal((await app.oauthProvider.keys.list()).length, 2)
  t.match((await look(app, '/keys?state=retired')).text, 'retired')
  const mobile = await fill(app, '/clients/new', '/clients/new', { name: 'App', applicationType: 'mobile', redirectUris: 'com.example.app:/cb', confidential: 'false' })
  t.match(mobile, { status: 200, text: 'None' })
  const app2 = await app.oauthProvider.clients.get('App')
  t.match([app2?.confidential, app2?.requirePkce], [false, false], 'a box that is not ticked says no')
  t.notMatch((await look(app, `/clients/${app2?.id ?? ''}`)).text, 'rotate-secret')
})

t.test('a scope is tried on a person, and whoever looks is in the log', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const scope = await app.oauthProvider.scopes.create({ code: 'email', name: 'E-mail', model: 'users', filter: { _id: '$$user._id' }, fields: ['email'] })
  const everybody = await app.oauthProvider.scopes.create({ code: 'people', name: 'People', model: 'users', fields: ['name'] })
  const none = await app.oauthProvider.scopes.create({ code: 'none', name: 'Nothing' })
  const path = `/scopes/${scope.id}`
  const shown = await fill(app, path, `${path}/preview`, { user: 'ann' })
  t.match([shown.status, shown.text], [200, /&#34;email&#34;: &#34;ann@example\.org&#34;/])
  t.notMatch(shown.text, 'bob@example.org')
  t.match((await fill(app, `/scopes/${everybody.id}`, `/scopes/${everybody.id}/preview`, { user: 'ann' })).text, /Ann[^]*Bob/)
  t.match((await fill(app, path, `${path}/preview`, { user: 'nobody' })).text, 'It shows no record to this person.')
  t.match((await fill(app, `/scopes/${none.id}`, `/scopes/${none.id}/preview`, { user: 'ann' })).text, 'The scope names no model')
  const [entry] = await app.auditLog.find({ event: 'scope.previewed', target: 'email' })
  t.match(entry, { actor: { type: 'user', id: 'u1' }, target: { id: scope.id, name: 'email' } })
  t.equal(entry?.personal, undefined, 'unless it is asked for')
  t.equal((await send(app, '/scopes/missing/preview', await openForm(app, path, `${path}/preview`), { user: 'ann' })).status, 404)
})

t.test('more records than a preview shows are said to be more', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, people: 25 })
  const { id } = await app.oauthProvider.scopes.create({ code: 'people', name: 'People', model: 'users', fields: ['name'] })
  t.match((await fill(app, `/scopes/${id}`, `/scopes/${id}/preview`, { user: 'ann' })).text, 'The first 20 records.')
})

t.test('security 53: a token is tried, and administrators alone learn why it is refused', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  await app.jwtValidators.create(validator('wants_scope', { requiredScopes: ['read'], typ: 'at+jwt' }))
  await app.jwtValidators.create(validator('chained', { secretKey: 'another secret of thirty-two bytes', nextValidator: 'declared' }))
  await app.jwtValidators.create(validator('by_claim', { userIdStrategy: 'claim', userIdClaim: 'employee' }))
  await app.jwtValidators.create(validator('off', { enabled: false }))
  const now = Math.floor(Date.now() / 1000)
  const ids = new Map((await app.jwtValidators.list()).map(({ id, name }) => [name, id ?? name]))
  const cases: Array<[validator: string, token: string, expected: RegExp]> = [
    ['declared', token(), /Accepted by declared\.[^]*&#34;sub&#34;: &#34;u-1&#34;/],
    ['declared', ` ${token()}\r\n`, /Accepted by declared\./],
    ['declared', token({ exp: now - 60 }), /It has expired\.[^]*exp: [^]*It is [^]* now\./],
    ['declared', token({ nbf: now + 600 }), /It is not valid yet[^]*nbf: /],
    ['declared', token({ aud: 'other' }), /meant for another audience\. Expected: api\. Found: &#34;other&#34;\./],
    ['declared', token({ iss: 'https://evil.example' }), /issuer is another\. Expected: https:\/\/issuer\.example\. Found: &#34;https:\/\/evil\.example&#34;\./],
    ['declared', token({ iss: undefined }), /Found: nothing\./],
    ['declared', token({}, { secret, algorithm: 'HS384' }), /algorithm is not the one[^]*Expected: HS256\. Found: &#34;HS384&#34;/],
    ['declared', token({}, { secret: 'x'.repeat(40) }), /signature is not right/],
    ['declared', token({ exp: 'soon' }), /exp is missing/],
    ['declared', 'no token', /no compact JWT[^]*It cannot be read\./],
    ['wants_scope', token(), /typ is not the one[^]*Expected: at\+jwt\./],
    ['by_claim', token(), /names no user[^]*Expected: employee\. Found: nothing/],
    ['chained', token(), /Accepted by declared\.[^]*<bdi>chained<\/bdi><\/strong>: The signature is not right/],
    ['off', token(), /role="alert"[^]*off/]
  ]
  for (const [name, tried, expected] of cases) {
    const path = `/validators/${ids.get(name) ?? ''}`
    const answer = await fill(app, path, `${path}/try`, { token: tried })
    t.equal(answer.status, 200, name)
    t.match(answer.text, expected, `${name}: ${String(expected)}`)
    t.notOk(answer.text.includes(tried.trim()) && tried.includes('.'), 'the token itself is not shown again')
  }
  const entries = await app.auditLog.find({ event: 'validator.token_tried' })
  t.equal(entries.length, cases.length - 1)
  t.match(entries.find(({ details }) => JSON.stringify(details).includes('expired')), { details: { accepted: false, reasons: ['expired'] }, actor: { id: 'u1' } })
  t.notMatch(JSON.stringify(entries), token().split('.')[2] ?? '')
  const form = await openForm(app, '/validators/declared', '/validators/declared/try')
  t.equal((await send(app, '/validators/none/try', form, { token: token() })).status, 404)
  t.match(await send(app, '/validators/declared/try', form, { token: token() }, { as: 'docuware,oauth_provider' }), { status: 403 })
  t.throws(() => explanationOf('x', 'anonymous'), TypeError)
})

t.test('a token that lacks a scope, or whose key set is away, is explained too', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  await app.jwtValidators.create(validator('wants_scope', { requiredScopes: ['read', 'write'] }))
  await app.jwtValidators.create({ name: 'remote', signatureType: 'public_key', publicKeyJwkUri: 'http://127.0.0.1:9/jwks', audience: 'api', issuer: 'https://issuer.example' })
  const ids = new Map((await app.jwtValidators.list()).map(({ id, name }) => [name, id ?? name]))
  const tryIt = async (name: string, text: string): Promise<string> => (await fill(app, `/validators/${ids.get(name) ?? ''}`, `/validators/${ids.get(name) ?? ''}/try`, { token: text })).text
  t.match(await tryIt('wants_scope', token({ scope: 'read' })), /lacks a scope[^]*Expected: read write\. Found: &#34;read&#34;/)
  const [, claims = '', signature = ''] = token().split('.')
  t.match(await tryIt('remote', [Buffer.from('{"alg":"RS256","kid":"k"}').toString('base64url'), claims, signature].join('.')), /key set cannot be fetched/)
})

t.test('telemetry: a DSN is write-only, kept when left blank, and deleted by its box; a test event is sent', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const sentry = await new SentryEndpoint().start(t)
  const dsn = sentry.dsn.replace('publickey', 'plantedkey')
  t.match((await look(app, '/settings')).text, /Telemetry is off[^]*@sentry\/node is/)
  t.notMatch((await look(app, '/settings')).text, 'Send a test event')
  t.match(await fill(app, '/settings', '/settings', { dsn: 'no dsn' }), { status: 400, text: /id="f-dsn-wrong"/ })
  t.match(await fill(app, '/settings', '/settings', { dsn }), { status: 303, headers: { location: '/admin/settings?done=saved' } })
  const page = await look(app, '/settings?done=saved')
  t.match(page.text, /Saved\.[^]*Telemetry is on[^]*Send a test event/)
  t.notMatch(page.text, 'plantedkey')
  t.equal((await fill(app, '/settings', '/settings', { dsn: '', sendPii: 'on' })).status, 303)
  t.match(await app.telemetry.get(), { on: true, sendPii: true }, 'blank keeps the DSN')
  const late = await openForm(app, '/settings', '/settings')
  await app.telemetry.set({ sendPii: false })
  t.match(await send(app, '/settings', late, { dsn: '' }), { status: 412, text: 'Somebody else has changed this' })
  t.match(await fill(app, '/settings', '/settings/test'), { status: 303, headers: { location: '/admin/settings?done=sent' } })
  t.equal((await app.auditLog.find({ event: 'settings.test_sent' })).length, 1)
  await sentry.arrived(1)
  t.strictSame(sentry.messages, ['A test event, sent from the console'])
  const { get } = app.telemetry
  Object.assign(app.telemetry, { get: async () => ({ ...await get(), sdkInstalled: false }) })
  t.match((await look(app, '/settings')).text, '@sentry/node is not installed: nothing is sent, whatever is set here.')
  Object.assign(app.telemetry, { get })
  t.equal((await fill(app, '/settings', '/settings', { dsn: '', 'clear:dsn': 'on' })).status, 303)
  t.match(await app.telemetry.get(), { on: false })
})

t.test('the log is filtered, goes on page by page, and is verified', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  for (let index = 0; index < 60; index++) await app.auditLog.append(index % 2 === 0 ? 'connection.tested' : 'scope.tested', { target: { type: 'connection', id: 'x', name: `c${index}` }, ...(index === 59 ? { level: 'error' as const } : index === 58 ? { level: 'warning' as const } : {}) })
  const rows = (text: string): number => [...text.matchAll(/<tr role="row" id="e[\da-f]{24}">/g)].length
  const first = await look(app, '/log')
  t.equal(rows(first.text), 50)
  t.match(first.text, /class="badge bad">Error/)
  t.match(first.text, /data-live="\/admin\/api\/log\/stream\?after=[\da-f]{24}"/)
  const [, next = ''] = /href="\/admin(\/log\?after=[^"]+)">Next page/.exec(first.text) ?? []
  const second = await look(app, next)
  t.ok(rows(second.text) >= 10)
  t.notMatch(second.text, 'data-live="')
  t.equal(rows((await look(app, '/log?event=scope.*')).text), 30)
  t.equal(rows((await look(app, '/log?target=c7')).text), 1)
  t.equal(rows((await look(app, '/log?from=2000-01-01T00:00&to=2001-01-01T00:00')).text), 0)
  t.match((await look(app, '/log?from=2000-01-01T00:00&to=2001-01-01T00:00')).text, 'Nothing fits the filter.')
  t.match((await look(app, '/log?from=2000-01-01T00:00&event=scope.*')).text, 'export?event=scope.*&#38;from=2000-01-01T00%3A00Z'.replace('*', '%2A').replace('%2A', '*'))
  t.equal((await look(app, '/log?from=yesterday')).status, 400)
  t.equal(rows((await look(app, '/log?event=scope.*', { as: 'docuware' })).text), 0, 'each role its own part')
  t.match((await look(app, '/log/verify')).text, 'This reads the whole log')
  t.match((await fill(app, '/log/verify', '/log/verify')).text, /The log is whole\.[^]*entries in \d+ chains/)
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  await connection.collection('dwa_log').updateOne({ 'target.name': 'c7' }, { $set: { message: 'another' } })
  t.match((await fill(app, '/log/verify', '/log/verify')).text, /role="alert"><p>The log has been tampered with[^]*First in chain [\w-]+, entry \d+: /)
  const found = await app.inject({ url: '/admin/api/log/verify', headers: { 'x-roles': 'system' } })
  t.match([found.statusCode, found.json()], [200, { ok: false, firstBad: { chain: String, seq: Number, problem: /altered/ } }])
})

t.test('what people agreed to is listed by their names and the clients\', and ended', async (t) => {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const owner = { find: (id: string) => { if (id === 'bob') throw new Error('the directory is away'); return id === 'ann' ? { id, name: 'Ann <b>' } : null } }
  const app = await consoleApp(t, { uri, owner, onLine: (line) => { lines.push(line) } })
  await app.oauthProvider.scopes.create({ code: 'read', name: 'Read' })
  const shop = await makeClient(app, { name: 'Shop <i>', skipAuthorization: false, scopes: ['read'] })
  const gone = await makeClient(app, { skipAuthorization: false, scopes: ['read'] })
  for (const [client, user] of [[shop, 'ann'], [shop, 'bob'], [gone, 'ann']] as const) await consentTo(app, client, user)
  await app.oauthProvider.clients.remove(gone.client.id)
  const rows = (text: string): string[] => text.split('<tr role="row">').slice(2)
  const list = rows((await look(app, '/consents', { as: 'oauth_provider' })).text)
  const client = `<a href="/admin/clients/${shop.client.id}"><bdi>Shop &#60;i&#62;</bdi></a><p class="hint">${shop.client.id}</p>`
  t.equal(list.length, await app.oauthProvider.consents.list().then(({ length }) => length))
  const [ofAnn = '', ofBob = ''] = ['ann', 'bob'].map((user) => list.find((row) => row.includes(client) && row.includes(user)))
  t.match(ofAnn, '<bdi>Ann &#60;b&#62;</bdi><p class="hint">ann</p>')
  t.match(ofBob, '<td role="cell" data-label="User id"><bdi>bob</bdi></td>', 'whose name cannot be told is shown by the id')
  t.ok(lines.some((line) => line.includes('the directory is away')), 'why is in the log')

  const [consent] = await app.oauthProvider.consents.list({ user: 'ann', client: shop.client.id })
  const path = `/consents/${consent?.id ?? ''}/revoke`
  t.match((await look(app, path)).text, /Ann &#60;b&#62;[^]*Shop &#60;i&#62;[^]*This cannot be undone/)
  t.match(await fill(app, path, path), { status: 303, headers: { location: '/admin/consents?done=revoked' } })
  t.strictSame(await app.oauthProvider.consents.list({ user: 'ann', client: shop.client.id }), [])
  t.equal((await app.oauthProvider.consents.list({ user: 'bob' })).length, 1, 'that one alone')
  t.equal((await look(app, '/consents/none/revoke')).status, 404)
})

t.test('connectors: the form follows the way of signing in, secrets are write-only, and oauth2 ones are authorized', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  t.match((await look(app, '/connectors/new')).text, /How does the other side know you\?[^]*type=apiKey[^]*type=storeHeaders/)
  t.match((await look(app, '/connectors/new?type=nothing')).text, 'How does the other side know you?')
  const wrong = await fill(app, '/connectors/new?type=apiKey', '/connectors/new', { name: 'crm', baseUrl: 'https://crm.example/v1' })
  t.match([wrong.status, wrong.text], [400, /id="f-auth-key-wrong">This is required/])
  t.equal((await fill(app, '/connectors/new?type=apiKey', '/connectors/new', { name: 'crm', baseUrl: 'https://crm.example/v1', 'auth.key': 'planted-api-key', 'auth.header': 'X-Key' })).status, 303)
  const crm = await app.connectors.get('crm')
  t.match(crm, { auth: { type: 'apiKey', header: 'X-Key' }, hasCredentials: true })
  const path = `/connectors/${crm?.id ?? ''}`
  t.match((await look(app, `${path}/edit`)).text, /Something is stored\.[^]*id="f-auth-key"|id="f-auth-key"/)
  const shown = { name: 'crm', baseUrl: 'https://crm.example/v1', headers: '{}', timeoutMs: '30000', retries: '4' }
  const { fields } = await openForm(app, `${path}/edit`, `${path}/edit`)
  t.match(fields['before'], '"auth.header":"X-Key"')
  t.equal((await fill(app, `${path}/edit`, `${path}/edit`, { ...shown, 'auth.key': '', 'auth.header': 'X-Other' })).status, 303)
  t.match(await app.connectors.get('crm'), { auth: { header: 'X-Other' }, hasCredentials: true })
  t.match(await app.connectors.secrets('crm'), { key: 'planted-api-key' }, 'blank keeps it')
  for (const page of ['/connectors', path, `${path}/edit`, '/log']) t.notMatch((await look(app, page)).text, 'planted-api-key', page)

  const oauth = { name: 'books', baseUrl: 'https://books.example', 'auth.clientId': 'client', 'auth.clientSecret': 'planted-oauth-secret', 'auth.authorizationUrl': 'https://login.example/authorize', 'auth.tokenUrl': 'https://login.example/token', 'auth.scopes': 'read\r\nwrite' }
  t.equal((await fill(app, '/connectors/new?type=oauth2', '/connectors/new', oauth)).status, 303)
  const books = `/connectors/${(await app.connectors.get('books'))?.id ?? ''}`
  const page = await look(app, books)
  for (const text of [`${publicUrl}/connectors/oauth/callback`, 'read write', 'client']) t.ok(page.text.includes(`>${text}</code>`), text)
  t.match(page.headers['content-security-policy'], "form-action 'self' https:;")
  const begun = await fill(app, books, `${books}/authorize`)
  t.match(begun.headers['location'], /^https:\/\/login\.example\/authorize\?/)
  t.equal((await send(app, `${books}/revoke`, await openForm(app, books, `${books}/authorize`))).status, 303)
  t.match((await look(app, `${books}?error=access_denied`)).text, 'It was not authorized.')
  const bare = await fill(app, '/connectors/new?type=apiKey', '/connectors/new', { 'auth.type': 'nothing', name: 'x', baseUrl: 'https://x.example' })
  t.equal(bare.status, 400)
})

t.test('without a public URL nothing can be authorized, and the pages say so', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, publicUrl: null })
  const { id } = await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'c' })
  const connector = await app.connectors.create({ name: 'books', baseUrl: 'https://books.example', auth: { type: 'oauth2', clientId: 'c', clientSecret: 'a secret of some length', authorizationUrl: 'https://l.example/a', tokenUrl: 'https://l.example/t' } })
  for (const path of [`/connections/${id}`, `/connectors/${connector.id ?? ''}`]) t.match((await look(app, path)).text, 'The app has no public URL', path)
  t.equal((await fill(app, `/connections/${id}/delete`, `/connections/${id}/delete`)).status, 303)
})

t.test('people who are not signed in are led to where they can be, and can sign out', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, before: async (app) => { app.decorate('signIn', { loginUrl: (returnTo) => `/sign-in?returnTo=${encodeURIComponent(returnTo ?? '')}`, logoutUrl: '/sign-in/out', personOf: async () => null, endSessionsOf: async () => 0 }) } })
  t.match(await look(app, '/log?event=x', { as: null, headers: { accept: 'text/html' } }), { status: 303, headers: { location: '/sign-in?returnTo=%2Fadmin%2Flog%3Fevent%3Dx' } })
  t.match(await send(app, '/settings', { fields: {}, cookie: '' }, {}, { as: null }), { status: 401, text: /href="\/sign-in\?returnTo=%2Fadmin">Sign in/ }, 'a form is not led away: it was for nothing')
  t.match((await look(app, '')).text, /<form method="post" action="\/sign-in\/out"><input type="hidden" name="returnTo" value="\/admin\/signed-out">/)
  t.match(await look(app, '/signed-out'), { status: 303, headers: { location: '/admin' } })
  t.match(await look(app, '/signed-out', { as: null, headers: { 'accept-language': 'de' } }), { status: 200, text: /Sie sind abgemeldet[^]*href="\/sign-in\?returnTo=%2Fadmin">Anmelden/ })
})

t.test('a form that no browser of ours sends is no error of the app', (t) => {
  for (const text of ['', '{', '[]', 'null', '7']) t.equal(readBefore(text), null, text)
  t.strictSame(readBefore('{"a":1}'), new Map([['a', '1']]))
  t.end()
})

t.test('keys of clients are for the role system: others are not asked for them, and are refused', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const { client } = await app.oauthProvider.clients.create({ name: 'signs', applicationType: 'backend', scopes: [], tokenType: 'jwt' })
  const path = `/clients/${client.id}/edit`
  const as = { as: 'oauth_provider' }
  t.notMatch((await look(app, '/clients/new', as)).text, 'jwtPrivateKey')
  t.match((await look(app, '/clients/new')).text, 'jwtPrivateKey')
  t.notMatch((await look(app, path, as)).text, 'name="jwtAlgorithm"')
  t.match((await look(app, path)).text, 'name="jwtAlgorithm"')
  t.match(await fill(app, '/clients/new', '/clients/new', { name: 'x', applicationType: 'backend', jwtPrivateKey: 'a planted secret of thirty-two bytes', jwtAlgorithm: 'HS256', tokenType: 'jwt' }, as), { status: 403, text: 'You may not see this' })
  const shown = { name: 'signs', applicationType: 'backend', tokenType: 'jwt', requirePkce: 'on', enabled: 'on' }
  t.equal((await fill(app, path, path, { ...shown, jwtAlgorithm: 'ES256' }, as)).status, 403)
  t.equal((await fill(app, path, path, { ...shown, skipAuthorization: 'on' }, as)).status, 303)
  t.match(await app.oauthProvider.clients.get(client.id), { jwtAlgorithm: 'RS256', skipAuthorization: true })
})

t.test('a private key in PEM, pasted into a password field, arrives with its lines', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const [name, pasted] of [['nothing', pem.replaceAll('\n', '')], ['blanks', pem.replaceAll('\n', ' ')], ['lines', pem]] as const) {
    const made = await fill(app, '/clients/new', '/clients/new', { name, applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'RS256', jwtPrivateKey: pasted })
    t.equal(made.status, 200, name)
    t.notOk(made.text.includes(pem.split('\n')[1] ?? ''))
  }
  const kids = (await app.oauthProvider.keys.list()).map(({ kid }) => kid)
  t.strictSame([kids.length, new Set(kids).size], [3, 1], 'it is the same key')
  t.match(await fill(app, '/clients/new', '/clients/new', { name: 'no key', applicationType: 'backend', tokenType: 'jwt', jwtPrivateKey: '-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----' }), { status: 400, text: /id="f-jwtPrivateKey-wrong"/ })
})

t.test('an error that a hook of the app chose keeps its status; one that nobody expected is in the app\'s log alone', async (t) => {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const app = await consoleApp(t, {
    uri,
    onLine: (line) => { lines.push(line) },
    before: async (app) => { app.addHook('onRequest', async ({ headers }) => { if (headers['x-teapot'] !== undefined) throw Object.assign(new Error('a secret of the app'), { statusCode: 418 }) }) }
  })
  const refused = await look(app, '/log', { headers: { 'x-teapot': '1' } })
  t.equal(refused.status, 418)
  t.notMatch(refused.text, 'a secret of the app')
  Object.assign(app.auditLog, { find: async () => { throw Object.assign(new Error('another secret'), { statusCode: 404 }) } })
  const failed = await look(app, '/log')
  t.match(failed, { status: 500, text: 'Something went wrong.' })
  t.notMatch(failed.text, 'another secret')
  t.ok(lines.some((line) => line.includes('a page of the console failed') && line.includes('another secret')))
})
