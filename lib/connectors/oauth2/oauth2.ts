import { systemClock, type Clock } from '../../clock.js'
import { checkOptions, withoutUndefined } from '../../options.js'
import { Authorization, type StartOptions } from '../../oauth-client/authorization.js'
import type { Grants } from '../../oauth-client/grant.js'
import { loadEngine } from '../../oauth-client/oauth-server.js'
import { TokenRefresh } from '../../oauth-client/token-refresh.js'
import { UnsavedTokens } from '../../oauth-client/unsaved-tokens.js'
import type { Lease } from '../../store/lease.js'
import { silentLogger } from '../../store/logger.js'
import { checkUrl } from '../connector.js'
import type { Strategy } from '../strategy.js'
import { checkSettings, clientSettings, fingerprintOf, serverFor, type ClientSettings } from './client-settings.js'
import { configuredGrants, connectorGrant, fieldsWith, grantStrategy, type ConnectorGrant } from './connector-grant.js'
import { KeptGrant, KeptStates, type TokenStore } from './token-store.js'

export interface OAuth2Options extends ClientSettings {
  /** Where the authorization server sends people back to. */
  readonly redirectUri: string
  readonly store: TokenStore
  /** Tells connectors of one store apart that are the same client. Default `default`. */
  readonly name?: string | undefined
  /** Seconds before its end from which on an access token is refreshed. Default 300. */
  readonly refreshBeforeSeconds?: number | undefined
  /** Milliseconds for one exchange with the authorization server. Default 10 000. */
  readonly timeoutMs?: number | undefined
  /** http on loopback. */
  readonly allowInsecure?: boolean | undefined
  readonly clock?: Clock | undefined
  readonly randomBytes?: ((size: number) => Buffer) | undefined
}

/** The `oauth2` strategy, and the two halves of its authorization. */
export interface OAuth2Strategy extends Strategy {
  /** Where a person authorizes the connector (RFC 6749 §4.1.1, with PKCE): good once, for ten minutes. Whoever has the URL can end it: hand it to one browser. */
  authorizationUrl (options?: Pick<StartOptions, 'returnTo'>): Promise<string>
  /**
   * Ends an authorization with what the callback brought.
   * @returns where the person was going
   * @throws DWA_CONNECTOR_BAD_CALLBACK, DWA_CONNECTOR_INVALID_STATE, DWA_CONNECTOR_FOREIGN_ISSUER, DWA_CONNECTOR_DENIED, DWA_CONNECTOR_EXCHANGE
   */
  exchange (callback: { readonly code?: string, readonly state?: string, readonly iss?: string, readonly error?: string }): Promise<{ readonly returnTo: string | null }>
}

export const oauth2Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['clientId', 'authorizationUrl', 'tokenUrl', 'redirectUri', 'store'],
  properties: {
    ...clientSettings,
    redirectUri: { type: 'string', maxLength: 2000 },
    store: { type: 'object', required: ['get', 'set', 'delete'], properties: { get: { function: true }, set: { function: true }, delete: { function: true } } },
    name: { type: 'string', minLength: 1, maxLength: 100 },
    refreshBeforeSeconds: { type: 'integer', minimum: 0, maximum: 86_400 },
    timeoutMs: { type: 'integer', minimum: 100, maximum: 600_000 },
    allowInsecure: { type: 'boolean' },
    clock: { type: 'object' },
    randomBytes: { function: true }
  }
} as const

/**
 * OAuth 2 with a refresh token: `Authorization: <token_type> <access_token>`. The token is refreshed when less than `refreshBeforeSeconds` are left, and once when it
 * is refused; requests at the same time share one refresh. An answer without a refresh token keeps the old one, one without `expires_in` counts as 3600 s, one without
 * `token_type` as Bearer. For several processes use stored connectors: a `store` of the app's own is not locked between them.
 * Requests throw DWA_CONNECTOR_NOT_AUTHORIZED, DWA_CONNECTOR_NO_REFRESH_TOKEN, DWA_CONNECTOR_REAUTHORIZE, DWA_CONNECTOR_CLIENT_REJECTED, DWA_CONNECTOR_REFRESH_FAILED, and what `store` throws.
 * @throws DWA_OPTIONS_INVALID
 */
export function oauth2 (options: OAuth2Options): OAuth2Strategy {
  checkOptions('oauth2', oauth2Schema, withoutUndefined(options))
  const { redirectUri, store, name = 'default', refreshBeforeSeconds = 300, timeoutMs = 10_000, allowInsecure = false, clock = systemClock, randomBytes } = options
  checkSettings('oauth2', options, allowInsecure)
  checkUrl('oauth2.redirectUri', redirectUri, true)
  const fingerprint = fingerprintOf(options)
  const kept = new KeptGrant(store, name, fingerprint)
  const server = serverFor(options, { timeoutMs, allowInsecure })
  const grants: Grants<ConnectorGrant> = {
    ...configuredGrants,
    open: async () => await kept.open(),
    update: async (_id, version, patch) => { await kept.update(version, patch) },
    forget () {},
    withTokens: ({ fields, ...grant }, tokens) => connectorGrant({ ...grant, fields: fieldsWith(fields, tokens), secrets: tokens.secrets }),
    serverOf: () => server,
    isIssuer: (_grant, iss) => options.issuer === undefined || iss === options.issuer
  }
  const now = (): number => clock.now()
  const unlogged = { append: async () => {}, record () {}, sample () {} }
  const shared = { grants, auditLog: unlogged, clock, logger: silentLogger, refreshBefore: refreshBeforeSeconds * 1000 }
  const unsaved = new UnsavedTokens(shared)
  const refresh = new TokenRefresh({ ...shared, unsaved, now, timeoutMs, prepare: loadEngine, lease: inProcessLease(clock) })
  const authorization = new Authorization({
    ...shared,
    unsaved,
    states: new KeptStates(store, name, fingerprint, now),
    exclusively: async (id, title, operation) => await refresh.exclusively(id, title, operation),
    redirectUri,
    randomBytes
  })
  return {
    ...grantStrategy(async () => await kept.open(), refresh),
    ...(options.clientSecret === undefined ? {} : { secrets: [options.clientSecret] }),
    authorizationUrl: async ({ returnTo } = {}) => (await authorization.start(name, { ...(returnTo === undefined ? {} : { returnTo }), unbound: true })).url,
    async exchange (callback) {
      const given = Object.entries(callback).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      const { returnTo } = await authorization.finish(new URLSearchParams(given), [], { only: name })
      return { returnTo }
    }
  }
}

/** One holder at a time, in this process. */
function inProcessLease (clock: Clock): (name: string, milliseconds: number) => Promise<Lease | null> {
  let holder: { readonly fence: number, readonly until: number } = { fence: 0, until: -Infinity }
  return async (_name, milliseconds) => {
    if (clock.now() < holder.until) return null
    const own = holder = { fence: holder.fence + 1, until: clock.now() + milliseconds }
    return {
      fence: own.fence,
      isHeld: async () => holder === own && clock.now() < own.until,
      async release () { if (holder === own) holder = { ...own, until: -Infinity } }
    }
  }
}
