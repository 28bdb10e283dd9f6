import { Readable } from 'node:stream'
import type { BodySource } from './request-body.js'

/** The bytes of a body that was read, for the parser. */
export class ReadBody extends Readable implements BodySource {
  receivedEncodedLength?: number
  readonly #chunks: Buffer[]
  #next = 0

  /** @param chunks which are taken over */
  constructor (chunks: Buffer[], { receivedEncodedLength }: BodySource) {
    super({ autoDestroy: false, emitClose: false })
    this.#chunks = chunks
    if (receivedEncodedLength !== undefined) this.receivedEncodedLength = receivedEncodedLength
  }

  override _read (): void {
    const chunk = this.#chunks[this.#next++]
    if (chunk === undefined) this.#chunks.length = 0 // the request keeps this stream as long as it lives
    this.push(chunk ?? null)
  }
}
