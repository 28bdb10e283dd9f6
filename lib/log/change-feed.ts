import type { LogEntry } from './log-entry.js'

/**
 * The log's tail as the other plugins use it: what changed, in this and every other process.
 * Listeners run in log order; `epoch` moves whenever entries may have been missed (start, lost connection, eviction):
 * what was cached under an older epoch must be read again.
 */
export interface ChangeFeed {
  /** Whether entries arrive within a second. False from the start until the tail stands, and from a failure until it stands again. */
  readonly live: boolean
  readonly epoch: number
  /** Returns the function that unsubscribes. */
  subscribe (listener: (entry: LogEntry) => void): () => void
}
