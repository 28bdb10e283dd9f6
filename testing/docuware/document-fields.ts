/** The types of index fields, as ItemElementName names them. */
export type FieldType = 'String' | 'Int' | 'Decimal' | 'Date' | 'DateTime' | 'Memo'

/** An index field of every file cabinet. */
export interface FieldDefinition {
  readonly name: string
  readonly label: string
  readonly type: FieldType
  readonly system: boolean
}

/** A field's value; of dates milliseconds since 1970. */
export type FieldValue = string | number | null

export type FieldValues = ReadonlyMap<string, FieldValue>

const system = (name: string, label: string, type: FieldType): FieldDefinition => ({ name, label, type, system: true })
const custom = (name: string, label: string, type: FieldType): FieldDefinition => ({ name, label, type, system: false })

export const fieldDefinitions: readonly FieldDefinition[] = [
  system('DWDOCID', 'Document ID', 'Int'),
  system('DWDOCSIZE', 'Document size', 'Int'),
  system('DWSTOREUSER', 'Stored by', 'String'),
  system('DWSTOREDATETIME', 'Stored on', 'DateTime'),
  system('DWEXTENSION', 'File type', 'String'),
  system('DWMODUSER', 'Modified by', 'String'),
  system('DWMODDATETIME', 'Modified on', 'DateTime'),
  system('DWSECTIONCOUNT', 'Section count', 'Int'),
  system('DWPAGECOUNT', 'Page count', 'Int'),
  custom('COMPANY', 'Company', 'String'),
  custom('DOCUMENT_TYPE', 'Document type', 'String'),
  custom('INVOICE_DATE', 'Invoice date', 'Date'),
  custom('AMOUNT', 'Amount', 'Decimal'),
  custom('NUMBER', 'Number', 'Int'),
  custom('STATUS', 'Status', 'String'),
  custom('NOTE', 'Note', 'Memo')
]

const definitionsByName = new Map(fieldDefinitions.map((definition) => [definition.name, definition]))

export function fieldDefinition (name: string): FieldDefinition | undefined {
  return definitionsByName.get(name.toUpperCase())
}

const companies = ['Peters Engineering', 'Home Melodies', 'BIG Bank', 'Großküchen Müller GmbH', 'Freshdirect', 'Café & Söhne']
const types = ['Invoice', 'Delivery note', 'Order', 'Contract']
const states = ['new', 'approved', 'paid']
const firstStored = Date.UTC(2024, 0, 1)

/** The own fields of the generated document `id`: the same at every call. */
export function generatedValues (id: number): Map<string, FieldValue> {
  return new Map<string, FieldValue>([
    ['COMPANY', companies[id % companies.length] ?? null],
    ['DOCUMENT_TYPE', types[id % types.length] ?? null],
    ['INVOICE_DATE', firstStored - (id % 3650) * 86_400_000],
    ['AMOUNT', (id * 530 % 10_000_000) / 100],
    ['NUMBER', 10_000 + id],
    ['STATUS', states[id % states.length] ?? null],
    ['NOTE', null]
  ])
}

/** When the generated document `id` was stored, in milliseconds since 1970. */
export function generatedAt (id: number): number {
  return firstStored + id * 60_000
}

/** `/Date(ms)/`, DocuWare's form of dates in JSON. */
export function jsonDate (ms: number): string {
  return `/Date(${ms})/`
}

/** A field as the platform shows it. */
export function showField (definition: FieldDefinition, value: FieldValue) {
  return {
    SystemField: definition.system,
    FieldName: definition.name,
    FieldLabel: definition.label,
    IsNull: value === null,
    ReadOnly: definition.system,
    ...(value === null ? {} : { Item: typeof value === 'number' && definition.type.startsWith('Date') ? jsonDate(value) : value }),
    ItemElementName: definition.type
  }
}

/** A value that a client has sent for a field; undefined when it is not of the field's type. */
export function readFieldValue (definition: FieldDefinition, item: unknown): FieldValue | undefined {
  if (item === null || item === undefined || item === '') return null
  switch (definition.type) {
    case 'String':
    case 'Memo':
      return typeof item === 'string' ? item : undefined
    case 'Int':
      return Number.isSafeInteger(Number(item)) ? Number(item) : undefined
    case 'Decimal':
      return Number.isFinite(Number(item)) ? Number(item) : undefined
    default:
      return typeof item === 'string' ? readDate(item) : undefined
  }
}

/** `/Date(ms)/` or an ISO date, as milliseconds since 1970. */
function readDate (text: string): number | undefined {
  const ms = /^\/Date\((-?\d+)([+-]\d{4})?\)\/$/.exec(text)?.[1]
  return ms === undefined ? readIsoDate(text) : Number(ms)
}

/** An ISO 8601 date (UTC without a zone) as milliseconds since 1970. */
export function readIsoDate (text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined
  const ms = Date.parse(/T[^Z+-]*$/.test(text) ? `${text}Z` : text)
  return Number.isNaN(ms) ? undefined : ms
}
