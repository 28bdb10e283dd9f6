import { generateKeyPair, type JsonWebKey } from 'node:crypto'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import Provider from 'oidc-provider'
import { findAccount, emailOf } from './accounts.js'
import { addSignIn } from './sign-in.js'
import { freshSecret } from './secrets.js'

export interface IdentityServerOptions {
  /** The page that people sign in to. */
  readonly appUrl: string
  /** The `aud` of its access tokens. */
  readonly audience: string
  /** Where those who administer the app come back to. */
  readonly staffCallback: string
  /** Where the sign-in link leads. */
  readonly consoleUrl: string
}

/** The app's registration for its `signIn` plugin. */
export interface StaffClient { readonly id: string, readonly secret: string }

/** A real OpenID Connect identity server, in memory. */
export interface IdentityServer {
  readonly issuer: string
  readonly keySetUrl: string
  readonly tokenUrl: string
  /** Leads to the console, and signs its reader in as Ann on the way. */
  readonly signInLink: string
  /** The page: a public client that signs people in by authorization code and PKCE. */
  readonly pageClient: { readonly id: string, readonly redirectUri: string }
  /** A program: a confidential client that gets tokens by client_credentials. */
  readonly serviceClient: { readonly id: string, readonly secret: string }
  /** The app itself, for those who administer it: a confidential client that is told who signed in. */
  readonly staffClient: StaffClient
  /** How often the key set was asked for. */
  readonly keySetRequests: () => number
  readonly close: () => Promise<void>
}

/** Starts the identity server on a free loopback port. Its access tokens are RS256 JWTs. */
export async function startIdentityServer ({ appUrl, audience, staffCallback, consoleUrl }: IdentityServerOptions): Promise<IdentityServer> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const issuer = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const pageClient = { id: 'demo-page', redirectUri: `${appUrl}/` }
  const serviceClient = { id: 'demo-service', secret: freshSecret() }
  const staffClient = { id: staffClientId, secret: freshSecret() }

  const provider = new Provider(issuer, {
    ...await configure(audience),
    clients: [
      { client_id: pageClient.id, redirect_uris: [pageClient.redirectUri], token_endpoint_auth_method: 'none' },
      { client_id: serviceClient.id, client_secret: serviceClient.secret, grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
      { client_id: staffClient.id, client_secret: staffClient.secret, redirect_uris: [staffCallback] }
    ],
    clientBasedCORS: (_context: unknown, origin: string) => origin === appUrl
  })
  provider.on('server_error', (_context, error) => console.error(error))
  const linkKey = freshSecret()
  const answer = addSignIn(provider, { appUrl, resource, link: { key: linkKey, leadsTo: consoleUrl } })
  let keySetRequests = 0
  server.on('request', (request, response) => {
    if (request.url === '/jwks') keySetRequests++
    answer(request, response)
  })

  return {
    issuer,
    keySetUrl: `${issuer}/jwks`,
    tokenUrl: `${issuer}/token`,
    signInLink: `${issuer}/open?key=${linkKey}`,
    pageClient,
    serviceClient,
    staffClient,
    keySetRequests: () => keySetRequests,
    async close () {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

const staffClientId = 'demo-staff'

/** The API as the identity server knows it (RFC 8707): all access tokens are for it, but those that only ask who signed in. */
const resource = { indicator: 'urn:demo:api', scope: 'whoami' } as const

async function configure (audience: string): Promise<object> {
  return {
    jwks: { keys: [await signingKey()] },
    cookies: { keys: [freshSecret()] },
    scopes: ['openid', 'email', 'profile'],
    claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
    findAccount: (_context: unknown, id: string) => findAccount(id),
    extraTokenClaims: (_context: unknown, token: { accountId?: string, clientId: string }) => ({ email: emailOf(token.accountId ?? token.clientId) }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/sign-in/${uid}` },
    ttl: { AccessToken: 3600, ClientCredentials: 3600, AuthorizationCode: 60, IdToken: 3600, Interaction: 600, Session: 3600, Grant: 3600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context: unknown, { clientId }: { clientId: string }) => clientId === staffClientId ? undefined : resource.indicator,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: resource.scope, audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } })
      }
    }
  }
}

async function signingKey (): Promise<JsonWebKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }
}
