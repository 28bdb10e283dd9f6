import { createHash, type Hash } from 'node:crypto'
import { fieldDefinition, readFieldValue, type FieldValue, type FieldValues } from './document-fields.js'
import { showDocument } from './documents.js'
import { chunksOf, mediaType, type Answer, type Received } from './exchange.js'
import type { FileCabinet } from './file-cabinets.js'
import { MalformedMultipart, readMultipart, type PartHeaders, type PartSink } from './multipart.js'
import { isObject, member, parseJson, platformAnswer, platformFailure, type JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

const maxIndexBytes = 2 ** 20

/** What has come of a file. */
interface Counted { fileName: string | null, contentType: string, bytes: number, readonly hash: Hash }

/**
 * POST `/Documents`: a new document from a multipart body (a part `document` with the index fields as JSON, then the file) or from the bare file.
 * The file is counted and hashed while it comes, and not kept.
 */
export async function upload (tenant: Tenant, received: Received, cabinet: FileCabinet): Promise<Answer> {
  const type = received.incoming.headers['content-type'] ?? 'application/octet-stream'
  const boundary = /^multipart\/form-data\b.*;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type)
  const { file, index } = boundary === null ? await readBare(received, type) : await readParts(tenant, received, boundary[1] ?? boundary[2] ?? '')
  const values = index === null ? new Map<string, FieldValue>() : readFields(tenant, received, member(index, 'Fields'))
  const { id } = cabinet.add({ fileName: file.fileName, contentType: mediaType(file.contentType), bytes: file.bytes, sha256: file.hash.digest('hex') }, values)
  return platformAnswer(tenant, received, 'Document', showDocument(tenant, cabinet, id, true))
}

/** Fields as a client sends them: `[{ FieldName, Item, ItemElementName }]`. @throws Refusal (422) for an unknown or read-only one, or a value of another type */
export function readFields (tenant: Tenant, received: Received, fields: unknown): FieldValues {
  if (!Array.isArray(fields) || !fields.every(isObject)) throw platformFailure(tenant, received, 422, 'The fields must be a list of objects')
  return new Map(fields.map((field) => {
    const name = String(member(field, 'FieldName'))
    const definition = fieldDefinition(name)
    if (definition === undefined) throw platformFailure(tenant, received, 422, `The field ${name} does not exist`)
    if (definition.system) throw platformFailure(tenant, received, 422, `The field ${name} is read-only`)
    const value = member(field, 'IsNull') === true ? null : readFieldValue(definition, member(field, 'Item'))
    if (value === undefined) throw platformFailure(tenant, received, 422, `The value of ${name} does not fit its type ${definition.type}`)
    return [definition.name, value]
  }))
}

async function readBare (received: Received, contentType: string): Promise<{ file: Counted, index: null }> {
  const named = received.incoming.headers['x-file-name']
  const file = counted(typeof named === 'string' ? named : fileNameOf(received.incoming.headers['content-disposition']) ?? 'upload', contentType)
  for await (const chunk of chunksOf(received.incoming)) count(file, chunk)
  return { file, index: null }
}

async function readParts (tenant: Tenant, received: Received, boundary: string): Promise<{ file: Counted, index: JsonObject | null }> {
  const file = counted(null, 'application/octet-stream')
  const indexChunks: Buffer[] = []
  let indexBytes = 0
  const open = (headers: PartHeaders): PartSink => {
    const disposition = headers.get('content-disposition')
    if (/\bname="?document"?(;|$)/i.test(disposition ?? '')) {
      return (chunk) => { if ((indexBytes += chunk.length) <= maxIndexBytes) indexChunks.push(chunk) }
    }
    file.fileName ??= fileNameOf(disposition) ?? 'upload'
    file.contentType = headers.get('content-type') ?? file.contentType
    return (chunk) => { count(file, chunk) }
  }
  try {
    await readMultipart(chunksOf(received.incoming), boundary, open)
  } catch (error) {
    throw error instanceof MalformedMultipart ? platformFailure(tenant, received, 400, error.message) : error
  }
  if (indexBytes > maxIndexBytes) throw platformFailure(tenant, received, 413, 'The part "document" is too long')
  const index = indexBytes === 0 ? null : parseJson(Buffer.concat(indexChunks).toString('utf8'))
  if (index !== null && !isObject(index)) throw platformFailure(tenant, received, 400, 'The part "document" is not a JSON object')
  return { file, index }
}

function counted (fileName: string | null, contentType: string): Counted {
  return { fileName, contentType, bytes: 0, hash: createHash('sha256') }
}

function count (file: Counted, chunk: Buffer): void {
  file.bytes += chunk.length
  file.hash.update(chunk)
}

/** `filename*` or `filename` of a Content-Disposition header. */
function fileNameOf (disposition: string | undefined): string | null {
  const extended = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? '')?.[1]
  if (extended !== undefined) return decodeURIComponent(extended)
  return /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition ?? '')?.[1]?.replaceAll(/\\(.)/g, '$1') ?? /filename=([^;\s]+)/i.exec(disposition ?? '')?.[1] ?? null
}
