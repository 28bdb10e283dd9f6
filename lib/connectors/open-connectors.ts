import { errors, isAuthError } from '../errors.js'
import { Authorization } from '../oauth-client/authorization.js'
import { AuthorizationStates, stateIndexes, type AuthorizationStateDocument } from '../oauth-client/authorization-state.js'
import { loadEngine } from '../oauth-client/oauth-server.js'
import { TokenRefresh } from '../oauth-client/token-refresh.js'
import { UnsavedTokens } from '../oauth-client/unsaved-tokens.js'
import type { Logger } from '../store/logger.js'
import { OpenRecords } from '../store/open-records.js'
import type { OpenedRecord } from '../store/record-collection.js'
import type { Store } from '../store/store.js'
import { createConnector, withShorthands, type Connector } from './connector.js'
import { ConnectorGrants, declaredGrantKind, storedGrant, type DeclaredGrant, type OpenConnectorGrant } from './connector-grants.js'
import { connectorKind, toState } from './connector-kind.js'
import type { ConnectorState, StoredConnector } from './connector-schema.js'
import type { ConnectorsOptions } from './connectors-options.js'
import { declaredConnectors } from './declared-connectors.js'
import { connectorErrors } from './oauth2/connector-errors.js'
import { grantStrategy } from './oauth2/connector-grant.js'
import { readCredentials, StoredConnectors } from './stored-connectors.js'
import { makeStrategy } from './strategy-types.js'

/** Milliseconds a connector serves while the database cannot confirm it. */
const maxStaleMs = 300_000

/** A stored connector ready for use, or why it is not. */
interface Usable { readonly id: string, readonly baseUrl: string, readonly grant: OpenConnectorGrant | null, readonly connector: Connector | null, readonly problem: string }

/** The parts of the plugin, wired. */
export interface OpenConnectors {
  readonly connectors: StoredConnectors
  /** The connector of that name, declared or stored. Makes no call, and does not look whether there is one. */
  readonly use: (name: string) => Connector
  readonly authorization: Authorization<OpenConnectorGrant>
  /** Null without a public URL. */
  readonly redirectUri: string | null
  /** The id of what an `oauth2` connector was granted. @throws DWA_STORE_NOT_FOUND, DWA_CONNECTOR_NOT_OAUTH, DWA_CONNECTOR_CONFIGURATION, DWA_STORE_UNAVAILABLE */
  readonly grantOf: (name: string) => Promise<string>
  readonly close: () => Promise<void>
}

export function openConnectors (options: ConnectorsOptions, store: Store, logger: Logger): OpenConnectors {
  const { prefix = '/connectors', declared = {}, allowInsecure = false, refreshBeforeSeconds = 300, timeoutMs = 10_000 } = options
  const { clock, serverClock, log: auditLog, changes, keyRing, publicUrl } = store
  const now = (): number => serverClock.now() // for what several processes decide by it
  const cache = { changes, clock, maxStaleMs }
  const ready = declaredConnectors(declared, allowInsecure)
  const clients = new Map([...ready].flatMap(([name, { client }]) => client === null ? [] : [[name, client] as const]))
  const records = store.records<StoredConnector>(connectorKind)
  const declaredGrants = store.records<DeclaredGrant>(declaredGrantKind)

  const kept = new ConnectorGrants({ stored: records, declaredGrants, declared: clients, forget: (id) => { forget(id, null) }, timeoutMs, allowInsecure })
  const { grants } = kept
  const refreshBefore = refreshBeforeSeconds * 1000
  const unsaved = new UnsavedTokens({ grants, auditLog, clock: serverClock, logger, refreshBefore })
  const lease = async (name: string, milliseconds: number): ReturnType<Store['lease']> => await store.lease(name, milliseconds)
  const refresh = new TokenRefresh({ grants, unsaved, auditLog, clock, now, logger, lease, prepare: loadEngine, timeoutMs, refreshBefore })
  const redirectUri = publicUrl === null ? null : `${publicUrl}${prefix}/oauth/callback`
  const authorization = new Authorization({
    grants,
    states: new AuthorizationStates('connector', store.documents<AuthorizationStateDocument>('authorization_states', stateIndexes), keyRing, now),
    unsaved,
    auditLog,
    logger,
    exclusively: async (id, name, operation) => await refresh.exclusively(id, name, operation),
    redirectUri
  })

  const usable = (record: OpenedRecord<StoredConnector>): Usable => {
    const { id, fields: { name, type, baseUrl, headers, timeoutMs, retries, settings }, secrets } = record
    const grant = type === 'oauth2' ? storedGrant(record) : null
    const read = async (): Promise<OpenConnectorGrant> => {
      const now = await stored.find(id)
      if (now.baseUrl !== baseUrl) throw new errors.DWA_STORE_CONFLICT('The connector') // a request under way goes to the old host
      return granting(name, now.grant)
    }
    try {
      const auth = type === 'oauth2' ? grantStrategy(read, refresh) : makeStrategy(type, { ...settings, ...readCredentials(secrets['credentials']) })
      return { id, baseUrl, grant, connector: createConnector({ baseUrl, auth, headers, timeoutMs, retries, allowInsecure, logger, clock }), problem: '' }
    } catch (error) {
      if (!isAuthError(error, 'DWA_OPTIONS_INVALID')) throw error
      return { id, baseUrl, grant, connector: null, problem: error.message } // its secrets were taken away by a change of host
    }
  }
  const stored = new OpenRecords<StoredConnector, Usable>({ records, open: usable, cache })
  const granted = new OpenRecords<DeclaredGrant, { readonly id: string, readonly grant: OpenConnectorGrant | null }>({ records: declaredGrants, open: (record) => ({ id: record.id, grant: kept.declaredGrant(record) }), findBy: async (name) => await declaredGrants.getByName(name), cache })
  const forget = (id: string | null, name: string | null): void => {
    stored.forget(id, name)
    granted.forget(id, name)
  }
  const inCode = new Map([...ready].map(([name, { connect }]) => [name, connect(() => grantStrategy(async () => {
    const grant = (await granted.lookFor(name))?.grant ?? null
    if (grant === null) throw connectorErrors.notAuthorized(name) // or another process runs other code, with another client of that name
    return grant
  }, refresh))]))

  const stateOf = async (name: string): Promise<ConnectorState> => {
    if (!clients.has(name)) return toState(null)
    const grant = (await granted.lookFor(name))?.grant ?? null
    const { accessToken, refreshToken } = grant?.secrets ?? {}
    return toState({ status: 'draft', ...grant?.fields, hasAccessToken: accessToken !== undefined, hasRefreshToken: refreshToken !== undefined })
  }

  /** @throws DWA_CONNECTOR_CONFIGURATION, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  const find = async (name: string): Promise<Usable | null> => {
    if (!ready.has(name)) return await stored.find(name)
    const other = await Promise.resolve(stored.lookFor(name)).catch((error: unknown) => {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
      return null // what is declared does not depend on the database
    })
    if (other !== null) throw new errors.DWA_CONNECTOR_CONFIGURATION(name, 'it is both declared in code and stored')
    return null
  }
  const connectorOf = async (name: string): Promise<Connector> => {
    const found = await find(name)
    const connector = found === null ? inCode.get(name) : found.connector
    if (connector === undefined || connector === null) throw new errors.DWA_CONNECTOR_CONFIGURATION(name, `its credentials are not complete (${found?.problem})`)
    return connector
  }
  const use = (name: string): Connector => withShorthands(async (...call) => await (await connectorOf(name)).request(...call))

  return {
    connectors: new StoredConnectors({ records, auditLog, allowInsecure, declared: new Map([...ready].map(([name, { view }]) => [name, view])), stateOf, onChange: forget }),
    use,
    authorization,
    redirectUri,
    async grantOf (name) {
      const found = await find(name)
      const client = clients.get(name)
      return found === null && client !== undefined ? await kept.idOfDeclared(name, client) : granting(name, found?.grant ?? null).id
    },
    async close () {
      await refresh.close()
      await unsaved.close()
    }
  }
}

/** @throws DWA_CONNECTOR_NOT_OAUTH */
function granting (name: string, grant: OpenConnectorGrant | null): OpenConnectorGrant {
  if (grant === null) throw new errors.DWA_CONNECTOR_NOT_OAUTH(name)
  return grant
}
