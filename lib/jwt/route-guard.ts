import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { RouteHook } from '../store/route-auth.js'
import type { Accepted, Authenticator, Credentials, Outcome, Refused, ValidatorRefusal } from './authenticator.js'
import { answerOf } from './challenge.js'
import type { RouteValue } from './route-value.js'

type Done = Parameters<RouteHook>[2]

export interface RouteGuardOptions {
  readonly authenticator: Authenticator<FastifyRequest>
  readonly isSessionAuthenticated: (request: FastifyRequest) => boolean
  readonly auditLog: AuditLog
}

/** Of a route without `config.scopes`. */
const noScopes: readonly string[] = []

/** Applies the authenticator's decisions to requests and replies. */
export class RouteGuard {
  readonly #options: RouteGuardOptions

  constructor (options: RouteGuardOptions) {
    this.#options = options
  }

  /** The onRequest hook for one `config.auth` value. @param scopes what is needed beside the route's `config.scopes` */
  hook (route: RouteValue, scopes: readonly string[]): RouteHook {
    const { authenticator, isSessionAuthenticated } = this.#options
    const start = authenticator.start(route)
    return (request, reply, done, { scopes: ofRoute = noScopes }) => {
      let outcome: Outcome | Promise<Outcome>
      try {
        if (isSessionAuthenticated(request)) return this.#refuseSession(request, reply, done)
        const credentials = new RequestCredentials(request, scopes.length === 0 ? ofRoute : [...scopes, ...ofRoute])
        outcome = authenticator.decide(start, credentials)
      } catch (error) {
        return fail(request, error, done)
      }
      // Outside the try: what goes wrong behind `done` is not this guard's to report, and `done` is called once.
      if (!(outcome instanceof Promise)) return this.#conclude(request, reply, outcome, done)
      outcome.then((decided) => { this.#conclude(request, reply, decided, done) }, (error: unknown) => { fail(request, error, done) })
    }
  }

  #conclude (request: FastifyRequest, reply: FastifyReply, outcome: Outcome, done: Done): void {
    if (outcome === 'anonymous') return done()
    for (const refusal of outcome.before) if (lacksKey(refusal)) this.#report(request, refusal)
    if ('refusals' in outcome) return this.#refuse(request, reply, outcome, done)
    try {
      grant(request, reply, outcome)
    } catch (error) {
      return fail(request, error, done) // a `userId` of the app's own may not take it
    }
    done()
  }

  #refuse (request: FastifyRequest, reply: FastifyReply, refused: Refused, done: Done): void {
    for (const refusal of refused.refusals) if (refusal.reason !== 'missing') this.#report(request, refusal)
    const { error, challenge } = answerOf(refused)
    if (challenge !== null) reply.header('www-authenticate', challenge)
    if (request.jwtValidator !== null) reply.removeHeader('set-cookie') // an earlier guard of the same route had let it pass
    if ('errors' in error && isDefaultErrorHandler(request)) {
      reply.code(401).send({ statusCode: 401, code: error.code, error: 'Unauthorized', message: error.message, errors: error.errors })
    } else {
      done(error)
    }
  }

  #report (request: FastifyRequest, refusal: ValidatorRefusal): void {
    const { validator: { id, name }, reason } = refusal
    request.log[lacksKey(refusal) ? 'error' : 'info']({ validator: name, reason }, 'JWT refused')
    this.#options.auditLog.sample(`${name} ${reason}`, 'jwt.refused', { level: 'warning', target: { type: 'validator', id, name }, details: { reason } })
  }

  #refuseSession (request: FastifyRequest, reply: FastifyReply, done: Done): void {
    request.log.warn('a request with a signed-in session was refused on a JWT route')
    this.#options.auditLog.sample('session', 'jwt.session_mismatch', { level: 'warning' })
    reply.header('www-authenticate', 'Bearer')
    done(new errors.DWA_JWT_SESSION_MISMATCH())
  }
}

/** The validator could not look at the token as it should: somebody must be told, even when another one of the chain accepts it. */
function lacksKey ({ reason }: ValidatorRefusal): boolean {
  return reason === 'unknown_key' || reason === 'key_set_unreachable'
}

/** A request as the authenticator reads it: nothing but the header that every decision needs is looked up before it is needed. */
class RequestCredentials implements Credentials<FastifyRequest> {
  readonly authorization: string | undefined

  constructor (readonly request: FastifyRequest, readonly scopes: readonly string[]) {
    this.authorization = request.headers.authorization
  }

  get cookie (): string | undefined { return this.request.headers.cookie }
  get method (): string { return this.request.method }
  get origin (): string | undefined { return this.request.headers.origin }
  get secFetchSite (): string | undefined { return [this.request.headers['sec-fetch-site'] ?? []].flat().at(0) }
}

function fail (request: FastifyRequest, error: unknown, done: Done): void {
  const failure = error instanceof Error ? error : new Error('a strategy or guard threw something that is no Error', { cause: error })
  if (!('statusCode' in failure) || failure.statusCode === 500) request.log.error({ err: failure }, 'a JWT validator cannot be used')
  done(failure)
}

function grant (request: FastifyRequest, reply: FastifyReply, { validator, claims, userId, partnerId, setCookie }: Accepted): void {
  request.userId = userId
  request.jwtPayload = claims
  request.jwtPartnerId = partnerId
  request.jwtValidator = validator.name
  if (setCookie !== null) reply.header('set-cookie', setCookie)
}

/** Fastify's own handler leaves `errors` out of the answer; an app's own one gets the error and decides for itself. */
function isDefaultErrorHandler (request: FastifyRequest): boolean {
  return request.server.errorHandler.name === 'defaultErrorHandler'
}
