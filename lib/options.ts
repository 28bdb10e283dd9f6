import { Ajv, type ErrorObject, type SchemaObject } from 'ajv'
import { errors } from './errors.js'

// The schemas are this package's own and checked by its tests: checking them at every start would cost more than all the rest of it.
// Most are used once: to optimise what is compiled takes longer than it ever saves.
const ajv = new Ajv({ strict: true, allowUnionTypes: true, meta: false, validateSchema: false, code: { optimize: false } })
ajv.addKeyword({ keyword: 'function', errors: false, validate: (_: unknown, value: unknown) => typeof value === 'function' })

type Problem = Pick<ErrorObject, 'instancePath' | 'keyword' | 'params' | 'message'>

/** What is known to be wrong with a value; nothing when it agrees. */
type Check = (value: unknown) => readonly Problem[]

const checks = new WeakMap<SchemaObject, Check>()

/** The `prefix` of a plugin's routes: plain segments, no parameters, no slash at the end. */
export const prefixSchema = { type: 'string', pattern: '^(/[A-Za-z0-9_.~-]+)*$' } as const

/** A value's first disagreement with a JSON schema: where (`validators[0].name`, empty for the value itself) and what. */
export interface Disagreement { path: string, problem: string }

/**
 * Checks `value` against a JSON schema without changing it.
 * Beside JSON Schema, `{ function: true }` asks for a function and `{}` takes anything.
 */
export function findDisagreement (schema: SchemaObject, value: unknown): Disagreement | null {
  const found = checkOf(schema)(value)
  const error = mostTelling(found)
  return error === undefined ? null : describe(error)
}

function checkOf (schema: SchemaObject): Check {
  let check = checks.get(schema)
  if (check === undefined) checks.set(schema, check = isPlainObjectSchema(schema) ? checkOfObject(schema) : compile(schema))
  return check
}

function compile (schema: SchemaObject): Check {
  const validate = ajv.compile(schema)
  return (value) => validate(value) ? [] : validate.errors ?? [{ instancePath: '', keyword: 'false schema', params: {}, message: 'is invalid' }]
}

interface PlainObjectSchema { readonly required?: readonly string[], readonly properties: Readonly<Record<string, SchemaObject>> }

const plainKeywords: ReadonlySet<string> = new Set(['type', 'additionalProperties', 'required', 'properties', 'description'])

function isPlainObjectSchema (schema: SchemaObject): schema is SchemaObject & PlainObjectSchema {
  return schema['type'] === 'object' && schema['additionalProperties'] === false && Object.keys(schema).every((keyword) => plainKeywords.has(keyword))
}

/** As the compiled schema would say it, but only the schemas of members that are given are ever compiled: most options never are. */
function checkOfObject ({ required = [], properties }: PlainObjectSchema): Check {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ instancePath: '', keyword: 'type', params: { type: 'object' }, message: 'must be object' }]
    const missing = required.find((name) => Reflect.get(value, name) === undefined)
    if (missing !== undefined) return [{ instancePath: '', keyword: 'required', params: { missingProperty: missing } }]
    for (const name in value) {
      if (!Object.hasOwn(properties, name)) return [{ instancePath: '', keyword: 'additionalProperties', params: { additionalProperty: name } }]
    }
    for (const [name, schema] of Object.entries(properties)) {
      const given: unknown = Reflect.get(value, name)
      const found = given === undefined ? [] : checkOf(schema)(given)
      if (found.length > 0) return found.map((error) => ({ ...error, instancePath: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}${error.instancePath}` }))
    }
    return []
  }
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
function mostTelling (found: readonly Problem[]): Problem | undefined {
  const closeness = ({ instancePath, keyword }: Problem): number => instancePath.split('/').length + (keyword === 'type' || keyword === 'anyOf' || keyword === 'const' ? 0 : 0.5)
  return [...found].sort((one, other) => closeness(other) - closeness(one)).at(0)
}

function describe (error: Problem): Disagreement {
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
