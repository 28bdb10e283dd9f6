import type { SchemaObject } from 'ajv'
import mongoose, { type Model, type mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import { refuseReserved, type LogDraft } from '../log/log-draft.js'
import type { LogFields } from '../log/log-entry.js'
import { findDisagreement } from '../schema-check.js'
import { DocumentCollection } from './document-collection.js'
import type { KeyRing } from './key-ring.js'
import { isDuplicateKey } from './key-ring-document.js'
import { Outbox, type ChangeEntry, type RecordDocument } from './outbox.js'
import { isRecordId, type Change, type OpenedRecord, type RecordCollection, type RecordKind, type StoredRecord } from './record-collection.js'
import { indexesOf, propertiesOf, refuseReservedFields } from './record-schema.js'

/** What a stored collection of records needs of the store. */
export interface StoredRecordsOptions {
  readonly kind: RecordKind
  /** Called with the first use: a model takes mongoose longer than all the rest of a kind, and most kinds are not used during the start. */
  readonly makeModel: () => Model<RecordDocument>
  /** The model's collection, written with majority. */
  readonly documents: () => mongo.Collection<RecordDocument>
  readonly keyRing: KeyRing
  readonly clock: Clock
  readonly run: <T>(operation: () => Promise<T>) => Promise<T>
  /** Makes an audit entry for an outbox. */
  readonly draft: (event: string, fields: LogFields) => LogDraft
  /** Stores it in the log, once. */
  readonly log: (...entries: readonly LogDraft[]) => Promise<void>
}

/** Records in MongoDB. */
export class StoredRecords<Fields extends object> implements RecordCollection<Fields> {
  readonly kind: RecordKind
  readonly #options: StoredRecordsOptions
  readonly #outbox: Outbox
  readonly #patchSchema: SchemaObject
  readonly #documents: DocumentCollection<RecordDocument>
  #madeModel: Model<RecordDocument> | null = null

  constructor (options: StoredRecordsOptions) {
    refuseReservedFields(options.kind)
    this.kind = options.kind
    this.#options = options
    this.#documents = new DocumentCollection(options.documents, indexesOf(options.kind), options.run)
    this.#outbox = new Outbox({
      collection: options.kind.collection,
      type: options.kind.area,
      documents: options.documents,
      keyRing: options.keyRing,
      draft: options.draft,
      log: options.log
    })
    this.#patchSchema = { type: 'object', additionalProperties: false, properties: propertiesOf(options.kind.schema) }
  }

  /** Creates the collection and its indexes unless they are there. @throws DWA_STORE_UNAVAILABLE */
  async ensure (): Promise<void> {
    await this.#documents.ensure()
  }

  /** Delivers audit entries that dead processes left behind. */
  async sweep (): Promise<void> {
    await this.#run(async () => { await this.#outbox.sweep(this.#options.clock.now()) })
  }

  async create (fields: Fields, change: Change = {}): Promise<StoredRecord<Fields>> {
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
    this.#check(this.kind.schema, given)
    const id = new mongoose.mongo.ObjectId()
    const now = new Date(this.#options.clock.now())
    const entry = this.#entry('created', id, given[this.kind.nameField], Object.keys(given), change)
    const document = { ...await this.#encrypted(id, given), _id: id, version: 1, createdAt: now, updatedAt: now, outbox: [entry.stored] }
    await this.#write(given, async () => await this.#model.insertOne(document))
    await this.#deliver(entry)
    return this.#record(document)
  }

  async get (id: string): Promise<StoredRecord<Fields> | null> {
    return isRecordId(id) ? await this.#findOne({ _id: new mongoose.mongo.ObjectId(id) }) : null
  }

  async getByName (name: string): Promise<StoredRecord<Fields> | null> {
    return typeof name === 'string' ? await this.#findOne({ [this.kind.nameField]: name }) : null
  }

  async list (matching: Partial<Fields> = {}): Promise<Array<StoredRecord<Fields>>> {
    this.#checkPlain(matching)
    return await this.#sorted(matching)
  }

  async page (limit: number, after?: string, matching: Partial<Fields> = {}): Promise<Array<StoredRecord<Fields>>> {
    this.#checkPlain(matching)
    return await this.#sorted(after === undefined ? matching : { $and: [matching, { [this.kind.nameField]: { $gt: after } }] }, limit)
  }

  async count (limit: number): Promise<number> {
    return await this.#run(async () => await this.#model.countDocuments({ version: { $exists: true } }, { limit }))
  }

  async update (id: string, version: number, patch: { readonly [Name in keyof Fields]?: Fields[Name] | undefined }, change: Change = {}): Promise<StoredRecord<Fields>> {
    const set = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
    const unset = Object.keys(patch).filter((name) => !(name in set))
    this.#check(this.#patchSchema, set)
    this.#checkRemovable(unset)
    const before = await this.#at(id, version)
    const entry = this.#entry('updated', before._id, set[this.kind.nameField] ?? before[this.kind.nameField], Object.keys(patch), change)
    const sealed = await this.#encrypted(before._id, set)
    const after = await this.#write(set, async () => await this.#model.findOneAndUpdate({ _id: before._id, version }, {
      $set: { ...sealed, updatedAt: new Date(this.#options.clock.now()) },
      ...(unset.length === 0 ? {} : { $unset: Object.fromEntries(unset.map((name) => [name, 1])) }),
      $inc: { version: 1 },
      $push: { outbox: entry.stored }
    }, { returnDocument: 'after', projection: this.#projection }).lean())
    if (after === null) throw await this.#lost(id)
    await this.#deliver(entry)
    return this.#record(after)
  }

  async remove (id: string, version: number, change: Change = {}): Promise<void> {
    const before = await this.#at(id, version)
    const entry = this.#entry('deleted', before._id, before[this.kind.nameField], [], change)
    const waiting = before.outbox ?? []
    const removed = await this.#run(async () => await this.#model.findOneAndReplace({ _id: before._id, version }, { outbox: [...waiting, entry.stored] }).lean())
    if (removed === null) throw await this.#lost(id)
    await this.#deliver(entry)
  }

  async secrets (id: string): Promise<{ readonly [name: string]: string }> {
    return (await this.open(id))?.secrets ?? {}
  }

  async open (id: string): Promise<OpenedRecord<Fields> | null> {
    const document = isRecordId(id) ? await this.#findDocument({ _id: new mongoose.mongo.ObjectId(id) }) : null
    if (document === null) return null
    const secrets: Record<string, string> = {}
    for (const name of this.kind.secrets) {
      const value = document[name]
      if (typeof value === 'string') secrets[name] = await this.#options.keyRing.decrypt(value, secretBinding(this.kind, id, name))
    }
    return { ...this.#record(document), secrets }
  }

  get #model (): Model<RecordDocument> {
    this.#madeModel ??= this.#options.makeModel()
    return this.#madeModel
  }

  get #projection (): Record<string, 1> {
    return Object.fromEntries([...Object.keys(propertiesOf(this.kind.schema)), 'version', 'createdAt', 'updatedAt', 'outbox'].map((name) => [name, 1 as const]))
  }

  async #run<T> (operation: () => Promise<T>): Promise<T> {
    return await this.#documents.run(async () => await operation())
  }

  async #sorted (filter: Record<string, unknown>, limit = 0): Promise<Array<StoredRecord<Fields>>> {
    const found = await this.#run(async () => await this.#model.find({ ...filter, version: { $exists: true } }, this.#projection).sort({ [this.kind.nameField]: 1 }).limit(limit).lean())
    return found.map((document) => this.#record(document))
  }

  async #findOne (filter: Record<string, unknown>): Promise<StoredRecord<Fields> | null> {
    const document = await this.#findDocument(filter)
    return document === null ? null : this.#record(document)
  }

  async #findDocument (filter: Record<string, unknown>): Promise<RecordDocument | null> {
    return await this.#run(async () => await this.#model.findOne({ ...filter, version: { $exists: true } }, this.#projection).lean())
  }

  /** The living record, if it is at that version. */
  async #at (id: string, version: number): Promise<RecordDocument> {
    const filter = { _id: isRecordId(id) ? new mongoose.mongo.ObjectId(id) : null, version: { $exists: true } }
    const document = filter._id === null ? null : await this.#run(async () => await this.#model.findOne(filter, this.#projection).lean())
    if (document === null) throw new errors.DWA_STORE_NOT_FOUND(`The ${this.kind.area}`)
    if (document.version !== version) throw new errors.DWA_STORE_CONFLICT(`The ${this.kind.area}`)
    return document
  }

  /** Why a compare-and-set found nothing. */
  async #lost (id: string): Promise<Error> {
    return await this.get(id) === null ? new errors.DWA_STORE_NOT_FOUND(`The ${this.kind.area}`) : new errors.DWA_STORE_CONFLICT(`The ${this.kind.area}`)
  }

  async #write<T> (fields: Record<string, unknown>, operation: () => Promise<T>): Promise<T> {
    try {
      return await this.#run(operation)
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      const name = fields[this.kind.nameField]
      throw new errors.DWA_STORE_DUPLICATE(typeof name === 'string' && violates(error, this.kind.nameField) ? `The ${this.kind.area} "${name}"` : `Such a ${this.kind.area}`)
    }
  }

  async #deliver (entry: ChangeEntry): Promise<void> {
    await this.#run(async () => { await this.#outbox.deliver(entry) })
  }

  #entry (verb: 'created' | 'updated' | 'deleted', id: mongo.ObjectId, name: unknown, changed: readonly string[], change: Change): ChangeEntry {
    const { event, level, actor, requestId, message, details, personal } = change
    if (event !== undefined) refuseReserved(event)
    return this.#outbox.entry(id, event ?? `${this.kind.area}.${verb}`, {
      level,
      actor,
      requestId,
      message,
      personal,
      target: { type: this.kind.area, id: id.toHexString(), name: typeof name === 'string' ? name : null },
      details: { ...details, ...(changed.length === 0 ? {} : { changed }) }
    })
  }

  async #encrypted (id: mongo.ObjectId, fields: Record<string, unknown>): Promise<Record<string, unknown>> {
    const sealed = { ...fields }
    for (const name of this.kind.secrets) {
      const value = fields[name]
      if (typeof value === 'string') sealed[name] = await this.#options.keyRing.encrypt(value, secretBinding(this.kind, id.toHexString(), name))
    }
    return sealed
  }

  /** What is looked for is a plain value, never an operator. */
  #checkPlain (matching: Partial<Fields>): void {
    for (const [name, value] of Object.entries(matching)) {
      if (this.kind.secrets.includes(name) || !['string', 'number', 'boolean'].includes(typeof value)) throw new errors.DWA_STORE_INVALID_RECORD(name, 'only a plain value can be looked for')
    }
    this.#check(this.#patchSchema, matching)
  }

  #check (schema: SchemaObject, fields: object): void {
    const found = findDisagreement(schema, fields)
    if (found !== null) throw new errors.DWA_STORE_INVALID_RECORD(found.path === '' ? this.kind.area : found.path, found.problem)
  }

  #checkRemovable (names: readonly string[]): void {
    const required: unknown = this.kind.schema['required']
    for (const name of names) {
      if (!(name in propertiesOf(this.kind.schema))) throw new errors.DWA_STORE_INVALID_RECORD(name, 'unknown field')
      if (Array.isArray(required) && required.includes(name)) throw new errors.DWA_STORE_INVALID_RECORD(name, 'is required')
    }
  }

  #record (document: RecordDocument): StoredRecord<Fields> {
    const fields: Record<string, unknown> = {}
    for (const name of Object.keys(propertiesOf(this.kind.schema))) {
      if (!this.kind.secrets.includes(name) && document[name] !== undefined) fields[name] = document[name]
    }
    return {
      id: document._id.toHexString(),
      version: document.version ?? 0,
      createdAt: document.createdAt ?? new Date(0),
      updatedAt: document.updatedAt ?? new Date(0),
      fields: fields as Fields, // the model was made from the schema that `Fields` describes, and lets nothing else in
      secretsSet: this.kind.secrets.filter((name) => typeof document[name] === 'string')
    }
  }
}

/** What a secret's ciphertext is bound to: it opens in its own field of its own record only. */
export function secretBinding (kind: Pick<RecordKind, 'collection'>, id: string, field: string): string {
  return `${kind.collection}/${id}/${field}`
}

function violates (error: unknown, field: string): boolean {
  return error instanceof Error && 'keyPattern' in error && typeof error.keyPattern === 'object' && error.keyPattern !== null && field in error.keyPattern
}
