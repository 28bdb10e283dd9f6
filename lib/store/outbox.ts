import { createHmac, timingSafeEqual } from 'node:crypto'
import mongoose, { type mongo } from 'mongoose'
import type { LogDraft } from '../log/log-draft.js'
import type { LogFields } from '../log/log-entry.js'
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

/** An audit entry as it waits in its record. */
export interface OutboxEntry {
  /** The time of the change, by which waiting entries are found; not signed, the draft's own decides. */
  readonly at: Date
  /** The draft as JSON. */
  readonly draft: string
  /** HMAC-SHA-256 over the draft and the record it waits in, and the data key's id: whoever can write records cannot write log entries by them. */
  readonly mac: string
  readonly key: string
}

/** What an entry says. Its `source` is the entry's own id, and keeps it from being logged twice. */
type SourcedDraft = LogDraft & { readonly source: string }

/** An audit entry of a change: `stored` is written into the record with that id, in the same operation. */
export interface ChangeEntry {
  readonly id: mongo.ObjectId
  readonly draft: SourcedDraft
  readonly stored: OutboxEntry
}

export interface OutboxOptions {
  /** Without the store's prefix. */
  readonly collection: string
  /** What the log calls one of its documents. */
  readonly type: string
  readonly documents: () => mongo.Collection<RecordDocument>
  readonly keyRing: KeyRing
  /** A new one each time. */
  readonly draft: (event: string, fields: LogFields) => LogDraft
  /** Stores entries in the log, once. */
  readonly log: (...drafts: readonly LogDraft[]) => Promise<void>
}

/** Keys of the index by which waiting entries are found. */
export const outboxIndex = { 'outbox.at': 1 } as const

/** Milliseconds: younger entries are left to the process that made them. */
const patience = 5000
const sweepSize = 1000
const keyLabel = 'outbox'

/** Takes audit entries from their records to the log. */
export class Outbox {
  readonly #options: OutboxOptions

  constructor (options: OutboxOptions) {
    this.#options = options
  }

  /** Makes an entry that waits in the record with that id. @throws DWA_STORE_UNAVAILABLE before the key ring was read */
  entry (id: mongo.ObjectId, event: string, fields: LogFields): ChangeEntry {
    const { keyId, key } = this.#options.keyRing.current(keyLabel)
    const draft = Object.assign(this.#options.draft(event, fields), { source: new mongoose.mongo.ObjectId().toHexString() })
    const text = JSON.stringify(draft)
    return { id, draft, stored: { at: draft.at, draft: text, mac: this.#mac(id, text, key), key: keyId } }
  }

  /** Logs one entry, then takes it out of the record; the last one takes a tombstone along. */
  async deliver ({ id, draft, stored }: ChangeEntry): Promise<void> {
    await this.#options.log(draft)
    await this.#drop(id, stored)
  }

  /** Logs entries of several documents that are no tombstones, then takes them all out in one command. */
  async deliverAll (entries: readonly ChangeEntry[]): Promise<void> {
    await this.#options.log(...entries.map(({ draft }) => draft))
    const delivered: mongo.Document = { $pull: { outbox: { mac: { $in: entries.map(({ stored: { mac } }) => mac) } } } }
    await this.#options.documents().updateMany({ _id: { $in: entries.map(({ id }) => id) } }, delivered, { writeConcern: { w: 'majority' } })
  }

  /**
   * Delivers what dead processes left behind. Several processes may sweep at once: the log takes each entry once.
   * What this package did not put there, of whatever shape, is thrown away, and keeps nobody else's entry from the log.
   */
  async sweep (now: number): Promise<void> {
    const old = new Date(now - patience)
    const records = await this.#options.documents().find({ _id: { $type: 'objectId' }, 'outbox.at': { $lt: old } }, { projection: { outbox: 1 }, hint: outboxIndex }).limit(sweepSize).toArray()
    for (const { _id, outbox } of records) await this.#sweepRecord(_id, outbox, old)
  }

  /** The same for one document, however young its entries are. */
  async deliverFrom (id: mongo.ObjectId): Promise<void> {
    const record = await this.#options.documents().findOne({ _id: id }, { projection: { outbox: 1 } })
    if (record?.outbox !== undefined) await this.#sweepRecord(id, record.outbox, new Date(8.64e15))
  }

  async #sweepRecord (id: mongo.ObjectId, outbox: unknown, old: Date): Promise<void> {
    if (!Array.isArray(outbox)) {
      await this.#reportForged(id)
      await this.#tidy(id, { $set: { outbox: [] } }, { outbox: { $not: { $type: 'array' } } })
      return
    }
    const found: unknown[] = outbox
    for (const entry of found) {
      const authentic = await this.#authentic(id, entry)
      if (authentic === null) {
        await this.#reportForged(id)
        await this.#drop(id, entry)
      } else if (authentic.draft.at < old) {
        await this.deliver(authentic)
      }
    }
  }

  /** Of an entry that this package did not put there: it is removed and not logged. */
  async #reportForged (id: mongo.ObjectId): Promise<void> {
    const { type, draft, log } = this.#options
    await log(draft('log.forged', { level: 'error', target: { type, id: id.toHexString() }, message: 'an audit entry in the document was not made by this package and was thrown away' }))
  }

  /** Whatever a forger wrote is a value here, and never an operator. */
  async #drop (id: mongo.ObjectId, entry: unknown): Promise<void> {
    const element = typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? { mac: { $eq: 'mac' in entry ? entry.mac : null } } : { $eq: entry }
    await this.#tidy(id, { $pull: { outbox: element } })
  }

  async #tidy (id: mongo.ObjectId, update: mongo.Document, condition: mongo.Filter<mongo.Document> = {}): Promise<void> {
    const collection = this.#options.documents()
    const left = await collection.findOneAndUpdate({ ...condition, _id: id }, update, { returnDocument: 'after', projection: { version: 1, outbox: 1 }, writeConcern: { w: 'majority' } })
    if (left !== null && left['version'] === undefined) await collection.deleteOne({ _id: id, version: { $exists: false }, outbox: { $size: 0 } }, { writeConcern: { w: 'majority' } })
  }

  /** The entry if this package put it there, or null. */
  async #authentic (id: mongo.ObjectId, stored: unknown): Promise<ChangeEntry | null> {
    if (!isOutboxEntry(stored)) return null
    const key = await this.#options.keyRing.find(keyLabel, stored.key)
    return key !== null && this.#fits(id, stored, key) ? { id, draft: readDraft(stored.draft), stored } : null
  }

  #fits (id: mongo.ObjectId, { draft, mac }: OutboxEntry, key: Buffer): boolean {
    const expected = Buffer.from(this.#mac(id, draft, key))
    const found = Buffer.from(mac)
    return expected.length === found.length && timingSafeEqual(expected, found)
  }

  #mac (id: mongo.ObjectId, draft: string, key: Buffer): string {
    return createHmac('sha256', key).update(`fastify-docuware-auth/outbox/v2\n${this.#options.collection}/${id.toHexString()}\n${draft}`).digest('base64url')
  }
}

/** Whether it has the shape; its `mac` vouches for the draft. */
function isOutboxEntry (value: unknown): value is OutboxEntry {
  if (typeof value !== 'object' || value === null) return false
  const { draft, mac, key }: Partial<Record<keyof OutboxEntry, unknown>> = value
  return [draft, mac, key].every((text) => typeof text === 'string')
}

/** A draft that `entry` has written. */
function readDraft (text: string): SourcedDraft {
  const draft = JSON.parse(text) as Omit<SourcedDraft, 'at'> & { readonly at: string }
  return { ...draft, at: new Date(draft.at) }
}
