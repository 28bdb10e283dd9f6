import type { BootConfig } from './boot-process.js'
import { figure, Program } from './program.js'
import { spread, type Spread } from './spread.js'

/** Milliseconds from the first import to `ready()`, in fresh processes. */
export interface BootTimes {
  readonly plain: Spread
  readonly ours: Spread
  readonly oursImport: Spread
  readonly plainImport: Spread
  /** What ours takes beyond plain, pair by pair. */
  readonly over: Spread
  readonly goal: number
  readonly reached: boolean
}

const goal = 150

/** Starts both kinds of app in turns on a database that is set up already. */
export async function measureBoot (uri: string, rounds: number): Promise<BootTimes> {
  const plain: Array<{ whole: number, import: number }> = []
  const ours: Array<{ whole: number, import: number }> = []
  for (let round = 0; round < rounds; round++) {
    plain.push(await bootOnce({ kind: 'plain', uri }))
    ours.push(await bootOnce({ kind: 'ours', uri }))
  }
  const over = spread(ours.map(({ whole }, round) => whole - (plain[round]?.whole ?? NaN)))
  return {
    plain: spread(plain.map(({ whole }) => whole)),
    ours: spread(ours.map(({ whole }) => whole)),
    plainImport: spread(plain.map((times) => times.import)),
    oursImport: spread(ours.map((times) => times.import)),
    over,
    goal,
    reached: over.median <= goal
  }
}

async function bootOnce (config: BootConfig): Promise<{ whole: number, import: number }> {
  const { program, figures } = await Program.start('boot', config)
  await program.stop()
  return { whole: figure(figures, 'milliseconds'), import: figure(figures, 'importMilliseconds') }
}
