import type { Outcome, ValidatorRefusal } from './authenticator.js'
import { decodeSegment, parseObject, splitToken, type JsonObject } from './compact-token.js'

/** What became of a token that somebody tried: for administrators alone, since callers of a route never learn why they were refused (security.md 53). */
export interface TokenExplanation {
  /** The validator that accepts it, with whom it stands for; null when none does. */
  readonly accepted: { readonly validator: string, readonly userId: string | null, readonly partnerId: string | null } | null
  /** Who refused it, in the order of the chain. */
  readonly refusals: ReadonlyArray<{ readonly validator: string, readonly reason: ValidatorRefusal['reason'] }>
  /** What the token says of itself, believed or not; null where it cannot be read. */
  readonly header: JsonObject | null
  readonly claims: JsonObject | null
}

/** @throws TypeError for an anonymous outcome, which a token never has */
export function explanationOf (token: string, outcome: Outcome): TokenExplanation {
  if (outcome === 'anonymous') throw new TypeError('a token was given')
  const parts = splitToken(token)
  const refused = 'refusals' in outcome ? [...outcome.before, ...outcome.refusals] : outcome.before
  return {
    accepted: 'refusals' in outcome ? null : { validator: outcome.validator.name, userId: outcome.userId, partnerId: outcome.partnerId },
    refusals: refused.map(({ validator, reason }) => ({ validator: validator.name, reason })),
    header: parts === null ? null : parseObject(decodeSegment(parts.header)),
    claims: parts === null ? null : parseObject(decodeSegment(parts.payload))
  }
}
