import { createHash } from 'node:crypto'
import { errors } from '../errors.js'
import type { Clock } from '../clock.js'
import type { AuditLog } from '../log/audit-log.js'
import type { ConfirmedCache } from './confirmed-cache.js'
import type { DocumentCollection, DocumentIndex } from './document-collection.js'

/** So many failures within so many seconds lock for so many seconds, by default those of the window. */
export interface FailureLimit { readonly max: number, readonly windowSeconds: number, readonly lockSeconds?: number }

/** JSON schema of FailureLimit. */
export const failureLimitSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['max', 'windowSeconds'],
  properties: { max: { type: 'integer', minimum: 1 }, windowSeconds: { type: 'integer', minimum: 1, maximum: 86_400 }, lockSeconds: { type: 'integer', minimum: 1, maximum: 86_400 } }
} as const

/** Failures of one kind and key within one window of time. */
export interface FailureDocument {
  _id: string
  count: number
  windowUntil: Date
  lockedUntil?: Date
  expiresAt: Date
}

export interface FailureLocksOptions<LimitName extends string> {
  readonly documents: DocumentCollection<FailureDocument>
  /** Holds one value: the locks there are. Forgotten when the log tells of another. */
  readonly cache: ConfirmedCache<ReadonlyMap<string, number>>
  readonly limits: Readonly<Record<LimitName, FailureLimit>>
  readonly auditLog: Pick<AuditLog, 'append'>
  /** The database's time. */
  readonly clock: Clock
}

/** The collection of the failures that every plugin counts. */
export const failureCollection = 'failures'

export const failureIndexes: readonly DocumentIndex[] = [
  { keys: { lockedUntil: 1 }, sparse: true },
  { keys: { expiresAt: 1 }, expireAfterSeconds: 0 }
]

/** The audit event by which every process learns of a lock. */
export const lockedEvent = 'limit.locked'

const maxLocks = 10_000

/** Failures counted in the database for all processes, and the locks that come of them (security.md 31). Who does nothing wrong costs a look into memory, and no write. */
export class FailureLocks<LimitName extends string> {
  readonly #options: FailureLocksOptions<LimitName>

  constructor (options: FailureLocksOptions<LimitName>) {
    this.#options = options
  }

  /** @throws DWA_RATE_LIMITED with `retryAfter` in seconds while that key is locked, DWA_STORE_UNAVAILABLE */
  async refuseLocked (limit: LimitName, key: readonly string[]): Promise<void> {
    const locks = await this.#locks()
    if (locks.size === 0) return
    const until = locks.get(idOf(limit, key)) ?? 0
    const now = this.#options.clock.now()
    if (until > now) throw limited(until - now)
  }

  /** Whether nobody is locked, as it is most of the time; a promise only when the database has to be asked. Throws, or rejects with, DWA_STORE_UNAVAILABLE. */
  areNone (): boolean | Promise<boolean> {
    const locks = this.#locks()
    return locks instanceof Promise ? locks.then(({ size }) => size === 0) : locks.size === 0
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

  #locks (): ReadonlyMap<string, number> | Promise<ReadonlyMap<string, number>> {
    return this.#options.cache.get('', this.#read)
  }

  readonly #read = async (): Promise<ReadonlyMap<string, number>> => {
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
function idOf (limit: string, key: readonly string[]): string {
  return `${limit}:${createHash('sha256').update(JSON.stringify(key)).digest('base64url')}`
}
