import type { HookConfig } from './hook-process.js'
import { figure, Program, type Figures } from './program.js'
import { median, type Spread, spread } from './spread.js'

/** What the hook that guards every route takes of the CPU, called by itself, in microseconds. */
export interface HookTime { readonly title: string, readonly microseconds: Spread }

const titles = { open: 'a route without config.auth', public: 'public_or_jwt_, no token', hot: 'jwt_, one hot token', distinct: 'jwt_, 10 000 tokens in turn' } as const

/** Calls the hook in fresh processes, as often as a request would. */
export async function measureHook (uri: string, { rounds, calls, distinct }: { readonly rounds: number, readonly calls: number, readonly distinct: number }): Promise<HookTime[]> {
  const found: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    const { program, figures } = await Program.start('hook', { uri, calls, distinct } satisfies HookConfig)
    await program.stop()
    found.push(figures)
  }
  return Object.entries(titles).map(([name, title]) => ({ title, microseconds: spread(found.map((figures) => figure(figures, name))) }))
}

/** What is left of bare Fastify's requests a second when each takes so much longer. */
export function shareLeft (bareMicroseconds: readonly number[], { microseconds }: HookTime): number {
  const bare = median(bareMicroseconds)
  return bare / (bare + microseconds.median)
}
