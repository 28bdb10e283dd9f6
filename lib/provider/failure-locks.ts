import { createHash } from 'node:crypto'
import { errors } from '../errors.js'
import type { Clock } from '../clock.js'
import type { AuditLog } from '../log/audit-log.js'
import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { DocumentCollection, DocumentIndex } from '../store/document-collection.js'
import type { FailureLimit } from './provider-options.js'

export type LimitName = 'passwordsPerUser' | 'passwordsPerAddress' | 'clientAuthentications' | 'failuresPerAddress' | 'refusedGrants'

/** Failures of one kind and key within one window of time. */
export interface FailureDocument {
  _id: string
  count: number
  windowUntil: Date
  lockedUntil?: Date
  expiresAt: Date
}

export interface FailureLocksOptions {
  readonly documents: DocumentCollection<FailureDocument>
  /** Holds one value: the locks there are. Forgotten when the log tells of another. */
  readonly cache: ConfirmedCache<ReadonlyMap<string, number>>
  readonly limits: Readonly<Record<LimitName, FailureLimit>>
  readonly auditLog: Pick<AuditLog, 'append'>
  /** The database's time. */
  readonly clock: Clock
}

export const failureIndexes: readonly DocumentIndex[] = [
  { keys: { lockedUntil: 1 }, sparse: true },
  { keys: { expiresAt: 1 }, expireAfterSeconds: 0 }
]

/** The audit event by which every process learns of a lock. */
export const lockedEvent = 'limit.locked'

const maxLocks = 10_000

/** Failures counted in the database for all processes, and the locks that come of them (security.md 31). Who does nothing wrong costs a look into memory, and no write. */
export class FailureLocks {
  readonly #options: FailureLocksOptions

  constructor (options: FailureLocksOptions) {
    this.#options = options
  }

  /** @throws DWA_RATE_LIMITED with `retryAfter` in seconds while that key is locked, DWA_STORE_UNAVAILABLE */
  async refuseLocked (limit: LimitName, key: readonly string[]): Promise<void> {
    const locks = await this.#options.cache.get('', async () => await this.#read())
    const until = locks.get(idOf(limit, key)) ?? 0
    const now = this.#options.clock.now()
    if (until > now) throw limited(until - now)
  }

  /** Counts a failure, and locks the key when it was one too many. @throws DWA_STORE_UNAVAILABLE */
  async note (limit: LimitName, key: readonly string[]): Promise<void> {
    const { documents, limits, clock, auditLog } = this.#options
    const { max, windowSeconds, lockSeconds = windowSeconds } = limits[limit]
    const _id = idOf(limit, key)
    const now = clock.now()
    const date = (seconds: number): Date => new Date(now + seconds * 1000)
    const inWindow = { $gt: ['$windowUntil', new Date(now)] }
    const after = await documents.run(async (failures) => await failures.findOneAndUpdate({ _id }, [{
      $set: {
        count: { $cond: [inWindow, { $add: ['$count', 1] }, 1] },
        windowUntil: { $cond: [inWindow, '$windowUntil', date(windowSeconds)] },
        expiresAt: date(windowSeconds + lockSeconds)
      }
    }], { upsert: true, returnDocument: 'after' }))
    if (after === null || after.count < max) return
    const { modifiedCount } = await documents.run(async (failures) => await failures.updateOne({ _id, $or: [{ lockedUntil: { $exists: false } }, { lockedUntil: { $lt: new Date(now) } }] }, { $set: { lockedUntil: date(lockSeconds), count: 0 } }))
    this.forget()
    if (modifiedCount === 1) await auditLog.append(lockedEvent, { level: 'warning', target: { type: 'limit', id: _id, name: limit }, details: { limit, seconds: lockSeconds } })
  }

  /** Another process has locked somebody. */
  forget (): void {
    this.#options.cache.forget(() => true)
  }

  async #read (): Promise<ReadonlyMap<string, number>> {
    const now = new Date(this.#options.clock.now())
    const locked = await this.#options.documents.run(async (failures) => await failures.find({ lockedUntil: { $gt: now } }).sort({ lockedUntil: -1 }).limit(maxLocks).toArray())
    return new Map(locked.map(({ _id, lockedUntil }) => [_id, lockedUntil?.getTime() ?? 0]))
  }
}

/** The error, with the seconds until it is worth trying again. */
export function limited (milliseconds: number): Error {
  const retryAfter = Math.max(1, Math.ceil(milliseconds / 1000))
  return Object.assign(new errors.DWA_RATE_LIMITED(retryAfter), { retryAfter })
}

/** Neither names nor addresses are in the database. */
function idOf (limit: LimitName, key: readonly string[]): string {
  return `${limit}:${createHash('sha256').update(JSON.stringify(key)).digest('base64url')}`
}
