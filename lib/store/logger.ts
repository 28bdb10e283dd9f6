/** Where the store says what an operator must know: the app's own logger. */
export interface Logger {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}
