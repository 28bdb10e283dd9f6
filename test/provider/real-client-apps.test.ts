import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import oauth2Plugin, { type FastifyOAuth2Options } from '@fastify/oauth2'
import Fastify from 'fastify'
import OAuth2Strategy, { type StrategyOptions } from 'passport-oauth2'
import t, { type Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { awkwardAsciiSecret, awkwardSecret, listeningProvider, refusalOf, type ListeningProvider } from './listening-provider.js'
import { makeClient } from './provider-app.js'

const scopes = ['email', 'profile']
const ann = { name: 'Ann', email: 'ann@example.org' }

async function infoOf ({ base }: ListeningProvider, accessToken: string): Promise<{ readonly status: number, readonly body: Record<string, unknown> }> {
  const answer = await fetch(`${base}/userinfo`, { headers: { authorization: `Bearer ${accessToken}` } })
  return { status: answer.status, body: await answer.json() as Record<string, unknown> }
}

t.test('@fastify/oauth2', async (t) => {
  const running = await listeningProvider(t)
  const explicit = { tokenHost: running.url, tokenPath: '/oauth2/token', authorizePath: '/oauth2/authorize', revokePath: '/oauth2/revoke' }
  const metadata = `${running.url}/.well-known/oauth-authorization-server`

  for (const authorizationMethod of ['header', 'body'] as const) {
    for (const how of ['discovery', 'endpoints given by hand'] as const) {
      t.test(`signs Ann in by code and PKCE, refreshes and revokes: ${how}, its awkward secret in the ${authorizationMethod}`, async (t) => {
        const port = await freePort()
        const callbackUri = `http://127.0.0.1:${port}/cb`
        const { clientId } = await makeClient(running.app, { scopes, clientSecret: awkwardAsciiSecret, skipAuthorization: false, redirectUris: [callbackUri] })
        const credentials = { client: { id: clientId, secret: awkwardAsciiSecret }, options: { authorizationMethod } }
        const where: Pick<FastifyOAuth2Options, 'discovery' | 'credentials'> = how === 'discovery' ? { discovery: { issuer: metadata }, credentials } : { credentials: { ...credentials, auth: explicit } }
        const shop = Fastify()
        t.teardown(() => shop.close())
        await shop.register(oauth2Plugin, { name: 'provider', scope: scopes, startRedirectPath: '/login', callbackUri, pkce: 'S256', ...where })
        const client = shop.oauth2Provider
        if (client === undefined) throw new Error('@fastify/oauth2 decorates nothing')
        shop.get('/cb', async (request, reply) => (await client.getAccessTokenFromAuthorizationCodeFlow(request, reply)).token)
        await shop.listen({ host: '127.0.0.1', port })

        const browser = running.browser()
        const page = await browser.open(`http://127.0.0.1:${port}/login`)
        const back = await browser.decide(page, 'allow')
        t.equal(back.status, 200, back.text)
        const first = JSON.parse(back.text)
        const { body } = await infoOf(running, first.access_token)
        t.match(body, ann)
        if (how === 'discovery') t.same(await client.userinfo(first, { method: 'POST', via: 'body' }), body, 'the token in a form')
        const { token } = await client.getNewAccessTokenUsingRefreshToken(first, {})
        t.not(token.refresh_token, first.refresh_token)
        await client.revokeAllToken(token, undefined)
        t.equal((await infoOf(running, token.access_token)).status, 401)
        t.match(await refusalOf(client.getNewAccessTokenUsingRefreshToken(token, {})), { data: { payload: { error: 'invalid_grant' } } })
      })
    }
  }
})

interface SignedIn { readonly accessToken: string, readonly refreshToken: string, readonly profile: Readonly<Record<string, unknown>> }

/** A strategy as packages for one provider make them, driven as passport does. */
class ProviderStrategy extends OAuth2Strategy<SignedIn> {
  private readonly userinfo: string // passport's copies of a strategy have no private fields

  constructor (options: StrategyOptions, userinfo: string, tokenInQuery: boolean) {
    super(options, (accessToken, refreshToken, profile, done) => { done(null, { accessToken, refreshToken, profile }) })
    this.userinfo = userinfo
    this._oauth2.useAuthorizationHeaderforGET(!tokenInQuery)
  }

  override userProfile (accessToken: string, done: (error: unknown, profile?: Readonly<Record<string, unknown>>) => void): void {
    this._oauth2.get(this.userinfo, accessToken, (error, body) => { done(error, body === undefined ? undefined : JSON.parse(body)) })
  }

  async refresh (refreshToken: string): Promise<{ readonly accessToken: string | undefined, readonly refreshToken: string | undefined }> {
    return await new Promise((resolve, reject) => {
      this._oauth2.getOAuthAccessToken(refreshToken, { grant_type: 'refresh_token' }, (error, accessToken, refreshToken) => {
        if (error === null) resolve({ accessToken, refreshToken })
        else reject(Object.assign(new Error('the refresh was refused'), error))
      })
    })
  }
}

/** An app that signs people in with a strategy; what it found out is its answer. */
async function passportApp (t: Test, strategy: ProviderStrategy, port: number): Promise<void> {
  const sessions = new Map<string, object>()
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const id = /session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? randomUUID()
    if (!sessions.has(id)) sessions.set(id, {})
    const send = (status: number, body: unknown): void => { response.writeHead(status, { 'set-cookie': `session=${id}` }).end(JSON.stringify(body)) }
    const query = Object.fromEntries(new URL(request.url ?? '/', 'http://127.0.0.1').searchParams)
    const actions: Pick<ProviderStrategy, 'success' | 'fail' | 'redirect' | 'error'> = {
      success: (user) => { send(200, user) },
      fail: (challenge, status = 401) => { send(status, challenge) },
      redirect: (location) => { response.writeHead(302, { location, 'set-cookie': `session=${id}` }).end() },
      error: (error) => { send(500, String(error)) }
    }
    strategy.authenticate.call(Object.assign(Object.create(strategy), actions), Object.assign(request, { query, session: sessions.get(id) }))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
}

t.test('passport-oauth2', async (t) => {
  const running = await listeningProvider(t)
  for (const [how, tokenInQuery] of [['in the header', false], ['in the query, as it does unless told otherwise', true]] as const) {
    t.test(`signs Ann in by code and PKCE, reads her profile with the token ${how}, and refreshes`, async (t) => {
      const port = await freePort()
      const callbackURL = `http://127.0.0.1:${port}/cb`
      const { clientId } = await makeClient(running.app, { scopes, clientSecret: awkwardSecret, skipAuthorization: false, redirectUris: [callbackURL], tokenInQuery })
      const strategy = new ProviderStrategy({
        authorizationURL: `${running.base}/authorize`,
        tokenURL: `${running.base}/token`,
        clientID: clientId,
        clientSecret: awkwardSecret,
        callbackURL,
        scope: scopes,
        state: true,
        pkce: true
      }, `${running.base}/userinfo`, tokenInQuery)
      await passportApp(t, strategy, port)

      const browser = running.browser()
      t.equal((await browser.decide(await browser.open(`http://127.0.0.1:${port}/login`), 'deny')).status, 401)
      const back = await browser.decide(await browser.open(`http://127.0.0.1:${port}/login`), 'allow')
      t.equal(back.status, 200, back.text)
      const user: SignedIn = JSON.parse(back.text)
      t.match(user.profile, ann)
      const { accessToken = '', refreshToken } = await strategy.refresh(user.refreshToken)
      t.not(refreshToken, user.refreshToken)
      t.match(await infoOf(running, accessToken), { status: 200, body: ann })
    })
  }

  t.test('is refused a token in the query that its client may not send there', async (t) => {
    const port = await freePort()
    const callbackURL = `http://127.0.0.1:${port}/cb`
    const { clientId } = await makeClient(running.app, { scopes, clientSecret: awkwardSecret, redirectUris: [callbackURL] })
    const strategy = new ProviderStrategy({ authorizationURL: `${running.base}/authorize`, tokenURL: `${running.base}/token`, clientID: clientId, clientSecret: awkwardSecret, callbackURL, state: true, pkce: true }, `${running.base}/userinfo`, true)
    await passportApp(t, strategy, port)
    t.equal((await running.browser().open(`http://127.0.0.1:${port}/login`)).status, 500)
  })
})

/** What Odoo's auth_oauth does, without Odoo: `_auth_oauth_rpc` and `_auth_oauth_validate`. */
class Odoo {
  readonly #header: boolean

  /** @param header the system parameter `auth_oauth.authorization_header` */
  constructor (header: boolean) {
    this.#header = header
  }

  async validate ({ base }: ListeningProvider, accessToken: string): Promise<Record<string, unknown>> {
    const validation = await this.#call(`${base}/tokeninfo`, accessToken)
    if ('error' in validation) return validation
    const all: Record<string, unknown> = { ...validation, ...await this.#call(`${base}/userinfo`, accessToken) }
    return { ...all, user_id: all['sub'] ?? all['id'] ?? all['user_id'] }
  }

  async #call (endpoint: string, accessToken: string): Promise<Record<string, unknown>> {
    const answer = this.#header
      ? await fetch(endpoint, { headers: { authorization: `Bearer ${accessToken}` } })
      : await fetch(`${endpoint}?${new URLSearchParams({ access_token: accessToken }).toString()}`)
    const body = await answer.json() as Record<string, unknown>
    if (answer.ok) return body
    const [, error] = /^Bearer\b.*\berror="([^"]+)"/i.exec(answer.headers.get('www-authenticate') ?? '') ?? []
    return { error: error ?? 'invalid_request' }
  }
}

t.test('Odoo', async (t) => {
  const running = await listeningProvider(t)
  const redirectUri = 'https://odoo.example/auth_oauth/signin'
  const state = JSON.stringify({ d: 'production', p: 4, r: 'https%3A%2F%2Fodoo.example%2Fweb%23action%3D"x"&y' })

  async function signIn (fields: { readonly tokenInQuery: boolean }): Promise<{ readonly answer: URLSearchParams, readonly clientId: string }> {
    const { clientId } = await makeClient(running.app, { applicationType: 'mobile', allowImplicit: true, skipAuthorization: false, scopes, redirectUris: [redirectUri], ...fields })
    const browser = running.browser()
    const link = new URLSearchParams({ response_type: 'token', client_id: clientId, redirect_uri: redirectUri, scope: 'email profile', state })
    const { url } = await browser.decide(await browser.open(`${running.base}/authorize?${link.toString()}`), 'allow')
    t.equal(`${url.origin}${url.pathname}${url.search}`, redirectUri, 'all of the answer is in the fragment')
    return { answer: new URLSearchParams(url.hash.slice(1)), clientId }
  }

  for (const [how, header] of [['in the query', false], ['in the header', true]] as const) {
    t.test(`16: signs Ann in by the implicit grant, and sends the token ${how}`, async (t) => {
      const { answer, clientId } = await signIn({ tokenInQuery: !header })
      t.equal(answer.get('state'), state, 'its JSON comes back as it was')
      t.match(JSON.parse(answer.get('state') ?? ''), { d: 'production', p: 4 })
      t.match(Object.fromEntries(answer), { token_type: 'Bearer', expires_in: '3600', scope: 'email profile' })
      t.notOk(answer.has('refresh_token'))
      const token = answer.get('access_token') ?? ''
      const found = await new Odoo(header).validate(running, token)
      t.match(found, { audience: clientId, scopes: 'email profile', ...ann, sub: /^[0-9a-f]{64}$/ })
      t.equal(found['user_id'], found['sub'])
      await running.app.oauthProvider.revokeUser('ann')
      t.same(await new Odoo(header).validate(running, token), { error: 'invalid_token' })
    })
  }

  t.test('50: is refused a token in the query unless its client may send it there', async (t) => {
    const { answer } = await signIn({ tokenInQuery: false })
    const token = answer.get('access_token') ?? ''
    t.same(await new Odoo(false).validate(running, token), { error: 'invalid_token' })
    t.match(await new Odoo(true).validate(running, token), ann)
  })
})
