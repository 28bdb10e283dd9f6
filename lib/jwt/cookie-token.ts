import { secretSignatureCheck, signInput } from './algorithms.js'
import { findClaimProblem, type ClaimRules, type RefusalReason } from './claims.js'
import { decodeSegment, encodeInput, parseObject, splitToken, type JsonObject } from './compact-token.js'

/** The private claim that binds a cookie to its validator's name. A Bearer token with it is refused. */
export const cookieBinding = 'dwa_validator'

const type = 'dwa-cookie+jwt'

/** A key for cookies; `keyId` (a data key's id) is null for a validator's own cookieSecret. */
export interface CookieKey { readonly keyId: string | null, readonly key: Buffer }

/**
 * The cookie's value: an HS256 JWT with the claims as they were accepted, a new `exp`, and the validator's name.
 * @param expires seconds since 1970
 */
export function signCookieToken (claims: JsonObject, validator: string, expires: number, { keyId, key }: CookieKey): string {
  const header = { alg: 'HS256', typ: type, ...(keyId === null ? {} : { kid: keyId }) }
  const input = encodeInput(header, { ...claims, exp: expires, [cookieBinding]: validator })
  return `${input}.${signInput('HS256', key, input).toString('base64url')}`
}

/** The data key's id a cookie names: null for one signed with a cookieSecret, undefined when it is no cookie of ours. */
export function cookieKeyId (value: string): string | null | undefined {
  const header = cookieHeader(value)
  const kid = header?.['kid'] ?? null
  return header !== null && (kid === null || typeof kid === 'string') ? kid : undefined
}

/** The claims of a cookie signed with `key` for `validator`, without the binding, or the reason it is refused. @param now milliseconds since 1970 */
export function verifyCookieToken (value: string, validator: string, key: Buffer, rules: ClaimRules, now: number): { readonly claims: JsonObject } | { readonly refused: RefusalReason } {
  const parts = splitToken(value)
  if (parts === null || cookieHeader(value) === null) return { refused: 'malformed' }
  if (!secretSignatureCheck('HS256', key)(parts.input, decodeSegment(parts.signature))) return { refused: 'signature' }
  const bound = parseObject(decodeSegment(parts.payload))
  if (bound === null) return { refused: 'malformed' }
  const { [cookieBinding]: name, ...claims } = bound
  if (name !== validator) return { refused: 'foreign_cookie' }
  const problem = findClaimProblem(claims, rules, now)
  return problem === null ? { claims: Object.freeze(claims) } : { refused: problem }
}

function cookieHeader (value: string): JsonObject | null {
  const parts = splitToken(value)
  const header = parts === null ? null : parseObject(decodeSegment(parts.header))
  return header !== null && header['alg'] === 'HS256' && header['typ'] === type ? header : null
}
