import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Teardown } from './mongo.js'

/** Commands under way for longer than usual. */
class Hold {
  readonly #command: string
  readonly #passing: Array<() => Promise<unknown>> = []
  readonly #watchers: Array<{ count: number, resolve: () => void }> = []
  #released = false

  constructor (command: string) {
    this.#command = command
  }

  matches (data: Buffer): boolean {
    return data.includes(this.#command)
  }

  pass (server: Socket, data: Buffer): void {
    if (this.#released) {
      server.write(data)
      return
    }
    this.#passing.push(async () => {
      server.write(data)
      await once(server, 'data')
    })
    for (const { count, resolve } of this.#watchers) if (this.#passing.length >= count) resolve()
  }

  /** Resolves when so many are held. */
  async waiting (count: number): Promise<void> {
    if (this.#passing.length < count) await new Promise<void>((resolve) => { this.#watchers.push({ count, resolve }) })
  }

  /** Lets them through, and resolves when the server has answered them. */
  async release (): Promise<void> {
    this.#released = true
    await Promise.all(this.#passing.map(async (pass) => { await pass() }))
  }
}

/** A wire to MongoDB that can be cut. */
export class MongoProxy {
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  readonly #held = new WeakSet<Socket>()
  #server: Server | null = null
  #port = 0
  #loseReplyTo: string | null = null
  #hold: Hold | null = null

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

  /** Accepts no connections, and breaks those that hold no command; those that do stay, so that there is no end to wait for. */
  cutAllButHeld (): void {
    this.#server?.close()
    this.#server = null
    for (const socket of this.#sockets) if (!this.#held.has(socket)) socket.destroy()
  }

  /** Lets the next command of that name through to the server, and breaks every connection in place of its reply. */
  loseReplyTo (command: string): void {
    this.#loseReplyTo = `${command}\0`
  }

  /** From now on, a command of that name gets no further until `release`, even if whoever sent it is gone by then; nor does what comes after it on its connection. */
  hold (command: string): Hold {
    this.#hold = new Hold(`${command}\0`)
    return this.#hold
  }

  #pass (client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname)
    let doomed = false
    let hold: Hold | null = null
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        if (hold === null) server.destroy()
      })
    }
    client.on('data', (data) => {
      if (this.#loseReplyTo !== null && data.includes(this.#loseReplyTo)) {
        doomed = true
        this.#loseReplyTo = null
      }
      if (hold === null && this.#hold?.matches(data) === true) {
        hold = this.#hold
        for (const socket of [client, server]) this.#held.add(socket)
      }
      if (hold === null) server.write(data)
      else hold.pass(server, data)
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
