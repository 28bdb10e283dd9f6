import type { FromSchema } from 'json-schema-to-ts'

/** Which grants a client may use follows from what it is. */
export const applicationTypes = ['web', 'mobile', 'legacy', 'backend'] as const
export const jwtAlgorithms = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const

/** RFC 6749 §3.3. */
export const scopePattern = '^[\\x21\\x23-\\x5B\\x5D-\\x7E]{1,128}$'

const seconds = { type: 'integer', minimum: 1, maximum: 315_360_000 } as const

/** Seconds. What a client does not say, the provider's own figures do. */
export const lifetimesSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    code: { ...seconds, maximum: 600, description: 'Authorization codes.' },
    accessToken: { ...seconds, maximum: 86_400, description: 'Access tokens.' },
    refreshToken: { ...seconds, description: 'Refresh tokens, from the consent on: rotation does not extend it.' },
    refreshIdle: { ...seconds, description: 'Refresh tokens that are not used.' }
  }
} as const

/** Milliseconds that an access token can live at most. */
export const maxTokenMs = lifetimesSchema.properties.accessToken.maximum * 1000

/** A client as it is given: to `create`, and (all fields optional, null clears) to `update`. */
export const clientSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'applicationType'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 200, description: 'What people see on the consent page. Unique.' },
    clientId: { type: 'string', pattern: '^[A-Za-z0-9._~-]{1,255}$', description: 'Default: a new UUID. Cannot be changed.' },
    clientSecret: { type: 'string', minLength: 8, maxLength: 1024, description: 'An imported secret; default: a new one of 256 random bits, shown once. Write-only.' },
    confidential: { type: 'boolean', description: 'Whether it has a secret (RFC 6749 §2.1). Default: true, except for mobile. Cannot be changed.' },
    applicationType: { type: 'string', enum: applicationTypes, description: '`web` (authorization code), `mobile` (code with PKCE, or implicit), `legacy` (password), `backend` (client credentials).' },
    skipAuthorization: { type: 'boolean', default: false, description: 'Nobody is asked for consent.' },
    scopes: { type: 'array', items: { type: 'string', pattern: scopePattern }, maxItems: 200, uniqueItems: true, default: [], description: 'Codes of the scopes it may ask for.' },
    redirectUris: { type: 'array', items: { type: 'string', maxLength: 2000 }, maxItems: 50, uniqueItems: true, default: [], description: 'Compared as they stand; the first is the default.' },
    tokenType: { type: 'string', enum: ['random', 'jwt'], default: 'random', description: 'Opaque access tokens, or JWTs (RFC 9068).' },
    jwtAlgorithm: { type: 'string', enum: jwtAlgorithms, default: 'RS256', description: 'How its JWTs are signed.' },
    jwtScope: { type: 'string', pattern: scopePattern, description: 'A scope on the user model whose fields become claims.' },
    jwtPrivateKey: { type: 'string', maxLength: 16_384, description: 'PEM, or for HS256 to HS512 the secret; default: a new one. Write-only.' },
    userId: { type: 'string', minLength: 1, maxLength: 200, description: 'Whom a backend client acts as; default: nobody.' },
    requirePkce: { type: 'boolean', default: true, description: 'PKCE for the code grant; public clients need it always.' },
    tokenInQuery: { type: 'boolean', default: false, description: 'Takes `access_token` in the query of tokeninfo, userinfo and otherinfo.' },
    allowHttpRedirect: { type: 'boolean', default: false, description: 'Redirect URIs over http on any host, for closed networks. A warning at start.' },
    allowImplicit: { type: 'boolean', default: false, description: 'The implicit grant, for mobile. A warning at start.' },
    allowPassword: { type: 'boolean', default: false, description: 'The password grant, for legacy. A warning at start.' },
    lifetimes: { ...lifetimesSchema, description: 'Seconds, in place of `provider.lifetimes`.' },
    audiences: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 2000 }, maxItems: 100, uniqueItems: true, description: 'Whose tokens it may introspect beside its own: client ids, and resources of `provider.audiences`.' },
    enabled: { type: 'boolean', default: true, description: 'A disabled client is an unknown one, and its tokens are invalid.' }
  }
} as const

/** A client as it is given. */
export type ClientInput = FromSchema<typeof clientSchema, { keepDefaultedPropertiesOptional: true }>

/** What of a client can be changed. Secrets and keys have functions of their own; null clears an optional field. */
export type ClientPatch = { [Field in Exclude<keyof ClientInput, 'clientId' | 'clientSecret' | 'confidential' | 'jwtPrivateKey'>]?: ClientInput[Field] | null | undefined }

export type Lifetimes = FromSchema<typeof lifetimesSchema>
export type ApplicationType = (typeof applicationTypes)[number]
export type JwtAlgorithm = (typeof jwtAlgorithms)[number]

/** One of a client's signing keys, its public part: an RFC 7517 JWK without the private members; none for HMAC. Times are milliseconds since 1970. */
export interface ClientKey {
  readonly kid: string
  readonly algorithm: JwtAlgorithm
  readonly publicJwk: Readonly<Record<string, string>> | null
  readonly createdAt: number
  /** It signs from then on, until the next one does. Before, it is only published. */
  readonly signsFrom: number
}

/** A client's secret as it is kept: its hash, see `ClientSecrets`. */
export interface KeptSecret {
  readonly id: string
  readonly hash: string
  readonly createdAt: number
}

/** A client as the database keeps it. */
export const storedClientSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'clientId', 'applicationType', 'confidential', 'scopes', 'redirectUris', 'enabled'],
  properties: {
    ...without(clientSchema.properties, 'clientSecret', 'jwtPrivateKey'),
    keptSecrets: { type: 'array', maxItems: 2, items: { type: 'object' } },
    keys: { type: 'array', maxItems: 20, items: { type: 'object' } },
    /** Milliseconds since 1970: what was issued before is good no more. */
    tokensSince: { type: 'integer' },
    /** JSON: the private keys by kid, PKCS #8 PEM, for HMAC the secret. */
    privateKeys: { type: 'string' }
  }
} as const

/** A client's fields with the defaults filled in, as they are stored. */
export type StoredClient = Required<Omit<ClientInput, 'clientSecret' | 'jwtPrivateKey' | 'jwtScope' | 'userId' | 'lifetimes' | 'audiences'>> & {
  readonly jwtScope?: string
  readonly userId?: string
  readonly lifetimes?: Lifetimes
  readonly audiences?: readonly string[]
  /** At most two while a secret is rotated. */
  readonly keptSecrets?: readonly KeptSecret[]
  /** Oldest first. */
  readonly keys?: readonly ClientKey[]
  /** Milliseconds since 1970: what was issued before is good no more. */
  readonly tokensSince?: number
  readonly privateKeys?: string
}

/** A client as `get` and `list` show it. */
export type ClientView = Omit<StoredClient, 'keptSecrets' | 'keys' | 'privateKeys' | 'tokensSince'> & {
  readonly id: string
  /** Counts the changes, from 1. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly hasClientSecret: boolean
  /** Newest last. */
  readonly clientSecrets: ReadonlyArray<{ readonly id: string, readonly createdAt: Date }>
  /** PEM of the key that signs now; null without one, and for HMAC. */
  readonly jwtPublicKey: string | null
  readonly keys: ReadonlyArray<Omit<ClientKey, 'publicJwk'>>
}

function without<Properties extends object, Name extends keyof Properties> (properties: Properties, ...names: Name[]): Omit<Properties, Name> {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !names.some((one) => one === name))) as Omit<Properties, Name>
}
