import type { ConnectorsApi } from '../../../types/connectors.js'
import type { OAuthProvider } from '../../../types/provider.js'
import type { JwtValidators } from '../../../types/jwt.js'
import type { Telemetry } from '../../../types/telemetry.js'
import type { Clock } from '../../clock.js'
import type { Connections } from '../../docuware/connections.js'
import type { SyncAnswer, SyncRequest } from '../../docuware/sync.js'
import type { AuditLog } from '../../log/audit-log.js'
import type { ChangeNote } from '../../store/managed-records.js'
import type { Logger } from '../../store/logger.js'
import type { Resource } from '../resource.js'
import type { ConsoleRoute } from './console-route.js'
import { clientRoutes, clientSpecial } from './pages/clients.js'
import { connectorRoutes, connectorSpecial } from './pages/connectors.js'
import { connectionRoutes, connectionSpecial } from './pages/connections.js'
import { logRoutes } from './pages/log.js'
import { overviewRoute } from './pages/overview.js'
import { consentRoutes } from './pages/consents.js'
import { keyRoutes } from './pages/keys.js'
import { scopeRoutes, scopeSpecial } from './pages/scopes.js'
import { settingsRoutes } from './pages/settings.js'
import { validatorRoutes, validatorSpecial } from './pages/validators.js'
import { recordRoutes, type RecordSpecial } from './record-routes.js'

/** The parts of an app that the console shows. One that is not registered is undefined, and has no pages. */
export interface ConsoleParts {
  readonly resources: readonly Resource[]
  readonly docuware: { readonly connections: Connections, readonly redirectUri: string | null, sync (id: string, request: SyncRequest): Promise<SyncAnswer>, revoke (id: string, note: ChangeNote): Promise<void> } | undefined
  readonly provider: OAuthProvider | undefined
  readonly connectors: Pick<ConnectorsApi, 'redirectUri' | 'get' | 'revoke'> | undefined
  readonly validators: Pick<JwtValidators, 'list'> | undefined
  readonly telemetry: Telemetry | undefined
  readonly auditLog: AuditLog
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

/** The console: its pages, and which of them a person's menu has. */
export interface Console {
  readonly routes: readonly ConsoleRoute[]
  readonly menuOf: (roles: readonly string[]) => readonly string[]
}

/** What a resource has beside the pages that are made of its schemas. */
interface Pages {
  readonly special?: RecordSpecial
  readonly routes: readonly ConsoleRoute[]
}

/** A page for every resource of the table: one that has records gets list, form and page by itself. */
export function consoleOf (parts: ConsoleParts): Console {
  const routes = parts.resources.flatMap((resource) => {
    const { special, routes: more } = pagesOf(resource, parts)
    return [...more, ...resource.records === undefined ? [] : recordRoutes(resource, resource.records, special)]
  })
  const menuOf = (roles: readonly string[]): readonly string[] => parts.resources.map(({ name }) => name)
    .filter((name) => routes.some((route) => route.method === 'GET' && route.path === `/${name}` && route.roles.some((role) => roles.includes(role))))
  return { routes: [overviewRoute({ connections: parts.docuware?.connections ?? null, auditLog: parts.auditLog, menuOf }), ...routes], menuOf }
}

function pagesOf (resource: Resource, { docuware, provider, connectors, validators, telemetry, auditLog, clock, logger }: ConsoleParts): Pages {
  switch (resource.name) {
    case 'connections': {
      if (docuware === undefined) break
      const { connections, redirectUri } = docuware
      const own = { connections, redirectUri, sync: docuware.sync.bind(docuware), revoke: docuware.revoke.bind(docuware), clock, logger }
      return { special: connectionSpecial(own), routes: connectionRoutes(own) }
    }
    case 'clients': {
      if (provider === undefined) break
      const own = { clients: provider.clients, metadata: provider.metadata.bind(provider) }
      return { special: clientSpecial(own), routes: clientRoutes(own) }
    }
    case 'scopes': {
      if (provider === undefined) break
      const own = { scopes: provider.scopes, getData: provider.getData.bind(provider), auditLog }
      return { special: scopeSpecial(own), routes: scopeRoutes(own) }
    }
    case 'validators':
      if (validators === undefined) break
      return { special: validatorSpecial(), routes: validatorRoutes({ validators, auditLog, clock }) }
    case 'connectors': {
      if (connectors === undefined) break
      const own = { redirectUri: connectors.redirectUri, get: connectors.get.bind(connectors), revoke: connectors.revoke.bind(connectors) }
      return { special: connectorSpecial(own), routes: connectorRoutes(own) }
    }
    case 'consents':
      if (provider === undefined) break
      return { routes: consentRoutes(resource, { clients: provider.clients, displayName: provider.displayName.bind(provider), logger }) }
    case 'keys': return { routes: keyRoutes(resource) }
    case 'settings':
      if (telemetry === undefined) break
      return { routes: settingsRoutes(resource, { telemetry, auditLog }) }
    case 'log': return { routes: logRoutes(resource, auditLog) }
  }
  return { routes: [] }
}
