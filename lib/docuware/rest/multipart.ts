import { randomUUID } from 'node:crypto'
import { StreamedBody, type BodySource, type RequestBody } from '../../connectors/request-body.js'
import { errors } from '../../errors.js'
import type { DocuWareObject } from './docuware-client.js'
import { docuwareErrors } from './docuware-dialect.js'

export interface MultipartFile {
  readonly source: BodySource
  readonly fileName: string
  readonly contentType: string
  readonly size?: number | undefined
  /** Index data that goes in front, as DocuWare's `index.json`. */
  readonly index?: DocuWareObject
}

/** A file, with its index data, as multipart/form-data (RFC 7578) that is never in memory as a whole. @throws DWA_DOCUWARE_INVALID_REQUEST */
export function multipart ({ source, fileName, contentType, size, index }: MultipartFile): RequestBody {
  if (fileName === '') throw new errors.DWA_DOCUWARE_INVALID_REQUEST('fileName must not be empty')
  if (!/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(;[\x20-\x7e]*)?$/.test(contentType)) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('contentType is not a media type')
  const boundary = `docuware-${randomUUID()}`
  const part = (name: string, file: string, type: string): string => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${quoted(file)}"\r\nContent-Type: ${type}\r\n\r\n`
  const document = index === undefined ? '' : `${part('document', 'index.json', 'application/json')}${JSON.stringify(index)}\r\n`
  return new StreamedBody(source, docuwareErrors, {
    size,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    before: Buffer.from(document + part('file[]', fileName, contentType)),
    after: Buffer.from(`\r\n--${boundary}--\r\n`)
  })
}

/** As browsers write it (WHATWG HTML, "multipart/form-data encoding algorithm"). */
function quoted (text: string): string {
  return text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
