import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import { reasonOf, type Logger } from '../store/logger.js'
import { DisplayNames } from './display-names.js'
import { fieldTree, projectionOf, type FieldTree } from './field-tree.js'
import { toJson, type Json } from './json-value.js'
import type { OpenScope, OpenScopes } from './open-scopes.js'
import { userIdOf, type OwnerUser } from './owner.js'
import { readRecords, UnfitFilter } from './read-records.js'
import { compareIds } from './record-order.js'
import { RecordView } from './record-view.js'
import type { NamedResource, Resources } from './resources.js'
import { resolveFilter, type FilterValues } from './scope-filter.js'

/** Whose scopes count, and as whom their filters run; null for nobody. */
export interface DataToken {
  readonly scopes: readonly string[]
  readonly userId: string | null
}

export interface DataOptions {
  /** That record alone. */
  readonly id?: string
  /** Only records that every scope of the model matches. */
  readonly allScopesMatch?: boolean
  /** Records on a page, 1 to 1000. Default 100. */
  readonly limit?: number
  /** The id after which the page begins. Pages are by ascending `_id`. */
  readonly after?: string
}

export interface ScopeDataOptions {
  readonly resources: Resources
  readonly scopes: Pick<OpenScopes, 'byCode'>
  /** A person by id. */
  readonly findUser: (id: string) => OwnerUser | null | Promise<OwnerUser | null>
  /** What `$$now` says. */
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

/** Scopes with the same filter: one query. */
interface Selection {
  readonly codes: string[]
  readonly fields: string[]
  readonly filter: string
}

/** A record, and the selections that matched it. */
interface Match {
  readonly record: Readonly<Record<string, unknown>>
  readonly by: Selection[]
}

const maxLimit = 1000

/** The records that a token's scopes show. */
export class ScopeData {
  readonly #options: ScopeDataOptions

  constructor (options: ScopeDataOptions) {
    this.#options = options
  }

  /**
   * For a model: each scope of the token's on it contributes the records its filter matches, and a record shows the fields of the scopes that matched it, and its `id`:
   * `{ "<id>": { id, …fields } }`, or with `id` that record flat, `{}` when it is not shown. One query for each different filter, and one for each model referred to.
   * @throws DWA_OAUTH_INVALID_MODEL, DWA_OAUTH_INVALID_REQUEST, DWA_STORE_UNAVAILABLE, DWA_PROVIDER_OWNER_FAILED
   */
  async getData (token: DataToken, model: string, options: DataOptions = {}): Promise<Readonly<Record<string, Json>>> {
    const resource = this.#options.resources.get(model)
    if (resource === null) throw new errors.DWA_OAUTH_INVALID_MODEL()
    const records = await this.#show(resource, await this.#matches(token, resource, options))
    return options.id === undefined ? Object.fromEntries(records.map((record) => [String(record['id']), record])) : records[0] ?? {}
  }

  /** The token's own person as its scopes show them; `{}` when none of them does, and for a client that acts as nobody. @throws as getData */
  async ownUser (token: DataToken): Promise<Readonly<Record<string, Json>>> {
    const { people } = this.#options.resources
    return people === null || token.userId === null ? {} : await this.getData(token, people.name, { id: token.userId })
  }

  /** Whether one of the token's scopes shows its own person. @throws as getData */
  async readsOwnUser (token: DataToken): Promise<boolean> {
    const { people } = this.#options.resources
    return people !== null && token.userId !== null && (await this.#matches(token, people, { id: token.userId })).length > 0
  }

  /** What a scope shows of a person, as claims of a JWT: without the app's id. @throws as getData */
  async claimsOf (userId: string, scope: string): Promise<Readonly<Record<string, Json>>> {
    const { id: _, ...claims } = await this.ownUser({ scopes: [scope], userId })
    return claims
  }

  async #matches (token: DataToken, resource: NamedResource, { id, allScopesMatch = false, limit = 100, after }: DataOptions): Promise<Match[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) throw new errors.DWA_OAUTH_INVALID_REQUEST(`limit must be a whole number from 1 to ${maxLimit}`)
    const from = after === undefined ? undefined : resource.toId(after)
    if (after !== undefined && from === undefined) throw new errors.DWA_OAUTH_INVALID_REQUEST('after must be an id')
    const one = id === undefined ? undefined : resource.toId(id)
    if (id !== undefined && one === undefined) return []
    const selections = await this.#selections(token, resource)
    if (selections.length === 0) return []
    const values: FilterValues = { user: await this.#user(token, selections), now: new Date(this.#options.clock.now()) }
    const within = [...(one === undefined ? [] : [{ _id: one }]), ...(from === undefined ? [] : [{ _id: { $gt: from } }])]
    const projection = projectionOf(fieldTree(selections.flatMap(({ fields }) => fields)))
    const runs = allScopesMatch ? [selections] : selections.map((selection) => [selection])
    const found = await Promise.all(runs.map(async (by) => (await this.#read(resource, by, values, within, projection, limit)).map((record): Match => ({ record, by }))))
    return merged(found.flat(), limit)
  }

  async #selections ({ scopes }: DataToken, { name }: NamedResource): Promise<Selection[]> {
    const byFilter = new Map<string, Selection>()
    for (const code of new Set(scopes)) {
      const scope = await this.#options.scopes.byCode(code)
      if (scope !== null && scope.model === name) select(byFilter, scope)
    }
    return [...byFilter.values()]
  }

  /** As filters see them: own fields only, and under both names an app may give to ids. */
  async #user ({ userId }: DataToken, selections: readonly Selection[]): Promise<object | null> {
    if (userId === null || !selections.some(({ filter }) => filter.includes('$$user'))) return null
    const user = await this.#options.findUser(userId)
    if (user === null) return null
    const fields: unknown = 'toObject' in user && typeof user.toObject === 'function' ? user.toObject() : user
    return { id: userIdOf(user), _id: userIdOf(user), ...Object(fields) }
  }

  /** The records that all of the selections match; none when a filter is refused, or needs what the user does not have. */
  async #read (resource: NamedResource, by: readonly Selection[], values: FilterValues, within: readonly object[], projection: Record<string, 1>, limit: number): Promise<Array<Readonly<Record<string, unknown>>>> {
    const filters = by.map((selection) => this.#resolve(selection, values))
    if (filters.includes(null)) return []
    try {
      return await readRecords(resource, { $and: [...filters, ...within] }, projection, limit)
    } catch (error) {
      if (!(error instanceof UnfitFilter)) throw error
      this.#options.logger.error({ scopes: by.flatMap(({ codes }) => codes), reason: reasonOf(error.cause) }, 'a scope shows nothing: its filter does not fit the model')
      return []
    }
  }

  #resolve ({ codes, filter }: Selection, values: FilterValues): Record<string, unknown> | null {
    try {
      return resolveFilter(JSON.parse(filter), values)
    } catch (error) {
      this.#options.logger.error({ scopes: codes, reason: reasonOf(error) }, 'a scope shows nothing: its filter is refused')
      return null
    }
  }

  async #show (resource: NamedResource, matches: readonly Match[]): Promise<Array<Record<string, Json>>> {
    const trees = new Map<string, FieldTree>()
    const fields = matches.map(({ by }) => {
      const names = by.flatMap((selection) => selection.fields)
      const key = names.join('\0')
      const tree = trees.get(key) ?? fieldTree(names)
      trees.set(key, tree)
      return tree
    })
    const names = new DisplayNames(this.#options.resources)
    const show = (view: RecordView): Array<Record<string, Json>> => matches.map(({ record }, at) => view.show(resource, record, fields[at] ?? new Map()))
    show(new RecordView(this.#options.resources, names.note))
    await names.read()
    return show(new RecordView(this.#options.resources, names.nameOf))
  }
}

function select (byFilter: Map<string, Selection>, { code, filter, fields }: OpenScope): void {
  const selection = byFilter.get(filter) ?? { codes: [], fields: [], filter }
  selection.codes.push(code)
  selection.fields.push(...fields)
  byFilter.set(filter, selection)
}

/**
 * Each record once, with all that matched it. Whatever is among the first of the union is among the first of each selection that matches it:
 * so a page needs no more than that many records of each.
 */
function merged (matches: readonly Match[], limit: number): Match[] {
  const byId = new Map<string, Match>()
  for (const { record, by } of matches) {
    const id = String(toJson(record['_id']))
    const known = byId.get(id)
    if (known === undefined) byId.set(id, { record, by: [...by] })
    else known.by.push(...by)
  }
  return [...byId.values()].sort((one, other) => compareIds(one.record['_id'], other.record['_id'])).slice(0, limit)
}
