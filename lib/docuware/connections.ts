import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import { findDisagreement } from '../options.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import { toView } from './connection-kind.js'
import { connectionSchema, defaultScopes, noTokens, type ConnectionInput, type ConnectionPatch, type ConnectionView, type StoredConnection } from './connection-schema.js'
import { readPlatformUrl } from './platform-url.js'

/** Who changes a connection, and what its audit entry says beside the event. */
export type ConnectionChange = Omit<Change, 'event' | 'level'>

/** A change of an existing connection, optionally of one version only: otherwise the newest is changed. */
export type ConnectionUpdate = ConnectionChange & { readonly version?: number }

/** A connection's secrets in plain text. */
export interface ConnectionSecrets { readonly clientSecret: string | null, readonly accessToken: string | null, readonly refreshToken: string | null }

export interface ConnectionsOptions {
  readonly records: RecordCollection<StoredConnection>
  readonly auditLog: Pick<AuditLog, 'append'>
  readonly allowInsecure: boolean
  /** Told of every record that a change has touched or may have touched, whatever became of its audit entry. */
  readonly onChange: (id: string | null, name: string) => void
}

type Patch = Parameters<RecordCollection<StoredConnection>['update']>[2]

const tries = 20
const patchSchema = { ...connectionSchema, required: [], properties: { ...connectionSchema.properties, clientSecret: { anyOf: [connectionSchema.properties.clientSecret, { type: 'null' }] }, dropTokens: { type: 'boolean' } } } as const

/** Management of connections. What is returned never holds a secret, except by `secrets`. */
export class Connections {
  readonly #options: ConnectionsOptions

  constructor (options: ConnectionsOptions) {
    this.#options = options
  }

  /** @throws DWA_DOCUWARE_INVALID_CONNECTION with `field`, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (input: ConnectionInput, change: ConnectionChange = {}): Promise<ConnectionView> {
    const given = withoutUndefined(input)
    check(connectionSchema, given)
    const { name, platformUrl, clientId, clientSecret, scopes = [...defaultScopes] } = given
    const fields: StoredConnection = {
      name,
      platformUrl: this.#platformUrl(platformUrl),
      clientId,
      ...(clientSecret === undefined ? {} : { clientSecret }),
      scopes,
      status: 'draft',
      configuration: 1
    }
    return toView(await this.#told(null, name, () => this.#options.records.create(fields, noteOf(change))))
  }

  async get (idOrName: string): Promise<ConnectionView | null> {
    const record = await this.#find(idOrName)
    return record === null ? null : toView(record)
  }

  /** All connections, by name. */
  async list (): Promise<ConnectionView[]> {
    return (await this.#options.records.list()).map(toView)
  }

  /**
   * A new `platformUrl` or `clientId` drops what was discovered and the tokens; a new `platformUrl` also the secret, unless the same change supplies it:
   * nobody who may edit a connection can send its secret to a host of their choice. A new `clientSecret` drops the tokens only with `dropTokens`,
   * which drops them whatever else changes; they are not revoked: see `revoke`.
   * @throws DWA_DOCUWARE_INVALID_CONNECTION with `field`, DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async update (idOrName: string, patch: ConnectionPatch, change: ConnectionUpdate = {}): Promise<ConnectionView> {
    const given = withoutUndefined(patch)
    check(patchSchema, given)
    return await this.#retrying(idOrName, change.version, async (record, version) => {
      const effect = this.#effectOf(record, given)
      return toView(await this.#told(record.id, effect.name ?? record.fields.name, () => this.#options.records.update(record.id, version, effect, noteOf(change))))
    })
  }

  /** The record and its tokens are gone; the tokens are not revoked: see `revoke`. @throws DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE */
  async remove (idOrName: string, change: ConnectionUpdate = {}): Promise<void> {
    await this.#retrying(idOrName, change.version, async (record, version) => {
      await this.#told(record.id, record.fields.name, () => this.#options.records.remove(record.id, version, noteOf(change)))
    })
  }

  /** The secrets in plain text, for role `system` only. The audit entry is there before they are. @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNREADABLE_SECRET, DWA_STORE_UNAVAILABLE */
  async secrets (idOrName: string, change: ConnectionChange = {}): Promise<ConnectionSecrets> {
    const { id, fields: { name } } = await this.#existing(idOrName)
    const record = await this.#options.records.open(id)
    if (record === null) throw missing(idOrName)
    const { actor, requestId, message } = change
    await this.#options.auditLog.append('connection.secrets_read', {
      level: 'warning',
      target: { type: 'connection', id, name },
      ...(actor === undefined ? {} : { actor }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(message === undefined ? {} : { message })
    })
    const { clientSecret = null, accessToken = null, refreshToken = null } = record.secrets
    return { clientSecret, accessToken, refreshToken }
  }

  #effectOf ({ fields, secretsSet }: StoredRecord<StoredConnection>, given: ConnectionPatch): Patch {
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
    const url = readPlatformUrl(text, this.#options.allowInsecure)
    if (typeof url !== 'string') throw invalid('platformUrl', url.problem)
    return url
  }

  /** Runs a write on one version, or on whatever is the newest when it runs. */
  async #retrying<T> (idOrName: string, version: number | undefined, write: (record: StoredRecord<StoredConnection>, version: number) => Promise<T>, left = tries): Promise<T> {
    const record = await this.#existing(idOrName)
    if (version !== undefined && version !== record.version) throw new errors.DWA_STORE_CONFLICT('The connection') // what the change means was worked out on this one
    try {
      return await write(record, record.version)
    } catch (error) {
      if (version !== undefined || left === 0 || !isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
      return await this.#retrying(idOrName, version, write, left - 1)
    }
  }

  async #find (idOrName: string): Promise<StoredRecord<StoredConnection> | null> {
    const { records } = this.#options
    return await records.get(idOrName) ?? await records.getByName(idOrName)
  }

  async #existing (idOrName: string): Promise<StoredRecord<StoredConnection>> {
    const record = await this.#find(idOrName)
    if (record === null) throw missing(idOrName)
    return record
  }

  async #told<T> (id: string | null, name: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } finally {
      this.#options.onChange(id, name)
    }
  }
}

function check (schema: typeof connectionSchema | typeof patchSchema, given: object): void {
  const found = findDisagreement(schema, given)
  if (found === null) return
  const field = found.path.split(/[.[]/, 1).at(0) ?? ''
  throw invalid(field, found.problem === 'unknown option' ? 'unknown field' : found.problem)
}

function invalid (field: string, problem: string): Error {
  return Object.assign(new errors.DWA_DOCUWARE_INVALID_CONNECTION(`${field === '' ? 'connection' : field}: ${problem}`), { field })
}

function missing (idOrName: string): Error {
  return new errors.DWA_STORE_NOT_FOUND(`The connection "${idOrName}"`)
}

/** Own members only, each read once: what is checked is what is stored. */
function withoutUndefined<Given extends object> (given: Given): Given {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid('', 'must be an object')
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given
}

/** The event is not the caller's to choose: other processes go by it. */
function noteOf ({ actor, requestId, message, details }: ConnectionChange): Change {
  return {
    ...(actor === undefined ? {} : { actor }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(message === undefined ? {} : { message }),
    ...(details === undefined ? {} : { details })
  }
}
