import type { Clock } from '../clock.js'
import type { LogFields } from './log-entry.js'

const windowLength = 60_000

interface Window { readonly event: string, readonly fields: LogFields, count: number }

/** Noisy events: the first of a minute for each key is recorded, the others are counted. Bounded: beyond `limit` keys an event counts under one key of its own. */
export class Sampler {
  readonly #record: (event: string, fields: LogFields) => void
  readonly #clock: Clock
  readonly #limit: number
  readonly #windows = new Map<string, Window>()
  readonly #timers = new Map<string, () => void>()

  constructor (record: (event: string, fields: LogFields) => void, clock: Clock, limit = 1000) {
    this.#record = record
    this.#clock = clock
    this.#limit = limit
  }

  sample (key: string, event: string, fields: LogFields): void {
    const own = `${event} ${key}`
    const name = this.#windows.has(own) || this.#windows.size < this.#limit ? own : `${event} *`
    const open = this.#windows.get(name)
    if (open !== undefined) {
      open.count++
      return
    }
    this.#windows.set(name, { event, fields, count: 0 })
    this.#timers.set(name, this.#clock.after(windowLength, () => { this.#end(name) }))
    this.#record(event, { ...fields, details: { ...fields.details, count: 1 } })
  }

  /** Records what was counted so far. */
  flush (): void {
    for (const name of [...this.#windows.keys()]) this.#end(name)
  }

  #end (name: string): void {
    const ended = this.#windows.get(name)
    this.#timers.get(name)?.()
    this.#timers.delete(name)
    this.#windows.delete(name)
    if (ended === undefined || ended.count === 0) return
    this.#record(ended.event, { ...ended.fields, details: { ...ended.fields.details, count: ended.count } })
  }
}
