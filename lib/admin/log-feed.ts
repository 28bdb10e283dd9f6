import type { AuditLog } from '../log/audit-log.js'
import type { LogEntry } from '../log/log-entry.js'

/** An entry as an event of server-sent events (HTML §9.2), made once for all streams that send it: JSON has no line breaks. */
export class Frame {
  readonly entry: LogEntry
  #text: string | null = null

  constructor (entry: LogEntry) {
    this.entry = entry
  }

  get text (): string {
    this.#text ??= `id: ${this.entry.id}\ndata: ${JSON.stringify(this.entry)}\n\n`
    return this.#text
  }
}

/** So many entries are kept for streams that come back after a short break. */
const kept = 500

/** The log as it grows, read once for all streams of the process, from the first of them on: a cursor for each would use up the database's connections. */
export class LogFeed {
  readonly #auditLog: Pick<AuditLog, 'find' | 'tail'>
  readonly #onEnd: (reason: unknown) => void
  readonly #ending = new AbortController()
  readonly #listeners = new Set<(frame: Frame) => void>()
  readonly #recent: Frame[] = []
  #position: string | null = null
  #starting: Promise<void> | null = null

  /** @param onEnd told that nothing more comes, and why; undefined: the log is closed */
  constructor (auditLog: Pick<AuditLog, 'find' | 'tail'>, onEnd: (reason: unknown) => void) {
    this.#auditLog = auditLog
    this.#onEnd = onEnd
  }

  /** The id of the entry that was told of last. */
  get position (): string | null {
    return this.#position
  }

  /** Begins to read, unless that was done. @throws DWA_STORE_UNAVAILABLE */
  async start (): Promise<void> {
    this.#starting ??= this.#start()
    await this.#starting
  }

  /** @returns the function that unsubscribes */
  subscribe (listener: (frame: Frame) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** What came after an entry; null when it is not known any more. */
  since (id: string): readonly Frame[] | null {
    if (id === this.#position) return []
    const index = this.#recent.findIndex(({ entry }) => entry.id === id)
    return index === -1 ? null : this.#recent.slice(index + 1)
  }

  stop (): void {
    this.#ending.abort()
  }

  async #start (): Promise<void> {
    try {
      const [newest] = await this.#auditLog.find({ limit: 1 })
      this.#position = newest?.id ?? null
    } catch (error) {
      this.#starting = null
      throw error
    }
    this.#read(this.#position).then(() => { this.#end() }, (error: unknown) => { this.#end(error) })
  }

  async #read (after: string | null): Promise<void> {
    for await (const entry of this.#auditLog.tail({ signal: this.#ending.signal, ...(after === null ? {} : { after }) })) {
      const frame = new Frame(entry)
      this.#position = entry.id
      this.#recent.push(frame)
      if (this.#recent.length > kept) this.#recent.shift()
      for (const listener of this.#listeners) listener(frame)
    }
  }

  #end (reason?: unknown): void {
    this.#starting = null
    this.#recent.length = 0
    this.#onEnd(reason)
  }
}
