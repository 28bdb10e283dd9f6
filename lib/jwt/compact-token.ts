import { isUtf8 } from 'node:buffer'

/** Longer tokens are refused unread, in characters. */
export const maxTokenLength = 8192
/** Longer header segments are refused unread, in characters. */
export const maxHeaderLength = 2048
/** Deeper claims are refused. */
const maxDepth = 32

export type JsonObject = { readonly [name: string]: unknown }

/** The segments of a compact JWS (RFC 7515 §7.1), not yet decoded. */
export interface CompactToken {
  readonly header: string
  readonly payload: string
  readonly signature: string
  /** `header.payload`, what the signature covers. */
  readonly input: string
}

/** Splits a compact token; null unless it is three strict base64url segments (RFC 4648 §5, unpadded) within the size limits. */
export function splitToken (token: string): CompactToken | null {
  if (token.length > maxTokenLength || !/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token)) return null
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first > maxHeaderLength) return null
  const header = token.slice(0, first)
  const payload = token.slice(first + 1, second)
  const signature = token.slice(second + 1)
  if (!endsOnByte(header) || !endsOnByte(payload) || !endsOnByte(signature)) return null
  return { header, payload, signature, input: token.slice(0, second) }
}

/** The bytes of a strict base64url segment. */
export function decodeSegment (segment: string): Buffer {
  return Buffer.from(segment, 'base64url')
}

/** Whether the last character of a base64url segment has no bits left over, so that the bytes have one spelling only. */
function endsOnByte (segment: string): boolean {
  const last = segment.slice(-1)
  switch (segment.length % 4) {
    case 0: return true
    case 2: return 'AQgw'.includes(last)
    case 3: return 'AEIMQUYcgkosw048'.includes(last)
    default: return false
  }
}

/** A deeply frozen JSON object, or null when the bytes are anything else: not UTF-8, not JSON, not an object, too deep, or with a `__proto__` in it. */
export function parseObject (bytes: Buffer): JsonObject | null {
  if (!isUtf8(bytes)) return null
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return null // malformed JSON is an ordinary answer of this function
  }
  return isJsonObject(value) && freezeDeep(value, maxDepth) ? value : null
}

export function isJsonObject (value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function freezeDeep (value: object, depth: number): boolean {
  if (depth === 0 || Object.hasOwn(value, '__proto__')) return false
  for (const item of Object.values(value)) {
    if (typeof item === 'object' && item !== null && !freezeDeep(item, depth - 1)) return false
  }
  Object.freeze(value)
  return true
}

/** Header and claims as the two first segments of a compact token. */
export function encodeInput (header: object, payload: object): string {
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`
}
