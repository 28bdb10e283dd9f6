import { errors } from '../errors.js'
import { isOutage, unavailable } from '../store/unavailable.js'
import { isDocument } from './json-value.js'
import type { NamedResource } from './resources.js'

/** Milliseconds that a query of a scope may take. */
const maxTimeMs = 5000

/** Errors of mongoose, and BadValue and TypeMismatch of MongoDB, for a filter that does not fit the model. */
const misfits = new Set<unknown>(['CastError', 'StrictModeError', 'ObjectParameterError', 2, 14])

/** The filter compares a field with what it cannot be. `cause` says which. */
export class UnfitFilter extends Error {}

/**
 * The records of a model that match, by ascending id, as they are in the database. The model's own query hooks run.
 * @throws UnfitFilter, DWA_STORE_UNAVAILABLE, DWA_PROVIDER_OWNER_FAILED with the model's error as `cause`
 */
export async function readRecords ({ name, model }: NamedResource, filter: Record<string, unknown>, projection: Record<string, 1>, limit?: number): Promise<Array<Readonly<Record<string, unknown>>>> {
  trust(model.base, filter)
  try {
    const found = await model.find(filter, projection, { lean: true, maxTimeMS: maxTimeMs, strictQuery: false, sort: { _id: 1 }, ...(limit === undefined ? {} : { limit }) })
    return found.filter(isDocument)
  } catch (error) {
    if (isOutage(error)) throw unavailable(error)
    if (error instanceof Error && (misfits.has(error.name) || ('code' in error && misfits.has(error.code)))) throw new UnfitFilter(`the filter does not fit ${name}`, { cause: error })
    throw new errors.DWA_PROVIDER_OWNER_FAILED(`The model of provider.resources.${name} failed`, { cause: error })
  }
}

/** The filter was checked: the app's `sanitizeFilter` would turn its operators into values, and so `$nor` into everything. */
function trust (base: NamedResource['model']['base'], value: unknown): void {
  if (Array.isArray(value)) for (const item of value) trust(base, item)
  else if (isDocument(value)) {
    for (const member of Object.values(value)) trust(base, member)
    if (Object.keys(value).some((key) => key.startsWith('$'))) base.trusted(value)
  }
}
