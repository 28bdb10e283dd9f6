import type { Clock } from '../clock.js'

/** Milliseconds: a smaller difference may as well be the time that the answer took. */
const tolerance = 2000

/** The database's time as this process can tell it: its own clock, moved by what the two differed when the connection was opened. So processes whose clocks are apart agree. */
export class ServerClock implements Clock {
  readonly #clock: Clock
  #offset = 0

  constructor (clock: Clock) {
    this.#clock = clock
  }

  now (): number {
    return this.at(this.#clock.now())
  }

  /** What time it is there when it is `now` by this process's clock; both milliseconds since 1970. */
  at (now: number): number {
    return now + this.#offset
  }

  after (ms: number, run: () => void): () => void {
    return this.#clock.after(ms, run)
  }

  /** @param difference the server's time less this process's, in milliseconds */
  set (difference: number): void {
    this.#offset = Math.abs(difference) < tolerance ? 0 : Math.round(difference)
  }
}
