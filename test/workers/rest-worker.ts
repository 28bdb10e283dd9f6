import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createRestClient } from '../../lib/docuware/rest/create-rest-client.js'

/** A process that moves one large file by the REST client, and tells what it held in memory meanwhile. */
const [platformUrl = '', accessToken = '', cabinetId = '', task = '', size = ''] = process.argv.slice(2)
const bearer = { platformUrl, accessToken }
const dw = createRestClient({ current: () => bearer, renew: async () => { throw new Error('refused') } })
const piece = Buffer.alloc(64 * 1024, 'a line of the file\n')
let peak = 0

function sample (): void {
  peak = Math.max(peak, process.memoryUsage.rss())
}

async function upload (bytes: number): Promise<{ bytes: number, sha256: string }> {
  const hash = createHash('sha256')
  function * pieces (): Generator<Buffer> {
    for (let sent = 0; sent < bytes; sent += piece.length) {
      sample()
      const next = Buffer.from(piece.subarray(0, bytes - sent)) // a new one, as from a file
      hash.update(next)
      yield next
    }
  }
  await dw.upload(cabinetId, Readable.from(pieces(), { objectMode: false }), { fileName: 'large.txt', contentType: 'text/plain', fields: { COMPANY: 'Peters' } })
  return { bytes, sha256: hash.digest('hex') }
}

async function download (documentId: number): Promise<{ bytes: number, sha256: string }> {
  const hash = createHash('sha256')
  const { stream } = await dw.download(cabinetId, documentId)
  let bytes = 0
  for await (const chunk of stream) {
    sample()
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

await upload(1_000_000) // what is loaded and compiled once is not the file's
globalThis.gc?.()
peak = 0
const before = process.memoryUsage.rss()
const moved = task === 'upload' ? await upload(Number(size)) : await download(1)
process.send?.({ ...moved, before, extra: peak - before })
process.disconnect()
