import { Readable } from 'node:stream'
import type { Clock } from '../clock.js'
import type { AuditLog } from '../log/audit-log.js'
import type { LogEntry } from '../log/log-entry.js'
import type { LogView } from './log-access.js'

/** Entries that are in memory at once. */
const pageSize = 500
/** Bytes that wait for the reader, and that are handed on at once, beside one entry. */
const takenAtOnce = 16 * 1024
/** Milliseconds that a reader may let pass without taking anything. */
const patience = 60_000

export interface LogExportOptions {
  readonly auditLog: Pick<AuditLog, 'find'>
  readonly clock: Clock
  readonly view: LogView
}

/** The log as newline-delimited JSON, newest first, read as fast as it is taken. */
export class LogExport extends Readable {
  readonly #clock: Clock
  readonly #lines: AsyncGenerator<string, void, undefined>
  #takenAt: number

  constructor ({ auditLog, clock, view }: LogExportOptions, first: readonly LogEntry[]) {
    super({ highWaterMark: takenAtOnce })
    this.#clock = clock
    this.#lines = lines(auditLog, view, first)
    this.#takenAt = clock.now()
  }

  /** Whether something waits for a reader who has not taken anything for a minute. */
  get isStalled (): boolean {
    return this.readableLength > 0 && this.#clock.now() - this.#takenAt >= patience
  }

  override _read (): void {
    this.#takenAt = this.#clock.now()
    this.#lines.next().then(({ value }) => { this.push(value ?? null) }, (error: unknown) => { this.destroy(error instanceof Error ? error : new Error(String(error))) })
  }
}

/** Reads the first page before it returns. @throws DWA_STORE_UNAVAILABLE */
export async function exportLog (options: LogExportOptions): Promise<LogExport> {
  return new LogExport(options, await options.auditLog.find({ ...options.view, limit: pageSize }))
}

async function * lines (auditLog: Pick<AuditLog, 'find'>, view: LogView, first: readonly LogEntry[]): AsyncGenerator<string, void, undefined> {
  let page = first
  while (page.length > 0) {
    let text = ''
    for (const entry of page) {
      text += `${JSON.stringify(entry)}\n`
      if (text.length < takenAtOnce) continue
      yield text
      text = ''
    }
    if (text !== '') yield text
    const last = page.at(-1)
    page = page.length < pageSize || last === undefined ? [] : await auditLog.find({ ...view, limit: pageSize, after: last.id })
  }
}
