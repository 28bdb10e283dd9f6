import type { LocalKeySets } from './local-key-sets.js'
import { NearestKeySet } from './nearest-key-set.js'
import { RemoteKeySet, type LiveKeySet } from './remote-key-set.js'

export interface KeySetsOptions {
  /** The sets that this app serves itself. */
  readonly local: LocalKeySets
  /** `dynamic`: the URL came from the database, not from code. */
  readonly fetch: (url: URL, dynamic: boolean) => Promise<unknown>
  readonly now: () => number
  /** @param url without its query */
  readonly onFailure: (url: string, error: unknown) => void
}

/** More sets than this are not kept for sharing: their URLs may come and go with stored validators. */
const maxSets = 1000

/** The key sets of an app: validators that name the same URL share one. */
export class KeySets {
  readonly #options: KeySetsOptions
  readonly #sets = new Map<string, LiveKeySet>()

  constructor (options: KeySetsOptions) {
    this.#options = options
  }

  get (uri: string, dynamic: boolean): LiveKeySet {
    const { fetch, local, now } = this.#options
    const key = `${dynamic ? 'stored' : 'declared'} ${uri}`
    let set = this.#sets.get(key)
    if (set === undefined) {
      const url = new URL(uri)
      const onFailure = (error: unknown): void => { this.#options.onFailure(url.origin + url.pathname, error) }
      set = new NearestKeySet({
        local: () => local.find(uri),
        remote: new RemoteKeySet({ fetch: () => fetch(url, dynamic), now, onFailure }),
        now,
        onFailure
      })
      if (this.#sets.size >= maxSets) this.#sets.clear() // whoever uses one holds it
      this.#sets.set(key, set)
    }
    return set
  }
}
