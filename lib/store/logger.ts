/** Where the store says what an operator must know: the app's own logger. */
export interface Logger {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** An error in one line. Driver errors carry whole documents, and their messages may repeat an address: neither belongs into a log line. */
export function reasonOf (error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.replace(/\/\/[^/@\s]*@/g, '//').slice(0, 500) : String(error)
}

/** For what runs without an app. */
export const silentLogger: Logger = { info () {}, warn () {}, error () {} }
