import type { FastifyContextConfig, FastifyReply, FastifyRequest, HookHandlerDoneFunction, RequestPayload, RouteOptions } from 'fastify'
import { errors, isAuthError } from '../errors.js'

/**
 * Checks one request and calls `done`, with an error to refuse it. Never a promise: unprotected routes must not pay for protected ones.
 * `config` is the route's: Fastify makes `request.routeOptions` anew each time it is read.
 */
export type RouteHook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction, config: FastifyContextConfig) => void

/** Checks one request by its body, of `limit` bytes at most, before that is parsed, and calls `done` with an error or with the same bytes again. */
export type BodyHook = (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: BodyDone, limit: number) => void

type BodyDone = (error?: Error | null, payload?: RequestPayload) => void

/** A plugin that serves some values of `config.auth` or `config.webhook`. */
export interface RouteClaimant<Served> {
  readonly name: string
  /**
   * What serves the value, or null when it is somebody else's. `route` is `GET /path`, for errors.
   * @throws DWA_ROUTE_MALFORMED
   */
  claim (value: string, route: string): Served | null
}

/** Which plugin serves which value. */
export class RouteClaims<Served> {
  readonly #key: 'auth' | 'webhook'
  readonly #claimants: Array<RouteClaimant<Served>> = []
  readonly #served = new Map<string, Served>()
  readonly #onFirst: () => void

  /** @param onFirst called when the first plugin registers */
  constructor (key: 'auth' | 'webhook', onFirst: () => void = () => {}) {
    this.#key = key
    this.#onFirst = onFirst
  }

  /** @throws DWA_PLUGIN_ALREADY_REGISTERED */
  register (claimant: RouteClaimant<Served>): void {
    if (this.#claimants.some(({ name }) => name === claimant.name)) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(claimant.name)
    if (this.#claimants.push(claimant) === 1) this.#onFirst()
  }

  /**
   * What serves a route's value.
   * @throws DWA_ROUTE_UNCLAIMED, DWA_ROUTE_MALFORMED, DWA_PLUGIN_ALREADY_REGISTERED when two plugins claim it
   */
  find (value: unknown, route: string): Served {
    if (typeof value !== 'string') throw new errors.DWA_ROUTE_MALFORMED(route, `config.${this.#key} must be a string${this.#key === 'auth' ? ' or false' : ''}`)
    const known = this.#served.get(value)
    if (known !== undefined) return known
    const claims = this.#claimants.map((claimant) => ({ name: claimant.name, served: claimant.claim(value, route) })).filter(({ served }) => served !== null)
    const [first, second] = claims
    if (second !== undefined) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(`config.${this.#key} "${value}": ${second.name}`)
    if (first === undefined || first.served === null) throw new errors.DWA_ROUTE_UNCLAIMED(route, this.#key, `"${value}"`)
    this.#served.set(value, first.served)
    return first.served
  }

  /** The server of a value that was found before. */
  known (value: unknown): Served | undefined {
    return typeof value === 'string' ? this.#served.get(value) : undefined
  }
}

/** What `check` looks at. */
interface SeenRoute {
  readonly route: string
  readonly auth: unknown
  readonly webhook: unknown
  readonly scopes: unknown
  /** Whether it has an onRequest hook of its own. */
  readonly hooked: boolean
}

/** RFC 6749 §3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** The package's one place where a route's `config.auth` and `config.webhook` are enforced (security.md 57). */
export class RouteAuth {
  /** Whether sessions were there before the guard: only then it can see them. */
  readonly afterSessions: boolean
  /** Plugins that serve values of `config.webhook`. */
  readonly webhook: RouteClaims<BodyHook>
  readonly #auth = new RouteClaims<RouteHook>('auth')
  #seen: SeenRoute[] = []
  #every: string | undefined

  /** @param options.verifyBodies adds the preParsing hook to the whole app: called when a plugin is there that needs it, so that nobody else pays for it */
  constructor ({ afterSessions, verifyBodies }: { readonly afterSessions: boolean, readonly verifyBodies: (hook: RouteAuth['verify']) => void }) {
    this.afterSessions = afterSessions
    this.webhook = new RouteClaims<BodyHook>('webhook', () => { verifyBodies(this.verify) })
  }

  /** Adds a plugin that serves values of `config.auth`. @throws DWA_PLUGIN_ALREADY_REGISTERED */
  register (claimant: RouteClaimant<RouteHook>): void {
    this.#auth.register(claimant)
  }

  /** Routes without `config.auth` get this value. `config.auth: false` opts a route out, and `config.webhook` does: it asks for a signature instead. @throws DWA_PLUGIN_ALREADY_REGISTERED when it was set before */
  every (value: string): void {
    if (this.#every !== undefined && this.#every !== value) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(`Protection of every route by "${this.#every}"`)
    this.#every = value
  }

  /** Notes a route for `check`. */
  see ({ method, url, config = {}, onRequest = [] }: Pick<RouteOptions, 'method' | 'url' | 'config' | 'onRequest'>): void {
    const { auth, webhook, scopes } = config
    if ([auth, webhook, scopes].every((value) => value === undefined)) return
    this.#seen.push({ route: `${[method].flat().join(',')} ${url}`, auth, webhook, scopes, hooked: [onRequest].flat().length > 0 })
  }

  /** Finds who serves each route seen. @throws DWA_ROUTE_UNCLAIMED, DWA_ROUTE_MALFORMED, also for `config.scopes` that nothing checks */
  check (): void {
    for (const seen of this.#seen) {
      for (const key of ['auth', 'webhook'] as const) {
        if (seen[key] !== undefined && (key === 'webhook' || seen.auth !== false)) this.#claims(key).find(seen[key], seen.route)
      }
      this.#checkScopes(seen)
    }
    if (this.#every !== undefined) this.#auth.find(this.#every, 'every route')
    this.#seen = []
  }

  /** Scopes that nothing checks would leave a route open that looks closed. */
  #checkScopes ({ route, auth, webhook, scopes, hooked }: SeenRoute): void {
    if (scopes === undefined) return
    if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string' && scopeToken.test(scope))) throw new errors.DWA_ROUTE_MALFORMED(route, 'config.scopes must be an array of scopes')
    const guarded = auth === undefined ? this.#every !== undefined && webhook === undefined : auth !== false
    if (!guarded && !hooked) throw new errors.DWA_ROUTE_MALFORMED(route, 'config.scopes is checked by nothing: it needs config.auth, or an onRequest hook of the route\'s own')
  }

  /** The onRequest hook of the whole package. */
  readonly guard = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    const { config } = request.routeOptions
    const { auth, webhook } = config
    if (webhook !== undefined && this.webhook.known(webhook) === undefined && !this.#resolves('webhook', webhook, request, done)) return
    if (auth === undefined) {
      if (this.#every === undefined || webhook !== undefined || request.is404) return done()
      return this.#enforce(this.#every, request, reply, done, config)
    }
    if (auth === false) return done()
    return this.#enforce(auth, request, reply, done, config)
  }

  /** The preParsing hook of the whole package. */
  readonly verify = (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: BodyDone): void => {
    const { url = '', bodyLimit, config: { webhook } } = request.routeOptions
    if (webhook === undefined) return done()
    this.webhook.find(webhook, url)(request, reply, payload, done, bodyLimit)
  }

  #enforce (value: unknown, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction, config: FastifyContextConfig): void {
    const hook = this.#auth.known(value)
    if (hook !== undefined) return hook(request, reply, done, config)
    if (this.#resolves('auth', value, request, done)) this.#enforce(value, request, reply, done, config)
  }

  /** For routes that were declared before the store, which nobody has checked. Unclaimed is an error, never a pass. */
  #resolves (key: 'auth' | 'webhook', value: unknown, request: FastifyRequest, done: HookHandlerDoneFunction): boolean {
    try {
      this.#claims(key).find(value, `${request.method} ${request.routeOptions.url ?? ''}`)
      return true
    } catch (error) {
      request.log.error({ err: error }, 'a route cannot be served as its config asks')
      done(isAuthError(error) ? error : new errors.DWA_ROUTE_MALFORMED(request.method, String(error)))
      return false
    }
  }

  #claims (key: 'auth' | 'webhook'): RouteClaims<RouteHook> | RouteClaims<BodyHook> {
    return key === 'auth' ? this.#auth : this.webhook
  }
}
