import type { SchemaObject } from 'ajv'
import { errors } from './errors.js'
import { findDisagreement } from './schema-check.js'

/** The `prefix` of a plugin's routes: plain segments, no parameters, no slash at the end. */
export const prefixSchema = { type: 'string', pattern: '^(/[A-Za-z0-9_.~-]+)*$' } as const

/**
 * Checks a plugin's options.
 * @throws DWA_OPTIONS_INVALID with the option's path, such as `jwt.cache.max: must be >= 0`
 */
export function checkOptions (plugin: string, schema: SchemaObject, options: unknown): void {
  const found = findDisagreement(schema, options)
  if (found !== null) throw new errors.DWA_OPTIONS_INVALID(joinPath(plugin, found.path), found.problem)
}

function joinPath (base: string, path: string): string {
  return path === '' || path.startsWith('[') ? base + path : `${base}.${path}`
}

/** The members that are not undefined: an option that is given as undefined is not given. */
export function withoutUndefined (given: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
