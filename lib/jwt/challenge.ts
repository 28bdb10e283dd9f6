import { errors, type AuthError } from '../errors.js'
import type { RefusalCode, Refused } from './authenticator.js'

/** A refusal as an answer: the error, and its WWW-Authenticate header (RFC 6750 §3), or null where a challenge has no place. */
export interface RefusalAnswer {
  readonly error: AuthError
  readonly challenge: string | null
}

/** Codes that mean "no credential was there": their challenge is bare. */
const missing: ReadonlySet<RefusalCode> = new Set(['DWA_JWT_MISSING_AUTHORIZATION', 'DWA_JWT_MISSING_COOKIE'])

/** One refusal is that error; several are one DWA_JWT_COMPOSITE with `errors`. */
export function answerOf ({ refusals, scopes }: Refused): RefusalAnswer {
  const [only, another] = refusals
  const bare = refusals.every(({ code }) => missing.has(code))
  if (only === undefined || another !== undefined) {
    const list = refusals.map(({ validator, code }) => ({ validator: validator.name, code }))
    return { error: Object.assign(new errors.DWA_JWT_COMPOSITE(), { errors: list }), challenge: bare ? 'Bearer' : invalidToken }
  }
  const error = new errors[only.code]()
  if (only.code === 'DWA_JWT_CROSS_SITE') return { error, challenge: null }
  if (only.code === 'DWA_JWT_INSUFFICIENT_SCOPE') return { error, challenge: `Bearer error="insufficient_scope", scope="${(scopes ?? []).map(quotable).join(' ')}"` }
  return { error, challenge: bare ? 'Bearer' : invalidToken }
}

const invalidToken = 'Bearer error="invalid_token"'

/** A scope as it may stand in a quoted string (RFC 6749 §3.3: no quotes, backslashes or control characters). */
function quotable (scope: string): string {
  return scope.replaceAll(/[^\x21\x23-\x5b\x5d-\x7e]/g, '')
}
