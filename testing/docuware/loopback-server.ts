import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** An HTTP server on the loopback interface that ends when it is told to, whoever is still connected. */
export class LoopbackServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor (server: Server) {
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('clientError', (_, socket) => { socket.destroy() })
  }

  /** Listens on `port` of 127.0.0.1; 0 takes a free one. */
  static async start (port: number, serve: (incoming: IncomingMessage, outgoing: ServerResponse) => void): Promise<LoopbackServer> {
    const server = createServer({ keepAliveTimeout: 60_000 }, serve)
    const started = new LoopbackServer(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: '127.0.0.1' }, resolve)
    })
    return started
  }

  get origin (): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('The simulator has been stopped')
    return `http://127.0.0.1:${address.port}`
  }

  async stop (): Promise<void> {
    const closed = new Promise<void>((resolve) => { this.#server.close(() => { resolve() }) })
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
