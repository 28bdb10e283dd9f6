import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import type { ScopeFilter } from './scope-filter.js'
import { storedScopeSchema, type ScopeView, type StoredScope } from './scope-schema.js'

/** The scopes kept by the store. */
export const scopeKind: RecordKind = {
  collection: 'scopes',
  area: 'scope',
  nameField: 'code',
  secrets: [],
  schema: storedScopeSchema
}

/** A record as it is shown. */
export function toScopeView ({ id, version, createdAt, updatedAt, fields: { filter, ...fields } }: StoredRecord<StoredScope>): ScopeView {
  return { ...fields, ...(filter === undefined ? {} : { filter: JSON.parse(filter) as ScopeFilter }), id, version, createdAt, updatedAt }
}
