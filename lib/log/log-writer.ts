import { randomBytes } from 'node:crypto'
import mongoose, { type mongo } from 'mongoose'
import { errors } from '../errors.js'
import type { Clock } from '../clock.js'
import type { Database } from '../store/database.js'
import type { KeyRing } from '../store/key-ring.js'
import { isDuplicateKey } from '../store/key-ring-document.js'
import { reasonOf, type Logger } from '../store/logger.js'
import { unavailable } from '../store/unavailable.js'
import { ownDraft, type LogDraft } from './log-draft.js'
import { logKeyLabel, seal, type LogDocument } from './seal.js'

/** An entry that waits for its place. */
interface Pending {
  readonly draft: LogDraft
  readonly spooled: boolean
  readonly resolve: (stored: LogDocument) => void
  readonly reject: (reason: unknown) => void
}

/** One that has it. */
interface Sealed {
  readonly pending: Pending
  readonly document: LogDocument
}

const batchSize = 500
const retryDelay = 1000

export interface LogWriterOptions {
  readonly database: Database
  readonly collection: () => mongo.Collection<LogDocument>
  readonly keyRing: KeyRing
  readonly clock: Clock
  readonly logger: Logger
  /** Entries `spool` keeps while they cannot be written. */
  readonly spoolSize: number
  /** Called for stored entries, in order, before their appends resolve. */
  readonly onStored: (entries: readonly LogDocument[]) => void
}

/**
 * Writes one chain, in order, one batch at a time; what arrives meanwhile goes with the next one.
 * A batch whose outcome is unknown is sent again as it was, with the same ids, places and hashes: what had been stored
 * collides with itself, so nothing is lost and nothing doubled.
 */
export class LogWriter {
  /** Random, one per process start. */
  readonly chain = randomBytes(12).toString('hex')
  readonly #options: LogWriterOptions
  #queue: Pending[] = []
  #sealed: Sealed[] = []
  /** The last link that is stored or sealed. */
  #seq = 0
  #prev: string | null = null
  #stored: { seq: number, hash: string, at: number } | null = null
  #spooled = 0
  #lost = 0
  #lostSince: Date | null = null
  #opened = false
  #draining: Promise<void> | null = null
  #closing = false
  #cancelRetry = (): void => {}

  constructor (options: LogWriterOptions) {
    this.#options = options
    options.database.onReachable(() => { this.#startDraining() })
  }

  /** The last stored entry's place, hash and time of writing (ms); null before the first. */
  get head (): { readonly seq: number, readonly hash: string, readonly at: number } | null {
    return this.#stored
  }

  /**
   * Begins the chain. Until then `append` is refused and `spool` waits. Resolves when `genesis` is stored.
   * @throws DWA_STORE_UNAVAILABLE; a genesis that was under way is sent again by itself, and a second one is refused
   */
  async open (genesis: LogDraft): Promise<void> {
    if (this.#opened || !this.#options.database.reachable) throw unavailable()
    this.#opened = true
    await new Promise<LogDocument>((resolve, reject) => {
      this.#queue.unshift({ draft: genesis, spooled: false, resolve, reject })
      this.#startDraining()
    })
  }

  /**
   * Resolves when the entry is stored. When it rejects with DWA_STORE_UNAVAILABLE, the entry was not stored and will not be, with one exception:
   * if it was under way when the connection broke, it is in the log once, now or as soon as the database is back.
   * @throws DWA_STORE_UNAVAILABLE, DWA_LOG_CLOSED
   */
  async append (draft: LogDraft): Promise<LogDocument> {
    if (this.#closing) throw new errors.DWA_LOG_CLOSED()
    return await this.#enqueue(draft)
  }

  /** The same for several entries, in their order. Rejects with the first refusal; the others are stored all the same. */
  async appendAll (drafts: readonly LogDraft[]): Promise<void> {
    if (this.#closing) throw new errors.DWA_LOG_CLOSED()
    if (drafts.length === 0) return
    this.#requireOpen()
    await new Promise<void>((resolve, reject) => {
      let missing = drafts.length
      const countDown = (): void => { if (--missing === 0) resolve() }
      for (const draft of drafts) this.#queue.push({ draft, spooled: false, resolve: countDown, reject })
      this.#startDraining()
    })
  }

  /** Takes the entry along when the database takes entries. Beyond the spool's size it is only counted. */
  spool (draft: LogDraft): void {
    if (this.#closing) return
    if (this.#spooled >= this.#options.spoolSize) {
      this.#lost++
      this.#lostSince ??= draft.at
      return
    }
    this.#push(draft)
    this.#startDraining()
  }

  /**
   * Writes what is waiting, then `last` in order, and takes nothing more.
   * @returns whether everything was written; otherwise the number of entries lost goes to the app's logger
   */
  async close (last: ReadonlyArray<() => LogDraft>): Promise<boolean> {
    this.#closing = true
    await this.#settle()
    try {
      for (const draft of last) await this.#enqueue(draft())
    } catch (error) {
      this.#options.logger.error({ reason: reasonOf(error), lost: this.#queue.length + this.#sealed.length + this.#lost }, 'the audit log was closed without its last entries')
      return false
    } finally {
      this.#cancelRetry()
      this.#opened = false
    }
    return true
  }

  async #enqueue (draft: LogDraft): Promise<LogDocument> {
    this.#requireOpen()
    return await new Promise<LogDocument>((resolve, reject) => {
      this.#queue.push({ draft, spooled: false, resolve, reject })
      this.#startDraining()
    })
  }

  #requireOpen (): void {
    if (!this.#opened || !this.#options.database.reachable) throw unavailable()
  }

  #push (draft: LogDraft): void {
    this.#spooled++
    this.#queue.push({ draft, spooled: true, resolve: ignore, reject: ignore })
  }

  async #settle (): Promise<void> {
    while (this.#draining !== null) await this.#draining
  }

  #startDraining (): void {
    if (this.#draining !== null || !this.#opened || !this.#options.database.reachable) return
    this.#cancelRetry()
    this.#draining = this.#drain()
  }

  /** Ends `#draining` in the same breath as it finds nothing left, so that no entry falls between. */
  async #drain (): Promise<void> {
    await null // what arrives in one go is written in one go
    while (this.#sealed.length > 0 || this.#queue.length > 0 || this.#lost > 0) {
      try {
        if (this.#sealed.length === 0) this.#sealNext()
        await this.#send()
      } catch (error) {
        this.#interrupt(error)
        break
      }
    }
    this.#draining = null
  }

  #sealNext (): void {
    if (this.#lost > 0 && this.#spooled < this.#options.spoolSize) {
      const until = new Date(this.#options.clock.now())
      this.#push(ownDraft(until.getTime(), 'log.gap', { count: this.#lost, from: (this.#lostSince ?? until).toISOString(), to: until.toISOString() }, 'warning'))
      this.#lost = 0
      this.#lostSince = null
    }
    const batch = this.#queue.slice(0, batchSize)
    this.#sealed = this.#sealAll(batch)
    this.#queue = this.#queue.slice(batch.length)
    this.#spooled -= batch.filter((pending) => pending.spooled).length
  }

  #sealAll (batch: readonly Pending[]): Sealed[] {
    const { keyId, key } = this.#options.keyRing.current(logKeyLabel)
    const seconds = Math.floor(this.#options.clock.now() / 1000)
    return batch.map((pending) => {
      const id = new mongoose.mongo.ObjectId(mongoose.mongo.ObjectId.generate(seconds))
      const document = seal(id, pending.draft, { chain: this.chain, seq: this.#seq + 1, prev: this.#prev }, keyId, key)
      this.#seq = document.seq
      this.#prev = document.hash
      return { pending, document }
    })
  }

  async #send (): Promise<void> {
    const { database, collection } = this.#options
    try {
      await database.run(async () => await collection().insertMany(this.#sealed.map(({ document }) => document), { ordered: true, writeConcern: { w: 'majority' } }))
      this.#markStored(this.#sealed.length)
    } catch (error) {
      const refused = isRefusedForGood(error)
      if (!refused && !isDuplicateKey(error)) throw error
      this.#markStored(failedIndex(error))
      if (refused) this.#dropFirst(error)
      else await this.#passDuplicate(error)
    }
  }

  /** MongoDB will never take the first entry: it is refused and counted, and the others go on without it. */
  #dropFirst (error: unknown): void {
    const [first] = this.#sealed
    if (first === undefined) return
    const { draft: { event, at }, reject } = first.pending
    this.#options.logger.error({ event, reason: reasonOf(error) }, 'an entry of the audit log was refused for good')
    if (event !== 'log.gap') {
      this.#lost++
      this.#lostSince ??= at
    }
    this.#resealBehind(first)
    reject(new errors.DWA_LOG_ENTRY_REFUSED(reasonOf(error)))
  }

  /** The first one takes no place in the chain after all. */
  #resealBehind ({ document }: Sealed): void {
    const behind = this.#sealed.slice(1).map(({ pending }) => pending)
    this.#seq = document.seq - 1
    this.#prev = document.prev
    this.#sealed = this.#sealAll(behind)
  }

  /** The first of the batch collided: with itself, stored by an earlier attempt, or with another process that delivered the same outbox entry. */
  async #passDuplicate (collision: unknown): Promise<void> {
    const { database, collection } = this.#options
    const [first] = this.#sealed
    if (first === undefined) throw collision
    const { seq, source } = first.document
    const stored = await database.run(async () => await collection().find({ chain: this.chain, seq: { $gte: seq } }, { projection: { hash: 1 } }).sort({ seq: 1 }).toArray())
    const differs = this.#sealed.findIndex(({ document }, index) => stored[index]?.hash !== document.hash)
    if (differs !== 0) {
      this.#markStored(differs === -1 ? this.#sealed.length : differs)
      return
    }
    const delivered = source === undefined ? null : await database.run(async () => await collection().findOne({ source }))
    if (delivered === null) throw collision
    this.#resealBehind(first)
    first.pending.resolve(delivered)
  }

  #markStored (count: number): void {
    const stored = this.#sealed.slice(0, count)
    this.#sealed = this.#sealed.slice(count)
    const last = stored.at(-1)?.document
    if (last === undefined) return
    this.#stored = { seq: last.seq, hash: last.hash, at: last._id.getTimestamp().getTime() }
    this.#options.onStored(stored.map(({ document }) => document))
    for (const { pending, document } of stored) pending.resolve(document)
  }

  /** Refuses whoever waits; keeps what was under way and the spool for the next attempt. */
  #interrupt (error: unknown): void {
    const { clock, logger } = this.#options
    const reason = unavailable(new Error(reasonOf(error)))
    logger.warn({ reason: reasonOf(error) }, 'the audit log cannot be written, trying on')
    for (const { reject } of [...this.#sealed.map(({ pending }) => pending), ...this.#queue]) reject(reason)
    this.#sealed = this.#sealed.map(({ pending, document }) => ({ pending: { ...pending, resolve: ignore, reject: ignore }, document }))
    this.#queue = this.#queue.filter((pending) => pending.spooled)
    this.#cancelRetry = clock.after(retryDelay, () => { this.#startDraining() })
  }
}

function ignore (): void {}

/** BadValue (larger than the capped collection), DocumentValidationFailure, BSONObjectTooLarge: about this very document, whenever it is sent. */
const permanent = new Set<unknown>([2, 121, 10334])

function isRefusedForGood (error: unknown): boolean {
  return error instanceof Error && 'writeErrors' in error && [error.writeErrors].flat().length > 0 && 'code' in error && permanent.has(error.code)
}

/** With `ordered`, the one write error of a batch says how many went before it. */
function failedIndex (error: unknown): number {
  const [first]: unknown[] = error instanceof Error && 'writeErrors' in error ? [error.writeErrors].flat() : []
  return typeof first === 'object' && first !== null && 'index' in first && typeof first.index === 'number' ? first.index : 0
}
