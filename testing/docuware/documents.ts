import { fieldDefinitions, jsonDate, showField } from './document-fields.js'
import type { FileCabinet } from './file-cabinets.js'
import type { JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

/** Where the platform's own paths begin. */
export const platformBase = '/DocuWare/Platform'

/** A document's fields; only those named, when some are. */
export function showFields (cabinet: FileCabinet, id: number, only: ReadonlySet<string> | null = null): JsonObject[] {
  const values = cabinet.values(id)
  return fieldDefinitions.filter(({ name }) => only === null || only.has(name)).map((definition) => showField(definition, values.get(definition.name) ?? null))
}

/** A document as the platform shows it, whole or as a row of a list. */
export function showDocument (tenant: Tenant, cabinet: FileCabinet, id: number, whole: boolean, only: ReadonlySet<string> | null = null): JsonObject {
  const file = cabinet.file(id)
  const path = `${platformBase}/FileCabinets/${cabinet.id}/Documents/${id}`
  const stored = jsonDate(cabinet.storedAt(id))
  const modified = jsonDate(Number(cabinet.values(id).get('DWMODDATETIME')))
  const link = (rel: string, href: string): JsonObject => ({ rel, href })
  return {
    Fields: showFields(cabinet, id, only),
    Flags: { IsCold: false, IsDBRecord: file.name === '', IsCheckedOut: false, IsCopyRightProtected: false, IsVoiceAvailable: false, HasAppendedDocuments: false, IsProtected: false, IsDeleted: false, IsEmail: false },
    Version: { Major: 1, Minor: 0 },
    Links: [link('self', path), link('fields', `${path}/Fields`), link('fileDownload', `${path}/FileDownload`)],
    ...(whole ? { Sections: sections(cabinet, id, modified) } : {}),
    ContentType: file.contentType,
    FileCabinetId: cabinet.id,
    OrganizationGuid: tenant.organization.guid,
    HaveMoreTotalPages: false,
    HasTextAnnotation: false,
    TotalPages: 1,
    Id: id,
    Title: file.name.replace(/\.[^.]+$/, ''),
    LastModified: modified,
    LastModifiedSpecified: true,
    CreatedAt: stored,
    CreatedAtSpecified: true,
    FileSize: file.bytes,
    SectionCount: file.name === '' ? 0 : 1,
    IntellixTrust: 'None',
    VersionStatus: 'Initial'
  }
}

function sections (cabinet: FileCabinet, id: number, modified: string): JsonObject[] {
  const { name, contentType, bytes } = cabinet.file(id)
  if (name === '') return []
  return [{
    SignatureStatus: [],
    Pages: { Page: [] },
    Thumbnails: { Page: [] },
    Links: [{ rel: 'self', href: `${platformBase}/FileCabinets/${cabinet.id}/Sections/${id}-${id}` }],
    Id: `${id}-${id}`,
    ContentType: contentType,
    HaveMorePages: false,
    PageCount: 1,
    FileSize: bytes,
    OriginalFileName: name,
    ContentModified: modified,
    HasTextAnnotation: false,
    AnnotationsPreview: false
  }]
}
