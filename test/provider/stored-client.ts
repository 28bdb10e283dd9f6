import type { StoredClient } from '../../lib/provider/client-schema.js'

/** A client as it is stored: a web client with JWTs and no keys yet. */
export function storedClient (fields: Partial<StoredClient> = {}): StoredClient {
  return {
    name: 'Shop',
    clientId: 'shop',
    confidential: true,
    applicationType: 'web',
    skipAuthorization: false,
    scopes: [],
    redirectUris: [],
    tokenType: 'jwt',
    jwtAlgorithm: 'ES256',
    requirePkce: true,
    tokenInQuery: false,
    allowHttpRedirect: false,
    allowImplicit: false,
    allowPassword: false,
    enabled: true,
    ...fields
  }
}
