import type { Clock } from '../clock.js'
import { isAuthError } from '../errors.js'
import type { Logger } from '../store/logger.js'
import type { OpenClients } from './open-clients.js'

export interface LegacyWarningsOptions {
  readonly clients: Pick<OpenClients, 'all'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Milliseconds between two looks at a database that is away. */
const retryDelay = 1000

/** Says once, as soon as the database can be asked, which clients use what today's standards advise against (security.md 16). */
export class LegacyWarnings {
  readonly #options: LegacyWarningsOptions
  #cancel = (): void => {}
  #stopped = false

  constructor (options: LegacyWarningsOptions) {
    this.#options = options
  }

  /** A database that is away does not stop the start: it is asked again until it answers. */
  async give (): Promise<void> {
    const { clients, clock, logger } = this.#options
    try {
      for (const { name, allowImplicit, allowPassword, allowHttpRedirect, enabled } of await clients.all()) {
        for (const [option, on] of Object.entries({ allowImplicit, allowPassword, allowHttpRedirect })) {
          if (enabled && on) logger.warn({ client: name, option }, 'an OAuth client uses what today\'s standards advise against')
        }
      }
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
      if (!this.#stopped) this.#cancel = clock.after(retryDelay, () => { this.#giveLater() })
    }
  }

  stop (): void {
    this.#stopped = true
    this.#cancel()
  }

  #giveLater (): void {
    this.give().catch((error: unknown) => { this.#options.logger.error({ err: error }, 'the OAuth clients could not be looked through for what today\'s standards advise against') })
  }
}
