import type { LogDocument } from './seal.js'

/** The newest known entry of a chain. */
export interface Head {
  readonly chain: string
  readonly seq: number
  readonly hash: string
  /** Entries written to the chain so far: it has no gaps, so this equals `seq`. */
  readonly count: number
  /** When the entry was written, milliseconds, to the second. */
  readonly at: number
}

/** The heads of all chains that a process sees, the most recently moved last. Bounded: the longest silent goes. */
export class Heads {
  readonly #limit: number
  readonly #heads = new Map<string, Head>()
  readonly #moved = new Set<string>()

  constructor (limit = 1000) {
    this.#limit = limit
  }

  note (head: Head): void {
    const known = this.#heads.get(head.chain)
    if (known !== undefined && known.seq >= head.seq) return
    this.#heads.delete(head.chain)
    this.#heads.set(head.chain, head)
    this.#moved.add(head.chain)
    if (this.#heads.size <= this.#limit) return
    const [oldest] = this.#heads.keys()
    if (oldest === undefined) return
    this.#heads.delete(oldest)
    this.#moved.delete(oldest)
  }

  /** The heads that moved since the last call: what an earlier checkpoint of this process says need not be said again. */
  takeMoved (): Head[] {
    const moved = [...this.#heads.values()].filter((head) => this.#moved.has(head.chain))
    this.#moved.clear()
    return moved
  }

  /** They were taken for a checkpoint that could not be written. */
  giveBack (heads: readonly Head[]): void {
    for (const { chain } of heads) {
      if (this.#heads.has(chain)) this.#moved.add(chain)
    }
  }
}

export function headOf (document: LogDocument): Head {
  return { chain: document.chain, seq: document.seq, hash: document.hash, count: document.seq, at: document._id.getTimestamp().getTime() }
}

/** The heads of a checkpoint's details, or of a line of the app's log; what is not a head is left out. */
export function readHeads (details: unknown): Head[] {
  if (typeof details !== 'object' || details === null || !('heads' in details) || !Array.isArray(details.heads)) return []
  return details.heads.filter(isHead)
}

function isHead (value: unknown): value is Head {
  return typeof value === 'object' && value !== null && 'chain' in value && typeof value.chain === 'string' && 'seq' in value && Number.isSafeInteger(value.seq) &&
    'hash' in value && typeof value.hash === 'string' && 'at' in value && typeof value.at === 'number'
}
