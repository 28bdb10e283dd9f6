import { createHash } from 'node:crypto'
import type { Answer, Received } from './exchange.js'
import type { FileCabinet } from './file-cabinets.js'
import { platformFailure } from './platform-answer.js'
import type { Tenant } from './tenant.js'

const pieceBytes = 64 * 1024

/** The file of a generated document, made while it is read: a PDF's first line, then text that differs from document to document. */
function * generateFile (cabinet: FileCabinet, id: number): Generator<Buffer> {
  const { bytes } = cabinet.file(id)
  const line = `% ${cabinet.name} ${id} of the DocuWare simulator\n`
  const piece = Buffer.from(line.repeat(Math.ceil(pieceBytes / line.length)))
  const head = Buffer.from('%PDF-1.4\n').subarray(0, bytes)
  if (head.length > 0) yield head
  for (let sent = head.length; sent < bytes; sent += piece.length) yield piece.subarray(0, Math.min(piece.length, bytes - sent))
}

async function * inPieces (pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield * pieces
}

/** What a download of the document's file must give: its length, and its SHA-256 in hexadecimal. */
export function expectedFile (cabinet: FileCabinet, id: number): { bytes: number, sha256: string } {
  const { bytes, readable } = cabinet.file(id)
  if (!readable) throw new Error('The simulator keeps no uploaded files: see uploads()')
  const hash = createHash('sha256')
  for (const piece of generateFile(cabinet, id)) hash.update(piece)
  return { bytes, sha256: hash.digest('hex') }
}

/** `/FileDownload`. @throws Refusal (422) for an uploaded document, whose file was not kept */
export function download (tenant: Tenant, received: Received, cabinet: FileCabinet, id: number): Answer {
  const { name, contentType, bytes, readable } = cabinet.file(id)
  if (!readable) throw platformFailure(tenant, received, 422, 'The simulator keeps no uploaded files')
  return {
    status: 200,
    headers: { 'content-type': contentType, 'content-length': bytes, 'content-disposition': contentDisposition(name) },
    body: inPieces(generateFile(cabinet, id))
  }
}

/** RFC 6266: the name for everyone, and where it is not ASCII again in UTF-8. */
function contentDisposition (name: string): string {
  const plain = name.replaceAll(/[^ -~]/g, '_').replaceAll(/["\\]/g, '\\$&')
  const extended = encodeURIComponent(name).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${plain}"${/^[ -~]*$/.test(name) ? '' : `; filename*=UTF-8''${extended}`}`
}
