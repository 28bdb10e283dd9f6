import { errors } from '../errors.js'
import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { OpenedRecord, RecordCollection } from '../store/record-collection.js'
import type { Bearer, BearerAccess } from './bearer-access.js'
import type { StoredConnection } from './connection-schema.js'
import type { TokenRefresh } from './token-refresh.js'

/** A connection with its secrets, as it was last read. */
export interface OpenConnection extends OpenedRecord<StoredConnection> {
  /** Null without an access token. */
  readonly bearer: Bearer | null
}

/** @throws nothing: a record without an access token has no bearer */
export function openConnection (record: OpenedRecord<StoredConnection>): OpenConnection {
  const { accessToken } = record.secrets
  const { platformUrl, account } = record.fields
  const bearer = accessToken === undefined ? null : { platformUrl, accessToken, organization: account?.organization ?? platformUrl }
  return { ...record, bearer }
}

export interface ConnectionAccessOptions {
  readonly cache: ConfirmedCache<OpenConnection | null>
  readonly records: RecordCollection<StoredConnection>
  readonly refresh: TokenRefresh
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds before its end from which on an access token is refreshed. */
  readonly refreshBefore: number
}

/** Reads connections by id or name, from memory while nothing has changed. */
export class OpenConnections {
  readonly #options: Pick<ConnectionAccessOptions, 'cache' | 'records'>

  constructor (options: Pick<ConnectionAccessOptions, 'cache' | 'records'>) {
    this.#options = options
  }

  /** A promise only when the database has to be asked. Throws, or rejects with, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE. */
  find (idOrName: string): OpenConnection | Promise<OpenConnection> {
    const found = this.#options.cache.get(idOrName, async () => await this.#read(idOrName))
    return found instanceof Promise ? found.then((one) => existing(one, idOrName)) : existing(found, idOrName)
  }

  /** Drops what is remembered of a connection. */
  forget (id: string | null, name: string | null): void {
    this.#options.cache.forget((key, found) => key === id || key === name || (found !== null && found.id === id))
  }

  async #read (idOrName: string): Promise<OpenConnection | null> {
    const { records } = this.#options
    const id = (await records.get(idOrName) ?? await records.getByName(idOrName))?.id
    const record = id === undefined ? null : await records.open(id)
    return record === null ? null : openConnection(record)
  }
}

/** The tokens of one connection, for its client: at hand while they are good, refreshed before they end. */
export class ConnectionAccess implements BearerAccess {
  readonly #idOrName: string
  readonly #connections: OpenConnections
  readonly #options: Pick<ConnectionAccessOptions, 'refresh' | 'now' | 'refreshBefore'>

  constructor (idOrName: string, connections: OpenConnections, options: Pick<ConnectionAccessOptions, 'refresh' | 'now' | 'refreshBefore'>) {
    this.#idOrName = idOrName
    this.#connections = connections
    this.#options = options
  }

  current (): Bearer | Promise<Bearer> {
    const found = this.#connections.find(this.#idOrName)
    return found instanceof Promise ? found.then((connection) => this.#bearerOf(connection)) : this.#bearerOf(found)
  }

  async renew (refused: Bearer): Promise<Bearer> {
    const connection = await this.#connections.find(this.#idOrName)
    return await this.#options.refresh.renew(connection, refused.accessToken)
  }

  #bearerOf (connection: OpenConnection): Bearer | Promise<Bearer> {
    const { refresh, now, refreshBefore } = this.#options
    const { bearer, fields } = refresh.newest(connection)
    if (fields.status === 'authorized' && bearer !== null && now() + refreshBefore < (fields.expiresAt ?? 0)) return bearer
    return refresh.renew(connection, null)
  }
}

function existing (found: OpenConnection | null, idOrName: string): OpenConnection {
  if (found === null) throw new errors.DWA_STORE_NOT_FOUND(`The connection "${idOrName}"`)
  return found
}
