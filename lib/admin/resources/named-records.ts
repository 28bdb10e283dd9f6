import type { SchemaObject } from 'ajv'
import type { ChangeNote, RecordUpdate } from '../../store/managed-records.js'
import { sliceOf } from '../pages.js'
import { recordResource } from '../record-operations.js'
import type { JsonObject, RecordResource, Resource, View } from '../resource.js'

type NamedView = View & { readonly name: string }

/** Records that are few, have names, and check what they are given: `app.connectors`, `app.webhookSources`. */
export interface NamedRecords {
  list (): Promise<readonly NamedView[]>
  get (idOrName: string): Promise<NamedView | null>
  create (input: JsonObject, note: ChangeNote): Promise<NamedView>
  update (idOrName: string, patch: JsonObject, change: RecordUpdate): Promise<NamedView>
  remove (idOrName: string, change: RecordUpdate): Promise<void>
  secrets (idOrName: string, note: ChangeNote): Promise<object>
}

const name = { type: 'string', maxLength: 200 } as const
const time = { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] } as const

/** What their own documentation says in full. */
const input: SchemaObject = { type: 'object', required: ['name'], properties: { name }, additionalProperties: true }
const patch: SchemaObject = { type: 'object', properties: { name }, additionalProperties: true }
const view: SchemaObject = {
  type: 'object',
  required: ['id', 'version', 'name'],
  properties: {
    id: { type: ['string', 'null'], description: 'Null: declared in code.' },
    version: { type: 'integer', description: 'Counts the changes.' },
    createdAt: time,
    updatedAt: time,
    name
  },
  additionalProperties: true
}

/** An entry for such records, for `system`. @param schemas what is known of what they are given and show */
export function namedRecordsResource (path: string, noun: string, schemas: Partial<Pick<RecordResource, 'input' | 'patch' | 'view'>> = {}): (records: NamedRecords) => Resource {
  return (records) => recordResource({
    input,
    patch,
    view,
    ...schemas,
    name: path,
    noun,
    role: 'system',
    filters: { name },
    records: {
      page: async (limit, after, matching) => await sliceOf(await records.list(), limit, after, (record) => record.name, matching),
      get: async (key) => await records.get(key),
      create: async (given, note) => ({ view: await records.create(given, note) }),
      update: async (key, given, change) => await records.update(key, given, change),
      remove: async (key, change) => { await records.remove(key, change) },
      secrets: async (key, note) => await records.secrets(key, note)
    }
  })
}
