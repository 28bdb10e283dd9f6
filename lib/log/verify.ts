import type { mongo } from 'mongoose'
import type { KeyRing } from '../store/key-ring.js'
import type { Verification } from './audit-log.js'
import { readHeads, type Head } from './heads.js'
import { readLogCollection } from './log-collection.js'
import { isIntact, isLogDocument, logKeyLabel, type LogDocument } from './seal.js'

/** Clocks differ by less than this, in milliseconds. */
const skew = 600_000
/** A capped collection evicts only what must go: less than this share of its bound, and something else took the front. */
const fullShare = 0.9

export interface VerifySubject {
  readonly db: mongo.Db
  readonly collection: mongo.Collection<LogDocument>
  readonly keyRing: Pick<KeyRing, 'find' | 'retiredAt'>
  /** Heads known from outside the database: earlier lines of the app's log, and the running process's own. */
  readonly anchors: readonly Head[]
}

/** A chain as far as its surviving entries have been read. */
interface ChainState {
  readonly first: number
  readonly firstPrev: string | null
  seq: number
  hash: string
}

type Flaw = NonNullable<Verification['firstBad']>

/** What came out: the interface's, for the log as it was when the pass began. */
export async function verifyLog (subject: VerifySubject): Promise<Verification> {
  const checkpoints = newestHeads(await checkpointHeads(subject.collection))
  const heads = newestHeads([...checkpoints.values(), ...subject.anchors])
  const walk = new Walk(subject.keyRing, heads, subject.anchors)
  const cursor = subject.collection.find({}).sort({ $natural: 1 }).batchSize(1000)
  for await (const document of cursor) await walk.visit(document)
  walk.checkEnds()
  if (walk.frontMissing(heads)) walk.blame(await missingFront(subject))
  const unanchoredFront = [...walk.chains].some(([chain, state]) => state.first > 1 && (checkpoints.get(chain)?.seq ?? 0) < state.first - 1)
  return {
    ok: walk.flaw === null,
    entries: walk.entries,
    chains: walk.chains.size,
    ...(walk.flaw === null ? {} : { firstBad: walk.flaw }),
    unanchoredFront
  }
}

/** MongoDB's CappedPositionLost. */
const positionLost = 136

/** Reads again, twice at most, when the log was overwritten faster than it was read. */
export async function againWhenOverwritten<T> (read: () => Promise<T>, attempts = 3): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (attempts === 1 || !(error instanceof Error && 'code' in error && error.code === positionLost)) throw error
    return await againWhenOverwritten(read, attempts - 1)
  }
}

/** One pass in the order of writing. */
class Walk {
  readonly #keyRing: VerifySubject['keyRing']
  readonly #heads: ReadonlyMap<string, Head>
  /** Every anchor by its place: unlike a checkpoint, it binds even somebody who has the keys. */
  readonly #anchors = new Map<string, Head[]>()
  readonly #keys = new Map<string, Buffer | null>()
  /** A time, in milliseconds, before which the oldest surviving entry was stored: an id says when an entry was sealed, and it may have waited long. */
  #frontStored = Infinity
  readonly #firstTimes = new Map<string, number>()
  /** The latest time of any intact entry so far. */
  #newest = -Infinity
  readonly chains = new Map<string, ChainState>()
  entries = 0
  flaw: Flaw | null = null

  constructor (keyRing: VerifySubject['keyRing'], heads: ReadonlyMap<string, Head>, anchors: readonly Head[]) {
    this.#keyRing = keyRing
    this.#heads = heads
    for (const anchor of anchors) {
      const place = `${anchor.chain} ${anchor.seq}`
      this.#anchors.set(place, [...this.#anchors.get(place) ?? [], anchor])
    }
  }

  /** Only the first flaw counts. */
  blame (flaw: Flaw | null): void {
    this.flaw ??= flaw
  }

  async visit (document: unknown): Promise<void> {
    this.entries++
    if (!isLogDocument(document)) return this.blame(flawOf(document, 'it has not the shape of an entry'))
    this.#bound(document)
    const chain = String(document.chain)
    const { seq } = document
    const problem = await this.#problemOf(document, this.chains.get(chain))
    if (problem !== null) this.blame({ chain, seq: Number(seq), problem })
    const state = this.chains.get(chain)
    if (state === undefined) {
      this.chains.set(chain, { first: Number(seq), firstPrev: document.prev, seq: Number(seq), hash: document.hash })
    } else {
      state.seq = Number(seq)
      state.hash = document.hash
    }
  }

  /** A process seals nothing new before what it sealed earlier is stored: its second batch is younger than the storing of its first, and so than that of the front. */
  #bound ({ chain, _id }: LogDocument): void {
    const time = _id.getTimestamp().getTime()
    const first = this.#firstTimes.get(chain)
    if (first === undefined) this.#firstTimes.set(chain, time)
    else if (time > first) this.#frontStored = Math.min(this.#frontStored, time)
  }

  async #problemOf (document: LogDocument, before: ChainState | undefined): Promise<string | null> {
    const key = await this.#key(String(document.key))
    if (key === null) return 'its data key is not in the key ring'
    if (!isIntact(document, key)) return 'it was altered: its hash does not fit'
    if (this.#newest > (this.#keyRing.retiredAt(document.key) ?? Infinity) + skew) return 'it was sealed with a data key that had been replaced'
    this.#newest = Math.max(this.#newest, document._id.getTimestamp().getTime())
    if (before === undefined) {
      if (document.seq === 1 && document.prev !== null) return 'it is the first of its chain and names one before it'
    } else if (document.seq !== before.seq + 1) {
      return document.seq > before.seq ? `entries are missing before it: the one before is ${before.seq}` : 'it is out of order'
    } else if (document.prev !== before.hash) {
      return 'it does not follow the one before it'
    }
    const head = this.#heads.get(document.chain)
    const said = [...head?.seq === document.seq ? [head] : [], ...this.#anchors.get(`${document.chain} ${document.seq}`) ?? []]
    return said.some(({ hash }) => hash !== document.hash) ? 'a checkpoint says otherwise' : null
  }

  async #key (keyId: string): Promise<Buffer | null> {
    const known = this.#keys.get(keyId)
    if (known !== undefined) return known
    const key = await this.#keyRing.find(logKeyLabel, keyId)
    this.#keys.set(keyId, key)
    return key
  }

  /** Compares where chains end, and which are there at all, with what checkpoints say. */
  checkEnds (): void {
    for (const head of this.#heads.values()) {
      const state = this.chains.get(head.chain)
      if (state !== undefined && state.seq < head.seq) {
        this.blame({ chain: head.chain, seq: state.seq + 1, problem: `the end of the chain was cut off: a checkpoint has seen it up to ${head.seq}` })
      } else if (state !== undefined && head.seq === state.first - 1 && state.firstPrev !== head.hash) {
        this.blame({ chain: head.chain, seq: state.first, problem: 'it does not follow the entry that a checkpoint has seen before it' })
      } else if ((state === undefined || head.seq < state.first) && head.at > this.#frontStored + skew) {
        this.blame({ chain: head.chain, seq: head.seq, problem: 'it was removed: older entries of other chains are still there' })
      } else if (state === undefined && this.entries === 0) {
        this.blame({ chain: head.chain, seq: head.seq, problem: 'it was removed: the log is empty' })
      }
    }
  }

  /** Whether entries that once were there are gone from the front. */
  frontMissing (heads: ReadonlyMap<string, Head>): boolean {
    return [...this.chains.values()].some((state) => state.first > 1) || [...heads.keys()].some((chain) => !this.chains.has(chain))
  }
}

async function checkpointHeads (collection: mongo.Collection<LogDocument>): Promise<Head[]> {
  const newest = new Map<string, Head>()
  const cursor = collection.find({ event: 'log.checkpoint' }, { projection: { details: 1 } }).batchSize(1000)
  for await (const { details } of cursor) keepNewest(newest, readHeads(details))
  return [...newest.values()]
}

function newestHeads (heads: readonly Head[]): Map<string, Head> {
  const newest = new Map<string, Head>()
  keepNewest(newest, heads)
  return newest
}

function keepNewest (newest: Map<string, Head>, heads: readonly Head[]): void {
  for (const head of heads) {
    if ((newest.get(head.chain)?.seq ?? 0) < head.seq) newest.set(head.chain, head)
  }
}

/** A flaw at a document that may be anything. */
function flawOf (document: unknown, problem: string): Flaw {
  const { chain, seq }: { chain?: unknown, seq?: unknown } = Object(document)
  return { chain: typeof chain === 'string' ? chain : '', seq: typeof seq === 'number' ? seq : 0, problem }
}

/** A flaw unless the collection is as full as one that evicts. */
async function missingFront ({ db, collection }: VerifySubject): Promise<Flaw | null> {
  const state = await readLogCollection(db, collection.collectionName)
  const full = state === null || state.size >= state.maxSize * fullShare || (state.max > 0 && state.count >= state.max * fullShare)
  if (full) return null
  const first = await collection.find({}).sort({ $natural: 1 }).limit(1).next()
  return flawOf(first, 'entries before it were deleted: the collection is not full, so nothing was evicted (or it was made larger since)')
}
