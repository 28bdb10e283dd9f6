import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Teardown } from '../mongo.js'

/** A request as it arrived. */
export interface Arrived { readonly method: string, readonly url: string, readonly headers: IncomingHttpHeaders, readonly rawHeaders: readonly string[], readonly body: Buffer }

export type Answer = (request: Arrived, response: ServerResponse) => void

export interface EchoApi {
  readonly url: string
  readonly requests: Arrived[]
  answers: Answer[]
  /** Nobody listens any more. */
  stop (): Promise<void>
}

/** An API on loopback that keeps what it was sent, and answers `{ ok: true }` unless an answer is planned. */
export async function startApi (t: Teardown): Promise<EchoApi> {
  const requests: Arrived[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      const arrived = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, rawHeaders: request.rawHeaders, body: Buffer.concat(chunks) }
      requests.push(arrived)
      const answer = api.answers.shift() ?? json(200, { ok: true })
      answer(arrived, response)
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const api: EchoApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answers: [],
    async stop () {
      server.closeAllConnections()
      await new Promise((resolve) => { server.close(resolve) })
    }
  }
  t.teardown(async () => { await api.stop() })
  return api
}

export function json (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => { response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body)) }
}

export function text (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => { response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body) }
}
