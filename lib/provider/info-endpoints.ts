import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import type { AccessToken } from './access-tokens.js'
import type { InfoRequest } from './info-requests.js'
import type { Json } from './json-value.js'
import type { ScopeData } from './scope-data.js'

/** What an info endpoint answers, as JSON. */
export type InfoAnswer = Readonly<Record<string, Json>>

export interface InfoEndpointsOptions {
  readonly requests: { token (request: InfoRequest): Promise<Pick<AccessToken, 'clientId' | 'userId' | 'sub' | 'scopes' | 'expiresAt'>> }
  readonly data: ScopeData
  /** The database's time. */
  readonly clock: Clock
}

/** tokeninfo, userinfo and otherinfo, as oauth_provider answers them. Each throws what `InfoRequests.token` and `ScopeData.getData` throw. */
export class InfoEndpoints {
  readonly #options: InfoEndpointsOptions

  constructor (options: InfoEndpointsOptions) {
    this.#options = options
  }

  /** `user_id` is there when a scope shows the token's own person. `expires_in` is in seconds. */
  async tokeninfo (request: InfoRequest): Promise<InfoAnswer> {
    const { requests, data, clock } = this.#options
    const token = await requests.token(request)
    const readsUser = await data.readsOwnUser(token)
    return {
      audience: token.clientId,
      scopes: token.scopes.join(' '),
      expires_in: Math.max(0, Math.floor((token.expiresAt.getTime() - clock.now()) / 1000)),
      ...(readsUser ? { user_id: token.sub } : {})
    }
  }

  /** The person's fields, flat, with `sub`; `{}` when no scope shows them. */
  async userinfo (request: InfoRequest): Promise<InfoAnswer> {
    const token = await this.#options.requests.token(request)
    const user = await this.#options.data.ownUser(token)
    return Object.keys(user).length === 0 ? {} : { ...user, sub: token.sub }
  }

  /** A page of a model's records. @throws DWA_OAUTH_INVALID_MODEL, DWA_OAUTH_INVALID_REQUEST */
  async otherinfo (request: InfoRequest): Promise<InfoAnswer> {
    const token = await this.#options.requests.token(request)
    const model = parameter(request, 'model')
    const limit = parameter(request, 'limit')
    const after = parameter(request, 'after')
    if (model === undefined) throw new errors.DWA_OAUTH_INVALID_MODEL()
    return await this.#options.data.getData(token, model, { ...(limit === undefined ? {} : { limit: wholeNumber(limit) }), ...(after === undefined ? {} : { after }) })
  }
}

/** In the query or in a form body. */
function parameter ({ query, body }: InfoRequest, name: string): string | undefined {
  if (query.has(name) && body.has(name)) throw new errors.DWA_OAUTH_INVALID_REQUEST('A parameter is repeated')
  return query.get(name) ?? body.get(name)
}

/** Not a number for anything but digits. */
function wholeNumber (text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
}
