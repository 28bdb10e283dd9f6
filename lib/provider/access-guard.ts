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

/** Enforces `config: { auth: 'oauth_provider', scopes }` (RFC 6750). With everything in memory it is synchronous. */
export class AccessGuard {
  readonly #options: AccessGuardOptions

  constructor (options: AccessGuardOptions) {
    this.#options = options
  }

  readonly hook: RouteHook = (request, reply, done, { scopes = [] }) => {
    const { accessTokens } = this.#options
    const { authorization } = request.headers
    const known = authorization === undefined ? null : accessTokens.known(authorization)
    if (known !== null) return this.#check(known, request, reply, done, scopes)
    const credential = readBearer(authorization)
    if (typeof credential === 'string') return refuse(reply, done, credential)
    const token = accessTokens.find(credential.token, authorization)
    if (!(token instanceof Promise)) return this.#check(token, request, reply, done, scopes)
    token.then((found) => { this.#check(found, request, reply, done, scopes) }, (error: unknown) => { done(asError(error)) })
  }

  #check (token: AccessToken | null, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction, scopes: readonly string[]): void {
    if (token === null) return refuse(reply, done, 'malformed')
    for (const scope of scopes) {
      if (token.scopes.includes(scope)) continue
      reply.header('www-authenticate', `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`)
      return done(new errors.DWA_OAUTH_INSUFFICIENT_SCOPE())
    }
    if (token.userId === null) return pass(request, done, token, null)
    const user = this.#options.users.get(token.userId)
    if (!(user instanceof Promise)) return pass(request, done, token, user)
    user.then(
      (found) => {
        if (found === null) refuse(reply, done, 'malformed') // the app has removed the person
        else pass(request, done, token, found)
      },
      (error: unknown) => { done(asError(error)) }
    )
  }
}

function pass (request: FastifyRequest, done: HookHandlerDoneFunction, token: AccessToken, user: OwnerUser | null): void {
  request.oauthToken = token
  request.oauthUser = user
  done()
}

/** Why is not told: a bare challenge when no token was there, invalid_token for any that is no good (RFC 6750 §3). */
function refuse (reply: FastifyReply, done: HookHandlerDoneFunction, why: 'missing' | 'malformed'): void {
  reply.header('www-authenticate', why === 'missing' ? 'Bearer' : 'Bearer error="invalid_token"')
  done(why === 'missing' ? new errors.DWA_OAUTH_MISSING_TOKEN() : new errors.DWA_OAUTH_INVALID_TOKEN())
}

function asError (error: unknown): Error {
  return isAuthError(error) ? error : new errors.DWA_PROVIDER_OWNER_FAILED('The token could not be checked', { cause: error })
}
