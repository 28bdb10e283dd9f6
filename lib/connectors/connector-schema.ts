import type { GrantStatus } from '../oauth-client/grant.js'
import { strategyNames, strategyTypes, type StrategyName } from './strategy-types.js'

const header = { type: 'string', maxLength: 8192, pattern: '^[\\x20-\\x7e]*$' } as const

/** What may be said about a connector from outside, beside its `auth`. */
export const plainFields = {
  name: { type: 'string', minLength: 1, maxLength: 100, pattern: '^\\S(.*\\S)?$', description: 'Unique, for people and for `app.connectors.use`.' },
  baseUrl: { type: 'string', minLength: 1, maxLength: 2000, description: 'https; paths are taken below it.' },
  headers: { type: 'object', additionalProperties: header, propertyNames: { type: 'string', pattern: '^[A-Za-z0-9!#%&\'*+^_`|~-]{1,100}$' }, maxProperties: 50, description: 'Sent with every request. Not the place for credentials: they are shown.' },
  timeoutMs: { type: 'integer', minimum: 1, maximum: 600_000, description: 'For one try. Default 30 000.' },
  retries: { type: 'integer', minimum: 0, maximum: 20, description: 'How often a request that may be sent twice is repeated. Default 4.' }
} as const

/** The `auth` of a connector: `{ type, …settings of the strategy }`. */
export const connectorSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'baseUrl', 'auth'],
  properties: { ...plainFields, auth: { type: 'object', required: ['type'], properties: { type: { enum: strategyNames } } } }
} as const

/** A strategy's settings, with its name as `type`. */
export interface AuthInput { readonly type: StrategyName, readonly [setting: string]: unknown }

/** A connector as it is created. */
export interface ConnectorInput {
  readonly name: string
  readonly baseUrl: string
  readonly auth: AuthInput
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly timeoutMs?: number | undefined
  readonly retries?: number | undefined
}

/** A change of a connector. Settings of `auth` that are left out stay as they are while its `type` does; null takes one away. */
export interface ConnectorPatch {
  readonly name?: string | undefined
  readonly baseUrl?: string | undefined
  readonly auth?: { readonly type?: StrategyName | undefined, readonly [setting: string]: unknown } | undefined
  readonly headers?: Readonly<Record<string, string>> | null | undefined
  readonly timeoutMs?: number | null | undefined
  readonly retries?: number | null | undefined
}

const nullable = <Schema extends object>(schema: Schema): { readonly anyOf: readonly [Schema, { readonly type: 'null' }] } => ({ anyOf: [schema, { type: 'null' }] })

export const connectorPatchSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    name: plainFields.name,
    baseUrl: plainFields.baseUrl,
    headers: nullable(plainFields.headers),
    timeoutMs: nullable(plainFields.timeoutMs),
    retries: nullable(plainFields.retries),
    auth: { type: 'object', properties: { type: { enum: strategyNames } } }
  }
} as const

/** The schema of a strategy's settings in which nothing is required, and each may be null: for changes. */
export const settingsPatchSchema = oncePerStrategy((type) => {
  const properties = Object.entries(strategyTypes[type].schema.properties).map(([name, property]) => [name, nullable(property)])
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
})

/** The schema of a strategy's settings in which no secret is required: of a connector whose secrets were cleared. */
export const secretlessSchema = oncePerStrategy((type) => {
  const { schema, secrets }: { readonly schema: { readonly required: readonly string[] }, readonly secrets: readonly string[] } = strategyTypes[type]
  return { ...schema, required: schema.required.filter((name) => !secrets.includes(name)) }
})

/** Compiling a schema is dear, and what is compiled is kept: each is made once. */
function oncePerStrategy (make: (type: StrategyName) => object): (type: StrategyName) => object {
  const made = new Map<StrategyName, object>()
  return (type) => {
    const schema = made.get(type) ?? make(type)
    made.set(type, schema)
    return schema
  }
}

const timeOrNull = { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] } as const

/** What is shown of a connector beside what it was given. */
export const connectorStateSchema = {
  hasCredentials: { type: 'boolean', description: 'Whether the secrets of its strategy are there.' },
  status: { type: ['string', 'null'], enum: ['draft', 'authorized', 'reauthorize', 'error', null], description: 'Of an `oauth2` connector; null for any other.' },
  statusMessage: { type: ['string', 'null'], description: 'Why it is not `authorized`.' },
  hasAccessToken: { type: 'boolean' },
  hasRefreshToken: { type: 'boolean' },
  expiresAt: { ...timeOrNull, description: 'When the access token ends.' }
} as const

const text = { type: 'string' } as const
const time = { type: 'integer' } as const

/** What a connector's record holds. */
export const storedConnectorSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'baseUrl', 'type', 'settings', 'status', 'configuration'],
  properties: {
    ...plainFields,
    type: { type: 'string', enum: strategyNames },
    /** Of the strategy, without its secrets. */
    settings: { type: 'object' },
    /** The secrets of the strategy, as JSON. */
    credentials: text,
    status: { type: 'string', enum: ['draft', 'authorized', 'reauthorize', 'error'] },
    statusMessage: text,
    configuration: { type: 'integer' },
    accessToken: text,
    refreshToken: text,
    tokenType: text,
    expiresAt: time,
    refreshAt: time,
    account: { type: 'object' }
  }
} as const

export interface StoredConnector {
  readonly name: string
  readonly baseUrl: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  readonly retries?: number
  readonly type: StrategyName
  readonly settings: Readonly<Record<string, unknown>>
  readonly credentials?: string
  readonly status: GrantStatus
  readonly statusMessage?: string
  readonly configuration: number
  readonly accessToken?: string
  readonly refreshToken?: string
  readonly tokenType?: string
  readonly expiresAt?: number
  readonly refreshAt?: number
  readonly account?: object
}

/** Where a connector's authorization stands. */
export type ConnectorState = Pick<ConnectorView, 'status' | 'statusMessage' | 'hasAccessToken' | 'hasRefreshToken' | 'expiresAt'>

/** A connector as it is shown: without its secrets, but with which of them are there. */
export interface ConnectorView {
  /** Null for one declared in code. */
  readonly id: string | null
  /** Counts the changes, from 1; 0 for one declared in code. */
  readonly version: number
  readonly createdAt: Date | null
  readonly updatedAt: Date | null
  readonly name: string
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly retries: number
  /** The strategy's settings without its secrets, its name as `type`. */
  readonly auth: { readonly type: string, readonly [setting: string]: unknown }
  /** Whether every secret that its strategy needs is there. */
  readonly hasCredentials: boolean
  /** Of an `oauth2` connector; null for any other, which needs no authorization. */
  readonly status: GrantStatus | null
  /** Why it is not `authorized`, for people. */
  readonly statusMessage: string | null
  readonly hasAccessToken: boolean
  readonly hasRefreshToken: boolean
  /** When the access token ends. */
  readonly expiresAt: Date | null
}
