import type { SchemaObject } from 'ajv'
import { findDisagreement } from '../schema-check.js'
import { invalidRequest } from './invalid-request.js'
import type { Query } from './resource.js'

/** The parameters of an operation. */
type Parameters = { readonly [name: string]: SchemaObject }

/** One for each operation: compiling a schema is dear, and what is compiled is kept. */
const schemas = new WeakMap<Parameters, SchemaObject>()

/**
 * What a query says, by the schemas of its parameters: texts, and of numbers and booleans what they stand for. A parameter that is unknown, given twice
 * or nested is refused, so that no filter is anything but a plain value (security.md 32).
 * @throws DWA_ADMIN_INVALID_REQUEST with the parameter as `field`
 */
export function readQuery (properties: Parameters, given: unknown): Query {
  const entries = Object.entries(Object(given)).map(([name, value]): [string, string | number | boolean] => {
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (schema === undefined) throw invalidRequest(name.slice(0, 100), 'unknown parameter')
    if (typeof value !== 'string') throw invalidRequest(name, 'must be given once')
    return [name, readValue(schema, value)]
  })
  const query = Object.fromEntries(entries)
  const found = findDisagreement(schemaOf(properties), query)
  if (found !== null) throw invalidRequest(found.path, found.problem)
  return query
}

function schemaOf (properties: Parameters): SchemaObject {
  const made = schemas.get(properties) ?? { type: 'object', properties }
  schemas.set(properties, made)
  return made
}

/** What does not look like one stays a text, which the schema refuses. */
function readValue (schema: SchemaObject, text: string): string | number | boolean {
  switch (schema['type']) {
    case 'integer': return /^\d{1,15}$/.test(text) ? Number(text) : text
    case 'boolean': return text === 'true' ? true : text === 'false' ? false : text
    default: return text
  }
}
