import type { Head } from './heads.js'
import type { LogEntry, LogFields } from './log-entry.js'

export interface LogQuery {
  /** `connection.authorized`, or an area with a star: `connection.*`. */
  readonly event?: string
  /** Entries of these areas alone: `connection` for `connection.*`. */
  readonly areas?: readonly string[]
  /** A target's id or name. */
  readonly target?: string
  readonly from?: Date
  readonly to?: Date
  /** 1 to 1000, default 100. */
  readonly limit?: number
  /** The `id` of the last entry of the page before: newest first, the next page is older. */
  readonly after?: string
}

export interface Verification {
  readonly ok: boolean
  readonly entries: number
  readonly chains: number
  readonly firstBad?: { readonly chain: string, readonly seq: number, readonly problem: string }
  /** The oldest entries were evicted before any surviving checkpoint covers them. */
  readonly unanchoredFront: boolean
}

/** Who asks for a verification, and what it is compared with beside the database. */
export interface VerifyOptions extends Pick<LogFields, 'actor' | 'requestId' | 'personal'> {
  /** Heads of checkpoints kept outside the database. */
  readonly anchors?: readonly Head[]
}

/** The insert-only log. There is no update and no delete. Decorated as `app.auditLog`. */
export interface AuditLog {
  /**
   * Resolves with the entry when it is stored. When it rejects with DWA_STORE_UNAVAILABLE, the entry was not stored and will not be, with one exception:
   * if it was under way when the connection broke, it is in the log once, now or as soon as the database is back.
   * @throws DWA_STORE_UNAVAILABLE, DWA_LOG_CLOSED, and TypeError for an event of the package's own areas `log` and `key`
   */
  append (event: string, fields?: LogFields): Promise<LogEntry>
  /** For hot paths: returns at once; kept in a bounded spool until written, and what overflows is counted in a `log.gap` entry. */
  record (event: string, fields?: LogFields): void
  /** For noisy events: the first of a minute for each `key` is recorded at once, the others as one entry with `details.count` when the minute ends. */
  sample (key: string, event: string, fields?: LogFields): void
  /** Newest first. @throws DWA_LOG_INVALID_QUERY, DWA_STORE_UNAVAILABLE */
  find (query?: LogQuery): Promise<LogEntry[]>
  /**
   * Live, in log order, from after the entry with that id (from now without one). Ends when the app closes or the caller breaks;
   * a database that goes away only interrupts it. When the entry was evicted, begins with the oldest that is left.
   * @throws DWA_LOG_INVALID_QUERY
   */
  tail (options?: { readonly after?: string, readonly signal?: AbortSignal }): AsyncIterable<LogEntry>
  /**
   * Checks every surviving entry against its chain, the checkpoints, and what this process wrote itself, and records `log.verified`.
   * @throws DWA_STORE_UNAVAILABLE
   */
  verify (options?: VerifyOptions): Promise<Verification>
}
