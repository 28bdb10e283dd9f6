import type { Readable } from 'node:stream'
import type { PeerAnswer } from './transport.js'

const decoder = new TextDecoder()

/** An answer's body as text, without a byte order mark; null when it has more than `maxBytes` (unpacked), and the rest is not fetched. */
export async function readText ({ body }: PeerAnswer, maxBytes: number): Promise<string | null> {
  const bytes = await readAll(body, maxBytes)
  return bytes === null ? null : decoder.decode(bytes)
}

/** All that a stream has; null when it is more than `maxBytes`, and the rest is not fetched. */
export function readAll (body: Readable, maxBytes: number): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    body.on('data', (chunk: Uint8Array) => {
      length += chunk.length
      if (length <= maxBytes) {
        chunks.push(chunk)
      } else {
        resolve(null)
        body.destroy()
      }
    })
    body.on('end', () => { resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)) })
    body.on('error', reject)
    body.on('close', () => { reject(new Error('the connection was closed before the end of the answer')) }) // not when it has ended
  })
}

/** What an answer is, in a word: `JSON`, `HTML`, `XML`, or its media type. */
export function kindOf ({ headers }: PeerAnswer): string {
  const header = headers['content-type'] ?? ''
  if (header === 'application/json; charset=utf-8' || header === 'application/json') return 'JSON' // nearly always, without taking it apart
  const type = header.split(';', 1).at(0)?.trim().toLowerCase() ?? ''
  if (/^(application|text)\/([\w.-]+\+)?json$/.test(type)) return 'JSON'
  if (type === 'text/html' || type === 'application/xhtml+xml') return 'HTML'
  if (/[/+]xml$/.test(type)) return 'XML'
  return /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(type) ? type : 'something without a media type'
}
