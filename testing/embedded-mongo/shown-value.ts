import { ObjectId, isDocument, toNumber } from './document.js'

/** A value as the server writes it in its messages. */
export function show (value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof ObjectId) return `ObjectId('${value.toHexString()}')`
  if (value instanceof Date) return `new Date(${value.getTime()})`
  if (Array.isArray(value)) return `[ ${value.map(show).join(', ')} ]`
  if (isDocument(value)) return `{ ${Object.entries(value).map(([name, field]) => `${name}: ${show(field)}`).join(', ')} }`
  return value === null || value === undefined ? 'null' : String(toNumber(value) ?? JSON.stringify(value))
}
