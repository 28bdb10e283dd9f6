import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { AuthorizationCode, ClientCredentials, ResourceOwnerPassword, type AccessToken, type Configuration } from 'simple-oauth2'
import t, { type Test } from 'tap'
import { jwtAlgorithms, type ClientInput } from '../../lib/provider/client-schema.js'
import { awkwardAsciiSecret, awkwardSecret, listeningProvider, refusalOf, type ListeningProvider } from './listening-provider.js'
import { callback, challenge, makeClient, people, verifier, type MadeClient } from './provider-app.js'

const scopes = ['email', 'profile']
const ann = { name: 'Ann', email: 'ann@example.org' }
const [{ password }] = [people[0] ?? { password: '' }]
const answered = ['access_token', 'expires_in', 'refresh_token', 'scope', 'token_type']

async function clientOf ({ app }: ListeningProvider, fields: Partial<ClientInput> = {}): Promise<MadeClient & { readonly secret: string }> {
  const made = await makeClient(app, { scopes, clientSecret: awkwardSecret, ...fields })
  return { ...made, secret: made.secret ?? '' }
}

/** Whether the provider still takes an access token. */
async function statusWith ({ url }: ListeningProvider, accessToken: unknown): Promise<number> {
  const answer = await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${String(accessToken)}` } })
  await answer.text()
  return answer.status
}

t.test('openid-client', async (t) => {
  const running = await listeningProvider(t)
  const discover = async ({ clientId, secret }: { readonly clientId: string, readonly secret: string }, method: (secret: string) => oidc.ClientAuth): Promise<oidc.Configuration> => {
    return await oidc.discovery(new URL(running.url), clientId, undefined, method(secret), { algorithm: 'oauth2', execute: [oidc.allowInsecureRequests] })
  }

  for (const [name, method] of Object.entries({ 'HTTP Basic': oidc.ClientSecretBasic, 'the body': oidc.ClientSecretPost })) {
    t.test(`signs Ann in by code and PKCE, refreshes, asks and revokes, its awkward secret in ${name}`, async (t) => {
      const shop = await clientOf(running, { skipAuthorization: false })
      const config = await discover(shop, method)
      const [pkceCodeVerifier, expectedState] = [oidc.randomPKCECodeVerifier(), oidc.randomState()]
      const browser = running.browser()
      const page = await browser.open(oidc.buildAuthorizationUrl(config, {
        redirect_uri: callback,
        scope: 'profile email',
        state: expectedState,
        code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256'
      }))
      t.match(page.text, /Your e-mail address/, 'the consent page')
      const { url } = await browser.decide(page, 'allow')
      const first = await oidc.authorizationCodeGrant(config, url, { pkceCodeVerifier, expectedState })
      t.same(Object.keys(first).sort(), answered)
      t.same([first.token_type, first.expires_in, first.scope], ['bearer', 3600, 'profile email'])
      const { sub = '', ...introspected } = await oidc.tokenIntrospection(config, first.access_token)
      t.match(introspected, { active: true, client_id: shop.clientId, scope: 'profile email', iss: running.url })
      t.match(await oidc.fetchUserInfo(config, first.access_token, sub), { ...ann, sub })

      const second = await oidc.refreshTokenGrant(config, first.refresh_token ?? '')
      t.not(second.refresh_token, first.refresh_token)
      t.equal(await statusWith(running, second.access_token), 200)
      await oidc.tokenRevocation(config, second.refresh_token ?? '')
      t.equal((await oidc.tokenIntrospection(config, second.access_token)).active, false)
      await t.rejects(oidc.refreshTokenGrant(config, second.refresh_token ?? ''), { code: 'OAUTH_RESPONSE_BODY_ERROR', error: 'invalid_grant' })
    })

    t.test(`gets tokens by client_credentials and password, its awkward secret in ${name}`, async (t) => {
      const backend = await discover(await clientOf(running, { applicationType: 'backend', userId: 'ann' }), method)
      const program = await oidc.clientCredentialsGrant(backend, { scope: 'email' })
      t.same([program.scope, program.refresh_token], ['email', undefined])
      t.equal(await statusWith(running, program.access_token), 200)

      const legacy = await discover(await clientOf(running, { applicationType: 'legacy', allowPassword: true }), method)
      const person = await oidc.genericGrantRequest(legacy, 'password', { username: 'ann', password })
      t.equal(await statusWith(running, person.access_token), 200)
      t.ok((await oidc.refreshTokenGrant(legacy, person.refresh_token ?? '')).access_token)
    })

    t.test(`is told of a wrong secret in ${name}`, async (t) => {
      const { clientId } = await clientOf(running, { applicationType: 'backend' })
      const config = await discover({ clientId, secret: awkwardSecret.replace('ä', 'a') }, method)
      const asked = oidc.clientCredentialsGrant(config)
      if (name === 'the body') await t.rejects(asked, { code: 'OAUTH_RESPONSE_BODY_ERROR', error: 'invalid_client', status: 401 })
      else await t.rejects(asked, { code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status: 401 })
    })
  }

  t.test('is a public client with PKCE alone', async (t) => {
    const { clientId } = await makeClient(running.app, { applicationType: 'mobile', scopes, redirectUris: ['com.example.app:/cb'] })
    const config = await discover({ clientId, secret: '' }, () => oidc.None())
    const { url } = await running.browser().open(oidc.buildAuthorizationUrl(config, { redirect_uri: 'com.example.app:/cb', code_challenge: challenge, code_challenge_method: 'S256' }))
    const first = await oidc.authorizationCodeGrant(config, url, { pkceCodeVerifier: verifier })
    const second = await oidc.refreshTokenGrant(config, first.refresh_token ?? '')
    await oidc.tokenRevocation(config, second.access_token)
    t.same([await statusWith(running, first.access_token), await statusWith(running, second.access_token)], [200, 401])
  })

  t.test('is told when Ann declines', async (t) => {
    const shop = await clientOf(running, { skipAuthorization: false })
    const config = await discover(shop, oidc.ClientSecretBasic)
    const browser = running.browser()
    const page = await browser.open(oidc.buildAuthorizationUrl(config, { redirect_uri: callback, state: 's', code_challenge: challenge, code_challenge_method: 'S256' }))
    const { url } = await browser.decide(page, 'deny')
    await t.rejects(oidc.authorizationCodeGrant(config, url, { pkceCodeVerifier: verifier, expectedState: 's' }), { code: 'OAUTH_AUTHORIZATION_RESPONSE_ERROR', error: 'access_denied' })
  })
})

t.test('oauth4webapi, which validates every answer', async (t) => {
  const running = await listeningProvider(t)
  const insecure = { [oauth.allowInsecureRequests]: true } as const
  const issuer = new URL(running.url)
  const discover = async (): Promise<oauth.AuthorizationServer> => await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }))

  for (const [name, method] of Object.entries({ 'HTTP Basic': oauth.ClientSecretBasic, 'the body': oauth.ClientSecretPost })) {
    t.test(`finds nothing to say about any of them, with an awkward secret in ${name}`, async (t) => {
      const server = await discover()
      const shop = await clientOf(running, { skipAuthorization: false })
      const client = { client_id: shop.clientId }
      const auth = method(shop.secret)
      const browser = running.browser()
      const page = await browser.open(`${server.authorization_endpoint}?${new URLSearchParams({ response_type: 'code', client_id: shop.clientId, redirect_uri: callback, state: 's', code_challenge: challenge, code_challenge_method: 'S256' })}`)
      const { url } = await browser.decide(page, 'allow', ['email'])
      t.same([...url.searchParams.keys()].sort(), ['code', 'iss', 'state'])
      t.throws(() => oauth.validateAuthResponse(server, client, withParameter(url, 'iss', 'https://other.example'), 's'), { code: oauth.INVALID_RESPONSE })
      const parameters = oauth.validateAuthResponse(server, client, url, 's')

      const first = await oauth.processAuthorizationCodeResponse(server, client, await oauth.authorizationCodeGrantRequest(server, client, auth, parameters, callback, verifier, insecure))
      t.same(Object.keys(first).sort(), answered)
      t.equal(first.scope, 'email', 'profile was left out')
      const introspected = await oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, auth, first.access_token, insecure))
      t.match(introspected, { active: true, scope: 'email', aud: shop.clientId })
      const info = await oauth.processUserInfoResponse(server, client, introspected.sub ?? '', await oauth.userInfoRequest(server, client, first.access_token, insecure))
      t.match(info, { email: ann.email })
      t.notOk('name' in info)
      const second = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, auth, first.refresh_token ?? '', insecure))
      t.same(Object.keys(second).sort(), answered)
      const orders = await oauth.protectedResourceRequest(second.access_token, 'GET', new URL('/orders', issuer), undefined, null, insecure)
      t.same(await orders.json(), { scopes: ['email'] })
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, second.access_token, insecure))
      await t.rejects(oauth.protectedResourceRequest(second.access_token, 'GET', new URL('/orders', issuer), undefined, null, insecure), {
        code: oauth.WWW_AUTHENTICATE_CHALLENGE,
        cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }]
      })
    })

    t.test(`takes client_credentials and password, with an awkward secret in ${name}`, async (t) => {
      const server = await discover()
      const backend = await clientOf(running, { applicationType: 'backend' })
      const program = { client_id: backend.clientId }
      const token = await oauth.processClientCredentialsResponse(server, program, await oauth.clientCredentialsGrantRequest(server, program, method(backend.secret), {}, insecure))
      t.same(Object.keys(token).sort(), answered.filter((member) => member !== 'refresh_token'))
      const legacy = await clientOf(running, { applicationType: 'legacy', allowPassword: true })
      const old = { client_id: legacy.clientId }
      const person = await oauth.processGenericTokenEndpointResponse(server, old, await oauth.genericTokenEndpointRequest(server, old, method(legacy.secret), 'password', { username: 'ann', password }, insecure))
      t.same(Object.keys(person).sort(), answered)
    })
  }

  t.test('and jose verify JWT access tokens of every asymmetric algorithm by the key set (RFC 9068)', async (t) => {
    for (const jwtAlgorithm of jwtAlgorithms.filter((algorithm) => !algorithm.startsWith('HS'))) {
      const backend = await clientOf(running, { applicationType: 'backend', userId: 'ann', tokenType: 'jwt', jwtAlgorithm, jwtScope: 'email' })
      const server = await discover()
      const client = { client_id: backend.clientId }
      const { access_token: token } = await oauth.processClientCredentialsResponse(server, client, await oauth.clientCredentialsGrantRequest(server, client, oauth.ClientSecretBasic(backend.secret), {}, insecure))
      const request = new Request('https://api.example', { headers: { authorization: `Bearer ${token}` } })
      const claims = await oauth.validateJwtAccessToken({ ...server, jwks_uri: server.jwks_uri ?? '' }, request, backend.clientId, insecure)
      t.match(claims, { client_id: backend.clientId, scope: 'email profile' }, jwtAlgorithm)
      const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(server.jwks_uri ?? '')), { issuer: running.url, audience: backend.clientId, typ: 'at+jwt' })
      t.match([protectedHeader.alg, payload['email'], payload.sub], [jwtAlgorithm, ann.email, claims.sub])
      t.equal(await statusWith(running, token), 200, 'and the provider takes it itself')
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, oauth.ClientSecretBasic(backend.secret), token, insecure))
      t.equal(await statusWith(running, token), 401, 'until it is revoked')
    }
  })
})

t.test('simple-oauth2', async (t) => {
  const running = await listeningProvider(t)
  const clientSecret = awkwardAsciiSecret
  const auth = { tokenHost: running.url, tokenPath: '/oauth2/token', revokePath: '/oauth2/revoke_token' }
  const ways = {
    'HTTP Basic, form-encoded': { authorizationMethod: 'header', credentialsEncodingMode: 'strict' },
    'HTTP Basic as it stands': { authorizationMethod: 'header', credentialsEncodingMode: 'loose' },
    'the body': { authorizationMethod: 'body' }
  } as const satisfies Record<string, Configuration['options']>
  for (const [name, options] of Object.entries(ways)) {
    const configuration = ({ clientId, secret }: { readonly clientId: string, readonly secret: string }): Configuration => ({ client: { id: clientId, secret }, auth, options })
    const isTaken = async (t: Test, { token }: AccessToken): Promise<void> => { t.equal(await statusWith(running, token['access_token']), 200) }

    t.test(`signs Ann in, refreshes and revokes, its awkward secret in ${name}`, async (t) => {
      const shop = await clientOf(running, { clientSecret })
      const client = new AuthorizationCode({ ...configuration(shop), auth: { ...auth, authorizePath: '/oauth2/authorize' } })
      const { url } = await running.browser().open(client.authorizeURL({ redirect_uri: callback, scope: 'email', state: 'a b&c', code_challenge: challenge, code_challenge_method: 'S256' }))
      t.equal(url.searchParams.get('state'), 'a b&c')
      const first = await client.getToken({ code: url.searchParams.get('code') ?? '', redirect_uri: callback, code_verifier: verifier })
      await isTaken(t, first)
      const second = await first.refresh()
      await isTaken(t, second)
      await second.revokeAll()
      t.equal(await statusWith(running, second.token['access_token']), 401)
      t.match(await refusalOf(second.refresh()), { output: { statusCode: 400 }, data: { payload: { error: 'invalid_grant' } } })
    })

    t.test(`gets tokens by client_credentials and password, its awkward secret in ${name}`, async (t) => {
      const backend = await clientOf(running, { clientSecret, applicationType: 'backend' })
      await isTaken(t, await new ClientCredentials(configuration(backend)).getToken({ scope: 'email' }))
      const legacy = await clientOf(running, { clientSecret, applicationType: 'legacy', allowPassword: true })
      const person = await new ResourceOwnerPassword(configuration(legacy)).getToken({ username: 'ann', password, scope: 'email' })
      await isTaken(t, person)
      await isTaken(t, await person.refresh())
      t.match(await refusalOf(new ResourceOwnerPassword(configuration(legacy)).getToken({ username: 'ann', password: 'wrong' })), { output: { statusCode: 400 }, data: { payload: { error: 'invalid_grant' } } })
    })

    t.test(`is told of a wrong secret in ${name}`, async (t) => {
      const { clientId } = await clientOf(running, { clientSecret, applicationType: 'backend' })
      t.match(await refusalOf(new ClientCredentials(configuration({ clientId, secret: `${clientSecret} ` })).getToken({})), { output: { statusCode: 401 }, data: { payload: { error: 'invalid_client' } } })
    })
  }
})

function withParameter (url: URL, name: string, value: string): URL {
  const changed = new URL(url)
  changed.searchParams.set(name, value)
  return changed
}
