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
  for (const name of sorted(Object.keys(value))) members += `${members === '' ? '' : ','}${beginning(name)}${canonicalJson(value[name] ?? null)}`
  return `{${members}}`
}

/** So many are few. */
const few = 50

/** In place, by UTF-16 code units. What is sealed has few members, and of few `sort` takes longer. */
function sorted (names: string[]): string[] {
  if (names.length > few) return names.sort()
  for (let at = 1; at < names.length; at++) {
    const name = names[at] ?? ''
    let place = at
    for (let before = names[place - 1]; before !== undefined && before > name; before = names[--place - 1]) names[place] = before
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

/** Of a member. */
const beginning = rememberFirst(500, (name) => `${quoted(name)}:`)

/** How many bytes a value takes as JSON. */
export function jsonBytes (value: Json): number {
  return typeof value === 'string' && plain.test(value) ? value.length + 2 : Buffer.byteLength(JSON.stringify(value))
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray (value: object): value is readonly Json[] {
  return Array.isArray(value)
}
