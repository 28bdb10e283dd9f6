import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { eventually } from './store-app.js'
import type { Teardown } from './mongo.js'

/** An event as it arrived. */
export interface ArrivedEvent {
  readonly transaction?: string
  readonly exception?: { readonly values: ReadonlyArray<{ readonly type: string, readonly value: string, readonly stacktrace?: { readonly frames: ReadonlyArray<Record<string, unknown>> } }> }
  readonly contexts: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly tags?: Readonly<Record<string, unknown>>
  readonly user?: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

/** What Sentry would be, on loopback: it keeps whatever arrives. */
export class SentryEndpoint {
  /** Connections that were ever opened. */
  connections = 0
  /** Requests that came, answered or not. */
  requests = 0
  /** Requests that broke off before they were answered. */
  aborted = 0
  /** Everything that arrived, heads and bodies, as text. */
  received = ''
  readonly events: ArrivedEvent[] = []
  /** Answers a request; when it does not, the caller waits. */
  answer: (response: ServerResponse) => void = (response) => { response.end('{}') }
  port = 0

  get dsn (): string {
    return `http://publickey@127.0.0.1:${this.port}/42`
  }

  /** The messages of what arrived, as they were captured. */
  get messages (): string[] {
    return this.events.map(({ exception }) => exception?.values.at(-1)?.value ?? '')
  }

  async start (t: Teardown): Promise<this> {
    const server = createServer((request, response) => {
      this.requests++
      response.on('close', () => { if (!response.writableEnded) this.aborted++ })
      const chunks: Buffer[] = []
      request.on('error', () => {})
      request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
      request.on('end', () => {
        const body = Buffer.concat(chunks)
        const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
        this.received += `${request.method} ${request.url}\n${request.rawHeaders.join('\n')}\n\n${text}\n`
        const [, head, item] = text.split('\n')
        if (JSON.parse(head ?? '{}').type === 'event') this.events.push(JSON.parse(item ?? '{}'))
        this.answer(response)
      })
    })
    server.on('connection', () => { this.connections++ })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return this
  }

  /** The events, once so many have arrived. */
  async arrived (count: number): Promise<readonly ArrivedEvent[]> {
    await eventually(`${count} events arrive, and there are ${this.events.length}`, () => this.events.length >= count)
    return this.events
  }
}
