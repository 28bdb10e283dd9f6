import axeCore from 'axe-core'
import { fork } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { chromium } from 'playwright-core'
import t from 'tap'
import { startDocuWare, type DocuWare, type DocuWareSwitches } from '../../testing/index.js'
import { ManualClock } from '../manual-clock.js'
import { authorizationUrl, authorize, call, credentials, outcome, pick, postToken, proof, read, redemption, redirectUri, refresh, scope, simulator, tokensOf } from './docuware-flow.js'
import { referenceIdentity, simulatedIdentity } from './reference-identity.js'

t.test('from discovery to an answer of the platform and a refresh', async (t) => {
  const dw = await simulator(t)
  t.match(dw.platformUrl, /^http:\/\/127\.0\.0\.1:\d+\/DocuWare\/Platform$/)
  t.not(new URL(dw.identityUrl).origin, new URL(dw.platformUrl).origin, 'two origins')
  const info = await read(await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`, { headers: { accept: 'application/json' } }))
  t.strictSame(info, { IdentityServiceUrl: dw.identityUrl, RefreshTokenSupported: true })
  t.match(await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)), { issuer: dw.identityUrl, token_endpoint: `${dw.identityUrl}/connect/token` })
  const { accessToken, refreshToken, ...rest } = await authorize(dw)
  t.match(rest, { expiresIn: 3600, scope })
  t.match(await read(await call(dw, '/Organizations', accessToken)), { Organization: [{ Name: 'acme', Guid: dw.organization.guid }] })
  dw.expireTokens()
  t.equal((await call(dw, '/Organizations', accessToken)).status, 401)
  const refreshed = await tokensOf(await refresh(dw, refreshToken))
  t.equal((await call(dw, '/Organizations', refreshed.accessToken)).status, 200)
  t.strictSame(dw.calls().map(({ origin, method, path, grantType, status }) => [origin, method, path, grantType, status].join(' ')), [
    'platform GET /Home/IdentityServiceInfo  200',
    'identity GET /.well-known/openid-configuration  200',
    'identity GET /connect/authorize  200',
    'identity POST /connect/authorize  303',
    'identity POST /connect/token authorization_code 200',
    'platform GET /Organizations  200',
    'platform GET /Organizations  401',
    'identity POST /connect/token refresh_token 200',
    'platform GET /Organizations  200'
  ])
})

t.test('openid-client goes the same way, and meets the same as at oidc-provider', async (t) => {
  for (const [name, start] of [['the simulator', simulatedIdentity], ['oidc-provider', referenceIdentity]] as const) {
    await t.test(name, async (t) => {
      const { issuer, clientId, clientSecret, sub, signIn } = await start(t)
      const discover = (secret: string): Promise<client.Configuration> => client.discovery(new URL(issuer), clientId, secret, client.ClientSecretPost(secret), { execute: [client.allowInsecureRequests] })
      const config = await discover(clientSecret)
      const begin = async (more: { readonly [name: string]: string } = {}) => {
        const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedNonce: client.randomNonce(), expectedState: client.randomState() }
        const challenge = await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier)
        const url = client.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope, state: checks.expectedState, nonce: checks.expectedNonce, code_challenge: challenge, code_challenge_method: 'S256', ...more })
        return { url, checks }
      }
      const redeem = async (change: Partial<client.AuthorizationCodeGrantChecks> = {}) => {
        const { url, checks } = await begin()
        const callback = new URL(await signIn(url.href))
        return { callback, checks, tokens: await client.authorizationCodeGrant(config, callback, { ...checks, ...change, idTokenExpected: true }) }
      }
      const refused = async (promise: Promise<unknown>): Promise<unknown> => pick(await promise.catch((error: unknown) => error), 'error')
      const { callback, checks, tokens } = await redeem()
      t.match(tokens, { token_type: 'bearer', expires_in: 3600, scope: 'docuware.platform openid dwprofile' })
      t.match(tokens.claims(), { sub, iss: issuer, aud: clientId })
      t.match(await client.fetchUserInfo(config, tokens.access_token, sub), { sub })
      const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
      t.not(refreshed.refresh_token, tokens.refresh_token, 'refresh tokens rotate')
      t.equal(await refused(client.refreshTokenGrant(config, tokens.refresh_token ?? '')), 'invalid_grant', 'a used refresh token')
      t.equal(await refused(client.refreshTokenGrant(config, refreshed.refresh_token ?? '')), 'invalid_grant', 'which ends the family')
      t.equal(await refused(client.authorizationCodeGrant(config, callback, checks)), 'invalid_grant', 'a used code')
      t.equal(await refused(redeem({ pkceCodeVerifier: client.randomPKCECodeVerifier() })), 'invalid_grant', 'another verifier')
      t.equal(await refused(client.refreshTokenGrant(await discover('wrong'), 'x')), 'invalid_client', 'a wrong secret')
      t.equal(await refused(client.genericGrantRequest(config, 'urn:example:unknown', {})), 'unsupported_grant_type')
      const { tokens: others } = await redeem()
      await client.tokenRevocation(config, others.refresh_token ?? '')
      t.equal(await refused(client.refreshTokenGrant(config, others.refresh_token ?? '')), 'invalid_grant', 'a revoked refresh token')
      const unknown = await fetch((await begin({ redirect_uri: `${redirectUri}/` })).url, { redirect: 'manual' })
      t.match([unknown.status, unknown.headers.get('location')], [400, null], 'an unknown redirect URI')
      const { url, checks: { expectedState } } = await begin({ code_challenge_method: 'plain' })
      const mistaken = new URL(await signIn(url.href)).searchParams
      t.match([mistaken.get('error'), mistaken.get('state'), mistaken.get('iss')], ['invalid_request', expectedState, issuer], 'a mistake is answered at the redirect URI')
    })
  }
})

t.test('options', async (t) => {
  const refused = [
    ['{ "nonsense": 1 }', 'nonsense: unknown option'],
    ['{ "organization": "" }', 'organization: must NOT have fewer than 1 characters'],
    ['{ "redirectUris": [""] }', 'redirectUris[0]: must NOT have fewer than 1 characters'],
    ['{ "autoApprove": "yes" }', 'autoApprove: must be boolean'],
    ['{ "refreshMode": "never" }', 'refreshMode: must be one of ["rotate","rotate+revokeFamily","reuse"]'],
    ['{ "user": { "nick": "x" } }', 'user.nick: unknown option'],
    ['{ "fileCabinets": [{ "name": "A", "documents": -1 }] }', 'fileCabinets[0].documents: must be >= 0'],
    ['{ "fileCabinets": [{ "name": "A", "id": "a/b" }] }', 'fileCabinets[0].id: must match pattern "^[A-Za-z0-9_-]+$"'],
    ['{ "lifetimes": { "code": 0 } }', 'lifetimes.code: must be >= 1'],
    ['{ "now": 5 }', 'now: must be a function']
  ] as const
  for (const [options, message] of refused) await t.rejects(startDocuWare(JSON.parse(options)), { code: 'DWA_OPTIONS_INVALID', message: `startDocuWare.${message}` }, message)

  const dw = await simulator(t, { organization: 'Peters Engineering', clientId: 'an app', clientSecret: 'a secret', user: { username: 'ann', password: 'a password' }, passphrase: 'a phrase' })
  t.match(dw, { organization: { name: 'Peters Engineering' }, clientId: 'an app', clientSecret: 'a secret', user: { username: 'ann', password: 'a password' }, passphrase: 'a phrase' })
  const wrong = (text: string) => JSON.parse(text)
  const plans: Array<[string, () => void]> = [
    ['set.discovery: must be one of', () => { dw.set(wrong('{ "discovery": "nice" }')) }],
    ['set.nonsense: unknown option', () => { dw.set(wrong('{ "nonsense": 1 }')) }],
    ['throttle: the number of requests', () => { dw.throttle(0) }],
    ['throttle.retryAfter: must be a number of seconds or a Date', () => { dw.throttle(1, wrong('{ "retryAfter": "soon" }')) }],
    ['failNext: the status must be from 200 to 599', () => { dw.failNext(1, 99) }],
    ['failNext.path: must be a string or a RegExp', () => { dw.failNext(1, 500, wrong('{ "path": 1 }')) }],
    ['dropNext.when: must be one of', () => { dw.dropNext(1, wrong('{ "when": "never" }')) }],
    ['slowNext.delayMs: must be >= 0', () => { dw.slowNext(1, { delayMs: -1 }) }],
    ['disguiseNext: must be xml or html', () => { dw.disguiseNext(1, wrong('"pdf"')) }]
  ]
  for (const [message, plan] of plans) t.throws(plan, { code: 'DWA_OPTIONS_INVALID', message: new RegExp(`^${message.replace('.', '\\.')}`) }, message)
  dw.set({ identityServiceUrl: 'https://elsewhere' })
  dw.set({ identityServiceUrl: undefined })
  t.match(await read(await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`, { headers: { accept: 'application/json' } })), { IdentityServiceUrl: dw.identityUrl }, 'undefined is the default again')
})

t.test('it refuses to start in production, and on a port that is taken, and leaves nothing running', async (t) => {
  process.env['NODE_ENV'] = 'production'
  t.teardown(() => { delete process.env['NODE_ENV'] })
  await t.rejects(startDocuWare(), { message: /does not start with NODE_ENV=production/ })
  delete process.env['NODE_ENV']
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  await t.rejects(startDocuWare({ ports: { identity: Number(pick(taken.address(), 'port')) } }), { code: 'EADDRINUSE' })
})

t.test('several run side by side and know nothing of each other', async (t) => {
  const [one, other] = await Promise.all([simulator(t), simulator(t)])
  const { accessToken, refreshToken } = await authorize(one)
  t.equal((await call(other, '/Organizations', accessToken)).status, 401)
  t.equal(await outcome(await refresh(other, refreshToken)), '400 invalid_grant')
  t.strictSame(other.calls().map(({ path }) => path), ['/Organizations', '/connect/token'])
})

t.test('each has a key of its own while it runs, whoever had it before', async (t) => {
  const keyOf = async (dw: DocuWare): Promise<unknown> => pick(pick((await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration/jwks`)))['keys'], '0'), 'kid')
  const before = await simulator(t)
  const key = await keyOf(before)
  await before.stop()
  await before.stop()
  const keys = await Promise.all((await Promise.all([simulator(t), simulator(t)])).map(keyOf))
  t.equal(new Set(keys).size, 2)
  t.ok(keys.includes(key), 'making one takes long: that of one that has stopped serves again')
})

t.test('a process that started, used and stopped one ends by itself, whatever was left waiting', async (t) => {
  const child = fork(fileURLToPath(new URL('docuware-start-use-stop.ts', import.meta.url)), { timeout: 60_000 })
  t.same(await once(child, 'exit'), [0, null])
})

t.test('discovery', async (t) => {
  t.test('the document has every member of DocuWare\'s', async (t) => {
    const dw = await simulator(t)
    const document = await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration`))
    t.strictSame(Object.keys(document).sort(), [
      'authorization_endpoint', 'authorization_response_iss_parameter_supported', 'backchannel_authentication_endpoint', 'backchannel_logout_session_supported', 'backchannel_logout_supported',
      'backchannel_token_delivery_modes_supported', 'backchannel_user_code_parameter_supported', 'check_session_iframe', 'claims_supported', 'code_challenge_methods_supported', 'device_authorization_endpoint',
      'dpop_signing_alg_values_supported', 'end_session_endpoint', 'frontchannel_logout_session_supported', 'frontchannel_logout_supported', 'grant_types_supported', 'id_token_signing_alg_values_supported',
      'introspection_endpoint', 'issuer', 'jwks_uri', 'prompt_values_supported', 'pushed_authorization_request_endpoint', 'request_object_signing_alg_values_supported', 'request_parameter_supported',
      'require_pushed_authorization_requests', 'response_modes_supported', 'response_types_supported', 'revocation_endpoint', 'scopes_supported', 'subject_types_supported', 'token_endpoint',
      'token_endpoint_auth_methods_supported', 'userinfo_endpoint', 'windows_auth_endpoint'
    ])
    const { keys } = await read(await fetch(String(document['jwks_uri'])))
    t.match(keys, [{ kty: 'RSA', use: 'sig', alg: 'RS256', kid: String, n: String, e: 'AQAB' }])
    t.strictSame(Object.keys(Object(pick(keys, '0'))).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'public members only')
  })

  t.test('lies', async (t) => {
    const dw = await simulator(t)
    const foreign = dw.foreignUrl + new URL(dw.identityUrl).pathname
    const cases: Array<[Partial<DocuWareSwitches>, object]> = [
      [{ discovery: 'foreign-endpoints' }, { token_endpoint: `${foreign}/connect/token`, authorization_endpoint: `${foreign}/connect/authorize`, userinfo_endpoint: `${foreign}/connect/userinfo` }],
      [{ discovery: 'foreign-token-endpoint' }, { token_endpoint: `${foreign}/connect/token`, authorization_endpoint: `${dw.identityUrl}/connect/authorize` }],
      [{ discovery: 'foreign-issuer' }, { issuer: 'https://login.example.net/another', token_endpoint: `${dw.identityUrl}/connect/token` }],
      [{ discovery: 'no-endpoints' }, { issuer: dw.identityUrl, token_endpoint: undefined, authorization_endpoint: undefined }],
      [{ discovery: 'honest', issuerCase: 'upper' }, { issuer: dw.identityUrl.replace(dw.organization.guid, dw.organization.guid.toUpperCase()), token_endpoint: `${dw.identityUrl}/connect/token` }],
      [{ issuerCase: 'same', endpointQuery: 'tenant=a' }, { issuer: dw.identityUrl, token_endpoint: `${dw.identityUrl}/connect/token?tenant=a` }],
      [{ endpointQuery: '', refreshTokenSupported: false }, { scopes_supported: ['openid', 'dwprofile', 'docuware.platform', 'docuware.settings'], grant_types_supported: ['authorization_code', 'client_credentials', 'password'] }]
    ]
    for (const [switches, expected] of cases) {
      dw.set(switches)
      t.match(await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)), expected, JSON.stringify(switches))
    }
    dw.set({ discovery: 'huge' })
    t.ok((await (await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)).text()).length > 2 ** 20)
    dw.set({ discovery: 'foreign-redirect' })
    const redirected = await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)
    t.ok(redirected.redirected)
    t.match(dw.calls().at(-1), { origin: 'foreign', path: '/.well-known/openid-configuration', status: 200 })
  })

  t.test('the identity service moves, and its old address is gone', async (t) => {
    const dw = await simulator(t)
    const old = dw.identityUrl
    t.equal(dw.moveIdentity(), dw.identityUrl)
    t.not(dw.identityUrl, old)
    t.equal((await fetch(`${old}/connect/token`, { method: 'POST' })).status, 404)
    t.match(await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)), { issuer: dw.identityUrl })
    t.match(await read(await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`, { headers: { accept: 'application/json' } })), { IdentityServiceUrl: dw.identityUrl })
  })
})

t.test('the authorization endpoint', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const open = (parameters: { readonly [name: string]: string | null }, more = ''): Promise<Response> => fetch(authorizationUrl(dw, parameters) + more, { redirect: 'manual' })

  t.test('answers what cannot be trusted with a page, never with a redirect', async (t) => {
    const cases: Array<[string, number, { readonly [name: string]: string | null }, string?]> = [
      ['an unknown client', 400, { client_id: '<script>nobody' }],
      ['no client', 400, { client_id: null }],
      ['two clients', 400, {}, `&client_id=${dw.clientId}`],
      ['an unregistered redirect URI', 400, { redirect_uri: 'https://evil.example' }],
      ['no redirect URI', 400, { redirect_uri: null }],
      ['a slash too many', 400, { redirect_uri: `${redirectUri}/` }],
      ['another case', 400, { redirect_uri: redirectUri.replace('callback', 'Callback') }],
      ['a query too many', 400, { redirect_uri: `${redirectUri}?a=1` }],
      ['two redirect URIs', 400, {}, `&redirect_uri=${encodeURIComponent(redirectUri)}`],
      ['prompt=consent', 404, { prompt: 'consent' }]
    ]
    for (const [name, status, parameters, more] of cases) {
      const answer = await open(parameters, more)
      t.strictSame([answer.status, answer.headers.get('location')], [status, null], name)
      t.notMatch(await answer.text(), /script|evil/, name)
    }
  })

  t.test('answers other mistakes at the redirect URI', async (t) => {
    const { challenge } = proof()
    const cases: Array<[{ readonly [name: string]: string | null }, string, string?]> = [
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ response_type: null }, 'invalid_request'],
      [{ response_mode: 'fragment' }, 'invalid_request'],
      [{ scope: 'docuware.platform everything' }, 'invalid_scope'],
      [{ scope: null }, 'invalid_scope'],
      [{ code_challenge: challenge }, 'invalid_request'],
      [{ code_challenge: challenge, code_challenge_method: 'plain' }, 'invalid_request'],
      [{ code_challenge: 'short', code_challenge_method: 'S256' }, 'invalid_request'],
      [{}, 'invalid_request', '&scope=openid']
    ]
    for (const [parameters, error, more] of cases) {
      const answer = await open({ state: 'ä & b', ...parameters }, more)
      const location = new URL(answer.headers.get('location') ?? '')
      t.match([answer.status, location.origin + location.pathname, location.searchParams.get('error'), location.searchParams.get('state'), location.searchParams.get('iss'), location.searchParams.get('code')], [302, redirectUri, error, 'ä & b', dw.identityUrl, null], JSON.stringify(parameters))
    }
  })

  t.test('does as the switches say', async (t) => {
    const at = async (switches: Partial<DocuWareSwitches>, parameters: { readonly [name: string]: string | null } = {}): Promise<URLSearchParams> => {
      dw.set(switches)
      return new URL((await open(parameters)).headers.get('location') ?? '').searchParams
    }
    t.equal((await at({ iss: 'absent' })).has('iss'), false)
    t.equal((await at({ iss: 'foreign' })).get('iss'), 'https://login.example.net/another')
    t.equal((await at({ iss: 'present', issuerCase: 'upper' })).get('iss'), dw.identityUrl.replace(dw.organization.guid, dw.organization.guid.toUpperCase()))
    t.equal((await at({ issuerCase: 'same', deny: true })).get('error'), 'access_denied')
    t.equal((await at({ deny: false, refreshTokenSupported: false })).get('error'), 'invalid_scope', 'offline_access')
    t.ok((await at({}, { scope: 'docuware.platform openid' })).get('code'))
    t.equal((await at({ refreshTokenSupported: true, autoApprove: false }, { prompt: 'none' })).get('error'), 'login_required')
    t.equal((await at({ autoApprove: true }, { state: null })).has('state'), false)
  })

  t.test('takes a redirect URI that is added later, and keeps its query', async (t) => {
    const added = 'http://127.0.0.1:4711/cb?tenant=a'
    t.equal((await open({ redirect_uri: added })).status, 400)
    dw.addRedirectUri(added)
    t.match((await open({ redirect_uri: added })).headers.get('location'), 'http://127.0.0.1:4711/cb?tenant=a&code=')
  })
})

t.test('the sign-in page', async (t) => {
  const dw = await simulator(t, { organization: 'Müller & <b>Söhne</b>' })
  const url = authorizationUrl(dw)
  const post = (form: { readonly [name: string]: string }): Promise<Response> => fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' })

  t.test('is a form that says who asks for what', async (t) => {
    const page = await fetch(url)
    t.match(page.headers.get('content-security-policy'), "frame-ancestors 'none'")
    t.equal(page.headers.get('cache-control'), 'no-store')
    const text = await page.text()
    t.match(text, 'Sign in to Müller &amp; &lt;b&gt;Söhne&lt;/b&gt;')
    t.match(text, dw.clientId)
    t.notMatch(text, /<script/)
  })

  t.test('lets nobody in but the user', async (t) => {
    for (const [username, password] of [['', ''], [dw.user.username, 'wrong'], ['nobody', dw.user.password]] as const) {
      const answer = await post({ username, password })
      t.match([answer.status, await answer.text()], [200, 'The user name or the password is wrong.'])
      await t.rejects(dw.signIn(url, { username, password }), { message: 'The sign-in was answered with status 200 and leads nowhere' })
    }
    t.match(new URL(await dw.signIn(url, { username: dw.user.username.toUpperCase() })).searchParams.get('code'), /./, 'letters\' case of a user name does not matter')
    t.match(new URL((await post({ decision: 'deny' })).headers.get('location') ?? '').searchParams.get('error'), 'access_denied')
  })

  t.test('in a browser', { skip: existsSync('/usr/bin/chromium') ? false : 'there is no /usr/bin/chromium' }, async (t) => {
    let arrived: URL | undefined
    const app = createServer((request, response) => {
      if (request.url?.startsWith('/callback') === true) arrived = new URL(request.url, 'http://127.0.0.1')
      response.end('back at the app')
    }).listen(0, '127.0.0.1')
    t.teardown(() => app.close())
    await once(app, 'listening')
    const callback = `http://127.0.0.1:${String(pick(app.address(), 'port'))}/callback`
    dw.addRedirectUri(callback)
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
    t.teardown(() => browser.close())
    for (const [width, colorScheme] of [[1280, 'light'], [320, 'light'], [1280, 'dark']] as const) {
      arrived = undefined
      const page = await (await browser.newContext({ viewport: { width, height: 720 }, colorScheme, javaScriptEnabled: true, bypassCSP: true })).newPage()
      await page.goto(authorizationUrl(dw, { redirect_uri: callback }))
      t.same(await page.evaluate(`${axeCore.source}\n;axe.run().then(({ violations }) => violations.map(({ id }) => id))`), [], `axe-core finds nothing at ${width} in ${colorScheme}`)
      t.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width, 'nothing sticks out')
      await page.close()
    }
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
    await page.goto(authorizationUrl(dw, { redirect_uri: callback }))
    await page.fill('#username', dw.user.username)
    await page.fill('#password', 'wrong')
    await page.click('text="Sign in"')
    t.match(await page.textContent('[role=alert]'), 'wrong')
    await page.fill('#username', dw.user.username)
    await page.fill('#password', dw.user.password)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${callback}?**`)
    t.match(arrived?.searchParams.get('code'), /-1$/, 'without scripts, to the app on another origin')
    await page.goto(authorizationUrl(dw, { redirect_uri: callback }))
    await page.click('text="Cancel"')
    await page.waitForURL(`${callback}?**`)
    t.equal(arrived?.searchParams.get('error'), 'access_denied')
  })
})

t.test('the token endpoint', async (t) => {
  t.test('tells clients apart', async (t) => {
    const dw = await simulator(t, { autoApprove: true, clientId: 'app: 1', clientSecret: 'sécret+&%' })
    const encoded = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2)
    const basic = (id: string, secret: string): { authorization: string } => ({ authorization: `Basic ${Buffer.from(`${encoded(id)}:${encoded(secret)}`).toString('base64')}` })
    const form = { grant_type: 'client_credentials', scope: 'docuware.platform' }
    const secret = dw.clientSecret ?? ''
    const cases: Array<[string, string, { readonly [name: string]: string }, { readonly [name: string]: string }?]> = [
      ['client_secret_post', '200', { client_id: dw.clientId, client_secret: secret }],
      ['client_secret_basic', '200', {}, basic(dw.clientId, secret)],
      ['client_secret_basic with the same client_id', '200', { client_id: dw.clientId }, basic(dw.clientId, secret)],
      ['both methods', '400 invalid_request', { client_id: dw.clientId, client_secret: secret }, basic(dw.clientId, secret)],
      ['another client_id beside Basic', '400 invalid_request', { client_id: 'other' }, basic(dw.clientId, secret)],
      ['a wrong secret', '400 invalid_client', { client_id: dw.clientId, client_secret: 'x' }],
      ['a wrong secret by Basic', '401 invalid_client', {}, basic(dw.clientId, 'x')],
      ['Basic without a colon', '400 invalid_client', {}, { authorization: `Basic ${Buffer.from('x').toString('base64')}` }],
      ['no secret', '400 invalid_client', { client_id: dw.clientId }],
      ['an unknown client', '400 invalid_client', { client_id: 'other', client_secret: secret }],
      ['nobody', '400 invalid_client', {}]
    ]
    for (const [name, expected, more, headers] of cases) t.equal(await outcome(await postToken(dw, { ...form, ...more }, headers)), expected, name)
    dw.set({ invalidClientStatus: 401 })
    t.equal(await outcome(await postToken(dw, form)), '401 invalid_client')
  })

  t.test('refuses what is no token request', async (t) => {
    const dw = await simulator(t)
    const url = `${dw.identityUrl}/connect/token`
    t.equal((await fetch(url)).status, 405)
    t.equal(await outcome(await fetch(url, { method: 'POST', body: JSON.stringify({ grant_type: 'password' }), headers: { 'content-type': 'application/json' } })), '400 invalid_request')
    t.equal((await postToken(dw, { grant_type: 'x'.repeat(70_000) })).status, 413)
    t.match(dw.calls().at(-1), { path: '/connect/token', status: 413 })
    const mine = credentials(dw)
    const cases: Array<[{ readonly [name: string]: string }, string]> = [
      [{}, '400 invalid_request'],
      [{ grant_type: '__proto__' }, '400 unsupported_grant_type'],
      [{ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' }, '400 unsupported_grant_type'],
      [{ grant_type: 'authorization_code' }, '400 invalid_grant'],
      [{ grant_type: 'refresh_token' }, '400 invalid_request'],
      [{ grant_type: 'refresh_token', refresh_token: 'x' }, '400 invalid_grant'],
      [{ grant_type: 'password', username: dw.user.username, password: dw.user.password, scope: 'x' }, '400 invalid_scope'],
      [{ grant_type: 'password', username: dw.user.username, password: 'x', scope }, '400 invalid_grant'],
      [{ grant_type: 'client_credentials', scope: 'docuware.platform openid' }, '400 invalid_scope']
    ]
    for (const [form, expected] of cases) t.equal(await outcome(await postToken(dw, { ...mine, ...form })), expected, JSON.stringify(form))
    const twice = new URLSearchParams({ ...mine, grant_type: 'client_credentials' })
    twice.append('grant_type', 'client_credentials')
    t.equal(await outcome(await postToken(dw, twice)), '400 invalid_request')
  })

  t.test('redeems a code once, in time, at its redirect URI, with its verifier', async (t) => {
    const clock = new ManualClock()
    const dw = await simulator(t, { autoApprove: true, now: () => clock.now() })
    dw.addRedirectUri(`${redirectUri}2`)
    const cases: Array<[string, { readonly [name: string]: string | null }, { readonly [name: string]: string }]> = [
      ['another redirect URI', {}, { redirect_uri: `${redirectUri}2` }],
      ['another verifier', {}, { code_verifier: proof().verifier }],
      ['a verifier where there was no challenge', { code_challenge: null, code_challenge_method: null }, {}],
      ['another client', {}, { client_id: 'docuware.platform.net.client', client_secret: '' }]
    ]
    for (const [name, parameters, more] of cases) t.match(await outcome(await postToken(dw, { ...await redemption(dw, parameters), ...more })), /^400 (invalid_grant|unauthorized_client)$/, name)
    const { code_verifier: _, ...without } = await redemption(dw)
    t.equal(await outcome(await postToken(dw, without)), '400 invalid_grant', 'no verifier')

    const late = await redemption(dw)
    clock.advance(60_000)
    t.equal(await outcome(await postToken(dw, late)), '400 invalid_grant', 'after 60 s')

    const form = await redemption(dw)
    clock.advance(59_999)
    const tokens = await tokensOf(await postToken(dw, form))
    t.equal((await call(dw, '/Organizations', tokens.accessToken)).status, 200)
    t.equal(await outcome(await postToken(dw, form)), '400 invalid_grant', 'a second time')
    t.equal((await call(dw, '/Organizations', tokens.accessToken)).status, 401, 'which ends the tokens of the first')
    t.equal(await outcome(await refresh(dw, tokens.refreshToken)), '400 invalid_grant')
  })

  t.test('gives tokens for a password and for the app itself', async (t) => {
    const dw = await simulator(t)
    const login = { grant_type: 'password', username: dw.user.username, password: dw.user.password, scope }
    const byApp = await postToken(dw, { ...login, ...credentials(dw) })
    t.match([byApp.headers.get('cache-control'), byApp.headers.get('pragma')], ['no-store', 'no-cache'])
    t.match(await tokensOf(byApp), { scope, refreshToken: /-1$/ })
    const byDocuWare = await tokensOf(await postToken(dw, { ...login, client_id: 'docuware.platform.net.client', scope: 'docuware.platform' }))
    t.match(byDocuWare, { refreshToken: 'undefined', idToken: 'undefined' }, 'neither was asked for')
    t.equal((await call(dw, '/Organizations', byDocuWare.accessToken)).status, 200)
    t.equal(await outcome(await postToken(dw, { ...login, client_id: 'docuware.platform.net.client', grant_type: 'client_credentials' })), '400 unauthorized_client')
    const own = await tokensOf(await postToken(dw, { grant_type: 'client_credentials', ...credentials(dw) }))
    t.match([own.scope, own.refreshToken], ['docuware.platform', 'undefined'])
    t.match(decodeJwt(own.accessToken), { iss: dw.identityUrl, sub: dw.clientId, client_id: dw.clientId, aud: 'docuware.platform', scope: ['docuware.platform'] })
    t.match(decodeProtectedHeader(own.accessToken), { typ: 'at+jwt', alg: 'RS256' })
  })

  t.test('knows a native app without a secret', async (t) => {
    const dw = await simulator(t, { clientSecret: null, autoApprove: true })
    t.match(new URL(await dw.signIn(authorizationUrl(dw))).searchParams.get('error_description'), 'code challenge required')
    const form = await redemption(dw)
    t.equal(await outcome(await postToken(dw, { ...form, client_secret: 'guessed' })), '400 invalid_client')
    const { refreshToken } = await tokensOf(await postToken(dw, form))
    t.equal(await outcome(await refresh(dw, refreshToken)), '200')
    t.equal(await outcome(await postToken(dw, { grant_type: 'client_credentials', ...credentials(dw) })), '400 unauthorized_client')
    t.throws(() => dw.addClientSecret(), { message: 'A native app has no client secret' })
  })

  t.test('takes two secrets, and says invalid_client when one has expired', async (t) => {
    const dw = await simulator(t)
    const attempt = async (secret: string | null): Promise<string> => await outcome(await postToken(dw, { grant_type: 'client_credentials', client_id: dw.clientId, client_secret: secret ?? '' }))
    const second = dw.addClientSecret()
    t.strictSame([await attempt(dw.clientSecret), await attempt(second)], ['200', '200'])
    dw.expireClientSecret(dw.clientSecret ?? '')
    t.strictSame([await attempt(dw.clientSecret), await attempt(second)], ['400 invalid_client', '200'])
    dw.expireClientSecret()
    t.strictSame([await attempt(second), await attempt('')], ['400 invalid_client', '400 invalid_client'], 'without a secret it is no native app')
    t.equal(dw.addClientSecret('third'), 'third')
    t.equal(await attempt('third'), '200')
  })
})

t.test('refresh tokens', async (t) => {
  t.test('rotate', async (t) => {
    const dw = await simulator(t, { autoApprove: true })
    const first = await authorize(dw)
    const second = await tokensOf(await refresh(dw, first.refreshToken))
    t.not(second.refreshToken, first.refreshToken)
    t.equal(await outcome(await refresh(dw, first.refreshToken)), '400 invalid_grant')
    t.equal((await call(dw, '/Organizations', first.accessToken)).status, 200, 'the old access token goes on')
    t.equal(await outcome(await refresh(dw, second.refreshToken)), '200', 'and so does the new refresh token')
  })

  t.test('rotate+revokeFamily: a used one that comes again ends all', async (t) => {
    const dw = await simulator(t, { autoApprove: true, refreshMode: 'rotate+revokeFamily' })
    const first = await authorize(dw)
    const second = await tokensOf(await refresh(dw, first.refreshToken))
    t.equal(await outcome(await refresh(dw, first.refreshToken)), '400 invalid_grant')
    t.equal(await outcome(await refresh(dw, second.refreshToken)), '400 invalid_grant')
    t.equal((await call(dw, '/Organizations', second.accessToken)).status, 401)
    t.equal(await outcome(await refresh(dw, (await authorize(dw)).refreshToken)), '200', 'another sign-in is not concerned')
  })

  t.test('reuse, and answers without one', async (t) => {
    const dw = await simulator(t, { autoApprove: true, refreshMode: 'reuse' })
    const first = await authorize(dw)
    t.equal((await tokensOf(await refresh(dw, first.refreshToken))).refreshToken, first.refreshToken)
    dw.set({ refreshMode: 'rotate', omitRefreshToken: true })
    for (const attempt of ['once', 'twice']) t.equal((await tokensOf(await refresh(dw, first.refreshToken))).refreshToken, 'undefined', attempt)
  })

  t.test('one answer in between is lost, and the old token with it', async (t) => {
    const dw = await simulator(t, { autoApprove: true })
    const first = await authorize(dw)
    dw.loseNextRefresh()
    await t.rejects(refresh(dw, first.refreshToken))
    t.match(dw.calls().at(-1), { grantType: 'refresh_token', status: null })
    t.equal(await outcome(await refresh(dw, first.refreshToken)), '400 invalid_grant')
    t.equal(await outcome(await refresh(dw, dw.secretsIssued().refreshTokens.at(-1) ?? '')), '200', 'the new one that nobody has received is good')
  })

  t.test('expire: from each refresh on, and from the sign-in on', async (t) => {
    const clock = new ManualClock()
    const dw = await simulator(t, { autoApprove: true, now: () => clock.now(), lifetimes: { refreshToken: 100, refreshTokenAbsolute: 250 } })
    let { refreshToken } = await authorize(dw)
    for (const outcomes of ['200', '200']) {
      clock.advance(99_000)
      const answer = await refresh(dw, refreshToken)
      t.equal(String(answer.status), outcomes)
      refreshToken = (await tokensOf(answer)).refreshToken
    }
    clock.advance(52_000)
    t.equal(await outcome(await refresh(dw, refreshToken)), '400 invalid_grant', '250 s after the sign-in')
    const unused = await authorize(dw)
    clock.advance(100_000)
    t.equal(await outcome(await refresh(dw, unused.refreshToken)), '400 invalid_grant', '100 s unused')
    const other = await authorize(dw)
    dw.expireRefreshTokens()
    t.equal(await outcome(await refresh(dw, other.refreshToken)), '400 invalid_grant')
  })

  t.test('give no more than was granted', async (t) => {
    const dw = await simulator(t, { autoApprove: true })
    const { refreshToken } = await authorize(dw, { scope: 'docuware.platform openid offline_access' })
    t.equal(await outcome(await refresh(dw, refreshToken, { scope: 'docuware.platform dwprofile' })), '400 invalid_scope')
    const narrowed = await tokensOf(await refresh(dw, refreshToken, { scope: 'openid' }))
    t.equal(narrowed.scope, 'openid')
    t.equal((await call(dw, '/Organizations', narrowed.accessToken)).status, 403)
  })

  t.test('are not to be had where they are not supported', async (t) => {
    const dw = await simulator(t, { autoApprove: true })
    const { refreshToken } = await authorize(dw)
    dw.set({ refreshTokenSupported: false })
    t.equal(await outcome(await refresh(dw, refreshToken)), '400 unsupported_grant_type')
    t.equal((await authorize(dw, { scope: 'docuware.platform openid' })).refreshToken, 'undefined')
    t.match(await read(await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`, { headers: { accept: 'application/json' } })), { RefreshTokenSupported: false })
  })
})

t.test('id_tokens', async (t) => {
  const clock = new ManualClock()
  const dw = await simulator(t, { autoApprove: true, now: () => clock.now() })
  const keys = createRemoteJWKSet(new URL(`${dw.identityUrl}/.well-known/openid-configuration/jwks`))

  t.test('are good', async (t) => {
    const { idToken, accessToken } = await authorize(dw, { nonce: 'n-1' })
    const { payload } = await jwtVerify(idToken, keys, { issuer: dw.identityUrl, audience: dw.clientId, algorithms: ['RS256'] })
    t.match(payload, { sub: dw.user.sub, nonce: 'n-1', amr: ['pwd'], exp: Math.floor(clock.now() / 1000) + 300 })
    t.equal(payload['at_hash'], createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'))
    await t.resolves(jwtVerify(accessToken, keys, { issuer: dw.identityUrl, audience: 'docuware.platform', typ: 'at+jwt' }))
  })

  t.test('have the flaw that was switched on, and the refresh token is there all the same', async (t) => {
    const { refreshToken } = await authorize(dw)
    let latest = refreshToken
    const cases: Array<[DocuWareSwitches['idToken'], (idToken: string) => void]> = [
      ['expired', (idToken) => { t.match(decodeJwt(idToken), { exp: Math.floor(clock.now() / 1000) - 3600 }) }],
      ['foreign-issuer', (idToken) => { t.match(decodeJwt(idToken), { iss: 'https://login.example.net/another' }) }],
      ['other-case-issuer', (idToken) => { t.match(decodeJwt(idToken), { iss: dw.identityUrl.replace(dw.organization.guid, dw.organization.guid.toUpperCase()) }) }],
      ['unexpected-algorithm', (idToken) => { t.match(decodeProtectedHeader(idToken), { alg: 'RS384' }) }],
      ['foreign-audience', (idToken) => { t.match(decodeJwt(idToken), { aud: 'another-client' }) }],
      ['foreign-nonce', (idToken) => { t.match(decodeJwt(idToken), { nonce: /^[0-9a-f]{32}$/ }) }],
      ['absent', (idToken) => { t.equal(idToken, 'undefined') }]
    ]
    for (const [idToken, check] of cases) {
      dw.set({ idToken })
      const tokens = await tokensOf(await refresh(dw, latest))
      t.not(tokens.refreshToken, latest, idToken)
      latest = tokens.refreshToken
      check(tokens.idToken)
    }
    dw.set({ idToken: 'other-case-issuer', issuerCase: 'upper' })
    t.match(decodeJwt((await tokensOf(await refresh(dw, latest))).idToken), { iss: dw.identityUrl })
    dw.set({ idToken: 'valid', issuerCase: 'same' })
  })
})

t.test('userinfo, revocation and endsession', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const userinfo = (headers: { readonly [name: string]: string }): Promise<Response> => fetch(`${dw.identityUrl}/connect/userinfo`, { headers })
  const tokens = await authorize(dw)

  t.test('userinfo says who has signed in, to those who may know', async (t) => {
    const whole = await read(await userinfo({ authorization: `Bearer ${tokens.accessToken}` }))
    t.match(whole, { sub: dw.user.sub, name: 'Peggy Jenkins', username: dw.user.username, email: dw.user.email, organization: 'acme', organization_guid: dw.organization.guid })
    const bare = await authorize(dw, { scope: 'openid' })
    t.strictSame(await read(await userinfo({ authorization: `bearer ${bare.accessToken}` })), { sub: dw.user.sub })
    const platform = await authorize(dw, { scope: 'docuware.platform' })
    const cases: Array<[{ readonly [name: string]: string }, number, string]> = [
      [{}, 401, 'Bearer'],
      [{ authorization: 'Bearer x' }, 401, 'Bearer error="invalid_token"'],
      [{ authorization: `Bearer ${platform.accessToken}` }, 403, 'Bearer error="insufficient_scope", scope="openid"']
    ]
    for (const [headers, status, challenge] of cases) {
      const answer = await userinfo(headers)
      t.strictSame([answer.status, answer.headers.get('www-authenticate')], [status, challenge])
    }
  })

  t.test('revocation ends a token of the client that asks', async (t) => {
    const revoke = (form: { readonly [name: string]: string }): Promise<Response> => fetch(`${dw.identityUrl}/connect/revocation`, { method: 'POST', body: new URLSearchParams(form) })
    t.equal((await revoke({ token: tokens.accessToken, client_id: 'docuware.platform.net.client' })).status, 200)
    t.equal((await call(dw, '/Organizations', tokens.accessToken)).status, 200, 'another client\'s stays')
    t.equal(await outcome(await revoke({ token: tokens.accessToken, client_id: dw.clientId, client_secret: 'x' })), '400 invalid_client')
    t.equal(await outcome(await revoke(credentials(dw))), '400 invalid_request')
    t.equal(await outcome(await fetch(`${dw.identityUrl}/connect/revocation`, { method: 'POST' })), '400 invalid_request')
    t.equal((await revoke({ ...credentials(dw), token: 'unknown' })).status, 200)
    t.equal((await revoke({ ...credentials(dw), token: tokens.accessToken })).status, 200)
    t.equal((await call(dw, '/Organizations', tokens.accessToken)).status, 401)
    const next = await tokensOf(await refresh(dw, tokens.refreshToken))
    t.equal((await call(dw, '/Organizations', next.accessToken)).status, 200, 'its refresh token goes on')
    t.equal((await revoke({ ...credentials(dw), token: next.refreshToken })).status, 200)
    t.equal(await outcome(await refresh(dw, next.refreshToken)), '400 invalid_grant')
    t.equal((await call(dw, '/Organizations', next.accessToken)).status, 401, 'a refresh token takes its access tokens along')
  })

  t.test('endsession leads back to the app, or to a page', async (t) => {
    const end = (parameters: { readonly [name: string]: string }): Promise<Response> => fetch(`${dw.identityUrl}/connect/endsession?${new URLSearchParams(parameters)}`, { redirect: 'manual' })
    t.equal((await end({ post_logout_redirect_uri: redirectUri })).headers.get('location'), redirectUri)
    t.equal((await end({ post_logout_redirect_uri: redirectUri, state: 's' })).headers.get('location'), `${redirectUri}?state=s`)
    for (const parameters of [{}, { post_logout_redirect_uri: 'https://evil.example' }]) t.match(await (await end(parameters)).text(), 'You have signed out.')
  })

  t.test('whatever else is asked for is not there', async (t) => {
    for (const path of ['/connect/introspect', '/', '/connect/token/x']) t.equal((await fetch(dw.identityUrl + path)).status, 404, path)
    t.equal((await fetch(new URL('/connect/token', dw.identityUrl), { method: 'POST' })).status, 404, 'without the organization\'s GUID')
  })
})

t.test('plans for the next requests', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const { accessToken, refreshToken } = await authorize(dw)
  const organizations = (signal?: AbortSignal): Promise<Response> => call(dw, '/Organizations', accessToken, signal === undefined ? {} : { signal })

  t.test('429 with or without Retry-After', async (t) => {
    const date = new Date('2030-01-02T03:04:05Z')
    dw.throttle(1)
    dw.throttle(1, { retryAfter: 7 })
    dw.throttle(1, { retryAfter: date })
    for (const expected of [null, '7', 'Wed, 02 Jan 2030 03:04:05 GMT']) {
      const answer = await organizations()
      t.strictSame([answer.status, answer.headers.get('retry-after')], [429, expected])
      t.match(await read(answer), { Message: 'Too many requests', Method: 'GET', StatusCode: 429, Status: 'TooManyRequests', Uri: `${dw.platformUrl}/Organizations` })
    }
    t.equal((await organizations()).status, 200)
  })

  t.test('a status, for those it was meant for', async (t) => {
    dw.failNext(1, 502, { path: '/FileCabinets' })
    dw.failNext(1, 503, { path: /^\/organ/i, method: 'post' })
    dw.failNext(2, 504, { path: '/organizations', message: 'Busy', exception: 'at DocuWare' })
    dw.failNext(1, 400, { grantType: 'refresh_token', error: 'temporarily_unavailable' })
    dw.failNext(1, 500, { on: 'identity', path: '/connect/userinfo' })
    t.match(await read(await organizations()), { Message: 'Busy', Exception: 'at DocuWare', StatusCode: 504 })
    t.equal((await organizations()).status, 504)
    t.equal((await organizations()).status, 200)
    t.equal((await call(dw, '/FileCabinets', accessToken)).status, 502)
    t.equal((await call(dw, '/Organization/LoginToken', accessToken, { method: 'POST' })).status, 503)
    t.equal(await outcome(await postToken(dw, { grant_type: 'client_credentials', ...credentials(dw) })), '200')
    t.equal(await outcome(await refresh(dw, refreshToken)), '400 temporarily_unavailable')
    t.equal(await outcome(await fetch(`${dw.identityUrl}/connect/userinfo`)), '500 server_error')
    dw.failNext(Infinity, 418)
    t.match([(await organizations()).status, (await organizations()).status], [418, 418])
    dw.clearPlans()
    t.equal((await organizations()).status, 200)
  })

  t.test('another media type', async (t) => {
    dw.disguiseNext(1, 'html')
    dw.disguiseNext(1, 'xml', { status: 502 })
    dw.disguiseNext(1, 'html', { on: 'identity', path: '/.well-known/openid-configuration' })
    const html = await organizations()
    t.match([html.status, html.headers.get('content-type'), await html.text()], [200, 'text/html', '<!DOCTYPE html>'])
    const xml = await organizations()
    t.match([xml.status, xml.headers.get('content-type'), await xml.text()], [502, 'application/xml', '<?xml'])
    t.match((await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)).headers.get('content-type'), 'text/html')
  })

  t.test('any other answer', async (t) => {
    dw.answerNext(1, { path: '/Organizations', status: 307, headers: { location: `${dw.foreignUrl}/Organizations` } })
    const followed = await organizations()
    t.match([followed.redirected, await read(followed)], [true, {}])
    t.match(dw.calls().slice(-2), [{ origin: 'platform', status: 307 }, { origin: 'foreign', path: '/Organizations', authorization: undefined }])
    dw.answerNext(1, { on: 'identity', body: 'x'.repeat(2 ** 20) })
    t.equal((await (await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)).text()).length, 2 ** 20)
  })

  t.test('a lost connection: before, after, or in the body', async (t) => {
    for (const when of ['before', 'after'] as const) {
      dw.dropNext(1, { when, path: '/Organization/UserInfo' })
      await t.rejects(call(dw, '/Organization/UserInfo', accessToken, { method: 'POST', body: JSON.stringify({ Name: when }), headers: { 'content-type': 'application/json' } }), when)
    }
    t.strictSame(dw.usersCreated(), [{ Name: 'after' }], 'processed only when it was lost afterwards')
    dw.dropNext(1, { when: 'body' })
    const cut = await organizations()
    t.equal(cut.status, 200)
    await t.rejects(cut.text())
    t.equal((await organizations()).status, 200)
  })

  t.test('a slow answer, and a slow body', async (t) => {
    dw.slowNext(1, { delayMs: 120_000 })
    await t.rejects(organizations(AbortSignal.timeout(50)), { name: 'TimeoutError' }, 'nothing comes')
    dw.slowNext(1, { dripMs: 120_000 })
    const slow = await organizations()
    const reader = slow.body?.getReader()
    t.strictSame([slow.status, (await reader?.read())?.value?.length], [200, 1], 'the head and one byte come')
    await reader?.cancel()
    dw.slowNext(1, { delayMs: 1, dripMs: 1, on: 'identity' })
    t.match(await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration/jwks`)), { keys: [{}] }, 'it comes whole in the end')
  })
})

t.test('token answers wait at a gate', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const [one, other] = [await authorize(dw), await authorize(dw)]
  const gate = dw.holdTokens({ grantType: 'refresh_token' })
  const answers = [refresh(dw, one.refreshToken), refresh(dw, other.refreshToken)]
  await gate.waiting(2)
  await gate.waiting()
  t.equal(dw.calls().filter(({ grantType, status }) => grantType === 'refresh_token' && status === null).length, 2)
  t.equal(dw.secretsIssued().refreshTokens.length, 4, 'they have been processed')
  t.equal(await outcome(await postToken(dw, { grant_type: 'client_credentials', ...credentials(dw) })), '200', 'others pass')
  gate.release()
  gate.release()
  t.strictSame((await Promise.all(answers)).map(({ status }) => status), [200, 200])
  const next = dw.holdTokens()
  const held = postToken(dw, { grant_type: 'client_credentials', ...credentials(dw) })
  await next.waiting()
  dw.holdTokens().release()
  t.equal((await held).status, 200, 'a new gate opens the last')
})

t.test('calls and counters', async (t) => {
  const clock = new ManualClock(1_800_000_000_000)
  const dw = await simulator(t, { autoApprove: true, now: () => clock.now() })
  const { accessToken } = await authorize(dw, { ui_locales: 'de' })
  const cabinet = dw.fileCabinets.at(0)?.id ?? ''
  for (const id of [1, 2]) await call(dw, `/FileCabinets/${cabinet}/Documents/${id}?x=1&x=2`, accessToken)
  await fetch(`${dw.foreignUrl}/steal`, { method: 'POST', headers: { authorization: `Bearer ${accessToken}` } })
  const [signIn, token, document] = dw.calls()
  t.match(signIn, { method: 'GET', path: '/connect/authorize', query: { ui_locales: 'de', scope, code_challenge_method: 'S256' }, parameters: [], at: clock.now() })
  t.match(token, { grantType: 'authorization_code', parameters: ['grant_type', 'code', 'redirect_uri', 'code_verifier', 'client_id', 'client_secret'] })
  t.match(document, { path: `/FileCabinets/${cabinet}/Documents/1`, query: { x: '2' }, authorization: 'Bearer', accept: 'application/json' })
  t.match(dw.calls().at(-1), { origin: 'foreign', method: 'POST', path: '/steal', authorization: 'Bearer', status: 200 })
  t.strictSame(dw.counters(), { 'GET /connect/authorize': 1, 'POST /connect/token authorization_code': 1, 'GET /FileCabinets/{id}/Documents/{n}': 2, 'POST /steal': 1 })
  dw.clearCalls()
  t.strictSame([dw.calls(), dw.counters()], [[], {}])
})

t.test('the clock decides, and may be ahead', async (t) => {
  const clock = new ManualClock(1_800_000_000_000)
  const dw = await simulator(t, { autoApprove: true, now: () => clock.now(), lifetimes: { accessToken: 100 } })
  const { accessToken, expiresIn } = await authorize(dw)
  t.equal(expiresIn, 100)
  clock.advance(99_999)
  const good = await call(dw, '/Organizations', accessToken)
  t.strictSame([good.status, good.headers.get('date')], [200, new Date(clock.now()).toUTCString()])
  clock.advance(1)
  t.equal((await call(dw, '/Organizations', accessToken)).status, 401)
  dw.set({ clockOffsetMs: 600_000 })
  const ahead = await authorize(dw)
  t.equal(decodeJwt(ahead.accessToken).iat, (clock.now() + 600_000) / 1000)
  dw.set({ clockOffsetMs: 0 })
  t.equal((await call(dw, '/Organizations', ahead.accessToken)).status, 200)
})

t.test('every secret is listed', async (t) => {
  const dw = await simulator(t)
  const form = await redemption(dw, { state: 'state-1' })
  const tokens = await tokensOf(await postToken(dw, form))
  const refreshed = await tokensOf(await refresh(dw, tokens.refreshToken))
  const second = dw.addClientSecret()
  const login: unknown = await (await call(dw, '/Organization/LoginToken', tokens.accessToken, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).json()
  t.strictSame(dw.secretsIssued(), {
    accessTokens: [tokens.accessToken, refreshed.accessToken],
    refreshTokens: [tokens.refreshToken, refreshed.refreshToken],
    idTokens: [tokens.idToken, refreshed.idToken],
    loginTokens: [login],
    codes: [form['code']],
    states: ['state-1'],
    codeVerifiers: [form['code_verifier']],
    clientSecrets: [dw.clientSecret, second],
    passwords: [dw.user.password],
    passphrases: [dw.passphrase]
  })
})

t.test('webhooks are signed as DocuWare signs them', async (t) => {
  const dw = await simulator(t)
  let got: { body: string, signature: string | undefined, type: string | undefined } | undefined
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      got = { body: Buffer.concat(chunks).toString('utf8'), signature: request.headers['x-docuware-signature']?.toString(), type: request.headers['content-type'] }
      response.writeHead(202).end('thanks')
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => receiver.close())
  await once(receiver, 'listening')
  const url = `http://127.0.0.1:${String(pick(receiver.address(), 'port'))}/hook`
  const hmac = (text: string, secret = dw.passphrase): string => createHmac('sha512', secret).update(text, 'utf8').digest('hex')

  const answer = await dw.sendWebhook(url)
  t.match(answer, { status: 202, text: 'thanks', sent: { body: got?.body, signature: got?.signature } })
  t.match(got?.body, '"Item":5.30,')
  t.match(JSON.parse(got?.body ?? ''), { Values: [{ FieldName: 'COMPANY', Item: 'Großküchen Müller GmbH' }, { FieldName: 'AMOUNT', Item: 5.3 }] })
  t.equal(got?.signature, hmac(got?.body ?? ''))

  const text = '{ "a": "x: , {\\" y",\t"b": [5.30, 1] }'
  await dw.sendWebhook(url, text, { spaced: true, secret: 'another' })
  t.match(got?.body, /\n/)
  t.match(JSON.parse(got?.body ?? ''), { a: 'x: , {" y', b: [5.3, 1] })
  t.equal(got?.signature, hmac('{"a":"x: , {\\" y","b":[5.30,1]}', 'another'), 'of the minified body')

  await dw.sendWebhook(url, { a: 1 }, { headers: { 'x-extra': '1' } })
  t.match(got, { body: '{"a":1}', type: 'application/json; charset=utf-8', signature: hmac('{"a":1}') })
  for (const signature of ['wrong', 'malformed', 'missing'] as const) {
    await dw.sendWebhook(url, { a: 1 }, { signature })
    t.not(got?.signature, hmac('{"a":1}'), signature)
  }
  t.equal(got?.signature, undefined)
})
