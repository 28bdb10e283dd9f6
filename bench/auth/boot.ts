import type { BootConfig } from './boot-process.js'
import { figure, Program } from './program.js'
import { spread, type Spread } from './spread.js'

/** Milliseconds from the first import to `ready()`, in fresh processes. */
export interface BootTimes {
  readonly title: string
  readonly whole: Spread
  readonly imports: Spread
  /** What it takes beyond the first, pair by pair. */
  readonly over: Spread
  /** What `over` should be at most; null: nothing is asked of it. */
  readonly goal: number | null
}

const apps: ReadonlyArray<{ readonly kind: BootConfig['kind'], readonly title: string, readonly goal: number | null }> = [
  { kind: 'plain', title: 'Fastify + mongoose, connected', goal: null },
  { kind: 'jwt', title: 'an app with store and jwt', goal: null },
  { kind: 'every', title: 'an app with every plugin', goal: 150 }
]

/** Starts each kind of app in turns, on a database that is set up already. */
export async function measureBoot (uri: string, rounds: number): Promise<BootTimes[]> {
  const times = apps.map((app) => ({ ...app, boots: [] as Boot[] }))
  await bootOnce({ kind: 'every', uri })
  for (let round = 0; round < rounds; round++) {
    for (const { kind, boots } of times) boots.push(await bootOnce({ kind, uri }))
  }
  const [plain] = times
  return times.map(({ title, goal, boots }) => ({
    title,
    goal,
    whole: spread(boots.map(({ whole }) => whole)),
    imports: spread(boots.map((boot) => boot.imports)),
    over: spread(boots.map(({ whole }, round) => whole - (plain?.boots[round]?.whole ?? NaN)))
  }))
}

interface Boot { readonly whole: number, readonly imports: number }

async function bootOnce (config: BootConfig): Promise<Boot> {
  const { program, figures } = await Program.start('boot', config)
  await program.stop()
  return { whole: figure(figures, 'milliseconds'), imports: figure(figures, 'importMilliseconds') }
}
