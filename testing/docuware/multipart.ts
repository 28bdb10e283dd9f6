/** Takes a part's content as it comes. */
export type PartSink = (chunk: Buffer) => void

/** A part's headers by lower-case name. */
export type PartHeaders = ReadonlyMap<string, string>

/** A body that is not multipart, or not whole. */
export class MalformedMultipart extends Error {}

const maxHeaderBytes = 16 * 1024
const headersEnd = Buffer.from('\r\n\r\n')

/**
 * Reads a multipart body (RFC 2046 §5.1.1) while it comes; nothing is kept but what may be the beginning of a delimiter.
 * @throws MalformedMultipart
 */
export async function readMultipart (body: AsyncIterable<Buffer>, boundary: string, onPart: (headers: PartHeaders) => PartSink): Promise<void> {
  const reader = new MultipartReader(boundary, onPart)
  for await (const chunk of body) reader.push(chunk)
  reader.end()
}

class MultipartReader {
  readonly #delimiter: Buffer
  readonly #onPart: (headers: PartHeaders) => PartSink
  /** Begins as if a line had ended, so that the first delimiter is like the others. */
  #pending: Buffer = Buffer.from('\r\n')
  #state: 'content' | 'delimited' | 'headers' | 'done' = 'content'
  #sink: PartSink | null = null

  constructor (boundary: string, onPart: (headers: PartHeaders) => PartSink) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
    this.#onPart = onPart
  }

  push (chunk: Buffer): void {
    if (this.#state === 'done') return
    this.#pending = Buffer.concat([this.#pending, chunk])
    while (this.#advance());
  }

  end (): void {
    if (this.#state !== 'done') throw new MalformedMultipart('The body ends before its last delimiter')
  }

  /** One step on what is pending; false when more has to come. */
  #advance (): boolean {
    switch (this.#state) {
      case 'content': return this.#readContent()
      case 'delimited': return this.#readDelimiterEnd()
      case 'headers': return this.#readHeaders()
      case 'done': return false
    }
  }

  #readContent (): boolean {
    const end = this.#pending.indexOf(this.#delimiter)
    const safe = end < 0 ? Math.max(0, this.#pending.length - this.#delimiter.length + 1) : end
    if (safe > 0) this.#sink?.(this.#pending.subarray(0, safe))
    this.#pending = this.#pending.subarray(end < 0 ? safe : end + this.#delimiter.length)
    if (end < 0) return false
    this.#state = 'delimited'
    return true
  }

  /** Two dashes after the last one, else the end of the line, which stays for the headers. */
  #readDelimiterEnd (): boolean {
    if (this.#pending.length < 2) return false
    const next = this.#pending.toString('latin1', 0, 2)
    if (next !== '--' && next !== '\r\n') throw new MalformedMultipart('A delimiter is malformed')
    this.#state = next === '--' ? 'done' : 'headers'
    return true
  }

  #readHeaders (): boolean {
    const end = this.#pending.indexOf(headersEnd)
    if ((end < 0 ? this.#pending.length : end) > maxHeaderBytes) throw new MalformedMultipart('The headers of a part are too long')
    if (end < 0) return false
    this.#sink = this.#onPart(parseHeaders(this.#pending.toString('utf8', 2, end)))
    this.#pending = this.#pending.subarray(end + headersEnd.length)
    this.#state = 'content'
    return true
  }
}

function parseHeaders (text: string): PartHeaders {
  return new Map(text.split('\r\n').map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
  }))
}
