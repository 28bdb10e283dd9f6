import type OAuth2Server from '@node-oauth/oauth2-server'
import { errors } from '../errors.js'
import type { FailureLocks } from '../store/failure-locks.js'
import type { ClientAuthentication, ClientRequest } from './client-authentication.js'
import { readScope, required } from './form-parameters.js'
import { GrantModel, type GrantModelParts } from './grant-model.js'
import type { LimitName } from './provider-options.js'
import { callerOf, type RequestRate } from './request-rate.js'
import type { TokenAnswer } from './token-families.js'

export interface TokenEndpointOptions extends GrantModelParts {
  readonly authentication: ClientAuthentication
  readonly locks: FailureLocks<LimitName>
  readonly rate: RequestRate
}

/** What the library sees of a request as it is; of the others, only that they are there: what it takes for malformed may be somebody's password. */
const forwarded: ReadonlySet<string> = new Set(['grant_type', 'scope'])
const hidden: ReadonlySet<string> = new Set(['code', 'refresh_token', 'username', 'password'])
const grantTypes: ReadonlySet<string> = new Set(['authorization_code', 'refresh_token', 'client_credentials', 'password'])

let library: Promise<typeof OAuth2Server> | null = null

/** With the first token: apps start without it. */
async function loadServer (): Promise<typeof OAuth2Server> {
  library ??= import('@node-oauth/oauth2-server').then((module) => module.default)
  return await library
}

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
    if (!grantTypes.has(required(parameters, 'grant_type'))) throw new errors.DWA_OAUTH_UNSUPPORTED_GRANT_TYPE()
    const askedScopes = readScope(parameters)
    const Server = await loadServer()
    const model = new GrantModel(this.#options, { client, parameters, askedScopes, address, requestId: request.requestId })
    try {
      await new Server({ model, requireClientAuthentication: { authorization_code: false, refresh_token: false, client_credentials: false, password: false } })
        .token(new Server.Request({ method: 'POST', query: {}, headers: formHeaders, body: this.#body(request, client.id) }), new Server.Response({}))
    } catch (error) {
      if (model.guessed) { // a lock is for guesses: what was issued is good in spite of it
        await locks.refuseLocked('refusedGrants', [caller])
        await locks.note('refusedGrants', [caller])
      }
      throw model.failure ?? translate(error, Server.OAuthError)
    }
    if (model.answer === null) throw new TypeError('the library answered without asking the model')
    return model.answer
  }

  #body ({ parameters }: ClientRequest, clientId: string): Record<string, string> {
    const body: Record<string, string> = { client_id: clientId }
    for (const [name, value] of parameters) {
      if (forwarded.has(name)) body[name] = value
      else if (hidden.has(name)) body[name] = '-'
    }
    return body
  }
}

const formHeaders = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '1' }

/** The library's own errors in this package's words: no text of its is answered. */
function translate (error: unknown, OAuthError: typeof OAuth2Server.OAuthError): unknown {
  switch (error instanceof OAuthError ? error.name : '') {
    case 'invalid_request': return new errors.DWA_OAUTH_INVALID_REQUEST('A parameter of the grant is missing or malformed')
    case 'invalid_grant': return new errors.DWA_OAUTH_INVALID_GRANT('The grant is invalid')
    case 'invalid_scope': return new errors.DWA_OAUTH_INVALID_SCOPE('The scope is unknown, or wider than what was granted')
    case 'unauthorized_client': return new errors.DWA_OAUTH_UNAUTHORIZED_CLIENT('The client may not use this grant')
    case 'unsupported_grant_type': return new errors.DWA_OAUTH_UNSUPPORTED_GRANT_TYPE()
    default: return error
  }
}
