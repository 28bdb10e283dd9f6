import { errors } from '../errors.js'

/** The error for what stands at `path` of a query or a body: `limit`, or empty for the whole. */
export function invalidRequest (path: string, problem: string): Error {
  return Object.assign(new errors.DWA_ADMIN_INVALID_REQUEST(path === '' ? problem : `${path}: ${problem}`), { field: path })
}
