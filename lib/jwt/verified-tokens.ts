interface Entry<Owner, Value> {
  readonly owner: Owner
  readonly text: string
  readonly value: Value
  readonly next: Entry<Owner, Value> | null
}

/** Characters of a token's end, all of its signature: to find it by them costs a fraction of hashing the whole. The whole is compared then. */
const tailLength = 24

/**
 * What is known of verified tokens by their whole text and the compiled validator that accepted them (one object for each id and revision,
 * so a changed validator finds nothing). A token is kept from the second time it is verified: one that comes once costs no memory and evicts nothing.
 * Two generations of at most `max` entries each: when the young one is full the old one goes, and a hit in the old one moves back to the young one.
 * So the `max` last used are always there, and never more than twice as many. Only successes are kept: bad tokens cannot evict good ones.
 */
export class VerifiedTokens<Owner extends object, Value extends object> {
  readonly #max: number
  readonly #seen: SeenTails
  #young = new Map<string, Entry<Owner, Value>>()
  #old = new Map<string, Entry<Owner, Value>>()
  #youngEntries = 0

  /** @param max entries of a generation; 0 keeps nothing */
  constructor (max: number) {
    this.#max = max
    this.#seen = new SeenTails(max)
  }

  get (owner: Owner, text: string): Value | null {
    const tail = text.slice(-tailLength)
    const young = find(this.#young.get(tail), owner, text)
    if (young !== null) return young
    const old = find(this.#old.get(tail), owner, text)
    if (old !== null) this.#keep(owner, text, tail, old)
    return old
  }

  /** Notes a token that was just verified. */
  set (owner: Owner, text: string, value: Value): void {
    if (this.#max === 0) return
    const tail = text.slice(-tailLength)
    if (this.#seen.has(tail)) this.#keep(owner, text, tail, value)
    else this.#seen.add(tail)
  }

  #keep (owner: Owner, text: string, tail: string, value: Value): void {
    if (this.#youngEntries >= this.#max) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngEntries = 0
    }
    const others = this.#young.get(tail) ?? null
    if (find(others, owner, text) === null) this.#youngEntries++
    this.#young.set(tail, { owner, text, value, next: without(others, owner, text) })
  }
}

/** Which tails were there lately: the last `max`, never more than twice as many, by a fingerprint each. A mistake only keeps a token from its first use. */
class SeenTails {
  readonly #max: number
  #young = new Set<number>()
  #old = new Set<number>()

  constructor (max: number) {
    this.#max = max
  }

  has (tail: string): boolean {
    const one = fingerprint(tail)
    return this.#young.has(one) || this.#old.has(one)
  }

  add (tail: string): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(fingerprint(tail))
  }
}

/** 30 bits of FNV-1a: a number that a Set holds without allocating. */
function fingerprint (text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash & 0x3fffffff
}

function find<Owner, Value> (entry: Entry<Owner, Value> | null | undefined, owner: Owner, text: string): Value | null {
  for (let one = entry ?? null; one !== null; one = one.next) {
    if (one.owner === owner && one.text === text) return one.value
  }
  return null
}

function without<Owner, Value> (entry: Entry<Owner, Value> | null, owner: Owner, text: string): Entry<Owner, Value> | null {
  if (entry === null) return null
  const next = without(entry.next, owner, text)
  return entry.owner === owner && entry.text === text ? next : { ...entry, next }
}
