import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { errors, isAuthError } from '../errors.js'
import { readBearer } from '../jwt/bearer.js'
import type { RouteHook } from '../store/route-auth.js'
import type { AccessToken, AccessTokens } from './access-tokens.js'
import type { OwnerUser } from './owner.js'
import type { Users } from './users.js'

/** The value of `config.auth` that it serves. */
export const routeValue = 'oauth_provider'

export interface AccessGuardOptions {
  readonly accessTokens: AccessTokens
  readonly users: Users
}

/** A request on its way through the guard. */
interface Attempt {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: HookHandlerDoneFunction
  /** What the route asks for. */
  readonly scopes: readonly string[]
}

/** Enforces `config: { auth: 'oauth_provider', scopes }` (RFC 6750). With everything in memory it is synchronous. */
export class AccessGuard {
  readonly #options: AccessGuardOptions

  constructor (options: AccessGuardOptions) {
    this.#options = options
  }

  readonly hook: RouteHook = (request, reply, done, { scopes = [] }) => {
    const attempt = { request, reply, done, scopes }
    const credential = readBearer(request.headers.authorization)
    if (typeof credential === 'string') return refuse(attempt, credential)
    const token = this.#options.accessTokens.find(credential.token)
    if (token instanceof Promise) token.then((found) => { this.#check(found, attempt) }, (error: unknown) => { done(asError(error)) })
    else this.#check(token, attempt)
  }

  #check (token: AccessToken | null, attempt: Attempt): void {
    if (token === null) return refuse(attempt, 'malformed')
    const { reply, done, scopes } = attempt
    if (!scopes.every((scope) => token.scopes.includes(scope))) {
      reply.header('www-authenticate', `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`)
      return done(new errors.DWA_OAUTH_INSUFFICIENT_SCOPE())
    }
    if (token.userId === null) return pass(attempt, token, null)
    const user = this.#options.users.get(token.userId)
    if (!(user instanceof Promise)) return pass(attempt, token, user)
    user.then(
      (found) => {
        if (found === null) refuse(attempt, 'malformed') // the app has removed the person
        else pass(attempt, token, found)
      },
      (error: unknown) => { done(asError(error)) }
    )
  }
}

function pass ({ request, done }: Attempt, token: AccessToken, user: OwnerUser | null): void {
  request.oauthToken = token
  request.oauthUser = user
  done()
}

/** Why is not told: a bare challenge when no token was there, invalid_token for any that is no good (RFC 6750 §3). */
function refuse ({ reply, done }: Attempt, why: 'missing' | 'malformed'): void {
  reply.header('www-authenticate', why === 'missing' ? 'Bearer' : 'Bearer error="invalid_token"')
  done(why === 'missing' ? new errors.DWA_OAUTH_MISSING_TOKEN() : new errors.DWA_OAUTH_INVALID_TOKEN())
}

function asError (error: unknown): Error {
  return isAuthError(error) ? error : new errors.DWA_PROVIDER_OWNER_FAILED('The token could not be checked', { cause: error })
}
