/** Where an error came from. It is scrubbed before it is sent; `user` and `ip` are sent only when an administrator has allowed personal data. */
export interface ErrorContext {
  /** The DocuWare connection it happened to. */
  readonly connection?: { readonly id: string, readonly name?: string, readonly platformUrl?: string, readonly [field: string]: unknown }
  /** What is known of the sync: job id, duration in milliseconds, organization … */
  readonly sync?: { readonly [field: string]: unknown }
  /** The request, by its route's pattern: never its URL. */
  readonly request?: { readonly method: string, readonly route?: string | undefined, readonly id?: string }
  readonly user?: { readonly id: string, readonly name?: string }
  readonly ip?: string
}

/** Takes errors of this package to whoever looks after it. */
export interface ErrorReporter {
  /** Returns at once and never throws. The same error is reported once, however often it is captured. */
  capture (error: unknown, context?: ErrorContext): void
}
