import type { FailureKind } from './retry-policy.js'
import type { PeerAnswer } from './transport.js'

/** What requests to one kind of peer fail with. */
export interface ExchangeErrors {
  readonly invalidRequest: (problem: string) => Error
  readonly foreignOrigin: (origin: string, target: string) => Error
  readonly timeout: (ms: number) => Error
  readonly unreachable: (reason: string, options: ErrorOptions) => Error
  readonly bodyUsed: (options: ErrorOptions) => Error
  readonly notJson: (found: string, status: number) => Error
  readonly unexpectedAnswer: (found: string) => Error
}

/** What a request was refused with. */
export interface Refusal {
  readonly kind: FailureKind
  readonly error: Error
  /** The peer's own account of what went wrong, for the log only. */
  readonly exception: string | null
}

export interface RefusedRequest {
  readonly method: string
  /** Scheme, host and port. */
  readonly origin: string
  /** Without the query, and with what looks like a credential masked. */
  readonly path: string
  /** Never to be repeated, whatever the peer says. */
  readonly secrets: readonly string[]
}

/** How one kind of peer answers. */
export interface Dialect {
  /** Who is asked, for people: `DocuWare`. */
  readonly peer: string
  readonly errors: ExchangeErrors
  /** Reads an answer that is no success; never rejects. */
  readonly readRefusal: (answer: PeerAnswer, request: RefusedRequest) => Promise<Refusal>
  /** Whether 429 says that nothing was processed, so that any request may be sent again. */
  readonly throttlesUnprocessed: boolean
  /** Milliseconds before a throttled request is sent again when the peer does not say; null: as after any other failure. */
  readonly throttledWaitMs: number | null
}
