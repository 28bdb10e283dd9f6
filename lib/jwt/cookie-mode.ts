import { serialize } from 'cookie'
import type { KeyRing } from '../store/key-ring.js'
import type { RefusalReason } from './claims.js'
import type { JsonObject } from './compact-token.js'
import type { CompiledValidator } from './compiled-validator.js'
import { cookieValues } from '../http/cookie-header.js'
import { readCookieToken, signCookieToken, verifyCookieToken, type CookieKey } from './cookie-token.js'

/** What a request's cookies prove: claims, or why not. */
export type CookieProof = { readonly claims: JsonObject } | { readonly refused: RefusalReason | 'missing' | 'duplicate_cookie' }

/** The cookies of cookie-mode validators. */
export class CookieMode {
  readonly #keyRing: KeyRing
  readonly #now: () => number

  /** @param now milliseconds since 1970 */
  constructor (keyRing: KeyRing, now: () => number) {
    this.#keyRing = keyRing
    this.#now = now
  }

  /** Whether the validator is in cookie mode and the request has a cookie for it that is not empty. */
  isPresent ({ fields }: CompiledValidator, cookie: string | undefined): boolean {
    return fields.cookieEnabled && cookieValues(cookie, fields.cookieName).some((value) => value !== '')
  }

  /** @throws DWA_STORE_UNAVAILABLE while the store's keys have not been read */
  prove (validator: CompiledValidator, cookie: string | undefined): CookieProof | Promise<CookieProof> {
    const [value = '', another] = cookieValues(cookie, validator.fields.cookieName)
    if (another !== undefined) return { refused: 'duplicate_cookie' }
    if (value === '') return { refused: 'missing' }
    const token = readCookieToken(value)
    if (token === null) return { refused: 'malformed' }
    const verify = (key: Buffer | null): CookieProof => key === null
      ? { refused: 'unknown_key' }
      : verifyCookieToken(token, validator, key, validator.fields, this.#now())
    const current = this.#key(validator)
    if (current.keyId === token.keyId) return verify(current.key)
    if (current.keyId === null || token.keyId === null) return { refused: 'unknown_key' }
    return this.#keyRing.find(validator.cookieKeyLabel, token.keyId).then(verify)
  }

  /** The Set-Cookie header with the claims for another `cookieMaxAge`. @throws DWA_STORE_UNAVAILABLE while the store's keys have not been read */
  renew (validator: CompiledValidator, claims: JsonObject): string {
    const { cookieMaxAge } = validator.fields
    const expires = Math.floor(this.#now() / 1000) + cookieMaxAge
    return header(validator, signCookieToken(claims, validator, expires, this.#key(validator)), cookieMaxAge)
  }

  /** The Set-Cookie header that takes the cookie away. */
  clear (validator: CompiledValidator): string {
    return header(validator, '', 0)
  }

  /** What cookies are signed with: the validator's own secret, or a key derived from the store's current data key. */
  #key ({ cookieSecret, cookieKeyLabel }: CompiledValidator): CookieKey {
    return cookieSecret === null ? this.#keyRing.current(cookieKeyLabel) : { keyId: null, key: cookieSecret }
  }
}

const sameSite = { Lax: 'lax', Strict: 'strict', None: 'none' } as const

function header ({ fields }: CompiledValidator, value: string, maxAge: number): string {
  const { cookieName, cookiePath, cookieSecure, cookieSameSite } = fields
  return serialize(cookieName, value, { path: cookiePath, maxAge, secure: cookieSecure, sameSite: sameSite[cookieSameSite], httpOnly: true })
}
