import { errors, isAuthError } from '../errors.js'
import { noTokens, type Grants } from '../oauth-client/grant.js'
import type { OpenedRecord, RecordCollection, RecordKind } from '../store/record-collection.js'
import { storedConnectorSchema, type StoredConnector } from './connector-schema.js'
import { serverFor, type ClientSettings } from './oauth2/client-settings.js'
import { configuredGrants, connectorGrant, fieldsWith, type ConnectorGrant } from './oauth2/connector-grant.js'
import { readCredentials } from './stored-connectors.js'

const { status, statusMessage, configuration, accessToken, refreshToken, tokenType, expiresAt, refreshAt, account } = storedConnectorSchema.properties

/** What a connector that is declared in code was granted: its settings are not kept, but a fingerprint of them. */
export const declaredGrantKind: RecordKind = {
  collection: 'connector_grants',
  area: 'connector',
  nameField: 'name',
  secrets: ['accessToken', 'refreshToken'],
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['name', 'fingerprint', 'status', 'configuration'],
    properties: { name: { type: 'string' }, fingerprint: { type: 'string' }, status, statusMessage, configuration, accessToken, refreshToken, tokenType, expiresAt, refreshAt, account }
  }
}

const tries = 20

export type DeclaredGrant = Pick<StoredConnector, 'name' | 'status' | 'statusMessage' | 'configuration' | 'accessToken' | 'refreshToken' | 'tokenType' | 'expiresAt' | 'refreshAt' | 'account'> & { readonly fingerprint: string }

/** The grant of a connector, with the client it belongs to. */
export interface OpenConnectorGrant extends ConnectorGrant {
  readonly client: ClientSettings
}

/** A client in the options, and what tokens of it rest on. */
export interface DeclaredClient { readonly client: ClientSettings, readonly fingerprint: string }

export interface ConnectorGrantsOptions {
  readonly stored: RecordCollection<StoredConnector>
  readonly declaredGrants: RecordCollection<DeclaredGrant>
  /** The `oauth2` connectors of the options, by name. */
  readonly declared: ReadonlyMap<string, DeclaredClient>
  /** Drops what is remembered of a connector's grant. */
  readonly forget: (id: string) => void
  /** Milliseconds for one exchange. */
  readonly timeoutMs: number
  readonly allowInsecure: boolean
}

/** What connectors were granted, stored and declared ones. */
export class ConnectorGrants {
  readonly #options: ConnectorGrantsOptions
  /** Ids of records that belong to declared connectors. */
  readonly #declaredIds = new Set<string>()

  constructor (options: ConnectorGrantsOptions) {
    this.#options = options
  }

  get grants (): Grants<OpenConnectorGrant> {
    const { stored, declaredGrants, forget, timeoutMs, allowInsecure } = this.#options
    return {
      ...configuredGrants,
      open: async (id) => await this.#open(id),
      update: async (id, version, patch, note) => this.#declaredIds.has(id) ? await declaredGrants.update(id, version, patch, note) : await stored.update(id, version, patch, note),
      forget,
      withTokens: ({ fields, ...grant }, tokens) => connectorGrant({ ...grant, fields: fieldsWith(fields, tokens), secrets: tokens.secrets }),
      serverOf: ({ client }) => serverFor(client, { timeoutMs, allowInsecure }),
      isIssuer: ({ client: { issuer } }, iss) => issuer === undefined || iss === issuer
    }
  }

  /** The id of a declared connector's grant, made when there is none; tokens of another client are thrown away. @throws DWA_STORE_UNAVAILABLE, DWA_STORE_CONFLICT */
  async idOfDeclared (name: string, { fingerprint }: DeclaredClient): Promise<string> {
    const { declaredGrants } = this.#options
    const found = await declaredGrants.getByName(name) ?? await this.#create(name, fingerprint)
    this.#declaredIds.add(found.id)
    if (found.fields.fingerprint !== fingerprint) await this.#renew(found.id, fingerprint)
    return found.id
  }

  async #create (name: string, fingerprint: string): Promise<{ readonly id: string, readonly fields: DeclaredGrant }> {
    const { declaredGrants } = this.#options
    try {
      return await declaredGrants.create({ name, fingerprint, status: 'draft', configuration: 1 }, { actor: { type: 'app', id: null } })
    } catch (error) {
      const made = isAuthError(error, 'DWA_STORE_DUPLICATE') ? await declaredGrants.getByName(name) : null // by another process
      if (made === null) throw error
      return made
    }
  }

  async #renew (id: string, fingerprint: string, left = tries): Promise<void> {
    const { declaredGrants, forget } = this.#options
    const record = await declaredGrants.get(id)
    if (record === null || record.fields.fingerprint === fingerprint) return
    try {
      await declaredGrants.update(id, record.version, { ...noTokens, fingerprint, configuration: record.fields.configuration + 1 }, { actor: { type: 'app', id: null } })
    } catch (error) {
      if (left === 0 || !isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
      await this.#renew(id, fingerprint, left - 1)
    } finally {
      forget(id)
    }
  }

  async #open (id: string): Promise<OpenConnectorGrant | null> {
    const { stored, declaredGrants } = this.#options
    const record = this.#declaredIds.has(id) ? null : await stored.open(id)
    if (record !== null) return record.fields.type === 'oauth2' ? storedGrant(record) : null // another strategy by now
    const grant = await declaredGrants.open(id)
    return grant === null ? null : this.declaredGrant(grant)
  }

  /** What a declared connector was granted; null when the options do not have it any more, or have it with another client. */
  declaredGrant (record: OpenedRecord<DeclaredGrant>): OpenConnectorGrant | null {
    const { name, fingerprint } = record.fields
    const declared = this.#options.declared.get(name)
    if (declared === undefined || fingerprint !== declared.fingerprint) return null
    this.#declaredIds.add(record.id)
    return connectorGrant({ ...record, client: declared.client })
  }
}

/** What a stored connector was granted: one of strategy `oauth2`. @throws DWA_CONNECTOR_NOT_OAUTH */
export function storedGrant (record: OpenedRecord<StoredConnector>): OpenConnectorGrant {
  const { fields: { name, type, settings }, secrets: { credentials, ...tokens } } = record
  if (type !== 'oauth2') throw new errors.DWA_CONNECTOR_NOT_OAUTH(name)
  const { clientSecret } = readCredentials(credentials)
  const client = { ...settings, ...(clientSecret === undefined ? {} : { clientSecret }) } as ClientSettings // which was checked before it was kept
  return connectorGrant({ ...record, secrets: tokens, client })
}
