import { hostname } from 'node:os'
import type { mongo } from 'mongoose'
import { errors } from '../errors.js'
import { every, type Clock } from '../clock.js'
import type { Database } from '../store/database.js'
import type { KeyRing } from '../store/key-ring.js'
import type { Logger } from '../store/logger.js'
import { packageVersion } from '../version.js'
import type { AuditLog, LogQuery, Verification, VerifyOptions } from './audit-log.js'
import { TailedChangeFeed } from './change-feed.js'
import { pageFilter, readEntryId } from './find.js'
import { followLog, newestEntry } from './follow.js'
import { Heads, headOf, type Head } from './heads.js'
import { ensureLogCollection, logCollection, type LogCollectionState, type LogSize } from './log-collection.js'
import { draftEntry, ownDraft, refuseReserved, type LogDraft } from './log-draft.js'
import type { LogEntry, LogFields } from './log-entry.js'
import { LogWriter } from './log-writer.js'
import { excessPrivileges } from './privileges.js'
import { Sampler } from './sampler.js'
import { isLogDocument, logSchemaVersion, toLogEntry, type LogDocument } from './seal.js'
import { againWhenOverwritten, verifyLog } from './verify.js'

/** Milliseconds between looks at whether a checkpoint is due, and the longest an idle writer goes without one. */
const checkpointInterval = 60_000
const idleCheckpointInterval = 600_000
/** How long the start waits for the tail to stand. */
const tailLimit = 3000

export interface CappedAuditLogOptions {
  /** The log's connection, and one that may create the collection: the same, unless the log has a credential of its own. */
  readonly database: Database
  readonly creator: Database
  readonly name: string
  readonly size: LogSize
  readonly keyRing: KeyRing
  readonly clock: Clock
  readonly logger: Logger
  readonly personalData: boolean
  readonly requireInsertOnly: boolean
  readonly spoolSize: number
}

/** The audit log on a capped collection: one writer, one tail, and checkpoints by the clock. */
export class CappedAuditLog implements AuditLog {
  readonly changes: TailedChangeFeed
  readonly #options: CappedAuditLogOptions
  readonly #heads = new Heads()
  readonly #writer: LogWriter
  readonly #sampler: Sampler
  readonly #ending = new AbortController()
  #opened = false
  #cancelTimer = (): void => {}
  #lastCheckpoint = { seq: 0, at: 0 }

  constructor (options: CappedAuditLogOptions) {
    const { database, clock, logger, keyRing, spoolSize } = options
    const collection = (): mongo.Collection<LogDocument> => logCollection(database.db, options.name)
    this.#options = options
    this.#writer = new LogWriter({
      database,
      collection,
      keyRing,
      clock,
      logger,
      spoolSize,
      onStored: (documents) => {
        const last = documents.at(-1)
        if (last !== undefined) this.#heads.note(headOf(last))
        for (const document of documents) this.changes.publish(document)
      }
    })
    this.changes = new TailedChangeFeed({ database, collection, clock, logger, keyRing, ownChain: this.#writer.chain, onHead: (head) => { this.#heads.note(head) } })
    this.#sampler = new Sampler((event, fields) => { this.record(event, fields) }, clock)
  }

  /**
   * Creates the collection, begins this process's chain and follows the others. Does only what an earlier, failed call left undone.
   * @throws DWA_LOG_NOT_CAPPED, DWA_LOG_PRIVILEGES, DWA_STORE_UNAVAILABLE
   */
  async open (): Promise<void> {
    if (this.#opened) return
    const { database, creator, name, size, clock } = this.#options
    const state = await database.run(async () => await ensureLogCollection(database.db, creator.db, name, size))
    const privileges = await this.#checkPrivileges()
    if (this.#writer.head === null) await this.#writer.open(this.#genesis(state, privileges))
    this.#opened = true
    await this.changes.start(tailLimit)
    this.#lastCheckpoint = { seq: 0, at: clock.now() }
    this.#cancelTimer = every(clock, checkpointInterval, () => { this.#checkpointWhenDue() })
  }

  async append (event: string, fields: LogFields = {}): Promise<LogEntry> {
    refuseReserved(event)
    return toLogEntry(await this.#writer.append(this.draft(event, fields)))
  }

  record (event: string, fields: LogFields = {}): void {
    refuseReserved(event)
    this.#writer.spool(this.draft(event, fields))
  }

  sample (key: string, event: string, fields: LogFields = {}): void {
    refuseReserved(event)
    this.#sampler.sample(key, event, fields)
  }

  async find (query: LogQuery = {}): Promise<LogEntry[]> {
    const { filter, limit } = pageFilter(query)
    return await this.#options.database.run(async () => {
      const found: LogEntry[] = []
      for await (const document of this.#collection.find(filter).sort({ _id: -1 }).batchSize(limit)) {
        if (isLogDocument(document)) found.push(toLogEntry(document))
        if (found.length === limit) break
      }
      return found
    })
  }

  tail ({ after, signal }: { readonly after?: string, readonly signal?: AbortSignal } = {}): AsyncIterable<LogEntry> {
    const from = after === undefined ? this.#newest() : Promise.resolve(readEntryId('after', after))
    return this.#tailFrom(from, signal === undefined ? this.#ending.signal : AbortSignal.any([this.#ending.signal, signal]))
  }

  async verify ({ anchors = [], actor, requestId, personal }: VerifyOptions = {}): Promise<Verification> {
    const result = await this.#verifyNow(anchors)
    await this.deliver(this.draft('log.verified', { actor, requestId, personal, level: result.ok ? 'info' : 'error', details: { ...result } }))
    return result
  }

  /** What an entry will say, without its place in the log: for an outbox. */
  draft (event: string, fields: LogFields): LogDraft {
    return draftEntry(this.#options.clock.now(), event, fields, this.#options.personalData)
  }

  /** Stores drafts, in their order; one that another process has delivered from the same outbox counts as stored. @throws as `append` */
  async deliver (...drafts: readonly LogDraft[]): Promise<void> {
    await this.#writer.appendAll(drafts)
  }

  /** Writes a checkpoint of every chain whose head moved since the last one, and says the same to the app's logger. */
  async checkpoint (): Promise<void> {
    const heads = this.#heads.takeMoved()
    try {
      const stored = await this.#writer.append(this.#checkpointDraft(heads))
      this.#lastCheckpoint = { seq: stored.seq, at: this.#options.clock.now() }
      this.#anchor([...heads, headOf(stored)])
    } catch (error) {
      this.#heads.giveBack(heads)
      throw error
    }
  }

  /** Writes what is waiting, a last checkpoint and `log.closed`; ends every tail. */
  async close (): Promise<void> {
    this.#cancelTimer()
    this.#sampler.flush()
    this.changes.stop()
    let heads: Head[] = []
    const last = [
      () => {
        heads = this.#heads.takeMoved()
        return this.#checkpointDraft(heads)
      },
      () => ownDraft(this.#options.clock.now(), 'log.closed', {})
    ]
    if (this.#opened && await this.#writer.close(last)) this.#anchor([...heads, ...this.#heads.takeMoved()])
    this.#ending.abort()
  }

  get #collection (): mongo.Collection<LogDocument> {
    return logCollection(this.#options.database.db, this.#options.name)
  }

  async * #tailFrom (from: Promise<mongo.ObjectId | 'newest' | 'oldest'>, signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined> {
    const { database, clock } = this.#options
    const entries = followLog({ database, collection: () => this.#collection, clock, signal, from: await from })
    for await (const document of entries) yield toLogEntry(document)
  }

  /** Where the log ends as the caller asks, not as he begins to read. */
  async #newest (): Promise<mongo.ObjectId | 'newest' | 'oldest'> {
    try {
      return (await newestEntry(this.#options.database, this.#collection))?._id ?? 'oldest'
    } catch {
      return 'newest' // the tail itself waits for the database
    }
  }

  async #verifyNow (anchors: readonly Head[]): Promise<Verification> {
    const { database, keyRing } = this.#options
    const { chain, head } = this.#writer
    const own = head === null ? [] : [{ chain, ...head, count: head.seq }]
    return await database.run(async () => await againWhenOverwritten(async () => await verifyLog({ db: database.db, collection: this.#collection, keyRing, anchors: [...anchors, ...own] })), Infinity)
  }

  /** @returns the privileges beyond insert and find, or null when the log has no credential of its own */
  async #checkPrivileges (): Promise<string[] | null> {
    const { database, creator, name, logger, requireInsertOnly } = this.#options
    if (database === creator) return null
    const excess = await database.run(async () => await excessPrivileges(database.db, name))
    if (excess.length > 0 && requireInsertOnly) throw new errors.DWA_LOG_PRIVILEGES(excess.join(', '))
    if (excess.length > 0) logger.warn({ collection: name, excess }, 'the credential of log.uri may do more than insert and find')
    return excess
  }

  #genesis (state: LogCollectionState, privileges: readonly string[] | null): LogDraft {
    return ownDraft(this.#options.clock.now(), 'log.opened', {
      host: hostname(),
      pid: process.pid,
      version: packageVersion,
      schema: logSchemaVersion,
      collection: { size: state.maxSize, max: state.max },
      privileges: privileges === null ? 'shared credential' : privileges.length === 0 ? 'insert and find' : [...privileges]
    })
  }

  #checkpointDraft (heads: readonly Head[]): LogDraft {
    return ownDraft(this.#options.clock.now(), 'log.checkpoint', { heads: heads.map((head) => ({ ...head })) })
  }

  #checkpointWhenDue (): void {
    const idle = this.#writer.head?.seq === this.#lastCheckpoint.seq
    if (idle && this.#options.clock.now() - this.#lastCheckpoint.at < idleCheckpointInterval) return
    this.checkpoint().catch((error: unknown) => { this.#options.logger.warn({ err: error }, 'the checkpoint of the audit log could not be written') })
  }

  /** The same line outside the database: whoever can rewrite the log cannot rewrite the app's own. */
  #anchor (heads: readonly Head[]): void {
    this.#options.logger.info({ heads }, 'audit log checkpoint')
  }
}
