import { randomBytes } from 'node:crypto'
import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import { isDuplicateKey } from './key-ring-document.js'

export interface LeaseDocument {
  readonly _id: string
  readonly holder: string
  /** By the server's clock. */
  readonly until: Date
}

/** How long a dead holder keeps the others out: longer than any one piece of work may take. */
const leaseMs = 30_000
/** How long to wait for another holder before giving up. */
const patienceMs = 10_000
const pollMs = 25

/**
 * Exclusion across processes for work that reads several documents before it writes one: a named lease in the database, by server time.
 * Within a process the callers queue, so at most one of them competes.
 */
export class Leases {
  readonly #collection: () => mongo.Collection<LeaseDocument>
  readonly #run: <T>(operation: () => Promise<T>) => Promise<T>
  readonly #clock: Clock
  readonly #queues = new Map<string, Promise<unknown>>()

  constructor (collection: () => mongo.Collection<LeaseDocument>, run: <T>(operation: () => Promise<T>) => Promise<T>, clock: Clock) {
    this.#collection = collection
    this.#run = run
    this.#clock = clock
  }

  /** Runs `work` while nobody else holds the lease. @throws DWA_STORE_BUSY, DWA_STORE_UNAVAILABLE, and what `work` throws */
  async hold<T> (name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(name) ?? Promise.resolve()
    const mine = before.then(() => this.#holdAlone(name, work))
    const settled = mine.then(() => {}, () => {})
    this.#queues.set(name, settled)
    try {
      return await mine
    } finally {
      if (this.#queues.get(name) === settled) this.#queues.delete(name)
    }
  }

  async #holdAlone<T> (name: string, work: () => Promise<T>): Promise<T> {
    const holder = randomBytes(16).toString('hex')
    const deadline = this.#clock.now() + patienceMs
    while (!await this.#run(() => this.#acquire(name, holder))) {
      if (this.#clock.now() >= deadline) throw new errors.DWA_STORE_BUSY(name)
      await new Promise<void>((resolve) => { this.#clock.after(pollMs, resolve) })
    }
    try {
      return await work()
    } finally {
      await this.#run(() => this.#collection().deleteOne({ _id: name, holder }))
    }
  }

  async #acquire (name: string, holder: string): Promise<boolean> {
    try {
      await this.#collection().updateOne(
        { _id: name, $expr: { $lte: ['$until', '$$NOW'] } },
        [{ $set: { holder, until: { $add: ['$$NOW', leaseMs] } } }],
        { upsert: true }
      )
      return true
    } catch (error) {
      if (isDuplicateKey(error)) return false // the lease exists and has not run out
      throw error
    }
  }
}
