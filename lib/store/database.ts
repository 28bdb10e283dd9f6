import mongoose, { type Connection, type mongo } from 'mongoose'
import { errors, isAuthError } from '../errors.js'
import type { Clock } from '../clock.js'
import { reasonOf, type Logger } from './logger.js'
import { SharedConnection } from './shared-connection.js'
import { isOutage, unavailable } from './unavailable.js'

/** An address to connect to, or the app's own connection. */
export type DatabaseSource = { readonly uri: string } | { readonly connection: Connection }

/** No request waits longer than this for MongoDB. */
const operationLimit = 10_000
const reconnectDelay = 1000
/** The driver's monitor says something every 2 s, and after 5 s at the latest: silent for this long, it hangs. */
const monitorLimit = 7000

/** What a connection tells that it no longer stands: mongoose has an event for each of its states. */
const leftStates = ['disconnected', 'disconnecting', 'connecting'] as const

const connectOptions = {
  serverSelectionTimeoutMS: 3000,
  connectTimeoutMS: 3000,
  heartbeatFrequencyMS: 2000,
  bufferCommands: false,
  autoIndex: false,
  autoCreate: false,
  readPreference: 'primary',
  appName: 'fastify-docuware-auth'
} as const

/** A MongoDB connection that comes and goes, and reads from the primary. Opened here, it is closed here; the app's own is shared and never closed. */
export class Database {
  readonly connection: Connection
  readonly #option: string
  readonly #uri: string | null
  readonly #shared: SharedConnection | null
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #listeners: Array<() => void> = []
  readonly #onConnected = (): void => {
    this.#connected = true
    this.#tell()
  }

  readonly #onLeft = (): void => { this.#connected = false }
  #connected = false
  #opening: Promise<void> | null = null
  #heard = 0
  #watch: NodeJS.Timeout | undefined
  #refusal: Error | null = null
  #closed = false

  /**
   * @param option the option's path, for errors: `store.uri`
   * @throws DWA_OPTIONS_INVALID when the address is malformed; it is not repeated, since it may hold a password
   */
  constructor (source: DatabaseSource, option: string, clock: Clock, logger: Logger) {
    this.#option = option
    this.#clock = clock
    this.#logger = logger
    if ('connection' in source) {
      this.#uri = null
      this.#shared = new SharedConnection(source.connection)
      this.connection = this.#shared.connection
    } else {
      checkAddress(source.uri, option)
      this.#uri = withoutReadPreference(source.uri)
      this.#shared = null
      this.connection = new mongoose.Mongoose().createConnection()
      this.connection.on('error', () => {}) // every failure is also a rejection of openUri, and logged there
    }
    this.connection.on('connected', this.#onConnected)
    for (const state of leftStates) this.connection.on(state, this.#onLeft)
    this.#shared?.open()
  }

  /** Whether the connection stands as far as it has told: for those who know by themselves when MongoDB last answered. */
  get connected (): boolean {
    return this.#connected
  }

  /** Whether MongoDB answered last time it was asked. */
  get reachable (): boolean {
    return !this.#closed && this.connection.readyState === mongoose.STATES.connected
  }

  /** @throws DWA_STORE_UNAVAILABLE before the first connection */
  get db (): mongo.Db {
    if (this.connection.db === undefined) throw unavailable()
    return this.connection.db
  }

  /** Runs `listener` whenever a connection stands again, the first time, and when the server refuses the credentials. */
  onReachable (listener: () => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Starts connecting, and waits at most `limit` milliseconds for it; the attempts go on afterwards.
   * @returns whether the connection stands
   * @throws DWA_OPTIONS_INVALID when the server was reached and refused the credentials
   */
  async connect (limit: number): Promise<boolean> {
    if (this.#uri !== null) {
      if (!this.reachable) this.#opening ??= this.#open(this.#uri)
      this.#watch ??= setInterval(() => { this.#reopenWhenStuck() }, 1000).unref()
    }
    if (!this.reachable && this.#refusal === null) await this.#firstWord(limit)
    if (this.#refusal !== null) throw this.#refusal
    return this.reachable
  }

  /**
   * Runs a database operation.
   * @throws DWA_STORE_UNAVAILABLE at once while MongoDB is known to be away, after 10 s (or `limit` milliseconds) without an answer, and in place of any network or server-selection error
   */
  async run<T> (operation: () => Promise<T>, limit = operationLimit): Promise<T> {
    if (!this.reachable) throw unavailable()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      if (limit < Infinity) timer = setTimeout(() => { reject(unavailable(new Error(`No answer within ${limit} ms`))) }, limit)
    })
    try {
      return await Promise.race([operation(), late])
    } catch (error) {
      throw isOutage(error) || (!this.reachable && !isAuthError(error)) ? unavailable(error) : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Stops connecting, and closes the connection if it was opened here. */
  async close (): Promise<void> {
    this.#closed = true
    clearInterval(this.#watch)
    this.connection.off('connected', this.#onConnected)
    for (const state of leftStates) this.connection.off(state, this.#onLeft)
    this.#connected = false
    if (this.#shared === null) await this.connection.destroy(true)
    else this.#shared.close()
  }

  async #open (uri: string): Promise<void> {
    for (let lastReason = ''; !this.#closed;) {
      try {
        if (this.#heard > 0) await this.connection.close()
        await this.connection.openUri(uri, connectOptions)
        this.#heard = Date.now()
        for (const outcome of ['serverHeartbeatSucceeded', 'serverHeartbeatFailed'] as const) this.connection.getClient().on(outcome, () => { this.#heard = Date.now() })
        this.#opening = null
        return
      } catch (error) {
        if (isRefusal(error)) {
          this.#refusal = new errors.DWA_OPTIONS_INVALID(this.#option, 'the server refuses these credentials', { cause: error })
          this.#tell()
        }
        const reason = reasonOf(error)
        if (reason !== lastReason && !this.#closed) this.#logger.warn({ reason }, `${this.#option}: the database cannot be reached, trying on`)
        lastReason = reason
        await new Promise<void>((resolve) => { this.#clock.after(reconnectDelay, resolve) })
      }
    }
  }

  /**
   * A server without streaming hellos is polled, and the driver's monitor can hang for ever when it writes to a socket in the moment its peer closes:
   * MongoDB would be back, and nobody would notice. Only opening the connection again helps.
   */
  #reopenWhenStuck (): void {
    if (this.reachable || this.#opening !== null || this.#uri === null || Date.now() - this.#heard < monitorLimit) return
    this.#opening = this.#open(this.#uri)
  }

  #tell (): void {
    for (const listener of this.#listeners) listener()
  }

  async #firstWord (limit: number): Promise<void> {
    let cancel = (): void => {}
    await new Promise<void>((resolve) => {
      cancel = this.#clock.after(limit, resolve)
      this.onReachable(resolve)
    })
    cancel()
  }
}

/** Whatever the address says: a secondary may not know yet what was just written, and tags do not go with the primary. */
function withoutReadPreference (uri: string): string {
  const [address = '', query = ''] = uri.split('?', 2)
  const rest = query.split('&').filter((parameter) => !/^(?:readPreference|readPreferenceTags|maxStalenessSeconds)=/i.test(parameter))
  return `${address}?${rest.join('&')}`
}

/** Names of databases that no server takes: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions */
const databaseName = /^[^/\\. "$*<>:|?\0]{1,63}$/

function checkAddress (uri: string, option: string): void {
  if (!databaseName.test(parse(uri, option).options.dbName)) throw new errors.DWA_OPTIONS_INVALID(option, 'names a database that MongoDB does not take')
}

function parse (uri: string, option: string): mongo.MongoClient {
  try {
    return new mongoose.mongo.MongoClient(uri) // connects to nothing
  } catch (error) {
    const reason = error instanceof Error && !error.message.includes('@') && !error.message.includes('://') ? `: ${error.message}` : ''
    throw new errors.DWA_OPTIONS_INVALID(option, `is not a MongoDB address${reason}`)
  }
}

/** AuthenticationFailed and Unauthorized: somebody answered, and will not let us in. */
function isRefusal (error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 18 || error.code === 13)
}
