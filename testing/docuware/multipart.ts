/** Takes a part's content as it comes. */
export interface PartSink {
  write: (chunk: Buffer) => void
  end: () => void
}

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
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  let pending: Buffer = Buffer.from('\r\n')
  let state: 'content' | 'delimited' | 'headers' | 'done' = 'content'
  let sink: PartSink | null = null

  /** One step on what is pending; false when more has to come. */
  const advance = (): boolean => {
    switch (state) {
      case 'content': {
        const end = pending.indexOf(delimiter)
        const safe = end < 0 ? Math.max(0, pending.length - delimiter.length + 1) : end
        if (safe > 0) sink?.write(pending.subarray(0, safe))
        pending = pending.subarray(end < 0 ? safe : end + delimiter.length)
        if (end < 0) return false
        sink?.end()
        sink = null
        state = 'delimited'
        return true
      }
      case 'delimited': {
        if (pending.length < 2) return false
        const next = pending.toString('latin1', 0, 2)
        if (next !== '--' && next !== '\r\n') throw new MalformedMultipart('A delimiter is malformed')
        state = next === '--' ? 'done' : 'headers'
        pending = next === '--' ? Buffer.alloc(0) : pending
        return state === 'headers'
      }
      case 'headers': {
        const end = pending.indexOf(headersEnd)
        if (end > maxHeaderBytes || (end < 0 && pending.length > maxHeaderBytes)) throw new MalformedMultipart('The headers of a part are too long')
        if (end < 0) return false
        sink = onPart(parseHeaders(pending.toString('utf8', 2, end)))
        pending = pending.subarray(end + headersEnd.length)
        state = 'content'
        return true
      }
      case 'done':
        pending = Buffer.alloc(0)
        return false
    }
  }

  for await (const chunk of body) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (advance());
  }
  if (!isDone(state)) throw new MalformedMultipart('The body ends before its last delimiter')
}

function isDone (state: string): boolean {
  return state === 'done'
}

function parseHeaders (text: string): PartHeaders {
  return new Map(text.split('\r\n').map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
  }))
}
