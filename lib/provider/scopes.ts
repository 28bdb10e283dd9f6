import { errors, isAuthError } from '../errors.js'
import { findDisagreement } from '../options.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { Resources } from './resources.js'
import { findFilterProblem, isFieldPath } from './scope-filter.js'
import { toScopeView } from './scope-kind.js'
import { scopeSchema, type ScopeInput, type ScopePatch, type ScopeView, type StoredScope } from './scope-schema.js'

/** Who changes a scope, and what its audit entry says beside the event. */
export type ScopeChange = Pick<Change, 'actor' | 'requestId' | 'message' | 'details'>

/** A change of an existing scope, optionally of one version only: otherwise the newest is changed. */
export type ScopeUpdate = ScopeChange & { readonly version?: number }

export interface ScopesOptions {
  readonly records: RecordCollection<StoredScope>
  readonly resources: Resources
  /** Whether a client lists the scope with that code. */
  readonly isInUse: (code: string) => Promise<boolean>
  /** Told of every record that a change has touched or may have touched. */
  readonly onChange: (id: string | null) => void
}

type Patch = Parameters<RecordCollection<StoredScope>['update']>[2]

const tries = 20
const { code, name, ...optional } = scopeSchema.properties
const patchSchema = {
  ...scopeSchema,
  required: [],
  properties: { code, name, ...Object.fromEntries(Object.entries(optional).map(([field, schema]) => [field, { anyOf: [schema, { type: 'null' }] }])) }
}

/** Management of data scopes. */
export class Scopes {
  readonly #options: ScopesOptions

  constructor (options: ScopesOptions) {
    this.#options = options
  }

  /** @throws DWA_PROVIDER_INVALID_SCOPE with `field`, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (input: ScopeInput, change: ScopeChange = {}): Promise<ScopeView> {
    const given = withoutUndefined(input)
    check(scopeSchema, given)
    const { filter, ...plain } = given
    const fields: StoredScope = { ...plain, ...(filter === undefined ? {} : { filter: filterText(filter) }) }
    this.#refuseDisagreements(fields, given)
    return toScopeView(await this.#told(null, async () => await this.#options.records.create(fields, noteOf(change))))
  }

  /** By record id or code. @throws DWA_STORE_UNAVAILABLE */
  async get (idOrCode: string): Promise<ScopeView | null> {
    const record = await this.#find(idOrCode)
    return record === null ? null : toScopeView(record)
  }

  /** All scopes, by code. */
  async list (): Promise<ScopeView[]> {
    return (await this.#options.records.list()).map(toScopeView)
  }

  /**
   * Changes what is given; null clears. Tokens that have the scope show what it says from then on.
   * @throws DWA_PROVIDER_INVALID_SCOPE with `field`, DWA_PROVIDER_SCOPE_IN_USE for another code while a client lists the scope, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT,
   * DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrCode: string, patch: ScopePatch, change: ScopeUpdate = {}): Promise<ScopeView> {
    const given = withoutUndefined(patch)
    check(patchSchema, given)
    const { filter, ...plain } = given
    const effect = {
      ...Object.fromEntries(Object.entries(plain).map(([field, value]) => [field, value ?? undefined])),
      ...('filter' in given ? { filter: filter === null || filter === undefined ? undefined : filterText(filter) } : {})
    } as Patch
    return await this.#retrying(idOrCode, change.version, async ({ id, version, fields }) => {
      this.#refuseDisagreements(withoutUndefined({ ...fields, ...effect }) as StoredScope, given)
      if (effect.code !== undefined && effect.code !== fields.code) await this.#refuseInUse(fields.code)
      return toScopeView(await this.#told(id, async () => await this.#options.records.update(id, version, effect, noteOf(change))))
    })
  }

  /** @throws DWA_PROVIDER_SCOPE_IN_USE while a client lists it, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrCode: string, change: ScopeUpdate = {}): Promise<void> {
    await this.#retrying(idOrCode, change.version, async ({ id, version, fields }) => {
      await this.#refuseInUse(fields.code)
      await this.#told(id, async () => { await this.#options.records.remove(id, version, noteOf(change)) })
    })
  }

  /** The model is looked at when it or its fields change: what the app no longer offers shows nothing, and must not be in the way of a new name. */
  #refuseDisagreements ({ model, filter, fields }: StoredScope, given: ScopePatch): void {
    if (model === undefined) {
      if (filter !== undefined) throw invalid('filter', 'needs a model')
      if (fields !== undefined) throw invalid('fields', 'need a model')
      return
    }
    const resource = this.#options.resources.get(model)
    if (resource === null && 'model' in given) throw invalid('model', 'is no resource of provider.resources')
    if (!('model' in given) && !('fields' in given)) return
    for (const field of fields ?? []) {
      if (!isFieldPath(field)) throw invalid('fields', `must not name a field ${JSON.stringify(field.slice(0, 40))}`)
      if (resource !== null && this.#options.resources.hides(resource, field)) throw invalid('fields', `${JSON.stringify(field)} is hidden by the model (select: false)`)
    }
  }

  async #refuseInUse (code: string): Promise<void> {
    if (await this.#options.isInUse(code)) throw new errors.DWA_PROVIDER_SCOPE_IN_USE(code)
  }

  /** Runs a write on one version, or on whatever is the newest when it runs. */
  async #retrying<T> (idOrCode: string, version: number | undefined, write: (record: StoredRecord<StoredScope>) => Promise<T>, left = tries): Promise<T> {
    const record = await this.#find(idOrCode)
    if (record === null) throw new errors.DWA_STORE_NOT_FOUND(`The scope "${idOrCode}"`)
    if (version !== undefined && version !== record.version) throw new errors.DWA_STORE_CONFLICT('The scope')
    try {
      return await write(record)
    } catch (error) {
      if (version !== undefined || left === 0 || !isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
      return await this.#retrying(idOrCode, version, write, left - 1)
    }
  }

  async #find (idOrCode: string): Promise<StoredRecord<StoredScope> | null> {
    const { records } = this.#options
    return await records.get(idOrCode) ?? await records.getByName(idOrCode)
  }

  async #told<T> (id: string | null, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } finally {
      this.#options.onChange(id)
    }
  }
}

/** As it is stored. @throws DWA_PROVIDER_INVALID_SCOPE */
function filterText (filter: object): string {
  const problem = findFilterProblem(filter)
  if (problem !== null) throw invalid('filter', problem)
  return JSON.stringify(filter)
}

function check (schema: object, given: object): void {
  const found = findDisagreement(schema, given)
  if (found === null) return
  throw invalid(found.path, found.problem === 'unknown option' ? 'unknown field' : found.problem)
}

function invalid (path: string, problem: string): Error {
  return Object.assign(new errors.DWA_PROVIDER_INVALID_SCOPE(`${path === '' ? 'scope' : path}: ${problem}`), { field: path.split(/[.[]/, 1).at(0) ?? '' })
}

/** Own members only, each read once: what is checked is what is stored. */
function withoutUndefined<Given extends object> (given: Given): Given {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid('', 'must be an object')
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given
}

/** The event is not the caller's to choose: other processes go by it. */
function noteOf ({ actor, requestId, message, details }: ScopeChange): Change {
  return {
    ...(actor === undefined ? {} : { actor }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(message === undefined ? {} : { message }),
    ...(details === undefined ? {} : { details })
  }
}
