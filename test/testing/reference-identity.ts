import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'
import type { Test } from 'tap'
import { redirectUri, scope, simulator } from './docuware-flow.js'

/** An identity service to be compared with another. */
export interface IdentityUnderTest {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly sub: string
  /** Opens an authorization URL, signs in, and returns where that leads. */
  readonly signIn: (authorizationUrl: string) => Promise<string>
}

/** The simulator's. */
export async function simulatedIdentity (t: Test): Promise<IdentityUnderTest> {
  const dw = await simulator(t, { refreshMode: 'rotate+revokeFamily' })
  return { issuer: dw.identityUrl, clientId: dw.clientId, clientSecret: dw.clientSecret ?? '', sub: dw.user.sub, signIn: dw.signIn }
}

/** oidc-provider's, with a sign-in that lets everyone in, and rotating refresh tokens. */
export async function referenceIdentity (t: Test): Promise<IdentityUnderTest> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  const issuer = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const [clientId, clientSecret, sub] = ['app', randomBytes(24).toString('hex'), 'u-1']
  const provider = new Provider(issuer, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' }],
    cookies: { keys: [randomBytes(24).toString('hex')] },
    scopes: scope.split(' '),
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: () => '/sign-in' },
    loadExistingGrant: async () => {
      const grant = new provider.Grant({ clientId, accountId: sub })
      grant.addOIDCScope(scope)
      await grant.save()
      return grant
    },
    issueRefreshToken: () => true,
    rotateRefreshToken: () => true,
    ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 3600, Interaction: 600, Session: 3600, Grant: 3600 },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } }
  })
  const answer = provider.callback()
  server.on('request', (request, response) => {
    const served = request.url === '/sign-in' ? provider.interactionFinished(request, response, { login: { accountId: sub } }) : answer(request, response)
    served.catch(() => { response.destroy() })
  })
  return { issuer, clientId, clientSecret, sub, signIn: followToApp }
}

/** Follows redirects with the cookies that are set on the way, until they lead to the app. */
async function followToApp (authorizationUrl: string): Promise<string> {
  const cookies = new Map<string, string>()
  let url = authorizationUrl
  for (let step = 0; step < 5; step++) {
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') } })
    await answer.arrayBuffer()
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`The sign-in was answered with status ${answer.status} and leads nowhere`)
    if (location.startsWith(redirectUri)) return location
    url = new URL(location, url).href
  }
  throw new Error('The sign-in does not end')
}
