import { errors, isAuthError, type AuthErrorCode } from '../../errors.js'

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
    const message = await this.attempt(check, async () => await examine((problem, remedy, code = null) => {
      healthy = false
      this.findings.push({ check, ok: false, code, message: problem, remedy })
    }))
    if (healthy && message !== null) this.findings.push({ check, ok: true, code: null, message, remedy: null })
  }

  /** Does what a check needs. When that fails the report says so in the check's place, and goes on. @returns null then */
  async attempt<T> (check: string, operation: () => Promise<T>): Promise<T | null> {
    try {
      return await operation()
    } catch (error) {
      const { message } = new errors.DWA_DOCTOR_CHECK_FAILED(kindOf(error))
      this.findings.push({ check, ok: false, code: 'DWA_DOCTOR_CHECK_FAILED', message, remedy: 'mend what is named, and look again: the MongoDB user may lack a privilege' })
      return null
    }
  }
}

/** What can be said of an error: the message of one that is not this package's may quote a secret. */
function kindOf (error: unknown): string {
  if (isAuthError(error)) return error.message
  if (!(error instanceof Error)) return typeof error
  const code = 'codeName' in error ? error.codeName : 'code' in error ? error.code : undefined
  return typeof code === 'string' ? `${error.name} ${code}` : error.name
}
