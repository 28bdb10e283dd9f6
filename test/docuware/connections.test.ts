import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import { connectionKind } from '../../lib/docuware/connection-kind.js'
import type { ConnectionPatch, ConnectionView, StoredConnection } from '../../lib/docuware/connection-schema.js'
import { Connections } from '../../lib/docuware/connections.js'
import { isCloudPlatform, readPlatformUrl } from '../../lib/docuware/platform-url.js'
import { startTestMongo } from '../mongo.js'
import { authorize, authorized, asDocuware, connect, cookieOf, docuwareApp, redirectUri } from './docuware-app.js'

/** What JavaScript may pass, whatever the types say. */
const anything = (value: unknown): never => value as never
const refused = { code: 'DWA_DOCUWARE_INVALID_CONNECTION', statusCode: 400 }

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

t.test('the id of a connection that is gone finds none, though another one is named like it', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id } = await connect(app, dw)
  await app.docuware.connections.remove(id)
  const other = await authorized(app, dw, id)
  await t.rejects(app.docuware.client(id).whoami(), { code: 'DWA_STORE_NOT_FOUND' })
  for (const action of ['authorize', 'sync', 'revoke']) {
    const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/${action}`, headers: asDocuware })
    t.match([answer.statusCode, answer.json()], [404, { code: 'DWA_STORE_NOT_FOUND' }], action)
  }
  t.match(await app.docuware.client(other.id).whoami(), { User: { Id: dw.user.sub } }, 'by its own')
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

t.test('lists of file cabinets: whoever asks for those of one organization shares its sixty a minute', async (t) => {
  const { app, dw } = await docuwareApp(t, { simulator: { fileCabinetsPerMinute: 0 } })
  await authorized(app, dw, 'one')
  await authorized(app, dw, 'other')
  const clients = ['one', 'other', 'one'].map((name) => app.docuware.client(name))
  await Promise.all(clients.flatMap((client) => Array.from({ length: 20 }, async () => await client.fileCabinets())))
  const enough = new AbortController()
  const waiting = clients.map(async (client) => await t.rejects(client.fileCabinets({ signal: enough.signal }), { message: 'enough' }))
  for (const client of clients) await client.whoami()
  t.equal(dw.counters()['GET /FileCabinets'], 60, 'the next one waits')
  enough.abort(new Error('enough'))
  await Promise.all(waiting)
  t.equal(dw.counters()['GET /FileCabinets'], 60)
})

t.test('a platform\'s address has one spelling', async (t) => {
  const acme = 'https://acme.docuware.cloud/DocuWare/Platform'
  const own = 'https://dw.example.com/DocuWare/Platform'
  const good: Array<[text: string, platformUrl: string]> = [
    ['acme', acme], ['ACME', acme], ['  acme\n', acme], ['acme.docuware.cloud', acme], ['Acme.DocuWare.Cloud', acme], ['acme.docuware.cloud.', acme], ['acme。docuware。cloud', acme],
    ['https://acme.docuware.cloud', acme], ['https://acme.docuware.cloud/', acme], ['https://acme.docuware.cloud:443', acme], ['HTTPS://ACME.DOCUWARE.CLOUD/DOCUWARE/PLATFORM/', acme],
    ['https://acme.docuware.cloud/DocuWare', acme], ['acme.docuware.cloud/docuware/platform', acme],
    ['https://acme.docuware.cloud/DocuWare/Platform/WebClient/', acme], ['https://acme.docuware.cloud/DocuWare/Platform/WebClient/Client/Cabinets', acme],
    ['https://acme.docuware.cloud/DocuWare/Platform/Home/IdentityServiceInfo', acme], ['https://acme.docuware.cloud/DocuWare/Platform/WebClient/DocuWare', acme],
    ['https://acme.docuware.cloud/x/../DocuWare/Platform', acme],
    ['my-org', 'https://my-org.docuware.cloud/DocuWare/Platform'], ['7', 'https://7.docuware.cloud/DocuWare/Platform'],
    ['dw.example.com', own], ['https://DW.example.com/DocuWare/Platform', own],
    ['dw.example.com:8443', 'https://dw.example.com:8443/DocuWare/Platform'], ['server:8443', 'https://server:8443/DocuWare/Platform'], ['https://server', 'https://server/DocuWare/Platform'],
    ['https://dw.example.com/prefix/DocuWare/Platform', 'https://dw.example.com/prefix/DocuWare/Platform'], ['dw.example.com/a/b/docuware', 'https://dw.example.com/a/b/DocuWare/Platform'],
    ['https://192.168.1.20', 'https://192.168.1.20/DocuWare/Platform'], ['[::1]:8443', 'https://[::1]:8443/DocuWare/Platform'], ['https://[2001:DB8::1]', 'https://[2001:db8::1]/DocuWare/Platform'],
    ['https://bücher.example', 'https://xn--bcher-kva.example/DocuWare/Platform'], ['localhost', 'https://localhost/DocuWare/Platform']
  ]
  for (const [text, platformUrl] of good) {
    t.equal(readPlatformUrl(text, false), platformUrl, text)
    t.equal(readPlatformUrl(platformUrl, false), platformUrl, 'which is its own')
  }
  const address = 'is no address of a DocuWare platform'
  const path = 'must be a host, or end with /DocuWare/Platform'
  const secure = 'must be https (http is for loopback, with docuware.allowInsecure)'
  const bad: Array<[text: string, problem: string]> = [
    ['', address], ['   ', address], ['https://', address], ['https:///acme', address], ['//acme.docuware.cloud', address], ['https:/acme', address], ['https:acme', address], ['acme docuware', address],
    ['https://acme.docuware.cloud\\@dw.example.com', address], ['\\\\server\\DocuWare', address], ['https://acme\t.docuware.cloud', address], ['https://acme.docuware.cloud/Docu\nWare', address],
    ['https://acme.docuware.cloud:99999', address], ['https://acme%00.docuware.cloud', address], ['https://dw.example.com／x', address], ['javascript:alert(1)', address], ['mailto:ann@example.com', 'must not hold credentials'],
    ['https://ann:secret@acme.docuware.cloud', 'must not hold credentials'], ['ann@acme.docuware.cloud', 'must not hold credentials'], ['https://:secret@acme.docuware.cloud', 'must not hold credentials'],
    ['https://acme.docuware.cloud?x', 'must not have a query or a fragment'], ['https://acme.docuware.cloud/DocuWare/Platform/WebClient?org=1', 'must not have a query or a fragment'], ['https://acme.docuware.cloud/DocuWare/Platform#/', 'must not have a query or a fragment'],
    ['http://acme.docuware.cloud', secure], ['http://127.0.0.1', secure], ['ftp://acme.docuware.cloud', secure], ['file:///etc/passwd', address], ['ws://acme.docuware.cloud', secure],
    ['https://acme.docuware.cloud/Platform', path], ['https://acme.docuware.cloud/DocuWareX/Platform', path], ['https://acme.docuware.cloud/DocuWare/Settings', path], ['https://acme.docuware.cloud/DocuWare/Platform2', path], ['dw.example.com/x', path]
  ]
  for (const [text, problem] of bad) {
    t.strictSame(readPlatformUrl(text, false), { problem }, JSON.stringify(text))
  }
  for (const [text, allowed] of [['http://127.0.0.1:8080', true], ['http://localhost/DocuWare/Platform', true], ['http://[::1]', true], ['http://0x7f.1', true], ['http://10.0.0.1', false], ['http://dw.example.com', false], ['http://127.0.0.1.example.com', false]] as const) {
    t.equal(typeof readPlatformUrl(text, true) === 'string', allowed, `${text} with allowInsecure`)
  }
  for (const [text, cloud] of [['acme', true], ['acme.docuware.cloud.', true], ['https://acme.docuware.cloud:8443', true], ['dw.example.com', false], ['https://docuware.cloud.example.com', false], ['https://evildocuware.cloud', false]] as const) {
    t.equal(isCloudPlatform(String(readPlatformUrl(text, false))), cloud, `${text} is ${cloud ? '' : 'not '}in the cloud`)
  }
})

t.test('security 32: a field that is unknown, missing or malformed is an error with a code and the field\'s name, and nothing is written', async (t) => {
  const { app } = await docuwareApp(t, { docuware: { allowInsecure: false } })
  const { connections } = app.docuware
  const good = { name: 'acme', platformUrl: 'acme', clientId: 'the client' }
  const operators = [{ $ne: null }, { $gt: '' }, ['acme'], 7, true, null]
  const alike: Array<[field: string, given: object]> = [
    ...operators.flatMap((value) => [...Object.keys(good), ...(Array.isArray(value) ? [] : ['scopes'])].map((field): [string, object] => [field, { [field]: value }])),
    ...[{ $ne: null }, ['secret'], 7].map((clientSecret): [string, object] => ['clientSecret', { clientSecret }]),
    ['name', { name: '' }], ['name', { name: ' acme' }], ['name', { name: 'a\nb' }], ['name', { name: 'x'.repeat(101) }],
    ['platformUrl', { platformUrl: 'http://acme.docuware.cloud' }], ['platformUrl', { platformUrl: 'http://127.0.0.1' }], ['platformUrl', { platformUrl: `https://${'x'.repeat(500)}` }],
    ['clientId', { clientId: '' }], ['clientId', { clientId: 'é' }], ['clientId', { clientId: 'x'.repeat(201) }],
    ['clientSecret', { clientSecret: '' }], ['clientSecret', { clientSecret: 'a\r\nb' }], ['clientSecret', { clientSecret: 'x'.repeat(1001) }],
    ['scopes', { scopes: [] }], ['scopes', { scopes: 'openid' }], ['scopes', { scopes: ['a b'] }], ['scopes', { scopes: ['a', 'a'] }], ['scopes', { scopes: [{ $ne: 1 }] }], ['scopes', { scopes: [''] }],
    ...['accessToken', 'refreshToken', 'expiresAt', 'tokenType', 'status', 'statusMessage', 'discovered', 'account', 'lastSync', 'syncing', 'configuration', 'version', 'id', '_id', 'createdAt', 'updatedAt', 'outbox', 'hasClientSecret', 'constructor', 'toString', '$set', '$where']
      .map((field): [string, object] => [field, { [field]: field === 'status' ? 'authorized' : 'x' }]),
    ['__proto__', JSON.parse('{"__proto__":{"clientSecret":"x"}}')],
    ['', { '': 'x' }]
  ]
  const existing = await connections.create({ ...good, name: 'existing' })
  for (const [field, given] of alike) {
    const expected = { ...refused, field, message: new RegExp(`^${field === '' ? 'connection' : field.replace('$', '\\$')}(\\[\\d+\\])?: `) }
    const whole = Object.defineProperties({ ...good }, Object.getOwnPropertyDescriptors(given))
    await t.rejects(connections.create(anything(whole)), expected, `create ${JSON.stringify(given).slice(0, 80)}`)
    await t.rejects(connections.update(existing.id, anything(given)), expected, `update ${JSON.stringify(given).slice(0, 80)}`)
  }
  for (const field of Object.keys(good)) {
    const { [field]: _, ...others }: { [name: string]: string } = good
    await t.rejects(connections.create(anything(others)), { ...refused, field, message: `${field}: is required` })
    await t.rejects(connections.create(anything({ ...others, [field]: undefined })), { ...refused, field, message: `${field}: is required` })
    await t.rejects(connections.create(anything(Object.create(good))), refused, 'what is inherited does not count')
  }
  await t.rejects(connections.create(anything({ ...good, clientSecret: null })), { ...refused, field: 'clientSecret' }, 'null takes a secret away, and there is none')
  await t.rejects(connections.update(existing.id, anything({ dropTokens: 'yes' })), { ...refused, field: 'dropTokens' })
  await t.rejects(connections.create(anything({ ...good, dropTokens: true })), { ...refused, field: 'dropTokens' })
  for (const whole of [null, undefined, 'acme', 7, ['acme'], () => good]) {
    await t.rejects(connections.create(anything(whole)), { ...refused, field: '' })
    await t.rejects(connections.update(existing.id, anything(whole)), { ...refused, field: '' })
  }
  t.notMatch(await connections.create({ ...good, clientSecret: 'leaks?\n' }).catch((error: Error) => error.message), 'leaks', 'the value is not in the message')
  await t.rejects(connections.create({ ...good, name: 'existing' }), { code: 'DWA_STORE_DUPLICATE', statusCode: 409, message: 'The connection "existing" exists already' })
  const other = await connections.create(good)
  await t.rejects(connections.update(other.id, { name: 'existing' }), { code: 'DWA_STORE_DUPLICATE' })
  t.strictSame((await connections.list()).map(({ name, version }) => [name, version]), [['acme', 1], ['existing', 1]])
})

t.test('security 32: who is meant is a text, and nothing else', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { connections } = app.docuware
  const { id } = await connect(app, dw)
  t.equal((await connections.get(id))?.name, 'acme')
  t.equal((await connections.get('acme'))?.id, id)
  for (const wrong of ['', 'Acme', 'nobody', '000000000000000000000000', `${id}0`, { $ne: null }, { $gt: '' }, { name: 'acme' }, ['acme'], null, undefined, 0, true]) {
    const label = JSON.stringify(wrong) ?? 'undefined'
    t.equal(await connections.get(anything(wrong)), null, label)
    const attempts: Array<() => Promise<unknown>> = [
      () => connections.update(anything(wrong), {}),
      () => connections.remove(anything(wrong)),
      () => connections.secrets(anything(wrong)),
      () => app.docuware.authorizationUrl(anything(wrong), { unbound: true }),
      () => app.docuware.sync(anything(wrong)),
      () => app.docuware.revoke(anything(wrong))
    ]
    for (const attempt of attempts) await t.rejects(attempt(), { code: 'DWA_STORE_NOT_FOUND', statusCode: 404 }, label)
  }
  for (const path of ['nobody', '%24ne', '000000000000000000000000', 'toString', '__proto__', '%00', 'a'.repeat(100)]) {
    for (const [method, action] of [['GET', 'authorize'], ['POST', 'authorize'], ['POST', 'sync'], ['POST', 'revoke']] as const) {
      t.match(await app.inject({ method, url: `/docuware/connections/${path}/${action}`, headers: asDocuware }), { statusCode: 404, headers: { 'cache-control': 'no-store' } }, `${method} ${path}/${action}`)
    }
  }
  t.match(await connections.list(), [{ id, version: 1 }])
})

t.test('a change drops what rests on what it changes, and no more', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { connections } = app.docuware
  const kept = { status: 'authorized', hasClientSecret: true, hasAccessToken: true, hasRefreshToken: true, account: { sub: dw.user.sub }, discovered: { identityUrl: dw.identityUrl }, lastSync: { ok: true } }
  const dropped = { status: 'draft', hasAccessToken: false, hasRefreshToken: false, account: null, expiresAt: null, statusMessage: null }
  const undiscovered = { discovered: null, lastSync: null }
  const cases: Array<[name: string, patch: ConnectionPatch, expected: object]> = [
    ['nothing', {}, kept],
    ['the name', { name: 'other' }, { ...kept, name: 'other' }],
    ['scopes', { scopes: ['docuware.platform'] }, { ...kept, scopes: ['docuware.platform'] }],
    ['the platform, in another spelling', { platformUrl: `${dw.platformUrl.toUpperCase().replace('HTTP', 'http')}/WebClient` }, { ...kept, platformUrl: dw.platformUrl }],
    ['the client id, as it is', { clientId: dw.clientId }, kept],
    ['the platform', { platformUrl: 'https://dw.example.com' }, { ...dropped, ...undiscovered, hasClientSecret: false, platformUrl: 'https://dw.example.com/DocuWare/Platform' }],
    ['the platform\'s prefix', { platformUrl: dw.platformUrl.replace('/DocuWare', '/x/DocuWare') }, { ...dropped, ...undiscovered, hasClientSecret: false }],
    ['the platform, the secret not said', { platformUrl: 'https://dw.example.com', clientSecret: undefined }, { ...dropped, ...undiscovered, hasClientSecret: false }],
    ['the platform, with a secret', { platformUrl: 'https://dw.example.com', clientSecret: 'for the new one' }, { ...dropped, ...undiscovered, hasClientSecret: true }],
    ['the platform, and the secret away', { platformUrl: 'https://dw.example.com', clientSecret: null }, { ...dropped, ...undiscovered, hasClientSecret: false }],
    ['the client id', { clientId: 'another' }, { ...dropped, ...undiscovered, hasClientSecret: true, clientId: 'another' }],
    ['the secret', { clientSecret: 'another' }, kept],
    ['the secret, expressly nothing else', { clientSecret: 'another', dropTokens: false }, kept],
    ['the secret away', { clientSecret: null }, { ...kept, hasClientSecret: false }],
    ['the secret, and the tokens', { clientSecret: 'another', dropTokens: true }, { ...dropped, discovered: kept.discovered, lastSync: kept.lastSync, hasClientSecret: true }],
    ['the tokens alone', { dropTokens: true }, { ...dropped, discovered: kept.discovered, hasClientSecret: true }]
  ]
  for (const [name, patch, expected] of cases) {
    const { id } = await authorized(app, dw, 'changing')
    await app.docuware.sync(id)
    const changed = await connections.update(id, patch)
    t.match(changed, expected, name)
    t.strictSame(await connections.get(id), changed, 'and so it is kept')
    const { clientSecret } = await connections.secrets(id)
    t.equal(clientSecret, patch.clientSecret ?? (changed.hasClientSecret ? dw.clientSecret : null), `${name}: whose secret`)
    await connections.remove(id)
  }
})

t.test('security 55: a connection whose host was changed sends the new host neither the secret nor a token of the old one', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const other = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  await app.docuware.connections.update(id, { platformUrl: other.dw.platformUrl })
  await t.rejects(app.docuware.client(id).organizations(), { code: 'DWA_DOCUWARE_NOT_AUTHORIZED' })
  const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })
  t.ok(String(started.headers.location).startsWith(other.dw.identityUrl))
  const state = new URL(String(started.headers.location)).searchParams.get('state') ?? ''
  const callback = await app.inject({ url: `/docuware/oauth/callback?${new URLSearchParams({ code: 'x', state }).toString()}`, headers: { cookie: cookieOf(started) } })
  t.equal(callback.statusCode, 502)
  t.strictSame(other.dw.calls().filter(({ path }) => path === '/connect/token').map(({ parameters = [], authorization }) => [[...parameters].sort(), authorization]), [[['client_id', 'code', 'code_verifier', 'grant_type', 'redirect_uri'], undefined]], 'no secret')
  t.strictSame(Object.values(dw.secretsIssued()).flat().filter((secret) => Object.values(other.dw.secretsIssued()).flat().includes(secret)), [], 'nothing of the one was seen at the other')
})

t.test('of two changes of one version, one is made', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { connections } = app.docuware
  const { id, version } = await connect(app, dw)
  t.match(await connections.update(id, { name: 'b' }, { version }), { name: 'b', version: 2 })
  await t.rejects(connections.update(id, { name: 'c' }, { version }), { code: 'DWA_STORE_CONFLICT', statusCode: 412 })
  await t.rejects(connections.remove(id, { version }), { code: 'DWA_STORE_CONFLICT' })
  for (const wrong of [0, 3, '2', { $gt: 0 }, null]) await t.rejects(connections.update(id, { name: 'c' }, anything({ version: wrong })), { code: 'DWA_STORE_CONFLICT' }, JSON.stringify(wrong))
  const outcomes = await Promise.all(Array.from({ length: 10 }, async (_, index) => await connections.update(id, { name: `name ${index}` }, { version: 2 }).then(() => 'made', ({ code }: { code: string }) => code)))
  t.strictSame(outcomes.sort(), [...Array<string>(9).fill('DWA_STORE_CONFLICT'), 'made'])
  const all = await Promise.all(Array.from({ length: 5 }, async (_, index) => await connections.update(id, { clientSecret: `secret ${index}` })))
  t.strictSame(all.map((view) => view.version).sort(), [4, 5, 6, 7, 8], 'without a version each finds its turn')
  await connections.remove(id, { version: 8 })
  t.equal(await connections.get(id), null)
})

t.test('who changed it, and why, is in the entry; what event it is, is not the caller\'s to say', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { connections } = app.docuware
  const change = { actor: { type: 'user', id: 'ann' }, requestId: 'r1', message: 'because', details: { ticket: 7 }, event: 'connection.authorized' }
  const { id } = await connections.create({ name: 'acme', platformUrl: dw.platformUrl, clientId: dw.clientId, clientSecret: 'a secret of mine' }, change)
  await connections.update(id, { clientSecret: 'another secret' }, change)
  await connections.secrets(id, change)
  await connections.remove(id, change)
  const entries = (await app.auditLog.find({ target: id })).reverse()
  t.match(entries, ['created', 'updated', 'secrets_read', 'deleted'].map((verb) => ({ event: `connection.${verb}`, actor: change.actor, requestId: 'r1', message: 'because', target: { type: 'connection', id, name: 'acme' } })))
  t.match(entries[1]?.details, { ticket: 7, changed: ['clientSecret', 'configuration'] })
  t.notMatch(JSON.stringify(entries), /a secret of mine|another secret/)
})

t.test('security 35, 55: secrets are encrypted at rest, and in no view, answer or entry; reading them leaves an entry first', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, dw } = await docuwareApp(t, { uri })
  const { connections } = app.docuware
  const secrets = (): string[] => [String(dw.clientSecret), ...dw.secretsIssued().accessTokens, ...dw.secretsIssued().refreshTokens]
  const shown: unknown[] = []
  const { id } = await connect(app, dw)
  const headers = asDocuware
  shown.push(await authorize(app, dw, id, { accept: 'text/html' }).then(({ body, headers }) => [body, headers]))
  const view = await connections.get(id)
  t.strictSame(Object.keys(view ?? {}).sort(), ['account', 'clientId', 'createdAt', 'discovered', 'expiresAt', 'hasAccessToken', 'hasClientSecret', 'hasRefreshToken', 'id', 'lastSync', 'name', 'platformUrl', 'scopes', 'status', 'statusMessage', 'syncingSince', 'updatedAt', 'version'])
  t.match(view, { hasClientSecret: true, hasAccessToken: true, hasRefreshToken: true })
  shown.push(view, await connections.list(), await connections.update(id, { name: 'b' }), await connections.update(id, { clientSecret: String(dw.clientSecret) }))
  shown.push(await app.store.records<StoredConnection>(connectionKind).get(id), await app.docuware.sync(id))
  for (const [method, action] of [['GET', 'authorize'], ['POST', 'authorize'], ['POST', 'sync'], ['POST', 'revoke']] as const) {
    const { body, headers: answered } = await app.inject({ method, url: `/docuware/connections/${id}/${action}`, headers })
    shown.push(body, answered)
  }
  await authorize(app, dw, id)
  for (const secret of secrets()) t.notOk(JSON.stringify(shown).includes(secret))

  t.equal((await app.auditLog.find({ event: 'connection.secrets_read' })).length, 0)
  const read = await connections.secrets('b')
  t.strictSame(read, { clientSecret: dw.clientSecret, accessToken: dw.secretsIssued().accessTokens.at(-1), refreshToken: dw.secretsIssued().refreshTokens.at(-1) })
  const reads = await app.auditLog.find({ event: 'connection.secrets_read' })
  t.match(reads, [{ level: 'warning', target: { type: 'connection', id, name: 'b' } }])
  t.equal(reads.length, 1, 'one entry for one look')
  const unlogged = new Connections({ records: app.store.records(connectionKind), auditLog: { append: async () => { throw new Error('no entry') } }, allowInsecure: true, onChange () {} })
  await t.rejects(unlogged.secrets(id), { message: 'no entry' }, 'without an entry there are no secrets')
  const bare = await connections.create({ name: 'native', platformUrl: 'acme', clientId: 'x' })
  t.strictSame(await connections.secrets(bare.id), { clientSecret: null, accessToken: null, refreshToken: null })

  const client = new MongoClient(uri)
  t.teardown(() => client.close())
  const documents = await Promise.all((await client.db().listCollections().toArray()).map(async ({ name }) => await client.db().collection(name).find().toArray()))
  t.match(JSON.stringify(documents), 'connection.secrets_read')
  for (const secret of secrets()) t.notOk(JSON.stringify(documents).includes(secret))
})

t.test('a new secret revives a connection whose client was rejected', async (t) => {
  const { app, dw } = await docuwareApp(t, { simulator: { lifetimes: { accessToken: 200 } } })
  const { id } = await authorized(app, dw)
  dw.expireClientSecret()
  dw.expireTokens()
  await t.rejects(app.docuware.client(id).whoami(), { code: 'DWA_DOCUWARE_CLIENT_REJECTED' })
  t.match(await app.docuware.connections.get(id), { status: 'error', statusMessage: /secret has expired/ })
  t.match(await app.docuware.connections.update(id, { name: 'b' }), { status: 'error' }, 'by nothing else')
  t.match(await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() }), { status: 'authorized', statusMessage: null })
  await t.resolves(app.docuware.client(id).whoami())

  await app.docuware.connections.update(id, { clientSecret: 'wrong', dropTokens: true })
  await setStatus(t, app.store.connection.collection(app.store.collectionName('connections')), 'error')
  t.match(await app.docuware.connections.update(id, { clientSecret: 'right' }), { status: 'draft' }, 'one without tokens must be authorized')
})

async function setStatus (t: Test, collection: { updateOne: (filter: object, change: object) => Promise<{ modifiedCount: number }> }, status: ConnectionView['status']): Promise<void> {
  t.equal((await collection.updateOne({}, { $set: { status } })).modifiedCount, 1)
}
