import { errors } from '../errors.js'
import { toJson, type Json } from './json-value.js'
import { readRecords } from './read-records.js'
import type { NamedResource, Resources } from './resources.js'

/** So many ids fit into a query, whatever they are. */
const maxIds = 10_000

/** How records are called where others refer to them: noted first, then read together, in one query a resource. */
export class DisplayNames {
  readonly #resources: Resources
  readonly #wanted = new Map<NamedResource, Map<string, unknown>>()
  readonly #names = new Map<NamedResource, Map<string, Json>>()

  constructor (resources: Resources) {
    this.#resources = resources
  }

  /** Notes a reference. Stands for a name meanwhile. */
  readonly note = (resource: NamedResource | null, id: unknown): null => {
    const recordId = resource?.toId(id)
    if (resource === null || recordId === undefined) return null
    const ids = this.#wanted.get(resource) ?? new Map<string, unknown>()
    this.#wanted.set(resource, ids.set(String(toJson(recordId)), recordId))
    return null
  }

  /** The name of a record; the id of one that is not there, or of no resource. */
  readonly nameOf = (resource: NamedResource | null, id: unknown): Json => {
    const recordId = resource?.toId(id)
    const text = String(toJson(recordId ?? id))
    return resource === null ? text : this.#names.get(resource)?.get(text) ?? text
  }

  /** @throws DWA_STORE_UNAVAILABLE, DWA_PROVIDER_OWNER_FAILED */
  async read (): Promise<void> {
    for (const [resource, ids] of this.#wanted) {
      const names = new Map<string, Json>()
      const all = [...ids.values()]
      for (let from = 0; from < all.length; from += maxIds) {
        const records = await readRecords(resource, { _id: { $in: all.slice(from, from + maxIds) } }, this.#projection(resource))
        for (const record of records) names.set(String(toJson(record['_id'])), displayName(resource, record))
      }
      this.#names.set(resource, names)
    }
  }

  /** The app's `display` may look at anything but what the model hides. */
  #projection (resource: NamedResource): Record<string, 1> {
    if (resource.display !== undefined) return {}
    return { _id: 1, ...(this.#resources.hides(resource, 'name') ? {} : { name: 1 }) }
  }
}

/** @throws DWA_PROVIDER_OWNER_FAILED when the app's `display` does */
function displayName ({ name, display }: NamedResource, record: Readonly<Record<string, unknown>>): Json {
  if (display === undefined) return typeof record['name'] === 'string' ? toJson(record['name']) : null
  let shown: unknown
  try {
    shown = display(record)
  } catch (cause) {
    throw new errors.DWA_PROVIDER_OWNER_FAILED(`provider.resources.${name}.display failed`, { cause })
  }
  if (typeof shown !== 'string') throw new errors.DWA_PROVIDER_OWNER_FAILED(`provider.resources.${name}.display returned no text`)
  return toJson(shown)
}
