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
/** Seconds of the shortest turn: rather fewer of them than shorter ones. */
const shortest = 0.1

/** @param apart how many turns a server takes that has a process of its own */
export function turnsOf ({ together = false }: { readonly together?: boolean }, seconds: number, apart: number): Turns {
  return together ? split(seconds * stretch, countTogether) : split(seconds, apart)
}

function split (seconds: number, most: number): Turns {
  const count = Math.max(1, Math.min(most, Math.floor(seconds / shortest + 1e-9)))
  return { count, seconds: seconds / count }
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

/** Times its turns: a server that has no answer in so many is an error. */
const patience = 10

/**
 * Servers answer in turns: A B C, then C B A. On a busy machine a short turn may bring no answer; more of them are taken by whoever has none at all.
 * @param take the `turn`th of a server; those beyond the count begin with the first again
 * @throws when a server has still answered nothing in ten times as many turns
 */
export async function takeTurns<Server, Part extends { readonly requests: number }> (servers: readonly Server[], count: number, take: (server: Server, turn: number) => Promise<Part>): Promise<Map<Server, Part[]>> {
  const parts = new Map<Server, Part[]>(servers.map((server) => [server, []]))
  const waiting = (): Server[] => servers.filter((server) => parts.get(server)?.every(({ requests }) => requests === 0))
  for (let turn = 0; ; turn++) {
    const taking = turn < count ? servers : waiting()
    if (taking.length === 0) return parts
    if (turn === count * patience) throw new Error(`a server answered nothing in ${turn} turns`)
    for (const server of turn % 2 === 0 ? taking : taking.toReversed()) parts.get(server)?.push(await take(server, turn % count))
  }
}

/**
 * Seconds of the parts of a server's warm-up: one that has answered for a second only is slower than it will be, and the more so the more code it has. The
 * connections of the first part are closed before the second: without that, the first turn after a warm-up was slower by half. It should begin as soon as
 * the server has started: one that idles for some ten seconds before its first requests stays slower by about a fifth.
 */
export function warmUp (seconds: number): readonly number[] {
  const whole = Math.min(3, 2 * seconds)
  return [whole / 6, whole * 5 / 6]
}
