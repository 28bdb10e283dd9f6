import { errors } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import { noTokens } from '../oauth-client/grant.js'
import { ManagedRecords, type ChangeNote, type RecordPatch, type RecordUpdate } from '../store/managed-records.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import { RecordInput } from '../store/record-input.js'
import { toView } from './connection-kind.js'
import { connectionSchema, defaultScopes, type ConnectionInput, type ConnectionPatch, type ConnectionView, type StoredConnection } from './connection-schema.js'
import { readPlatformUrl } from './platform-url.js'

/** Who changes a connection, and what its audit entry says beside the event. */
export type ConnectionChange = ChangeNote

/** A change of an existing connection, optionally of one version only: otherwise the newest is changed. */
export type ConnectionUpdate = RecordUpdate

/** A connection's secrets in plain text. */
export interface ConnectionSecrets { readonly clientSecret: string | null, readonly accessToken: string | null, readonly refreshToken: string | null }

export interface ConnectionsOptions {
  readonly records: RecordCollection<StoredConnection>
  readonly auditLog: Pick<AuditLog, 'append'>
  readonly allowInsecure: boolean
  /** Told of every record that a change has touched or may have touched, whatever became of its audit entry. */
  readonly onChange: (id: string | null, name: string) => void
}

/** What may be changed of a connection. */
export const connectionPatchSchema = { ...connectionSchema, required: [], properties: { ...connectionSchema.properties, clientSecret: { anyOf: [connectionSchema.properties.clientSecret, { type: 'null' }] }, dropTokens: { type: 'boolean' } } } as const
const input = new RecordInput('connection', errors.DWA_DOCUWARE_INVALID_CONNECTION)

/** Management of connections. What is returned never holds a secret, except by `secrets`. */
export class Connections {
  readonly #managed: ManagedRecords<StoredConnection>
  readonly #records: RecordCollection<StoredConnection>
  readonly #auditLog: ConnectionsOptions['auditLog']
  readonly #allowInsecure: boolean

  constructor ({ records, auditLog, allowInsecure, onChange }: ConnectionsOptions) {
    this.#managed = new ManagedRecords({ records, onChange: ({ id, name }) => { onChange(id, name) } })
    this.#records = records
    this.#auditLog = auditLog
    this.#allowInsecure = allowInsecure
  }

  /** @throws DWA_DOCUWARE_INVALID_CONNECTION with `field`, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (given: ConnectionInput, change: ConnectionChange = {}): Promise<ConnectionView> {
    const { name, platformUrl, clientId, clientSecret, scopes = [...defaultScopes] } = input.read(connectionSchema, given)
    return toView(await this.#managed.create({
      name,
      platformUrl: this.#platformUrl(platformUrl),
      clientId,
      ...(clientSecret === undefined ? {} : { clientSecret }),
      scopes,
      status: 'draft',
      configuration: 1
    }, change))
  }

  async get (idOrName: string): Promise<ConnectionView | null> {
    const record = await this.#managed.find(idOrName)
    return record === null ? null : toView(record)
  }

  /** All connections, by name. */
  async list (): Promise<ConnectionView[]> {
    return (await this.#records.list()).map(toView)
  }

  /** At most `limit` connections by name, from the one that follows the name `after` on; of those alone with these values. @throws DWA_STORE_INVALID_RECORD, DWA_STORE_UNAVAILABLE */
  async page (limit: number, after?: string, matching: Partial<Pick<StoredConnection, 'name' | 'status'>> = {}): Promise<ConnectionView[]> {
    return (await this.#records.page(limit, after, matching)).map(toView)
  }

  /**
   * A new `platformUrl` or `clientId` drops what was discovered and the tokens; a new `platformUrl` also the secret, unless the same change supplies it:
   * nobody who may edit a connection can send its secret to a host of their choice. A new `clientSecret` drops the tokens only with `dropTokens`,
   * which drops them whatever else changes; they are not revoked: see `revoke`.
   * @throws DWA_DOCUWARE_INVALID_CONNECTION with `field`, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrName: string, patch: ConnectionPatch, change: ConnectionUpdate = {}): Promise<ConnectionView> {
    const given = input.read(connectionPatchSchema, patch)
    return toView(await this.#managed.change(idOrName, change, (record) => this.#effectOf(record, given)))
  }

  /** The record and its tokens are gone; the tokens are not revoked: see `revoke`. @throws DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrName: string, change: ConnectionUpdate = {}): Promise<void> {
    await this.#managed.remove(idOrName, change)
  }

  /** The secrets in plain text, for role `system` only. The audit entry is there before they are. @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNREADABLE_SECRET, DWA_STORE_UNAVAILABLE */
  async secrets (idOrName: string, change: ConnectionChange = {}): Promise<ConnectionSecrets> {
    const { clientSecret = null, accessToken = null, refreshToken = null } = await this.#managed.secrets(idOrName, change, this.#auditLog)
    return { clientSecret, accessToken, refreshToken }
  }

  #effectOf ({ fields, secretsSet }: StoredRecord<StoredConnection>, given: ConnectionPatch): RecordPatch<StoredConnection> {
    const { dropTokens = false, platformUrl: newUrl, clientSecret, ...plain } = given
    const platformUrl = newUrl === undefined ? fields.platformUrl : this.#platformUrl(newUrl)
    const movesHost = platformUrl !== fields.platformUrl
    const movesClient = plain.clientId !== undefined && plain.clientId !== fields.clientId
    const changesSecret = clientSecret !== undefined
    const changesScopes = plain.scopes !== undefined && plain.scopes.join(' ') !== fields.scopes.join(' ')
    const drops = movesHost || movesClient || dropTokens
    const revives = changesSecret && fields.status === 'error'
    return {
      ...plain,
      ...(movesHost ? { platformUrl } : {}),
      ...(changesSecret ? { clientSecret: clientSecret ?? undefined } : movesHost && secretsSet.includes('clientSecret') ? { clientSecret: undefined } : {}),
      ...(movesHost || movesClient ? { discovered: undefined, lastSync: undefined } : {}),
      ...(drops ? noTokens : revives ? { status: secretsSet.includes('refreshToken') ? 'authorized' : 'draft', statusMessage: undefined } : {}),
      ...(drops || changesSecret || changesScopes ? { configuration: fields.configuration + 1 } : {})
    }
  }

  #platformUrl (text: string): string {
    const url = readPlatformUrl(text, this.#allowInsecure)
    if (typeof url !== 'string') throw input.invalid('platformUrl', url.problem)
    return url
  }
}
