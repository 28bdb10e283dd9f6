import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import { isDuplicateKey } from './key-ring-document.js'
import { reasonOf, type Logger } from './logger.js'
import { unavailable } from './unavailable.js'

export interface LeaseDocument {
  _id: string
  /** Server time. */
  until: Date
  /** Counts the owners, and so tells the last one from those before. */
  fence: number
}

/** The right to do something that nobody else does meanwhile. */
export interface Lease {
  /** Grows with each owner: of two leases under one name the greater is the later. */
  readonly fence: number
  /** Whether it still is the last one that was taken, and has not ended. @throws DWA_STORE_UNAVAILABLE */
  isHeld (): Promise<boolean>
  /** Gives it back. When that fails it ends by itself, and a log line says so. */
  release (): Promise<void>
}

/** Milliseconds: how long a dead owner blocks the others, how long one waits for its turn, and how often it asks. */
const leaseTime = 15_000
const patience = 20_000
const pollInterval = 25

/** What a lease is taken with. */
export interface LeaseOptions {
  readonly leases: mongo.Collection<LeaseDocument>
  /** Runs a database operation, and gives up one that gets no answer. */
  readonly run: <T>(operation: () => Promise<T>) => Promise<T>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Runs `operation` while no other process runs one under the same name. The lease of an owner that died ends by itself after 15 s of the server's time:
 * an operation that takes longer is no longer alone. A lease that cannot be given back changes nothing about the outcome.
 * @throws DWA_STORE_UNAVAILABLE when the turn does not come within 20 s, or MongoDB does not answer
 */
export async function withLease<T> (options: LeaseOptions, name: string, operation: () => Promise<T>): Promise<T> {
  const { clock } = options
  const giveUp = clock.now() + patience
  let lease = await takeLease(options, name, leaseTime)
  while (lease === null) {
    if (clock.now() >= giveUp) throw unavailable(new Error(`The lease ${name} was not free for ${patience} ms`))
    await new Promise<void>((resolve) => { clock.after(pollInterval, resolve) })
    lease = await takeLease(options, name, leaseTime)
  }
  try {
    return await operation()
  } finally {
    await lease.release()
  }
}

/** Takes the lease of that name for so many milliseconds of the server's time, or null when somebody has it. @throws DWA_STORE_UNAVAILABLE */
export async function takeLease ({ leases, run, logger }: LeaseOptions, name: string, milliseconds: number): Promise<Lease | null> {
  const taken = await run(async () => await take(leases, name, milliseconds))
  if (taken === null) return null
  const { fence } = taken
  return {
    fence,
    async isHeld () {
      return await run(async () => await leases.countDocuments({ _id: name, fence, $expr: { $gte: ['$until', '$$NOW'] } })) === 1
    },
    async release () {
      try {
        await run(async () => await leases.updateOne({ _id: name, fence }, { $set: { until: new Date(0) } }))
      } catch (error) {
        logger.warn({ lease: name, reason: reasonOf(error) }, 'a lease could not be given back, it ends by itself')
      }
    }
  }
}

async function take (leases: mongo.Collection<LeaseDocument>, name: string, milliseconds: number): Promise<LeaseDocument | null> {
  try {
    return await leases.findOneAndUpdate(
      { _id: name, $expr: { $lt: ['$until', '$$NOW'] } },
      [{ $set: { until: { $add: ['$$NOW', milliseconds] }, fence: { $add: [{ $ifNull: ['$fence', 0] }, 1] } } }],
      { upsert: true, returnDocument: 'after', writeConcern: { w: 'majority' } }
    )
  } catch (error) {
    if (isDuplicateKey(error)) return null // somebody holds it
    throw error
  }
}
