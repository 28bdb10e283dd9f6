import { errors } from '../../errors.js'
import type { GrantErrors } from '../../oauth-client/grant.js'

/** What goes wrong with what connectors were granted. */
export const connectorErrors: GrantErrors = {
  notFound: (name) => new errors.DWA_STORE_NOT_FOUND(name === null ? 'The connector' : `The connector "${name}"`),
  conflict: () => new errors.DWA_STORE_CONFLICT('The connector'),
  notAuthorized: (name) => new errors.DWA_CONNECTOR_NOT_AUTHORIZED(name),
  reauthorize: (name, hasRefreshToken) => hasRefreshToken ? new errors.DWA_CONNECTOR_REAUTHORIZE(name) : new errors.DWA_CONNECTOR_NO_REFRESH_TOKEN(name),
  clientRejected: (name) => new errors.DWA_CONNECTOR_CLIENT_REJECTED(name),
  refreshFailed: (name, reason, cause) => new errors.DWA_CONNECTOR_REFRESH_FAILED(name, reason, { cause }),
  invalidReturnTo: (problem) => new errors.DWA_CONNECTOR_INVALID_REQUEST(problem),
  badCallback: () => new errors.DWA_CONNECTOR_BAD_CALLBACK(),
  invalidState: () => new errors.DWA_CONNECTOR_INVALID_STATE(),
  denied: (reason) => new errors.DWA_CONNECTOR_DENIED(reason),
  foreignIssuer: () => new errors.DWA_CONNECTOR_FOREIGN_ISSUER(),
  exchange: (reason, cause) => new errors.DWA_CONNECTOR_EXCHANGE(reason, { cause })
}
