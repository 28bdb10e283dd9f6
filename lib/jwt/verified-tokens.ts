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
 * so a changed validator finds nothing). A token is kept from the second time it is verified: one that comes once costs no memory and evicts nothing (of 100, one at most is taken for known).
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

/** Bits for each hash that is noted. It sets two of them: when both generations are full, less than one hash in 100 finds two that others have set. */
const bitsEach = 32

/**
 * Which hashes were there lately: the last `max`, never more than twice as many. A mistake only keeps a token from its first use.
 * Bits, not a Set (a Bloom filter): they stay in the CPU's cache, however many new tokens come.
 */
class SeenHashes {
  readonly #max: number
  #young: HashBits
  #old: HashBits
  #noted = 0

  constructor (max: number) {
    this.#max = max
    this.#young = new HashBits(max)
    this.#old = new HashBits(max)
  }

  has (hash: number): boolean {
    return this.#young.has(hash) || this.#old.has(hash)
  }

  add (hash: number): void {
    if (this.#noted >= this.#max) {
      [this.#young, this.#old] = [this.#old, this.#young]
      this.#young.clear()
      this.#noted = 0
    }
    this.#noted++
    this.#young.add(hash)
  }
}

/** One generation of them. */
class HashBits {
  readonly #bytes: Uint8Array
  readonly #lastBit: number
  readonly #shift: number

  constructor (hashes: number) {
    const digits = Math.ceil(Math.log2(hashes * bitsEach))
    this.#bytes = new Uint8Array(2 ** digits / 8)
    this.#lastBit = 2 ** digits - 1
    this.#shift = 32 - digits
  }

  has (hash: number): boolean {
    return this.#isSet(hash & this.#lastBit) && this.#isSet(this.#second(hash))
  }

  add (hash: number): void {
    this.#set(hash & this.#lastBit)
    this.#set(this.#second(hash))
  }

  clear (): void {
    this.#bytes.fill(0)
  }

  /** The highest digits of a product, in which every digit of the hash has its part. */
  #second (hash: number): number {
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift
  }

  #isSet (bit: number): boolean {
    return ((this.#bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
  }

  #set (bit: number): void {
    this.#bytes[bit >> 3] = (this.#bytes[bit >> 3] ?? 0) | (1 << (bit & 7))
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
