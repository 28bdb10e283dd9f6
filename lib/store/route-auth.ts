import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify'
import { errors, isAuthError } from '../errors.js'

/** Checks one request and calls `done`, with an error to refuse it. Never a promise: unprotected routes must not pay for protected ones. */
export type RouteHook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void

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

  constructor (key: 'auth' | 'webhook') {
    this.#key = key
  }

  /** @throws DWA_PLUGIN_ALREADY_REGISTERED */
  register (claimant: RouteClaimant<Served>): void {
    if (this.#claimants.some(({ name }) => name === claimant.name)) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(claimant.name)
    this.#claimants.push(claimant)
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

/** The package's one place where a route's `config.auth` and `config.webhook` are enforced (security.md 57). */
export class RouteAuth {
  /** Whether sessions were there before the guard: only then it can see them. */
  readonly afterSessions: boolean
  /** Plugins that serve values of `config.webhook`; they verify the request themselves. */
  readonly webhook = new RouteClaims<true>('webhook')
  readonly #auth = new RouteClaims<RouteHook>('auth')
  readonly #seen = new Map<string, { readonly route: string, readonly key: 'auth' | 'webhook', readonly value: unknown }>()
  #every: string | undefined

  constructor ({ afterSessions }: { readonly afterSessions: boolean }) {
    this.afterSessions = afterSessions
  }

  /** Adds a plugin that serves values of `config.auth`. @throws DWA_PLUGIN_ALREADY_REGISTERED */
  register (claimant: RouteClaimant<RouteHook>): void {
    this.#auth.register(claimant)
  }

  /** Routes without `config.auth` get this value. `config.auth: false` opts a route out. @throws DWA_PLUGIN_ALREADY_REGISTERED when it was set before */
  every (value: string): void {
    if (this.#every !== undefined && this.#every !== value) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(`Protection of every route by "${this.#every}"`)
    this.#every = value
  }

  /** Notes a route for `check`. */
  see (options: Pick<RouteOptions, 'method' | 'url' | 'config'>): void {
    const route = `${[options.method].flat().join(',')} ${options.url}`
    for (const key of ['auth', 'webhook'] as const) {
      const value: unknown = options.config?.[key]
      if (value !== undefined && value !== false) this.#seen.set(`${key} ${route}`, { route, key, value })
    }
  }

  /** Finds who serves each route seen. @throws DWA_ROUTE_UNCLAIMED, DWA_ROUTE_MALFORMED */
  check (): void {
    for (const { route, key, value } of this.#seen.values()) this.#claims(key).find(value, route)
    if (this.#every !== undefined) this.#auth.find(this.#every, 'every route')
    this.#seen.clear()
  }

  /** The onRequest hook of the whole package. */
  readonly guard: RouteHook = (request, reply, done) => {
    const { auth, webhook } = request.routeOptions.config
    if (webhook !== undefined && this.webhook.known(webhook) === undefined && !this.#resolves('webhook', webhook, request, done)) return
    if (auth === undefined) {
      if (this.#every === undefined || request.is404) return done()
      return this.#enforce(this.#every, request, reply, done)
    }
    if (auth === false) return done()
    return this.#enforce(auth, request, reply, done)
  }

  #enforce (value: unknown, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const hook = this.#auth.known(value)
    if (hook !== undefined) return hook(request, reply, done)
    if (this.#resolves('auth', value, request, done)) this.#enforce(value, request, reply, done)
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

  #claims (key: 'auth' | 'webhook'): RouteClaims<RouteHook> | RouteClaims<true> {
    return key === 'auth' ? this.#auth : this.webhook
  }
}
