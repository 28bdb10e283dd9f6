import type { Change } from '../store/record-collection.js'
import type { TokenAnswer } from './token-answer.js'

/** Where a grant stands. `error`: the authorization server does not know the client any more; `reauthorize`: a person must sign in again. */
export type GrantStatus = 'draft' | 'authorized' | 'reauthorize' | 'error'

/** Whose tokens they are, as far as the authorization server says. */
export interface Account { readonly sub?: string, readonly username?: string, readonly organization?: string }

/** What this package, as a client, was granted by one authorization server, with the record that keeps it. */
export interface Grant {
  readonly id: string
  readonly version: number
  readonly fields: {
    readonly name: string
    readonly status: GrantStatus
    readonly statusMessage?: string
    /** Counts the changes of what an authorization rests on. */
    readonly configuration: number
    /** Milliseconds since 1970. Absent: the access token does not end. */
    readonly expiresAt?: number
    /** From when on the access token is refreshed. Absent: so many seconds before its end as is configured. */
    readonly refreshAt?: number
  }
  /** `accessToken` and `refreshToken`, those that are there, beside what else the record keeps. */
  readonly secrets: { readonly [name: string]: string }
  /** What requests are sent with; null without an access token. */
  readonly bearer: { readonly accessToken: string } | null
}

export type BearerOf<One extends Grant> = NonNullable<One['bearer']>

/** A change of a record that keeps a grant; `undefined` removes a field. */
export interface GrantPatch {
  readonly status?: GrantStatus
  readonly statusMessage?: string | undefined
  readonly configuration?: number
  readonly accessToken?: string | undefined
  readonly refreshToken?: string | undefined
  readonly tokenType?: string | undefined
  readonly expiresAt?: number | undefined
  readonly refreshAt?: number | undefined
  readonly account?: Account | undefined
}

/** The change that leaves nothing of an authorization. */
export const noTokens = { accessToken: undefined, refreshToken: undefined, expiresAt: undefined, refreshAt: undefined, tokenType: undefined, account: undefined, statusMessage: undefined, status: 'draft' } as const satisfies GrantPatch

/** Tokens as they take the place of others in a grant. */
export interface NewTokens {
  readonly expiresAt: number | undefined
  readonly refreshAt: number | undefined
  readonly tokenType: string | undefined
  readonly secrets: { readonly [name: string]: string }
}

export interface AuthorizationUrlRequest {
  readonly redirectUri: string
  readonly state: string
  readonly codeVerifier: string
}

/** The authorization server of one grant. */
export interface AuthorizationServer {
  /** RFC 6749 §4.1.1 with PKCE (RFC 7636, S256). */
  authorizationUrl (request: AuthorizationUrlRequest): Promise<string>
  /**
   * Exchanges the code of a callback (RFC 6749 §4.1.3).
   * @param callback the redirect URI with `code` and `state`
   * @throws TokenFailure
   */
  exchangeCode (callback: URL, checks: Pick<AuthorizationUrlRequest, 'state' | 'codeVerifier'>): Promise<TokenAnswer>
  /** RFC 6749 §6. @throws TokenFailure */
  refresh (refreshToken: string): Promise<TokenAnswer>
  /** Whose tokens these are; null when it is not said. @throws TokenFailure of kind `gone`, Error */
  account (accessToken: string): Promise<Account | null>
  /** RFC 7009, where there is an endpoint for it. @throws TokenFailure of kind `gone`, Error */
  revoke (token: string, hint: 'access_token' | 'refresh_token'): Promise<void>
}

/** What goes wrong with grants, in the words of their kind. */
export interface GrantErrors {
  readonly notFound: (name: string | null) => Error
  readonly conflict: () => Error
  readonly notAuthorized: (name: string) => Error
  readonly reauthorize: (name: string, hasRefreshToken: boolean) => Error
  readonly clientRejected: (name: string) => Error
  readonly refreshFailed: (name: string, reason: string, cause?: unknown) => Error
  readonly invalidReturnTo: (problem: string) => Error
  readonly badCallback: () => Error
  readonly invalidState: () => Error
  readonly denied: (reason: string) => Error
  readonly foreignIssuer: () => Error
  readonly exchange: (reason: string, cause: unknown) => Error
}

/** One kind of grants: where they are kept, whom they are from, and what they are called. */
export interface Grants<One extends Grant> {
  /** Of their audit events and log lines: `connection`. */
  readonly area: string
  readonly errors: GrantErrors
  /** @throws DWA_STORE_UNAVAILABLE, DWA_STORE_UNREADABLE_SECRET */
  readonly open: (id: string) => Promise<One | null>
  /** Changes a grant that is at that version. @throws DWA_STORE_CONFLICT, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  readonly update: (id: string, version: number, patch: GrantPatch, note: Change) => Promise<unknown>
  /** Drops what is remembered of a grant. */
  readonly forget: (id: string) => void
  /** A grant as it is with other tokens, authorized. */
  readonly withTokens: (one: One, tokens: NewTokens) => One
  readonly serverOf: (one: One) => AuthorizationServer
  /** Whether the authorization server is known. */
  readonly isKnown: (one: One) => boolean
  /** Whether a callback's `iss`, null when it has none, may be that of the grant's authorization server (RFC 9207). */
  readonly isIssuer: (one: One, iss: string | null) => boolean
  /** Whether there is no authorization endpoint at its address any more. When that is not clear there still is one. */
  readonly isGone: (one: One) => Promise<boolean>
  /** Finds the endpoints again and stores them; null where they are not discovered. @throws what discovery throws, DWA_STORE_CONFLICT when the grant became another */
  readonly rediscover: ((id: string) => Promise<One>) | null
  /** Whether an error of `rediscover` says that the endpoints are not to be found for now. */
  readonly isDiscoveryFailure: (error: unknown) => boolean
}
