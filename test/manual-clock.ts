import type { Clock } from '../lib/clock.js'

/** A clock that stands still until it is told to move on. */
export class ManualClock implements Clock {
  #now: number
  #timers: Array<{ at: number, run: () => void }> = []

  constructor (now = Date.now()) {
    this.#now = now
  }

  now (): number {
    return this.#now
  }

  after (ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => { this.#timers = this.#timers.filter((other) => other !== timer) }
  }

  /** Moves on by `ms` milliseconds and runs what falls due, in order. */
  advance (ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at).at(0)
      if (due === undefined) break
      this.#timers = this.#timers.filter((other) => other !== due)
      this.#now = Math.max(this.#now, due.at)
      due.run()
    }
    this.#now = end
  }
}
