import { tailHash } from '../tail-hash.js'

/** What is kept of a token: which validator accepted it, and its whole text, beside whatever a use needs. One object, since among thousands of them each further one is a wait for memory. */
interface Kept {
  readonly validator: { readonly serial: number }
  readonly text: string
}

/**
 * What is known of verified tokens by their whole text and the compiled validator that accepted them (one object for each id and revision,
 * so a changed validator finds nothing). A token is kept from the second time it is verified: one that comes once costs no memory and evicts nothing (of 100, one at most is taken for known).
 * Two generations of at most `max` entries each: when the young one is full the old one goes, and a hit in the old one moves back to the young one.
 * So the `max` last used are there, and never more than twice as many. Only successes are kept: bad tokens cannot evict good ones.
 * Of tokens with the same hash only the last is kept: whoever signs tokens can make any number of them, which must not make look-ups slow. By chance few have it
 * (of 10 000 tokens, hardly ever two), but for one token under two spellings of its scheme.
 */
export class VerifiedTokens<Token extends Kept> {
  readonly #max: number
  readonly #seen: SeenHashes
  #young = new Map<number, Token>()
  #old = new Map<number, Token>()

  /** @param max entries of a generation; 0 keeps nothing */
  constructor (max: number) {
    this.#max = max
    this.#seen = new SeenHashes(max)
  }

  get (validator: Token['validator'], text: string): Token | null {
    const hash = hashOf(validator, text)
    const young = this.#young.get(hash)
    if (young !== undefined && young.validator === validator && young.text === text) return young
    const old = this.#old.get(hash)
    if (old === undefined || old.validator !== validator || old.text !== text) return null
    this.#keep(hash, old)
    return old
  }

  /** Notes a token that was just verified. */
  set (token: Token): void {
    if (this.#max === 0) return
    const hash = hashOf(token.validator, token.text)
    if (this.#seen.has(hash)) this.#keep(hash, token)
    else this.#seen.add(hash)
  }

  #keep (hash: number, token: Token): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(hash, token)
  }
}

/** The same text has another one for each validator. */
function hashOf ({ serial }: Kept['validator'], text: string): number {
  return tailHash(text) ^ serial
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
