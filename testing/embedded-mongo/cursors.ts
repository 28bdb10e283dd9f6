import { sizeOf, type Document } from './document.js'
import type { Collection, StoredRecord } from './collection.js'
import { ServerError } from './errors.js'
import type { Matcher } from './matcher.js'

const FIRST_BATCH = 101
const MAX_BATCH_BYTES = 16 * 1024 * 1024
const DEFAULT_AWAIT_MS = 1000

/** Where a cursor's documents come from. `undefined` is the end, for now where the cursor is tailable. */
export interface Source {
  next: () => Document | undefined
  /** Set for a tailable source: waits until there may be more, or the signal ends the wait. */
  wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

export interface Cursor {
  id: bigint
  namespace: string
  source: Source
  pending: Document | undefined
  awaitData: boolean
  user: string | undefined
}

/** The results of a query that is already done. */
export function listSource (documents: Iterable<Document>): Source {
  const iterator = documents[Symbol.iterator]()
  return {
    next: () => {
      const step = iterator.next()
      return step.done === true ? undefined : step.value
    }
  }
}

/** A scan of a capped collection in natural order, which goes on where it was and dies where that is gone. */
export function cappedSource (collection: Collection, matches: Matcher, transform: (document: Document) => Document, tailable: boolean): Source {
  let last = 0
  const next = (): Document | undefined => {
    if (collection.dropped) throw new ServerError('QueryPlanKilled', 'collection dropped')
    if (last > 0 && collection.records.get(last) === undefined) {
      throw new ServerError('CappedPositionLost', `CollectionScan died due to position in capped collection being deleted. Last seen record id: RecordId(${last})`)
    }
    let found: StoredRecord | undefined
    for (const [id, record] of collection.records.from(last + 1)) {
      last = id
      if (matches(record.document)) {
        found = record
        break
      }
    }
    return found === undefined ? undefined : transform(found.document)
  }
  if (!tailable) return { next }
  return {
    next,
    wait: async (milliseconds, signal) => {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          unsubscribe()
          signal.removeEventListener('abort', done)
          resolve()
        }
        const timer = setTimeout(done, milliseconds)
        const unsubscribe = collection.whenChanged(done)
        signal.addEventListener('abort', done)
        if (signal.aborted) done()
      })
    }
  }
}

/** The open cursors of a server. */
export class Cursors {
  readonly #open = new Map<bigint, Cursor>()
  #last = 1_000_000_000_000n

  get size (): number {
    return this.#open.size
  }

  /** Answers the first batch and keeps the cursor where there is more to come. */
  open (namespace: string, source: Source, options: { batchSize?: number | undefined, singleBatch?: boolean, awaitData?: boolean, user: string | undefined }): Document {
    const cursor: Cursor = { id: 0n, namespace, source, pending: undefined, awaitData: options.awaitData === true, user: options.user }
    const { batch, more } = take(cursor, options.batchSize ?? FIRST_BATCH)
    if ((more || source.wait !== undefined) && options.singleBatch !== true) {
      this.#last += BigInt(1 + Math.floor(Math.random() * 1000))
      cursor.id = this.#last
      this.#open.set(cursor.id, cursor)
    }
    return { cursor: { firstBatch: batch, id: cursor.id, ns: namespace }, ok: 1 }
  }

  find (id: bigint): Cursor {
    const cursor = this.#open.get(id)
    if (cursor === undefined) throw new ServerError('CursorNotFound', `cursor id ${id} not found`)
    return cursor
  }

  /** Answers the next batch. An awaiting cursor with nothing to give waits first. */
  async more (cursor: Cursor, batchSize: number | undefined, maxTimeMS: number | undefined, signal: AbortSignal): Promise<Document> {
    let result: { batch: Document[], more: boolean }
    try {
      result = take(cursor, batchSize ?? Infinity)
      if (result.batch.length === 0 && cursor.awaitData && cursor.source.wait !== undefined) {
        const until = Date.now() + (maxTimeMS ?? DEFAULT_AWAIT_MS)
        while (result.batch.length === 0 && !signal.aborted && this.#open.has(cursor.id) && Date.now() < until) {
          await cursor.source.wait(until - Date.now(), signal)
          result = take(cursor, batchSize ?? Infinity)
        }
      }
    } catch (error) {
      this.#open.delete(cursor.id)
      throw error
    }
    const alive = result.more || cursor.source.wait !== undefined
    if (!alive) this.#open.delete(cursor.id)
    return { cursor: { nextBatch: result.batch, id: alive ? cursor.id : 0n, ns: cursor.namespace }, ok: 1 }
  }

  kill (id: bigint): boolean {
    return this.#open.delete(id)
  }

  clear (): void {
    this.#open.clear()
  }
}

function take (cursor: Cursor, limit: number): { batch: Document[], more: boolean } {
  const batch: Document[] = []
  let bytes = 0
  while (batch.length < limit) {
    const document = cursor.pending ?? cursor.source.next()
    cursor.pending = undefined
    if (document === undefined) return { batch, more: false }
    bytes += sizeOf(document) + 16
    if (bytes > MAX_BATCH_BYTES && batch.length > 0) {
      cursor.pending = document
      break
    }
    batch.push(document)
  }
  if (cursor.source.wait === undefined && cursor.pending === undefined) cursor.pending = cursor.source.next()
  return { batch, more: cursor.source.wait !== undefined || cursor.pending !== undefined }
}
