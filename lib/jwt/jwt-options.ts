import type { IdentityStrategy, PartnerModel } from './identity.js'
import { validatorSchema, type ValidatorInput } from './validator-schema.js'

/** Options of the `jwt` plugin; `Request` is what strategies and the session guard are handed. */
export interface JwtOptions<Request = unknown> {
  /** Code-declared validators: read-only at run time, and independent of the database. */
  readonly validators?: readonly ValidatorInput[]
  /** User id strategies beside `static` and `claim`. */
  readonly userIdStrategies?: { readonly [name: string]: IdentityStrategy<Request> }
  /** Partner id strategies beside `email`. */
  readonly partnerIdStrategies?: { readonly [name: string]: IdentityStrategy<Request> }
  /** Where the strategy `email` looks: a mongoose model and its field (default `email`). */
  readonly partners?: { readonly model: PartnerModel, readonly emailField?: string }
  /** Whether a request belongs to a signed-in session, which a protected route refuses. Default: `session.userId`, `session.user`, `session.get('user')`. */
  readonly isSessionAuthenticated?: (request: Request) => boolean
  /** `{ every }`: routes without `config.auth` are treated as if they had this value. Default `opt-in`. */
  readonly protect?: 'opt-in' | { readonly every: string }
  /** `max`: so many of the last used verified tokens are kept, and never more than twice as many (default 10 000; 0: none). */
  readonly cache?: { readonly max?: number }
  /** Seconds a stored validator serves while MongoDB is away. Default 300. */
  readonly maxStaleSeconds?: number
  /** Origins, beside publicUrl's, whose pages may send unsafe requests with an authorization cookie. */
  readonly trustedOrigins?: readonly string[]
  /** Key sets over http:// on loopback, for development and tests. */
  readonly allowInsecure?: boolean
  /** `allowPrivateAddresses`: stored validators may name key sets on private networks (an identity server on premises). */
  readonly keySets?: { readonly allowPrivateAddresses?: boolean }
  /** Adds `security` to the OpenAPI schema of protected routes, under this scheme name (true: `bearerAuth`), which the document must declare. */
  readonly openapi?: boolean | string
}

/** JSON schema of JwtOptions. */
export const jwtOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    validators: { type: 'array', items: { type: 'object', properties: { name: validatorSchema.properties.name } } },
    userIdStrategies: { type: 'object', additionalProperties: { function: true } },
    partnerIdStrategies: { type: 'object', additionalProperties: { function: true } },
    partners: {
      type: 'object',
      additionalProperties: false,
      required: ['model'],
      properties: { model: { function: true }, emailField: { type: 'string', pattern: '^[^$.][^$]*$' } }
    },
    isSessionAuthenticated: { function: true },
    protect: {
      anyOf: [
        { const: 'opt-in' },
        { type: 'object', additionalProperties: false, required: ['every'], properties: { every: { type: 'string' } } }
      ]
    },
    cache: { type: 'object', additionalProperties: false, properties: { max: { type: 'integer', minimum: 0, maximum: 10_000_000 } } },
    maxStaleSeconds: { type: 'number', minimum: 0, maximum: 86400 },
    trustedOrigins: { type: 'array', items: { type: 'string', pattern: '^https?://[^/]+$' } },
    allowInsecure: { type: 'boolean' },
    keySets: { type: 'object', additionalProperties: false, properties: { allowPrivateAddresses: { type: 'boolean' } } },
    openapi: { type: ['boolean', 'string'] }
  }
} as const
