/**
 * Keeps this process, which sends, from sleeping while `sending` lasts. A server has to wake a sleeping sender with its answer, which costs the server more than
 * many an answer does, and the more often the slower it is: differences between servers look several times as large.
 */
export async function staysAwake<Result> (sending: () => Promise<Result>): Promise<Result> {
  let ended = false
  const turn = (): void => { if (!ended) setImmediate(turn) }
  turn()
  try {
    return await sending()
  } finally {
    ended = true
  }
}
