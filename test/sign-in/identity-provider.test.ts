import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import docuwareAuth from '../../index.js'
import { isAuthError } from '../../lib/errors.js'
import { OAuth2CodeFlow } from '../../plugins/sign-in-code-flow.js'
import type { SignInOptions } from '../../plugins/sign-in.js'
import { signIn } from '../../plugins/sign-in.js'
import { store } from '../../plugins/store.js'
import { masterKey } from '../app.js'
import { cookieOf } from '../docuware/caller.js'
import { MovableClock } from '../docuware/clocked-app.js'
import { json, redirect, startStub } from '../docuware/stub.js'
import { startTestMongo } from '../mongo.js'
import { client, dump, signInApp, type SignInApp, type SignInAppOptions } from './sign-in-app.js'
import { accessToken, startStubIdentity, type StubIdentity } from './stub-identity.js'

const roles = { claim: 'groups', map: { 'dw-admins': ['docuware'] } } as const
const { uri } = await startTestMongo(t)

/** An app beside an identity provider of the test's own, on the one database of this file. */
async function stubApp (t: Test, { signIn: options, ...others }: Partial<SignInAppOptions> = {}): Promise<SignInApp & { identity: StubIdentity }> {
  const identity = await startStubIdentity(t)
  return { identity, ...await signInApp(t, { uri, ...others, signIn: { issuer: identity.origin, roles, ...options } }) }
}

type Answer = Awaited<ReturnType<FastifyInstance['inject']>>

/** Begins a sign-in. */
async function begin (app: FastifyInstance): Promise<{ readonly started: Answer, readonly location: URL, readonly cookie: string }> {
  const started = await app.inject('/sign-in')
  if (started.statusCode !== 303) throw new Error(started.body)
  return { started, location: new URL(String(started.headers.location)), cookie: cookieOf(started) }
}

/** Signs in, and returns the answer of the callback. */
async function comeBack (app: FastifyInstance, query: Record<string, string> = {}): Promise<Answer> {
  const { location, cookie } = await begin(app)
  return await app.inject({ url: '/sign-in/callback', query: { state: location.searchParams.get('state') ?? '', code: 'the code', ...query }, headers: { cookie } })
}

/** Id and secret, form-encoded in the header (RFC 6749 §2.3.1). */
function basicOf (authorization = ''): string[] {
  return Buffer.from(authorization.slice('Basic '.length), 'base64').toString().split(':').map((part) => new URLSearchParams(`part=${part}`).get('part') ?? '')
}

const answering = (status: number, body = '') => (_: IncomingMessage, response: ServerResponse): void => { response.writeHead(status, { 'content-type': 'application/json' }).end(body) }

async function failureOf (asked: Promise<unknown>): Promise<unknown> {
  return await asked.then(() => null, (error: unknown) => error)
}

t.test('the exchange: PKCE, the client by header or form, addresses with a query, further parameters', async (t) => {
  const cases = [
    [{}, {}, 'basic'],
    [{}, { token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'] }, 'post'],
    [{}, { token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'] }, 'basic'],
    [{ clientAuthentication: 'post' }, {}, 'post'],
    [{ clientAuthentication: 'basic' }, { token_endpoint_auth_methods_supported: ['client_secret_post'] }, 'basic']
  ] as const
  for (const [options, metadata, method] of cases) {
    const { app, identity, uri, lines } = await stubApp(t, { signIn: { ...options, clientSecret: 'p:a+%20 &=/%zz~"', parameters: { prompt: 'login' } } })
    identity.metadata = metadata
    const { location, cookie } = await begin(app)
    t.match(Object.fromEntries(location.searchParams), { tenant: 'a', prompt: 'login', client_id: client.clientId, scope: 'openid profile email', redirect_uri: /^http:\/\/127\.0\.0\.1:\d+\/sign-in\/callback$/ })
    const back = await app.inject({ url: '/sign-in/callback', query: { state: location.searchParams.get('state') ?? '', code: 'the code' }, headers: { cookie } })
    t.match(back, { statusCode: 303, headers: { location: '/', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } })
    const [exchange] = identity.exchanges
    t.match(Object.fromEntries(exchange?.form ?? []), { grant_type: 'authorization_code', code: 'the code', redirect_uri: location.searchParams.get('redirect_uri') })
    t.equal(createHash('sha256').update(exchange?.form.get('code_verifier') ?? '').digest('base64url'), location.searchParams.get('code_challenge'))
    if (method === 'post') t.match(Object.fromEntries(exchange?.form ?? []), { client_id: client.clientId, client_secret: 'p:a+%20 &=/%zz~"' })
    else t.strictSame(basicOf(exchange?.authorization), [client.clientId, 'p:a+%20 &=/%zz~"'])
    t.equal(identity.requests.filter((line) => line.startsWith('POST')).join(), 'POST /token?tenant=a')
    const kept = [await dump(uri), ...lines].join('\n')
    for (const secret of [accessToken, exchange?.form.get('code_verifier') ?? '-', 'the code', 'p:a+%20']) t.notOk(kept.includes(secret), 'security 35: nothing of it is kept')
  }
})

t.test('security 51: where the app is reached by https, its cookies are __Host- and Secure; always HttpOnly and SameSite=Lax', async (t) => {
  const { app } = await stubApp(t, { publicUrl: 'https://app.example/base' })
  const { started, location } = await begin(app)
  t.equal(location.searchParams.get('redirect_uri'), 'https://app.example/base/sign-in/callback')
  t.match(started.headers['set-cookie'], /^__Host-dwa_sign_in_[\w-]{16}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const back = await comeBack(app)
  const [unbound, session] = [back.headers['set-cookie'] ?? []].flat()
  t.match(unbound, /^__Host-dwa_sign_in_[\w-]{16}=; Max-Age=0; /)
  t.match(session, /^__Host-dwa_session=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  t.equal(back.headers.location, '/base', 'whoever had nowhere to go is led to the app, not to its neighbour')
  const cookie = String(session).split(';', 1).join()
  t.match((await app.inject({ url: '/me', headers: { cookie } })).json(), { id: 'ann', name: 'Ann' })
  t.equal((await app.inject({ url: '/me', headers: { cookie: cookie.replace('__Host-', '') } })).statusCode, 401)
  t.equal(app.signIn.loginUrl('/me'), '/base/sign-in?returnTo=%2Fme')
  t.equal(app.signIn.logoutUrl, '/base/sign-in/out')

  const { app: plain } = await stubApp(t)
  t.equal((await comeBack(plain)).headers.location, '/')
  t.match((await begin(plain)).started.headers['set-cookie'], /^dwa_sign_in_[\w-]{16}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
})

t.test('a dead provider stops no start, is told of at the sign-in, and is looked for again at the next', async (t) => {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const { app } = await signInApp(t, { uri, signIn: { issuer } })
  const dead = await app.inject({ url: '/sign-in', headers: { accept: 'text/html' } })
  t.match(dead, { statusCode: 502, body: /identity provider cannot be used: its metadata cannot be fetched \(ECONNREFUSED\)/ })
  t.notOk(dead.body.includes(String(port)), 'where it was looked for is for the log')
  t.equal(dead.headers['set-cookie'], undefined)
  t.match((await app.inject('/sign-in')).json(), { code: 'DWA_SIGN_IN_PROVIDER', statusCode: 502 })
  const late = Fastify()
  t.teardown(() => late.close())
  late.get('/.well-known/openid-configuration', async () => ({ issuer, authorization_endpoint: `${issuer}/a`, token_endpoint: `${issuer}/t`, userinfo_endpoint: `${issuer}/u` }))
  await late.listen({ host: '127.0.0.1', port })
  t.equal((await begin(app)).location.href.split('?', 1).join(), `${issuer}/a`)
})

t.test('metadata is read once for all, again after an hour, and serves on when that fails', async (t) => {
  const clock = new MovableClock()
  const { app, identity } = await stubApp(t, { store: { clock } })
  const reads = () => identity.requests.filter((line) => line.includes('.well-known')).length
  await Promise.all([begin(app), begin(app), begin(app)])
  t.equal(reads(), 1)
  clock.advance(3_599_000)
  await begin(app)
  t.equal(reads(), 1)
  identity.routes = { '/.well-known/openid-configuration': json('broken') }
  clock.advance(2000)
  t.equal((await comeBack(app)).statusCode, 303)
  t.ok(reads() > 1)
  identity.routes = { '/.well-known/openid-configuration': json({ issuer: identity.origin, authorization_endpoint: `${identity.origin}/moved`, token_endpoint: `${identity.origin}/token`, userinfo_endpoint: `${identity.origin}/userinfo` }) }
  t.equal((await begin(app)).location.pathname, '/moved')
  t.equal((await comeBack(app)).statusCode, 303)
})

t.test('metadata that cannot be used', async (t) => {
  const { origin } = await startStub(t, () => ({}))
  const cases: Array<[StubIdentity['metadata'], RegExp]> = [
    [{ issuer: 'https://evil.example' }, /its metadata is that of another issuer/],
    [{ token_endpoint: 'http://elsewhere.example/token' }, /has no usable token_endpoint/],
    [{ userinfo_endpoint: undefined }, /has no usable userinfo_endpoint/],
    [{ authorization_endpoint: 'https://user:password@elsewhere.example/' }, /has no usable authorization_endpoint/]
  ]
  for (const [change, problem] of cases) {
    const { app, identity } = await stubApp(t)
    identity.metadata = change
    t.match((await app.inject('/sign-in')).json(), { code: 'DWA_SIGN_IN_PROVIDER', statusCode: 502, message: problem })
  }
  const { app, identity } = await stubApp(t, { signIn: { requestsPerMinute: 1000 } })
  for (const [routes, problem] of [
    [answering(404), /its metadata answered with status 404/],
    [json('[]'), /is no JSON object/],
    [json('{'), /malformed JSON/],
    [json('{}', { 'content-type': 'text/html' }), /another media type/],
    [json(`"${'x'.repeat(300_000)}"`), /more than 262144 bytes/],
    [redirect(origin), /status 302/]
  ] as const) {
    identity.routes = { '/.well-known/openid-configuration': routes }
    t.match((await app.inject('/sign-in')).json(), { code: 'DWA_SIGN_IN_PROVIDER', statusCode: 502, message: problem })
  }
})

t.test('security 52, 53: an exchange or a userinfo that fails signs nobody in, and repeats no secret', async (t) => {
  const { app, identity, lines } = await stubApp(t)
  const cases: Array<[StubIdentity['routes'], string, RegExp]> = [
    [{ '/token': answering(401, '{"error":"invalid_client"}') }, 'EXCHANGE', /: invalid_client$/],
    [{ '/token': answering(400, '{"error":"<b>"}') }, 'EXCHANGE', /: status 400$/],
    [{ '/token': answering(500) }, 'EXCHANGE', /: status 500$/],
    [{ '/token': redirect('/elsewhere') }, 'EXCHANGE', /: status 302$/],
    [{ '/token': json(`{"access_token":"${accessToken}`) }, 'EXCHANGE', /: no usable answer$/],
    [{ '/token': json({ token_type: 'Bearer' }) }, 'EXCHANGE', /no bearer token/],
    [{ '/token': json({ access_token: accessToken, token_type: 'DPoP' }) }, 'EXCHANGE', /no bearer token/],
    [{ '/token': json({ access_token: accessToken, token_type: 'Bearer', padding: 'x'.repeat(70_000) }) }, 'EXCHANGE', /: no usable answer$/],
    [{ '/token': (_, response) => { response.destroy() } }, 'EXCHANGE', /: ECONNRESET$/],
    [{ '/userinfo': answering(401) }, 'PROVIDER', /its userinfo answered with status 401/],
    [{ '/userinfo': answering(404) }, 'PROVIDER', /its userinfo answered with status 404/],
    [{ '/userinfo': json('[]') }, 'PROVIDER', /no JSON object/],
    [{ '/userinfo': json({ name: 'Ann' }) }, 'IDENTITY', /no usable claim "sub"/]
  ]
  for (const [routes, code, message] of cases) {
    identity.routes = routes
    const answer = await comeBack(app)
    t.match(answer.json(), { code: `DWA_SIGN_IN_${code}`, statusCode: 502, message })
    t.notMatch(String(answer.headers['set-cookie']), 'dwa_session')
    t.notOk(answer.body.includes(accessToken.slice(0, 8)))
  }
  identity.routes = {}
  t.equal((await comeBack(app)).statusCode, 303)
  t.notOk(lines.some((line) => line.includes(client.clientSecret) || line.includes(accessToken) || line.includes(Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64').slice(0, 30))))
  t.match((await app.auditLog.find({ event: 'session.refused' })).map(({ details }) => details['reason']), ['identity', 'provider', 'exchange'])
})

t.test('endpoints given outright are not discovered; an issuer beside them is only compared', async (t) => {
  const identity = await startStubIdentity(t)
  const endpoints = { authorization: `${identity.origin}/authorize`, token: `${identity.origin}/token`, userinfo: `${identity.origin}/userinfo` }
  const { app } = await signInApp(t, { uri, signIn: { endpoints } })
  t.equal((await comeBack(app, { iss: 'https://whoever.example' })).statusCode, 303)
  const { app: strict } = await signInApp(t, { uri, signIn: { endpoints, issuer: 'https://id.example' } })
  t.equal((await comeBack(strict)).statusCode, 303)
  t.equal((await comeBack(strict, { iss: 'https://id.example' })).statusCode, 303)
  t.match((await comeBack(strict, { iss: 'https://id.example/' })).json(), { code: 'DWA_SIGN_IN_FOREIGN_ISSUER' })
  t.notOk(identity.requests.some((line) => line.includes('.well-known')))
})

t.test('the app\'s own access is asked first, and what it cannot decide nobody else does', async (t) => {
  const access = ({ headers: { 'x-as': as } }: { headers: Record<string, unknown> }) => {
    if (as === 'fail') throw new Error('no')
    return as === undefined ? null : { id: String(as), roles: ['docuware'] }
  }
  const { app } = await stubApp(t, { store: { access } })
  const cookie = String([(await comeBack(app)).headers['set-cookie'] ?? []].flat()[1]).split(';', 1).join()
  t.match((await app.inject({ url: '/me', headers: { cookie } })).json(), { id: 'ann' })
  t.match((await app.inject({ url: '/me', headers: { cookie, 'x-as': 'bob' } })).json(), { id: 'bob' })
  t.match((await app.inject({ url: '/me', headers: { cookie, 'x-as': 'fail' } })).json(), { code: 'DWA_ACCESS_FAILED' })
  t.match((await app.inject('/me')).json(), { code: 'DWA_ACCESS_UNAUTHENTICATED' })
})

t.test('what roles.of throws, or returns that is no list of roles, refuses the sign-in', async (t) => {
  for (const of of [() => { throw new Error('the directory is away') }, async () => null, () => [1]]) {
    const wrong: object = { of }
    const { app } = await stubApp(t, { signIn: { roles: wrong } })
    const answer = await comeBack(app)
    t.match(answer.json(), { code: 'DWA_SIGN_IN_ROLES', statusCode: 500 })
    t.notMatch(String(answer.headers['set-cookie']), 'dwa_session')
  }
})

t.test('security 31: so many requests a minute from one address, then 429', async (t) => {
  const { app } = await stubApp(t, { signIn: { requestsPerMinute: 3 } })
  for (let i = 0; i < 3; i++) t.equal((await app.inject('/sign-in')).statusCode, 303)
  const limited = await app.inject({ url: '/sign-in', headers: { accept: 'text/html' } })
  t.match(limited, { statusCode: 429, headers: { 'retry-after': /^\d+$/ }, body: /Too many requests/ })
  t.equal((await app.inject({ method: 'POST', url: '/sign-in/out' })).statusCode, 204, 'each route has its own count')
})

t.test('options that do not do are refused when the plugin is registered', async (t) => {
  const issuer = 'https://id.example'
  const cases: Array<[object, RegExp, string?]> = [
    [{ issuer, clientId: 'c' }, /^signIn\.clientSecret: is required/],
    [{ clientId: 'c', clientSecret: 's' }, /^signIn\.issuer: is required, unless endpoints are given/],
    [{ ...client, issuer: 'nonsense' }, /^signIn\.issuer: is not a URL/],
    [{ ...client, issuer: 'http://id.example' }, /^signIn\.issuer: must be https/],
    [{ ...client, issuer: 'http://127.0.0.1' }, /^signIn\.issuer: must be https/],
    [{ ...client, issuer: 'https://a:b@id.example' }, /^signIn\.issuer: must not hold credentials/],
    [{ ...client, endpoints: { authorization: issuer, token: issuer } }, /^signIn\.endpoints\.userinfo: is required/],
    [{ ...client, endpoints: { authorization: issuer, token: 'http://id.example', userinfo: issuer } }, /^signIn\.endpoints\.token: must be https/],
    [{ ...client, issuer, clientSecret: 'ä' }, /^signIn\.clientSecret: must match pattern/],
    [{ ...client, issuer, parameters: { state: 'mine' } }, /^signIn\.parameters/],
    [{ ...client, issuer, roles: { claim: 'groups' } }, /^signIn\.roles/],
    [{ ...client, issuer, roles: { claim: 'groups', map: { 'dw-admins': ['system', 'docuwear'] } } }, /^signIn\.roles\.map\.dw-admins\[1\]: must be one of \["docuware","oauth_provider","system"\]$/],
    [{ ...client, issuer, roles: { of: 'me' } }, /^signIn\.roles\.of: must be a function/],
    [{ ...client, issuer, session: { idle: 1 } }, /^signIn\.session\.idle: must be >= 60/],
    [{ ...client, issuer, prefix: '' }, /^signIn\.prefix/],
    [{ ...client, issuer, nonsense: true }, /^signIn\.nonsense: unknown option/],
    [{ ...client, issuer }, /^publicUrl: is required by signIn/, 'none']
  ]
  for (const [options, message, publicUrl] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(store, { uri, secretKeys: [masterKey], ...(publicUrl === undefined ? { publicUrl: 'https://app.example' } : {}) })
    const failure = await failureOf(Promise.resolve(app.register(signIn, options as SignInOptions)))
    t.match(failure, { code: 'DWA_OPTIONS_INVALID', message }, JSON.stringify(options))
  }
})

t.test('once, after the store, and by the umbrella', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const options = { ...client, issuer: 'https://id.example' }
  await app.register(docuwareAuth, { publicUrl: 'https://app.example', store: { uri, secretKeys: [masterKey] }, signIn: { ...options, prefix: '/console/sign-in' } })
  t.ok(isAuthError(await failureOf(Promise.resolve(app.register(signIn, options))), 'DWA_PLUGIN_ALREADY_REGISTERED'))
  t.equal(app.signIn.loginUrl(), '/console/sign-in')
  t.match(await failureOf(Promise.resolve(Fastify().register(signIn, options))), { message: /fastify-docuware-auth\/store/ })
})

const endpoints = { issuer: null, authorization: 'https://id.example/authorize', token: 'https://id.example/token', userinfo: 'https://id.example/userinfo', namesIssuer: false, clientAuthentication: 'basic' } as const

t.test('an authorization request that cannot be made is an error, and leads nowhere', async (t) => {
  const parameters = { get prompt (): string { throw new Error('the inside of it') } }
  const flow = new OAuth2CodeFlow({ ...client, scopes: [], parameters, redirectUri: 'https://app.example/sign-in/callback' })
  t.teardown(() => flow.close())
  const failure = await failureOf(flow.begin(endpoints))
  t.match(failure, { code: 'DWA_SIGN_IN_PROVIDER', message: /could not be made/ })
  t.notMatch(String(failure), 'inside')
})

t.test('a code flow that could not be set up is set up anew by the next sign-in, and stops nobody from closing', async (t) => {
  let tries = 0
  const flow = new OAuth2CodeFlow({ ...client, get scopes (): string[] { if (tries++ === 0) throw new Error('not this time'); return [] }, redirectUri: 'https://app.example/sign-in/callback' })
  t.match(await failureOf(flow.begin(endpoints)), { message: 'not this time' })
  await flow.close()
  t.match(await flow.begin(endpoints), { url: /^https:\/\/id\.example\/authorize\?/ })
  await flow.close()
})
