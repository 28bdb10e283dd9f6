import type { PublicKeyAlgorithmName } from './algorithms.js'
import { jwksOf, keysOfSet, type PublicKeys } from './public-keys.js'

const minute = 60_000
/** A fetched set is kept this long, in milliseconds. */
const maxAge = 10 * minute
/** From this age on a use starts a refresh without waiting for it. */
const refreshAge = 9 * minute
/** While the endpoint is down, the last good set serves at most this long after it was fetched. */
const maxStaleAge = 60 * minute
/** Between two fetches for the sake of unknown keys. */
const cooldown = 30_000
/** Between a failed fetch and the next try: doubled from a second up to this. */
const maxBackoff = 30_000

/** One state of a JWK Set; replaced, never changed. */
export class KeySetSnapshot {
  readonly fetchedAt: number
  readonly #jwks: unknown
  readonly #limit: number | undefined
  readonly #byAlgorithm = new Map<PublicKeyAlgorithmName, PublicKeys>()

  /**
   * @param limit of keys; default: what is taken from others
   * @throws TypeError when `jwks` is not a JWK Set or is too large
   */
  constructor (jwks: unknown, fetchedAt: number, limit?: number) {
    jwksOf(jwks, limit)
    this.#jwks = jwks
    this.#limit = limit
    this.fetchedAt = fetchedAt
  }

  /** The keys of this set for one algorithm. */
  keys (algorithm: PublicKeyAlgorithmName): PublicKeys {
    let keys = this.#byAlgorithm.get(algorithm)
    if (keys === undefined) this.#byAlgorithm.set(algorithm, keys = keysOfSet(this.#jwks, algorithm, this.#limit))
    return keys
  }
}

/** A key set that others change, as a verifier uses it. */
export interface LiveKeySet {
  /** The set when it can be used without waiting, else null. */
  readonly fresh: KeySetSnapshot | null
  /** Whether that is the newest set there is, and needs no refresh yet: what a cached verification rests on. */
  isCurrent (snapshot: KeySetSnapshot): boolean
  /** Starts a refresh of an ageing set without waiting for it. */
  refreshAhead (): void
  /** The newest set there is; null when it cannot be had. */
  latest (): Promise<KeySetSnapshot | null>
  /** The set after another look for a key that `seen` does not hold, or null when none is due or nothing newer came. */
  newerThan (seen: KeySetSnapshot): Promise<KeySetSnapshot | null>
}

export interface RemoteKeySetOptions {
  /** Fetches and parses the document; rejects when it cannot. */
  readonly fetch: () => Promise<unknown>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told of every failed fetch. */
  readonly onFailure: (error: unknown) => void
}

/**
 * A key set behind a URL: fetched on first need, one fetch in flight, kept for `maxAge`,
 * re-fetched for an unknown key at most once a `cooldown`, and served stale for a bounded time while the endpoint is down.
 */
export class RemoteKeySet implements LiveKeySet {
  readonly #options: RemoteKeySetOptions
  #snapshot: KeySetSnapshot | null = null
  #inFlight: Promise<void> | null = null
  #triedAt = -Infinity
  #failures = 0

  constructor (options: RemoteKeySetOptions) {
    this.#options = options
  }

  /** The set when it can be used without waiting for a fetch, else null. */
  get fresh (): KeySetSnapshot | null {
    return this.#age() < maxAge ? this.#snapshot : null
  }

  /** Whether the set is the newest one and needs no refresh yet: what a cached verification rests on. */
  isCurrent (snapshot: KeySetSnapshot): boolean {
    return snapshot === this.#snapshot && this.#age() < refreshAge
  }

  /** Starts a refresh of an ageing set without waiting for it. */
  refreshAhead (): void {
    if (this.#age() >= refreshAge && this.#mayRetry()) this.#fetch()
  }

  /** The newest set there is: fetched when there is none or it is too old, null when it cannot be had. */
  async latest (): Promise<KeySetSnapshot | null> {
    if (this.fresh === null && (this.#inFlight !== null || this.#mayRetry())) {
      const fetching = this.#fetch()
      // An endpoint that failed last time may hang this time: what can serve does not wait for it.
      if (this.#failures === 0 || this.#age() >= maxStaleAge) await fetching
    }
    return this.#age() < maxStaleAge ? this.#snapshot : null
  }

  /** The set after a re-fetch for a key that `seen` does not hold, or null when none is due or nothing newer came. */
  async newerThan (seen: KeySetSnapshot): Promise<KeySetSnapshot | null> {
    if (this.#snapshot === seen && (this.#inFlight !== null || this.#options.now() - this.#triedAt >= cooldown)) await this.#fetch()
    return this.#snapshot === seen ? null : this.#snapshot
  }

  #age (): number {
    return this.#snapshot === null ? Infinity : this.#options.now() - this.#snapshot.fetchedAt
  }

  #mayRetry (): boolean {
    const backoff = this.#failures === 0 ? 0 : Math.min(maxBackoff, 1000 * 2 ** (this.#failures - 1))
    return this.#options.now() - this.#triedAt >= backoff
  }

  /** Never rejects: a failure is reported, and leaves the last good set. */
  #fetch (): Promise<void> {
    this.#inFlight ??= this.#load().finally(() => { this.#inFlight = null })
    return this.#inFlight
  }

  async #load (): Promise<void> {
    const startedAt = this.#triedAt = this.#options.now()
    try {
      this.#snapshot = new KeySetSnapshot(await this.#options.fetch(), startedAt)
      this.#failures = 0
    } catch (error) {
      this.#failures++
      this.#options.onFailure(error)
    }
  }
}
