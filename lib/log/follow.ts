import mongoose, { type mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { Database } from '../store/database.js'
import type { LogDocument } from './seal.js'

/** Ids of several processes are not in log order: a tail that resumes looks this far back, in milliseconds of the ids' time, for its place. */
const overlap = 600_000
const retryDelay = 250
const awaitTime = 800

export interface FollowOptions {
  readonly database: Database
  readonly collection: () => mongo.Collection<LogDocument>
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The entry after which to begin; `newest`: only what is written from now on; `oldest`: everything that is there. */
  readonly from: mongo.ObjectId | 'newest' | 'oldest'
  /** The cursor has caught up with what was there when it was opened. */
  readonly onStand?: () => void
  /** The cursor is gone; another will be opened. */
  readonly onLost?: (reason: unknown) => void
  /** The server answered, and everything it sent has been handed out. */
  readonly onBeat?: () => void
}

/** Entries in log order, each once, until `signal` aborts; across lost connections and evicted positions. */
export async function * followLog (options: FollowOptions): AsyncGenerator<LogDocument, void, undefined> {
  const { database, collection, clock, signal } = options
  let place = options.from
  while (!signal.aborted) {
    let cursor: mongo.FindCursor<LogDocument> | null = null
    const stop = (): void => { closeQuietly(cursor) }
    signal.addEventListener('abort', stop)
    try {
      const newest = await database.run(async () => await collection().find({}, { projection: { _id: 1 } }).sort({ $natural: -1 }).limit(1).next())
      if (place === 'newest') place = newest?._id ?? 'oldest'
      let skipTo = place === 'oldest' ? null : await findPlace(options, place)
      let standAt = newest?._id ?? null
      const filter = skipTo === null ? {} : { _id: { $gte: overlapStart(skipTo) } }
      cursor = collection().find(filter, { tailable: true, awaitData: true, maxAwaitTimeMS: awaitTime, batchSize: 1000 })
      while (!signal.aborted) {
        const document = await cursor.tryNext()
        const caughtUp = standAt !== null && document?._id.equals(standAt) === true
        if (document !== null) {
          if (skipTo === null) {
            place = document._id
            yield document
          } else if (document._id.equals(skipTo)) {
            skipTo = null
          }
        }
        if (skipTo !== null && (caughtUp || document === null)) throw new Error('The place in the log was evicted while it was looked for')
        if (caughtUp || (document === null && standAt !== null)) {
          standAt = null
          options.onStand?.()
        }
        if (cursor.bufferedCount() === 0) options.onBeat?.()
        if (document === null && (cursor.closed || cursor.id?.isZero() === true)) break
      }
    } catch (error) {
      if (!signal.aborted) options.onLost?.(error)
    } finally {
      signal.removeEventListener('abort', stop)
      closeQuietly(cursor)
    }
    if (!signal.aborted) await pause(clock, signal)
  }
}

/** Where to skip to, or null when the entry was evicted: then everything that is left is newer. */
async function findPlace ({ database, collection }: FollowOptions, place: mongo.ObjectId): Promise<mongo.ObjectId | null> {
  const found = await database.run(async () => await collection().findOne({ _id: place }, { projection: { _id: 1 } }))
  return found === null ? null : place
}

function overlapStart (place: mongo.ObjectId): mongo.ObjectId {
  const seconds = Math.max(0, Math.floor((place.getTimestamp().getTime() - overlap) / 1000))
  return mongoose.mongo.ObjectId.createFromTime(seconds)
}

async function pause (clock: Clock, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(retryDelay, done)
    signal.addEventListener('abort', done)
  })
}

/** A cursor that cannot be closed is closed: its connection is gone. */
function closeQuietly (cursor: mongo.FindCursor<LogDocument> | null): void {
  cursor?.close().catch(() => {})
}
