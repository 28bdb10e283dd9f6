import { createHash } from 'node:crypto'
import type { RecordKind, StoredRecord } from '../store/record-collection.js'

/** A consent as the database keeps it. */
export interface StoredConsent {
  /** The client's record and SHA-256 of the person's id: one consent for the two of them. */
  readonly key: string
  /** The id of the client's record. */
  readonly client: string
  /** The app's id of the person. */
  readonly user: string
  readonly scopes: readonly string[]
  /** When it was first given, milliseconds since 1970. */
  readonly grantedAt: number
}

/** The consents kept by the store. */
export const consentKind: RecordKind = {
  collection: 'consents',
  area: 'consent',
  nameField: 'key',
  secrets: [],
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['key', 'client', 'user', 'scopes', 'grantedAt'],
    properties: {
      key: { type: 'string', maxLength: 200 },
      client: { type: 'string', maxLength: 100 },
      user: { type: 'string', maxLength: 200 },
      scopes: { type: 'array', items: { type: 'string' } },
      grantedAt: { type: 'integer' }
    }
  },
  indexes: [{ keys: { user: 1 } }, { keys: { client: 1 } }]
}

/** A consent as `list` shows it. */
export interface ConsentView {
  readonly id: string
  /** The id of the client's record. */
  readonly client: string
  /** The app's id of the person. */
  readonly user: string
  readonly scopes: readonly string[]
  readonly grantedAt: Date
  /** When scopes were last added to it, or left out. */
  readonly updatedAt: Date
}

export function consentKey (client: string, user: string): string {
  return `${client}:${createHash('sha256').update(user).digest('base64url')}`
}

export function toConsentView ({ id, updatedAt, fields: { client, user, scopes, grantedAt } }: StoredRecord<StoredConsent>): ConsentView {
  return { id, client, user, scopes, grantedAt: new Date(grantedAt), updatedAt }
}
