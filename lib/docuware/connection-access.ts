import type { Bearer, BearerAccess } from './bearer-access.js'
import type { OpenConnections } from './open-connections.js'
import type { TokenRefresh } from './token-refresh.js'

/** The tokens of one connection, for its client: at hand while they are good, refreshed before they end. */
export class ConnectionAccess implements BearerAccess {
  readonly #idOrName: string
  readonly #connections: OpenConnections
  readonly #refresh: TokenRefresh

  constructor (idOrName: string, connections: OpenConnections, refresh: TokenRefresh) {
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
    return await this.#refresh.renew(connection, refused.accessToken)
  }
}
