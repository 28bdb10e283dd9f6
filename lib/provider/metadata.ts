import type { StoredClient } from './client-schema.js'

/** What some enabled client may do: nothing else is announced (security.md 36). */
export interface EnabledFeatures {
  readonly implicit: boolean
  readonly password: boolean
  readonly clientCredentials: boolean
  /** JWTs that others can verify. */
  readonly jwt: boolean
}

export interface MetadataInput {
  /** As it was configured. */
  readonly issuer: string
  /** The URL of the endpoints, without a trailing slash: the app's, and the prefix. */
  readonly baseUrl: string
  readonly features: EnabledFeatures
  /** The codes of all scopes. */
  readonly scopes: readonly string[]
}

/** What the clients that there are make of the provider. @param passwords whether the app can check some */
export function featuresOf (clients: Iterable<StoredClient>, passwords = true): EnabledFeatures {
  const enabled = [...clients].filter((client) => client.enabled)
  return {
    implicit: enabled.some(({ applicationType, allowImplicit }) => applicationType === 'mobile' && allowImplicit),
    password: passwords && enabled.some(({ applicationType, allowPassword }) => applicationType === 'legacy' && allowPassword),
    clientCredentials: enabled.some(({ applicationType }) => applicationType === 'backend'),
    jwt: enabled.some(({ keys = [] }) => keys.some(({ publicJwk }) => publicJwk !== null))
  }
}

/** The provider's metadata (RFC 8414 §2, RFC 9207 §3). */
export function metadataOf ({ issuer, baseUrl, features: { implicit, password, clientCredentials, jwt }, scopes }: MetadataInput) {
  const confidential = ['client_secret_basic', 'client_secret_post']
  return {
    issuer,
    authorization_endpoint: `${baseUrl}/authorize`,
    token_endpoint: `${baseUrl}/token`,
    revocation_endpoint: `${baseUrl}/revoke`,
    introspection_endpoint: `${baseUrl}/introspect`,
    userinfo_endpoint: `${baseUrl}/userinfo`,
    ...(jwt ? { jwks_uri: jwksUri(baseUrl) } : {}),
    scopes_supported: [...scopes].sort(),
    response_types_supported: ['code', ...(implicit ? ['token'] : [])],
    response_modes_supported: ['query', ...(implicit ? ['fragment'] : [])],
    grant_types_supported: ['authorization_code', 'refresh_token', ...(clientCredentials ? ['client_credentials'] : []), ...(password ? ['password'] : []), ...(implicit ? ['implicit'] : [])],
    token_endpoint_auth_methods_supported: [...confidential, 'none'],
    revocation_endpoint_auth_methods_supported: [...confidential, 'none'],
    introspection_endpoint_auth_methods_supported: confidential,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true
  }
}

export type Metadata = ReturnType<typeof metadataOf>

/** Where the key set is. */
export function jwksUri (baseUrl: string): string {
  return `${baseUrl}/jwks`
}
