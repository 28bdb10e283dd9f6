import { Ajv, type ErrorObject, type SchemaObject } from 'ajv'
import { errors } from './errors.js'

// The schemas are this package's own and checked by its tests: checking them at every start would cost more than all the rest of it.
// Most are used once: to optimise what is compiled takes longer than it ever saves.
const ajv = new Ajv({ strict: true, allowUnionTypes: true, meta: false, validateSchema: false, code: { optimize: false } })
ajv.addKeyword({ keyword: 'function', errors: false, validate: (_: unknown, value: unknown) => typeof value === 'function' })

const compiled = new WeakMap<SchemaObject, ReturnType<typeof ajv.compile>>()

/** The `prefix` of a plugin's routes: plain segments, no parameters, no slash at the end. */
export const prefixSchema = { type: 'string', pattern: '^(/[A-Za-z0-9_.~-]+)*$' } as const

/** A value's first disagreement with a JSON schema: where (`validators[0].name`, empty for the value itself) and what. */
export interface Disagreement { path: string, problem: string }

/**
 * Checks `value` against a JSON schema without changing it.
 * Beside JSON Schema, `{ function: true }` asks for a function and `{}` takes anything.
 */
export function findDisagreement (schema: SchemaObject, value: unknown): Disagreement | null {
  let validate = compiled.get(schema)
  if (validate === undefined) compiled.set(schema, validate = ajv.compile(schema))
  if (validate(value)) return null
  const error = mostTelling(validate.errors ?? [])
  return error === undefined ? { path: '', problem: 'is invalid' } : describe(error)
}

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

/** Of the disagreements with the alternatives of an `anyOf`, the one with the alternative that came closest. */
function mostTelling (found: readonly ErrorObject[]): ErrorObject | undefined {
  const closeness = ({ instancePath, keyword }: ErrorObject): number => instancePath.split('/').length + (keyword === 'type' || keyword === 'anyOf' || keyword === 'const' ? 0 : 0.5)
  return [...found].sort((one, other) => closeness(other) - closeness(one)).at(0)
}

function describe (error: ErrorObject): Disagreement {
  const path = error.instancePath.split('/').slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((joined, part) => /^\d+$/.test(part) ? `${joined}[${part}]` : joined === '' ? part : `${joined}.${part}`, '')
  switch (error.keyword) {
    case 'additionalProperties':
      return { path: path === '' ? String(error.params['additionalProperty']) : `${path}.${String(error.params['additionalProperty'])}`, problem: 'unknown option' }
    case 'required':
      return { path: path === '' ? String(error.params['missingProperty']) : `${path}.${String(error.params['missingProperty'])}`, problem: 'is required' }
    case 'enum':
      return { path, problem: `must be one of ${JSON.stringify(error.params['allowedValues'])}` }
    case 'function':
      return { path, problem: 'must be a function' }
    default:
      return { path, problem: error.message ?? 'is invalid' }
  }
}

/** The members that are not undefined: an option that is given as undefined is not given. */
export function withoutUndefined (given: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
