import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { Database } from '../store/database.js'
import type { KeyRing } from '../store/key-ring.js'
import { reasonOf, type Logger } from '../store/logger.js'
import { followLog } from './follow.js'
import { headOf, readHeads, type Head } from './heads.js'
import type { LogEntry } from './log-entry.js'
import { isIntact, isLogDocument, logKeyLabel, toLogEntry, type LogDocument } from './seal.js'

/**
 * The log's tail as the other plugins use it: what changed, in this and every other process.
 * Listeners run in log order; `epoch` moves whenever entries may have been missed (start, lost connection, eviction):
 * what was cached under an older epoch must be read again.
 */
export interface ChangeFeed {
  /** Whether entries arrive within a second. False from the start until the tail stands, and from a failure until it stands again. */
  readonly live: boolean
  /** The same at a moment the caller has just read from the store's clock, milliseconds since 1970. */
  isLive (now: number): boolean
  readonly epoch: number
  /** The last moment up to which the feed has told of every change, milliseconds since 1970. */
  readonly completeUntil: number
  /** Returns the function that unsubscribes. */
  subscribe (listener: (entry: LogEntry) => void): () => void
}

/** Milliseconds without an answer after which entries cannot be said to arrive. */
const silence = 2500
const restartDelay = 250
/** So many of the newest checkpoints are looked at for one that is genuine, and so many unknown key ids are remembered. */
const checkpointsTried = 100
const unknownKeysKept = 1000

export interface TailedFeedOptions {
  readonly database: Database
  readonly collection: () => mongo.Collection<LogDocument>
  readonly clock: Clock
  readonly logger: Logger
  readonly keyRing: Pick<KeyRing, 'find'>
  /** The chain of this process: its entries are published when they are stored, and the tail need not bring them. */
  readonly ownChain: string
  /** Called for the head of every chain, as it moves. */
  readonly onHead: (head: Head) => void
}

/** A change feed on one tailable cursor, begun at the newest checkpoint. */
export class TailedChangeFeed implements ChangeFeed {
  readonly #options: TailedFeedOptions
  readonly #listeners = new Set<(entry: LogEntry) => void>()
  readonly #stop = new AbortController()
  #stands = false
  #epoch = 0
  #lastAnswer = -Infinity
  /** How often the connection came to stand, and of which time the cursor was last asked, and last heard: one may be gone with an old connection, and not have noticed. */
  #connections = 0
  #asked = 0
  #heard = 0
  readonly #epochListeners: Array<() => void> = []
  readonly #unknownKeys = new Set<string>()
  #started = false
  #forgeryReported = false
  /** After which entry to begin again. */
  #place: mongo.ObjectId | 'oldest' | null = null

  constructor (options: TailedFeedOptions) {
    this.#options = options
    options.database.onReachable(() => { this.#connections++ })
  }

  get live (): boolean {
    return this.isLive(this.#options.clock.now())
  }

  isLive (now: number): boolean {
    const age = now - this.#lastAnswer // a negative one says that the clock was put back, and nothing else
    return this.#stands && this.#heard === this.#connections && this.#options.database.connected && age >= 0 && age < silence
  }

  get epoch (): number {
    return this.#epoch
  }

  get completeUntil (): number {
    return this.#lastAnswer
  }

  subscribe (listener: (entry: LogEntry) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Runs `listener` whenever a new epoch begins. */
  onEpoch (listener: () => void): void {
    this.#epochListeners.push(listener)
  }

  /** Hands an entry to every listener. One that throws is reported and keeps nothing from the others. */
  publish (document: LogDocument): void {
    if (this.#listeners.size === 0) return
    const entry = toLogEntry(document)
    for (const listener of this.#listeners) {
      try {
        listener(entry)
      } catch (error) {
        this.#options.logger.error({ err: error, event: entry.event }, 'a listener of the change feed failed')
      }
    }
  }

  /** Begins to follow; resolves when the tail stands, or after `limit` milliseconds. */
  async start (limit: number): Promise<void> {
    if (this.#started) return
    this.#started = true
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(limit, resolve)
      this.#keepFollowing(() => {
        cancel()
        resolve()
      }).catch((error: unknown) => { this.#options.logger.error({ err: error }, 'the change feed ended') })
    })
  }

  stop (): void {
    this.#stands = false
    this.#stop.abort()
  }

  async #keepFollowing (onStand: () => void): Promise<void> {
    const { clock, logger } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        this.#place ??= await this.#newestCheckpoint()
        await this.#follow(this.#place, onStand)
      } catch (error) {
        this.#stands = false
        logger.error({ err: error }, 'the change feed was interrupted, beginning again')
        await new Promise<void>((resolve) => { clock.after(restartDelay, resolve) })
      }
    }
  }

  async #follow (from: mongo.ObjectId | 'oldest', onStand: () => void): Promise<void> {
    const { database, collection, clock, logger, ownChain, onHead } = this.#options
    const entries = followLog({
      database,
      collection,
      clock,
      signal: this.#stop.signal,
      from,
      filter: { $or: [{ chain: { $ne: ownChain } }, { event: { $in: ['log.opened', 'log.checkpoint'] } }] }, // its own: to stand at once, and to begin again at
      onStand: () => {
        this.#epoch++
        this.#stands = true
        for (const listener of this.#epochListeners) listener()
        onStand()
      },
      onLost: (reason) => {
        if (this.#stands) logger.warn({ reason: reasonOf(reason) }, 'the tail of the audit log was lost, trying on')
        this.#stands = false
      },
      onAsk: () => { this.#asked = this.#connections },
      onBeat: (answered) => {
        if (!this.#stands || this.#asked !== this.#connections) return
        this.#heard = this.#asked
        this.#lastAnswer = answered
      }
    })
    for await (const document of entries) {
      this.#place = document._id
      if (document.chain === ownChain || !await this.#isGenuine(document)) continue
      onHead(headOf(document))
      if (this.#epoch > 0) this.publish(document) // before the first stand nobody can have cached anything
    }
  }

  /** Its heads, and whatever comes after it, are the heads of today. */
  async #newestCheckpoint (): Promise<mongo.ObjectId | 'oldest'> {
    const { database, collection, logger, onHead } = this.#options
    try {
      const newest = await database.run(async () => await collection().find({ event: 'log.checkpoint' }).sort({ _id: -1 }).limit(checkpointsTried).toArray())
      for (const checkpoint of newest) {
        if (!isLogDocument(checkpoint) || !await this.#isGenuine(checkpoint)) continue
        for (const head of [...readHeads(checkpoint.details), headOf(checkpoint)]) onHead(head)
        return checkpoint._id
      }
    } catch (error) {
      logger.warn({ reason: reasonOf(error) }, 'the newest checkpoint could not be read, the whole log is')
    }
    return 'oldest'
  }

  /** Whether the entry was sealed with one of the database's keys. The first one that was not is reported. */
  async #isGenuine (document: LogDocument): Promise<boolean> {
    const { keyRing, logger } = this.#options
    const key = this.#unknownKeys.has(document.key) ? null : await keyRing.find(logKeyLabel, document.key)
    if (key === null && this.#unknownKeys.size < unknownKeysKept) this.#unknownKeys.add(document.key) // a key is in the ring before anything is sealed with it
    if (key !== null && isIntact(document, key)) return true
    if (!this.#forgeryReported) logger.warn({ id: document._id.toHexString(), chain: document.chain, seq: document.seq }, 'the audit log holds an entry that was not written by this package: verify it')
    this.#forgeryReported = true
    return false
  }
}
