import type { JsonObject } from './compact-token.js'

/** Why a token was refused. For logs and audit entries; never part of an answer (security.md 53). */
export type RefusalReason =
  | 'malformed' | 'algorithm' | 'header' | 'type' | 'unknown_key' | 'key_set_unreachable' | 'signature'
  | 'claims' | 'expired' | 'not_yet_valid' | 'issuer' | 'audience' | 'foreign_cookie'

/** What the claims of a token are checked against. */
export interface ClaimRules {
  /** Exact. */
  readonly issuer: string
  /** The token needs one of them. */
  readonly audience: readonly string[]
  /** Seconds, for `exp`, `nbf` and `iat`. */
  readonly clockTolerance: number
}

/**
 * Checks `exp` (required, later than now), `nbf`, `iat`, `iss` and `aud` (RFC 7519 §4.1).
 * @param now milliseconds since 1970
 */
export function findClaimProblem (claims: JsonObject, rules: ClaimRules, now: number): RefusalReason | null {
  const { exp, nbf, iat, iss, aud } = claims
  const seconds = now / 1000
  const tolerance = rules.clockTolerance
  if (!isNumericDate(exp) || !isAbsentOrNumericDate(nbf) || !isAbsentOrNumericDate(iat)) return 'claims'
  if (exp + tolerance <= seconds) return 'expired'
  if (nbf !== undefined && nbf > seconds + tolerance) return 'not_yet_valid'
  if (iat !== undefined && iat > seconds + tolerance) return 'not_yet_valid'
  if (iss !== rules.issuer) return 'issuer'
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!audiences.some((one) => typeof one === 'string' && rules.audience.includes(one))) return 'audience'
  return null
}

/** Claims and their scopes, which are read once, and only if a route or a validator asks for some. */
export class TokenClaims {
  readonly claims: JsonObject
  #scopes: ReadonlySet<string> | null = null

  constructor (claims: JsonObject) {
    this.claims = claims
  }

  get scopes (): ReadonlySet<string> {
    this.#scopes ??= scopesOf(this.claims)
    return this.#scopes
  }
}

/** The scopes a token carries: `scope` as a string (RFC 9068 §2.2.3), `scp` as an array or a string. */
function scopesOf (claims: JsonObject): ReadonlySet<string> {
  const { scope, scp } = claims
  const listed: unknown[] = [...split(scope), ...(Array.isArray(scp) ? scp : split(scp))]
  return new Set(listed.filter((one): one is string => typeof one === 'string' && one !== ''))
}

function split (value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ') : []
}

function isNumericDate (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isAbsentOrNumericDate (value: unknown): value is number | undefined {
  return value === undefined || isNumericDate(value)
}
