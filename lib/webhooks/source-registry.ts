import { errors, isAuthError } from '../errors.js'
import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { HandledSecrets } from '../store/handled-secrets.js'
import type { RecordCollection } from '../store/record-collection.js'
import { readSecrets, type StoredSource } from './source-kind.js'
import { compileSource, type WebhookSource } from './webhook-source.js'

/** What the database has under a name. */
export type StoredEntry<Request> = WebhookSource<Request> | { readonly unusable: unknown } | null

export interface SourceRegistryOptions<Request> {
  readonly declared: ReadonlyMap<string, WebhookSource<Request>>
  readonly records: RecordCollection<StoredSource>
  readonly cache: ConfirmedCache<StoredEntry<Request>>
  readonly handledSecrets: Pick<HandledSecrets, 'add'>
}

/** The sources in use. Declared ones are always at hand; stored ones are read on first use and kept until they change. */
export class SourceRegistry<Request> {
  readonly #options: SourceRegistryOptions<Request>

  constructor (options: SourceRegistryOptions<Request>) {
    this.#options = options
  }

  /** A promise only when the database has to be asked; null when there is none. Throws, or rejects with, DWA_WEBHOOK_CONFIGURATION, DWA_STORE_UNAVAILABLE. */
  find (name: string): WebhookSource<Request> | null | Promise<WebhookSource<Request> | null> {
    const { declared, cache } = this.#options
    const own = declared.get(name)
    const stored = cache.get(name, async () => await this.#read(name))
    if (!(stored instanceof Promise)) return choose(own, stored)
    return stored.then((found) => choose(own, found), (error: unknown) => {
      if (own !== undefined && isAuthError(error, 'DWA_STORE_UNAVAILABLE')) return own // it does not depend on the database
      throw error
    })
  }

  /** Drops what a created, changed, renamed or deleted record may have been kept as. */
  forget ({ id, name }: { readonly id: string | null, readonly name: string | null }): void {
    this.#options.cache.forget((key, found) => key === name || (found !== null && 'id' in found && found.id === id))
  }

  async #read (name: string): Promise<StoredEntry<Request>> {
    const { records, handledSecrets } = this.#options
    const id = (await records.getByName(name))?.id
    if (id === undefined) return null
    try {
      const record = await records.open(id)
      if (record === null || record.fields.name !== name) return null
      const secrets = readSecrets(record.secrets['secret'])
      for (const secret of secrets) handledSecrets.add(secret)
      return compileSource(name, id, record.fields, secrets)
    } catch (error) {
      if (isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
      return { unusable: error }
    }
  }
}

function choose<Request> (declared: WebhookSource<Request> | undefined, stored: StoredEntry<Request>): WebhookSource<Request> | null {
  if (declared !== undefined && stored !== null) throw new errors.DWA_WEBHOOK_CONFIGURATION({ cause: new Error(`"${declared.name}" is both declared and stored`) })
  if (stored !== null && 'unusable' in stored) throw new errors.DWA_WEBHOOK_CONFIGURATION({ cause: stored.unusable })
  return declared ?? stored
}
