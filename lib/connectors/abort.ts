import type { Clock } from '../clock.js'

const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/** Runs `run` when the signal aborts; returns the function that takes it back. One listener on the signal, however many wait: Node warns of more than ten. */
export function onAbort (signal: AbortSignal, run: () => void): () => void {
  let waiting = listeners.get(signal)
  if (waiting === undefined) {
    const all = waiting = new Set()
    listeners.set(signal, all)
    signal.addEventListener('abort', () => { for (const each of [...all]) each() }, { once: true })
  }
  waiting.add(run)
  return () => { waiting.delete(run) }
}

/** Waits for `ms` milliseconds; rejects at once with the signal's reason when it aborts. */
export function pause (clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  let cancel = (): void => {}
  const elapsed = new Promise<void>((resolve) => { cancel = clock.after(ms, resolve) })
  return orAborted(elapsed, signal).finally(cancel)
}

/** What `promise` comes to; rejects at once with the signal's reason when it aborts. */
export async function orAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  let forget = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else forget = onAbort(signal, () => { reject(signal.reason) })
  })
  return await Promise.race([promise, aborted]).finally(() => { forget() })
}
