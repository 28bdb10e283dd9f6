import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import { signingSchema, sourceName, type SigningFields, type SourceView } from './source-schema.js'

/** What a source's record holds. `secret` is a JSON array of texts. */
export type StoredSource = SigningFields & { readonly name: string, readonly secret?: string }

/** The sources kept by the store. */
export const sourceKind: RecordKind = {
  collection: 'webhook_sources',
  area: 'webhook_source',
  nameField: 'name',
  secrets: ['secret'],
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: { name: sourceName, ...signingSchema, secret: { type: 'string' } }
  }
}

/** A record as it is shown. */
export function toView ({ id, version, createdAt, updatedAt, fields, secretsSet }: StoredRecord<StoredSource>): SourceView {
  const { secret, ...shown } = fields
  return { ...shown, id, version, createdAt, updatedAt, hasSecret: secretsSet.includes('secret') }
}

/** The texts of a stored secret. */
export function readSecrets (stored: string | undefined): string[] {
  const parsed: unknown = JSON.parse(stored ?? '[]')
  return Array.isArray(parsed) ? parsed.map(String) : []
}

export function writeSecrets (secret: string | readonly string[]): string {
  return JSON.stringify([secret].flat())
}
