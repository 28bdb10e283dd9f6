import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { RecordCollection } from '../store/record-collection.js'
import type { StoredScope } from './scope-schema.js'

/** A scope as requests need it. */
export interface OpenScope {
  readonly code: string
  readonly name: string
  readonly description?: string
  /** The resource it shows records of; null: it shows none. */
  readonly model: string | null
  /** As it is stored, JSON: looked at again when it is run. */
  readonly filter: string
  readonly fields: readonly string[]
}

/** By code, in the order of the codes. */
export type ScopesByCode = ReadonlyMap<string, OpenScope>

/** Scopes for requests: all of them read at once, and kept until the change feed says that one changed. */
export class OpenScopes {
  readonly #records: RecordCollection<StoredScope>
  readonly #cache: ConfirmedCache<ScopesByCode>

  constructor (records: RecordCollection<StoredScope>, cache: ConfirmedCache<ScopesByCode>) {
    this.#records = records
    this.#cache = cache
  }

  /** By code. @throws DWA_STORE_UNAVAILABLE */
  async all (): Promise<OpenScope[]> {
    return [...(await this.#scopes()).values()]
  }

  /** A promise only when the database has to be asked. @throws DWA_STORE_UNAVAILABLE */
  byCode (code: string): OpenScope | null | Promise<OpenScope | null> {
    const scopes = this.#scopes()
    return scopes instanceof Promise ? scopes.then((all) => all.get(code) ?? null) : scopes.get(code) ?? null
  }

  /** Drops what is remembered. */
  forget (): void {
    this.#cache.forget(() => true)
  }

  #scopes (): ScopesByCode | Promise<ScopesByCode> {
    return this.#cache.get('all', async () => new Map((await this.#records.list()).map(({ fields }) => [fields.code, openScope(fields)])))
  }
}

function openScope ({ code, name, description, model, filter, fields }: StoredScope): OpenScope {
  return { code, name, ...(description === undefined ? {} : { description }), model: model ?? null, filter: filter ?? '{}', fields: fields ?? [] }
}
