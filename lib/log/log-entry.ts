/** Who did it: `{ type: 'user', id }`, `{ type: 'client', id }`, `{ type: 'app', id: null }`, `{ type: 'system', id: null }`. */
export interface Actor { readonly type: string, readonly id: string | null }

/** What it was done to. */
export interface Target { readonly type: string, readonly id: string | null, readonly name?: string | null }

export type LogLevel = 'info' | 'warning' | 'error'

/** What an event says beside its name. */
export interface LogFields {
  readonly level?: LogLevel | undefined
  readonly actor?: Actor | undefined
  readonly target?: Target | undefined
  readonly requestId?: string | undefined
  readonly message?: string | undefined
  /** Small and redacted before it is stored. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
  /** Stored only with `store.log.personalData`. */
  readonly personal?: { readonly ip?: string | undefined, readonly userName?: string | undefined } | undefined
}

/** One entry as it is stored and read. */
export interface LogEntry {
  readonly id: string
  readonly chain: string
  readonly seq: number
  readonly at: Date
  readonly event: string
  readonly level: LogLevel
  readonly actor: Actor | null
  readonly target: Target | null
  readonly requestId: string | null
  readonly message: string | null
  readonly details: Readonly<Record<string, unknown>>
  readonly personal?: { readonly ip?: string, readonly userName?: string }
  /** The id under which a record's change left it in the record's outbox: `at` is the time of the change, the time in `id` that of writing. */
  readonly source?: string
  /** Id of the data key from which the log key of `hash` is derived. */
  readonly key: string
  readonly prev: string | null
  readonly hash: string
}
