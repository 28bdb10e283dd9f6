import { errors } from '../../errors.js'
import { packageVersion } from '../../version.js'
import type { Bearer } from '../bearer-access.js'
import { Platform } from './platform.js'

/** A bearer made ready for use: checked, and with its platform. */
export class Credential {
  readonly bearer: Bearer
  readonly platform: Platform
  readonly secrets: readonly string[]
  readonly #authorization: string

  /** @throws DWA_DOCUWARE_INVALID_REQUEST when the token cannot stand in a header */
  constructor (bearer: Bearer) {
    // What sends the request would quote the token in its message.
    if (!/^[\x21-\x7e]+$/.test(bearer.accessToken)) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('The access token cannot be sent in a header')
    this.bearer = bearer
    this.secrets = [bearer.accessToken]
    this.platform = new Platform(bearer.platformUrl)
    this.#authorization = `Bearer ${bearer.accessToken}`
  }

  /** The headers of a request that has `own`, with the token. */
  headers (own: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    return { 'user-agent': `fastify-docuware-auth/${packageVersion}`, ...own, authorization: this.#authorization }
  }
}
