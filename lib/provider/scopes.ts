import { errors } from '../errors.js'
import { ManagedRecords, type ChangeNote, type RecordPatch, type RecordUpdate } from '../store/managed-records.js'
import type { RecordCollection } from '../store/record-collection.js'
import { cleared, RecordInput } from '../store/record-input.js'
import type { Resources } from './resources.js'
import { findFilterProblem, isFieldPath } from './scope-filter.js'
import { toScopeView } from './scope-kind.js'
import { scopeSchema, type ScopeInput, type ScopePatch, type ScopeView, type StoredScope } from './scope-schema.js'

/** Who changes a scope, and what its audit entry says beside the event. */
export type ScopeChange = ChangeNote

/** A change of an existing scope, optionally of one version only: otherwise the newest is changed. */
export type ScopeUpdate = RecordUpdate

export interface ScopesOptions {
  readonly records: RecordCollection<StoredScope>
  readonly resources: Resources
  /** Whether a client lists the scope with that code. */
  readonly isInUse: (code: string) => Promise<boolean>
  /** Told of every record that a change has touched or may have touched. */
  readonly onChange: (id: string | null) => void
}

const input = new RecordInput('scope', errors.DWA_PROVIDER_INVALID_SCOPE)
const { code, name, ...optional } = scopeSchema.properties
/** What may be changed of a scope. */
export const scopePatchSchema = {
  ...scopeSchema,
  required: [],
  properties: { code, name, ...Object.fromEntries(Object.entries(optional).map(([field, schema]) => [field, { anyOf: [schema, { type: 'null' }] }])) }
}

/** Management of data scopes. */
export class Scopes {
  readonly #options: ScopesOptions
  readonly #managed: ManagedRecords<StoredScope>

  constructor (options: ScopesOptions) {
    const { records, onChange } = options
    this.#options = options
    this.#managed = new ManagedRecords({ records, onChange: ({ id }) => { onChange(id) } })
  }

  /** @throws DWA_PROVIDER_INVALID_SCOPE with `field`, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (scope: ScopeInput, change: ScopeChange = {}): Promise<ScopeView> {
    const given = input.read(scopeSchema, scope)
    const { filter, ...plain } = given
    const fields: StoredScope = { ...plain, ...(filter === undefined ? {} : { filter: filterText(filter) }) }
    this.#refuseDisagreements(fields, given)
    return toScopeView(await this.#managed.create(fields, change))
  }

  /** By record id or code. @throws DWA_STORE_UNAVAILABLE */
  async get (idOrCode: string): Promise<ScopeView | null> {
    const record = await this.#managed.find(idOrCode)
    return record === null ? null : toScopeView(record)
  }

  /** All scopes, by code. */
  async list (): Promise<ScopeView[]> {
    return (await this.#options.records.list()).map(toScopeView)
  }

  /** At most `limit` scopes by code, from the one that follows the code `after` on; of those alone with these values. @throws DWA_STORE_INVALID_RECORD, DWA_STORE_UNAVAILABLE */
  async page (limit: number, after?: string, matching: Partial<Pick<StoredScope, 'code' | 'name' | 'model'>> = {}): Promise<ScopeView[]> {
    return (await this.#options.records.page(limit, after, matching)).map(toScopeView)
  }

  /**
   * Changes what is given; null clears. Tokens that have the scope show what it says from then on.
   * @throws DWA_PROVIDER_INVALID_SCOPE with `field`, DWA_PROVIDER_SCOPE_IN_USE for another code while a client lists the scope, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT,
   * DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrCode: string, patch: ScopePatch, change: ScopeUpdate = {}): Promise<ScopeView> {
    const given = input.read(scopePatchSchema, patch)
    const { filter, ...plain } = given
    const effect = {
      ...cleared(plain),
      ...('filter' in given ? { filter: filter === null || filter === undefined ? undefined : filterText(filter) } : {})
    } as RecordPatch<StoredScope>
    return toScopeView(await this.#managed.change(idOrCode, change, async ({ fields }) => {
      this.#refuseDisagreements({ ...fields, ...effect } as StoredScope, given)
      if (effect.code !== undefined && effect.code !== fields.code) await this.#refuseInUse(fields.code)
      return effect
    }))
  }

  /** @throws DWA_PROVIDER_SCOPE_IN_USE while a client lists it, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrCode: string, change: ScopeUpdate = {}): Promise<void> {
    await this.#managed.remove(idOrCode, change, async ({ fields: { code } }) => { await this.#refuseInUse(code) })
  }

  /** The model is looked at when it or its fields change: what the app no longer offers shows nothing, and must not be in the way of a new name. */
  #refuseDisagreements ({ model, filter, fields }: StoredScope, given: ScopePatch): void {
    if (model === undefined) {
      if (filter !== undefined) throw input.invalid('filter', 'needs a model')
      if (fields !== undefined) throw input.invalid('fields', 'need a model')
      return
    }
    const resource = this.#options.resources.get(model)
    if (resource === null && 'model' in given) throw input.invalid('model', 'is no resource of provider.resources')
    if (!('model' in given) && !('fields' in given)) return
    for (const field of fields ?? []) {
      if (!isFieldPath(field)) throw input.invalid('fields', `must not name a field ${JSON.stringify(field.slice(0, 40))}`)
      if (resource !== null && this.#options.resources.hides(resource, field)) throw input.invalid('fields', `${JSON.stringify(field)} is hidden by the model (select: false)`)
    }
  }

  async #refuseInUse (code: string): Promise<void> {
    if (await this.#options.isInUse(code)) throw new errors.DWA_PROVIDER_SCOPE_IN_USE(code)
  }
}

/** As it is stored. @throws DWA_PROVIDER_INVALID_SCOPE */
function filterText (filter: object): string {
  const problem = findFilterProblem(filter)
  if (problem !== null) throw input.invalid('filter', problem)
  return JSON.stringify(filter)
}
