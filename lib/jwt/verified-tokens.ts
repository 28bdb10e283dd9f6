import { tailHash } from '../tail-hash.js'

interface Entry<Owner, Value> {
  readonly owner: Owner
  readonly text: string
  readonly value: Value
  /** What else has the same hash: another token, or this one for another validator. */
  readonly next: Entry<Owner, Value> | null
}

/** Of one hash so many are kept: who signs tokens can make any number that have the same. */
const maxAlike = 8

/**
 * What is known of verified tokens by their whole text and the compiled validator that accepted them (one object for each id and revision,
 * so a changed validator finds nothing). A token is kept from the second time it is verified: one that comes once costs no memory and evicts nothing.
 * Two generations of at most `max` entries each: when the young one is full the old one goes, and a hit in the old one moves back to the young one.
 * So the `max` last used are always there, and never more than twice as many. Only successes are kept: bad tokens cannot evict good ones.
 */
export class VerifiedTokens<Owner extends object, Value extends object> {
  readonly #max: number
  readonly #seen: SeenHashes
  #young = new Map<number, Entry<Owner, Value>>()
  #old = new Map<number, Entry<Owner, Value>>()
  #youngEntries = 0

  /** @param max entries of a generation; 0 keeps nothing */
  constructor (max: number) {
    this.#max = max
    this.#seen = new SeenHashes(max)
  }

  get (owner: Owner, text: string): Value | null {
    const hash = tailHash(text)
    const young = find(this.#young.get(hash), owner, text)
    if (young !== null) return young
    const old = find(this.#old.get(hash), owner, text)
    if (old !== null) this.#keep(owner, text, hash, old)
    return old
  }

  /** Notes a token that was just verified. */
  set (owner: Owner, text: string, value: Value): void {
    if (this.#max === 0) return
    const hash = tailHash(text)
    if (this.#seen.has(hash)) this.#keep(owner, text, hash, value)
    else this.#seen.add(hash)
  }

  #keep (owner: Owner, text: string, hash: number, value: Value): void {
    if (this.#youngEntries >= this.#max) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngEntries = 0
    }
    const others = this.#young.get(hash) ?? null
    if (find(others, owner, text) === null) this.#youngEntries++
    this.#young.set(hash, { owner, text, value, next: without(others, owner, text) })
  }
}

/** Which hashes were there lately: the last `max`, never more than twice as many. A mistake only keeps a token from its first use. */
class SeenHashes {
  readonly #max: number
  #young = new Set<number>()
  #old = new Set<number>()

  constructor (max: number) {
    this.#max = max
  }

  has (hash: number): boolean {
    return this.#young.has(hash) || this.#old.has(hash)
  }

  add (hash: number): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(hash)
  }
}

function find<Owner, Value> (entry: Entry<Owner, Value> | null | undefined, owner: Owner, text: string): Value | null {
  for (let one = entry ?? null; one !== null; one = one.next) {
    if (one.owner === owner && one.text === text) return one.value
  }
  return null
}

/** The others with the same hash, as many as may stay beside one more. */
function without<Owner, Value> (entry: Entry<Owner, Value> | null, owner: Owner, text: string, room = maxAlike - 1): Entry<Owner, Value> | null {
  if (entry === null || room === 0) return null
  if (entry.owner === owner && entry.text === text) return without(entry.next, owner, text, room)
  return { ...entry, next: without(entry.next, owner, text, room - 1) }
}
