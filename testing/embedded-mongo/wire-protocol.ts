import { decode, encode, setField, type Document } from './document.js'

export const MAX_MESSAGE_SIZE = 48_000_000
const HEADER = 16
const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const CHECKSUM_PRESENT = 1
const MORE_TO_COME = 2
const EXHAUST_ALLOWED = 1 << 16

/** Bytes that are no message of the protocol: the connection is closed. */
export class MalformedMessage extends Error {}

/** One request, of either kind. `reply` encodes its answer; undefined where none is expected. */
export interface Request {
  command: Document
  reply: ((answer: Document, responseId: number) => Buffer) | undefined
}

/** Cuts a stream of bytes into messages. Throws {@link MalformedMessage} for an impossible length. */
export class MessageSplitter {
  #pending: Buffer[] = []
  #length = 0

  push (chunk: Buffer): Buffer[] {
    this.#pending.push(chunk)
    this.#length += chunk.length
    const messages: Buffer[] = []
    while (this.#length >= 4) {
      const wanted = this.#peek().readInt32LE(0)
      if (wanted < HEADER || wanted > MAX_MESSAGE_SIZE) throw new MalformedMessage(`a message of ${wanted} bytes`)
      if (this.#length < wanted) break
      const all = this.#join()
      messages.push(all.subarray(0, wanted))
      this.#pending = all.length > wanted ? [all.subarray(wanted)] : []
      this.#length = all.length - wanted
    }
    return messages
  }

  #peek (): Buffer {
    const first = this.#pending[0]
    return first !== undefined && first.length >= 4 ? first : this.#join()
  }

  #join (): Buffer {
    const all = this.#pending.length === 1 ? this.#pending[0] ?? Buffer.alloc(0) : Buffer.concat(this.#pending)
    this.#pending = [all]
    return all
  }
}

function documentAt (message: Buffer, offset: number, end: number): { document: Document, next: number } {
  if (offset + 5 > end) throw new MalformedMessage('a document that is cut off')
  const size = message.readInt32LE(offset)
  if (size < 5 || offset + size > end) throw new MalformedMessage(`a document of ${size} bytes`)
  try {
    return { document: decode(message.subarray(offset, offset + size)), next: offset + size }
  } catch (error) {
    throw new MalformedMessage('a document that is not BSON', { cause: error })
  }
}

function textAt (message: Buffer, offset: number, end: number): { text: string, next: number } {
  const zero = message.indexOf(0, offset)
  if (zero === -1 || zero >= end) throw new MalformedMessage('a name that does not end')
  return { text: message.toString('utf8', offset, zero), next: zero + 1 }
}

function header (length: number, responseId: number, responseTo: number, opCode: number): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.writeInt32LE(responseId, 4)
  bytes.writeInt32LE(responseTo, 8)
  bytes.writeInt32LE(opCode, 12)
  return bytes
}

function finish (head: Buffer, body: Uint8Array): Buffer {
  head.writeInt32LE(head.length + body.length, 0)
  return Buffer.concat([head, body])
}

function parseMessage (message: Buffer, requestId: number): Request {
  if (message.length < HEADER + 5) throw new MalformedMessage('a message without a body')
  const flags = message.readUInt32LE(HEADER)
  if ((flags & ~(CHECKSUM_PRESENT | MORE_TO_COME | EXHAUST_ALLOWED)) !== 0) throw new MalformedMessage(`unknown flags ${flags}`)
  const end = (flags & CHECKSUM_PRESENT) !== 0 ? message.length - 4 : message.length
  let offset = HEADER + 4
  let command: Document | undefined
  const sequences: Array<[string, Document[]]> = []
  while (offset < end) {
    const kind = message[offset++]
    if (kind === 0) {
      if (command !== undefined) throw new MalformedMessage('two bodies')
      const { document, next } = documentAt(message, offset, end)
      command = document
      offset = next
    } else if (kind === 1) {
      if (offset + 4 > end) throw new MalformedMessage('a sequence that is cut off')
      const sequenceEnd = offset + message.readInt32LE(offset)
      if (sequenceEnd <= offset + 4 || sequenceEnd > end) throw new MalformedMessage('a sequence of an impossible length')
      const name = textAt(message, offset + 4, sequenceEnd)
      const documents: Document[] = []
      offset = name.next
      while (offset < sequenceEnd) {
        const { document, next } = documentAt(message, offset, sequenceEnd)
        documents.push(document)
        offset = next
      }
      sequences.push([name.text, documents])
    } else {
      throw new MalformedMessage(`a section of kind ${kind}`)
    }
  }
  if (command === undefined) throw new MalformedMessage('no body')
  for (const [name, documents] of sequences) setField(command, name, documents)
  const reply = (answer: Document, responseId: number): Buffer => finish(header(HEADER + 5, responseId, requestId, OP_MSG), encode(answer))
  return { command, reply: (flags & MORE_TO_COME) !== 0 ? undefined : reply }
}

function parseQuery (message: Buffer, requestId: number): Request {
  const name = textAt(message, HEADER + 4, message.length)
  const { document } = documentAt(message, name.next + 8, message.length)
  const inner = document['$query'] ?? document
  const command: Document = typeof inner === 'object' ? { ...inner, $db: name.text.split('.')[0] ?? '' } : {}
  const reply = (answer: Document, responseId: number): Buffer => {
    const head = header(HEADER + 20, responseId, requestId, OP_REPLY)
    head.writeInt32LE(8, HEADER)
    head.writeInt32LE(1, HEADER + 16)
    return finish(head, encode(answer))
  }
  const first = Object.keys(command)[0]?.toLowerCase()
  if (!name.text.endsWith('.$cmd') || (first !== 'hello' && first !== 'ismaster')) {
    return { command: { unsupportedOpQuery: first ?? '', $db: 'admin' }, reply }
  }
  return { command, reply }
}

/** Reads one message: OP_MSG, or OP_QUERY as drivers still use it for their first hello. */
export function parseRequest (message: Buffer): Request {
  const requestId = message.readInt32LE(4)
  const opCode = message.readInt32LE(12)
  if (opCode === OP_MSG) return parseMessage(message, requestId)
  if (opCode === OP_QUERY) return parseQuery(message, requestId)
  throw new MalformedMessage(`operation ${opCode}`)
}
