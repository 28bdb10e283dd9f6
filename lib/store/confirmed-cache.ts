import type { Clock } from '../clock.js'
import { isAuthError } from '../errors.js'
import type { ChangeFeed } from '../log/change-feed.js'

/** A value as it is kept. */
export interface Kept<Value> { readonly value: Value }

interface Slot<Value> extends Kept<Value> {
  /** The change feed's epoch under which it was read; null when the feed was not live then. */
  readonly epoch: number | null
  /** When it was last known to be what the database says, milliseconds since 1970. */
  confirmedAt: number
  /** When a re-read was last tried in vain. */
  triedAt: number
  /** Whether it is a slot no longer: it was forgotten, or another has taken its place. */
  gone: boolean
}

export interface ConfirmedCacheOptions {
  readonly changes: Pick<ChangeFeed, 'isLive' | 'epoch' | 'completeUntil'>
  /** The store's, by which the feed counts. */
  readonly clock: Clock
  /** Milliseconds a value serves without the database confirming it; below 0: never. */
  readonly maxStaleMs: number
  /** Milliseconds between re-reads of one value while the change feed is not live. Default 1000. 0: each use re-reads it, and asks the feed. */
  readonly recheckMs?: number
}

/** How long a caller waits for a re-read while a known value could serve, in milliseconds. */
const patienceMs = 250

/** More slots than this are never kept: keys may come from callers. */
const maxSlots = 20_000

/**
 * Values read from the database, kept until the change feed says they changed (its subscriber calls `forget`).
 * While the feed is not live they are re-read on use, at most once in `recheckMs`; while the database is away the last known one serves for `maxStaleMs`.
 */
export class ConfirmedCache<Value, Key extends string | number = string> {
  readonly #options: ConfirmedCacheOptions
  readonly #recheckMs: number
  readonly #slots = new Map<Key, Slot<Value>>()
  readonly #loading = new Map<Key, Promise<Slot<Value>>>()
  #invalidations = 0

  constructor (options: ConfirmedCacheOptions) {
    this.#options = options
    this.#recheckMs = options.recheckMs ?? 1000
  }

  /** The value under `key`; a promise only when the database has to be asked. Rejects with what `load` rejects with. */
  get (key: Key, load: () => Promise<Value>): Value | Promise<Value> {
    const kept = this.#usable(key, this.#options.clock.now())
    return kept === undefined ? this.#slot(key, load).then(({ value }) => value) : kept.value
  }

  /**
   * The value under `key` where the database need not be asked; undefined otherwise.
   * @param now milliseconds since 1970, of the clock in the options, where the caller has just read it
   */
  peek (key: Key, now: number): Value | undefined {
    return this.#usable(key, now)?.value
  }

  /** `peek`, for whoever asks for the same key again and again: what it was answered last is looked at before it is looked up. */
  peeker (key: Key): (now: number) => Kept<Value> | undefined {
    let last: Slot<Value> | undefined
    return (now) => {
      if (last === undefined || !this.#serves(last, now)) last = this.#usable(key, now)
      return last
    }
  }

  /** Drops the values that `isMeant` says, and whatever is being read at the moment. */
  forget (isMeant: (key: Key, value: Value) => boolean): void {
    this.#invalidations++
    for (const [key, { value }] of this.#slots) {
      if (isMeant(key, value)) this.#drop(key)
    }
  }

  async #slot (key: Key, load: () => Promise<Value>): Promise<Slot<Value>> {
    const kept = this.#slots.get(key)
    const now = this.#options.clock.now()
    const servable = kept !== undefined && isWithin(now - this.#confirmedAt(kept), this.#options.maxStaleMs + 1)
    if (servable && now - kept.triedAt < this.#recheckMs) return kept
    let loading = this.#loading.get(key)
    if (loading === undefined) this.#loading.set(key, loading = this.#load(key, load).finally(() => this.#loading.delete(key)))
    if (!servable) return await loading
    try {
      const reread = await Promise.race([loading, this.#patience()])
      if (reread !== undefined) return reread
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
    }
    // Forgotten meanwhile means changed meanwhile: then the old one must not serve.
    if (this.#slots.get(key) !== kept) return await loading
    kept.triedAt = now
    return kept
  }

  async #patience (): Promise<undefined> {
    await new Promise<void>((resolve) => { this.#options.clock.after(patienceMs, resolve) })
    return undefined
  }

  /** While the feed stood that was live when the slot was read, it confirmed the slot by its silence. */
  #confirmedAt ({ epoch, confirmedAt }: Slot<Value>): number {
    const { changes } = this.#options
    return epoch === changes.epoch ? Math.max(confirmedAt, changes.completeUntil) : confirmedAt
  }

  /** The slot whose value may serve: confirmed within `recheckMs`, or by the feed, which would have told of a change. */
  #usable (key: Key, now: number): Slot<Value> | undefined {
    const slot = this.#slots.get(key)
    return slot !== undefined && this.#serves(slot, now) ? slot : undefined
  }

  #serves (slot: Slot<Value>, now: number): boolean {
    if (slot.gone) return false
    if (isWithin(now - slot.confirmedAt, this.#recheckMs)) return true
    const { changes } = this.#options
    if (slot.epoch !== changes.epoch || !changes.isLive(now)) return false
    slot.confirmedAt = now
    return true
  }

  async #load (key: Key, load: () => Promise<Value>, tries = 1): Promise<Slot<Value>> {
    const { changes, clock } = this.#options
    const invalidations = this.#invalidations
    const confirmedAt = clock.now()
    const epoch = changes.isLive(confirmedAt) ? changes.epoch : null
    const slot: Slot<Value> = { value: await load(), epoch, confirmedAt, triedAt: -Infinity, gone: false }
    if (invalidations === this.#invalidations) this.#keep(key, slot)
    else if (tries < 3) return await this.#load(key, load, tries + 1) // something changed while it was read
    return slot
  }

  #keep (key: Key, slot: Slot<Value>): void {
    if (this.#slots.size >= maxSlots) {
      for (const other of this.#slots.values()) other.gone = true
      this.#slots.clear()
    }
    this.#drop(key)
    this.#slots.set(key, slot)
  }

  #drop (key: Key): void {
    const slot = this.#slots.get(key)
    if (slot !== undefined) slot.gone = true
    this.#slots.delete(key)
  }
}

/** An age below a limit; a negative one says that the clock was put back, and nothing else. */
function isWithin (age: number, limit: number): boolean {
  return age >= 0 && age < limit
}
