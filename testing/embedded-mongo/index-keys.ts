import { getField, isDocument, isTruthy, toNumber, type Document } from './document.js'
import { ServerError } from './errors.js'
import { compile, type Matcher } from './matcher.js'
import { OrderedMap } from './ordered-map.js'
import { reversed, sortKey } from './ordering.js'
import { isPosition } from './paths.js'

/** One index: its options as given, and its entries in order. */
export class Index {
  readonly name: string
  readonly fields: Array<{ path: string, parts: string[], direction: 1 | -1 }>
  readonly unique: boolean
  readonly sparse: boolean
  readonly partialFilter: Document | undefined
  readonly entries = new OrderedMap<string, number>()
  spec: Document
  /** True once some document has had an array at a path of this index. */
  multikey = false
  readonly #applies: Matcher | undefined

  constructor (spec: Document) {
    const key = isDocument(spec['key']) ? spec['key'] : {}
    this.spec = spec
    this.name = String(spec['name'])
    this.unique = isTruthy(spec['unique']) || this.name === '_id_'
    this.sparse = isTruthy(spec['sparse'])
    this.partialFilter = isDocument(spec['partialFilterExpression']) ? spec['partialFilterExpression'] : undefined
    this.#applies = this.partialFilter === undefined ? undefined : compile(this.partialFilter, { now: new Date(0), variables: {} })
    this.fields = Object.entries(key).map(([path, direction]) => ({
      path, parts: path.split('.'), direction: (toNumber(direction) ?? 1) < 0 ? -1 : 1
    }))
  }

  /** Seconds after which a TTL index expires a document. */
  get expireAfterSeconds (): number | undefined {
    return toNumber(this.spec['expireAfterSeconds'])
  }

  get keyPattern (): Document {
    return isDocument(this.spec['key']) ? this.spec['key'] : {}
  }

  /** Whether two documents may have different entries: false only where all that is indexed is the same object or value. */
  mayDiffer (document: Document, other: Document): boolean {
    return this.#applies !== undefined || this.fields.some(({ parts: [name = ''] }) => getField(document, name) !== getField(other, name))
  }

  /** The index entries of a document, none where it is not in the index. Throws for parallel arrays. */
  keysOf (document: Document): string[] {
    if (this.#applies !== undefined && !this.#applies(document)) return []
    const [only] = this.fields
    if (this.fields.length === 1 && only !== undefined && only.parts.length === 1) {
      const value = getField(document, only.path)
      if (value === undefined && this.sparse) return []
      if (!Array.isArray(value)) return [component(value, only.direction)]
    }
    const columns: Array<Map<string, unknown>> = []
    let arrays: string | undefined
    let present = false
    for (const { path, parts, direction } of this.fields) {
      const column = new Map<string, unknown>()
      const found = { array: '', any: false }
      collect(document, parts, 0, '', column, direction, found)
      present ||= found.any
      if (found.array !== '') {
        this.multikey = true
        const root = found.array
        if (arrays !== undefined && arrays !== root) {
          throw new ServerError('CannotIndexParallelArrays', `cannot index parallel arrays [${path.split('.').at(-1) ?? ''}] [${arrays.split('.').at(-1) ?? ''}]`)
        }
        arrays = root
      }
      columns.push(column)
    }
    if (this.sparse && !present) return []
    let keys = ['']
    for (const column of columns) keys = keys.flatMap((key) => [...column.keys()].map((part) => key + part))
    return keys.length > 1 ? [...new Set(keys)] : keys
  }

  /** The record that already has one of these keys in a unique index. */
  conflict (keys: string[], except?: number): { key: string, record: number } | undefined {
    if (!this.unique) return undefined
    for (const key of keys) {
      for (const [entry, record] of this.entries.from(key)) {
        if (!entry.startsWith(key)) break
        if (record !== except) return { key, record }
      }
    }
    return undefined
  }

  /** The values of a document's key, as error 11000 tells them. */
  keyValue (document: Document, key: string): Document {
    const values: Document = {}
    let rest = key
    for (const { path, parts, direction } of this.fields) {
      const column = new Map<string, unknown>()
      collect(document, parts, 0, '', column, direction, { array: '', any: false })
      const [part, value] = [...column].find(([candidate]) => rest.startsWith(candidate)) ?? ['', null]
      rest = rest.slice(part.length)
      values[path] = value ?? null
    }
    return values
  }

  add (keys: string[], record: number): void {
    for (const key of keys) this.entries.set(key + recordSuffix(record), record)
  }

  remove (keys: string[], record: number): void {
    for (const key of keys) this.entries.delete(key + recordSuffix(record))
  }
}

/** The part of an index key that stands for one value. */
export function component (value: unknown, direction: 1 | -1): string {
  const key = sortKey(value)
  return direction === 1 ? key : reversed(key)
}

const EMPTY_ARRAY = '\x03'

function recordSuffix (record: number): string {
  const high = Math.floor(record / 0x1000000)
  return String.fromCharCode(high >>> 16 & 0xff, high >>> 8 & 0xff, high & 0xff, record >>> 16 & 0xff, record >>> 8 & 0xff, record & 0xff)
}

function collect (value: unknown, parts: string[], at: number, walked: string, into: Map<string, unknown>, direction: 1 | -1, found: { array: string, any: boolean }): void {
  const part = parts[at]
  if (part === undefined) {
    if (value !== undefined) found.any = true
    if (!Array.isArray(value)) {
      into.set(component(value, direction), value)
    } else {
      found.array = walked
      if (value.length === 0) into.set(direction === 1 ? EMPTY_ARRAY : reversed(EMPTY_ARRAY), null)
      for (const item of value) into.set(component(item, direction), item)
    }
    return
  }
  const path = walked === '' ? part : `${walked}.${part}`
  if (isDocument(value)) {
    collect(getField(value, part), parts, at + 1, path, into, direction, found)
  } else if (Array.isArray(value)) {
    if (isPosition(part) && Number(part) < value.length) {
      collect(value[Number(part)], parts, at + 1, path, into, direction, found)
      return
    }
    found.array = walked
    const documents = value.filter(isDocument)
    for (const item of documents) collect(item, parts, at, walked, into, direction, found)
    if (documents.length < value.length || value.length === 0) into.set(component(undefined, direction), null)
  } else {
    into.set(component(undefined, direction), null)
  }
}
