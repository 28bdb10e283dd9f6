import type { VerifiedToken } from './token-verifier.js'

interface Entry<Owner> {
  readonly owner: Owner
  readonly verified: VerifiedToken
  readonly next: Entry<Owner> | null
}

/**
 * Verified tokens by their whole text and the compiled validator that accepted them (one object for each id and revision,
 * so a changed validator finds nothing). Two generations of at most `max` entries each: when the young one is full the old one goes,
 * and a hit in the old one moves back to the young one. So the `max` last used are always there, and never more than twice as many;
 * an insert costs a map insert, a hit in the young one a map look-up. Only successes are kept: bad tokens cannot evict good ones.
 */
export class VerifiedTokens<Owner extends object> {
  readonly #max: number
  #young = new Map<string, Entry<Owner>>()
  #old = new Map<string, Entry<Owner>>()
  #youngEntries = 0

  /** @param max entries of a generation; 0 keeps nothing */
  constructor (max: number) {
    this.#max = max
  }

  get (owner: Owner, text: string): VerifiedToken | null {
    const young = find(this.#young.get(text), owner)
    if (young !== null) return young
    const old = find(this.#old.get(text), owner)
    if (old !== null) this.set(owner, text, old)
    return old
  }

  set (owner: Owner, text: string, verified: VerifiedToken): void {
    if (this.#max === 0) return
    if (this.#youngEntries >= this.#max) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngEntries = 0
    }
    const others = this.#young.get(text) ?? null
    if (find(others, owner) === null) this.#youngEntries++
    this.#young.set(text, { owner, verified, next: without(others, owner) })
  }
}

function find<Owner> (entry: Entry<Owner> | null | undefined, owner: Owner): VerifiedToken | null {
  for (let one = entry ?? null; one !== null; one = one.next) {
    if (one.owner === owner) return one.verified
  }
  return null
}

function without<Owner> (entry: Entry<Owner> | null, owner: Owner): Entry<Owner> | null {
  if (entry === null) return null
  const next = without(entry.next, owner)
  return entry.owner === owner ? next : { ...entry, next }
}
