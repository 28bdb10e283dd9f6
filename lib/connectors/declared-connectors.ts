import { errors } from '../errors.js'
import { checkOptions } from '../options.js'
import { checkUrl, createConnector, type Connector } from './connector.js'
import type { DeclaredClient } from './connector-grants.js'
import { declaredView } from './connector-kind.js'
import { plainFields, type ConnectorView } from './connector-schema.js'
import type { DeclaredConnector } from './connectors-options.js'
import { checkSettings, fingerprintOf, type ClientSettings } from './oauth2/client-settings.js'
import { makeStrategy, splitSettings, strategyNames, strategyTypes, type StrategyName } from './strategy-types.js'
import type { Strategy } from './strategy.js'

/** A connector of the options, ready for use; `client` of an `oauth2` one, whose strategy is made where its tokens are. */
export interface ReadyConnector {
  readonly view: ConnectorView
  /** With the strategy of the options, or the one that is handed in for an `oauth2` client. */
  readonly connect: (granted: () => Strategy) => Connector
  readonly client: DeclaredClient | null
}

/** The connectors of the options, by name. @throws DWA_OPTIONS_INVALID with the option's path */
export function declaredConnectors (declared: Readonly<Record<string, DeclaredConnector>>, allowInsecure: boolean): ReadonlyMap<string, ReadyConnector> {
  return new Map(Object.entries(declared).map(([name, given]) => [name, ready(name, given, allowInsecure)]))
}

function ready (name: string, given: DeclaredConnector, allowInsecure: boolean): ReadyConnector {
  const path = `connectors.declared.${name}`
  if (!new RegExp(plainFields.name.pattern).test(name) || name.length > plainFields.name.maxLength) throw new errors.DWA_OPTIONS_INVALID(path, 'is no name for a connector')
  const { auth, ...plain } = given
  checkUrl(`${path}.baseUrl`, plain.baseUrl, allowInsecure)
  const connectWith = (strategy: Strategy): Connector => createConnector({ ...plain, auth: strategy, allowInsecure })
  if (isStrategy(auth)) return { view: declaredView({ ...plain, name }, { type: auth.name }), client: null, connect: () => connectWith(auth) }
  const { type, ...settings } = auth
  if (!strategyNames.includes(type)) throw new errors.DWA_OPTIONS_INVALID(`${path}.auth.type`, `must be one of ${JSON.stringify(strategyNames)}`)
  const strategy = strategyOf(`${path}.auth`, type, settings, allowInsecure)
  const view = declaredView({ ...plain, name }, { ...splitSettings(type, settings).plain, type })
  return strategy === null
    ? { view, client: { client: clientOf(settings), fingerprint: fingerprintOf(clientOf(settings), plain.baseUrl) }, connect: (granted) => connectWith(granted()) }
    : { view, client: null, connect: () => connectWith(strategy) }
}

function strategyOf (path: string, type: StrategyName, settings: object, allowInsecure: boolean): Strategy | null {
  checkOptions(path, strategyTypes[type].schema, settings)
  if (type !== 'oauth2') return makeStrategy(type, settings)
  checkSettings(path, settings, allowInsecure)
  return null
}

function clientOf (settings: object): ClientSettings {
  return settings as ClientSettings // which its schema has checked
}

function isStrategy (auth: DeclaredConnector['auth']): auth is Strategy {
  return 'apply' in auth && typeof auth.apply === 'function'
}
