import { prefixSchema } from '../options.js'
import { plainFields, type ConnectorInput } from './connector-schema.js'
import type { Strategy } from './strategy.js'

/** A connector in the options: with a strategy made by one of its functions, or with settings as a stored one has them. */
export interface DeclaredConnector extends Omit<ConnectorInput, 'name' | 'auth'> {
  readonly auth: Strategy | ConnectorInput['auth']
}

/** Options of the `connectors` plugin. */
export interface ConnectorsOptions {
  /** Of the plugin's routes. Default `/connectors`. */
  readonly prefix?: string
  /** Connectors declared in code, by name: read-only at run time. */
  readonly declared?: Readonly<Record<string, DeclaredConnector>>
  /** Allows http addresses on loopback: for tests and demos. Default false. */
  readonly allowInsecure?: boolean
  /** Seconds before its end from which on an access token is refreshed. Default 300. */
  readonly refreshBeforeSeconds?: number
  /** Milliseconds for one exchange with an authorization server. Default 10 000. */
  readonly timeoutMs?: number
  /** Authorizations that one address may begin in a minute, and callbacks it may send, in one process. Default 60. */
  readonly requestsPerMinute?: number
}

const { name: _, ...declaredFields } = plainFields

export const connectorsOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    prefix: prefixSchema,
    declared: { type: 'object', additionalProperties: { type: 'object', additionalProperties: false, required: ['baseUrl', 'auth'], properties: { ...declaredFields, auth: { type: 'object' } } } },
    allowInsecure: { type: 'boolean' },
    refreshBeforeSeconds: { type: 'integer', minimum: 0, maximum: 86_400 },
    timeoutMs: { type: 'integer', minimum: 100, maximum: 600_000 },
    requestsPerMinute: { type: 'integer', minimum: 1 }
  }
} as const
