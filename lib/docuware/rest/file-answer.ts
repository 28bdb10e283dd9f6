import { Readable } from 'node:stream'
import { unreachable } from '../../connectors/connection-failure.js'
import type { Deadline } from '../../connectors/deadline.js'
import type { DocuWareFile } from './docuware-client.js'
import { docuwareErrors } from './docuware-dialect.js'

/** A file as it comes in. The deadline goes over to its stream, and counts only while somebody waits for bytes. */
export function readFile (response: Response, deadline: Deadline): DocuWareFile {
  const { headers } = response
  const length = headers.has('content-encoding') ? null : headers.get('content-length')
  deadline.keep()
  deadline.suspend()
  return {
    stream: new FileStream(response.body, deadline),
    contentType: headers.get('content-type'),
    fileName: fileNameOf(headers.get('content-disposition') ?? ''),
    size: length === null ? null : Number(length)
  }
}

class FileStream extends Readable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | null
  readonly #deadline: Deadline

  constructor (body: ReadableStream<Uint8Array> | null, deadline: Deadline) {
    super()
    this.#reader = body?.getReader() ?? null
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
    const close = this.#reader?.cancel() ?? Promise.resolve()
    close.catch(() => null).then(() => { done(error) }, done) // what fails to close is closed
  }

  async #pull (): Promise<void> {
    this.#deadline.resume()
    const { value = null } = await this.#reader?.read() ?? {}
    this.#deadline.suspend()
    this.push(value)
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

/** fetch reads headers as Latin-1; most servers mean UTF-8. */
function fromLatin1 (text: string): string {
  const utf8 = Buffer.from(text, 'latin1').toString('utf8')
  return utf8.includes('\ufffd') ? text : utf8
}
