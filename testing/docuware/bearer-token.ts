import type { Received } from './exchange.js'
import type { Tenant } from './tenant.js'
import type { AccessToken } from './tokens.js'

/** The good access token of a request's Authorization header (RFC 6750 §2.1); null for none or another. */
export function findBearer (tenant: Tenant, received: Received): AccessToken | null {
  const value = /^Bearer +(\S+)$/i.exec(received.incoming.headers.authorization ?? '')?.[1]
  return value === undefined ? null : tenant.tokens.findAccess(value, tenant.now())
}
