import { Readable } from 'node:stream'
import type { AuditLog } from '../log/audit-log.js'
import type { LogEntry } from '../log/log-entry.js'
import type { LogView } from './log-access.js'

/** Entries that are in memory at once. */
const pageSize = 500

/**
 * The log as newline-delimited JSON, newest first, read as fast as it is taken. The first page is read before it returns.
 * @throws DWA_STORE_UNAVAILABLE
 */
export async function exportLog (auditLog: Pick<AuditLog, 'find'>, view: LogView): Promise<Readable> {
  const first = await auditLog.find({ ...view, limit: pageSize })
  return Readable.from(lines(auditLog, view, first), { objectMode: false, highWaterMark: 64 * 1024 })
}

async function * lines (auditLog: Pick<AuditLog, 'find'>, view: LogView, first: readonly LogEntry[]): AsyncGenerator<string, void, undefined> {
  let page = first
  while (page.length > 0) {
    yield page.map((entry) => `${JSON.stringify(entry)}\n`).join('')
    const last = page.at(-1)
    page = page.length < pageSize || last === undefined ? [] : await auditLog.find({ ...view, limit: pageSize, after: last.id })
  }
}
