import type { JwkSet, LocalKeySet } from './local-key-sets.js'
import { KeySetSnapshot, type LiveKeySet } from './remote-key-set.js'

export interface NearestKeySetOptions {
  /** The set, if this app serves it itself. */
  readonly local: () => LocalKeySet | undefined
  readonly remote: LiveKeySet
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told when the app's own set cannot be had, once until it can be again. */
  readonly onFailure: (error: unknown) => void
}

/** So many milliseconds the app's own set serves when it cannot be had any more: while the database is away. */
const maxStaleAge = 5 * 60_000

/** A key set that is taken from this app when it serves it itself, else from behind its URL. The app's own is asked for every token: what changes there counts at once. */
export class NearestKeySet implements LiveKeySet {
  readonly #options: NearestKeySetOptions
  #served: { readonly set: JwkSet, readonly snapshot: KeySetSnapshot } | null = null
  #servedAt = -Infinity
  #failing = false

  constructor (options: NearestKeySetOptions) {
    this.#options = options
  }

  get fresh (): KeySetSnapshot | null {
    const local = this.#options.local()
    if (local === undefined) return this.#options.remote.fresh
    const snapshot = this.#ask(local)
    return snapshot instanceof Promise ? null : snapshot
  }

  isCurrent (snapshot: KeySetSnapshot): boolean {
    return this.#options.local() === undefined ? this.#options.remote.isCurrent(snapshot) : this.fresh === snapshot
  }

  refreshAhead (): void {
    if (this.#options.local() === undefined) this.#options.remote.refreshAhead()
  }

  async latest (): Promise<KeySetSnapshot | null> {
    const local = this.#options.local()
    return local === undefined ? await this.#options.remote.latest() : await this.#ask(local)
  }

  async newerThan (seen: KeySetSnapshot): Promise<KeySetSnapshot | null> {
    const local = this.#options.local()
    if (local === undefined) return await this.#options.remote.newerThan(seen)
    const snapshot = await this.#ask(local)
    return snapshot === seen ? null : snapshot
  }

  /** Neither throws nor rejects. */
  #ask (local: LocalKeySet): KeySetSnapshot | null | Promise<KeySetSnapshot | null> {
    try {
      const set = local()
      return set instanceof Promise ? set.then((set) => this.#snapshotOf(set)).catch((error: unknown) => this.#failed(error)) : this.#snapshotOf(set)
    } catch (error) {
      return this.#failed(error)
    }
  }

  #snapshotOf (set: JwkSet): KeySetSnapshot {
    // However many keys it has: they are the app's own.
    const now = this.#options.now()
    if (this.#served?.set !== set) this.#served = { set, snapshot: new KeySetSnapshot(set, now, Infinity) }
    this.#servedAt = now
    this.#failing = false
    return this.#served.snapshot
  }

  #failed (error: unknown): KeySetSnapshot | null {
    if (!this.#failing) this.#options.onFailure(error)
    this.#failing = true
    return this.#served !== null && this.#options.now() - this.#servedAt < maxStaleAge ? this.#served.snapshot : null
  }
}
