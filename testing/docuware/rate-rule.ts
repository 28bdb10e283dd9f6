/** At most so many calls in any minute. */
export class RateRule {
  #times: number[] = []

  /** Whether a call at `now` (milliseconds) is within the limit; only those that are count. 0: no limit. */
  allows (now: number, perMinute: number): boolean {
    if (perMinute === 0) return true
    this.#times = this.#times.filter((time) => time > now - 60_000)
    if (this.#times.length >= perMinute) return false
    this.#times.push(now)
    return true
  }
}
