/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** An object of a record, in which names lead to values; no array, date or BSON type. */
export function isDocument (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}

/**
 * A single value of a record as JSON: dates ISO 8601, ids hexadecimal, decimals and integers that a double cannot hold as text, bytes base64.
 * What says nothing (null, an empty text, no number) is null, as is what JSON cannot say.
 */
export function toJson (value: unknown): Json {
  switch (typeof value) {
    case 'boolean': return value
    case 'string': return value === '' ? null : value
    case 'number': return Number.isFinite(value) ? value : null
    case 'bigint': return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    case 'object': return value === null ? null : objectToJson(value)
    default: return null
  }
}

/** BSON types are told by their mark: the app's may come from another copy of the library. */
function objectToJson (value: object): Json {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  switch ('_bsontype' in value ? value._bsontype : '') {
    case 'ObjectId':
    case 'Decimal128':
    case 'Long':
    case 'Timestamp': return String(value)
    case 'Int32':
    case 'Double': return Number(value)
    case 'Binary': return 'toJSON' in value && typeof value.toJSON === 'function' ? String(value.toJSON()) : null
    default: return null
  }
}
