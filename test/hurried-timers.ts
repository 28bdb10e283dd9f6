import type { Teardown } from './mongo.js'

/**
 * From now on, timers of exactly so many milliseconds go off at once, until the returned function is called or the test ends:
 * for time limits, whose figure counts and which nobody wants to wait for.
 */
export function hurryTimers (t: Teardown, milliseconds: number): () => void {
  const { setTimeout } = globalThis
  const undo = (): void => { globalThis.setTimeout = setTimeout }
  Reflect.set(globalThis, 'setTimeout', (run: (...args: unknown[]) => void, after: number, ...args: unknown[]) => setTimeout(run, after === milliseconds ? 0 : after, ...args))
  t.teardown(undo)
  return undo
}
