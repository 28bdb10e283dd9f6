import type { SchemaObject } from 'ajv'
import type { RecordResource, View } from '../resource.js'
import { memberAt } from './field-text.js'
import { fieldsOf, propertiesOf, requiredOf, type Field } from './fields.js'

/** What can be said about a kind of record, and seen of it. */
export interface RecordShape {
  readonly input: SchemaObject
  readonly patch: SchemaObject
  /** Whether a field is write-only. */
  readonly isSecret: (field: string) => boolean
  /** Whether a secret of a record is stored. */
  readonly isStored: (record: View, field: string) => boolean
  /** Groups of which a change may give some members alone. */
  readonly merged: readonly string[]
  /** What a new record has of which nobody is asked. */
  readonly fixed: Readonly<Record<string, string>>
  /** What this person may not say. */
  readonly withheld: readonly string[]
}

/** The shape as the kind's schemas have it: what is given and never shown is secret, and `has…` says whether it is there. */
export function shapeOf ({ input, patch, view }: RecordResource): RecordShape {
  const shown = propertiesOf(view)
  return {
    input,
    patch,
    isSecret: (field) => !field.includes('.') && !Object.hasOwn(shown, field) && isText(propertiesOf(input)[field]),
    isStored: (record, field) => memberAt(record, flagOf(field)) === true,
    merged: [],
    fixed: {},
    withheld: []
  }
}

/** The fields that a new record is asked for. */
export function newFields ({ input, isSecret, fixed }: RecordShape): Field[] {
  return fieldsOf(input, isSecret).filter(({ name }) => !Object.hasOwn(fixed, name))
}

/** The fields that a change is asked for. */
export function changeFields ({ input, patch, isSecret, fixed }: RecordShape): Field[] {
  return fieldsOf(patch, isSecret, requiredOf(input))
    .filter(({ name }) => !Object.hasOwn(fixed, name))
    .map((field) => field.kind === 'either' ? { ...field, kind: 'flag' } : field)
}

/** Of the fields those that the person is asked for. Whoever sends another is refused by what serves the API, too. */
export function offeredOf ({ withheld }: RecordShape, fields: readonly Field[]): Field[] {
  return fields.filter(({ name }) => !withheld.includes(name))
}

/** A kind's first few plain fields, and when it was changed. */
export function columnsOf ({ view }: RecordResource): string[] {
  const scalar = Object.entries(propertiesOf(view)).filter(([name, schema]) => !['id', 'version', 'createdAt', 'updatedAt'].includes(name) && typeof schema['type'] === 'string' && !['array', 'object'].includes(schema['type']))
  return [...scalar.map(([name]) => name).slice(0, 4), 'updatedAt']
}

/** What records are called by. */
export function nameOf (record: object): string {
  return String(memberAt(record, 'name') ?? memberAt(record, 'code') ?? memberAt(record, 'id'))
}

/** What names a record in addresses: those declared in code have a name alone. */
export function keyOf (record: View): string {
  return record.id ?? nameOf(record)
}

/** `clientSecret` → `hasClientSecret`. */
export function flagOf (field: string): string {
  return `has${field.slice(0, 1).toUpperCase()}${field.slice(1)}`
}

function isText (schema: SchemaObject | undefined): boolean {
  if (schema === undefined) return false
  const alternatives: unknown = schema['anyOf']
  return schema['type'] === 'string' || (Array.isArray(alternatives) && alternatives.some((one) => Object(one)['type'] === 'string'))
}
