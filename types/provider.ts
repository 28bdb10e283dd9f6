import type { AccessToken } from '../lib/provider/access-tokens.js'
import type { Clients } from '../lib/provider/clients.js'
import type { ConsentView } from '../lib/provider/consent-kind.js'
import type { ConsentChange } from '../lib/provider/consents.js'
import type { Keys } from '../lib/provider/keys.js'
import type { Metadata } from '../lib/provider/metadata.js'
import type { OwnerUser } from '../lib/provider/owner.js'
import type { DataOptions, DataToken } from '../lib/provider/scope-data.js'
import type { Scopes } from '../lib/provider/scopes.js'
import type { Change } from '../lib/store/record-collection.js'

/** What people have agreed to. */
export interface ConsentManagement {
  /** Those of a person, to a client (its record's id), of both, or all. @throws DWA_STORE_UNAVAILABLE */
  list (of?: { readonly user?: string, readonly client?: string }): Promise<ConsentView[]>
  /** At most `limit` of them, from the one that follows the position `after` on. @throws DWA_STORE_UNAVAILABLE */
  page (limit: number, after?: string, of?: { readonly user?: string, readonly client?: string }): Promise<Array<ConsentView & { readonly position: string }>>
  /** By id. @throws DWA_STORE_UNAVAILABLE */
  get (id: string): Promise<ConsentView | null>
  /**
   * Ends a consent, and everything issued by it.
   * @param of.client record id, client id or name; the record id when the client is gone
   * @returns whether there was anything to end
   * @throws DWA_STORE_UNAVAILABLE
   */
  revoke (of: { readonly user: string, readonly client: string }, change?: ConsentChange): Promise<boolean>
}

/** The OAuth 2 provider. Decorated as `app.oauthProvider`. */
export interface OAuthProvider {
  readonly clients: Clients
  readonly scopes: Scopes
  readonly consents: ConsentManagement
  readonly keys: Keys
  /** What the provider says of itself (RFC 8414): its endpoints among it. @throws DWA_STORE_UNAVAILABLE */
  metadata (): Promise<Metadata>
  /**
   * The records of a model that a token's scopes show: by id, each with the fields that the scopes which match it name; with `id` that record alone, `{}` when it is not shown.
   * @throws DWA_OAUTH_INVALID_MODEL, DWA_OAUTH_INVALID_REQUEST, DWA_PROVIDER_OWNER_FAILED, DWA_STORE_UNAVAILABLE
   */
  getData (token: DataToken, model: string, options?: DataOptions): Promise<Record<string, unknown>>
  /** How one of the app's people is called on pages, as `owner` tells it; null for an id that it does not know. @throws DWA_PROVIDER_OWNER_FAILED */
  displayName (userId: string): Promise<string | null>
  /**
   * Revokes every token of a person, and what the process knows of them: to be called when a password changes, somebody leaves, or signs out everywhere.
   * @param user their id, or the person
   * @returns how many families were revoked
   * @throws DWA_PROVIDER_OWNER_FAILED for what is neither, DWA_STORE_UNAVAILABLE
   */
  revokeUser (user: string | OwnerUser, change?: Pick<Change, 'actor' | 'requestId' | 'message'>): Promise<number>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The OAuth 2 provider, by the `provider` plugin. */
    oauthProvider: OAuthProvider
  }

  interface FastifyRequest {
    /** The access token that a route with `auth: 'oauth_provider'` accepted, without the token itself; null elsewhere. */
    oauthToken: AccessToken | null
    /** The person it acts for, as `owner.find` returned them within the last minute; null for a client that acts as nobody. Shared between requests: not to be changed. */
    oauthUser: OwnerUser | null
  }
}
