import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Teardown } from './mongo.js'

/** A wire to MongoDB that can be cut. */
export class MongoProxy {
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null
  #port = 0
  #loseReplyTo: string | null = null

  constructor (uri: string) {
    this.#target = new URL(uri)
  }

  /** The server's address through the proxy. */
  get uri (): string {
    const uri = new URL(this.#target)
    uri.host = `127.0.0.1:${this.#port}`
    uri.searchParams.set('directConnection', 'true')
    return uri.href
  }

  /** Accepts connections, on the same port as before. */
  async open (): Promise<void> {
    this.#server = createServer((client) => { this.#pass(client) })
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Breaks every connection and accepts none. */
  async cut (): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Lets the next command of that name through to the server, and breaks every connection in place of its reply. */
  loseReplyTo (command: string): void {
    this.#loseReplyTo = `${command}\0`
  }

  #pass (client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname)
    let doomed = false
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', (data) => {
      if (this.#loseReplyTo !== null && data.includes(this.#loseReplyTo)) {
        doomed = true
        this.#loseReplyTo = null
      }
      server.write(data)
    })
    server.on('data', (data) => {
      if (!doomed) return client.write(data)
      for (const socket of this.#sockets) socket.destroy()
    })
  }
}

/** A proxy before `uri`, cut when the test ends. */
export async function startProxy (t: Teardown, uri: string): Promise<MongoProxy> {
  const proxy = new MongoProxy(uri)
  await proxy.open()
  t.teardown(() => proxy.cut())
  return proxy
}
