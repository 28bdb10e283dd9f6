import type { Clock } from '../clock.js'
import { networkOf } from '../http/address-network.js'
import { limited } from '../store/failure-locks.js'
import type { OpenClient } from './open-clients.js'

const windowMs = 60_000

/** Whose failures and requests count together: anybody can name a public client, and must not lock out the others. */
export function callerOf ({ id, fields: { confidential } }: Pick<OpenClient, 'id' | 'fields'>, address: string): string {
  return confidential ? id : `${id}/${networkOf(address)}`
}

/** Requests a minute of one caller, in this process (security.md 31): no write, and no read, for a good request. */
export class RequestRate {
  readonly #max: number
  readonly #clock: Clock
  #counts = new Map<string, number>()
  #until = 0

  constructor (max: number, clock: Clock) {
    this.#max = max
    this.#clock = clock
  }

  /** Counts a request. @throws DWA_RATE_LIMITED when it is one too many */
  count (caller: string): void {
    const now = this.#clock.now()
    if (now >= this.#until || this.#until - now > windowMs) {
      this.#counts = new Map()
      this.#until = now + windowMs
    }
    const count = (this.#counts.get(caller) ?? 0) + 1
    if (count > this.#max) throw limited(this.#until - now)
    this.#counts.set(caller, count)
  }
}
