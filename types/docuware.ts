import type { FastifyReply } from 'fastify'
import type { StartOptions } from '../lib/oauth-client/authorization.js'
import type { ConnectionChange, Connections } from '../lib/docuware/connections.js'
import type { DocuWareClient } from '../lib/docuware/rest/docuware-client.js'
import type { SyncAnswer, SyncRequest } from '../lib/docuware/sync.js'

/** How an authorization of a connection is begun. */
export interface AuthorizationUrlOptions extends Omit<StartOptions, 'unbound'> {
  /** The reply of the browser that will follow the URL: it gets the cookie that binds the authorization to it. */
  readonly reply?: FastifyReply
  /** For a link that is handed to another browser. Whoever has it can end the authorization; an audit entry says so. */
  readonly unbound?: boolean
}

/** Connections to DocuWare. Decorated as `app.docuware`; every id may be a name as well. */
export interface Docuware {
  readonly connections: Connections
  /** What to register in DocuWare; null without a public URL, where no connection can be authorized. */
  readonly redirectUri: string | null
  /** The REST client of a connection: its tokens are refreshed by themselves, once for all processes. Makes no call, and does not look whether the connection exists. */
  client (idOrName: string): DocuWareClient
  /**
   * Where a person authorizes a connection. Discovers its endpoints on first use.
   * @throws DWA_DOCUWARE_UNBOUND without `reply` and `unbound`, DWA_OPTIONS_INVALID without a public URL, DWA_DOCUWARE_INVALID_REQUEST, DWA_DOCUWARE_NO_IDENTITY_SERVICE,
   * DWA_DOCUWARE_DISCOVERY, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE
   */
  authorizationUrl (idOrName: string, options?: AuthorizationUrlOptions): Promise<string>
  /** Probes a connection, by the queue when there is one. @throws DWA_DOCUWARE_SYNC_RUNNING, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  sync (idOrName: string, request?: SyncRequest): Promise<SyncAnswer>
  /** Revokes a connection's tokens and erases them, whatever the identity service answers. @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  revoke (idOrName: string, note?: Pick<ConnectionChange, 'actor' | 'requestId' | 'personal'>): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Connections to DocuWare, by the `docuware` plugin. */
    docuware: Docuware
  }
}
