import type { Document } from './document.js'

/** One connection as commands see it. */
export interface Session {
  readonly id: number
  /** The user who signed in on this connection, as `database.name`. */
  user: string | undefined
  /** A SASL conversation that has begun. */
  conversation: { step: (payload: Buffer) => Document, mechanism: string } | undefined
  /** Aborted when the connection ends. */
  readonly signal: AbortSignal
}
