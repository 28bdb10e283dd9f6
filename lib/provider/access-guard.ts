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

/** Sets what a request is admitted with. */
export type Admit = (request: FastifyRequest, admitted: Pick<FastifyRequest, 'oauthToken' | 'oauthUser'>) => void

/** Enforces `config: { auth: 'oauth_provider', scopes }` (RFC 6750). With everything in memory it is synchronous. */
export class AccessGuard {
  readonly #options: AccessGuardOptions

  constructor (options: AccessGuardOptions) {
    this.#options = options
  }

  hook (admit: Admit): RouteHook {
    return (request, reply, done, { scopes = [] } = request.routeOptions.config) => {
      const check = (token: AccessToken | null): void => {
        this.#check(token, scopes, reply, done, (oauthToken, oauthUser) => {
          admit(request, { oauthToken, oauthUser })
          done()
        })
      }
      const credential = readBearer(request.headers.authorization)
      if (typeof credential === 'string') return refuse(reply, done, credential)
      const token = this.#options.accessTokens.find(credential.token)
      if (token instanceof Promise) token.then(check, (error: unknown) => { done(asError(error)) })
      else check(token)
    }
  }

  #check (token: AccessToken | null, scopes: readonly string[], reply: FastifyReply, done: HookHandlerDoneFunction, pass: (token: AccessToken, user: OwnerUser | null) => void): void {
    if (token === null) return refuse(reply, done, 'malformed')
    if (!scopes.every((scope) => token.scopes.includes(scope))) {
      reply.header('www-authenticate', `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`)
      return done(new errors.DWA_OAUTH_INSUFFICIENT_SCOPE())
    }
    if (token.userId === null) return pass(token, null)
    const user = this.#options.users.get(token.userId)
    if (!(user instanceof Promise)) return pass(token, user)
    user.then(
      (found) => {
        if (found === null) refuse(reply, done, 'malformed') // the app has removed the person
        else pass(token, found)
      },
      (error: unknown) => { done(asError(error)) }
    )
  }
}

/** Why is not told: a bare challenge when no token was there, invalid_token for any that is no good (RFC 6750 §3). */
function refuse (reply: FastifyReply, done: HookHandlerDoneFunction, why: 'missing' | 'malformed'): void {
  reply.header('www-authenticate', why === 'missing' ? 'Bearer' : 'Bearer error="invalid_token"')
  done(why === 'missing' ? new errors.DWA_OAUTH_MISSING_TOKEN() : new errors.DWA_OAUTH_INVALID_TOKEN())
}

function asError (error: unknown): Error {
  return isAuthError(error) ? error : new errors.DWA_PROVIDER_OWNER_FAILED('The token could not be checked', { cause: error })
}
