import type { Connections } from '../docuware/connections.js'
import type { JwtValidators } from '../../types/jwt.js'
import type { OAuthProvider } from '../../types/provider.js'
import type { Telemetry } from '../../types/telemetry.js'
import { sourceSchema } from '../webhooks/source-schema.js'
import { connectorPatchSchema, connectorSchema, connectorStateSchema } from '../connectors/connector-schema.js'
import type { Resource } from './resource.js'
import { clientsResource } from './resources/clients.js'
import { connectionsResource } from './resources/connections.js'
import { consentsResource } from './resources/consents.js'
import { keysResource } from './resources/keys.js'
import { logResource, type ManagedLog } from './resources/log.js'
import { namedRecordsResource, type NamedRecords } from './resources/named-records.js'
import { scopesResource } from './resources/scopes.js'
import { settingsResource } from './resources/settings.js'
import { validatorsResource } from './resources/validators.js'
import { patchSchema, viewSchema } from './view-schema.js'

/** What there is to manage in an app: a plugin that is not registered is undefined, and has no entries. */
export interface ManagedParts {
  readonly connections: Connections | undefined
  readonly validators: JwtValidators | undefined
  readonly provider: OAuthProvider | undefined
  readonly connectors: NamedRecords | undefined
  readonly webhookSources: NamedRecords | undefined
  readonly telemetry: Telemetry | undefined
  readonly log: ManagedLog
}

/** An entry of the table: made of a part of the app, where the app has it. */
type Entry = (parts: ManagedParts) => Resource | null

/** Makes an entry depend on its part of the app. */
function of<Part> (part: (parts: ManagedParts) => Part | undefined, resource: (part: Part) => Resource): Entry {
  return (parts) => {
    const found = part(parts)
    return found === undefined ? null : resource(found)
  }
}

/** What can be managed, in the order of menus: routes, schemas, roles and the OpenAPI document follow from it. */
const table: readonly Entry[] = [
  of(({ connections }) => connections, connectionsResource),
  of(({ provider }) => provider?.clients, clientsResource),
  of(({ provider }) => provider?.scopes, scopesResource),
  of(({ provider }) => provider?.consents, consentsResource),
  of(({ provider }) => provider?.keys, keysResource),
  of(({ validators }) => validators, validatorsResource),
  of(({ connectors }) => connectors, namedRecordsResource('connectors', 'connector', {
    input: connectorSchema,
    patch: connectorPatchSchema,
    view: viewSchema(connectorSchema.properties, { more: connectorStateSchema, declared: true })
  })),
  of(({ webhookSources }) => webhookSources, namedRecordsResource('webhook-sources', 'webhook source', {
    input: sourceSchema,
    patch: patchSchema(sourceSchema),
    view: viewSchema(sourceSchema.properties, { secrets: ['secret'], declared: true })
  })),
  of(({ telemetry }) => telemetry, settingsResource),
  of(({ log }) => log, logResource)
]

/** The entries for what an app has. */
export function resourcesOf (parts: ManagedParts): Resource[] {
  return table.flatMap((entry) => entry(parts) ?? [])
}
