import { Readable } from 'node:stream'
import { unreachable } from '../../connectors/connection-failure.js'
import type { Deadline } from '../../connectors/deadline.js'
import { discard, type PeerAnswer } from '../../connectors/transport.js'
import type { DocuWareFile } from './docuware-client.js'
import { docuwareErrors } from './docuware-dialect.js'

/** A file as it comes in. The deadline goes over to its stream, and counts only while somebody waits for bytes. */
export function readFile ({ headers, body }: PeerAnswer, deadline: Deadline): DocuWareFile {
  const length = headers['content-encoding'] === undefined ? headers['content-length'] : undefined
  deadline.keep()
  deadline.suspend()
  return {
    stream: new FileStream(body, deadline),
    contentType: headers['content-type'] ?? null,
    fileName: fileNameOf(headers['content-disposition'] ?? ''),
    size: length === undefined ? null : Number(length)
  }
}

class FileStream extends Readable {
  readonly #body: Readable
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #deadline: Deadline

  constructor (body: Readable, deadline: Deadline) {
    super()
    this.#body = body.on('error', () => {}) // it may break before anybody reads; who reads is told then
    this.#chunks = body[Symbol.asyncIterator]()
    this.#deadline = deadline
    // The caller may end what nobody reads at the moment.
    deadline.signal.addEventListener('abort', () => { this.destroy(asError(deadline.signal.reason)) }, { once: true })
  }

  override _read (): void {
    const { signal } = this.#deadline
    this.#pull().catch((error: unknown) => { this.destroy(signal.aborted ? asError(signal.reason) : unreachable(error, docuwareErrors, [])) })
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#deadline.end()
    discard(this.#body)
    done(error)
  }

  async #pull (): Promise<void> {
    this.#deadline.resume()
    const { done, value } = await this.#chunks.next()
    this.#deadline.suspend()
    this.push(done === true ? null : value)
  }
}

function asError (reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('The download was ended', { cause: reason })
}

/** The file name in a Content-Disposition header (RFC 6266), in its extended form if there is one; without folders, which a server has no say in. */
export function fileNameOf (header: string): string | null {
  const extended = /(?:^|;)\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1]
  const quoted = /(?:^|;)\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(header)?.[1]?.replace(/\\(.)/g, '$1')
  const plain = /(?:^|;)\s*filename\s*=\s*([^";\s][^;]*)/i.exec(header)?.[1]?.trim()
  const name = (extended === undefined ? null : decodePercent(extended)) ?? fromLatin1(quoted ?? plain ?? '')
  const last = name.replace(/\p{Cc}/gu, '').split(/[/\\]/).at(-1) ?? ''
  return last === '' || last === '.' || last === '..' ? null : last
}

function decodePercent (text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null // a broken one is as good as none
  }
}

/** Headers are read as Latin-1; most servers mean UTF-8. */
function fromLatin1 (text: string): string {
  const utf8 = Buffer.from(text, 'latin1').toString('utf8')
  return utf8.includes('\ufffd') ? text : utf8
}
