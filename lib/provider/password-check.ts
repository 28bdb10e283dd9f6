import { errors } from '../errors.js'
import { networkOf } from '../http/address-network.js'
import type { LogFields } from '../log/log-entry.js'
import type { FailureLocks } from '../store/failure-locks.js'
import type { OpenClient } from './open-clients.js'
import { askOwner, type Owner, type OwnerUser } from './owner.js'
import type { LimitName } from './provider-options.js'
import { Turns } from './turns.js'

export interface PasswordCheckOptions {
  /** null: there is no password grant. */
  readonly verify: NonNullable<Owner<never>['verifyPassword']> | null
  readonly locks: FailureLocks<LimitName>
  /** Notes a failure in the log, sampled. */
  readonly log: (key: string, fields: LogFields) => void
}

/** Who tries, and where from. */
export interface PasswordAttempt {
  readonly address: string
  readonly client: OpenClient
  readonly requestId?: string | undefined
}

/** The app's check of a password, one at a time for a user and address: who guesses in parallel is locked like one who guesses in turn (security.md 28, 31). */
export class PasswordCheck {
  readonly #options: PasswordCheckOptions
  readonly #turns = new Turns()

  constructor (options: PasswordCheckOptions) {
    this.#options = options
  }

  /** @throws DWA_OAUTH_INVALID_GRANT, DWA_RATE_LIMITED, DWA_PROVIDER_OWNER_FAILED, DWA_STORE_UNAVAILABLE */
  async check (username: string, password: string, attempt: PasswordAttempt): Promise<OwnerUser> {
    const perUser = ['password', sameName(username), networkOf(attempt.address)]
    return await this.#turns.run(JSON.stringify(perUser), async () => await this.#check(username, password, attempt, perUser))
  }

  async #check (username: string, password: string, { address, client, requestId }: PasswordAttempt, perUser: readonly string[]): Promise<OwnerUser> {
    const { verify, locks, log } = this.#options
    const network = networkOf(address)
    const perAddress = ['password', network]
    await locks.refuseLocked('passwordsPerUser', perUser)
    await locks.refuseLocked('passwordsPerAddress', perAddress)
    const user = verify === null ? null : await askOwner('verifyPassword', async () => await verify(username, password)) ?? null
    if (user !== null) return user
    await locks.note('passwordsPerUser', perUser)
    await locks.note('passwordsPerAddress', perAddress)
    log(network, {
      level: 'warning',
      actor: { type: 'client', id: client.id },
      target: { type: 'user', id: null },
      personal: { ip: address, userName: username },
      requestId
    })
    throw new errors.DWA_OAUTH_INVALID_GRANT('The user name or password is wrong')
  }
}

/** One text for the spellings that an app may take for one name: whoever guesses has not as many tries as there are of them. */
function sameName (username: string): string {
  return username.normalize('NFKC').toLowerCase().trim()
}
