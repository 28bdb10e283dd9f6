import { BSONValue, Long } from 'bson'
import { Binary, BSONRegExp, BSONSymbol, Decimal128, Double, MaxKey, MinKey, ObjectId, Timestamp, isNumeric, toNumber, type Document } from './document.js'

/** The place of each type in MongoDB's comparison order. */
export const ORDER = {
  minKey: 1,
  undefined: 3,
  null: 5,
  number: 10,
  string: 15,
  object: 20,
  array: 25,
  binary: 30,
  objectId: 35,
  boolean: 40,
  date: 45,
  timestamp: 47,
  regex: 50,
  code: 60,
  maxKey: 127
} as const

/** Which values compare with each other: one number for each group of types. */
export function orderOf (value: unknown): number {
  switch (typeof value) {
    case 'number': case 'bigint': return ORDER.number
    case 'string': return ORDER.string
    case 'boolean': return ORDER.boolean
    case 'undefined': return ORDER.null
  }
  if (value === null) return ORDER.null
  if (Array.isArray(value)) return ORDER.array
  if (value instanceof Date) return ORDER.date
  if (value instanceof ObjectId) return ORDER.objectId
  if (isNumeric(value)) return ORDER.number
  if (value instanceof Binary) return ORDER.binary
  if (value instanceof Timestamp) return ORDER.timestamp
  if (value instanceof BSONRegExp) return ORDER.regex
  if (value instanceof BSONSymbol) return ORDER.string
  if (value instanceof MinKey) return ORDER.minKey
  if (value instanceof MaxKey) return ORDER.maxKey
  if (value instanceof BSONValue && value._bsontype === 'Code') return ORDER.code
  return ORDER.object
}

const scratch = Buffer.alloc(8)

function sortableDouble (value: number): string {
  scratch.writeDoubleBE(value === 0 ? 0 : value)
  const first = scratch[0] ?? 0
  if (first & 0x80) for (let i = 0; i < 8; i++) scratch[i] = ~(scratch[i] ?? 0)
  else scratch[0] = first | 0x80
  return scratch.toString('latin1')
}

function numberKey (value: unknown): string {
  const approximate = toNumber(value) ?? 0
  if (Number.isNaN(approximate)) return '\x00'
  let rest = '\x80\x00'
  if (typeof value === 'bigint') {
    const difference = Number(value - BigInt(approximate)) + 0x8000
    rest = String.fromCharCode(difference >> 8, difference & 0xff)
  } else if (value instanceof Decimal128) {
    const exact = value.toString()
    if (String(approximate) !== canonicalDecimal(exact)) rest = `\x80\x01${canonicalDecimal(exact)}\x00`
  }
  return '\x01' + sortableDouble(approximate) + rest
}

function canonicalDecimal (text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.exec(text)
  if (match === null) return text
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+/, '')
  const trimmed = digits.replace(/0+$/, '')
  if (trimmed === '') return '0'
  const scale = Number(exponent) - fraction.length + digits.length - trimmed.length
  if (scale >= 0) return sign + trimmed + '0'.repeat(Math.min(scale, 400))
  const padded = trimmed.padStart(-scale + 1, '0')
  return `${sign}${padded.slice(0, scale)}.${padded.slice(scale)}`
}

function textKey (text: string): string {
  // eslint-disable-next-line no-control-regex
  const bytes = /^[\x01-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1').replaceAll('\x00', '\x00\xff')
  return bytes + '\x00\x00'
}

/** `id` is a new view at every call of its getter, so it is read once. */
function objectIdKey (id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
}

function documentKey (value: Document): string {
  let key = ''
  for (const name of Object.keys(value)) {
    const field = value[name]
    key += String.fromCharCode(orderOf(field)) + textKey(name) + sortKey(field)
  }
  return key + '\x00'
}

/**
 * A string of single-byte characters for any value: two keys compare as the values do, are equal when the
 * values are, and none is the beginning of another.
 */
export function sortKey (value: unknown): string {
  const order = orderOf(value)
  const tag = String.fromCharCode(order)
  switch (order) {
    case ORDER.number: return tag + numberKey(value)
    case ORDER.string: return tag + textKey(value instanceof BSONSymbol ? value.value : String(value))
    case ORDER.objectId: return value instanceof ObjectId ? tag + objectIdKey(value.id) : tag
    case ORDER.date: return tag + sortableDouble(value instanceof Date ? value.getTime() : 0)
    case ORDER.boolean: return tag + (value === true ? '\x01' : '\x00')
    case ORDER.array: return tag + (Array.isArray(value) ? value.map(sortKey).join('') : '') + '\x00'
    case ORDER.timestamp: return tag + (value instanceof Timestamp ? new Long(value.low, value.high, true).toString(16).padStart(16, '0') : '')
    case ORDER.binary: {
      if (!(value instanceof Binary)) return tag
      const head = Buffer.alloc(5)
      head.writeUInt32BE(value.position)
      head[4] = value.sub_type
      return tag + head.toString('latin1') + Buffer.from(value.buffer.buffer, value.buffer.byteOffset, value.position).toString('latin1')
    }
    case ORDER.regex: return tag + (value instanceof BSONRegExp ? textKey(value.pattern) + textKey(value.options) : '')
    case ORDER.object: return tag + (typeof value === 'object' && value !== null ? documentKey({ ...value }) : '')
    case ORDER.code: return tag + textKey(JSON.stringify(value))
    default: return tag
  }
}

/** The key of a value in a descending index: it compares the other way round. */
export function reversed (key: string): string {
  const bytes = Buffer.from(key, 'latin1')
  for (let i = 0; i < bytes.length; i++) bytes[i] = 0xff - (bytes[i] ?? 0)
  return bytes.toString('latin1')
}

/** Compares any two values in MongoDB's order: negative, zero or positive. */
export function compare (left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') {
    if (left < right) return -1
    if (left > right) return 1
    if (left === right) return 0
  } else if (left instanceof Date && right instanceof Date) {
    return left.getTime() - right.getTime()
  } else if (typeof left === 'string' && left === right) {
    return 0
  } else {
    const difference = orderOf(left) - orderOf(right)
    if (difference !== 0) return difference
    if (typeof left === 'boolean') return Number(left) - Number(right)
    if (left instanceof Double || right instanceof Double) {
      if (!(left instanceof Decimal128) && !(right instanceof Decimal128) && typeof left !== 'bigint' && typeof right !== 'bigint') {
        return compare(toNumber(left), toNumber(right))
      }
    }
  }
  const leftKey = sortKey(left)
  const rightKey = sortKey(right)
  return leftKey < rightKey ? -1 : leftKey > rightKey ? 1 : 0
}

/** Equality as queries and unique indexes see it: 1, 1.0 and int64 1 are the same. */
export function equal (left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left === 'string' && typeof right === 'string') return false
  if (typeof left === 'number' && typeof right === 'number') return Number.isNaN(left) && Number.isNaN(right)
  return compare(left, right) === 0
}

/** Equality of type and value, down to the order of fields: what makes an update a change. */
export function identical (left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, i) => identical(item, right[i]))
  }
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false
  if (left instanceof Date || left instanceof BSONValue) return equal(left, right)
  const leftFields = Object.entries(left)
  const rightFields = Object.entries(right)
  return leftFields.length === rightFields.length && leftFields.every(([name, value], i) => {
    const other = rightFields[i]
    return other !== undefined && other[0] === name && identical(value, other[1])
  })
}
