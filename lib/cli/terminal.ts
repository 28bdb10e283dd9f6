/** What a command needs of the shell it runs in. */
export interface Terminal {
  /** Writes a line to standard output, for the answer. */
  say (line: string): void
  /** Writes a line to standard error, for what went wrong. */
  complain (line: string): void
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The command cannot be carried out as it was given: exit code 2. */
export class UsageError extends Error {}
