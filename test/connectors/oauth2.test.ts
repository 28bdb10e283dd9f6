import t, { type Test } from 'tap'
import { createConnector, oauth2, type Connector, type OAuth2Options, type OAuth2Strategy, type TokenStore } from '../../connectors.js'
import { startDocuWare, type DocuWare } from '../../testing/index.js'
import { ManualClock } from '../manual-clock.js'
import { eventually } from '../store-app.js'
import { json, startApi, type EchoApi } from './echo-api.js'

const redirectUri = 'http://127.0.0.1:3000/callback'

interface Made { readonly api: EchoApi, readonly clock: ManualClock, readonly store: Map<string, unknown>, readonly auth: OAuth2Strategy, readonly connector: Connector, readonly begin: () => Promise<URL>, readonly finish: (answer: object) => Promise<void> }

/** A connector whose authorization server is the API itself. */
async function made (t: Test, options: Partial<OAuth2Options> = {}): Promise<Made> {
  const api = await startApi(t)
  const clock = new ManualClock()
  const store = new Map<string, unknown>()
  const auth = oauth2({ clientId: 'the-client', clientSecret: 'the-client-secret', authorizationUrl: `${api.url}/authorize`, tokenUrl: `${api.url}/token`, redirectUri, scopes: ['read', 'write'], store, allowInsecure: true, clock, ...options })
  const connector = createConnector({ baseUrl: api.url, auth, allowInsecure: true, retries: 0 })
  const begin = async (): Promise<URL> => new URL(await auth.authorizationUrl())
  return {
    api,
    clock,
    store,
    auth,
    connector,
    begin,
    async finish (answer) {
      const state = (await begin()).searchParams.get('state') ?? ''
      api.answers.push(json(200, answer))
      await auth.exchange({ code: 'the-code', state })
    }
  }
}

const tokenRequests = ({ requests }: EchoApi): URLSearchParams[] => requests.filter(({ url }) => url === '/token').map(({ body }) => new URLSearchParams(body.toString()))
const sentWith = ({ requests }: EchoApi): unknown => requests.filter(({ url }) => url !== '/token').at(-1)?.headers.authorization
const hour = 3_600_000

/** Lets time pass while the test runs: a turn that has come to nothing waits a moment for the next. */
function letTimePass (t: Test, clock: ManualClock): void {
  const timer = setInterval(() => { clock.advance(25) }, 5)
  t.teardown(() => { clearInterval(timer) })
}

t.test('practice: requested scopes = configured ones; the two halves of an authorization: PKCE, a state of 32 random bytes that counts once', async (t) => {
  const { api, auth, connector, begin, store } = await made(t)
  const url = await begin()
  const { state = '', code_challenge: challenge, ...asked } = Object.fromEntries(url.searchParams)
  t.strictSame(asked, { response_type: 'code', client_id: 'the-client', redirect_uri: redirectUri, scope: 'read write', code_challenge_method: 'S256' })
  t.equal(Buffer.from(state, 'base64url').length, 32)
  t.notOk(JSON.stringify([...store]).includes(state), 'what is stored does not tell it')
  t.match(challenge, /^[\w-]{43}$/)
  t.not((await begin()).searchParams.get('state'), state)

  for (const callback of [{}, { code: 'c' }, { state }, { code: '', state }]) await t.rejects(auth.exchange(callback), { code: 'DWA_CONNECTOR_BAD_CALLBACK', message: 'Missing code or state' })
  await t.rejects(auth.exchange({ code: 'c', state: `${state}x` }), { code: 'DWA_CONNECTOR_INVALID_STATE', message: 'Invalid session' })
  await t.rejects(connector.get('/'), { code: 'DWA_CONNECTOR_NOT_AUTHORIZED' })
  api.answers.push(json(200, { access_token: 'token-1', token_type: 'bearer', expires_in: 3600, refresh_token: 'refresh-1' }))
  t.strictSame(await auth.exchange({ code: 'the-code', state }), { returnTo: null })
  const [exchange] = tokenRequests(api)
  t.match(Object.fromEntries(exchange ?? []), { grant_type: 'authorization_code', code: 'the-code', redirect_uri: redirectUri, client_id: 'the-client', client_secret: 'the-client-secret', code_verifier: /^[\w-]{43}$/ })
  await connector.get('/data')
  t.equal(sentWith(api), 'Bearer token-1')
  await t.rejects(auth.exchange({ code: 'the-code', state }), { code: 'DWA_CONNECTOR_INVALID_STATE' }, 'a state counts once')
  t.equal(tokenRequests(api).length, 1)
  await t.rejects(auth.exchange({ error: 'access_denied', state: (await begin()).searchParams.get('state') ?? '' }), { code: 'DWA_CONNECTOR_DENIED', message: /access_denied/ })
})

t.test('practice: state required, bound, single use: it ends after ten minutes, and is good for its own connector only', async (t) => {
  const { api, auth, clock, store, begin } = await made(t)
  const old = (await begin()).searchParams.get('state') ?? ''
  clock.advance(600_000)
  await t.rejects(auth.exchange({ code: 'c', state: old }), { code: 'DWA_CONNECTOR_INVALID_STATE' })
  t.equal(tokenRequests(api).length, 0)
  const back = new URL(await auth.authorizationUrl({ returnTo: '/home' })).searchParams.get('state') ?? ''
  const settings = { clientId: 'the-client', clientSecret: 'the-client-secret', authorizationUrl: `${api.url}/authorize`, tokenUrl: `${api.url}/token`, redirectUri, store, allowInsecure: true, clock }
  for (const change of [{ name: 'other' }, { clientId: 'another' }, { tokenUrl: `${api.url}/other` }]) await t.rejects(oauth2({ ...settings, ...change }).exchange({ code: 'c', state: back }), { code: 'DWA_CONNECTOR_INVALID_STATE' }, Object.keys(change).join())
  api.answers.push(json(200, { access_token: 'token-1' }))
  t.strictSame(await auth.exchange({ code: 'c', state: back }), { returnTo: '/home' }, 'which uses nothing up')
  await t.rejects(auth.authorizationUrl({ returnTo: 'https://evil.example' }), { code: 'DWA_CONNECTOR_INVALID_REQUEST' })
})

t.test('authorizations that nobody ends leave the store: after ten minutes with the next one that is begun, and the oldest of more than a thousand at once', async (t) => {
  const { api, auth, clock, store, begin } = await made(t)
  const underWay = (): number => [...store.keys()].filter((key) => key.includes('/state/')).length
  const stateOf = (url: URL): string => url.searchParams.get('state') ?? ''
  await begin()
  clock.advance(1)
  const kept = await Promise.all([begin(), begin(), begin()])
  clock.advance(599_999)
  kept.push(await begin())
  t.equal(underWay(), 4, 'the first has ended')
  api.answers.push(json(200, { access_token: 'token-1' }))
  await auth.exchange({ code: 'c', state: stateOf(kept[1] ?? new URL(redirectUri)) })
  t.equal(underWay(), 3, 'used')

  clock.advance(600_000)
  const again = oauth2({ clientId: 'the-client', clientSecret: 'the-client-secret', authorizationUrl: `${api.url}/authorize`, tokenUrl: `${api.url}/token`, redirectUri, store, allowInsecure: true, clock })
  const [oldest, next] = [new URL(await again.authorizationUrl()), await begin()]
  t.equal(underWay(), 2, 'also by a process that did not begin them')
  for (let more = 2; more < 1000; more++) await begin()
  t.equal(underWay(), 1000)
  const newest = await begin()
  t.equal(underWay(), 1000)
  await t.rejects(auth.exchange({ code: 'c', state: stateOf(oldest) }), { code: 'DWA_CONNECTOR_INVALID_STATE' })
  for (const url of [next, newest]) {
    api.answers.push(json(200, { access_token: 'token-1' }))
    t.strictSame(await auth.exchange({ code: 'c', state: stateOf(url) }), { returnTo: null })
  }
})

t.test('practice: refresh before expiry, from five minutes before on; a refresh answer without a refresh token keeps the old one', async (t) => {
  const { api, clock, connector, finish } = await made(t)
  await finish({ access_token: 'token-1', expires_in: 3600, refresh_token: 'refresh-1' })
  clock.advance(hour - 300_001)
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-1')
  clock.advance(1)
  api.answers.push(json(200, { access_token: 'token-2', expires_in: 3600 }))
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-2')
  clock.advance(hour)
  api.answers.push(json(200, { access_token: 'token-3', expires_in: 3600, refresh_token: 'refresh-2' }))
  await connector.get('/')
  clock.advance(hour)
  api.answers.push(json(200, { access_token: 'token-4' }))
  await connector.get('/')
  t.strictSame(tokenRequests(api).slice(1).map((form) => [form.get('grant_type'), form.get('refresh_token')]), [['refresh_token', 'refresh-1'], ['refresh_token', 'refresh-1'], ['refresh_token', 'refresh-2']])
  clock.advance(hour - 300_001)
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-4', 'without expires_in it counts as an hour')
})

t.test('how long before its end a token is refreshed is an option; one without an end is not refreshed', async (t) => {
  const { api, clock, connector, finish, store } = await made(t, { refreshBeforeSeconds: 60 })
  await finish({ access_token: 'token-1', expires_in: 3600, refresh_token: 'refresh-1' })
  clock.advance(hour - 60_001)
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-1')
  clock.advance(1)
  api.answers.push(json(200, { access_token: 'token-2', expires_in: 3600 }))
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-2')

  for (const [key, kept] of store) {
    if (typeof kept !== 'object' || kept === null || !('fields' in kept)) continue
    const { expiresAt: _, ...endless } = Object(kept.fields)
    store.set(key, { ...kept, fields: endless })
  }
  clock.advance(10_000 * hour)
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-2')
  t.equal(tokenRequests(api).length, 2)
})

t.test('practice: an expired token is refreshed, the request sent once more, and the refresh shared', async (t) => {
  const { api, clock, connector, finish } = await made(t)
  letTimePass(t, clock)
  await finish({ access_token: 'token-1', expires_in: 3600, refresh_token: 'refresh-1' })
  for (let at = 0; at < 5; at++) api.answers.push(json(401, { error: 'expired' }))
  api.answers.push(json(200, { access_token: 'token-2', expires_in: 3600, refresh_token: 'refresh-2' }))
  const answers = await Promise.all(Array.from({ length: 5 }, async () => await connector.post('/orders', { json: { a: 1 } })))
  t.strictSame(answers.map(({ status }) => status), [200, 200, 200, 200, 200])
  t.equal(tokenRequests(api).length, 2)
  t.equal(sentWith(api), 'Bearer token-2')

  api.answers.push(json(401, {}), json(200, { access_token: 'token-3', refresh_token: 'refresh-3' }), json(401, {}))
  await t.rejects(connector.get('/'), { code: 'DWA_CONNECTOR_HTTP', status: 401 }, 'once, and no more')
  t.equal(tokenRequests(api).length, 3)
})

t.test('an API that refuses every new token does not make a refresh of each request', async (t) => {
  const { api, connector, finish } = await made(t)
  await finish({ access_token: 'token-1', expires_in: 3600, refresh_token: 'refresh-1' })
  let issued = 1
  const answer = ({ url }: { readonly url: string }, response: Parameters<EchoApi['answers'][number]>[1]): void => {
    const [status, body] = url === '/token' ? [200, { access_token: `token-${++issued}`, expires_in: 3600, refresh_token: `refresh-${issued}` }] : [401, {}]
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  api.answers.push(...Array.from({ length: 100 }, () => answer))
  for (let at = 0; at < 10; at++) await t.rejects(connector.get('/'), { code: /^DWA_CONNECTOR_(HTTP|REFRESH_FAILED)$/ })
  t.ok(issued < 6, `${issued - 1} refreshes for 10 requests`)
})

t.test('tokens of another client are not found in the same store', async (t) => {
  const { api, connector, finish, store } = await made(t)
  await finish({ access_token: 'token-1', expires_in: 3600, refresh_token: 'refresh-1' })
  const settings = { clientId: 'the-client', clientSecret: 'the-client-secret', authorizationUrl: `${api.url}/authorize`, tokenUrl: `${api.url}/token`, redirectUri, store, allowInsecure: true }
  for (const change of [{ clientId: 'another' }, { tokenUrl: `${api.url}/other/token` }, { authorizationUrl: `${api.url}/other` }]) {
    const other = createConnector({ baseUrl: api.url, auth: oauth2({ ...settings, ...change }), allowInsecure: true })
    await t.rejects(other.get('/'), { code: 'DWA_CONNECTOR_NOT_AUTHORIZED' })
  }
  t.equal(api.requests.filter(({ url }) => url !== '/token').length, 0)
  t.match(await connector.get('/'), { status: 200 })
})

t.test('a token endpoint is known however it is spelled', async (t) => {
  for (const spelled of [(url: string) => url.replace('127.0.0.1', 'LOCALHOST'), (url: string) => url.replace('http', 'HTTP'), (url: string) => url.replace(/\/token$/, '/a/../token')]) {
    const api = await startApi(t)
    const auth = oauth2({ clientId: 'c', authorizationUrl: `${api.url}/authorize`, tokenUrl: spelled(`${api.url}/token`), redirectUri, store: new Map(), allowInsecure: true })
    const state = new URL(await auth.authorizationUrl()).searchParams.get('state') ?? ''
    api.answers.push(json(200, { access_token: 'token-1' }))
    await auth.exchange({ code: 'c', state })
    t.equal(tokenRequests(api).length, 1)
  }
})

t.test('an endpoint on loopback may be http, also beside one elsewhere', async (t) => {
  const { api, auth } = await made(t, { tokenUrl: 'https://id.example/token' })
  const url = new URL(await auth.authorizationUrl())
  t.equal(url.origin + url.pathname, `${api.url}/authorize`)
  const { connector, finish } = await made(t, { authorizationUrl: 'https://id.example/authorize' })
  await finish({ access_token: 'token-1' })
  t.match(await connector.get('/'), { status: 200 })
})

t.test('with an issuer, who comes back must say it', async (t) => {
  const { api, auth, begin } = await made(t, { issuer: 'https://id.example' })
  for (const iss of [undefined, 'https://other.example']) {
    const state = (await begin()).searchParams.get('state') ?? ''
    await t.rejects(auth.exchange({ code: 'c', state, ...(iss === undefined ? {} : { iss }) }), { code: 'DWA_CONNECTOR_FOREIGN_ISSUER' })
  }
  t.equal(tokenRequests(api).length, 0)
  const state = (await begin()).searchParams.get('state') ?? ''
  api.answers.push(json(200, { access_token: 'token-1' }))
  await auth.exchange({ code: 'c', state, iss: 'https://id.example' })
})

t.test('what a refresh may come to', async (t) => {
  const cases: Array<[name: string, answer: object | null, code: string, status: number]> = [
    ['no refresh token', null, 'DWA_CONNECTOR_NO_REFRESH_TOKEN', 0],
    ['invalid_grant', { error: 'invalid_grant' }, 'DWA_CONNECTOR_REAUTHORIZE', 400],
    ['invalid_client', { error: 'invalid_client' }, 'DWA_CONNECTOR_CLIENT_REJECTED', 401],
    ['nonsense', [], 'DWA_CONNECTOR_REFRESH_FAILED', 200],
    ['an outage', {}, 'DWA_CONNECTOR_REFRESH_FAILED', 503]
  ]
  for (const [name, answer, code, status] of cases) {
    const { api, clock, connector, finish } = await made(t)
    letTimePass(t, clock)
    await finish({ access_token: 'token-1', expires_in: 3600, ...(answer === null ? {} : { refresh_token: 'refresh-1' }) })
    clock.advance(hour)
    if (answer !== null) api.answers.push(json(status, answer))
    await t.rejects(connector.get('/'), { code, message: /default/ }, name)
    const asked = tokenRequests(api).length
    await t.rejects(connector.get('/'), { code }, `${name}: and again`)
    t.equal(tokenRequests(api).length, asked, `${name}: nobody is asked twice for the same`)
  }
})

t.test('a store that fails loses nothing: the new token is used, and saved when it works again', async (t) => {
  const kept = new Map<string, object>()
  let broken = false
  const store: TokenStore = {
    get: async (key) => kept.get(key),
    async set (key, value) {
      if (broken) throw new Error('disk full')
      kept.set(key, value)
    },
    delete: async (key) => kept.delete(key)
  }
  const { api, clock, connector, finish } = await made(t, { store })
  letTimePass(t, clock)
  await finish({ access_token: 'token-1', expires_in: 3600, refresh_token: 'refresh-1' })
  clock.advance(hour)
  broken = true
  api.answers.push(json(200, { access_token: 'token-2', expires_in: 3600, refresh_token: 'refresh-2' }))
  await connector.get('/')
  t.equal(sentWith(api), 'Bearer token-2')
  t.notOk(JSON.stringify([...kept]).includes('token-2'))
  broken = false
  await eventually('it is saved', async () => JSON.stringify([...kept]).includes('refresh-2'))
  t.equal(tokenRequests(api).length, 2)
})

t.test('against a real authorization server, which rotates', async (t) => {
  const dw: DocuWare = await startDocuWare({ autoApprove: true, redirectUris: [redirectUri] })
  t.teardown(() => dw.stop())
  const auth = oauth2({ clientId: dw.clientId, clientSecret: dw.clientSecret ?? undefined, authorizationUrl: `${dw.identityUrl}/connect/authorize`, tokenUrl: `${dw.identityUrl}/connect/token`, redirectUri, scopes: ['docuware.platform', 'offline_access'], store: new Map(), allowInsecure: true })
  const connector = createConnector({ baseUrl: dw.platformUrl, auth, allowInsecure: true })
  await auth.exchange(Object.fromEntries(new URL(await dw.signIn(await auth.authorizationUrl())).searchParams))
  t.match(await connector.get('/Organizations'), { status: 200 })
  dw.expireTokens()
  t.match(await connector.get('/Organizations'), { status: 200 })
})

t.test('options are checked, and no message has a secret', (t) => {
  const good = { clientId: 'c', clientSecret: 'hunter2', authorizationUrl: 'https://id.example/authorize', tokenUrl: 'https://id.example/token', redirectUri: 'https://app.example/cb', store: new Map() }
  for (const [path, change] of [['clientId', { clientId: '' }], ['tokenUrl', { tokenUrl: 'http://id.example/token' }], ['authorizationUrl', { authorizationUrl: 'id.example' }], ['redirectUri', { redirectUri: 'http://app.example/cb' }], ['store', { store: {} }], ['scopes', { scopes: ['a b'] }], ['refreshBeforeSeconds', { refreshBeforeSeconds: -1 }], ['unknown', { unknown: 1 }]] as const) {
    const options: OAuth2Options = Object.assign({}, good, change)
    t.throws(() => oauth2(options), { code: 'DWA_OPTIONS_INVALID', message: new RegExp(`^oauth2\\.${path}`) }, path)
  }
  t.end()
})
