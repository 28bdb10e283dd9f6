import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Model, mongo } from 'mongoose'
import { canonicalJson } from '../log/canonical-json.js'
import type { LogDraft } from '../log/log-draft.js'
import type { KeyRing } from './key-ring.js'

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

/** An audit entry waiting in its record. */
export interface OutboxEntry {
  /** Its `source` is its id, and keeps it from being logged twice. */
  readonly draft: LogDraft & { readonly source: string }
  /** HMAC-SHA-256 over the draft and the record it waits in, and the data key's id: whoever can write records cannot write log entries by them. */
  readonly mac: string
  readonly key: string
}

export interface OutboxOptions {
  readonly collection: string
  readonly model: Model<RecordDocument>
  readonly keyRing: KeyRing
  /** Stores an entry in the log, once. */
  readonly log: (draft: LogDraft) => Promise<void>
  /** Told of an entry that this package did not put there; it is removed and not logged. */
  readonly onForged: (id: string) => Promise<void>
}

/** Milliseconds: younger entries are left to the process that made them. */
const patience = 10_000
const sweepSize = 1000
const keyLabel = 'outbox'

/** Takes audit entries from their records to the log. */
export class Outbox {
  readonly #options: OutboxOptions

  constructor (options: OutboxOptions) {
    this.#options = options
  }

  /** Makes an entry that waits in the record with that id. @throws DWA_STORE_UNAVAILABLE before the key ring was read */
  entry (id: mongo.ObjectId, draft: OutboxEntry['draft']): OutboxEntry {
    const { keyId, key } = this.#options.keyRing.current(keyLabel)
    return { draft, key: keyId, mac: this.#mac(id, draft, key) }
  }

  /** Logs one entry, then takes it out of the record; the last one takes a tombstone along. */
  async deliver (id: mongo.ObjectId, entry: OutboxEntry): Promise<void> {
    await this.#options.log(entry.draft)
    await this.#drop(id, entry)
  }

  /** Delivers what dead processes left behind. Several processes may sweep at once: the log takes each entry once. */
  async sweep (now: number): Promise<void> {
    const old = new Date(now - patience)
    const records = await this.#options.model.find({ 'outbox.draft.at': { $lt: old } }, { outbox: 1 }).limit(sweepSize).lean()
    for (const { _id, outbox = [] } of records) {
      for (const entry of outbox) {
        if (!await this.#isAuthentic(_id, entry)) {
          await this.#options.onForged(_id.toHexString())
          await this.#drop(_id, entry)
        } else if (entry.draft.at < old) {
          await this.deliver(_id, entry)
        }
      }
    }
  }

  async #drop (id: mongo.ObjectId, { mac = null }: { readonly mac?: unknown }): Promise<void> {
    const { model } = this.#options
    const left = await model.findOneAndUpdate({ _id: id }, { $pull: { outbox: { mac } } }, { returnDocument: 'after', projection: { version: 1, outbox: 1 } }).lean()
    if (left !== null && left.version === undefined) await model.deleteOne({ _id: id, version: { $exists: false }, outbox: { $size: 0 } })
  }

  async #isAuthentic (id: mongo.ObjectId, entry: OutboxEntry): Promise<boolean> {
    const key = typeof entry.key === 'string' ? await this.#options.keyRing.find(keyLabel, entry.key) : null
    if (key === null || typeof entry.mac !== 'string') return false
    const expected = Buffer.from(this.#mac(id, entry.draft, key))
    const found = Buffer.from(entry.mac)
    return expected.length === found.length && timingSafeEqual(expected, found)
  }

  #mac (id: mongo.ObjectId, draft: LogDraft, key: Buffer): string {
    const signed = { ...draft, at: draft.at.getTime(), record: `${this.#options.collection}/${id.toHexString()}` }
    return createHmac('sha256', key).update('fastify-docuware-auth/outbox/v1\n').update(canonicalJson(signed)).digest('base64url')
  }
}
