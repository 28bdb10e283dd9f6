import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { Database } from '../store/database.js'
import { isLogDocument, isObjectId, type LogDocument } from './seal.js'

const retryDelay = 250
const awaitTime = 800

export interface FollowOptions {
  readonly database: Database
  readonly collection: () => mongo.Collection<LogDocument>
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Of which entries: those that the server need not send are none. Those that `from` may name must be among them. Default: all. */
  readonly filter?: mongo.Filter<LogDocument>
  /** The entry after which to begin; `newest`: only what is written from now on; `oldest`: everything that is there. */
  readonly from: mongo.ObjectId | 'newest' | 'oldest'
  /** The cursor has caught up with what was there when it was opened. */
  readonly onStand?: () => void
  /** The cursor is gone; another will be opened. */
  readonly onLost?: (reason: unknown) => void
  /** The server is asked for more. */
  readonly onAsk?: () => void
  /** The server answered at that time (milliseconds since 1970), and everything it sent has been handed out. */
  readonly onBeat?: (answered: number) => void
}

/**
 * Entries in log order, each once, until `signal` aborts; across lost connections and evicted positions. What has not the shape of an entry is passed over.
 * A tail that resumes reads from the front to its place: the time in an id is the writer's, and no clock says what comes behind.
 */
export async function * followLog (options: FollowOptions): AsyncGenerator<LogDocument, void, undefined> {
  const { database, collection, clock, signal, filter = {} } = options
  let place = options.from
  while (!signal.aborted) {
    let cursor: mongo.FindCursor<LogDocument> | null = null
    const stop = (): void => { closeQuietly(cursor) }
    signal.addEventListener('abort', stop)
    try {
      const newest = await newestEntry(database, collection(), filter)
      if (place === 'newest') place = newest?._id ?? 'oldest'
      let skipTo = place === 'oldest' ? null : await findPlace(options, place)
      let stands = false
      let answered = -Infinity
      cursor = collection().find(filter, { tailable: true, awaitData: true, maxAwaitTimeMS: awaitTime, batchSize: 1000 })
      while (!signal.aborted) {
        const asks = cursor.bufferedCount() === 0
        if (asks) options.onAsk?.()
        const document = await cursor.tryNext()
        if (asks) answered = clock.now()
        const id = isObjectId(document?._id) ? document._id : null
        const caughtUp = newest !== null && id?.equals(newest._id) === true
        const isDead = document === null && (cursor.closed || cursor.id?.isZero() === true)
        if (skipTo !== null) {
          if (id?.equals(skipTo) === true) skipTo = null
        } else if (isLogDocument(document)) {
          place = document._id
          yield document
        }
        if (skipTo !== null && (caughtUp || document === null)) throw new Error('The place in the log was evicted while it was looked for')
        if (!stands && (caughtUp || document === null) && !isDead) {
          stands = true
          options.onStand?.()
        }
        if (cursor.bufferedCount() === 0) options.onBeat?.(answered)
        if (isDead) break
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

/** The id at which the log ends, or what the filter leaves of it. */
export async function newestEntry (database: Database, collection: mongo.Collection<LogDocument>, filter: mongo.Filter<LogDocument> = {}): Promise<{ readonly _id: mongo.ObjectId } | null> {
  return await database.run(async () => await collection.find({ ...filter, _id: { $type: 'objectId' } }, { projection: { _id: 1 } }).sort({ $natural: -1 }).limit(1).next())
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
