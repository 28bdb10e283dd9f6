import type { Clock } from '../clock.js'

/** What a command needs of the shell it runs in. */
export interface Terminal {
  /** Writes a line to standard output, for the answer. */
  say (line: string): void
  /** Writes a line to standard error, for what went wrong. */
  complain (line: string): void
  /** Shows a line that the next one replaces, and an empty one removes: only where a person looks at standard error. */
  status? (line: string): void
  /** Notes what is being done, for whoever waits longer than a second. */
  doing? (what: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Default: the system's. */
  readonly clock?: Clock
  /** Of Node.js. Default: the one that runs. */
  readonly nodeVersion?: string
}

/** The command cannot be carried out as it was given: exit code 2. */
export class UsageError extends Error {}
