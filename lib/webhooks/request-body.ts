import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

/** The stream of a request's body. */
export interface BodySource extends Readable {
  /** Bytes before an earlier hook decoded them, which the parser compares with `content-length`. */
  receivedEncodedLength?: number
}

/** Why a body was not read: it is longer than allowed, or the sender went away. */
export type UnreadBody = 'too_large' | 'aborted'

/** Reads a body to its end, holding no more of it than `limit` bytes, and calls `done` once. No promise: every verified request comes by here. */
export function readBody (payload: BodySource, declaredLength: string | undefined, limit: number, done: (body: Buffer[] | UnreadBody) => void): void {
  if (Number(declaredLength) > limit) return done('too_large')
  if (payload.destroyed) return done('aborted') // and nothing tells of it any more
  const chunks: Buffer[] = []
  let length = 0
  let ended = false
  const end = (body: Buffer[] | UnreadBody): void => {
    if (ended) return
    ended = true
    done(body)
  }
  payload.on('data', (chunk: Buffer | string) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    length += bytes.length
    if (length <= limit) return chunks.push(bytes)
    chunks.length = 0
    end('too_large')
  })
  payload.on('end', () => { end(chunks) })
  payload.on('error', () => { end('aborted') })
  payload.on('close', () => { end('aborted') }) // destroyed without an error
}

/**
 * The whole body, left where it is, if the whole request has arrived and it has no more than `limit` bytes: small ones come with their headers. Null when it has
 * to be read, and on a Node that does not show what a stream has received.
 */
export function peekBody (raw: IncomingMessage & { readonly readableBuffer?: Iterable<unknown> }, limit: number): Buffer[] | null {
  const { complete, readableLength, readableFlowing, readableEncoding, destroyed, readableBuffer } = raw
  if (!complete || readableLength === 0 || readableLength > limit || readableFlowing !== null || readableEncoding !== null || destroyed || readableBuffer === undefined) return null
  const chunks = [...readableBuffer].filter((chunk) => Buffer.isBuffer(chunk))
  return chunks.reduce((length, chunk) => length + chunk.length, 0) === readableLength ? chunks : null
}
