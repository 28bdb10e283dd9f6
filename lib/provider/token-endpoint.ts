import OAuth2Server from '@node-oauth/oauth2-server'
import { errors } from '../errors.js'
import type { ClientAuthentication, ClientRequest } from './client-authentication.js'
import type { FailureLocks } from './failure-locks.js'
import { readScope, required } from './form-parameters.js'
import { GrantModel, type GrantModelParts } from './grant-model.js'
import { callerOf, type RequestRate } from './request-rate.js'
import type { TokenAnswer } from './token-families.js'

export interface TokenEndpointOptions extends GrantModelParts {
  readonly authentication: ClientAuthentication
  readonly locks: FailureLocks
  readonly rate: RequestRate
}

/** What the library may see of a request: the rest is checked here, or in the model. */
const forwarded = ['grant_type', 'code', 'refresh_token', 'username', 'password', 'scope'] as const

/** The token endpoint (RFC 6749 §3.2). The grants are @node-oauth/oauth2-server's, a new one for each request; what it takes in, and what it says, is ours. */
export class TokenEndpoint {
  readonly #options: TokenEndpointOptions

  constructor (options: TokenEndpointOptions) {
    this.#options = options
  }

  /** @throws DWA_OAUTH_…, DWA_RATE_LIMITED, DWA_PROVIDER_OWNER_FAILED, DWA_STORE_UNAVAILABLE */
  async answer (request: ClientRequest): Promise<TokenAnswer> {
    const { authentication, locks, rate } = this.#options
    const { parameters, address } = request
    const client = await authentication.authenticate(request, { anonymous: true })
    const caller = callerOf(client, address)
    rate.count(caller)
    required(parameters, 'grant_type')
    readScope(parameters)
    const model = new GrantModel(this.#options, { client, parameters, address, ...(request.requestId === undefined ? {} : { requestId: request.requestId }) })
    try {
      await new OAuth2Server({ model, requireClientAuthentication: { authorization_code: false, refresh_token: false, client_credentials: false, password: false } })
        .token(new OAuth2Server.Request({ method: 'POST', query: {}, headers: formHeaders, body: this.#body(request, client.id) }), new OAuth2Server.Response({}))
    } catch (error) {
      if (model.guessed) { // a lock is for guesses: what was issued is good in spite of it
        await locks.refuseLocked('refusedGrants', [caller])
        await locks.note('refusedGrants', [caller])
      }
      throw model.failure ?? translate(error)
    }
    if (model.answer === null) throw new TypeError('the library answered without asking the model')
    return model.answer
  }

  #body ({ parameters }: ClientRequest, clientId: string): Record<string, string> {
    return Object.fromEntries([['client_id', clientId], ...forwarded.flatMap((name) => {
      const value = parameters.get(name)
      return value === undefined ? [] : [[name, value]]
    })])
  }
}

const formHeaders = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '1' }

/** The library's own errors in this package's words: no text of its is answered. */
function translate (error: unknown): unknown {
  switch (error instanceof OAuth2Server.OAuthError ? error.name : '') {
    case 'invalid_request': return new errors.DWA_OAUTH_INVALID_REQUEST('A parameter of the grant is missing or malformed')
    case 'invalid_grant': return new errors.DWA_OAUTH_INVALID_GRANT('The grant is invalid')
    case 'invalid_scope': return new errors.DWA_OAUTH_INVALID_SCOPE('The scope is unknown, or wider than what was granted')
    case 'unauthorized_client': return new errors.DWA_OAUTH_UNAUTHORIZED_CLIENT('The client may not use this grant')
    case 'unsupported_grant_type': return new errors.DWA_OAUTH_UNSUPPORTED_GRANT_TYPE()
    default: return error
  }
}
