import type { Model, mongo } from 'mongoose'
import type { LogDraft } from '../log/log-draft.js'

/** A record as MongoDB keeps it. A tombstone has nothing but `_id` and `outbox`. */
export interface RecordDocument {
  _id: mongo.ObjectId
  version?: number
  createdAt?: Date
  updatedAt?: Date
  /** Audit entries of changes that were made, until they are in the log. */
  outbox?: OutboxEntry[]
  [field: string]: unknown
}

/** An audit entry waiting in its record; `source` is its id, and keeps it from being logged twice. */
export type OutboxEntry = LogDraft & { readonly source: string }

/** Entries younger than this, in milliseconds, are left to the process that made them. */
const patience = 10_000
const sweepSize = 1000

/** Takes entries from outboxes to the log. */
export class Outbox {
  readonly #model: Model<RecordDocument>
  readonly #log: (entry: OutboxEntry) => Promise<void>

  constructor (model: Model<RecordDocument>, log: (entry: OutboxEntry) => Promise<void>) {
    this.#model = model
    this.#log = log
  }

  /** Logs one entry, then takes it out of the record; the last one takes a tombstone along. */
  async deliver (id: mongo.ObjectId, entry: OutboxEntry): Promise<void> {
    await this.#log(entry)
    const left = await this.#model.findOneAndUpdate({ _id: id }, { $pull: { outbox: { source: entry.source } } }, { returnDocument: 'after', projection: { version: 1, outbox: 1 } }).lean()
    if (left !== null && left.version === undefined) await this.#model.deleteOne({ _id: id, version: { $exists: false }, outbox: { $size: 0 } })
  }

  /** Delivers what dead processes left behind. Several processes may sweep at once: the log takes each entry once. */
  async sweep (now: number): Promise<void> {
    const old = new Date(now - patience)
    const records = await this.#model.find({ 'outbox.at': { $lt: old } }, { outbox: 1 }).limit(sweepSize).lean()
    for (const { _id, outbox = [] } of records) {
      for (const entry of outbox) {
        if (entry.at < old) await this.deliver(_id, entry)
      }
    }
  }
}
