/** How the servers of a comparison take turns. */
export interface Turns {
  readonly count: number
  /** Of one. */
  readonly seconds: number
}

/** Of one of several servers in one process: so many that whatever else the machine does meets them all. */
const countTogether = 36
/** So much longer are those turns than their share of the round: a sender needs a moment to begin. */
const stretch = 3

/** @param apart how many turns a server takes that has a process of its own */
export function turnsOf ({ together = false }: { readonly together?: boolean }, seconds: number, apart: number): Turns {
  return together ? { count: countTogether, seconds: seconds / countTogether * stretch } : { count: apart, seconds: seconds / apart }
}

/** Who shares a process: all, or nobody. */
export function processesOf<Contestant> ({ contestants, together = false }: { readonly contestants: readonly Contestant[], readonly together?: boolean }): Array<readonly Contestant[]> {
  return together ? [contestants] : contestants.map((contestant) => [contestant])
}

/** A B C, then B C A, then C A B: nobody is always measured first. */
export function turned<Item> (items: readonly Item[], by: number): Item[] {
  const first = by % items.length
  return [...items.slice(first), ...items.slice(0, first)]
}

/** A B C, then C B A. */
export function thereAndBack<Item> (items: readonly Item[], turn: number): Item[] {
  return turn % 2 === 0 ? [...items] : [...items].reverse()
}

/** Seconds: a server that has answered for a second only is slower than it will be, and the more so the more code it has. */
export function warmUp (seconds: number): number {
  return Math.min(3, 2 * seconds)
}
