import dns, { type LookupAddress } from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { discover, isSameIssuer, type DiscoveryOptions } from '../../lib/docuware/discovery.js'
import { errors } from '../../lib/errors.js'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'
import { clockAt } from '../app.js'
import { asDocuware, authorize, authorized, connect, cookieOf, docuwareApp } from './docuware-app.js'
import { json, redirect, startStub, type Stub, type StubRoutes } from './stub.js'

const base = '/DocuWare/Platform'
const info = `${base}/Home/IdentityServiceInfo`
const configuration = '/identity/.well-known/openid-configuration'
const options: DiscoveryOptions = { allowInsecure: true, now: () => 1_000 }

const documentsOf = (dw: DocuWare) => dw.calls().map(({ origin, method, path }) => `${origin} ${method} ${path}`)
const platformDocument = 'platform GET /Home/IdentityServiceInfo'
const identityDocument = 'identity GET /.well-known/openid-configuration'

async function simulator (t: Test, options?: DocuWareOptions): Promise<DocuWare> {
  const dw = await startDocuWare(options)
  t.teardown(() => dw.stop())
  return dw
}

/** A platform and an identity service that tell the truth, with some members and answers changed. */
async function service (t: Test, change: { info?: object, metadata?: (origin: string) => object, routes?: (origin: string) => StubRoutes } = {}): Promise<Stub & { readonly platformUrl: string }> {
  const stub = await startStub(t, (origin) => ({
    [info]: json({ IdentityServiceUrl: `${origin}/identity`, RefreshTokenSupported: true, ...change.info }),
    [configuration]: json({
      issuer: `${origin}/identity`,
      authorization_endpoint: `${origin}/identity/connect/authorize`,
      token_endpoint: `${origin}/identity/connect/token`,
      ...change.metadata?.(origin)
    }),
    ...change.routes?.(origin)
  }))
  return { ...stub, platformUrl: stub.origin + base }
}

// It takes ten seconds, beside the other tests.
const patient = await simulator(t)
patient.slowNext(1, { path: '/Home/IdentityServiceInfo', dripMs: 400 })
const began = performance.now()
const patience = discover(patient.platformUrl, options).then(() => 'an answer', (error: Error) => error.message).then((outcome) => ({ outcome, took: performance.now() - began }))

t.test('two documents, asked for as JSON, say where everything is', async (t) => {
  const dw = await simulator(t)
  const found = await discover(dw.platformUrl, options)
  const at = (name: string): string => `${dw.identityUrl}/connect/${name}`
  t.strictSame(found, {
    identityUrl: dw.identityUrl,
    issuer: dw.identityUrl,
    authorizationEndpoint: at('authorize'),
    tokenEndpoint: at('token'),
    userinfoEndpoint: at('userinfo'),
    revocationEndpoint: at('revocation'),
    refreshTokenSupported: true,
    at: 1_000
  })
  t.strictSame(documentsOf(dw), [platformDocument, identityDocument])
  t.strictSame(dw.calls().map(({ accept, query, authorization }) => ({ accept, query, authorization })), [1, 2].map(() => ({ accept: 'application/json', query: {}, authorization: undefined })), 'and with nothing else')
})

t.test('what may differ', async (t) => {
  const cases: Array<[name: string, options: DocuWareOptions, expected: (dw: DocuWare) => object]> = [
    ['the members\' letter case', { keyCase: 'camel' }, (dw) => ({ identityUrl: dw.identityUrl, refreshTokenSupported: true })],
    ['no refresh tokens', { refreshTokenSupported: false }, () => ({ refreshTokenSupported: false })],
    ['the issuer\'s letter case, on premises', { issuerCase: 'upper' }, (dw) => ({ issuer: dw.identityUrl.toUpperCase().replace('HTTP:', 'http:'), tokenEndpoint: `${dw.identityUrl}/connect/token` })],
    ['a query of the endpoints, which stays', { endpointQuery: 'tenant=acme&x=%20' }, (dw) => ({ authorizationEndpoint: `${dw.identityUrl}/connect/authorize?tenant=acme&x=%20`, tokenEndpoint: `${dw.identityUrl}/connect/token?tenant=acme&x=%20` })]
  ]
  for (const [name, options, expected] of cases) {
    const dw = await simulator(t, options)
    t.match(await discover(dw.platformUrl, { allowInsecure: true, now: Date.now }), expected(dw), name)
  }
  for (const [name, url] of Object.entries({ 'slashes at the end': '/identity//', 'blanks around it': '/identity \n' })) {
    const stub: Stub & { platformUrl: string } = await service(t, { routes: (origin) => ({ [info]: json({ IdentityServiceUrl: `  ${origin}${url}` }) }) })
    t.match(await discover(stub.platformUrl, options), { identityUrl: `${stub.origin}/identity`, refreshTokenSupported: true }, name)
  }
  const bare = await service(t)
  t.strictSame(Object.keys(await discover(bare.platformUrl, options)).sort(), ['at', 'authorizationEndpoint', 'identityUrl', 'issuer', 'refreshTokenSupported', 'tokenEndpoint'], 'neither userinfo nor revocation')
  const near = await service(t, {
    routes: (origin) => ({
      [info]: redirect(`${base}/elsewhere?a=b`, 307),
      [`${base}/elsewhere`]: redirect('here', 301),
      [`${base}/here`]: json({ IdentityServiceUrl: `${origin}/identity` })
    })
  })
  await t.resolves(discover(near.platformUrl, options), 'a redirect on the same origin')
  t.strictSame(near.requests.slice(0, 3), [`GET ${info}`, `GET ${base}/elsewhere?a=b`, `GET ${base}/here`])
})

t.test('a platform that names no identity service', async (t) => {
  for (const identityServiceUrl of ['', '   ', null]) {
    const dw = await simulator(t, { identityServiceUrl })
    await t.rejects(discover(dw.platformUrl, options), { code: 'DWA_DOCUWARE_NO_IDENTITY_SERVICE', statusCode: 502 }, JSON.stringify(identityServiceUrl))
  }
  for (const IdentityServiceUrl of [7, true, ['https://login.example.net'], {}]) {
    await t.rejects(discover((await service(t, { info: { IdentityServiceUrl } })).platformUrl, options), { code: 'DWA_DOCUWARE_NO_IDENTITY_SERVICE' }, JSON.stringify(IdentityServiceUrl))
  }
})

t.test('security 49: an answer that is something else is named as what it is', async (t) => {
  const paths = { IdentityServiceInfo: { on: 'platform', path: '/Home/IdentityServiceInfo' }, 'openid-configuration': { on: 'identity', path: '/.well-known/openid-configuration' } } as const
  const plans: Array<[problem: string, plan: (dw: DocuWare, filter: { on: 'platform' | 'identity', path: string }) => void]> = [
    ['answered XML where JSON was expected', (dw, filter) => { dw.disguiseNext(1, 'xml', filter) }],
    ['answered HTML where JSON was expected', (dw, filter) => { dw.disguiseNext(1, 'html', filter) }],
    ['answered with status 404', (dw, filter) => { dw.failNext(1, 404, filter) }],
    ['answered with status 500', (dw, filter) => { dw.failNext(1, 500, filter) }],
    ['answered with status 503', (dw, filter) => { dw.disguiseNext(1, 'html', { ...filter, status: 503 }) }],
    ['socket hang up', (dw, filter) => { dw.dropNext(1, filter) }],
    ['aborted', (dw, filter) => { dw.dropNext(1, { ...filter, when: 'body' }) }]
  ]
  const dw = await simulator(t)
  for (const [document, filter] of Object.entries(paths)) {
    for (const [problem, plan] of plans) {
      plan(dw, filter)
      await t.rejects(discover(dw.platformUrl, options), { code: 'DWA_DOCUWARE_DISCOVERY', statusCode: 502, message: `Discovery failed: ${document} ${problem}` }, `${document} ${problem}`)
    }
  }
  await t.resolves(discover(dw.platformUrl, options), 'and the next time it is well again')

  const odd: Array<[name: string, answer: StubRoutes[string], problem: string]> = [
    ['text', (_, response) => { response.writeHead(200, { 'content-type': 'text/plain' }).end('{}') }, 'answered another media type where JSON was expected'],
    ['no media type', (_, response) => { response.writeHead(200).end('{}') }, 'answered another media type where JSON was expected'],
    ['half a document, which is not quoted', json('{"IdentityServiceUrl": "https://se'), 'answered with malformed JSON'],
    ['an empty body', json(''), 'answered with malformed JSON'],
    ['a list', json([]), 'is no JSON object'],
    ['null', json(null), 'is no JSON object'],
    ['compressed', json({}, { 'content-encoding': 'gzip' }), 'answered compressed']
  ]
  for (const [name, answer, problem] of odd) {
    const stub = await service(t, { routes: () => ({ [info]: answer }) })
    await t.rejects(discover(stub.platformUrl, options), { message: `Discovery failed: IdentityServiceInfo ${problem}` }, name)
  }
})

t.test('security 49: a redirect to another origin, to nowhere or in a circle is not followed', async (t) => {
  const dw = await simulator(t, { discovery: 'foreign-redirect' })
  await t.rejects(discover(dw.platformUrl, options), { message: 'Discovery failed: openid-configuration is redirected to another origin' })
  t.strictSame(documentsOf(dw), [platformDocument, identityDocument], 'nobody asked there')
  const cases: Array<[name: string, location: string | undefined, problem: string, requests: number]> = [
    ['another port', 'http://127.0.0.1:1/', 'to another origin', 1],
    ['another name of this machine', `http://localhost${info}`, 'to another origin', 1],
    ['a cloud\'s metadata', 'http://169.254.169.254/latest/meta-data', 'to another origin', 1],
    ['another scheme', 'file:///etc/passwd', 'to another origin', 1],
    ['no address', 'http://[', 'to nowhere', 1],
    ['no Location', undefined, 'to nowhere', 1],
    ['itself', info, 'in a circle', 4],
    ['a path relative to another host', '//127.0.0.2/', 'to another origin', 1]
  ]
  for (const [name, location, problem, requests] of cases) {
    const stub = await service(t, { routes: () => ({ [info]: redirect(location) }) })
    await t.rejects(discover(stub.platformUrl, options), { code: 'DWA_DOCUWARE_DISCOVERY', message: `Discovery failed: IdentityServiceInfo is redirected ${problem}` }, name)
    t.equal(stub.requests.length, requests, name)
  }
})

t.test('security 49: time and size are bounded', async (t) => {
  const dw = await simulator(t, { discovery: 'huge' })
  await t.rejects(discover(dw.platformUrl, options), { message: 'Discovery failed: openid-configuration answered with more than 262144 bytes' })
  dw.set({ discovery: 'honest' })
  const bounded = { ...options, timeoutMs: 250 }
  for (const [document, filter] of Object.entries({ IdentityServiceInfo: { on: 'platform' }, 'openid-configuration': { on: 'identity' } } as const)) {
    for (const [name, pace] of Object.entries({ 'a slow start': { delayMs: 60_000 }, 'a slow drip': { dripMs: 50 } })) {
      dw.slowNext(1, { ...filter, ...pace })
      const began = performance.now()
      await t.rejects(discover(dw.platformUrl, bounded), { code: 'DWA_DOCUWARE_DISCOVERY', message: new RegExp(`^Discovery failed: ${document} no complete answer within 250 ms$`) }, `${name} of ${document}`)
      t.ok(performance.now() - began < 5_000, name)
      dw.clearPlans()
    }
  }
  const stub = await service(t, {
    routes: () => ({
      [info]: (_, response) => { setTimeout(() => { redirect(info)(_, response) }, 150) }
    })
  })
  await t.rejects(discover(stub.platformUrl, bounded), { message: /^Discovery failed: IdentityServiceInfo no complete answer within \d+ ms$/ }, 'redirects do not add up')
  t.equal(stub.requests.length, 2)
})

t.test('security 49: what the metadata says of addresses is not believed', async (t) => {
  const switches: Array<[DocuWareOptions['discovery'], string]> = [
    ['foreign-endpoints', 'openid-configuration has a userinfo_endpoint of another origin'],
    ['foreign-token-endpoint', 'openid-configuration has a token_endpoint of another origin'],
    ['foreign-issuer', 'openid-configuration is that of another issuer'],
    ['no-endpoints', 'openid-configuration has no usable authorization_endpoint']
  ]
  for (const [discovery = 'honest', problem] of switches) {
    const dw = await simulator(t, { discovery })
    await t.rejects(discover(dw.platformUrl, options), { code: 'DWA_DOCUWARE_DISCOVERY', message: `Discovery failed: ${problem}` }, discovery)
    t.notOk(dw.calls().some(({ origin }) => origin === 'foreign'), 'nobody asked there')
  }

  const issuers: Array<[issuer: unknown, same: boolean]> = [
    ['/identity', true], ['/identity/', true], ['/IDENTITY', true],
    ['/identity2', false], ['', false], ['/identity?x', false], ['/identity#x', false], ['/other/identity', false], [7, false], [undefined, false]
  ]
  for (const [issuer, same] of issuers) {
    const stub = await service(t, { metadata: (origin) => ({ issuer: typeof issuer === 'string' ? origin + issuer : issuer }) })
    const found = discover(stub.platformUrl, options)
    await (same ? t.resolves(found, `issuer ${String(issuer)}`) : t.rejects(found, { message: /another issuer/ }, `issuer ${String(issuer)}`))
  }
  for (const issuer of ['not a URL', 'http://127.0.0.1:1/identity', 'http://localhost/identity', 'https://login.example.net/identity']) t.equal(isSameIssuer(issuer, new URL('http://127.0.0.1:2/identity')), false, issuer)

  const endpoints: Array<[name: string, endpoint: (origin: string) => unknown, problem: string]> = [
    ['plain http', () => 'http://login.example.net/token', 'no usable'],
    ['credentials', (origin) => origin.replace('//', '//ann:secret@'), 'no usable'],
    ['a fragment', (origin) => `${origin}/token#x`, 'no usable'],
    ['another scheme', () => 'javascript:alert(1)', 'no usable'],
    ['a path alone', () => '/token', 'no usable'],
    ['no text', () => 7, 'no usable'],
    ['another port', () => 'http://127.0.0.1:1/token', 'of another origin'],
    ['another name', (origin) => origin.replace('127.0.0.1', 'localhost'), 'of another origin']
  ]
  for (const [name, endpoint, problem] of endpoints) {
    const stub = await service(t, { metadata: (origin) => ({ token_endpoint: endpoint(origin) }) })
    await t.rejects(discover(stub.platformUrl, options), { message: problem === 'no usable' ? /has no usable token_endpoint$/ : /has a token_endpoint of another origin$/ }, name)
  }
  const optional = await service(t, { metadata: () => ({ revocation_endpoint: 'http://login.example.net/revoke' }) })
  await t.rejects(discover(optional.platformUrl, options), { message: /has no usable revocation_endpoint/ }, 'one that could be left out must be good when it is there')

  for (const url of ['http://login.example.net', 'ftp://127.0.0.1/', 'identity', 'https://ann:secret@login.example.net', 'https://login.example.net/#x']) {
    const stub = await service(t, { info: { IdentityServiceUrl: url } })
    await t.rejects(discover(stub.platformUrl, options), { message: 'Discovery failed: IdentityServiceInfo has no usable IdentityServiceUrl' }, url)
  }
  const query = await service(t, { info: { IdentityServiceUrl: 'https://login.example.net/identity?tenant=1' } })
  await t.rejects(discover(query.platformUrl, options), { message: 'Discovery failed: IdentityServiceInfo has an IdentityServiceUrl with a query' })
  const plain = await service(t)
  await t.rejects(discover(plain.platformUrl, { ...options, allowInsecure: false }), { message: /has no usable IdentityServiceUrl/ }, 'http on loopback only where it is allowed')
})

t.test('security 49: a cloud host with a private address is refused, one of your own is not', async (t) => {
  const { lookup } = dns
  const addresses: { [name: string]: string[] } = {
    'one.docuware.cloud': ['127.0.0.1'],
    'two.docuware.cloud': ['93.184.215.14', '10.0.0.7'],
    'three.docuware.cloud': ['fd00::1'],
    'dw.example.com': ['127.0.0.1']
  }
  const resolve = (name: string, _: object, callback: (error: Error | null, found: LookupAddress[]) => void): void => {
    callback(null, (addresses[name] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
  }
  Object.assign(dns, { lookup: resolve })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(dns, { lookup })
    syncBuiltinESMExports()
  })
  for (const [name, address] of [['one', '127.0.0.1'], ['two', '10.0.0.7'], ['three', 'fd00::1']] as const) {
    await t.rejects(discover(`https://${name}.docuware.cloud${base}`, options), { code: 'DWA_DOCUWARE_DISCOVERY', message: `Discovery failed: IdentityServiceInfo ${name}.docuware.cloud resolves to ${address}, which is not global` }, name)
  }
  await t.rejects(discover(`https://dw.example.com:1${base}`, options), { message: 'Discovery failed: IdentityServiceInfo connect ECONNREFUSED 127.0.0.1:1' }, 'on premises it is tried')
})

t.test('nothing is asked for at boot, and a dead platform keeps no app from starting', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const { app, uri } = await docuwareApp(t, { dw })
  await connect(app, dw)
  await connect(app, { ...dw, platformUrl: `http://127.0.0.1:1${base}` }, 'dead')
  await app.close()
  const again = await docuwareApp(t, { dw, uri })
  await again.app.ready()
  t.strictSame(dw.calls(), [])
  t.match(await again.app.docuware.connections.list(), [{ name: 'acme', discovered: null }, { name: 'dead', discovered: null }])
})

t.test('the first authorization discovers, the record remembers, and a failure is told, written down and not remembered', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id } = await connect(app, dw)
  const start = async (accept: string) => await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: { ...asDocuware, accept } })
  dw.disguiseNext(2, 'xml')
  const problem = 'Discovery failed: IdentityServiceInfo answered XML where JSON was expected'
  const failed = await start('application/json')
  t.equal(failed.statusCode, 502)
  t.match(failed.json(), { code: 'DWA_DOCUWARE_DISCOVERY', message: problem })
  const page = await start('text/html')
  t.match([page.statusCode, page.headers['content-type'], page.body], [502, 'text/html; charset=utf-8', problem])
  t.match(await app.auditLog.find({ event: 'connection.discovery_failed' }), [1, 2].map(() => ({ level: 'warning', target: { id, name: 'acme' }, details: { reason: `FastifyError: ${problem}` } })))
  t.match(await app.docuware.connections.get(id), { discovered: null, version: 1 })
  dw.clearCalls()

  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.strictSame(documentsOf(dw).filter((call) => [platformDocument, identityDocument].includes(call)), [platformDocument, identityDocument], 'once')
  t.match(await app.docuware.connections.get(id), { discovered: { identityUrl: dw.identityUrl, refreshTokenSupported: true } })
  t.match(await app.auditLog.find({ event: 'connection.discovered' }), [{ target: { id }, details: { identityUrl: dw.identityUrl } }])
})

t.test('an identity service that has moved is looked for again', async (t) => {
  t.test('when an authorization begins', async (t) => {
    const { app, dw } = await docuwareApp(t)
    const { id } = await authorized(app, dw)
    const moved = dw.moveIdentity()
    dw.clearCalls()
    t.match(await authorize(app, dw, id), { statusCode: 200 })
    t.match(await app.docuware.connections.get(id), { status: 'authorized', discovered: { identityUrl: moved } })
    t.match(dw.counters(), { 'GET /Home/IdentityServiceInfo': 1, 'GET /connect/authorize': 1 })
  })

  t.test('when its host is gone', async (t) => {
    const { app, dw } = await docuwareApp(t)
    const { id } = await authorized(app, dw)
    const record = await app.docuware.connections.get(id)
    const elsewhere = 'http://127.0.0.1:1/gone'
    await app.store.connection.collection(app.store.collectionName('connections')).updateOne({ name: 'acme' }, { $set: { 'discovered.authorizationEndpoint': elsewhere, 'discovered.tokenEndpoint': elsewhere } })
    t.match(await authorize(app, dw, id), { statusCode: 200 })
    t.match(await app.docuware.connections.get(id), { discovered: { tokenEndpoint: record?.discovered?.tokenEndpoint } })
  })

  t.test('when the code is exchanged, once', async (t) => {
    const { app, dw } = await docuwareApp(t)
    const { id } = await connect(app, dw)
    const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })
    const back = new URL(await dw.signIn(String(started.headers.location)))
    back.searchParams.delete('iss') // which would be the old one's
    const moved = dw.moveIdentity()
    const answer = await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started) } })
    t.equal(answer.statusCode, 200, answer.body)
    t.match(await app.docuware.connections.get(id), { status: 'authorized', discovered: { identityUrl: moved } })

    for (const [name, plan, reason] of [
      ['still not there', () => { dw.failNext(Infinity, 404, { on: 'identity', path: '/connect/token' }) }, 'answered with status 404'],
      ['the platform does not say', () => { dw.failNext(1, 404, { on: 'identity', path: '/connect/token' }); dw.failNext(1, 500, { path: '/Home/IdentityServiceInfo' }) }, 'the token endpoint is not to be found']
    ] as const) {
      plan()
      dw.clearCalls()
      const refused = await authorize(app, dw, id)
      t.match(refused.json(), { code: 'DWA_DOCUWARE_EXCHANGE', message: `The authorization code could not be exchanged: ${reason}` }, name)
      t.match(dw.counters(), { 'GET /Home/IdentityServiceInfo': 1 }, name)
      dw.clearPlans()
    }
  })

  t.test('when a token is refreshed, once', async (t) => {
    let now = Date.now()
    const { app, dw } = await docuwareApp(t, { store: { clock: clockAt(() => now) } })
    const { id } = await authorized(app, dw)
    const moved = dw.moveIdentity()
    now += 3_400_000
    dw.clearCalls()
    await app.docuware.client(id).whoami()
    t.match(await app.docuware.connections.get(id), { status: 'authorized', discovered: { identityUrl: moved } })
    t.match(dw.counters(), { 'GET /Home/IdentityServiceInfo': 1, 'POST /{id}/connect/token refresh_token': 1, 'POST /connect/token refresh_token': 1 })

    now += 7_200_000
    dw.failNext(Infinity, 404, { on: 'identity', path: '/connect/token' })
    dw.clearCalls()
    await t.rejects(app.docuware.client(id).whoami(), { code: 'DWA_DOCUWARE_REFRESH_FAILED' })
    t.match(dw.counters(), { 'GET /Home/IdentityServiceInfo': 1, 'POST /connect/token refresh_token': 2 })
    t.match(await app.docuware.connections.get(id), { status: 'authorized', hasRefreshToken: true }, 'and nothing is lost')
  })

  t.test('when it is asked whose account it is, once', async (t) => {
    const { app, dw } = await docuwareApp(t)
    const { id } = await connect(app, dw)
    const { sub, username } = dw.user
    for (const [failures, account] of [[1, { sub, username, organization: dw.organization.name }], [Infinity, null]] as const) {
      dw.failNext(failures, 404, { on: 'identity', path: '/connect/userinfo' })
      t.match(await authorize(app, dw, id), { statusCode: 200 })
      t.strictSame((await app.docuware.connections.get(id))?.account, account)
      t.equal(dw.counters()['GET /connect/userinfo'], 2)
      dw.clearPlans()
      dw.clearCalls()
    }
  })

  t.test('when tokens are revoked, once for both of them', async (t) => {
    const { app, dw } = await docuwareApp(t)
    const { id } = await authorized(app, dw)
    const moved = dw.moveIdentity()
    dw.clearCalls()
    await app.docuware.revoke(id)
    t.strictSame(dw.counters(), { 'POST /{id}/connect/revocation': 2, 'GET /Home/IdentityServiceInfo': 1, 'GET /.well-known/openid-configuration': 1, 'POST /connect/revocation': 2 })
    t.match(await app.docuware.connections.get(id), { status: 'draft', hasAccessToken: false, discovered: { identityUrl: moved } })
    const notConfirmed = async () => (await app.auditLog.find({ event: 'connection.revoked' })).map(({ details }) => details['notConfirmed'])
    t.strictSame(await notConfirmed(), [undefined], 'and the identity service confirms both')

    for (const [name, plan] of Object.entries({
      'still not there': () => { dw.failNext(Infinity, 410, { on: 'identity', path: '/connect/revocation' }) },
      'the platform does not say': () => { dw.failNext(2, 404, { on: 'identity', path: '/connect/revocation' }); dw.failNext(1, 500, { path: '/Home/IdentityServiceInfo' }) }
    })) {
      t.match(await authorize(app, dw, id), { statusCode: 200 })
      dw.clearCalls()
      plan()
      await app.docuware.revoke(id)
      t.equal(dw.counters()['GET /Home/IdentityServiceInfo'], 1, name)
      t.match(await app.docuware.connections.get(id), { status: 'draft', hasAccessToken: false }, name)
      t.strictSame((await notConfirmed())[0], ['refresh_token', 'access_token'], name)
      dw.clearPlans()
    }
  })

  t.test('and not when it is slow, or not clear whether it is there', async (t) => {
    const { app, dw } = await docuwareApp(t, { docuware: { http: { timeoutMs: 700 } } })
    const { id } = await authorized(app, dw)
    for (const plan of [
      () => { dw.slowNext(1, { on: 'identity', method: 'HEAD', delayMs: 60_000 }) },
      () => { dw.failNext(1, 500, { on: 'identity', method: 'HEAD' }) },
      () => { dw.dropNext(1, { on: 'identity', method: 'HEAD' }) }
    ]) {
      plan()
      dw.clearCalls()
      t.match(await authorize(app, dw, id), { statusCode: 200 })
      t.match(dw.counters(), { 'HEAD /connect/authorize': 1, 'GET /connect/authorize': 1 })
      t.notOk(documentsOf(dw).includes(platformDocument))
    }
  })
})

t.test('a connection that became another one while it was looked for is not touched', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id } = await connect(app, dw)
  dw.slowNext(1, { path: '/Home/IdentityServiceInfo', delayMs: 300 })
  const start = app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })
  while (dw.calls().length === 0) await new Promise((resolve) => setImmediate(resolve))
  await app.docuware.connections.update(id, { platformUrl: 'https://elsewhere.example.com' })
  t.match((await start).json(), { statusCode: 412, code: 'DWA_STORE_CONFLICT' })
  t.match(await app.docuware.connections.get(id), { discovered: null, platformUrl: `https://elsewhere.example.com${base}` })
})

t.test('security 49: a document that drips is given up after ten seconds', async (t) => {
  const { outcome, took } = await patience
  t.equal(outcome, new errors.DWA_DOCUWARE_DISCOVERY('IdentityServiceInfo', 'no complete answer within 10000 ms').message)
  t.ok(took > 9_900 && took < 15_000, `${took} ms`)
})
