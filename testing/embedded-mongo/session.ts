/** One connection as commands see it. */
export interface Session {
  readonly id: number
  /** The user who signed in on this connection, as `database.name`. */
  user: string | undefined
  /** A sign-in that has begun; `user` is in the answer of the step that proves it. */
  conversation: { step: (payload: string) => { done: boolean, payload: string, user?: string } } | undefined
  /** Aborted when the connection ends. */
  readonly signal: AbortSignal
}
