import { figure, Program } from './program.js'

/** Memory in bytes after so many distinct tokens, each sent once through one app, after a garbage collection. */
export interface MemoryCheckpoint { readonly tokens: number, readonly heap: number, readonly rss: number }

/** Injects HS256 tokens into one app in a process of its own. @param checkpoints numbers of tokens, ascending */
export async function measureMemory (uri: string, checkpoints: readonly number[]): Promise<MemoryCheckpoint[]> {
  const { program, figures } = await Program.start('memory', { uri, checkpoints }, ['--expose-gc'])
  await program.stop()
  return [0, ...checkpoints].map((tokens) => ({ tokens, heap: figure(figures, `heap ${tokens}`), rss: figure(figures, `rss ${tokens}`) }))
}
