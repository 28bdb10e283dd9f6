import { Ajv, type ErrorObject, type SchemaObject } from 'ajv'

// The schemas are this package's own and checked by its tests: checking them at every start would cost more than all the rest of it.
// Most are used once: to optimise what is compiled takes longer than it ever saves.
const ajv = new Ajv({ strict: true, allowUnionTypes: true, meta: false, validateSchema: false, code: { optimize: false } })
ajv.addKeyword({ keyword: 'function', errors: false, validate: (_: unknown, value: unknown) => typeof value === 'function' })

type Problem = Pick<ErrorObject, 'instancePath' | 'keyword' | 'params' | 'message'>

/** What is known to be wrong with a value; nothing when it agrees. */
type Check = (value: unknown) => readonly Problem[]

const checks = new WeakMap<SchemaObject, Check>()
/** What was compiled, by its text: half of the options that an app gives are plain strings and objects. */
const compiled = new Map<string, Check>()

/** A value's first disagreement with a JSON schema: where (`validators[0].name`, empty for the value itself) and what. */
export interface Disagreement { path: string, problem: string }

/**
 * Checks `value` against a JSON schema without changing it.
 * Beside JSON Schema, `{ function: true }` asks for a function and `{}` takes anything.
 */
export function findDisagreement (schema: SchemaObject, value: unknown): Disagreement | null {
  const error = mostTelling(checkOf(schema)(value))
  return error === undefined ? null : describe(error)
}

function checkOf (schema: SchemaObject): Check {
  let check = checks.get(schema)
  if (check === undefined) checks.set(schema, check = isPlainObjectSchema(schema) ? checkOfObject(schema) : compile(schema))
  return check
}

function compile (schema: SchemaObject): Check {
  const text = JSON.stringify(schema)
  let check = compiled.get(text)
  if (check === undefined) compiled.set(text, check = compileNew(schema))
  return check
}

function compileNew (schema: SchemaObject): Check {
  const validate = ajv.compile(schema)
  return (value) => {
    if (validate(value)) return []
    if (validate.errors === null || validate.errors === undefined) throw new TypeError('a refusal without a reason')
    return validate.errors
  }
}

interface PlainObjectSchema { readonly required?: readonly string[], readonly properties: Readonly<Record<string, SchemaObject>> }

const plainKeywords: ReadonlySet<string> = new Set(['type', 'additionalProperties', 'required', 'properties', 'description'])

/** Whether its members can be checked one by one: nothing in it says anything of several, or points at another place. */
function isPlainObjectSchema (schema: SchemaObject): schema is SchemaObject & PlainObjectSchema {
  const { type, additionalProperties, properties } = schema
  if (type !== 'object' || additionalProperties !== false || !Object.keys(schema).every((keyword) => plainKeywords.has(keyword))) return false
  return isObject(properties) && Object.values(properties).every(isObject) && !/"\$(id|ref|dynamicRef)":/.test(JSON.stringify(schema))
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** What ajv would say of it, in ajv's order; but only the schemas of members that are given are ever compiled, and most options never are. */
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
      if (found.length > 0) return found.map((error) => ({ ...error, instancePath: `/${escaped(name)}${error.instancePath}` }))
    }
    return []
  }
}

/** A reference token of a JSON pointer (RFC 6901 §3). */
function escaped (name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
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
