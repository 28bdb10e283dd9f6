import { errors } from '../errors.js'
import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { RecordCollection } from '../store/record-collection.js'
import type { StoredConnection } from './connection-schema.js'
import { openConnection, type OpenConnection } from './open-connection.js'

/** Reads connections by id or name, from memory while nothing has changed. */
export class OpenConnections {
  readonly #records: RecordCollection<StoredConnection>
  readonly #cache: ConfirmedCache<OpenConnection | null>

  constructor (records: RecordCollection<StoredConnection>, cache: ConfirmedCache<OpenConnection | null>) {
    this.#records = records
    this.#cache = cache
  }

  /** A promise only when the database has to be asked. Throws, or rejects with, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE. */
  find (idOrName: string): OpenConnection | Promise<OpenConnection> {
    const found = this.#cache.get(idOrName, async () => await this.#read(idOrName))
    return found instanceof Promise ? found.then((one) => existing(one, idOrName)) : existing(found, idOrName)
  }

  /** Drops what is remembered of a connection. */
  forget (id: string | null, name: string | null): void {
    this.#cache.forget((key, found) => key === id || key === name || (found !== null && found.id === id))
  }

  async #read (idOrName: string): Promise<OpenConnection | null> {
    const id = (await this.#records.get(idOrName) ?? await this.#records.getByName(idOrName))?.id
    const record = id === undefined ? null : await this.#records.open(id)
    return record === null ? null : openConnection(record)
  }
}

function existing (found: OpenConnection | null, idOrName: string): OpenConnection {
  if (found === null) throw new errors.DWA_STORE_NOT_FOUND(`The connection "${idOrName}"`)
  return found
}
