import fastifyCookie from '@fastify/cookie'
import t, { type Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { admin } from '../../plugins/admin.js'
import { EventReader, openStream } from '../admin/event-reader.js'
import { MovableClock } from '../docuware/clocked-app.js'
import { ManualClock } from '../manual-clock.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { listeningProvider } from '../provider/listening-provider.js'
import { eventually } from '../store-app.js'
import { startOidcIdentity, type OidcIdentity } from './oidc-identity.js'
import { Browser, client, dump, signedIn, signInApp, type SignInApp, type SignInAppOptions } from './sign-in-app.js'

const roles = { claim: 'groups', map: { 'dw-admins': ['docuware', 'system'], others: ['oauth_provider'] } } as const
const scopes = ['openid', 'profile', 'email', 'groups']

/** An app beside oidc-provider. */
async function oidcApp (t: Test, options: Partial<SignInAppOptions> = {}): Promise<SignInApp & { oidc: OidcIdentity }> {
  const port = await freePort()
  const oidc = await startOidcIdentity(t, `http://127.0.0.1:${port}/sign-in/callback`)
  return { oidc, ...await signInApp(t, { port, ...options, signIn: { issuer: oidc.issuer, scopes, roles, ...options.signIn } }) }
}

/** The callback's address that the identity provider sent a browser to. */
async function calledBack (url: string, browser: Browser): Promise<string> {
  const { url: callback } = await browser.open(`${url}/sign-in?returnTo=/me`, { until: `${url}/sign-in/callback` })
  return callback
}

t.test('a person signs in at oidc-provider and is the caller, until they sign out', async (t) => {
  const { app, url, uri, lines, oidc } = await oidcApp(t, { store: { log: { personalData: true } } })
  t.strictSame(oidc.requests, [], 'nothing is asked before somebody signs in')
  const browser = new Browser()
  t.equal((await browser.open(`${url}/me`)).status, 401)
  t.equal(app.signIn.loginUrl('/me?a=b'), '/sign-in?returnTo=%2Fme%3Fa%3Db')
  const back = await browser.open(url + app.signIn.loginUrl('/me?a=b'))
  t.equal(back.url, `${url}/me?a=b`)
  t.strictSame(JSON.parse(back.text), { id: 'ann', name: 'Ann Archer', roles: ['docuware', 'system'] })
  t.equal((await browser.open(`${url}/change`, { method: 'POST', headers: { origin: url } })).text, 'changed')
  t.strictSame([...browser.cookies.keys()].filter((name) => name.startsWith('dwa_')), ['dwa_session'], 'the binding is gone')

  const authorize = new URL(oidc.requests.find((line) => line.startsWith('GET /auth?'))?.slice(4) ?? '', url)
  t.match(Object.fromEntries(authorize.searchParams), { response_type: 'code', scope: 'openid profile email groups', code_challenge_method: 'S256', code_challenge: /^[\w-]{43}$/, state: /^[\w-]{22}$/ })
  t.strictSame(oidc.requests.filter((line) => line.includes('.well-known')), ['GET /.well-known/openid-configuration'])

  const session = browser.cookies.get('dwa_session') ?? ''
  t.match(session, /^[\w-]{43}$/)
  const out = await browser.open(url + app.signIn.logoutUrl, { method: 'POST', headers: { origin: url, 'sec-fetch-site': 'same-origin' } })
  t.match(out, { status: 200, text: /You are signed out.*href="\/sign-in"/s })
  t.notOk(browser.cookies.has('dwa_session'))
  t.match(out.headers.get('set-cookie'), 'Max-Age=0')
  browser.cookies.set('dwa_session', session)
  t.equal((await browser.open(`${url}/me`)).status, 401, 'the cookie is worth nothing any more')

  const [ended, started] = await app.auditLog.find({ event: 'session.*' })
  t.match(started, { event: 'session.started', actor: { type: 'user', id: 'ann' }, target: { type: 'session' }, details: { roles: ['docuware', 'system'] }, personal: { ip: '127.0.0.1', userName: 'Ann Archer' } })
  t.match(ended, { event: 'session.ended', actor: { type: 'user', id: 'ann' }, target: { id: started?.target?.id }, details: { reason: 'signed_out' } })
  const kept = [await dump(uri), ...lines].join('\n')
  t.notOk(kept.includes(session), 'security 35: the session\'s id is nowhere')
  t.notOk(kept.includes(client.clientSecret))
  t.notMatch(kept, /code=|code_verifier|access_token/)
  t.notOk(kept.includes(authorize.searchParams.get('state') ?? '-'), 'security 52: nor is the state')
})

t.test('this package\'s own provider is one to sign in at', async (t) => {
  const idp = await listeningProvider(t)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const made = await idp.app.oauthProvider.clients.create({ name: 'Console', applicationType: 'web', redirectUris: [`${url}/sign-in/callback`], scopes: ['profile', 'email'], skipAuthorization: true })
  const { app } = await signInApp(t, {
    port,
    signIn: { issuer: idp.url, clientId: made.client.clientId, clientSecret: made.clientSecret ?? '', scopes: ['profile', 'email'], roles: { of: ({ email }) => email === 'ann@example.org' ? ['docuware'] : [] } }
  })
  const browser = new Browser()
  const ann = { headers: { 'x-user': 'ann' } }
  const { url: authorize } = await browser.open(`${url}/sign-in?returnTo=/me`, { until: idp.base })
  const { headers } = await fetch(authorize, { ...ann, redirect: 'manual' })
  const me = await browser.open(headers.get('location') ?? '')
  t.equal(me.url, `${url}/me`)
  t.match(JSON.parse(me.text), { id: /^[0-9a-f]{64}$/, name: 'Ann', roles: ['docuware'] })

  const denied = await app.inject(`/sign-in/callback?error=access_denied&state=${new URL(authorize).searchParams.get('state') ?? ''}&iss=${idp.url}`)
  t.match(denied.json(), { code: 'DWA_SIGN_IN_INVALID_STATE' }, 'the state is used up')
})

t.test('security 15: the session\'s id is new at each sign-in, the one before is over, and one that somebody planted never counts', async (t) => {
  const { app, url } = await oidcApp(t)
  const browser = new Browser()
  const planted = 'p'.repeat(43)
  browser.cookies.set('dwa_session', planted)
  await signedIn(url, browser)
  const first = browser.cookies.get('dwa_session') ?? ''
  t.not(first, planted)
  await signedIn(url, browser)
  const second = browser.cookies.get('dwa_session') ?? ''
  t.not(second, first)
  const status = async (cookie: string): Promise<number> => (await app.inject({ url: '/me', headers: { cookie } })).statusCode
  t.equal(await status(`dwa_session=${planted}`), 401)
  t.equal(await status(`dwa_session=${first}`), 401)
  t.equal(await status(`dwa_session=${second}`), 200)
  t.match(await app.auditLog.find({ event: 'session.ended' }), [{ details: { reason: 'signed_in_again' } }])
  t.equal(await status(`dwa_session=${second}; dwa_session=${planted}`), 401, 'security 51: of two cookies none counts')
  t.equal(await status('dwa_session=short'), 401)
})

t.test('log-out needs no session, comes from our own pages, leads to our own paths, and holds in every process at once', async (t) => {
  const { app, url, uri, oidc } = await oidcApp(t)
  const { app: other } = await signInApp(t, { uri, publicUrl: url, signIn: { issuer: oidc.issuer, roles } })
  const browser = await signedIn(url)
  const cookie = `dwa_session=${browser.cookies.get('dwa_session') ?? ''}`
  t.equal((await other.inject({ url: '/me', headers: { cookie } })).statusCode, 200)
  const out = async (headers: Record<string, string>, payload = '') => await app.inject({ method: 'POST', url: '/sign-in/out', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload })

  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'cross-site', origin: 'null' }, { origin: 'null' }]) {
    const answer = await out(Object.keys(headers).join() === 'origin' && headers.origin === 'null' ? headers : { cookie, ...headers })
    t.match([answer.json(), answer.headers], [{ code: 'DWA_CROSS_SITE' }, { 'set-cookie': undefined }], JSON.stringify(headers))
    t.equal((await app.inject({ method: 'POST', url: '/change', headers: { cookie, ...headers } })).json().code, 'DWA_CROSS_SITE', 'nor may it change anything')
  }
  t.equal((await app.inject({ url: '/sign-in/out', headers: { cookie } })).statusCode, 404, 'no link signs anybody out')
  t.equal((await other.inject({ url: '/me', headers: { cookie } })).statusCode, 200)

  t.match(await out({ cookie, origin: url }, 'returnTo=/bye%3Fa=b'), { statusCode: 303, headers: { location: '/bye?a=b' } })
  t.equal((await other.inject({ url: '/me', headers: { cookie } })).statusCode, 401)
  t.match(await out({ cookie }), { statusCode: 204, body: '' }, 'once more')
  for (const headers of [{ origin: 'null' }, { origin: 'null', 'sec-fetch-site': 'same-origin' }]) {
    const again = `dwa_session=${(await signedIn(url)).cookies.get('dwa_session') ?? ''}`
    t.equal((await out({ cookie: again, ...headers })).statusCode, 204, 'a form of a page without a referrer')
    t.equal((await app.inject({ url: '/me', headers: { cookie: again } })).statusCode, 401)
  }
  t.match(await out({ accept: 'text/html' }, 'returnTo=//evil.example'), { statusCode: 200, body: /You are signed out/ })
  t.equal((await app.auditLog.find({ event: 'session.ended' })).length, 3)
  t.equal((await app.inject({ method: 'POST', url: '/sign-in/out', headers: { 'content-type': 'application/json' }, payload: '{}' })).statusCode, 415)
})

t.test('a state is of one browser, used once, and several tabs do not take it from each other', async (t) => {
  const { app, url } = await oidcApp(t)
  const [ann, mallory] = [new Browser(), new Browser()]
  const refused = async (callback: string, browser: Browser, code: string): Promise<void> => {
    const answer = await browser.open(callback, { headers: { accept: 'application/json' } })
    t.match({ status: answer.status, ...JSON.parse(answer.text) }, { status: 400, code }, code)
    t.notOk(browser.cookies.has('dwa_session'))
  }
  const [first, second, third] = [await calledBack(url, ann), await calledBack(url, ann), await calledBack(url, ann)]
  t.equal((await ann.open(second)).url, `${url}/me`)
  t.equal((await ann.open(first)).url, `${url}/me`, 'the tab that was opened before works as well')
  ann.cookies.delete('dwa_session')
  await refused(first, ann, 'DWA_SIGN_IN_INVALID_STATE')
  await refused(third, mallory, 'DWA_SIGN_IN_INVALID_STATE')
  await refused(third, ann, 'DWA_SIGN_IN_INVALID_STATE')
  const altered = new URL(await calledBack(url, ann))
  altered.searchParams.set('state', 'x'.repeat(22))
  await refused(altered.href, ann, 'DWA_SIGN_IN_INVALID_STATE')
  await refused(`${url}/sign-in/callback`, ann, 'DWA_SIGN_IN_INVALID_REQUEST')
  await refused(`${url}/sign-in/callback?error=access_denied`, ann, 'DWA_SIGN_IN_INVALID_REQUEST')
  await refused(`${url}/sign-in/callback?state=a`, ann, 'DWA_SIGN_IN_INVALID_REQUEST')
  await refused(`${url}/sign-in/callback?state=a&state=b&code=c`, ann, 'DWA_SIGN_IN_INVALID_REQUEST')
  await refused(`${url}/sign-in/callback?state=a&code=${'c'.repeat(4097)}`, ann, 'DWA_SIGN_IN_INVALID_REQUEST')
  const page = await new Browser().open(first)
  t.match(page, { status: 400, text: /You are not signed in.*begun in another browser.*href="\/sign-in"/s })
  t.match(page.headers.get('content-security-policy'), "frame-ancestors 'none'", 'security 12')
  const entries = await app.auditLog.find({ event: 'session.refused' })
  t.match(entries.map(({ details }) => details['reason']).sort(), ['browser', 'state'], 'each once, and counted')
})

t.test('whoever says no, and a foreign issuer, is not signed in', async (t) => {
  const { url, oidc } = await oidcApp(t)
  const browser = new Browser()
  const other = new URL(await calledBack(url, browser))
  other.searchParams.set('iss', 'https://evil.example')
  t.match(await browser.open(other.href), { status: 400, text: /another identity provider/ })
  const none = new URL(await calledBack(url, browser))
  none.searchParams.delete('iss')
  t.match(await browser.open(none.href), { status: 400, text: /another identity provider/ }, 'it promised to name itself')
  const wrong = new URL(await calledBack(url, browser))
  wrong.searchParams.set('code', 'wrong')
  t.match(await browser.open(wrong.href), { status: 502, text: /gave no token: invalid_grant/ })
  oidc.denies = true
  const denied = await new Browser().open(`${url}/sign-in?returnTo=/me`)
  t.match(denied, { status: 403, text: /refused: access_denied/ })
  const odd = new URL(await calledBack(url, browser))
  odd.searchParams.set('error', '<script>')
  t.match(await browser.open(odd.href), { status: 403, text: /refused: unknown_error/ })
  t.notOk(browser.cookies.has('dwa_session'))
})

t.test('only a path on this site is led to', async (t) => {
  const { app, url } = await oidcApp(t)
  for (const returnTo of ['//evil.example', 'https://evil.example/', '/\\evil.example', '/..//evil.example', 'javascript:alert(1)', '', '/a\nb', `/${'a'.repeat(3000)}`]) {
    const answer = await app.inject({ url: '/sign-in', query: { returnTo } })
    t.match(answer.json(), { code: 'DWA_SIGN_IN_INVALID_REQUEST', statusCode: 400 }, JSON.stringify(returnTo))
    t.equal(answer.headers['set-cookie'], undefined)
    t.equal(app.signIn.loginUrl(returnTo), '/sign-in')
  }
  t.equal((await new Browser().open(`${url}/sign-in`)).url, `${url}/`, 'and the app\'s root when nothing is said')
})

t.test('roles are those of the last sign-in, and whoever has none is known all the same', async (t) => {
  const { app, url, oidc } = await oidcApp(t)
  const browser = await signedIn(url)
  oidc.claims = { ...oidc.claims, groups: [] }
  t.equal((await browser.open(`${url}/me`)).status, 200)
  const answer = await browser.open(`${url}/sign-in?returnTo=/me`)
  t.match({ url: answer.url, status: answer.status }, { url: `${url}/me`, status: 403 })
  t.strictSame(JSON.parse((await browser.open(`${url}/whoever`)).text), { id: 'ann', name: 'Ann Archer', roles: [] })
  t.equal(await app.signIn.endSessionsOf('ann'), 1)
  t.equal((await browser.open(`${url}/whoever`)).text, 'nobody')
  t.equal(await app.signIn.endSessionsOf('ann', { message: 'left' }), 0)
  t.match(await app.auditLog.find({ event: 'session.ended', limit: 1 }), [{ actor: { type: 'app' }, details: { reason: 'ended_by_app', person: 'ann' } }])
})

t.test('sessions end when they are not used, and in any case; a sign-in takes ten minutes at most', async (t) => {
  const clock = new MovableClock()
  const { app, url } = await oidcApp(t, { store: { clock }, signIn: { session: { lifetime: 1000, idle: 300 } } })
  const status = async (browser: Browser): Promise<number> => (await browser.open(`${url}/me`)).status
  const [used, unused] = [await signedIn(url), await signedIn(url)]
  clock.advance(290_000)
  t.equal(await status(used), 200)
  clock.advance(10_001)
  t.equal(await status(unused), 401, 'nobody used it for five minutes')
  for (const seconds of [280, 280, 130]) {
    clock.advance(seconds * 1000)
    t.equal(await status(used), 200, `${seconds} s later`)
  }
  clock.advance(20_000)
  t.equal(await status(used), 401, 'its use does not put the end off')

  const late = new Browser()
  const callback = await calledBack(url, late)
  clock.advance(600_001)
  t.match(await late.open(callback), { status: 400, text: /expired/ })
  t.strictSame((await app.auditLog.find({ event: 'session.ended' })), [])
})

t.test('while the database is away nobody passes: 503', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app, url } = await oidcApp(t, { uri: proxy.uri })
  const browser = await signedIn(url)
  const callback = new URL(await calledBack(url, browser))
  const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ')
  await proxy.cut()
  const cases = [{ url: '/me' }, { url: '/whoever' }, { url: '/sign-in' }, { url: callback.pathname + callback.search }, { method: 'POST', url: '/sign-in/out' }] as const
  for (const request of cases) {
    const answer = await app.inject({ ...request, headers: { cookie } })
    t.match({ status: answer.statusCode, ...answer.json() }, { status: 503, code: 'DWA_STORE_UNAVAILABLE' }, request.url)
    t.notMatch(String(answer.headers['set-cookie'] ?? ''), 'dwa_session', 'and no cookie is taken or given')
  }
  t.equal((await app.inject('/me')).statusCode, 401, 'whoever has no cookie is nobody')
  await proxy.open()
  await eventually('the database is back', () => app.store.available)
  t.equal((await browser.open(`${url}/me`)).status, 200, 'the session outlived it')
})

t.test('an app with @fastify/cookie of its own, registered before or after', async (t) => {
  for (const when of ['before', 'after'] as const) {
    const { url, app } = await oidcApp(t, {
      [when]: async (app: SignInApp['app']) => {
        await app.register(fastifyCookie, { secret: 'the app signs its cookies with this' })
        app.get('/cookie', async (request, reply) => await reply.setCookie('own', 'value', { signed: true }).send(request.cookies))
      }
    })
    const browser = await signedIn(url)
    t.equal((await browser.open(`${url}/me`)).status, 200, when)
    t.match((await app.inject('/cookie')).headers['set-cookie'], /^own=value\./)
  }
})

t.test('an open stream of the log is no use of the session, and ends with it', async (t) => {
  const clock = new ManualClock()
  const { app, url } = await oidcApp(t, { store: { clock }, signIn: { session: { lifetime: 3000, idle: 100 } }, after: async (app) => { await app.register(admin, { console: false }) } })
  const open = async (browser: Browser): Promise<EventReader> => new EventReader((await openStream(`${url}/admin/api/log/stream?event=connection.*`, { cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') })).on('error', () => {}))
  const find = app.callers.find.bind(app.callers)
  const looks: Array<ReturnType<typeof find>> = []
  app.callers.find = async (...asked) => await (looks[looks.length] = find(...asked))
  const lookedAgain = async (): Promise<void> => {
    await Promise.all(looks)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const idle = await open(await signedIn(url))
  await idle.next()
  for (let seconds = 15; seconds <= 90; seconds += 15) {
    clock.advance(15_000)
    await lookedAgain()
  }
  await app.auditLog.append('connection.created')
  t.strictSame(await idle.events(1), ['connection.created'], 'it goes on as long as the session')
  clock.advance(15_000)
  await t.rejects(idle.events(100), { code: 'ECONNRESET' }, 'which ends as if there were no stream')

  const [browser, other] = [await signedIn(url), await signedIn(url)]
  const over = await open(browser)
  await over.next()
  await browser.open(`${url}/sign-in/out`, { method: 'POST', headers: { origin: url } })
  clock.advance(15_000)
  await t.rejects(over.events(100), { code: 'ECONNRESET' }, 'signed out')
  t.equal((await other.open(`${url}/me`)).status, 200)
})
