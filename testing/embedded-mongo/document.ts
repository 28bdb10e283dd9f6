import {
  Binary, BSONRegExp, BSONSymbol, BSONValue, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp,
  calculateObjectSize, deserialize, serialize
} from 'bson'

/**
 * A document as the server keeps it. Numbers are exactly what `bson` would write: a JavaScript integer in the
 * 32-bit range is an int32, any other number a double, a bigint an int64, and a `Double` holds the doubles
 * that would otherwise read as int32.
 */
export type Document = Record<string, unknown>

export const MAX_DOCUMENT_SIZE = 16 * 1024 * 1024
/** A command may be a little larger than a document. */
export const MAX_COMMAND_SIZE = MAX_DOCUMENT_SIZE + 16 * 1024

/** True for embedded documents, false for arrays, null and BSON types. */
export function isDocument (value: unknown): value is Document {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** True where `bson` writes the number as an int32. */
export function isInt32 (value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value && !Object.is(value, -0)
}

/** The stored form of a double. */
export function double (value: number): number | Double {
  return isInt32(value) ? new Double(value) : value
}

/** Sets a field, also one that is named `__proto__`. */
export function setField (target: Document, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
  else target[name] = value
}

/** The field's own value; what `Object.prototype` has is not a field. */
export function getField (target: Document, name: string): unknown {
  return Object.hasOwn(target, name) ? target[name] : undefined
}

function normalise (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = normalise(value[i])
    return value
  }
  if (isDocument(value)) {
    for (const name of Object.keys(value)) {
      const field = value[name]
      if (typeof field === 'object' && field !== null) setField(value, name, normalise(field))
    }
    return value
  }
  if (!(value instanceof BSONValue)) return value
  switch (value._bsontype) {
    case 'Int32': return value instanceof Int32 ? value.value : value
    case 'Double': return value instanceof Double ? double(value.value) : value
    case 'Long': return value instanceof Long ? value.toBigInt() : value
    case 'DBRef': return normalise(dbRefFields(value))
    default: return value
  }
}

function dbRefFields (reference: BSONValue): Document {
  const fields: Document = {}
  const { collection, oid, db, fields: others } = Object.assign({ collection: '', oid: null, db: undefined, fields: {} }, reference)
  fields['$ref'] = collection
  fields['$id'] = oid
  if (db !== undefined) fields['$db'] = db
  return Object.assign(fields, others)
}

/** Reads one BSON document. Throws what `bson` throws for malformed bytes. */
export function decode (bytes: Uint8Array): Document {
  const document = deserialize(bytes, { promoteValues: false, bsonRegExp: true, validation: { utf8: false } })
  normalise(document)
  received.set(document, bytes.byteLength)
  return document
}

const received = new WeakMap<Document, number>()

/** The size in bytes of a document as it was read; undefined for one that was made here. Told once: whoever takes it keeps the document. */
export function takeReceivedSize (document: Document): number | undefined {
  const size = received.get(document)
  received.delete(document)
  return size
}

/** Writes one BSON document. */
export function encode (document: Document): Uint8Array {
  return serialize(document, { ignoreUndefined: false })
}

/** The size in bytes of a document's BSON form. */
export function sizeOf (document: Document): number {
  return calculateObjectSize(document, { ignoreUndefined: false })
}

/** A deep copy; BSON values are immutable here and shared. */
export function clone<T> (value: T): T
export function clone (value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => clone(item))
  if (isDocument(value)) {
    const copy: Document = {}
    for (const name of Object.keys(value)) setField(copy, name, clone(value[name]))
    return copy
  }
  return value
}

/** True for the numeric BSON types. */
export function isNumeric (value: unknown): value is number | bigint | Double | Decimal128 {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Double || value instanceof Decimal128
}

/** A JavaScript number for any numeric BSON value, undefined for the rest. */
export function toNumber (value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Double) return value.value
  if (value instanceof Decimal128) return Number(value.toString())
  return undefined
}

/** MongoDB's truth: everything except false, null, missing and zero. */
export function isTruthy (value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false
  const number = toNumber(value)
  return number === undefined || number !== 0
}

const TYPES: Record<string, [number: number, alias: string]> = {
  Double: [1, 'double'],
  Binary: [5, 'binData'],
  ObjectId: [7, 'objectId'],
  BSONRegExp: [11, 'regex'],
  Code: [13, 'javascript'],
  BSONSymbol: [14, 'symbol'],
  Timestamp: [17, 'timestamp'],
  Decimal128: [19, 'decimal'],
  MinKey: [-1, 'minKey'],
  MaxKey: [127, 'maxKey']
}

/** The type number and alias that `$type` knows, of any stored value. */
export function typeOf (value: unknown): [number: number, alias: string] {
  switch (typeof value) {
    case 'string': return [2, 'string']
    case 'boolean': return [8, 'bool']
    case 'bigint': return [18, 'long']
    case 'number': return isInt32(value) ? [16, 'int'] : [1, 'double']
    case 'undefined': return [6, 'undefined']
  }
  if (value === null) return [10, 'null']
  if (Array.isArray(value)) return [4, 'array']
  if (value instanceof Date) return [9, 'date']
  if (value instanceof BSONValue) return TYPES[value._bsontype] ?? [3, 'object']
  return [3, 'object']
}

export { Binary, BSONRegExp, BSONSymbol, Decimal128, Double, MaxKey, MinKey, ObjectId, Timestamp }
