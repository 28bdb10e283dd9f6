import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { GrantErrors, Grants } from '../oauth-client/grant.js'
import { openGrant, updateGrant } from '../oauth-client/update-grant.js'
import { reasonOf } from '../store/logger.js'
import type { RecordCollection } from '../store/record-collection.js'
import type { Discovered, StoredConnection } from './connection-schema.js'
import { isSameIssuer } from './discovery.js'
import type { IdentityService } from './identity-service.js'
import { openConnection, type OpenConnection } from './open-connection.js'

export interface ConnectionGrantsOptions {
  readonly records: RecordCollection<StoredConnection>
  /** Drops what is remembered of a connection. */
  readonly forget: (id: string) => void
  readonly identityOf: (connection: OpenConnection) => IdentityService
  readonly discover: (platformUrl: string) => Promise<Discovered>
  readonly auditLog: Pick<AuditLog, 'record'>
}

const area = 'connection'
const app = { type: 'app', id: null } as const

const connectionErrors: GrantErrors = {
  notFound: (name) => new errors.DWA_STORE_NOT_FOUND(name === null ? 'The connection' : `The connection "${name}"`),
  conflict: () => new errors.DWA_STORE_CONFLICT('The connection'),
  notAuthorized: (name) => new errors.DWA_DOCUWARE_NOT_AUTHORIZED(name),
  reauthorize: (name) => new errors.DWA_DOCUWARE_REAUTHORIZE(name),
  clientRejected: (name) => new errors.DWA_DOCUWARE_CLIENT_REJECTED(name),
  refreshFailed: (name, reason, cause) => new errors.DWA_DOCUWARE_REFRESH_FAILED(name, reason, { cause }),
  invalidReturnTo: (problem) => new errors.DWA_DOCUWARE_INVALID_REQUEST(problem),
  badCallback: () => new errors.DWA_DOCUWARE_BAD_CALLBACK(),
  invalidState: () => new errors.DWA_DOCUWARE_INVALID_STATE(),
  denied: (reason) => new errors.DWA_DOCUWARE_DENIED(reason),
  foreignIssuer: () => new errors.DWA_DOCUWARE_FOREIGN_ISSUER(),
  exchange: (reason, cause) => new errors.DWA_DOCUWARE_EXCHANGE(reason, { cause })
}

/** Connections as grants: kept by the store, with endpoints that are discovered. */
export function connectionGrants ({ records, forget, identityOf, discover, auditLog }: ConnectionGrantsOptions): Grants<OpenConnection> {
  const open = async (id: string): Promise<OpenConnection | null> => {
    const record = await records.open(id)
    return record === null ? null : openConnection(record)
  }
  const discovered = async ({ id, fields: { name, platformUrl } }: OpenConnection): Promise<Discovered> => {
    try {
      return await discover(platformUrl)
    } catch (error) {
      auditLog.record('connection.discovery_failed', { level: 'warning', actor: app, target: { type: area, id, name }, details: { reason: reasonOf(error) } })
      throw error
    }
  }
  return {
    area,
    errors: connectionErrors,
    open,
    update: async (id, version, patch, note) => await records.update(id, version, patch, note),
    forget,
    withTokens ({ fields: { refreshAt: _, ...fields }, ...connection }, { expiresAt, refreshAt, secrets }) {
      return openConnection({ ...connection, fields: { ...fields, ...(expiresAt === undefined ? {} : { expiresAt }), ...(refreshAt === undefined ? {} : { refreshAt }), status: 'authorized' }, secrets })
    },
    serverOf: identityOf,
    isKnown: ({ fields }) => fields.discovered !== undefined,
    isIssuer: ({ fields }, iss) => iss === null || (fields.discovered !== undefined && isSameIssuer(iss, new URL(fields.discovered.issuer))),
    isGone: async (connection) => await identityOf(connection).isGone(),
    async rediscover (id) {
      const connection = await openGrant({ open, errors: connectionErrors }, id)
      const found = await discovered(connection)
      const { configuration } = connection.fields
      const update = records.update.bind(records)
      return await updateGrant({ open, update, forget, errors: connectionErrors }, connection, ({ fields }) => fields.configuration === configuration ? { discovered: found } : null, {
        actor: app, event: 'connection.discovered', details: { identityUrl: found.identityUrl }
      })
    },
    isDiscoveryFailure: (error) => isAuthError(error, 'DWA_DOCUWARE_DISCOVERY') || isAuthError(error, 'DWA_DOCUWARE_NO_IDENTITY_SERVICE')
  }
}
