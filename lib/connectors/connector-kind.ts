import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import { storedConnectorSchema, type ConnectorState, type ConnectorView, type StoredConnector } from './connector-schema.js'

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
  const { name, baseUrl, headers = {}, timeoutMs = 30_000, retries = 4, type, settings } = fields
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
    ...toState(type === 'oauth2' ? { ...fields, hasAccessToken: secretsSet.includes('accessToken'), hasRefreshToken: secretsSet.includes('refreshToken') } : null)
  }
}

interface Granted { readonly status: ConnectorState['status'], readonly statusMessage?: string, readonly expiresAt?: number, readonly hasAccessToken: boolean, readonly hasRefreshToken: boolean }

/** What was granted, as it is shown; null for a connector that needs no authorization. */
export function toState (granted: Granted | null): ConnectorState {
  return {
    status: granted?.status ?? null,
    statusMessage: granted?.statusMessage ?? null,
    hasAccessToken: granted?.hasAccessToken ?? false,
    hasRefreshToken: granted?.hasRefreshToken ?? false,
    expiresAt: granted?.expiresAt === undefined ? null : new Date(granted.expiresAt)
  }
}
