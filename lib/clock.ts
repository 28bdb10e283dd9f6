/** Time, wherever it decides something: replaced in tests. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now (): number
  /** Runs `run` once after `ms` milliseconds without keeping the process alive; returns the function that cancels it. */
  after (ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after (ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => { clearTimeout(timer) }
  }
}

/** Runs `run` every `ms` milliseconds until the returned function is called. */
export function every (clock: Clock, ms: number, run: () => void): () => void {
  let cancel = clock.after(ms, tick)
  function tick (): void {
    cancel = clock.after(ms, tick)
    run()
  }
  return () => { cancel() }
}
