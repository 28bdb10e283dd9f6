import type { FromSchema } from 'json-schema-to-ts'

/** What DocuWare's own clients ask for. */
export const defaultScopes: readonly string[] = ['docuware.platform', 'openid', 'dwprofile', 'offline_access']

/** What may be said about a connection from outside. */
export const connectionSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'platformUrl', 'clientId'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 100, pattern: '^\\S(.*\\S)?$', description: 'Unique, for people.' },
    platformUrl: { type: 'string', minLength: 1, maxLength: 500, description: '`acme`, `acme.docuware.cloud`, a host of your own, or the full address; kept as `https://<host>/DocuWare/Platform`.' },
    clientId: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[\\x20-\\x7e]+$', description: 'Of the app registration in DocuWare.' },
    clientSecret: { type: 'string', minLength: 1, maxLength: 1000, pattern: '^[\\x20-\\x7e]+$', description: 'Write-only. Absent: a native app, which proves itself by PKCE alone.' },
    scopes: { type: 'array', items: { type: 'string', pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' }, minItems: 1, maxItems: 50, uniqueItems: true, description: 'Default `docuware.platform openid dwprofile offline_access`.' }
  }
} as const

/** A connection as it is created. */
export type ConnectionInput = FromSchema<typeof connectionSchema>

/** A change of a connection. `clientSecret: null` takes the secret away; `dropTokens` ends what was authorized, with the old secret for instance. */
export type ConnectionPatch =
  { readonly [Field in Exclude<keyof ConnectionInput, 'clientSecret'>]?: ConnectionInput[Field] | undefined } &
  { readonly clientSecret?: string | null | undefined, readonly dropTokens?: boolean | undefined }

/** Where a connection stands. `error`: the identity service does not know the client any more; `reauthorize`: a person must sign in again. */
export const connectionStatuses = ['draft', 'authorized', 'reauthorize', 'error'] as const

export type ConnectionStatus = typeof connectionStatuses[number]

const time = { type: 'integer', description: 'Milliseconds since 1970.' } as const
const text = { type: 'string' } as const

/** What a connection record holds. Everything beyond the input is this package's own to write. */
export const storedConnectionSchema = {
  ...connectionSchema,
  required: ['name', 'platformUrl', 'clientId', 'scopes', 'status', 'configuration'],
  properties: {
    ...connectionSchema.properties,
    /** Counts the changes of what an authorization rests on. */
    configuration: { type: 'integer' },
    discovered: {
      type: 'object',
      additionalProperties: false,
      required: ['identityUrl', 'issuer', 'authorizationEndpoint', 'tokenEndpoint', 'refreshTokenSupported', 'at'],
      properties: { identityUrl: text, issuer: text, authorizationEndpoint: text, tokenEndpoint: text, userinfoEndpoint: text, revocationEndpoint: text, refreshTokenSupported: { type: 'boolean' }, at: time }
    },
    accessToken: text,
    refreshToken: text,
    expiresAt: time,
    /** From when on the access token is refreshed. Absent: so many seconds before its end as is configured. */
    refreshAt: time,
    tokenType: text,
    status: { type: 'string', enum: connectionStatuses },
    statusMessage: text,
    account: { type: 'object', additionalProperties: false, properties: { sub: text, username: text, organization: text } },
    lastSync: { type: 'object', additionalProperties: false, required: ['at', 'ok', 'message', 'durationMs'], properties: { at: time, ok: { type: 'boolean' }, message: text, durationMs: { type: 'integer' } } },
    /** A sync that has begun and not ended. */
    syncing: { type: 'object', additionalProperties: false, required: ['id', 'since'], properties: { id: text, since: time } }
  }
} as const

export type StoredConnection = FromSchema<typeof storedConnectionSchema>
export type Discovered = NonNullable<StoredConnection['discovered']>
export type Account = NonNullable<StoredConnection['account']>

/** A connection as it is shown: without its secrets and tokens, but with which of them are there. */
export interface ConnectionView {
  readonly id: string
  /** Counts the changes, from 1. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly name: string
  readonly platformUrl: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly status: ConnectionStatus
  /** Why it is not `authorized`, for people. */
  readonly statusMessage: string | null
  readonly hasClientSecret: boolean
  readonly hasAccessToken: boolean
  readonly hasRefreshToken: boolean
  /** When the access token ends. */
  readonly expiresAt: Date | null
  readonly account: Account | null
  readonly discovered: Omit<Discovered, 'at'> & { readonly at: Date } | null
  readonly lastSync: { readonly at: Date, readonly ok: boolean, readonly message: string, readonly durationMs: number } | null
  /** Since when a sync is running. */
  readonly syncingSince: Date | null
}
