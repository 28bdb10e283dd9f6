import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import { storedConnectionSchema, type ConnectionView, type StoredConnection } from './connection-schema.js'

/** The connections kept by the store. */
export const connectionKind: RecordKind = {
  collection: 'connections',
  area: 'connection',
  nameField: 'name',
  secrets: ['clientSecret', 'accessToken', 'refreshToken'],
  schema: storedConnectionSchema
}

/** A record as it is shown. */
export function toView ({ id, version, createdAt, updatedAt, fields, secretsSet }: StoredRecord<StoredConnection>): ConnectionView {
  const { name, platformUrl, clientId, scopes, status, statusMessage, expiresAt, account, discovered, lastSync, syncing } = fields
  return {
    id,
    version,
    createdAt,
    updatedAt,
    name,
    platformUrl,
    clientId,
    scopes,
    status,
    statusMessage: statusMessage ?? null,
    hasClientSecret: secretsSet.includes('clientSecret'),
    hasAccessToken: secretsSet.includes('accessToken'),
    hasRefreshToken: secretsSet.includes('refreshToken'),
    expiresAt: dateOf(expiresAt),
    account: account ?? null,
    discovered: discovered === undefined ? null : { ...discovered, at: new Date(discovered.at) },
    lastSync: lastSync === undefined ? null : { ...lastSync, at: new Date(lastSync.at) },
    syncingSince: dateOf(syncing?.since)
  }
}

function dateOf (milliseconds: number | undefined): Date | null {
  return milliseconds === undefined ? null : new Date(milliseconds)
}
