import { serialize } from 'cookie'
import { errors } from '../errors.js'
import type { KeyRing } from '../store/key-ring.js'
import { readBearer, type BearerCredential } from './bearer.js'
import { scopesOf, type RefusalReason } from './claims.js'
import type { JsonObject } from './compact-token.js'
import type { CompiledValidator } from './compiled-validator.js'
import { cookieValues, isCrossSite, type RequestOrigin } from './cookie-header.js'
import { cookieKeyId, signCookieToken, verifyCookieToken, type CookieKey } from './cookie-token.js'
import { builtInUserId, type IdentityStrategy } from './identity.js'
import type { RouteValue } from './route-value.js'
import type { VerifiedToken } from './token-verifier.js'
import type { ValidatorKey, ValidatorRegistry } from './validator-registry.js'
import type { VerifiedTokens } from './verified-tokens.js'

/** What a request brings. `Request` is whatever strategies expect to be handed. */
export interface Credentials<Request = unknown> extends RequestOrigin {
  readonly authorization: unknown
  readonly cookie: string | undefined
  /** Scopes the route adds to the validator's own. */
  readonly scopes: readonly string[]
  readonly request: Request
}

/** What a refused request is answered with. */
export type RefusalCode =
  | 'DWA_JWT_MISSING_AUTHORIZATION' | 'DWA_JWT_MISSING_COOKIE' | 'DWA_JWT_MALFORMED_AUTHORIZATION' | 'DWA_JWT_INVALID_TOKEN'
  | 'DWA_JWT_USER_NOT_FOUND' | 'DWA_JWT_PARTNER_NOT_FOUND' | 'DWA_JWT_INSUFFICIENT_SCOPE' | 'DWA_JWT_CROSS_SITE'

/** One validator's no, in chain order. */
export interface ValidatorRefusal {
  readonly validator: string
  readonly validatorId: string | null
  readonly code: RefusalCode
  /** For logs only. */
  readonly reason: RefusalReason | 'missing' | 'duplicate_cookie' | 'no_user' | 'no_partner' | 'scope' | 'cross_site'
}

export interface Accepted {
  readonly validator: CompiledValidator
  readonly claims: JsonObject
  readonly userId: string | null
  readonly partnerId: string | null
  /** The Set-Cookie header of a cookie-mode validator. */
  readonly setCookie: string | null
}

export interface Refused {
  /** Never empty. */
  readonly refusals: readonly ValidatorRefusal[]
  /** The scopes that were needed, for 403 insufficient_scope. */
  readonly scopes?: readonly string[]
}

export type Outcome = Accepted | Refused | 'anonymous'

export interface AuthenticatorOptions<Request> {
  readonly registry: ValidatorRegistry
  readonly verified: VerifiedTokens<CompiledValidator>
  readonly keyRing: KeyRing
  readonly userIdStrategies: ReadonlyMap<string, IdentityStrategy<Request>>
  readonly partnerIdStrategies: ReadonlyMap<string, IdentityStrategy<Request>>
  readonly trustedOrigins: ReadonlySet<string>
  readonly now: () => number
}

/** What one validator made of the credentials. */
interface Proof { readonly claims: JsonObject, readonly scopes: ReadonlySet<string>, readonly via: 'header' | 'cookie' }

/** Decides whether a request may pass, by the named validator and those it links to. */
export class Authenticator<Request = unknown> {
  readonly #options: AuthenticatorOptions<Request>

  constructor (options: AuthenticatorOptions<Request>) {
    this.#options = options
  }

  /**
   * The whole decision without a promise, when the credential is a Bearer token that its validator verifies at once
   * and nothing beside the claims has to be looked at; null: ask `decide`.
   */
  decideAtOnce (route: RouteValue, authorization: unknown, scopes: readonly string[]): Accepted | null {
    if (typeof authorization !== 'string') return null
    const { registry, verified, now } = this.#options
    const validator = registry.peek(keyOf(route))
    if (validator === null || !validator.plain) return null
    const kept = verified.get(validator, authorization)
    const token = kept !== null && validator.verifier.holds(kept, now()) ? kept : this.#verifyAtOnce(validator, authorization)
    if (token === null || !hasScopes(token.scopes, validator, scopes)) return null
    const userId = builtInUserId(validator, token.claims)
    if (userId === null && validator.fields.userIdStrategy === 'claim') return null
    return { validator, claims: token.claims, userId, partnerId: null, setCookie: null }
  }

  /**
   * @throws DWA_JWT_VALIDATOR_NOT_FOUND, DWA_JWT_AMBIGUOUS_VALIDATOR, DWA_JWT_CONFIGURATION, DWA_STORE_UNAVAILABLE, and what an app's own strategy throws
   */
  async decide (route: RouteValue, credentials: Credentials<Request>): Promise<Outcome> {
    const { registry } = this.#options
    const first = await registry.resolve(keyOf(route))
    if (route.public && credentials.authorization === undefined && !hasCookie(first, credentials.cookie)) return 'anonymous'

    const bearer = readBearer(credentials.authorization)
    const refusals: ValidatorRefusal[] = []
    const asked = new Set<string>()
    for (let validator = first; ;) {
      asked.add(validator.name)
      const proof = await this.#prove(validator, bearer, credentials)
      if ('code' in proof) refusals.push(proof)
      else return await this.#accept(validator, proof, credentials)
      if (validator.next === null) return { refusals }
      validator = await registry.resolve(validator.next)
      if (asked.has(validator.name)) return { refusals } // a circle that two processes closed at the same moment
    }
  }

  /** The Set-Cookie header that removes a validator's cookie. */
  clearingCookie (validator: CompiledValidator): string {
    return setCookieHeader(validator, '', 0)
  }

  #verifyAtOnce (validator: CompiledValidator, authorization: string): VerifiedToken | null {
    const bearer = readBearer(authorization)
    if (typeof bearer === 'string') return null
    const result = validator.verifier.verify(bearer.token)
    if (result instanceof Promise || 'refused' in result) return null
    this.#options.verified.set(validator, authorization, result)
    return result
  }

  async #prove (validator: CompiledValidator, bearer: BearerCredential, credentials: Credentials<Request>): Promise<Proof | ValidatorRefusal> {
    const { authorization } = credentials
    if (bearer === 'malformed') return refusal(validator, 'DWA_JWT_MALFORMED_AUTHORIZATION', 'malformed')
    if (bearer === 'missing') return await this.#proveByCookie(validator, credentials)
    const kept = typeof authorization === 'string' ? this.#options.verified.get(validator, authorization) : null
    const result = kept !== null && validator.verifier.holds(kept, this.#options.now()) ? kept : await validator.verifier.verify(bearer.token)
    if ('refused' in result) return refusal(validator, 'DWA_JWT_INVALID_TOKEN', result.refused)
    if (typeof authorization === 'string') this.#options.verified.set(validator, authorization, result)
    return { claims: result.claims, scopes: result.scopes, via: 'header' }
  }

  async #proveByCookie (validator: CompiledValidator, { cookie }: Credentials<Request>): Promise<Proof | ValidatorRefusal> {
    const { fields, name } = validator
    if (!fields.cookieEnabled) return refusal(validator, 'DWA_JWT_MISSING_AUTHORIZATION', 'missing')
    const [value = '', another] = cookieValues(cookie, fields.cookieName)
    if (another !== undefined) return refusal(validator, 'DWA_JWT_INVALID_TOKEN', 'duplicate_cookie')
    if (value === '') return refusal(validator, 'DWA_JWT_MISSING_COOKIE', 'missing')
    const keyId = cookieKeyId(value)
    if (keyId === undefined) return refusal(validator, 'DWA_JWT_INVALID_TOKEN', 'malformed')
    const key = await this.#cookieKey(validator, keyId)
    if (key === null) return refusal(validator, 'DWA_JWT_INVALID_TOKEN', 'unknown_key')
    const result = verifyCookieToken(value, name, key, fields, this.#options.now())
    if ('refused' in result) return refusal(validator, 'DWA_JWT_INVALID_TOKEN', result.refused)
    return { claims: result.claims, scopes: scopesOf(result.claims), via: 'cookie' }
  }

  /** The key a cookie was signed with: the validator's own, or the one derived from the data key it names. */
  async #cookieKey (validator: CompiledValidator, keyId: string | null): Promise<Buffer | null> {
    if (validator.cookieSecret !== null) return keyId === null ? validator.cookieSecret : null
    return keyId === null ? null : await this.#options.keyRing.find(validator.cookieKeyLabel, keyId)
  }

  /** The accepting validator's settings apply, in this order: scopes, cross-site guard, user, partner, cookie. */
  async #accept (validator: CompiledValidator, { claims, scopes, via }: Proof, credentials: Credentials<Request>): Promise<Outcome> {
    const { fields, name } = validator
    const needed = neededScopes(validator, credentials.scopes)
    if (!hasScopes(scopes, validator, credentials.scopes)) return { refusals: [refusal(validator, 'DWA_JWT_INSUFFICIENT_SCOPE', 'scope')], scopes: needed }
    if (via === 'cookie' && fields.cookieCsrf && isCrossSite(credentials, this.#options.trustedOrigins)) {
      return { refusals: [refusal(validator, 'DWA_JWT_CROSS_SITE', 'cross_site')] }
    }
    const context = { request: credentials.request, validator: name }
    const userId = await this.#userId(validator, claims, context)
    if (userId === null && fields.userIdStrategy !== 'static') return { refusals: [refusal(validator, 'DWA_JWT_USER_NOT_FOUND', 'no_user')] }
    const partnerId = await this.#partnerId(validator, claims, context)
    if (partnerId === null && fields.partnerIdRequired) return { refusals: [refusal(validator, 'DWA_JWT_PARTNER_NOT_FOUND', 'no_partner')] }
    return { validator, claims, userId, partnerId, setCookie: this.#renewedCookie(validator, claims, via) }
  }

  async #userId (validator: CompiledValidator, claims: JsonObject, context: { request: Request, validator: string }): Promise<string | null> {
    const { userIdStrategy } = validator.fields
    if (userIdStrategy === 'static' || userIdStrategy === 'claim') return builtInUserId(validator, claims)
    const strategy = this.#options.userIdStrategies.get(userIdStrategy)
    if (strategy === undefined) throw misconfigured(`userIdStrategy "${userIdStrategy}" is not registered in this process`)
    return await strategy(claims, context) ?? null
  }

  async #partnerId (validator: CompiledValidator, claims: JsonObject, context: { request: Request, validator: string }): Promise<string | null> {
    const { partnerIdStrategy } = validator.fields
    if (partnerIdStrategy === undefined) return null
    const strategy = this.#options.partnerIdStrategies.get(partnerIdStrategy)
    if (strategy === undefined) throw misconfigured(`partnerIdStrategy "${partnerIdStrategy}" is not registered in this process`)
    return await strategy(claims, context) ?? null
  }

  #renewedCookie (validator: CompiledValidator, claims: JsonObject, via: Proof['via']): string | null {
    const { fields, name, cookieSecret, cookieKeyLabel } = validator
    if (!fields.cookieEnabled || (via === 'cookie' && !fields.cookieRenew)) return null
    const key: CookieKey = cookieSecret === null ? this.#options.keyRing.current(cookieKeyLabel) : { keyId: null, key: cookieSecret }
    const expires = Math.floor(this.#options.now() / 1000) + fields.cookieMaxAge
    return setCookieHeader(validator, signCookieToken(claims, name, expires, key), fields.cookieMaxAge)
  }
}

const sameSite = { Lax: 'lax', Strict: 'strict', None: 'none' } as const

function keyOf ({ validator }: RouteValue): ValidatorKey {
  return validator === null ? 'sole' : { name: validator }
}

function hasCookie ({ fields }: CompiledValidator, cookie: string | undefined): boolean {
  return fields.cookieEnabled && cookieValues(cookie, fields.cookieName).some((value) => value !== '')
}

function neededScopes ({ fields }: CompiledValidator, added: readonly string[]): string[] {
  return [...new Set([...fields.requiredScopes ?? [], ...added])]
}

function hasScopes (held: ReadonlySet<string>, { fields }: CompiledValidator, added: readonly string[]): boolean {
  return (fields.requiredScopes === undefined || fields.requiredScopes.every((scope) => held.has(scope))) && added.every((scope) => held.has(scope))
}

function refusal ({ id, name }: CompiledValidator, code: RefusalCode, reason: ValidatorRefusal['reason']): ValidatorRefusal {
  return { validator: name, validatorId: id, code, reason }
}

function misconfigured (problem: string): Error {
  return new errors.DWA_JWT_CONFIGURATION({ cause: new Error(problem) })
}

function setCookieHeader ({ fields }: CompiledValidator, value: string, maxAge: number): string {
  const { cookieName, cookiePath, cookieSecure, cookieSameSite } = fields
  return serialize(cookieName, value, { path: cookiePath, maxAge, secure: cookieSecure, sameSite: sameSite[cookieSameSite], httpOnly: true })
}
