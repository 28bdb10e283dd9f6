import type { ClientAuthentication, ClientRequest } from './client-authentication.js'
import { required } from './form-parameters.js'
import { callerOf, type RequestRate } from './request-rate.js'
import type { TokenFamilies } from './token-families.js'

export interface RevocationOptions {
  readonly authentication: ClientAuthentication
  readonly families: TokenFamilies
  readonly rate: RequestRate
}

/** The revocation endpoint (RFC 7009). What kind a token is shows on the token: a wrong hint misleads nobody. */
export class Revocation {
  readonly #options: RevocationOptions

  constructor (options: RevocationOptions) {
    this.#options = options
  }

  /** A refresh token takes its family along, an access token goes alone; an unknown or foreign one changes nothing. @throws DWA_OAUTH_…, DWA_RATE_LIMITED, DWA_STORE_UNAVAILABLE */
  async revoke (request: ClientRequest): Promise<void> {
    const { authentication, families, rate } = this.#options
    const client = await authentication.authenticate(request, { anonymous: true })
    rate.count(callerOf(client, request.address))
    const text = required(request.parameters, 'token')
    const fields = { actor: { type: 'client', id: client.id }, details: { client: client.fields.name }, requestId: request.requestId }
    const family = await families.findRefreshToken(text)
    if (family !== null) {
      if (family.client === client.id) await families.revoke(family._id.toHexString(), 'token.revoked', fields)
      return
    }
    const live = await families.findAccessToken(text)
    if (live?.family.client === client.id) await families.revokeAccessToken(live, fields)
    if (live === null) await families.confirmRevoked(text)
  }
}
