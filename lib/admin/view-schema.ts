import type { SchemaObject } from 'ajv'

type Properties = { readonly [name: string]: SchemaObject }

const own = {
  version: { type: 'integer', description: 'Counts the changes.' },
  createdAt: { type: 'string', format: 'date-time' },
  updatedAt: { type: 'string', format: 'date-time' }
} as const

/** A point in time that may be missing. */
export const timeOrNull = { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] } as const

/**
 * How a kind of record is shown, from what is given to create one: its secrets are not shown, but whether they are there (`hasClientSecret`).
 * @param present the secrets of which that is said, if not of all
 * @param declared whether there are such as are declared in code: without id and times
 */
export function viewSchema (input: Properties, { secrets = [], present = secrets, more = {}, declared = false }: { readonly secrets?: readonly string[], readonly present?: readonly string[], readonly more?: Properties, readonly declared?: boolean } = {}): SchemaObject {
  const shown = Object.fromEntries(Object.entries(input).filter(([name]) => !secrets.includes(name)).map(([name, { default: _, ...schema }]) => [name, schema]))
  const flags = Object.fromEntries(present.map((name) => [`has${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, { type: 'boolean', description: `Whether ${name} is set.` }]))
  return {
    type: 'object',
    required: ['id', 'version'],
    properties: {
      id: declared ? { type: ['string', 'null'], description: 'Null: declared in code.' } : { type: 'string' },
      ...own,
      ...(declared ? { createdAt: timeOrNull, updatedAt: timeOrNull } : {}),
      ...shown,
      ...flags,
      ...more
    }
  }
}

/** What may be changed of a kind of record: null clears what is not required. */
export function patchSchema (input: { readonly required: readonly string[], readonly properties: Properties }): SchemaObject {
  const properties = Object.entries(input.properties).map(([name, schema]) => [name, input.required.includes(name) ? schema : { anyOf: [schema, { type: 'null' }] }])
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
}

/** A record together with what is shown this once. */
export function withOnce (view: SchemaObject, once: Properties = {}): SchemaObject {
  const properties: unknown = view['properties']
  return { ...view, properties: { ...Object(properties), ...once } }
}

/** Secrets in plain text, by name. */
export function secretNames (...names: readonly string[]): SchemaObject {
  return { type: 'object', properties: Object.fromEntries(names.map((name) => [name, { type: ['string', 'null'] }])) }
}
