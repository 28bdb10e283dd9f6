import type { Clock } from '../clock.js'
import { askOwner, type Owner, type OwnerUser } from './owner.js'

const maxAgeMs = 60_000
const maxUsers = 20_000

/** The app's people by id, asked for at most once a minute each: a person that the app has removed is gone from here a minute later, at once with `forget`. */
export class Users {
  readonly #find: Owner<never>['find']
  readonly #clock: Clock
  readonly #known = new Map<string, { readonly user: OwnerUser, readonly at: number }>()

  constructor (find: Owner<never>['find'], clock: Clock) {
    this.#find = find
    this.#clock = clock
  }

  /** @throws DWA_PROVIDER_OWNER_FAILED */
  get (id: string): OwnerUser | null | Promise<OwnerUser | null> {
    const known = this.#known.get(id)
    return known !== undefined && this.#clock.now() - known.at < maxAgeMs ? known.user : this.fresh(id)
  }

  /** As the app knows them now. @throws DWA_PROVIDER_OWNER_FAILED */
  async fresh (id: string): Promise<OwnerUser | null> {
    const at = this.#clock.now()
    const user = await askOwner('find', async () => await this.#find(id)) ?? null
    if (user === null) this.#known.delete(id)
    else {
      if (this.#known.size >= maxUsers) this.#known.clear()
      this.#known.set(id, { user, at })
    }
    return user
  }

  forget (id: string): void {
    this.#known.delete(id)
  }
}
