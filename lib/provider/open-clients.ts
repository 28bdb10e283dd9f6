import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { RecordCollection } from '../store/record-collection.js'
import { clientSchema, type StoredClient } from './client-schema.js'
import type { TokenFamilyDocument } from './token-family.js'

/** A client as requests need it: with its private keys, never shown. */
export interface OpenClient {
  readonly id: string
  readonly version: number
  readonly fields: StoredClient
  /** By kid: PKCS #8 PEM, for HMAC the secret. */
  readonly privateKeys: ReadonlyMap<string, string>
}

const clientIdPattern = new RegExp(clientSchema.properties.clientId.pattern)

/** Clients for requests: read once, and kept until the change feed says they changed. A disabled client is none. */
export class OpenClients {
  readonly #records: RecordCollection<StoredClient>
  readonly #cache: ConfirmedCache<OpenClient | null>
  readonly #list: ConfirmedCache<readonly StoredClient[]>

  /** @param list holds one value, the list of all */
  constructor (records: RecordCollection<StoredClient>, cache: ConfirmedCache<OpenClient | null>, list: ConfirmedCache<readonly StoredClient[]>) {
    this.#records = records
    this.#cache = cache
    this.#list = list
  }

  /** All clients, without private keys, the disabled ones among them: the same array as long as none has changed. @throws DWA_STORE_UNAVAILABLE */
  all (): readonly StoredClient[] | Promise<readonly StoredClient[]> {
    return this.#list.get('', async () => (await this.#records.list()).map(({ fields }) => fields))
  }

  /** The client with that client id: anybody's text, of which the database is asked only for what can be one. @throws DWA_STORE_UNAVAILABLE */
  byClientId (clientId: string): OpenClient | null | Promise<OpenClient | null> {
    if (!clientIdPattern.test(clientId)) return null
    return this.#cache.get(`clientId:${clientId}`, async () => {
      const [record] = await this.#records.list({ clientId })
      return record === undefined ? null : await this.#open(record.id)
    })
  }

  /** The client with that record id. @throws DWA_STORE_UNAVAILABLE */
  byId (id: string): OpenClient | null | Promise<OpenClient | null> {
    return this.#cache.get(`id:${id}`, async () => await this.#open(id))
  }

  /** Drops a client, and every answer that there is none. */
  forget (id: string | null): void {
    this.#cache.forget((_key, client) => client === null || client.id === id)
    this.#list.forget(() => true)
  }

  async #open (id: string): Promise<OpenClient | null> {
    const record = await this.#records.open(id)
    if (record === null || !record.fields.enabled) return null
    const { privateKeys } = record.secrets
    return { id, version: record.version, fields: record.fields, privateKeys: new Map(privateKeys === undefined ? [] : Object.entries(JSON.parse(privateKeys) as Record<string, string>)) }
  }
}

/** Whether a family of that client is from before the client was last disabled: whoever wrote it then may have been late. */
export function isVoid ({ client, createdAt }: Pick<TokenFamilyDocument, 'client' | 'createdAt'>, { id, fields: { tokensSince = 0 } }: OpenClient): boolean {
  return client === id && createdAt.getTime() < tokensSince
}
