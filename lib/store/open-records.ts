import { errors } from '../errors.js'
import { ConfirmedCache, type ConfirmedCacheOptions } from './confirmed-cache.js'
import { isRecordId, type OpenedRecord, type RecordCollection, type StoredRecord } from './record-collection.js'
import type { ChangeFeed } from '../log/change-feed.js'

export interface OpenRecordsOptions<Fields extends object, One> {
  readonly records: RecordCollection<Fields>
  /** What is remembered of a record. */
  readonly open: (record: OpenedRecord<Fields>) => One
  /** Finds a record by its key; without it, by id or name. */
  readonly findBy?: (key: string) => Promise<StoredRecord<Fields> | null>
  readonly cache: Omit<ConfirmedCacheOptions, 'changes'> & { readonly changes: ChangeFeed }
}

/** Reads records with their secrets by id or name, from memory while nothing has changed in any process. */
export class OpenRecords<Fields extends object, One extends { readonly id: string }> {
  readonly #options: OpenRecordsOptions<Fields, One>
  readonly #area: string
  readonly #cache: ConfirmedCache<One | null>

  constructor (options: OpenRecordsOptions<Fields, One>) {
    this.#options = options
    this.#area = options.records.kind.area
    this.#cache = new ConfirmedCache(options.cache)
    options.cache.changes.subscribe(({ source, target }) => {
      if (source !== undefined && target?.type === this.#area) this.forget(target.id, target.name ?? null) // an entry without a source says nothing of the record
    })
  }

  /** A promise only when the database has to be asked. Throws, or rejects with, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE. */
  find (idOrName: string): One | Promise<One> {
    const found = this.lookFor(idOrName)
    return found instanceof Promise ? found.then((one) => this.#existing(one, idOrName)) : this.#existing(found, idOrName)
  }

  /** The same with null for none. */
  lookFor (idOrName: string): One | null | Promise<One | null> {
    return this.#cache.get(idOrName, async () => await this.#read(idOrName))
  }

  /** Drops what is remembered of a record. */
  forget (id: string | null, name: string | null): void {
    this.#cache.forget((key, found) => key === id || key === name || (found !== null && found.id === id))
  }

  async #read (idOrName: string): Promise<One | null> {
    const { records, open, findBy = async (key) => isRecordId(key) ? await records.get(key) : await records.getByName(key) } = this.#options
    const id = (await findBy(idOrName))?.id
    const record = id === undefined ? null : await records.open(id)
    return record === null ? null : open(record)
  }

  #existing (found: One | null, idOrName: string): One {
    if (found === null) throw new errors.DWA_STORE_NOT_FOUND(`The ${this.#area} "${idOrName}"`)
    return found
  }
}
