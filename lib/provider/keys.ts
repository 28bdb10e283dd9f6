import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { ClientKey, JwtAlgorithm, StoredClient } from './client-schema.js'
import type { Clients, ClientUpdate } from './clients.js'
import { neededKeys, signingKeyOf } from './signing-keys.js'

/** A signing key as it is shown. */
export interface KeyView {
  readonly clientId: string
  readonly clientName: string
  readonly kid: string
  readonly algorithm: JwtAlgorithm
  /** `published`: known to others, and will sign from `signsFrom` on; `retired`: signs no more, but its tokens may still be good. */
  readonly state: 'published' | 'signing' | 'retired'
  readonly createdAt: Date
  readonly signsFrom: Date
}

export interface KeysOptions {
  readonly clients: Pick<Clients, 'generatePrivateKey'>
  readonly records: Pick<RecordCollection<StoredClient>, 'getByName' | 'list' | 'page'>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds that an access token can live at most. */
  readonly maxTokenMs: number
}

/** Where a key stands in the list of all. */
export type KeyPosition = Pick<KeyView, 'clientName' | 'createdAt' | 'kid'>

/** Clients that are read at once. */
const batch = 100

/** Management of the keys that clients' JWTs are signed with. */
export class Keys {
  readonly #options: KeysOptions

  constructor (options: KeysOptions) {
    this.#options = options
  }

  /** The keys of all clients, by the client's name, oldest first. @throws DWA_STORE_UNAVAILABLE */
  async list (): Promise<KeyView[]> {
    return (await this.#options.records.list()).flatMap(({ fields }) => this.#views(fields))
  }

  /**
   * At most `limit` keys as `list` has them, from the one that follows `after` on; of one client alone, or in one state. Clients are read a hundred at a time,
   * until there are enough keys. @throws DWA_STORE_UNAVAILABLE
   */
  async page (limit: number, after?: KeyPosition, { clientId, state }: Partial<Pick<KeyView, 'clientId' | 'state'>> = {}): Promise<KeyView[]> {
    const found: KeyView[] = []
    const isMeant = (key: KeyView): boolean => (state === undefined || key.state === state) && (after === undefined || key.clientName !== after.clientName || compare(key, after) > 0)
    for await (const { fields } of clientId === undefined ? this.#clientsFrom(after?.clientName) : await this.#options.records.list({ clientId })) {
      found.push(...this.#views(fields).filter(isMeant).sort(compare))
      if (found.length >= limit) break
    }
    return found.slice(0, limit)
  }

  /**
   * A new key for a client: published now, and signing when everybody can know it, or now with `immediately`. The one before signs until then, and is published
   * until every token it signed has expired. @returns the client's keys afterwards, the new one last
   * @throws DWA_PROVIDER_INVALID_KEY for HMAC, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE
   */
  async rotate (clientIdOrName: string, change: ClientUpdate & { readonly immediately?: boolean } = {}): Promise<KeyView[]> {
    return this.#views(await this.#options.clients.generatePrivateKey(clientIdOrName, change))
  }

  /** By name, from the one of that name on. */
  async * #clientsFrom (name: string | undefined): AsyncGenerator<StoredRecord<StoredClient>, void, undefined> {
    const { records } = this.#options
    const first = name === undefined ? null : await records.getByName(name)
    if (first !== null) yield first
    for (let after = name, page: Array<StoredRecord<StoredClient>> = []; ; after = page.at(-1)?.fields.name) {
      page = await records.page(batch, after)
      yield * page
      if (page.length < batch) return
    }
  }

  #views ({ clientId, name, keys = [] }: { readonly clientId: string, readonly name: string, readonly keys?: ReadonlyArray<Omit<ClientKey, 'publicJwk'>> }): KeyView[] {
    const now = this.#options.now()
    const signingKey = signingKeyOf(keys, now)
    const signing = keys.findIndex((key) => key === signingKey)
    const needed = new Set(neededKeys(keys, now, this.#options.maxTokenMs))
    return keys.flatMap((key, index) => needed.has(key)
      ? [{
          clientId,
          clientName: name,
          kid: key.kid,
          algorithm: key.algorithm,
          state: index === signing ? 'signing' : index < signing ? 'retired' : 'published',
          createdAt: new Date(key.createdAt),
          signsFrom: new Date(key.signsFrom)
        }]
      : [])
  }
}

/** Of keys of one client: oldest first. */
function compare (one: KeyPosition, other: KeyPosition): number {
  return one.createdAt.getTime() - other.createdAt.getTime() || (one.kid < other.kid ? -1 : Number(one.kid > other.kid))
}
