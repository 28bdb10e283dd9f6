import type { Deadline } from './deadline.js'
import type { ExchangeErrors } from './dialect.js'
import type { OutgoingBody } from './transport.js'

/** What a request carries: text, bytes, a Node or web stream (which can be sent once), or a function that opens one of these (called for each try). */
export type BodySource = Content | (() => Content)
type Content = string | Uint8Array | Blob | AsyncIterable<Uint8Array | string>

/** The body of one request, through all its tries. */
export interface RequestBody {
  readonly headers: Readonly<Record<string, string>>
  /** False for a stream that has been read from. */
  readonly sendable: boolean
  /** What reading the source failed with, if it did. */
  readonly failure: { readonly error: unknown } | null
  /** What is sent with one try. */
  open (deadline: Deadline): OutgoingBody
}

/** A body that is there as a whole. */
export function wholeBody (content: string, headers: Readonly<Record<string, string>>): RequestBody {
  return { headers, sendable: true, failure: null, open: () => content }
}

export function jsonBody (value: unknown): RequestBody {
  return wholeBody(JSON.stringify(value), { 'content-type': 'application/json' })
}

const sliceLength = 64 * 1024

export interface StreamedBodyOptions {
  /** Bytes of the source where it does not tell. */
  readonly size?: number | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Sent before and after the source. */
  readonly before?: Uint8Array
  readonly after?: Uint8Array
}

/** A body that is read as it is sent, and whose deadline counts only while the peer does not take what there is. */
export class StreamedBody implements RequestBody {
  readonly headers: Readonly<Record<string, string>>
  readonly #source: BodySource
  readonly #before: Uint8Array
  readonly #after: Uint8Array
  readonly #size: number | null
  readonly #errors: Pick<ExchangeErrors, 'invalidRequest'>
  #used = false
  #failure: { readonly error: unknown } | null = null

  constructor (source: BodySource, errors: Pick<ExchangeErrors, 'invalidRequest'>, { size, headers = {}, before = new Uint8Array(), after = new Uint8Array() }: StreamedBodyOptions = {}) {
    this.#source = typeof source === 'string' ? Buffer.from(source) : source
    this.#errors = errors
    this.#before = before
    this.#after = after
    this.#size = size ?? sizeOf(this.#source)
    this.headers = this.#size === null ? headers : { ...headers, 'content-length': String(before.length + this.#size + after.length) }
  }

  get sendable (): boolean {
    return !this.#used || typeof this.#source === 'function' || sizeOf(this.#source) !== null
  }

  get failure (): { readonly error: unknown } | null {
    return this.#failure
  }

  async * open (deadline: Deadline): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#before.length > 0) yield this.#before
    try {
      this.#used = true
      let bytes = 0
      deadline.suspend()
      for await (const chunk of chunksOf(typeof this.#source === 'function' ? this.#source() : this.#source)) {
        bytes += chunk.length
        if (this.#size !== null && bytes > this.#size) throw this.#wrongSize()
        for (let start = 0; start < chunk.length; start += sliceLength) {
          deadline.resume()
          yield chunk.subarray(start, start + sliceLength)
          if (deadline.over) return // nobody takes what is left
        }
        deadline.suspend()
      }
      if (this.#size !== null && bytes < this.#size) throw this.#wrongSize()
    } catch (error) {
      this.#failure = { error }
      throw error
    } finally {
      deadline.resume()
    }
    if (this.#after.length > 0) yield this.#after
  }

  /** The peer would wait for ever, or take what is too much for the next request. */
  #wrongSize (): Error {
    return this.#errors.invalidRequest(`The body does not have the ${this.#size} bytes that its size says`)
  }
}

function sizeOf (source: BodySource): number | null {
  if (source instanceof Uint8Array) return source.length
  return source instanceof Blob ? source.size : null
}

async function * chunksOf (content: Content): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof content === 'string') yield Buffer.from(content)
  else if (content instanceof Uint8Array) yield content
  else for await (const chunk of content instanceof Blob ? content.stream() : content) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
