import { prefixSchema } from '../options.js'
import { failureLimitSchema, type FailureLimit } from '../store/failure-locks.js'
import { lifetimesSchema, type Lifetimes } from './client-schema.js'
import type { Owner } from './owner.js'
import type { ConsentPage } from './pages.js'
import type { Resource } from './resource-model.js'

/** Options of the `provider` plugin; `Request` is what the owner's functions are handed. */
export interface ProviderOptions<Request = unknown> {
  /** Default `/oauth2`. */
  readonly prefix?: string
  /** The identifier of this provider: an https URL without query and fragment (RFC 8414 §2); http on loopback with `allowInsecure`. */
  readonly issuer: string
  /** What the provider asks the app about people. */
  readonly owner: Owner<Request>
  /** What data scopes may show, by the name that scopes and `otherinfo` use. */
  readonly resources?: { readonly [name: string]: Resource }
  /** Seconds; see `lifetimes` of a client. Default: code 60, access token 3600, refresh token 30 days, idle 14 days. */
  readonly lifetimes?: Lifetimes
  /** Seconds in which a rotated refresh token gets the same answer again. Default 10; 0: never. */
  readonly refreshGraceSeconds?: number
  /** Resources that clients may ask for with `resource` (RFC 8707): the audience of their JWTs. Default: none. */
  readonly audiences?: readonly string[]
  /** Figures in place of the usual ones. */
  readonly limits?: ProviderLimits
  /** Pages in place of this package's. Values they are given are text: escape them. */
  readonly pages?: {
    /** The consent page: a form with every one of `fields`. */
    readonly consent?: (page: ConsentPage) => string
    /** `message` is for people, in `language`. */
    readonly error?: (page: { readonly title: string, readonly message: string, readonly language: string }) => string
  }
  /** An issuer over http:// on loopback, for development and tests. */
  readonly allowInsecure?: boolean
}

export type LimitName = 'passwordsPerUser' | 'passwordsPerAddress' | 'clientAuthentications' | 'failuresPerAddress' | 'refusedGrants'

export interface ProviderLimits {
  /** Wrong passwords of one user from one address. Default 5 in 900 s, locked for 900 s. */
  readonly passwordsPerUser?: FailureLimit
  /** Wrong passwords from one address. Default 50 in 900 s, locked for 900 s. */
  readonly passwordsPerAddress?: FailureLimit
  /** Failed authentications of a client from one address. Default 20 in 300 s. */
  readonly clientAuthentications?: FailureLimit
  /** Failed authentications of any clients from one address. Default 100 in 300 s; then failures are not looked at, and what is right is taken. */
  readonly failuresPerAddress?: FailureLimit
  /** Refused codes and refresh tokens of a client. Default 30 in 300 s. */
  readonly refusedGrants?: FailureLimit
  /** Requests a minute from one address to authorize and consents, in one process. Default 60. */
  readonly pagesPerMinute?: number
  /** Requests a minute of one client to token, revoke and introspect, in one process. Default 600. */
  readonly requestsPerMinute?: number
}

/** JSON schema of ProviderOptions. */
export const providerOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['issuer', 'owner'],
  properties: {
    prefix: prefixSchema,
    issuer: { type: 'string' },
    owner: {
      type: 'object',
      additionalProperties: false,
      required: ['current', 'loginUrl', 'find'],
      properties: { current: { function: true }, loginUrl: { function: true }, find: { function: true }, verifyPassword: { function: true }, displayName: { function: true } }
    },
    resources: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        required: ['model'],
        properties: { model: {}, user: { type: 'boolean' }, display: { function: true }, references: { type: 'object', additionalProperties: { type: 'string' } } }
      }
    },
    lifetimes: lifetimesSchema,
    refreshGraceSeconds: { type: 'integer', minimum: 0, maximum: 300 },
    audiences: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 2000 } },
    limits: {
      type: 'object',
      additionalProperties: false,
      properties: {
        passwordsPerUser: failureLimitSchema,
        passwordsPerAddress: failureLimitSchema,
        clientAuthentications: failureLimitSchema,
        failuresPerAddress: failureLimitSchema,
        refusedGrants: failureLimitSchema,
        pagesPerMinute: { type: 'integer', minimum: 1 },
        requestsPerMinute: { type: 'integer', minimum: 1 }
      }
    },
    pages: { type: 'object', additionalProperties: false, properties: { consent: { function: true }, error: { function: true } } },
    allowInsecure: { type: 'boolean' }
  }
} as const

/** Seconds. */
export const defaultLifetimes: Required<Lifetimes> = { code: 60, accessToken: 3600, refreshToken: 30 * 86_400, refreshIdle: 14 * 86_400 }

/** Security.md 31. */
export const defaultLimits: Required<ProviderLimits> = {
  passwordsPerUser: { max: 5, windowSeconds: 900 },
  passwordsPerAddress: { max: 50, windowSeconds: 900 },
  clientAuthentications: { max: 20, windowSeconds: 300 },
  failuresPerAddress: { max: 100, windowSeconds: 300 },
  refusedGrants: { max: 30, windowSeconds: 300 },
  pagesPerMinute: 60,
  requestsPerMinute: 600
}
