import { errors } from '../errors.js'
import type { AccessToken, AccessTokens } from './access-tokens.js'
import type { Parameters } from './form-parameters.js'
import type { OpenClients } from './open-clients.js'
import type { Users } from './users.js'
import { presentedToken } from './presented-token.js'

/** What the three info endpoints look at. */
export interface InfoRequest {
  readonly authorization: string | undefined
  readonly query: Parameters
  readonly body: Parameters
}

export interface InfoRequestsOptions {
  readonly accessTokens: AccessTokens
  readonly clients: Pick<OpenClients, 'byClientId'>
  readonly users: Users
}

/** Who asks at tokeninfo, userinfo and otherinfo: by header, form body, or, where a client is allowed that, query (RFC 6750 §2). */
export class InfoRequests {
  readonly #options: InfoRequestsOptions

  constructor (options: InfoRequestsOptions) {
    this.#options = options
  }

  /** @throws DWA_OAUTH_MISSING_TOKEN, DWA_OAUTH_INVALID_TOKEN, DWA_OAUTH_INVALID_REQUEST for a token in two places, DWA_STORE_UNAVAILABLE */
  async token (request: InfoRequest): Promise<AccessToken> {
    const presented = presentedToken(request)
    const token = presented === null ? null : await this.#options.accessTokens.find(presented.text)
    if (presented === null && !/^bearer\b/i.test(request.authorization ?? '')) throw new errors.DWA_OAUTH_MISSING_TOKEN()
    if (presented === null || token === null) throw new errors.DWA_OAUTH_INVALID_TOKEN()
    if (token.userId !== null && await this.#options.users.get(token.userId) === null) throw new errors.DWA_OAUTH_INVALID_TOKEN() // the app has removed the person
    if (presented.inQuery && (await this.#options.clients.byClientId(token.clientId))?.fields.tokenInQuery !== true) throw new errors.DWA_OAUTH_INVALID_TOKEN()
    return token
  }
}
