import { fieldDefinitions, jsonDate, showField, type FieldValues } from './document-fields.js'
import type { DocumentFile, FileCabinet } from './file-cabinets.js'
import type { JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

/** Where the platform's own paths begin. */
export const platformBase = '/DocuWare/Platform'

/** A document's fields; only those named, when some are. */
export function showFields (values: FieldValues, only: ReadonlySet<string> | null = null): JsonObject[] {
  return fieldDefinitions.filter(({ name }) => only === null || only.has(name)).map((definition) => showField(definition, values.get(definition.name) ?? null))
}

/** A document as the platform shows it, whole or as a row of a list. */
export function showDocument (tenant: Tenant, cabinet: FileCabinet, id: number, whole: boolean, only: ReadonlySet<string> | null = null): JsonObject {
  const file = cabinet.file(id)
  const values = cabinet.values(id)
  const path = `${platformBase}/FileCabinets/${cabinet.id}/Documents/${id}`
  const stored = jsonDate(Number(values.get('DWSTOREDATETIME')))
  const modified = jsonDate(Number(values.get('DWMODDATETIME')))
  const link = (rel: string, href: string): JsonObject => ({ rel, href })
  return {
    Fields: showFields(values, only),
    Flags: { IsCold: false, IsDBRecord: file.name === '', IsCheckedOut: false, IsCopyRightProtected: false, IsVoiceAvailable: false, HasAppendedDocuments: false, IsProtected: false, IsDeleted: false, IsEmail: false },
    Version: { Major: 1, Minor: 0 },
    Links: [link('self', path), link('fields', `${path}/Fields`), link('fileDownload', `${path}/FileDownload`)],
    ...(whole ? { Sections: sections(cabinet.id, id, file, modified) } : {}),
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

function sections (cabinetId: string, id: number, { name, contentType, bytes }: DocumentFile, modified: string): JsonObject[] {
  if (name === '') return []
  return [{
    SignatureStatus: [],
    Pages: { Page: [] },
    Thumbnails: { Page: [] },
    Links: [{ rel: 'self', href: `${platformBase}/FileCabinets/${cabinetId}/Sections/${id}-${id}` }],
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
