import type { DocuWareObject } from './docuware-client.js'

/** A field's value in DocuWare's own words, such as `{ Item: '2026-01-31', ItemElementName: 'Date' }`. */
export interface TypedValue { readonly Item: unknown, readonly ItemElementName: string }

/** Text, whole number, decimal, date with time, keywords, or empty. */
export type FieldValue = string | number | Date | readonly string[] | null | TypedValue

/** Index fields by their database names, or as DocuWare's own list. */
export type DocumentFields = { readonly [databaseName: string]: FieldValue } | ReadonlyArray<TypedValue & { readonly FieldName: string }>

/** Fields as DocuWare takes them. */
export function fieldList (fields: DocumentFields): readonly DocuWareObject[] {
  if (isList(fields)) return fields.map((field) => ({ ...field }))
  return Object.entries(fields).map(([name, value]) => ({ FieldName: name, ...typedValue(value) }))
}

function typedValue (value: FieldValue): DocuWareObject {
  if (value === null) return { Item: null, ItemElementName: 'String', IsNull: true }
  if (typeof value === 'string') return { Item: value, ItemElementName: 'String' }
  if (typeof value === 'number') return { Item: value, ItemElementName: Number.isInteger(value) ? 'Int' : 'Decimal' }
  if (value instanceof Date) return { Item: value.toISOString(), ItemElementName: 'DateTime' }
  if (isList(value)) return { Item: { $type: 'DocumentIndexFieldKeywords', Keyword: value }, ItemElementName: 'Keywords' }
  return { Item: value.Item, ItemElementName: value.ItemElementName }
}

function isList<Item> (value: readonly Item[] | object): value is readonly Item[] {
  return Array.isArray(value)
}
