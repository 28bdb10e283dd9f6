import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { LogDraft } from '../log/log-draft.js'
import type { LogFields } from '../log/log-entry.js'
import { DocumentCollection, type DocumentIndex } from './document-collection.js'
import type { KeyRing } from './key-ring.js'
import { reasonOf, type Logger } from './logger.js'
import { Outbox, outboxIndex, type ChangeEntry, type OutboxEntry, type RecordDocument } from './outbox.js'

/** What such a document has beside its own fields. */
export interface AuditedDocument {
  _id: mongo.ObjectId
  /** Tells it from the tombstone of a record. */
  version: 1
  outbox?: OutboxEntry[]
}

export interface AuditedDocumentsOptions<Document extends AuditedDocument> {
  readonly name: string
  readonly collection: () => mongo.Collection<Document>
  /** The same collection, seen as what waits in it. */
  readonly waiting: () => mongo.Collection<RecordDocument>
  readonly indexes: readonly DocumentIndex[]
  readonly run: <T>(operation: () => Promise<T>) => Promise<T>
  readonly keyRing: KeyRing
  readonly draft: (event: string, fields: LogFields) => LogDraft
  readonly log: (...entries: readonly LogDraft[]) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** Entries of one batch, and entries kept in memory: those beyond wait in their documents for the sweep. */
const batchSize = 500
const maxWaiting = 20_000

/**
 * Documents that change often, each change one atomic operation that also leaves its audit entry in the document. The entries go to the log in batches,
 * behind the answer; what a dead process left behind is delivered by whatever process comes by.
 */
export class AuditedDocuments<Document extends AuditedDocument> extends DocumentCollection<Document> {
  readonly #options: AuditedDocumentsOptions<Document>
  readonly #outbox: Outbox
  #waiting: ChangeEntry[] = []
  #delivering: Promise<void> | null = null

  constructor (options: AuditedDocumentsOptions<Document>) {
    super(options.collection, [...options.indexes, { keys: outboxIndex, sparse: true }], options.run)
    this.#options = options
    this.#outbox = new Outbox({
      collection: options.name,
      type: options.name,
      documents: options.waiting,
      keyRing: options.keyRing,
      draft: options.draft,
      log: options.log
    })
  }

  /** An audit entry, whose `stored` is to be written into the document with that id, in the same operation as the change it tells of. */
  entry (id: mongo.ObjectId, event: string, fields: LogFields): ChangeEntry {
    return this.#outbox.entry(id, event, fields)
  }

  /** Resolves when the entry is in the log. @throws DWA_STORE_UNAVAILABLE: it is in the document then, and will be delivered */
  async deliver (entry: ChangeEntry): Promise<void> {
    await this.run(async () => { await this.#outbox.deliverAll([entry]) })
  }

  /** Delivers whatever waits in that document, however young it is. @throws DWA_STORE_UNAVAILABLE */
  async deliverWaiting (id: mongo.ObjectId): Promise<void> {
    await this.run(async () => { await this.#outbox.deliverFrom(id) })
  }

  /** Sends the entry on its way to the log and returns at once. */
  deliverSoon (entry: ChangeEntry): void {
    if (this.#waiting.length >= maxWaiting) return
    this.#waiting.push(entry)
    this.#delivering ??= this.#deliverWaiting().finally(() => { this.#delivering = null })
  }

  /** Delivers audit entries that dead processes left behind. */
  async sweep (): Promise<void> {
    await this.run(async () => { await this.#outbox.sweep(this.#options.clock.now()) })
  }

  /** Resolves when what was on its way has arrived, or cannot. */
  async close (): Promise<void> {
    await this.#delivering
  }

  async #deliverWaiting (): Promise<void> {
    await new Promise<void>((resolve) => { setImmediate(resolve) }) // whatever else this turn brings goes along
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchSize)
      try {
        await this.run(async () => { await this.#outbox.deliverAll(batch) })
      } catch (error) {
        this.#options.logger.warn({ reason: reasonOf(error), entries: batch.length }, 'audit entries wait in their documents')
      }
    }
  }
}
