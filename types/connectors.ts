import type { FastifyReply } from 'fastify'
import type { Connector } from '../lib/connectors/connector.js'
import type { StoredConnectors } from '../lib/connectors/stored-connectors.js'
import type { StartOptions } from '../lib/oauth-client/authorization.js'
import type { ChangeNote } from '../lib/store/managed-records.js'

/** Connectors to other APIs, stored and declared. Decorated as `app.connectors`; every id may be a name as well. */
export interface ConnectorsApi extends Pick<StoredConnectors, 'create' | 'get' | 'list' | 'page' | 'update' | 'remove' | 'secrets'> {
  /** What to register at the authorization servers of `oauth2` connectors; null without a public URL, where none can be authorized. */
  readonly redirectUri: string | null
  /** The connector of that name: makes no call, and does not look whether there is one. Requests throw DWA_STORE_NOT_FOUND, DWA_CONNECTOR_CONFIGURATION and what a connector throws. */
  use (name: string): Connector
  /**
   * Where a person authorizes an `oauth2` connector.
   * @throws DWA_CONNECTOR_UNBOUND without `reply` and `unbound`, DWA_OPTIONS_INVALID without a public URL, DWA_CONNECTOR_NOT_OAUTH, DWA_CONNECTOR_INVALID_REQUEST, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE
   */
  authorizationUrl (name: string, options?: Omit<StartOptions, 'unbound'> & { readonly reply?: FastifyReply, readonly unbound?: boolean }): Promise<string>
  /** Revokes a connector's tokens where there is an endpoint for it, and erases them whatever that answers. @throws DWA_CONNECTOR_NOT_OAUTH, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  revoke (name: string, note?: Pick<ChangeNote, 'actor' | 'requestId' | 'personal'>): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Connectors to other APIs, by the `connectors` plugin. */
    connectors: ConnectorsApi
  }
}
