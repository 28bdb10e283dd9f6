import { errors } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { ChangeNote, ManagedRecords, RecordUpdate } from '../store/managed-records.js'
import { cleared, RecordInput } from '../store/record-input.js'
import type { StoredRecord } from '../store/record-collection.js'
import { readSecrets, toView, writeSecrets, type StoredSource } from './source-kind.js'
import { signingSchema, sourceSchema, type SigningFields, type SourceInput, type SourcePatch, type SourceView } from './source-schema.js'
import { problemOf } from './webhook-source.js'

/** A source's secrets in plain text. */
export interface SourceSecrets { readonly secret: readonly string[] }

export interface WebhookSourcesOptions {
  readonly managed: ManagedRecords<StoredSource>
  readonly list: () => Promise<Array<StoredRecord<StoredSource>>>
  /** Those of the options, by name. */
  readonly declared: ReadonlyMap<string, SigningFields>
  readonly auditLog: Pick<AuditLog, 'append'>
  /** Told of a source before it is stored: some ways of signing are weak. */
  readonly examine: (name: string, fields: { readonly algorithm?: string | undefined }) => void
}

const input = new RecordInput('source', errors.DWA_WEBHOOK_INVALID_SOURCE)
const clearable = Object.fromEntries(Object.entries(signingSchema).map(([name, schema]) => [name, { anyOf: [schema, { type: 'null' }] }]))
const patchSchema = { ...sourceSchema, required: [], properties: { ...sourceSchema.properties, ...clearable } }

/** Management of webhook sources in the store, beside the declared ones. What is returned never holds a secret, except by `secrets`. */
export class WebhookSources {
  readonly #options: WebhookSourcesOptions

  constructor (options: WebhookSourcesOptions) {
    this.#options = options
  }

  /** @throws DWA_WEBHOOK_INVALID_SOURCE with `field`, DWA_STORE_DUPLICATE, also for a declared name, DWA_STORE_UNAVAILABLE */
  async create (given: SourceInput, note: ChangeNote = {}): Promise<SourceView> {
    const { secret, ...fields } = input.read(sourceSchema, given)
    check(fields)
    this.#refuseDeclared(fields.name)
    this.#options.examine(fields.name, fields)
    return toView(await this.#options.managed.create({ ...fields, secret: writeSecrets(secret) }, note))
  }

  /** The source of that name or id, declared or stored; null when there is none. @throws DWA_STORE_UNAVAILABLE */
  async get (idOrName: string): Promise<SourceView | null> {
    const declared = this.#options.declared.get(idOrName)
    if (declared !== undefined) return declaredView(idOrName, declared)
    const record = await this.#options.managed.find(idOrName)
    return record === null ? null : toView(record)
  }

  /** All sources by name, declared and stored. @throws DWA_STORE_UNAVAILABLE */
  async list (): Promise<SourceView[]> {
    const declared = [...this.#options.declared].map(([name, fields]) => declaredView(name, fields))
    return [...declared, ...(await this.#options.list()).map(toView)].sort((one, other) => one.name < other.name ? -1 : 1)
  }

  /**
   * Changes some fields; null clears an optional one.
   * @throws DWA_WEBHOOK_INVALID_SOURCE with `field`, DWA_WEBHOOK_READ_ONLY_SOURCE, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrName: string, given: SourcePatch, update: RecordUpdate = {}): Promise<SourceView> {
    this.#refuseReadOnly(idOrName)
    const { secret, ...patch } = cleared(input.read(patchSchema, given))
    if (patch.name !== undefined) this.#refuseDeclared(patch.name)
    this.#options.examine(patch.name ?? idOrName, patch)
    return toView(await this.#options.managed.change(idOrName, update, ({ fields }) => {
      check({ ...fields, ...patch })
      return { ...patch, ...(secret === undefined ? {} : { secret: writeSecrets(secret) }) }
    }))
  }

  /** @throws DWA_WEBHOOK_READ_ONLY_SOURCE, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrName: string, update: RecordUpdate = {}): Promise<void> {
    this.#refuseReadOnly(idOrName)
    await this.#options.managed.remove(idOrName, update)
  }

  /** The secrets of a stored source in plain text, for role `system` only. The audit entry is there before they are. @throws DWA_WEBHOOK_READ_ONLY_SOURCE, DWA_STORE_NOT_FOUND, DWA_STORE_UNREADABLE_SECRET, DWA_STORE_UNAVAILABLE */
  async secrets (idOrName: string, note: ChangeNote = {}): Promise<SourceSecrets> {
    this.#refuseReadOnly(idOrName)
    const { secret } = await this.#options.managed.secrets(idOrName, note, this.#options.auditLog)
    return { secret: readSecrets(secret) }
  }

  #refuseDeclared (name: string): void {
    if (this.#options.declared.has(name)) throw new errors.DWA_STORE_DUPLICATE(`The webhook source "${name}"`)
  }

  #refuseReadOnly (name: string): void {
    if (this.#options.declared.has(name)) throw new errors.DWA_WEBHOOK_READ_ONLY_SOURCE(name)
  }
}

function check (fields: Parameters<typeof problemOf>[0]): void {
  const found = problemOf(fields)
  if (found !== null) throw input.invalid(found.field, found.problem)
}

function declaredView (name: string, fields: SigningFields): SourceView {
  return { ...fields, name, id: null, version: 0, createdAt: null, updatedAt: null, hasSecret: true }
}
