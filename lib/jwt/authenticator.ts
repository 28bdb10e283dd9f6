import { errors } from '../errors.js'
import { readBearer } from './bearer.js'
import { TokenClaims, type RefusalReason } from './claims.js'
import type { JsonObject } from './compact-token.js'
import type { CompiledValidator } from './compiled-validator.js'
import { isCrossSite, type RequestOrigin } from '../http/cookie-header.js'
import type { CookieMode } from './cookie-mode.js'
import { builtInUserId, readIdentity, type IdentityStrategy } from './identity.js'
import type { RouteValue } from './route-value.js'
import type { Finder, ValidatorRegistry } from './validator-registry.js'
import type { VerifiedToken } from './token-verifier.js'
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

/** One validator's no. */
export interface ValidatorRefusal {
  readonly validator: CompiledValidator
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
  /** What validators said that were asked before, in chain order. */
  readonly before: readonly ValidatorRefusal[]
}

export interface Refused {
  /** What is answered, in chain order, never empty. */
  readonly refusals: readonly ValidatorRefusal[]
  /** What validators said that were asked before one accepted the token, but not the request. */
  readonly before: readonly ValidatorRefusal[]
  /** The scopes that were needed, for 403 insufficient_scope. */
  readonly scopes?: readonly string[]
}

export type Outcome = Accepted | Refused | 'anonymous'

export interface AuthenticatorOptions<Request> {
  readonly registry: ValidatorRegistry
  readonly verified: VerifiedTokens<KnownToken>
  readonly cookies: CookieMode
  readonly userIdStrategies: ReadonlyMap<string, IdentityStrategy<Request>>
  readonly partnerIdStrategies: ReadonlyMap<string, IdentityStrategy<Request>>
  /** Whose pages may send unsafe requests that authenticate by cookie. */
  readonly trustedOrigins: ReadonlySet<string>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** A verified token as it is kept: how it was accepted, where its claims alone decide that, beside how long it holds, so that a use looks at one object, and at its beginning first. */
export class KnownToken {
  readonly validator: CompiledValidator
  /** The whole Authorization header. */
  readonly text: string
  readonly expiresAt: VerifiedToken['expiresAt']
  readonly snapshot: VerifiedToken['snapshot']
  /** Undefined until the claims alone have decided; then this is how the token was accepted. */
  userId: string | null | undefined = undefined
  readonly claims: JsonObject
  readonly before = none
  readonly partnerId = null
  readonly setCookie = null
  readonly token: VerifiedToken

  constructor (validator: CompiledValidator, text: string, token: VerifiedToken) {
    this.validator = validator
    this.text = text
    this.token = token
    this.claims = token.claims
    this.expiresAt = token.expiresAt
    this.snapshot = token.snapshot
  }

  isAccepted (): this is Accepted {
    return this.userId !== undefined
  }
}

/** Nobody was asked before. One array for all, that every use finds at hand. */
const none: readonly ValidatorRefusal[] = []

/** A walk along a chain. */
interface Walk<Request> {
  readonly credentials: Credentials<Request>
  readonly refusals: readonly ValidatorRefusal[]
}

/** A credential that passed, before the accepting validator's settings are looked at. */
interface Proof {
  readonly token: TokenClaims
  readonly via: 'header' | 'cookie'
  readonly known: KnownToken | null
}

/** Where requests for one route begin: with which validator, and whether anonymous callers pass. */
export interface RouteStart { readonly first: Finder, readonly public: boolean }

/** Decides whether a request may pass, by the named validator and those it links to. */
export class Authenticator<Request = unknown> {
  readonly #options: AuthenticatorOptions<Request>

  constructor (options: AuthenticatorOptions<Request>) {
    this.#options = options
  }

  /** Where requests for a route begin. */
  start ({ validator, public: isPublic }: RouteValue): RouteStart {
    return { first: this.#options.registry.finder(validator), public: isPublic }
  }

  /**
   * A promise only where something has to be fetched or an app's own strategy gives one.
   * Throws, or rejects with, DWA_JWT_VALIDATOR_NOT_FOUND, DWA_JWT_AMBIGUOUS_VALIDATOR, DWA_JWT_CONFIGURATION, DWA_STORE_UNAVAILABLE, and what an app's own strategy throws.
   */
  decide (route: RouteStart, credentials: Credentials<Request>): Outcome | Promise<Outcome> {
    const now = this.#options.now()
    const first = route.first(now)
    if (!(first instanceof Promise)) return this.#begin(route, first, credentials, now)
    return first.then((validator) => this.#begin(route, validator, credentials, this.#options.now())) // time has passed
  }

  #begin (route: RouteStart, first: CompiledValidator, credentials: Credentials<Request>, now: number): Outcome | Promise<Outcome> {
    if (route.public && credentials.authorization === undefined && !this.#options.cookies.isPresent(first, credentials.cookie)) return 'anonymous'
    const known = this.#known(first, credentials, now)
    if (known?.isAccepted() === true && (credentials.scopes.length === 0 || hasScopes(known.token, credentials.scopes))) return known
    return this.#ask(first, { credentials, refusals: none }, known)
  }

  /** What was verified before, found by the whole header before that is even looked into; null when it is new, or its time is over. */
  #known (validator: CompiledValidator, { authorization }: Credentials<Request>, now: number): KnownToken | null {
    const known = typeof authorization === 'string' ? this.#options.verified.get(validator, authorization) : null
    return known !== null && validator.verifier.holds(known, now) ? known : null
  }

  #ask (validator: CompiledValidator, walk: Walk<Request>, known: KnownToken | null): Outcome | Promise<Outcome> {
    if (known !== null) return this.#accept(validator, { token: known.token, via: 'header', known }, walk)
    return then(this.#prove(validator, walk.credentials), (proof) => 'reason' in proof ? this.#goOn(proof, walk) : this.#accept(validator, proof, walk))
  }

  #goOn (refused: ValidatorRefusal, { credentials, refusals }: Walk<Request>): Outcome | Promise<Outcome> {
    const walk = { credentials, refusals: [...refusals, refused] }
    const { next } = refused.validator
    if (next === null) return { refusals: walk.refusals, before: [] }
    return then(this.#options.registry.find(next), (validator) => {
      // Two processes may have closed a circle at the same moment: it ends where it began.
      if (walk.refusals.some((one) => one.validator.name === validator.name)) return { refusals: walk.refusals, before: [] }
      return this.#ask(validator, walk, this.#known(validator, credentials, this.#options.now()))
    })
  }

  #prove (validator: CompiledValidator, credentials: Credentials<Request>): Proof | ValidatorRefusal | Promise<Proof | ValidatorRefusal> {
    const { authorization } = credentials
    const bearer = readBearer(authorization)
    if (bearer === 'malformed') return { validator, code: 'DWA_JWT_MALFORMED_AUTHORIZATION', reason: 'malformed' }
    if (bearer === 'missing') return this.#proveByCookie(validator, credentials)
    return then(validator.verifier.verify(bearer.token), (result): Proof | ValidatorRefusal => {
      if ('refused' in result) return { validator, code: 'DWA_JWT_INVALID_TOKEN', reason: result.refused }
      this.#options.verified.set(new KnownToken(validator, String(authorization), result))
      return { token: result, via: 'header', known: null }
    })
  }

  #proveByCookie (validator: CompiledValidator, { cookie }: Credentials<Request>): Proof | ValidatorRefusal | Promise<Proof | ValidatorRefusal> {
    if (!validator.fields.cookieEnabled) return { validator, code: 'DWA_JWT_MISSING_AUTHORIZATION', reason: 'missing' }
    return then(this.#options.cookies.prove(validator, cookie), (result): Proof | ValidatorRefusal => 'refused' in result
      ? { validator, code: result.refused === 'missing' ? 'DWA_JWT_MISSING_COOKIE' : 'DWA_JWT_INVALID_TOKEN', reason: result.refused }
      : { token: new TokenClaims(result.claims), via: 'cookie', known: null })
  }

  /** The accepting validator's settings apply, in this order: scopes, cross-site guard, user, partner, cookie. */
  #accept (validator: CompiledValidator, { token, via, known }: Proof, { credentials, refusals: before }: Walk<Request>): Outcome | Promise<Outcome> {
    const { fields, name } = validator
    const { claims } = token
    const refuse = (code: RefusalCode, reason: ValidatorRefusal['reason']): Refused => ({ refusals: [{ validator, code, reason }], before })
    if (!hasScopes(token, fields.requiredScopes) || !hasScopes(token, credentials.scopes)) {
      const needed = [...new Set([...fields.requiredScopes ?? [], ...credentials.scopes])]
      return { ...refuse('DWA_JWT_INSUFFICIENT_SCOPE', 'scope'), scopes: needed }
    }
    if (via === 'cookie' && fields.cookieCsrf && isCrossSite(credentials, this.#options.trustedOrigins)) return refuse('DWA_JWT_CROSS_SITE', 'cross_site')
    const { userIdStrategy, partnerIdStrategy, partnerIdRequired } = fields
    const ask = (option: 'userIdStrategies' | 'partnerIdStrategies', strategy: string): string | null | Promise<string | null> => {
      const registered = this.#options[option].get(strategy)
      if (registered === undefined) throw new errors.DWA_JWT_CONFIGURATION({ cause: new Error(`jwt.${option} has no "${strategy}" in this process`) })
      const answer: unknown = registered(claims, { request: credentials.request, validator: name })
      return isThenable(answer) ? Promise.resolve(answer).then(readIdentity) : readIdentity(answer)
    }
    const builtIn = userIdStrategy === 'static' || userIdStrategy === 'claim'
    const user = builtIn ? builtInUserId(validator, claims) : ask('userIdStrategies', userIdStrategy)
    return then(user, (userId) => {
      if (userId === null && userIdStrategy !== 'static') return refuse('DWA_JWT_USER_NOT_FOUND', 'no_user')
      return then(partnerIdStrategy === undefined ? null : ask('partnerIdStrategies', partnerIdStrategy), (partnerId) => {
        if (partnerId === null && partnerIdRequired) return refuse('DWA_JWT_PARTNER_NOT_FOUND', 'no_partner')
        const renews = fields.cookieEnabled && (via === 'header' || fields.cookieRenew)
        if (known !== null && before.length === 0 && builtIn && partnerIdStrategy === undefined && !renews) known.userId = userId
        return { validator, claims, userId, partnerId, setCookie: renews ? this.#options.cookies.renew(validator, claims) : null, before }
      })
    })
  }
}

/** `use` with the value, at once when it is there. */
function then<Value, Result> (value: Value | Promise<Value>, use: (value: Value) => Result | Promise<Result>): Result | Promise<Result> {
  return value instanceof Promise ? value.then(use) : use(value)
}

/** A promise of whatever make: a mongoose query is one too. */
function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function hasScopes (token: TokenClaims, needed: readonly string[] | undefined): boolean {
  return needed === undefined || needed.every((scope) => token.scopes.has(scope))
}
