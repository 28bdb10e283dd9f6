import type { Clock } from '../clock.js'
import { onAbort } from './abort.js'

interface Waiting { readonly admit: () => void }

/**
 * At most `limit` calls in any `windowMs` as the other side counts them: a call takes its place from before it is sent
 * until `windowMs` after it was answered. Those who wait are served in the order they came.
 */
export class CallRate {
  readonly #limit: number
  readonly #windowMs: number
  readonly #clock: Clock
  #open = 0
  #answered: number[] = []
  readonly #waiting = new Set<Waiting>()
  #timer: (() => void) | null = null

  constructor (limit: number, windowMs: number, clock: Clock) {
    this.#limit = limit
    this.#windowMs = windowMs
    this.#clock = clock
  }

  /** Waits for a place; resolves to the function that says the call was answered. Rejects with the signal's reason when it aborts. */
  async take (signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#waiting.size > 0 || this.#free() === 0) await this.#turn(signal)
    else this.#open++
    return () => {
      this.#open--
      this.#answered.push(this.#clock.now())
      this.#admit()
    }
  }

  #turn (signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let forget = (): void => {}
      const waiting = { admit: () => { forget(); resolve() } }
      this.#waiting.add(waiting)
      if (signal !== undefined) {
        forget = onAbort(signal, () => {
          forget()
          if (this.#waiting.delete(waiting)) reject(signal.reason)
        })
      }
      this.#admit()
    })
  }

  #free (): number {
    const now = this.#clock.now()
    this.#answered = this.#answered.filter((at) => at > now - this.#windowMs && at <= now) // a clock that was put back blocks nobody
    return this.#limit - this.#open - this.#answered.length
  }

  #admit (): void {
    this.#timer?.()
    this.#timer = null
    let free = this.#free()
    for (const waiting of this.#waiting) {
      if (free-- <= 0) break
      this.#waiting.delete(waiting)
      this.#open++
      waiting.admit()
    }
    const [next] = this.#answered
    if (this.#waiting.size > 0 && next !== undefined) this.#timer = this.#clock.after(next + this.#windowMs - this.#clock.now(), () => { this.#admit() })
  }
}
