import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { Catalog } from './catalog.js'
import { execute } from './commands/index.js'
import { serve } from './connection.js'
import { Cursors } from './cursors.js'
import { expire } from './expiry.js'
import { Users } from './users.js'

/** How an embedded MongoDB is started. */
export interface EmbeddedMongoOptions {
  /** Clients must sign in, and may do what their roles allow. Default: false. */
  auth?: boolean
  /** The loopback port. Default: a free one. */
  port?: number
  /** The server's time in milliseconds since 1970, for TTL indexes, `$$NOW` and `$currentDate`. Default: `Date.now`. */
  now?: () => number
  /** Milliseconds between two passes of the TTL monitor; 0 turns it off. Default: 60 000, as in MongoDB. */
  expireEveryMs?: number
}

/** A running embedded MongoDB. */
export interface EmbeddedMongo {
  /** The connection string, with the database `test` and, with `auth`, the root user. */
  readonly uri: string
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly port: number
  /** Deletes what TTL indexes have expired, now, and answers how many documents that were. */
  expire: () => number
  /** Goes away as a crashed server does: drops every connection and refuses new ones. The data is kept. */
  pause: () => Promise<void>
  /** Comes back on the same port after `pause`. */
  resume: () => Promise<void>
  /** Ends the server and forgets the data. May be called twice. */
  stop: () => Promise<void>
}

/**
 * Starts a MongoDB server in this process: in memory, on the loopback interface, for tests and demonstrations.
 * Throws where NODE_ENV is `production`.
 */
export async function startEmbeddedMongo (options: EmbeddedMongoOptions = {}): Promise<EmbeddedMongo> {
  if (process.env['NODE_ENV'] === 'production') {
    throw new Error('The embedded MongoDB keeps everything in memory and is for tests and demonstrations: it does not start with NODE_ENV=production')
  }
  const now = options.now ?? Date.now
  const catalog = new Catalog()
  const cursors = new Cursors()
  const users = new Users(options.auth === true)
  const credentials = options.auth === true ? { user: 'root', password: randomBytes(18).toString('base64url') } : undefined
  if (credentials !== undefined) users.create('admin', credentials.user, credentials.password, [{ role: 'root', db: 'admin' }])
  const sockets = new Set<Socket>()
  const startedAt = now()
  let connections = 0
  let server: Server | undefined

  const accept = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serve(socket, ++connections, (command, session) => execute(command, { catalog, cursors, users, session, now: () => new Date(now()), startedAt }))
  }
  const listen = async (port: number): Promise<number> => {
    const listening = createServer(accept)
    await new Promise<void>((resolve, reject) => {
      listening.once('error', reject)
      listening.listen({ port, host: '127.0.0.1' }, resolve)
    })
    server = listening
    const address = listening.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }
  const hangUp = async (): Promise<void> => {
    const closing = server
    server = undefined
    cursors.clear()
    const closed = new Promise<void>((resolve) => {
      if (closing === undefined) resolve()
      else closing.close(() => { resolve() })
    })
    for (const socket of sockets) socket.destroy()
    await closed
  }

  const port = await listen(options.port ?? 0)
  const host = `127.0.0.1:${port}`
  const every = options.expireEveryMs ?? 60_000
  const monitor = every > 0 ? setInterval(() => expire(catalog, now()), every).unref() : undefined
  let stopped = false
  return {
    uri: credentials === undefined ? `mongodb://${host}/test` : `mongodb://${credentials.user}:${credentials.password}@${host}/test?authSource=admin`,
    host,
    port,
    expire: () => expire(catalog, now()),
    pause: hangUp,
    resume: async () => {
      if (stopped) throw new Error('The embedded MongoDB has been stopped')
      if (server === undefined) await listen(port)
    },
    stop: async () => {
      stopped = true
      clearInterval(monitor)
      await hangUp()
      catalog.databases.clear()
    }
  }
}
