import { generateKeyPair, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import Provider from 'oidc-provider'
import type { Test } from 'tap'
import { json, startStub, type Stub } from './stub.js'

/** A platform that names oidc-provider as its identity service, which is set up with the paths, scopes and claims of DocuWare's. */
export interface OidcPlatform extends Stub {
  readonly platformUrl: string
  readonly confidential: { readonly clientId: string, readonly clientSecret: string }
  readonly native: { readonly clientId: string }
  /** Goes from the authorization URL to where the person, signed in and asked for nothing, is sent back to. */
  readonly signIn: (authorizationUrl: string) => Promise<string>
}

export const person = { sub: 'b7b4f1d2', preferred_username: 'peggy.jenkins', organization: 'acme' } as const
const organization = '/0b3c1f3e-7d55-4d43-9d0e-2f6f0f5d6a11'

/** @param redirectUri of both clients */
export async function startOidcPlatform (t: Test, redirectUri: string): Promise<OidcPlatform> {
  const secret = (): string => randomBytes(24).toString('base64url')
  const confidential = { clientId: 'web', clientSecret: secret() }
  const native = { clientId: 'native' }
  const jwk = (await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })).privateKey.export({ format: 'jwk' })
  const shared = { redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }
  let provider: Provider | null = null

  const serve = async (issuer: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    provider ??= new Provider(issuer, {
      jwks: { keys: [{ ...jwk, use: 'sig', alg: 'RS256' }] },
      cookies: { keys: [secret()] },
      clients: [
        { ...shared, client_id: confidential.clientId, client_secret: confidential.clientSecret, token_endpoint_auth_method: 'client_secret_post' },
        { ...shared, client_id: native.clientId, token_endpoint_auth_method: 'none', application_type: 'native' }
      ],
      scopes: ['openid', 'offline_access', 'docuware.platform', 'dwprofile'],
      claims: { openid: ['sub'], dwprofile: ['preferred_username', 'organization'] },
      findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => person }),
      routes: { authorization: '/connect/authorize', token: '/connect/token', userinfo: '/connect/userinfo', revocation: '/connect/revocation', jwks: '/.well-known/openid-configuration/jwks' },
      interactions: { url: (_: unknown, { uid }: { uid: string }) => `${organization}/sign-in/${uid}` },
      features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
      issueRefreshToken: () => true, // whatever `prompt` says: DocuWare's knows none
      rotateRefreshToken: true,
      ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 300, RefreshToken: 86400, Interaction: 600, Session: 3600, Grant: 86400 }
    })
    const { url = '' } = request
    Object.assign(request, { originalUrl: url, url: url.slice(organization.length) || '/' })
    if (!url.startsWith(`${organization}/sign-in/`)) return await provider.callback()(request, response)
    const { params } = await provider.interactionDetails(request, response)
    const grant = new provider.Grant({ accountId: person.sub, clientId: params.client_id ?? '' })
    grant.addOIDCScope('openid offline_access docuware.platform dwprofile')
    await provider.interactionFinished(request, response, { login: { accountId: person.sub }, consent: { grantId: await grant.save() } })
  }

  const stub = await startStub(t, (origin) => ({
    '/DocuWare/Platform/Home/IdentityServiceInfo': json({ IdentityServiceUrl: origin + organization, RefreshTokenSupported: true }),
    '/DocuWare/Platform/Organizations': json({ Organization: [{ Id: '1', Name: person.organization }] }),
    '*': async (request, response) => { await serve(origin + organization, request, response) }
  }))
  return { ...stub, platformUrl: `${stub.origin}/DocuWare/Platform`, confidential, native, signIn: async (authorizationUrl) => await browse(authorizationUrl, redirectUri) }
}

/** Follows redirects, with cookies, as far as the redirect URI. */
async function browse (start: string, redirectUri: string): Promise<string> {
  const cookies = new Map<string, string>()
  let url = start
  for (let steps = 0; steps < 10; steps++) {
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') } })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const body = await answer.text()
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`${answer.status} ${body.slice(0, 500)}`)
    url = new URL(location, url).href
    if (url.startsWith(redirectUri)) return url
  }
  throw new Error('the sign-in does not end')
}
