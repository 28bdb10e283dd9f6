import type { SchemaObject } from 'ajv'
import type { Connection, Schema, SchemaDefinition } from 'mongoose'
import type { DocumentIndex } from './document-collection.js'
import type { RecordKind } from './record-collection.js'
import { outboxIndex } from './outbox.js'

/** What the store itself keeps beside a record's fields. */
const reservedNames: readonly string[] = ['_id', 'id', 'version', 'createdAt', 'updatedAt', 'outbox']

/** @throws TypeError when a field has a name that the store uses itself */
export function refuseReservedFields ({ collection, schema }: RecordKind): void {
  const reserved = reservedNames.find((name) => Object.hasOwn(propertiesOf(schema), name))
  if (reserved !== undefined) throw new TypeError(`${collection}: a field cannot be named ${reserved}`)
}

/** The mongoose schema of a kind of record: what its JSON schema does not name is refused, and its secrets are not selected by default. */
export function recordSchema (connection: Connection, kind: RecordKind, collection: string): Schema {
  const { Schema } = connection.base
  const fields: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(propertiesOf(kind.schema))) {
    fields[name] = kind.secrets.includes(name) ? { type: String, select: false } : pathOf(connection, schema)
  }
  const definition: SchemaDefinition = { ...fields, version: Number, createdAt: Date, updatedAt: Date, outbox: { type: [Schema.Types.Mixed], default: undefined } }
  return new Schema(definition, {
    collection,
    strict: 'throw',
    strictQuery: 'throw',
    versionKey: false,
    id: false,
    minimize: false,
    autoIndex: false,
    autoCreate: false,
    bufferCommands: false,
    writeConcern: { w: 'majority' }
  })
}

/** What the store makes for a kind of record, and the doctor looks for. */
export function indexesOf ({ nameField, indexes = [] }: RecordKind): DocumentIndex[] {
  return [
    { keys: { [nameField]: 1 }, unique: true, partialFilterExpression: { [nameField]: { $exists: true } } }, // among the living: a tombstone has no name
    { keys: outboxIndex, sparse: true },
    ...indexes.map(({ keys, unique }) => ({ keys, ...(unique === true ? { unique, sparse: true } : {}) }))
  ]
}

/** The properties of a JSON schema, by name. */
export function propertiesOf (schema: SchemaObject): Record<string, SchemaObject> {
  const properties: unknown = schema['properties']
  return isProperties(properties) ? properties : {}
}

function isProperties (value: unknown): value is Record<string, SchemaObject> {
  return typeof value === 'object' && value !== null
}

function pathOf (connection: Connection, schema: SchemaObject): unknown {
  const { Mixed } = connection.base.Schema.Types
  switch (typeOf(schema)) {
    case 'string': return { type: String }
    case 'boolean': return { type: Boolean }
    case 'integer':
    case 'number': return { type: Number }
    case 'array': return { type: [itemOf(schema)], default: undefined }
    default: return { type: Mixed }
  }
}

function itemOf (schema: SchemaObject): unknown {
  const items: unknown = schema['items']
  const type = typeof items === 'object' && items !== null && 'type' in items ? items.type : undefined
  if (type === 'string') return String
  return type === 'number' || type === 'integer' ? Number : {}
}

/** The one type beside null; a field of several types is not cast. */
function typeOf (schema: SchemaObject): unknown {
  const types: unknown[] = Array.isArray(schema['type']) ? schema['type'] : [schema['type']]
  const named = types.filter((type) => type !== 'null')
  if (named.length !== 1) return undefined
  return named[0] ?? (Array.isArray(schema['enum']) && schema['enum'].every((value) => typeof value === 'string') ? 'string' : undefined)
}
