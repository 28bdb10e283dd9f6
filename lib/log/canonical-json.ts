import { rememberFirst } from './remember-first.js'

/** A value that JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * JSON in one spelling only, after RFC 8785: members sorted by UTF-16 code units, no blanks, numbers and strings as ECMAScript writes them.
 * @throws TypeError on a number that is not finite
 */
export function canonicalJson (value: Json): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('JSON has no such number')
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  let members = ''
  for (const name of sorted(Object.keys(value))) members += `${members === '' ? '' : ','}${memberStart(name)}${canonicalJson(value[name] ?? null)}`
  return `{${members}}`
}

/** Names, up to which an insertion sort is quicker than `sort`, which makes copies. */
const insertionSorted = 50

/** In place, by UTF-16 code units. */
function sorted (names: string[]): string[] {
  if (names.length > insertionSorted) return names.sort()
  for (const [at, name] of names.entries()) {
    let place = at
    while (place > 0 && (names[place - 1] ?? '') > name) {
      names[place] = names[place - 1] ?? ''
      place--
    }
    names[place] = name
  }
  return names
}

/** What stands in JSON as it is: printable ASCII but the quote and the backslash. */
const plain = /^[ !#-[\]-~]*$/

/** As JSON.stringify writes it, in half the time for most. */
function quoted (text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** `"name":` */
const memberStart = rememberFirst((name) => `${quoted(name)}:`)

/** How many bytes a value takes as JSON. */
export function jsonBytes (value: Json): number {
  return typeof value === 'string' && plain.test(value) ? value.length + 2 : Buffer.byteLength(JSON.stringify(value))
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray (value: object): value is readonly Json[] {
  return Array.isArray(value)
}
