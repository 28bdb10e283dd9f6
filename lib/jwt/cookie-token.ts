import { createHmac } from 'node:crypto'
import { secretSignatureCheck, signInput } from './algorithms.js'
import { findClaimProblem, type ClaimRules, type RefusalReason } from './claims.js'
import { decodeSegment, encodeInput, parseObject, splitToken, type CompactToken, type JsonObject } from './compact-token.js'

/** The private claim that binds a cookie to its validator's name. A Bearer token with it is refused. */
export const cookieBinding = 'dwa_validator'
/** The private claim that binds it to what the validator verifies tokens with; keyed, so that it tells nothing about it. */
const keyBinding = 'dwa_key'

const type = 'dwa-cookie+jwt'

/** What a cookie is bound to. */
export interface CookieOwner { readonly name: string, readonly keySource: string }

/** A key for cookies; `keyId` (a data key's id) is null for a validator's own cookieSecret. */
export interface CookieKey { readonly keyId: string | null, readonly key: Buffer }

/** A cookie's value that has the form of ours, its signature not yet checked. */
export interface CookieToken {
  readonly parts: CompactToken
  /** The data key it says it was signed with; null: a cookieSecret. */
  readonly keyId: string | null
}

/**
 * The cookie's value: an HS256 JWT with the claims as they were accepted, a new `exp`, and the validator's name and key.
 * @param expires seconds since 1970
 */
export function signCookieToken (claims: JsonObject, owner: CookieOwner, expires: number, { keyId, key }: CookieKey): string {
  const header = { alg: 'HS256', typ: type, ...(keyId === null ? {} : { kid: keyId }) }
  const input = encodeInput(header, { ...claims, exp: expires, [cookieBinding]: owner.name, [keyBinding]: keyPrint(owner, key) })
  return `${input}.${signInput('HS256', key, input).toString('base64url')}`
}

/** Reads a cookie's value; null when it has not the form of ours. */
export function readCookieToken (value: string): CookieToken | null {
  const parts = splitToken(value)
  const header = parts === null ? null : parseObject(decodeSegment(parts.header))
  if (parts === null || header === null || header['alg'] !== 'HS256' || header['typ'] !== type) return null
  const keyId = header['kid'] ?? null
  return keyId === null || typeof keyId === 'string' ? { parts, keyId } : null
}

/** The claims of a cookie signed with `key` for `owner`, without the bindings, or the reason it is refused. @param now milliseconds since 1970 */
export function verifyCookieToken ({ parts }: CookieToken, owner: CookieOwner, key: Buffer, rules: ClaimRules, now: number): { readonly claims: JsonObject } | { readonly refused: RefusalReason } {
  if (!secretSignatureCheck('HS256', key)(parts.input, decodeSegment(parts.signature))) return { refused: 'signature' }
  const bound = parseObject(decodeSegment(parts.payload))
  if (bound === null) return { refused: 'malformed' }
  const { [cookieBinding]: name, [keyBinding]: print, ...claims } = bound
  if (name !== owner.name || print !== keyPrint(owner, key)) return { refused: 'foreign_cookie' }
  const problem = findClaimProblem(claims, rules, now)
  return problem === null ? { claims: Object.freeze(claims) } : { refused: problem }
}

function keyPrint ({ keySource }: CookieOwner, key: Buffer): string {
  return createHmac('sha256', key).update(keySource).digest('base64url')
}
