import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { Calls } from './calls.js'
import { mediaType, readText, Refusal, type Answer, type Origin, type Received } from './exchange.js'
import type { Fault, Faults } from './faults.js'
import type { Gate } from './gate.js'

const maxFormBytes = 64 * 1024

/** What every request passes, whichever server it came to. */
export interface Serving {
  readonly calls: Calls
  readonly faults: Faults
  readonly now: () => number
  /** The gate for token answers, while there is one. */
  readonly gate: () => Gate | null
  /** Aborted when the simulator stops. */
  readonly stopped: AbortSignal
}

/** One of the servers. */
export interface Half {
  readonly origin: Origin
  /** Its base URL. */
  readonly base: () => string
  readonly handle: (received: Received) => Answer | Promise<Answer>
}

/** Serves one request: notes it, lets the plans for it happen, has it handled, and writes the answer. */
export async function serve (serving: Serving, half: Half, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { received, refused } = await receive(half, incoming)
  const note = serving.calls.add(received, serving.now())
  const fault = serving.faults.take(received)
  const { delayMs = 0, dripMs = 0, answer: planned, drop } = fault ?? {}
  if (delayMs > 0) await wait(delayMs, undefined, { signal: serving.stopped })
  if (drop === 'before') {
    incoming.socket.destroy()
    return
  }
  const answer = planned?.(received) ?? refused ?? await handle(half, received)
  if (isTokenRequest(received) && serving.gate()?.holds(received.form?.get('grant_type') ?? undefined) === true) await serving.gate()?.opened
  if (drop === 'after' || serving.stopped.aborted) {
    incoming.socket.destroy()
    return
  }
  if (outgoing.destroyed) return
  note(answer.status)
  outgoing.writeHead(answer.status, headersOf(answer, serving.now()))
  await write(outgoing, answer, { dripMs, drop }, serving.stopped)
}

/** The request, and the answer to a form that is too long. */
async function receive ({ origin, base }: Half, incoming: IncomingMessage): Promise<{ received: Received, refused: Answer | null }> {
  const { origin: host, pathname: basePath } = new URL(base())
  const url = new URL(host + (incoming.url ?? '/'))
  const below = url.pathname.toLowerCase() === basePath.toLowerCase() || url.pathname.toLowerCase().startsWith(`${basePath.replace(/\/$/, '').toLowerCase()}/`)
  const path = below ? url.pathname.slice(basePath.replace(/\/$/, '').length) || '/' : url.pathname
  const isForm = origin === 'identity' && incoming.method === 'POST' && mediaType(incoming.headers['content-type']) === 'application/x-www-form-urlencoded'
  const text = isForm ? await readText(incoming, maxFormBytes) : null
  return {
    received: { origin, method: incoming.method ?? 'GET', path, known: below, url, form: text === null ? null : new URLSearchParams(text), incoming },
    refused: isForm && text === null ? { status: 413 } : null
  }
}

function isTokenRequest ({ origin, path }: Received): boolean {
  return origin === 'identity' && path.toLowerCase() === '/connect/token'
}

async function handle (half: Half, received: Received): Promise<Answer> {
  try {
    return await half.handle(received)
  } catch (error) {
    if (error instanceof Refusal) return error.answer
    return { status: 500, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: error instanceof Error ? error.message : 'The simulator failed' }
  }
}

function headersOf ({ headers = {}, body = '' }: Answer, now: number): OutgoingHttpHeaders {
  return { date: new Date(now).toUTCString(), ...(typeof body === 'string' ? { 'content-length': Buffer.byteLength(body) } : {}), ...headers }
}

/** Writes a body piece by piece as fast as it is taken, or as slowly as was planned. */
async function write (outgoing: ServerResponse, { body = '' }: Answer, { dripMs, drop }: { dripMs: number, drop: Fault['drop'] }, stopped: AbortSignal): Promise<void> {
  let pieces = 0
  for await (const piece of typeof body === 'string' ? inPieces(body, dripMs > 0, drop === 'body') : body) {
    if (pieces > 0 && dripMs > 0) await wait(dripMs, undefined, { signal: stopped })
    if (drop === 'body' && pieces > 0) {
      outgoing.destroy()
      return
    }
    if (outgoing.destroyed) return
    await sent(outgoing, piece)
    pieces++
  }
  if (drop === 'body') outgoing.destroy()
  else outgoing.end()
}

/** A text whole, byte by byte, or in two halves. */
function * inPieces (text: string, byByte: boolean, halved: boolean): Generator<Buffer> {
  const bytes = Buffer.from(text)
  const size = byByte ? 1 : halved ? Math.ceil(bytes.length / 2) : bytes.length
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

/** Resolves when the piece has left, or nobody reads any more. */
async function sent (outgoing: ServerResponse, piece: string | Buffer): Promise<void> {
  await new Promise<void>((resolve) => { outgoing.write(piece, () => { resolve() }) })
}
