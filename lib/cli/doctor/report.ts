import type { AuthErrorCode } from '../../errors.js'

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at: `keys`, `audit log`, `clients` … */
  readonly check: string
  readonly ok: boolean
  /** Of an error of this package that was found; null for any other finding. */
  readonly code: AuthErrorCode | null
  /** What was found. */
  readonly message: string
  /** What to do about it; null when there is nothing to do. */
  readonly remedy: string | null
}

/** Says what is wrong, and what to do about it. */
export type Wrong = (message: string, remedy: string, code?: AuthErrorCode | null) => void

/** What a doctor saw. */
export class Report {
  readonly findings: Finding[] = []
  readonly #doing: (what: string) => void

  /** @param doing told of each check as it begins */
  constructor (doing: (what: string) => void) {
    this.#doing = doing
  }

  get ok (): boolean {
    return this.findings.every(({ ok }) => ok)
  }

  /** Begins a check; when nothing was found wrong, `message` says so. */
  async check (check: string, examine: (wrong: Wrong) => string | Promise<string>): Promise<void> {
    this.#doing(`looking at ${check}`)
    let healthy = true
    const message = await examine((problem, remedy, code = null) => {
      healthy = false
      this.findings.push({ check, ok: false, code, message: problem, remedy })
    })
    if (healthy) this.findings.push({ check, ok: true, code: null, message, remedy: null })
  }
}
