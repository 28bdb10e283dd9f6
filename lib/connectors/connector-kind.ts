import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import { defaults } from './connector.js'
import { storedConnectorSchema, type ConnectorInput, type ConnectorState, type ConnectorView, type StoredConnector } from './connector-schema.js'

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
  const { type, settings } = fields
  return {
    id,
    version,
    createdAt,
    updatedAt,
    ...plainView(fields),
    auth: { ...settings, type },
    hasCredentials: secretsSet.includes('credentials'),
    ...toState(type === 'oauth2' ? { ...fields, hasAccessToken: secretsSet.includes('accessToken'), hasRefreshToken: secretsSet.includes('refreshToken') } : null)
  }
}

/** A connector declared in code, as it is shown. */
export function declaredView (plain: PlainFields, auth: ConnectorView['auth']): ConnectorView {
  return { id: null, version: 0, createdAt: null, updatedAt: null, ...plainView(plain), auth, hasCredentials: true, ...toState(null) }
}

type PlainFields = Omit<ConnectorInput, 'auth'>

function plainView ({ name, baseUrl, headers = {}, timeoutMs = defaults.timeoutMs, retries = defaults.retries }: PlainFields): Pick<ConnectorView, keyof PlainFields> {
  return { name, baseUrl, headers, timeoutMs, retries }
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
