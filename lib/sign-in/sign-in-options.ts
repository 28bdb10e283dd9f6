import { prefixSchema } from '../options.js'
import type { Claims } from './person.js'

/** Options of the `signIn` plugin. */
export interface SignInOptions {
  /** Of the plugin's routes. Default `/sign-in`. */
  readonly prefix?: string
  /** The identity provider's issuer. Its metadata is read when somebody first signs in, unless `endpoints` says it all. */
  readonly issuer?: string
  /** The identity provider's endpoints, for one that publishes no metadata. */
  readonly endpoints?: {
    /** Where people sign in. */
    readonly authorization: string
    /** Where codes are exchanged. */
    readonly token: string
    /** Says who somebody is (OpenID Connect Core §5.3). */
    readonly userinfo: string
  }
  /** Of this app's registration at the identity provider. */
  readonly clientId: string
  /** Printable ASCII. */
  readonly clientSecret: string
  /** How the client authenticates: by header (`basic`) or in the form (`post`). Default: as the metadata says, `basic` first. */
  readonly clientAuthentication?: 'basic' | 'post'
  /** Default `openid`, `profile`, `email`. */
  readonly scopes?: readonly string[]
  /** Further parameters of the authorization request, such as `prompt` or `domain_hint`. */
  readonly parameters?: { readonly [name: string]: string }
  readonly claims?: {
    /** The claim that tells people apart, always the same for one person. Default `sub`. */
    readonly id?: string
    /** The claim people are called by. Default: the first of `name`, `preferred_username`, `email`. */
    readonly name?: string
  }
  readonly roles?: {
    /** The claim with a person's groups, a text or a list of texts: its name, or a path such as `realm_access.roles`. */
    readonly claim?: string
    /** The roles of each group: `docuware`, `oauth_provider` and `system`. Groups that are not in it give none. */
    readonly map?: { readonly [group: string]: readonly string[] }
    /** Says more roles of a person, by all the claims, the app's own among them. What it throws refuses the sign-in. */
    readonly of?: (claims: Claims) => readonly string[] | Promise<readonly string[]>
  }
  readonly session?: {
    /** Seconds from sign-in to the end of a session, however much it is used. Default 28 800 (8 hours). */
    readonly lifetime?: number
    /** Seconds without a request after which a session ends. Default 3600. */
    readonly idle?: number
  }
  /** Allows http addresses on loopback: for tests and demos. Default false. */
  readonly allowInsecure?: boolean
  /** Sign-ins that one address may begin in a minute, callbacks and log-outs it may send, in one process. Default 60. */
  readonly requestsPerMinute?: number
}

/** What the flow itself sends. */
const ownParameters = ['response_type', 'response_mode', 'client_id', 'client_secret', 'redirect_uri', 'scope', 'state', 'code_challenge', 'code_challenge_method', 'request', 'request_uri']

const visibleText = { type: 'string', minLength: 1, maxLength: 1000, pattern: '^[\\x20-\\x7e]+$' } as const
const claimName = { type: 'string', minLength: 1, maxLength: 200 } as const

export const signInOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['clientId', 'clientSecret'],
  properties: {
    prefix: { ...prefixSchema, minLength: 1 },
    issuer: { type: 'string' },
    endpoints: {
      type: 'object',
      additionalProperties: false,
      required: ['authorization', 'token', 'userinfo'],
      properties: { authorization: { type: 'string' }, token: { type: 'string' }, userinfo: { type: 'string' } }
    },
    clientId: visibleText,
    clientSecret: visibleText,
    clientAuthentication: { type: 'string', enum: ['basic', 'post'] },
    scopes: { type: 'array', items: { type: 'string', pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' } },
    parameters: { type: 'object', propertyNames: { type: 'string', not: { enum: ownParameters } }, additionalProperties: { type: 'string' } },
    claims: { type: 'object', additionalProperties: false, properties: { id: claimName, name: claimName } },
    roles: {
      type: 'object',
      additionalProperties: false,
      dependencies: { claim: ['map'], map: ['claim'] },
      properties: {
        claim: claimName,
        map: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string', enum: ['docuware', 'oauth_provider', 'system'] } } },
        of: { function: true }
      }
    },
    session: {
      type: 'object',
      additionalProperties: false,
      properties: { lifetime: { type: 'integer', minimum: 60, maximum: 31_536_000 }, idle: { type: 'integer', minimum: 60, maximum: 31_536_000 } }
    },
    allowInsecure: { type: 'boolean' },
    requestsPerMinute: { type: 'integer', minimum: 1 }
  }
} as const
