import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { TokenExplanation } from '../lib/jwt/token-explanation.js'
import type { ValidatorChange, ValidatorUpdate } from '../lib/jwt/validators.js'
import type { ValidatorInput, ValidatorPatch, ValidatorSecrets, ValidatorView } from '../lib/jwt/validator-schema.js'

/** The claims of an accepted token, deeply frozen. Merge your own claims into it. */
export interface JwtPayload {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string | readonly string[]
  /** Seconds since 1970. */
  readonly exp?: number
  readonly nbf?: number
  readonly iat?: number
  readonly jti?: string
  readonly [claim: string]: unknown
}

/** Management of validators from code. Every change is in the audit log when its call resolves, and holds in every process within a second. */
export interface JwtValidators {
  /** @throws DWA_JWT_INVALID_VALIDATOR (its `field` names the field), DWA_JWT_CLOSED_CHAIN, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  create (validator: ValidatorInput, change?: ValidatorChange): Promise<ValidatorView>
  /** The validator of that name or id, code-declared or stored, without its secrets; null when there is none. */
  get (idOrName: string): Promise<ValidatorView | null>
  /** All validators by name, code-declared and stored. */
  list (): Promise<ValidatorView[]>
  /** Changes some fields; null clears an optional one; a new `name` renames. @throws as create, and DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_JWT_READ_ONLY_VALIDATOR */
  update (idOrName: string, patch: ValidatorPatch, change?: ValidatorUpdate): Promise<ValidatorView>
  /** @throws DWA_JWT_VALIDATOR_IN_USE with the names of those that point to it, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_JWT_READ_ONLY_VALIDATOR */
  remove (idOrName: string, change?: ValidatorUpdate): Promise<void>
  /** The secrets of a stored validator in plain text, for role `system` only. The audit entry is there before they are. @throws DWA_JWT_READ_ONLY_VALIDATOR, DWA_STORE_NOT_FOUND, DWA_STORE_UNREADABLE_SECRET, DWA_STORE_UNAVAILABLE */
  secrets (idOrName: string, change?: ValidatorChange): Promise<ValidatorSecrets>
  /** Takes a cookie-mode validator's cookie off the browser: for log-out. @throws DWA_JWT_VALIDATOR_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  clearCookie (reply: FastifyReply, name: string): Promise<void>
  /**
   * What a route with `config.auth: 'jwt_<name>'` would make of a token, and why it is refused: for role `system` only.
   * @param request whom strategies of the app's own are handed
   * @throws DWA_JWT_VALIDATOR_NOT_FOUND, also for a disabled one, DWA_JWT_CONFIGURATION, DWA_STORE_UNAVAILABLE
   */
  explain (name: string, token: string, request: FastifyRequest): Promise<TokenExplanation>
}

/** `scopes`: what a caller needs beside the route's `config.scopes`. */
export interface RequireAuthOptions { readonly scopes?: readonly string[] }

declare module 'fastify' {
  interface FastifyInstance {
    /** Validators, by the `jwt` plugin. */
    jwtValidators: JwtValidators
    /** An onRequest hook that does what `config: { auth: value, scopes }` does. @throws DWA_ROUTE_MALFORMED, DWA_ROUTE_UNCLAIMED */
    requireAuth (value: string, options?: RequireAuthOptions): onRequestHookHandler
  }

  interface FastifyRequest {
    /** The accepted token's claims, deeply frozen; null for an anonymous caller. */
    jwtPayload: JwtPayload | null
    /** The partner the token names, or null. */
    jwtPartnerId: string | null
    /** The user the token names, or null. */
    userId: string | null
    /** The validator that accepted the token, or null. */
    jwtValidator: string | null
  }
}
