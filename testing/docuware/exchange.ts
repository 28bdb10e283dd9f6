import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'

/** The servers of the simulator: DocuWare's two, and a bystander that nobody should talk to. */
export type Origin = 'platform' | 'identity' | 'foreign'

/** A request as far as it has been read. */
export interface Received {
  readonly origin: Origin
  readonly method: string
  /** Below the origin's base, as sent: `/connect/token`. A path outside the base is whole. */
  readonly path: string
  /** Whether the path was below the base. */
  readonly known: boolean
  /** The whole URL. */
  readonly url: URL
  /** The parameters of an `application/x-www-form-urlencoded` body; null for any other. */
  readonly form: URLSearchParams | null
  readonly incoming: IncomingMessage
}

/** What is written back. */
export interface Answer {
  readonly status: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | AsyncIterable<string | Buffer>
}

/** An answer that is given by being thrown. */
export class Refusal extends Error {
  readonly answer: Answer

  constructor (answer: Answer) {
    super(`Answered with status ${answer.status}`)
    this.answer = answer
  }
}

/** A whole body as text; null when it has more than `maxBytes` bytes. */
export async function readText (incoming: IncomingMessage, maxBytes: number): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunksOf(incoming)) {
    bytes += chunk.length
    if (bytes > maxBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A body's pieces. Who stops in between can still answer: the connection stays. */
export async function * chunksOf (incoming: IncomingMessage): AsyncGenerator<Buffer> {
  yield * incoming.iterator({ destroyOnReturn: false })
}

/** A media type without its parameters, in lower case. */
export function mediaType (header: string | undefined): string {
  return header?.split(';', 1).at(0)?.trim().toLowerCase() ?? ''
}

export function json (status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: JSON.stringify(value) }
}

export function html (status: number, body: string, headers: OutgoingHttpHeaders = {}): Answer {
  return { status, headers: { 'content-type': 'text/html; charset=utf-8', ...headers }, body }
}
