import { getField, isDocument, type Document } from './document.js'

export const isPosition = (part: string): boolean => /^(0|[1-9]\d*)$/.test(part)

/**
 * Calls `test` with each value that a dotted path of a query reaches, until one answer is true. Arrays on the way
 * are entered (their documents, or the element a number names); an array at the end is given whole. A path that
 * leads nowhere gives `undefined` once, unless it ends inside an array.
 */
export function someAt (value: unknown, parts: string[], test: (value: unknown) => boolean, at = 0): boolean {
  const part = parts[at]
  if (part === undefined) return test(value)
  if (Array.isArray(value)) {
    if (isPosition(part) && Number(part) < value.length && someAt(value[Number(part)], parts, test, at + 1)) return true
    return value.some((item) => isDocument(item) && (!isPosition(part) || Object.hasOwn(item, part)) && someAt(item, parts, test, at))
  }
  if (isDocument(value)) return someAt(getField(value, part), parts, test, at + 1)
  return test(undefined)
}

/** Every value at a path, arrays at its end spread out: what `distinct` counts. */
export function valuesAt (document: Document, path: string): unknown[] {
  const values: unknown[] = []
  someAt(document, path.split('.'), (value) => {
    if (Array.isArray(value)) values.push(...value)
    else if (value !== undefined) values.push(value)
    return false
  })
  return values
}
