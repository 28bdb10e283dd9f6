import type { Clock } from '../clock.js'
import type { Grant } from './grant.js'

interface Failure {
  /** How many in a row. */
  readonly count: number
  readonly until: number
  readonly error: Error
  /** The token that was to be replaced: with another one all is well again. */
  readonly accessToken: string | undefined
}

/** Milliseconds from one failure to the next try: doubled with each in a row, to the greatest. */
const firstPause = 1000
const greatestPause = 60_000
/** So many new access tokens in a row may be refused before that is a failure. */
const tolerated = 2

/** When the tokens of a grant may be refreshed again, after failures in a row. */
export class RefreshPauses {
  readonly #clock: Clock
  readonly #failures = new Map<string, Failure>()
  readonly #rejections = new Map<string, { readonly count: number, readonly at: number, readonly accessToken: string }>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** What the last refresh failed with, until its pause is over. */
  obstacle (grant: Grant): Error | null {
    const failure = this.#failureOf(grant)
    return failure !== null && this.#clock.now() < failure.until ? failure.error : null
  }

  /** The tokens could not be refreshed. @returns how often in a row */
  failed (grant: Grant, error: Error): number {
    const count = (this.#failureOf(grant)?.count ?? 0) + 1
    this.#begin(grant.id, grant.secrets['accessToken'], count, error)
    return count
  }

  succeeded (id: string): void {
    this.#failures.delete(id)
  }

  /** The resource server refused a new access token. @returns how often in a row beyond what may happen; 0 makes no pause */
  rejected (id: string, accessToken: string, error: Error): number {
    const last = this.#rejections.get(id)
    if (last?.accessToken === accessToken) return 0
    const at = this.#clock.now()
    const count = last !== undefined && at - last.at < 2 * greatestPause ? last.count + 1 : 1
    this.#rejections.set(id, { count, at, accessToken })
    if (count > tolerated) this.#begin(id, accessToken, count - tolerated, error)
    return Math.max(0, count - tolerated)
  }

  #begin (id: string, accessToken: string | undefined, count: number, error: Error): void {
    this.#failures.set(id, { count, until: this.#clock.now() + Math.min(greatestPause, firstPause * 2 ** (count - 1)), error, accessToken })
  }

  #failureOf ({ id, secrets: { accessToken } }: Grant): Failure | null {
    const failure = this.#failures.get(id)
    return failure?.accessToken === accessToken ? failure ?? null : null
  }
}
