import { Readable } from 'node:stream'

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
  const onData = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    length += bytes.length
    if (length > limit) end('too_large')
    else chunks.push(bytes)
  }
  const onEnd = (): void => { end(chunks) }
  const onError = (): void => { end('aborted') }
  const end = (body: Buffer[] | UnreadBody): void => {
    payload.off('data', onData).off('end', onEnd).off('error', onError)
    done(body)
  }
  payload.on('data', onData).on('end', onEnd).on('error', onError)
}

/** The same bytes again, for the parser. */
export class ReadBody extends Readable implements BodySource {
  receivedEncodedLength?: number
  readonly #chunks: readonly Buffer[]
  #next = 0

  constructor (chunks: readonly Buffer[], { receivedEncodedLength }: BodySource) {
    super({ autoDestroy: false, emitClose: false })
    this.#chunks = chunks
    if (receivedEncodedLength !== undefined) this.receivedEncodedLength = receivedEncodedLength
  }

  override _read (): void {
    this.push(this.#chunks[this.#next++] ?? null)
  }
}
