import type { AlgorithmName, PublicKeyAlgorithmName, SignatureCheck } from './algorithms.js'
import { findClaimProblem, TokenClaims, type ClaimRules, type RefusalReason } from './claims.js'
import { decodeSegment, parseObject, splitToken, type CompactToken, type JsonObject } from './compact-token.js'
import { cookieBinding } from './cookie-token.js'
import type { PublicKeys } from './public-keys.js'
import type { KeySetSnapshot, LiveKeySet } from './remote-key-set.js'

/** A token that passed. Its claims are deeply frozen, so that it can be kept and handed out again. */
export class VerifiedToken extends TokenClaims {
  /** Seconds since 1970: from then on the token is expired, clock tolerance included. Not milliseconds, which V8 would keep in an object of their own, another one to read for each use. */
  readonly expiresAt: number
  /** The key set snapshot the signature was checked with; null for a key that is part of the validator. */
  readonly snapshot: KeySetSnapshot | null

  constructor (claims: JsonObject, expiresAt: number, snapshot: KeySetSnapshot | null) {
    super(claims)
    this.expiresAt = expiresAt
    this.snapshot = snapshot
  }
}

export interface RefusedToken { readonly refused: RefusalReason }

export type TokenResult = VerifiedToken | RefusedToken

/** Where the keys come from: part of the validator, or a remote key set. */
export type KeySource = { readonly keys: PublicKeys } | { readonly remote: LiveKeySet, readonly algorithm: PublicKeyAlgorithmName }

export interface TokenRules extends ClaimRules {
  /** The one accepted algorithm; the header has no say (RFC 8725 §3.1). */
  readonly algorithm: AlgorithmName
  /** The accepted `typ`, lower case and without `application/`; null takes any. */
  readonly typ: string | null
  readonly source: KeySource
}

/** Verifies compact tokens for one validator: signature, header and claims. */
export class TokenVerifier {
  readonly #rules: TokenRules
  readonly #now: () => number
  /** Tokens of one issuer share their header: the last good one is not parsed again. */
  #lastHeader: { readonly segment: string, readonly kid: unknown } | null = null

  /** @param now milliseconds since 1970 */
  constructor (rules: TokenRules, now: () => number) {
    this.#rules = rules
    this.#now = now
  }

  /** Never throws and never rejects; a promise only when a key set has to be fetched. */
  verify (token: string): TokenResult | Promise<TokenResult> {
    const parts = splitToken(token)
    if (parts === null) return { refused: 'malformed' }
    const header = this.#header(parts.header)
    if ('refused' in header) return header
    const { source } = this.#rules
    if ('keys' in source) return this.#conclude(parts, source.keys.candidates(header.kid), null)
    const snapshot = source.remote.fresh
    const candidates = snapshot?.keys(source.algorithm).candidates(header.kid) ?? []
    if (snapshot === null || candidates.length === 0) return this.#fetchAndConclude(parts, header.kid, source.remote, source.algorithm)
    source.remote.refreshAhead()
    return this.#conclude(parts, candidates, snapshot)
  }

  /** Whether an earlier result still holds: neither expired nor resting on a key set that has been replaced or wants a refresh. */
  holds (verified: Pick<VerifiedToken, 'expiresAt' | 'snapshot'>, now: number): boolean {
    if (now >= verified.expiresAt * 1000) return false
    if (verified.snapshot === null) return true
    const { source } = this.#rules
    return 'remote' in source && source.remote.isCurrent(verified.snapshot)
  }

  #header (segment: string): { readonly kid: unknown } | RefusedToken {
    if (this.#lastHeader?.segment === segment) return this.#lastHeader
    const header = parseObject(decodeSegment(segment))
    if (header === null) return { refused: 'malformed' }
    if (header['alg'] !== this.#rules.algorithm) return { refused: 'algorithm' }
    // No extension is understood (RFC 7515 §4.1.11), the payload is never unencoded (RFC 7797) or compressed.
    if ('crit' in header || 'zip' in header || ('b64' in header && header['b64'] !== true)) return { refused: 'header' }
    if (this.#rules.typ !== null && !matchesType(header['typ'], this.#rules.typ)) return { refused: 'type' }
    this.#lastHeader = { segment, kid: header['kid'] }
    return this.#lastHeader
  }

  async #fetchAndConclude (parts: CompactToken, kid: unknown, remote: LiveKeySet, algorithm: PublicKeyAlgorithmName): Promise<TokenResult> {
    let snapshot = await remote.latest()
    if (snapshot === null) return { refused: 'key_set_unreachable' }
    let candidates = snapshot.keys(algorithm).candidates(kid)
    if (candidates.length === 0) {
      const newer = await remote.newerThan(snapshot)
      if (newer === null) return { refused: 'unknown_key' }
      snapshot = newer
      candidates = snapshot.keys(algorithm).candidates(kid)
    }
    return this.#conclude(parts, candidates, snapshot)
  }

  #conclude (parts: CompactToken, candidates: readonly SignatureCheck[], snapshot: KeySetSnapshot | null): TokenResult {
    if (candidates.length === 0) return { refused: 'unknown_key' }
    const signature = decodeSegment(parts.signature)
    if (!candidates.some((isRight) => isRight(parts.input, signature))) return { refused: 'signature' }
    const claims = parseObject(decodeSegment(parts.payload))
    if (claims === null) return { refused: 'malformed' }
    if (cookieBinding in claims) return { refused: 'foreign_cookie' }
    const problem = findClaimProblem(claims, this.#rules, this.#now())
    if (problem !== null) return { refused: problem }
    const exp = Number(claims['exp'])
    return new VerifiedToken(claims, exp + this.#rules.clockTolerance, snapshot)
  }
}

/** The form in which `typ` values are compared (RFC 7515 §4.1.9). */
export function canonicalType (typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '')
}

function matchesType (typ: unknown, wanted: string): boolean {
  return typeof typ === 'string' && canonicalType(typ) === wanted
}
