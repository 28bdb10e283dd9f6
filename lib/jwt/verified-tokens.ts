import { textPrint } from '../text-print.js'

interface Entry<Owner, Value> {
  readonly owner: Owner
  readonly text: string
  readonly value: Value
  readonly next: Entry<Owner, Value> | null
}

/**
 * What is known of verified tokens by their whole text and the compiled validator that accepted them (one object for each id and revision,
 * so a changed validator finds nothing). A token is kept from the second time it is verified: one that comes once costs no memory and evicts nothing.
 * Two generations of at most `max` entries each: when the young one is full the old one goes, and a hit in the old one moves back to the young one.
 * So the `max` last used are always there, and never more than twice as many. Only successes are kept: bad tokens cannot evict good ones.
 */
export class VerifiedTokens<Owner extends object, Value extends object> {
  readonly #max: number
  readonly #seen: SeenPrints
  #young = new Map<number, Entry<Owner, Value>>()
  #old = new Map<number, Entry<Owner, Value>>()
  #youngEntries = 0

  /** @param max entries of a generation; 0 keeps nothing */
  constructor (max: number) {
    this.#max = max
    this.#seen = new SeenPrints(max)
  }

  get (owner: Owner, text: string): Value | null {
    const print = textPrint(text)
    const young = find(this.#young.get(print), owner, text)
    if (young !== null) return young
    const old = find(this.#old.get(print), owner, text)
    if (old !== null) this.#keep(owner, text, print, old)
    return old
  }

  /** Notes a token that was just verified. */
  set (owner: Owner, text: string, value: Value): void {
    if (this.#max === 0) return
    const print = textPrint(text)
    if (this.#seen.has(print)) this.#keep(owner, text, print, value)
    else this.#seen.add(print)
  }

  #keep (owner: Owner, text: string, print: number, value: Value): void {
    if (this.#youngEntries >= this.#max) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngEntries = 0
    }
    const others = this.#young.get(print) ?? null
    if (find(others, owner, text) === null) this.#youngEntries++
    this.#young.set(print, { owner, text, value, next: without(others, owner, text) })
  }
}

/** Which prints were there lately: the last `max`, never more than twice as many. A mistake only keeps a token from its first use. */
class SeenPrints {
  readonly #max: number
  #young = new Set<number>()
  #old = new Set<number>()

  constructor (max: number) {
    this.#max = max
  }

  has (print: number): boolean {
    return this.#young.has(print) || this.#old.has(print)
  }

  add (print: number): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(print)
  }
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
