import type { AuditLog, LogQuery } from '../../lib/log/audit-log.js'
import type { LogEntry } from '../../lib/log/log-entry.js'

/** A log in memory, whose tails can be made to stand still. */
export class FakeLog implements Pick<AuditLog, 'find' | 'tail'> {
  readonly entries: LogEntry[] = []
  readonly queries: LogQuery[] = []
  /** How many tails are open. */
  tails = 0
  #holding: Promise<void> | null = null
  #release = (): void => {}
  #failure: Error | null = null
  #oldFailure: Error | null = null
  readonly #waiting = new Set<() => void>()

  /** @param bytes of its message */
  add (event: string, bytes = 0): LogEntry {
    const seq = this.entries.length + 1
    const entry: LogEntry = {
      id: seq.toString(16).padStart(24, '0'),
      chain: 'chain',
      seq,
      at: new Date(seq),
      event,
      level: 'info',
      actor: null,
      target: { type: 'connection', id: `t${seq}`, name: 'acme' },
      requestId: null,
      message: 'x'.repeat(bytes),
      details: {},
      key: 'key',
      prev: null,
      hash: 'hash'
    }
    this.entries.push(entry)
    this.#wake()
    return entry
  }

  /** Old entries are not read any more until `release`: the first tail goes on with new ones. */
  hold (): void {
    this.#holding ??= new Promise((resolve) => { this.#release = resolve })
  }

  release (): void {
    this.#holding = null
    this.#release()
  }

  /** Everything fails, or only tails that read old entries. */
  fail (error: Error, what: 'all' | 'old' = 'all'): void {
    if (what === 'all') this.#failure = error
    this.#oldFailure = error
    this.#wake()
  }

  async find (query: LogQuery = {}): Promise<LogEntry[]> {
    this.queries.push(query)
    if (this.#failure !== null) throw this.#failure
    const end = query.after === undefined ? this.entries.length : this.entries.findIndex(({ id }) => id === query.after)
    return this.entries.slice(0, end).reverse().slice(0, query.limit ?? 100)
  }

  async * tail ({ after, signal }: { readonly after?: string, readonly signal?: AbortSignal } = {}): AsyncGenerator<LogEntry, void, undefined> {
    const isFirst = this.tails++ === 0
    signal?.addEventListener('abort', () => { this.#wake() })
    let index: number | null = null
    try {
      while (signal?.aborted !== true) {
        const failure = isFirst ? this.#failure : this.#oldFailure
        if (failure !== null) throw failure
        if (!isFirst && this.#holding !== null) await this.#holding
        index ??= this.entries.findIndex(({ id }) => id === after) + 1
        const entry = this.entries[index]
        if (entry === undefined) {
          await new Promise<void>((resolve) => { this.#waiting.add(resolve) })
        } else {
          index++
          yield entry
        }
      }
    } finally {
      this.tails--
    }
  }

  #wake (): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
