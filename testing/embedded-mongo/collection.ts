import { MAX_COMMAND_SIZE, MAX_DOCUMENT_SIZE, ObjectId, isDocument, isTruthy, takeReceivedSize, sizeOf, toNumber, typeOf, type Document } from './document.js'
import { ServerError } from './errors.js'
import { Index } from './index-keys.js'
import { OrderedMap } from './ordered-map.js'
import { show } from './shown-value.js'

/** A document in its collection. It is replaced, never changed. */
export interface StoredRecord { readonly id: number, readonly document: Document, readonly size: number }

/** The limits of a capped collection, in bytes and documents. */
export interface Cap { size: number, max: number | undefined }

/** The documents of one collection in natural order, their indexes and, where capped, the limits. */
export class Collection {
  readonly records = new OrderedMap<number, StoredRecord>()
  readonly indexes: Index[] = []
  readonly uuid: Uint8Array
  readonly options: Document
  bytes = 0
  cap: Cap | undefined
  dropped = false
  namespace: string
  #lastRecord = 0
  #waiting = new Set<() => void>()

  constructor (namespace: string, options: Document, uuid: Uint8Array) {
    this.namespace = namespace
    this.options = options
    this.uuid = uuid
    if (isTruthy(options['capped'])) this.cap = { size: toNumber(options['size']) ?? 4096, max: toNumber(options['max']) }
    this.indexes.push(new Index({ v: 2, key: { _id: 1 }, name: '_id_' }))
  }

  /** Stores a document, gives it an `_id` when it has none, and evicts what no longer fits a cap. */
  insert (document: Document): StoredRecord {
    const complete = withId(document)
    const size = checkedSize(complete, (bytes) => new ServerError('BadValue', `object to insert too large. size in bytes: ${bytes}, max size: ${MAX_DOCUMENT_SIZE}`))
    if (this.cap !== undefined && size > this.cap.size) {
      throw new ServerError('BadValue', `object to insert exceeds cappedMaxSize: ${size} > ${this.cap.size}`)
    }
    const keys = this.indexes.map((index) => index.keysOf(complete))
    this.#checkUnique(this.indexes, complete, keys)
    const record = { id: ++this.#lastRecord, document: complete, size }
    this.records.set(record.id, record)
    this.bytes += size
    for (const [i, index] of this.indexes.entries()) index.add(keys[i] ?? [], record.id)
    if (this.cap !== undefined) this.evict()
    if (this.#waiting.size > 0) this.wake()
    return record
  }

  /** Puts a new document in the place of a record. `_id` must be the same. */
  replace (record: StoredRecord, document: Document): StoredRecord {
    const size = checkedSize(document, () => new ServerError(17419, `Resulting document after update is larger than ${MAX_DOCUMENT_SIZE}`))
    const affected = this.indexes.filter((index) => index.mayDiffer(record.document, document))
    const before = affected.map((index) => index.keysOf(record.document))
    const after = affected.map((index) => index.keysOf(document))
    this.#checkUnique(affected, document, after, record.id)
    const next = { id: record.id, document, size }
    this.records.set(record.id, next)
    this.bytes += size - record.size
    for (const [i, index] of affected.entries()) {
      const old = before[i] ?? []
      const fresh = after[i] ?? []
      if (old.length === 1 && fresh.length === 1 && old[0] === fresh[0]) continue
      index.remove(old, record.id)
      index.add(fresh, record.id)
    }
    return next
  }

  remove (record: StoredRecord): void {
    if (!this.records.delete(record.id)) return
    this.bytes -= record.size
    for (const index of this.indexes) index.remove(index.keysOf(record.document), record.id)
  }

  /** Drops the oldest documents of a capped collection until it fits. */
  evict (): void {
    const cap = this.cap
    if (cap === undefined) return
    while (this.bytes > cap.size || (cap.max !== undefined && cap.max > 0 && this.records.size > cap.max)) {
      const oldest = this.records.first()
      if (oldest === undefined) return
      this.remove(oldest[1])
    }
  }

  /** Adds an index over what is there. Throws, and adds nothing, where a unique one would not hold. */
  addIndex (spec: Document): Index {
    const index = new Index(spec)
    for (const [id, { document }] of this.records.from()) {
      const keys = index.keysOf(document)
      const conflict = index.conflict(keys)
      if (conflict !== undefined) throw duplicateKey(this.namespace, index, document, conflict.key)
      index.add(keys, id)
    }
    this.indexes.push(index)
    return index
  }

  dropIndex (index: Index): void {
    this.indexes.splice(this.indexes.indexOf(index), 1)
  }

  /** Calls back at the next insert, or when the collection goes. The answer unsubscribes. */
  whenChanged (listener: () => void): () => void {
    this.#waiting.add(listener)
    return () => { this.#waiting.delete(listener) }
  }

  wake (): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const listener of waiting) queueMicrotask(listener)
  }

  #checkUnique (indexes: readonly Index[], document: Document, keys: string[][], except?: number): void {
    for (const [i, index] of indexes.entries()) {
      const conflict = index.conflict(keys[i] ?? [], except)
      if (conflict !== undefined) throw duplicateKey(this.namespace, index, document, conflict.key)
    }
  }
}

function withId (document: Document): Document {
  if (document['_id'] === undefined) return { _id: new ObjectId(), ...document }
  const type = typeOf(document['_id'])[1]
  if (type === 'array' || type === 'regex' || type === 'undefined') throw new ServerError('InvalidIdField', `The '_id' value cannot be of type ${type}`)
  if (isDocument(document['_id']) && Object.keys(document['_id'])[0]?.startsWith('$') === true) {
    throw new ServerError('DollarPrefixedFieldName', `_id fields may not contain '$'-prefixed fields: ${Object.keys(document['_id'])[0] ?? ''} is not valid for storage.`)
  }
  return Object.keys(document)[0] === '_id' ? document : { _id: document['_id'], ...document }
}

const MAX_DEPTH = 180
/** No smaller document is deeper: a level takes a length, a type, a name and two zeros. */
const LEVEL_BYTES = 7

function isDeeper (value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return limit === 0 || value.some((item) => isDeeper(item, limit - 1))
  if (!isDocument(value)) return false
  if (limit === 0) return true
  for (const name of Object.keys(value)) if (isDeeper(value[name], limit - 1)) return true
  return false
}

function refuseDeeper (document: Document): void {
  if (isDeeper(document, MAX_DEPTH)) throw new ServerError('Overflow', `Document exceeds maximum nested object depth: ${MAX_DEPTH}`)
}

function checkedSize (document: Document, tooLarge: (size: number) => ServerError): number {
  const received = takeReceivedSize(document)
  if (received === undefined || received >= MAX_DEPTH * LEVEL_BYTES) refuseDeeper(document)
  const size = received ?? sizeOf(document)
  if (size > MAX_COMMAND_SIZE) {
    throw new ServerError('BSONObjectTooLarge', `BSONObj size: ${size} (0x${size.toString(16)}) is invalid. Size must be between 0 and ${MAX_COMMAND_SIZE}(16MB)`)
  }
  if (size > MAX_DOCUMENT_SIZE) throw tooLarge(size)
  return size
}

function duplicateKey (namespace: string, index: Index, document: Document, key: string): ServerError {
  const keyValue = index.keyValue(document, key)
  const shown = Object.entries(keyValue).map(([path, value]) => `${path}: ${show(value)}`).join(', ')
  return new ServerError('DuplicateKey', `E11000 duplicate key error collection: ${namespace} index: ${index.name} dup key: { ${shown} }`,
    { keyPattern: index.keyPattern, keyValue })
}
