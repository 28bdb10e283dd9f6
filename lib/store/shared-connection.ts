import mongoose, { type Connection, type mongo } from 'mongoose'

/**
 * A connection of its own on the client of the app's: it has no model, plugin or setting of the app's mongoose, the app's connection gets none of its models,
 * and it reads from the primary. It follows the app's connection from one client to the next, and never closes one.
 */
export class SharedConnection {
  readonly connection: Connection
  readonly #source: Connection
  readonly #adopt = (): void => { this.#follow() }
  readonly #leave = (): void => { this.#letGo() }
  #client: mongo.MongoClient | null = null
  #forget = (): void => {}

  constructor (source: Connection) {
    this.#source = source
    this.connection = new source.base.Mongoose().createConnection()
    for (const setting of ['bufferCommands', 'autoIndex', 'autoCreate']) this.connection.set(setting, false)
    source.on('connected', this.#adopt)
    source.on('close', this.#leave)
  }

  /** Takes the client of the app's connection, if that stands. */
  open (): void {
    if (this.#source.readyState === mongoose.STATES.connected) this.#follow()
  }

  /** Leaves the app's connection and client as they would be without it. */
  close (): void {
    this.#source.off('connected', this.#adopt)
    this.#source.off('close', this.#leave)
    this.#letGo()
  }

  #follow (): void {
    const client = this.#source.getClient()
    if (client === this.#client) return // it came back by itself: mongoose listens to the client
    this.#letGo()
    this.#client = client
    const before = clientEvents.map((event) => client.listeners(event))
    this.connection.setClient(sharedClient(client, this.#source.name))
    const added = clientEvents.map((event, index) => client.listeners(event).filter((listener) => before[index]?.includes(listener) !== true))
    this.#forget = () => { clientEvents.forEach((event, index) => { for (const listener of added[index] ?? []) Reflect.apply(client.off, client, [event, listener]) }) }
  }

  #letGo (): void {
    this.#forget()
    this.#forget = () => {}
    this.#client = null
    Reflect.set(this.connection, 'readyState', mongoose.STATES.disconnected)
  }
}

/** What `setClient` listens to. */
const clientEvents = ['serverDescriptionChanged', 'topologyDescriptionChanged', 'serverHeartbeatSucceeded'] as const

/** The client as it is, but on the database of the app's connection, read from the primary, and not to be closed. */
function sharedClient (client: mongo.MongoClient, database: string): mongo.MongoClient {
  const own: Record<PropertyKey, unknown> = {
    db: (name = database, options: mongo.DbOptions = {}) => client.db(name, { ...options, readPreference: 'primary' }),
    s: { ...Reflect.get(client, 's'), options: { ...client.options, dbName: database } }, // where mongoose looks for the name
    close: async () => {}
  }
  return new Proxy(client, {
    get (target, property) {
      if (Object.hasOwn(own, property)) return own[property]
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: () => true // mongoose's marks of who closed it
  })
}
