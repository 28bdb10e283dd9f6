import type { VerifiedToken } from './token-verifier.js'

interface Entry<Owner> {
  readonly owner: Owner
  readonly verified: VerifiedToken
  readonly next: Entry<Owner> | null
}

/**
 * Verified tokens by their whole text and the compiled validator that accepted them (one object for each id and revision,
 * so a changed validator finds nothing). Holds at most `max` entries in two generations: when the young one is full the old one goes,
 * so an insert costs a map insert and a hit in the old generation moves back to the young one. Only successes are kept.
 */
export class VerifiedTokens<Owner extends object> {
  readonly #half: number
  #young = new Map<string, Entry<Owner>>()
  #old = new Map<string, Entry<Owner>>()
  #youngEntries = 0

  /** @param max entries; 0 keeps nothing */
  constructor (max: number) {
    this.#half = Math.ceil(max / 2)
  }

  get (owner: Owner, text: string): VerifiedToken | null {
    const young = find(this.#young.get(text), owner)
    if (young !== null) return young
    const old = find(this.#old.get(text), owner)
    if (old !== null) this.set(owner, text, old)
    return old
  }

  set (owner: Owner, text: string, verified: VerifiedToken): void {
    if (this.#half === 0) return
    if (this.#youngEntries >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngEntries = 0
    }
    this.#young.set(text, { owner, verified, next: without(this.#young.get(text) ?? null, owner) })
    this.#youngEntries++
  }
}

function find<Owner> (entry: Entry<Owner> | undefined, owner: Owner): VerifiedToken | null {
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
