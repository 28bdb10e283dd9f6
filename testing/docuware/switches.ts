import { checkOptions } from '../../lib/options.js'

/** What can be changed while the simulator runs, with `set`, and given at the start. */
export interface DocuWareSwitches {
  /** The authorization endpoint signs `user` in without showing the page. Default: false. */
  autoApprove: boolean
  /** The authorization endpoint answers `access_denied`, as if the user had declined. Default: false. */
  deny: boolean
  /**
   * `rotate` (default): each refresh gives a new refresh token and ends the old one.
   * `rotate+revokeFamily`: a used refresh token that comes again also ends every token of its sign-in.
   * `reuse`: a refresh gives the same refresh token again.
   */
  refreshMode: 'rotate' | 'rotate+revokeFamily' | 'reuse'
  /** Refresh answers have no `refresh_token`; the one that was presented stays good. Default: false. */
  omitRefreshToken: boolean
  /** False: discovery says so, `offline_access` is an invalid scope, and there are no refresh tokens. Default: true. */
  refreshTokenSupported: boolean
  /**
   * What is wrong with the id_token of the next token answers. Default: `valid`.
   * `expired` by an hour, an issuer of another host, the issuer in other letters' case, signed with RS384, another client's, another nonce, or no id_token.
   */
  idToken: 'valid' | 'expired' | 'foreign-issuer' | 'other-case-issuer' | 'unexpected-algorithm' | 'foreign-audience' | 'foreign-nonce' | 'absent'
  /** `upper`: the issuer's path is in upper case in discovery, id_tokens and `iss`, and the endpoints' is not. Default: `same`. */
  issuerCase: 'same' | 'upper'
  /** The `iss` parameter of authorization answers (RFC 9207). Default: `present`. */
  iss: 'present' | 'absent' | 'foreign'
  /** What `IdentityServiceUrl` says: `''` blank, null leaves it out. Default (undefined): `identityUrl`. */
  identityServiceUrl: string | null | undefined
  /**
   * The lies of the openid-configuration. Default: `honest`.
   * All or only the token endpoint at the foreign origin; an issuer of another host; a document of 1 MiB; no endpoints; a redirect to the foreign origin.
   */
  discovery: 'honest' | 'foreign-endpoints' | 'foreign-token-endpoint' | 'foreign-issuer' | 'huge' | 'no-endpoints' | 'foreign-redirect'
  /** A query that the endpoints of the openid-configuration have, such as `tenant=acme`. Default: none. */
  endpointQuery: string
  /** The status of `invalid_client`. Default: 400. */
  invalidClientStatus: 400 | 401
  /** How the platform says 401: as JSON (default), or as an HTML page that leads to a sign-in page. */
  unauthenticated: 'json' | 'html'
  /** The platform answers every request with 401 and "None of the registered licenses are available". Default: false. */
  licencesExhausted: boolean
  /** Requests to `/FileCabinets` in a minute; those beyond get 429. 0: no limit. Default: 60. */
  fileCabinetsPerMinute: number
  /** What a document list's `next` link looks like: a path (default), a URL, or one at the foreign origin. */
  nextLink: 'path' | 'url' | 'foreign'
  /** How the members of platform answers are written. Default: `Pascal`. */
  keyCase: 'Pascal' | 'camel'
  /** POST `/Organization/UserInfo` creates a user (default; see `usersCreated`), or answers 405. */
  userInfoPost: 'create' | '405'
  /** Milliseconds by which the simulator's clock is ahead. Default: 0. */
  clockOffsetMs: number
}

export function defaultSwitches (): DocuWareSwitches {
  return {
    autoApprove: false,
    deny: false,
    refreshMode: 'rotate',
    omitRefreshToken: false,
    refreshTokenSupported: true,
    idToken: 'valid',
    issuerCase: 'same',
    iss: 'present',
    identityServiceUrl: undefined,
    discovery: 'honest',
    endpointQuery: '',
    invalidClientStatus: 400,
    unauthenticated: 'json',
    licencesExhausted: false,
    fileCabinetsPerMinute: 60,
    nextLink: 'path',
    keyCase: 'Pascal',
    userInfoPost: 'create',
    clockOffsetMs: 0
  }
}

const boolean = { type: 'boolean' } as const

/** JSON schemas of the switches, by name. */
export const switchSchemas = {
  autoApprove: boolean,
  deny: boolean,
  refreshMode: { enum: ['rotate', 'rotate+revokeFamily', 'reuse'] },
  omitRefreshToken: boolean,
  refreshTokenSupported: boolean,
  idToken: { enum: ['valid', 'expired', 'foreign-issuer', 'other-case-issuer', 'unexpected-algorithm', 'foreign-audience', 'foreign-nonce', 'absent'] },
  issuerCase: { enum: ['same', 'upper'] },
  iss: { enum: ['present', 'absent', 'foreign'] },
  identityServiceUrl: { type: ['string', 'null'] },
  discovery: { enum: ['honest', 'foreign-endpoints', 'foreign-token-endpoint', 'foreign-issuer', 'huge', 'no-endpoints', 'foreign-redirect'] },
  endpointQuery: { type: 'string' },
  invalidClientStatus: { enum: [400, 401] },
  unauthenticated: { enum: ['json', 'html'] },
  licencesExhausted: boolean,
  fileCabinetsPerMinute: { type: 'integer', minimum: 0 },
  nextLink: { enum: ['path', 'url', 'foreign'] },
  keyCase: { enum: ['Pascal', 'camel'] },
  userInfoPost: { enum: ['create', '405'] },
  clockOffsetMs: { type: 'number' }
} as const satisfies Record<keyof DocuWareSwitches, object>

const switchesSchema = { type: 'object', additionalProperties: false, properties: switchSchemas }

/** Changes some switches. @throws DWA_OPTIONS_INVALID */
export function setSwitches (switches: DocuWareSwitches, changes: Partial<DocuWareSwitches>): void {
  checkOptions('set', switchesSchema, withoutUndefined(changes))
  Object.assign(switches, changes)
}

/** `identityServiceUrl: undefined` means its default; a schema cannot say that of a member that is there. */
function withoutUndefined (changes: Partial<DocuWareSwitches>): object {
  return Object.fromEntries(Object.entries(changes).filter(([name, value]) => value !== undefined || name !== 'identityServiceUrl'))
}
