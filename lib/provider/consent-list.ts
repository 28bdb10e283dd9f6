import { errors } from '../errors.js'
import { formToken, isFormToken } from '../http/browser-binding.js'
import { isClientId } from './authorization-request.js'
import type { Consents } from './consents.js'
import { readParameters, required } from './form-parameters.js'
import { pairsOf } from './form-pairs.js'
import type { OpenClients } from './open-clients.js'
import type { ClientAccess } from './token-families.js'

/** What one client may do, by consent or without, and its name, unless it is gone or disabled. */
export interface OwnConsent extends Pick<ClientAccess, 'scopes' | 'since'> {
  /** Names it in the address that ends it: the client id, or the id of a record that is gone. */
  readonly name: string
  readonly clientName: string | null
}

/** Of the forms. */
const purpose = 'consents'

/** What may be done in a signed-in person's name, for themselves to see and end (security.md 14). */
export class ConsentList {
  readonly #consents: Pick<Consents, 'accessOf' | 'revoke'>
  readonly #clients: Pick<OpenClients, 'byClientId' | 'byId'>

  constructor (consents: Pick<Consents, 'accessOf' | 'revoke'>, clients: Pick<OpenClients, 'byClientId' | 'byId'>) {
    this.#consents = consents
    this.#clients = clients
  }

  /** @returns the consents, and the hidden fields of the forms that end them @throws DWA_STORE_UNAVAILABLE */
  async show (user: string, browser: string): Promise<{ readonly consents: readonly OwnConsent[], readonly fields: Readonly<Record<string, string>> }> {
    const consents = await Promise.all((await this.#consents.accessOf(user)).map(async ({ client: id, scopes, since }) => {
      const client = await this.#clients.byId(id)
      return { scopes, since, name: client?.fields.clientId ?? id, clientName: client?.fields.name ?? null }
    }))
    return { consents, fields: { csrf: formToken(purpose, browser, user) } }
  }

  /**
   * Ends a consent of the person's, and what was issued by it. One that is over already is no error.
   * @param form as it was sent, form-encoded
   * @throws DWA_OAUTH_INVALID_INTERACTION when the form is not this person's in this browser, DWA_OAUTH_INVALID_REQUEST, DWA_STORE_UNAVAILABLE
   */
  async revoke (name: string, form: string, { user, browser, requestId }: { readonly user: string, readonly browser: string, readonly requestId?: string | undefined }): Promise<void> {
    const csrf = required(readParameters(pairsOf(form, ['csrf'])), 'csrf')
    if (!isFormToken(csrf, purpose, browser, user)) throw new errors.DWA_OAUTH_INVALID_INTERACTION()
    const client = isClientId(name) ? await this.#clients.byClientId(name) : null
    await this.#consents.revoke(user, client?.id ?? name, { actor: { type: 'user', id: user }, requestId })
  }
}
