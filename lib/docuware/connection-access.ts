import type { TokenRefresh } from '../oauth-client/token-refresh.js'
import type { Bearer, BearerAccess } from './bearer-access.js'
import type { OpenRecords } from '../store/open-records.js'
import type { StoredConnection } from './connection-schema.js'
import type { OpenConnection } from './open-connection.js'

/** The tokens of one connection, for its client: at hand while they are good, refreshed before they end. */
export class ConnectionAccess implements BearerAccess {
  readonly #idOrName: string
  readonly #connections: OpenRecords<StoredConnection, OpenConnection>
  readonly #refresh: TokenRefresh<OpenConnection>
  /** Whose they are. */
  readonly #renewed = new WeakMap<Bearer, OpenConnection>()

  constructor (idOrName: string, connections: OpenRecords<StoredConnection, OpenConnection>, refresh: TokenRefresh<OpenConnection>) {
    this.#idOrName = idOrName
    this.#connections = connections
    this.#refresh = refresh
  }

  current (): Bearer | Promise<Bearer> {
    const found = this.#connections.find(this.#idOrName)
    return found instanceof Promise ? found.then((connection) => this.#refresh.current(connection)) : this.#refresh.current(found)
  }

  async renew (refused: Bearer): Promise<Bearer> {
    const connection = await this.#connections.find(this.#idOrName)
    const bearer = await this.#refresh.renew(connection, refused.accessToken)
    this.#renewed.set(bearer, connection)
    return bearer
  }

  rejected (renewed: Bearer): void {
    const connection = this.#renewed.get(renewed)
    if (connection !== undefined) this.#refresh.rejected(connection, renewed.accessToken)
  }
}
