import type { Connection, Model, mongo } from 'mongoose'
import { every, type Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import { CappedAuditLog } from '../log/capped-audit-log.js'
import { readLogCollection, type LogSize } from '../log/log-collection.js'
import { registerLogModel } from '../log/log-model.js'
import { AuditedDocuments, type AuditedDocument } from './audited-documents.js'
import { Database, type DatabaseSource } from './database.js'
import type { HandledSecrets } from './handled-secrets.js'
import { LoadedKeyRing } from './key-ring.js'
import { createKeyRing, openKeyRing, readKeyRing, type DataKeys, type KeyRingDocument } from './key-ring-document.js'
import { DocumentCollection, type DocumentIndex } from './document-collection.js'
import { takeLease, withLease, type Lease, type LeaseDocument, type LeaseOptions } from './lease.js'
import { reasonOf, type Logger } from './logger.js'
import type { MasterKey } from './master-key.js'
import type { RecordDocument } from './outbox.js'
import type { RecordCollection, RecordKind } from './record-collection.js'
import { recordSchema } from './record-schema.js'
import { ServerClock } from './server-clock.js'
import type { Store } from './store.js'
import { StoredRecords } from './stored-records.js'
import { isOutage, unavailable } from './unavailable.js'

export interface StoreSettings {
  readonly source: DatabaseSource
  /** The first wraps new data keys, all unwrap. */
  readonly masterKeys: readonly [MasterKey, ...MasterKey[]]
  readonly collectionPrefix: string
  readonly publicUrl: string | null
  readonly log: LogSize & {
    /** A credential of its own. */
    readonly uri?: string
    readonly personalData: boolean
    readonly requireInsertOnly: boolean
    /** Entries of `record` kept in memory while they cannot be written. */
    readonly spool: number
  }
  readonly clock: Clock
  readonly logger: Logger
}

/** Milliseconds. The start waits no longer than this for MongoDB. */
const connectLimit = 3000
const retryInterval = 10_000
/** A change is unknown to other processes while its entry waits in the record of a dead one: they look for it this often. */
const sweepInterval = 5000
/** Between looks at the database's clock: this process's may be put right while it runs. */
const clockInterval = 60_000

/** The store of one app. */
export class OpenedStore implements Store {
  readonly publicUrl: string | null
  readonly keyRing: LoadedKeyRing
  readonly clock: Clock
  readonly serverClock: ServerClock
  readonly log: CappedAuditLog
  readonly #settings: StoreSettings
  readonly #database: Database
  readonly #logDatabase: Database
  readonly #kinds: Array<StoredRecords<object>> = []
  /** By collection. Several may share one, with the same indexes: the last declared makes them at the start, the others look once more at their first use. */
  readonly #documents = new Map<string, { ensure (): Promise<void> }>()
  readonly #audited: Array<{ sweep (): Promise<void>, close (): Promise<void> }> = []
  readonly #timers: Array<() => void> = []
  /** The last operation under each name. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #initialised = false
  #initialising: Promise<void> | null = null
  #closed = false
  #existingOnly = false
  #sweeping = false

  /** @throws DWA_OPTIONS_INVALID when an address is malformed */
  constructor (settings: StoreSettings) {
    const { source, log, clock, logger } = settings
    this.#settings = settings
    this.publicUrl = settings.publicUrl
    this.clock = clock
    this.serverClock = new ServerClock(clock)
    this.#database = new Database(source, 'store.uri', clock, logger)
    this.#logDatabase = log.uri === undefined ? this.#database : new Database({ uri: log.uri }, 'store.log.uri', clock, logger)
    this.keyRing = new LoadedKeyRing(async () => await this.#readKeys(), clock)
    this.log = new CappedAuditLog({
      database: this.#logDatabase,
      creator: this.#database,
      name: this.collectionName('log'),
      size: { size: log.size, ...(log.max === undefined ? {} : { max: log.max }) },
      keyRing: this.keyRing,
      clock,
      logger,
      personalData: log.personalData,
      requireInsertOnly: log.requireInsertOnly,
      spoolSize: log.spool
    })
    registerLogModel(this.connection, this.collectionName('log'))
    this.log.changes.subscribe((entry) => {
      if (entry.event === 'key.rotated') this.#reloadKeys()
    })
    this.log.changes.onEpoch(() => { this.#reloadKeys() }) // whoever rotated may have died before he said so
  }

  get connection (): Connection {
    return this.#database.connection
  }

  get changes (): CappedAuditLog['changes'] {
    return this.log.changes
  }

  get handledSecrets (): HandledSecrets {
    return this.keyRing.handledSecrets
  }

  get available (): boolean {
    return this.#initialised && this.#database.reachable && this.#logDatabase.reachable
  }

  collectionName (name: string): string {
    return this.#settings.collectionPrefix + name
  }

  async run<T> (operation: () => Promise<T>): Promise<T> {
    if (!this.#initialised) throw unavailable()
    return await this.#database.run(operation)
  }

  async exclusively<T> (name: string, operation: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve()
    const turn = before.then(async () => {
      return await withLease(this.#leaseOptions(), name, operation)
    })
    this.#turns.set(name, turn.catch(() => {})) // its own caller learns of it
    try {
      return await turn
    } catch (error) {
      throw isOutage(error) ? unavailable(error) : error
    }
  }

  async lease (name: string, milliseconds: number): Promise<Lease | null> {
    return await takeLease(this.#leaseOptions(), name, milliseconds)
  }

  documents<Document extends mongo.Document> (name: string, indexes: readonly DocumentIndex[]): DocumentCollection<Document> {
    const documents = new DocumentCollection<Document>(() => this.#collection<Document>(name), indexes, async (operation) => await this.run(operation))
    this.#documents.set(name, documents)
    return documents
  }

  auditedDocuments<Document extends AuditedDocument> (name: string, indexes: readonly DocumentIndex[]): AuditedDocuments<Document> {
    const { clock, logger } = this.#settings
    const documents = new AuditedDocuments<Document>({
      name,
      collection: () => this.#collection<Document>(name),
      waiting: () => this.#collection<RecordDocument>(name),
      indexes,
      run: async (operation) => await this.run(operation),
      keyRing: this.keyRing,
      draft: (event, fields) => this.log.draft(event, fields),
      log: async (...entries) => { await this.log.deliver(...entries) },
      clock,
      logger
    })
    this.#documents.set(name, documents)
    this.#audited.push(documents)
    return documents
  }

  records<Fields extends object> (kind: RecordKind): RecordCollection<Fields> {
    const records = new StoredRecords<Fields>({
      kind,
      makeModel: () => this.#makeModel(kind),
      documents: () => this.#collection<RecordDocument>(kind.collection),
      keyRing: this.keyRing,
      clock: this.#settings.clock,
      run: async (operation) => await this.run(operation),
      draft: (event, fields) => this.log.draft(event, fields),
      log: async (...entries) => { await this.log.deliver(...entries) }
    })
    this.#kinds.push(records)
    return records
  }

  #makeModel (kind: RecordKind): Model<RecordDocument> {
    const { connection } = this
    const name = this.collectionName(kind.collection)
    if (connection.models[name] !== undefined) connection.deleteModel(name) // the same kind, declared once more
    return connection.model<RecordDocument>(name, recordSchema(connection, kind, name), name)
  }

  /**
   * Connects and prepares the database, or, when it is away, goes on trying in the background.
   * @param options.existingOnly refuses a database that has no key ring or no log yet, in place of creating them
   * @throws what the database reports if it is there: DWA_STORE_WRONG_KEY, DWA_LOG_NOT_CAPPED, DWA_LOG_PRIVILEGES, DWA_STORE_KEYS_MISSING …
   */
  async start ({ existingOnly = false } = {}): Promise<void> {
    const { clock } = this.#settings
    this.#existingOnly = existingOnly
    const databases = new Set([this.#database, this.#logDatabase])
    const connected = await Promise.all([...databases].map(async (database) => await database.connect(connectLimit)))
    for (const database of databases) {
      database.onReachable(() => {
        this.#setClockLater()
        this.#initialiseLater()
        this.#sweepLater()
      })
    }
    if (connected.every(Boolean)) await this.#unlessAway(async () => { await this.#initialise() })
    const measuring = setInterval(() => { this.#setClockLater() }, clockInterval).unref() // real time: what it measures is the clock
    this.#timers.push(
      () => { clearInterval(measuring) },
      every(clock, retryInterval, () => { this.#initialiseLater() }),
      every(clock, sweepInterval, () => { this.#sweepLater() })
    )
  }

  /** Creates the collections and indexes of every kind declared so far. While the database is away this is left for later. */
  async ensureKinds (): Promise<void> {
    if (!this.available) return
    await this.#unlessAway(async () => {
      for (const collection of [...this.#kinds, ...this.#documents.values()]) await this.run(async () => { await collection.ensure() })
    })
  }

  /**
   * Delivers audit entries that dead processes left in their records. A collection that cannot be swept keeps no other one waiting.
   * @throws AggregateError of what such collections report
   */
  async sweep (): Promise<void> {
    const failures: unknown[] = []
    for (const collection of [...this.#kinds, ...this.#audited]) await collection.sweep().catch((error: unknown) => { failures.push(error) })
    if (failures.length > 0) throw new AggregateError(failures, [...new Set(failures.map(reasonOf))].join('; '))
  }

  async close (): Promise<void> {
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    await this.#initialising?.catch(() => {}) // reported where it was started
    await Promise.all(this.#audited.map(async (collection) => { await collection.close() }))
    await this.log.close()
    if (this.#logDatabase !== this.#database) await this.#logDatabase.close()
    await this.#database.close()
  }

  #collection<Document extends mongo.Document> (name: string): mongo.Collection<Document> {
    return this.#database.db.collection<Document>(this.collectionName(name), { writeConcern: { w: 'majority' } })
  }

  #leaseOptions (): LeaseOptions {
    if (!this.available) throw unavailable()
    const { clock, logger } = this.#settings
    const leases = this.#database.db.collection<LeaseDocument>(this.collectionName('leases'))
    return { leases, run: async (access) => await this.#database.run(access), clock, logger }
  }

  async #initialise (): Promise<void> {
    if (this.#initialised || this.#closed) return
    this.#initialising ??= this.#prepare().finally(() => { this.#initialising = null })
    await this.#initialising
  }

  async #prepare (): Promise<void> {
    await this.#setClock()
    await this.keyRing.reload()
    if (this.#existingOnly && await this.#logDatabase.run(async () => await this.#isNew())) throw new errors.DWA_STORE_NOT_FOUND(`The log ${this.#logDatabase.db.databaseName}.${this.collectionName('log')}`)
    await this.log.open()
    this.#initialised = true
    await this.ensureKinds()
    this.#sweepLater()
  }

  /** A database that goes away while the app starts does not stop it: what is left to do is done when it is back. */
  async #unlessAway (operation: () => Promise<void>): Promise<void> {
    try {
      await operation()
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
      this.#settings.logger.warn({ reason: reasonOf(error.cause ?? error) }, 'the database went away during the start, trying on')
    }
  }

  #initialiseLater (): void {
    if (this.#initialised || this.#closed || this.#initialising !== null || !this.#database.reachable || !this.#logDatabase.reachable) return
    this.#initialise().catch((error: unknown) => { this.#settings.logger.error({ err: error }, 'the store cannot be used') })
  }

  #sweepLater (): void {
    if (!this.available || this.#sweeping || this.#closed) return
    this.#sweeping = true
    this.sweep()
      .catch((error: unknown) => { this.#settings.logger.warn({ reason: reasonOf(error) }, 'undelivered audit entries remain') })
      .finally(() => { this.#sweeping = false })
  }

  /** What the database's clock says now, which is the same for every process. */
  async #setClock (): Promise<void> {
    const { clock } = this.#settings
    const asked = clock.now()
    const { localTime }: mongo.Document = await this.#database.run(async () => await this.#database.db.admin().command({ hello: 1 }))
    if (localTime instanceof Date) this.serverClock.set(localTime.getTime() - (asked + clock.now()) / 2)
  }

  #setClockLater (): void {
    if (!this.#initialised || this.#closed) return
    this.#setClock().catch((error: unknown) => { this.#settings.logger.warn({ reason: reasonOf(error) }, 'the time of the database could not be read again') })
  }

  #reloadKeys (): void {
    this.keyRing.reload().catch((error: unknown) => { this.#settings.logger.warn({ reason: reasonOf(error) }, 'the key ring could not be read again') })
  }

  async #readKeys (): Promise<DataKeys> {
    const { masterKeys, clock } = this.#settings
    return await this.#database.run(async () => {
      const ring = this.#database.db.collection<KeyRingDocument>(this.collectionName('keys'))
      let document = await readKeyRing(ring)
      if (document === null) {
        if (this.#existingOnly) throw new errors.DWA_STORE_NOT_FOUND(`The key ring in ${this.collectionName('keys')}`)
        if (await this.#isNew()) await createKeyRing(ring, masterKeys[0], new Date(clock.now()))
        document = await readKeyRing(ring)
        if (document === null) throw new errors.DWA_STORE_KEYS_MISSING(this.collectionName('keys'), this.collectionName('log'))
      }
      return openKeyRing(document, masterKeys)
    })
  }

  /** A database without a key ring has an empty log, unless another process has just created both. */
  async #isNew (): Promise<boolean> {
    const log = await readLogCollection(this.#logDatabase.db, this.collectionName('log'))
    return log === null || log.count === 0
  }
}
