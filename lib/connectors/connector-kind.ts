import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import { storedConnectorSchema, type ConnectorView, type StoredConnector } from './connector-schema.js'

/** The connectors kept by the store. */
export const connectorKind: RecordKind = {
  collection: 'connectors',
  area: 'connector',
  nameField: 'name',
  secrets: ['credentials', 'accessToken', 'refreshToken'],
  schema: storedConnectorSchema
}

/** A record as it is shown. Secrets are all there or none: a change takes them away together. */
export function toView ({ id, version, createdAt, updatedAt, fields, secretsSet }: StoredRecord<StoredConnector>): ConnectorView {
  const { name, baseUrl, headers = {}, timeoutMs = 30_000, retries = 4, type, settings, status, statusMessage, expiresAt } = fields
  const grants = type === 'oauth2'
  return {
    id,
    version,
    createdAt,
    updatedAt,
    name,
    baseUrl,
    headers,
    timeoutMs,
    retries,
    auth: { ...settings, type },
    hasCredentials: secretsSet.includes('credentials'),
    status: grants ? status : null,
    statusMessage: grants ? statusMessage ?? null : null,
    hasAccessToken: secretsSet.includes('accessToken'),
    hasRefreshToken: secretsSet.includes('refreshToken'),
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt)
  }
}
