import { isDocument, toNumber, type Document } from './document.js'
import { ServerError } from './errors.js'
import { compare } from './ordering.js'
import { someAt } from './paths.js'

export type SortSpec = Array<[path: string, direction: 1 | -1]>

/** Reads `{ a: 1, b: -1 }`; undefined where nothing is to be sorted. */
export function sortSpec (sort: unknown): SortSpec | undefined {
  if (!isDocument(sort) || Object.keys(sort).length === 0) return undefined
  return Object.entries(sort).map(([path, direction]) => {
    const number = toNumber(direction)
    if (number === undefined) throw new ServerError(15974, `Illegal key in $sort specification: ${path}: ${String(direction)}`)
    if (number !== 1 && number !== -1) throw new ServerError(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)')
    return [path, number]
  })
}

/** The value an array field sorts by: its least element ascending, its greatest descending. */
function sortValue (document: Document, parts: string[], direction: 1 | -1): unknown {
  let best: unknown
  let found = false
  const consider = (value: unknown): void => {
    if (!found || compare(value, best) * direction < 0) best = value
    found = true
  }
  someAt(document, parts, (value) => {
    if (!Array.isArray(value)) consider(value)
    else if (value.length === 0) consider(undefined)
    else value.forEach(consider)
    return false
  })
  return best
}

/** Sorts stably by MongoDB's order of values. */
export function sortBy<T> (items: T[], spec: SortSpec, documentOf: (item: T) => Document): T[] {
  const paths = spec.map(([path, direction]) => ({ parts: path.split('.'), direction }))
  const keyed = items.map((item) => ({ item, values: paths.map(({ parts, direction }) => sortValue(documentOf(item), parts, direction)) }))
  keyed.sort((left, right) => {
    for (const [i, { direction }] of paths.entries()) {
      const order = compare(left.values[i], right.values[i])
      if (order !== 0) return order * direction
    }
    return 0
  })
  return keyed.map(({ item }) => item)
}
