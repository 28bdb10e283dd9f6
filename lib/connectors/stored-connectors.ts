import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import { noTokens } from '../oauth-client/grant.js'
import { withoutUndefined } from '../options.js'
import { findDisagreement } from '../schema-check.js'
import { ManagedRecords, type ChangeNote, type RecordPatch, type RecordUpdate } from '../store/managed-records.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import { cleared, RecordInput } from '../store/record-input.js'
import { findUrlProblem } from './connector.js'
import { toView } from './connector-kind.js'
import { connectorPatchSchema, connectorSchema, secretlessSchema, settingsPatchSchema, type ConnectorInput, type ConnectorPatch, type ConnectorState, type ConnectorView, type StoredConnector } from './connector-schema.js'
import { findSettingsProblem } from './oauth2/client-settings.js'
import { makeStrategy, splitSettings, strategyTypes, type StrategyName } from './strategy-types.js'

export interface StoredConnectorsOptions {
  readonly records: RecordCollection<StoredConnector>
  readonly auditLog: Pick<AuditLog, 'append'>
  readonly allowInsecure: boolean
  /** Those of the options, by name, as they are shown. */
  readonly declared: ReadonlyMap<string, ConnectorView>
  /** What a declared connector was granted, as it is shown. @throws DWA_STORE_UNAVAILABLE */
  readonly stateOf: (name: string) => Promise<ConnectorState>
  /** Told of every record that a change has touched or may have touched. */
  readonly onChange: (id: string | null, name: string) => void
}

type Settings = Readonly<Record<string, unknown>>

const input = new RecordInput('connector', errors.DWA_CONNECTOR_INVALID)

/** Management of connectors in the store, beside the declared ones. What is returned never holds a secret, except by `secrets`. */
export class StoredConnectors {
  readonly #options: StoredConnectorsOptions
  readonly #managed: ManagedRecords<StoredConnector>

  constructor (options: StoredConnectorsOptions) {
    const { records, onChange } = options
    this.#options = options
    this.#managed = new ManagedRecords({ records, onChange: ({ id, name }) => { onChange(id, name) } })
  }

  /** @throws DWA_CONNECTOR_INVALID with `field`, DWA_STORE_DUPLICATE, also for a declared name, DWA_STORE_UNAVAILABLE */
  async create (given: ConnectorInput, note: ChangeNote = {}): Promise<ConnectorView> {
    const { auth: { type, ...settings }, headers, timeoutMs, retries, ...plain } = input.read(connectorSchema, given)
    this.#refuseDeclared(plain.name)
    this.#checkBaseUrl(plain.baseUrl)
    this.#checkComplete(type, settings)
    const { plain: shown, secret } = splitSettings(type, settings)
    return toView(await this.#managed.create({
      ...plain,
      ...(headers === undefined ? {} : { headers }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(retries === undefined ? {} : { retries }),
      type,
      settings: shown,
      ...(Object.keys(secret).length === 0 ? {} : { credentials: JSON.stringify(secret) }),
      status: 'draft',
      configuration: 1
    }, note))
  }

  /** The connector of that name or id, declared or stored; null when there is none. @throws DWA_STORE_UNAVAILABLE */
  async get (idOrName: string): Promise<ConnectorView | null> {
    const declared = this.#options.declared.get(idOrName)
    if (declared !== undefined) return { ...declared, ...await this.#options.stateOf(idOrName) }
    const record = await this.#managed.find(idOrName)
    return record === null ? null : toView(record)
  }

  /** All connectors by name, declared and stored. @throws DWA_STORE_UNAVAILABLE */
  async list (): Promise<ConnectorView[]> {
    const { declared, stateOf } = this.#options
    const stored = (await this.#options.records.list()).map(toView)
    const inCode = await Promise.all([...declared].map(async ([name, view]) => ({ ...view, ...await stateOf(name) })))
    return [...inCode, ...stored].sort((one, other) => one.name < other.name ? -1 : 1)
  }

  /** At most `limit` stored connectors by name, from the one that follows the name `after` on. @throws DWA_STORE_UNAVAILABLE */
  async page (limit: number, after?: string): Promise<ConnectorView[]> {
    return (await this.#options.records.page(limit, after)).map(toView)
  }

  /**
   * A new `baseUrl`, `authorizationUrl`, `tokenUrl` or `revocationUrl` clears the credentials unless the same change supplies them, and drops the tokens:
   * nobody who may edit a connector can send its secrets to a host of their choice. So does another `type`. Another `clientId` drops the tokens.
   * @throws DWA_CONNECTOR_INVALID with `field`, DWA_CONNECTOR_READ_ONLY, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrName: string, patch: ConnectorPatch, update: RecordUpdate = {}): Promise<ConnectorView> {
    this.#refuseReadOnly(idOrName)
    const { auth, ...plain } = cleared(input.read(connectorPatchSchema, patch))
    if (plain.name !== undefined) this.#refuseDeclared(plain.name)
    if (plain.baseUrl !== undefined) this.#checkBaseUrl(plain.baseUrl)
    return toView(await this.#managed.change(idOrName, update, async (record) => ({ ...plain, ...await this.#effectOn(record, plain.baseUrl, auth) })))
  }

  /** The connector and its tokens are gone; the tokens are not revoked. @throws DWA_CONNECTOR_READ_ONLY, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrName: string, update: RecordUpdate = {}): Promise<void> {
    this.#refuseReadOnly(idOrName)
    await this.#managed.remove(idOrName, update)
  }

  /** The secrets in plain text, for role `system` only: those of the strategy, and `accessToken` and `refreshToken`. The audit entry is there before they are. @throws DWA_CONNECTOR_READ_ONLY, DWA_STORE_NOT_FOUND, DWA_STORE_UNREADABLE_SECRET, DWA_STORE_UNAVAILABLE */
  async secrets (idOrName: string, note: ChangeNote = {}): Promise<{ readonly [name: string]: string }> {
    this.#refuseReadOnly(idOrName)
    const { credentials, ...tokens } = await this.#managed.secrets(idOrName, note, this.#options.auditLog)
    return { ...readCredentials(credentials), ...tokens }
  }

  async #effectOn ({ id, fields, secretsSet }: StoredRecord<StoredConnector>, baseUrl: string | undefined, auth: ConnectorPatch['auth']): Promise<RecordPatch<StoredConnector>> {
    const { type = fields.type, ...given } = auth ?? {}
    const staysType = type === fields.type
    input.read(settingsPatchSchema(type), given)
    const added = splitSettings(type, cleared(given))
    const settings = withoutUndefined({ ...(staysType ? fields.settings : {}), ...added.plain, ...Object.fromEntries(Object.keys(given).filter((name) => given[name] === null).map((name) => [name, undefined])) })
    const before = staysType ? fields.settings : {}
    const movesHost = (baseUrl !== undefined && baseUrl !== fields.baseUrl) || !staysType || ['authorizationUrl', 'tokenUrl', 'revocationUrl'].some((name) => settings[name] !== before[name])
    const movesClient = settings['clientId'] !== before['clientId']
    const kept = movesHost || !secretsSet.includes('credentials') ? {} : readCredentials((await this.#options.records.secrets(id))['credentials'])
    const secret = withoutUndefined({ ...kept, ...Object.fromEntries(strategyTypes[type].secrets.filter((name) => name in given).map((name) => [name, given[name] ?? undefined])) })
    if (auth !== undefined) this.#check(type, { ...settings, ...secret }, movesHost)
    const changesAuth = auth !== undefined || movesHost
    return {
      ...(changesAuth ? { type, settings, credentials: Object.keys(secret).length === 0 ? undefined : JSON.stringify(secret), configuration: fields.configuration + 1 } : {}),
      ...(movesHost || movesClient ? noTokens : changesAuth && fields.status === 'error' ? { status: secretsSet.includes('refreshToken') ? 'authorized' : 'draft', statusMessage: undefined } : {})
    }
  }

  /** @param lacksSecrets whether required secrets may be missing, because they were cleared */
  #check (type: StrategyName, settings: Settings, lacksSecrets: boolean): void {
    if (lacksSecrets && type !== 'oauth2' && !strategyTypes[type].secrets.some((name) => name in settings)) {
      const found = findDisagreement(secretlessSchema(type), settings)
      if (found !== null) throw input.invalid(`auth.${found.path}`, found.problem)
    } else {
      this.#checkComplete(type, settings)
    }
  }

  #checkComplete (type: StrategyName, settings: Settings): void {
    const found = findDisagreement(strategyTypes[type].schema, settings) ?? null
    if (found !== null) throw input.invalid(`auth${found.path === '' ? '' : `.${found.path}`}`, found.problem === 'unknown option' ? 'unknown field' : found.problem)
    if (type === 'oauth2') {
      const wrong = findSettingsProblem(settings, this.#options.allowInsecure)
      if (wrong !== null) throw input.invalid(`auth.${wrong.field}`, wrong.problem)
    } else {
      try {
        makeStrategy(type, settings)
      } catch (error) {
        if (!isAuthError(error, 'DWA_OPTIONS_INVALID')) throw error
        throw input.invalid('auth', error.message)
      }
    }
  }

  #checkBaseUrl (baseUrl: string): void {
    const problem = findUrlProblem(baseUrl, this.#options.allowInsecure)
    if (problem !== null) throw input.invalid('baseUrl', problem)
  }

  #refuseDeclared (name: string): void {
    if (this.#options.declared.has(name)) throw new errors.DWA_STORE_DUPLICATE(`The connector "${name}"`)
  }

  #refuseReadOnly (idOrName: string): void {
    if (this.#options.declared.has(idOrName)) throw new errors.DWA_CONNECTOR_READ_ONLY(idOrName)
  }
}

/** The secrets of a strategy as the record keeps them. */
export function readCredentials (text: string | undefined): { readonly [name: string]: string } {
  return text === undefined ? {} : JSON.parse(text)
}
