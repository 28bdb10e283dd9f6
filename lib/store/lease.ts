import { randomUUID } from 'node:crypto'
import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import { isDuplicateKey } from './key-ring-document.js'
import { reasonOf, type Logger } from './logger.js'
import { unavailable } from './unavailable.js'

export interface LeaseDocument { _id: string, owner: string, until: Date }

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
export async function withLease<T> ({ leases, run, clock, logger }: LeaseOptions, name: string, operation: () => Promise<T>): Promise<T> {
  const owner = randomUUID()
  const giveUp = clock.now() + patience
  while (!await run(async () => await take(leases, name, owner))) {
    if (clock.now() >= giveUp) throw unavailable(new Error(`The lease ${name} was not free for ${patience} ms`))
    await new Promise<void>((resolve) => { clock.after(pollInterval, resolve) })
  }
  try {
    return await operation()
  } finally {
    try {
      await run(async () => await leases.deleteOne({ _id: name, owner }))
    } catch (error) {
      logger.warn({ lease: name, reason: reasonOf(error) }, 'a lease could not be given back, it ends by itself')
    }
  }
}

async function take (leases: mongo.Collection<LeaseDocument>, name: string, owner: string): Promise<boolean> {
  try {
    await leases.updateOne(
      { _id: name, $expr: { $lt: ['$until', '$$NOW'] } },
      [{ $set: { owner, until: { $add: ['$$NOW', leaseTime] } } }],
      { upsert: true, writeConcern: { w: 'majority' } }
    )
    return true
  } catch (error) {
    if (isDuplicateKey(error)) return false // somebody holds it
    throw error
  }
}
