import { OpenRecords } from '../store/open-records.js'
import type { Logger } from '../store/logger.js'
import type { Store } from '../store/store.js'
import type { ErrorReporter } from '../telemetry/error-reporter.js'
import { Authorization } from '../oauth-client/authorization.js'
import { AuthorizationStates, stateIndexes, type AuthorizationStateDocument } from '../oauth-client/authorization-state.js'
import { loadEngine } from '../oauth-client/oauth-server.js'
import { TokenRefresh } from '../oauth-client/token-refresh.js'
import { UnsavedTokens } from '../oauth-client/unsaved-tokens.js'
import { ConnectionAccess } from './connection-access.js'
import { connectionGrants } from './connection-grants.js'
import { connectionKind } from './connection-kind.js'
import type { StoredConnection } from './connection-schema.js'
import { Connections } from './connections.js'
import { discover } from './discovery.js'
import type { DocuwareOptions } from './docuware-options.js'
import { IdentityService } from './identity-service.js'
import { openConnection, type OpenConnection } from './open-connection.js'
import { openQueue } from './queue/open-queue.js'
import { createRestClient } from './rest/create-rest-client.js'
import type { DocuWareClient } from './rest/docuware-client.js'
import { Sync } from './sync.js'

/** Milliseconds: an exchange with the identity service takes no longer, whatever `http.timeoutMs` says. */
const longestExchange = 10_000
/** Milliseconds a connection serves while the database cannot confirm it. */
const maxStaleMs = 300_000

/** The parts of the plugin, wired. */
export interface OpenDocuware {
  readonly connections: Connections
  readonly authorization: Authorization<OpenConnection>
  /** Null without a public URL. */
  readonly redirectUri: string | null
  readonly sync: Sync
  readonly client: (idOrName: string) => DocuWareClient
  /** The id of a connection. @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  readonly idOf: (idOrName: string) => Promise<string>
  readonly close: () => Promise<void>
}

/** @param reporter who is told of failed syncs, if anybody is */
export function openDocuware (options: DocuwareOptions, store: Store, logger: Logger, reporter: () => ErrorReporter | null): OpenDocuware {
  const { allowInsecure = false, refreshBeforeSeconds = 300, http: { timeoutMs = 30_000, tries = 5 } = {}, prefix = '/docuware' } = options
  const { clock, serverClock, log: auditLog, changes, keyRing, publicUrl } = store
  const now = (): number => serverClock.now() // for what several processes decide by it
  const refreshBefore = refreshBeforeSeconds * 1000
  const exchangeTimeout = Math.min(timeoutMs, longestExchange)
  const records = store.records<StoredConnection>(connectionKind)
  const redirectUri = publicUrl === null ? null : `${publicUrl}${prefix}/oauth/callback`
  const states = new AuthorizationStates('connection', store.documents<AuthorizationStateDocument>('authorization_states', stateIndexes), keyRing, now)

  const open = new OpenRecords({ records, open: openConnection, cache: { changes, clock, maxStaleMs } })
  const forget = (id: string): void => { open.forget(id, null) }

  const identityOf = ({ fields: { platformUrl, clientId, scopes, discovered }, secrets: { clientSecret } }: OpenConnection): IdentityService => {
    if (discovered === undefined) throw new TypeError('the connection was never discovered')
    return new IdentityService({ platformUrl, clientId, clientSecret, scopes, discovered, timeoutMs: exchangeTimeout, allowInsecure })
  }
  const grants = connectionGrants({ records, forget, identityOf, discover: async (platformUrl) => await discover(platformUrl, { allowInsecure, now }), auditLog })
  const unsaved = new UnsavedTokens({ grants, auditLog, clock: serverClock, logger, refreshBefore })
  const refresh = new TokenRefresh({
    grants,
    unsaved,
    auditLog,
    clock,
    now,
    logger,
    lease: async (name, milliseconds) => await store.lease(name, milliseconds),
    prepare: loadEngine,
    timeoutMs: exchangeTimeout,
    refreshBefore
  })
  const authorization = new Authorization({
    grants,
    states,
    unsaved,
    auditLog,
    logger,
    exclusively: async (id, name, operation) => await refresh.exclusively(id, name, operation),
    redirectUri
  })

  const client = (idOrName: string): DocuWareClient => createRestClient(new ConnectionAccess(idOrName, open, refresh), { timeoutMs, tries, clock, logger })
  const queue = options.queue === undefined ? null : openQueue(options.queue, { clock, logger })
  const sync = new Sync({ records, clientOf: client, queue, auditLog, reporter, clock, now, logger })

  return {
    connections: new Connections({ records, auditLog, allowInsecure, onChange: (id, name) => { open.forget(id, name) } }),
    authorization,
    redirectUri,
    sync,
    client,
    idOf: async (idOrName) => (await open.find(idOrName)).id,
    async close () {
      await Promise.all([queue?.close(), sync.close()])
      await refresh.close()
      await unsaved.close()
    }
  }
}
