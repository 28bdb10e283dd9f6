import { Readable } from 'node:stream'
import type { Clock } from '../clock.js'
import type { AuditLog } from '../log/audit-log.js'
import { sees, type LogView } from './log-access.js'
import { Frame, type LogFeed } from './log-feed.js'

export interface LogStreamOptions {
  readonly auditLog: Pick<AuditLog, 'tail'>
  readonly feed: LogFeed
  readonly clock: Clock
  readonly view: LogView
  /** Bytes that wait for a reader at most: one who does not read is let go, and may come back to where they were. */
  readonly maxWaiting: number
  /** Runs a reading of the log from an old place on: few at a time. */
  readonly inTurn: (read: () => Promise<void>) => Promise<void>
}

/** Milliseconds that a reader of old entries is waited for, in all of one turn: then others have theirs, and who was let go comes back to where they were. */
const patience = 10_000
/** Bytes that are handed on at once, and entries. */
const takenAtOnce = 16 * 1024
const sentAtOnce = 50
/** So many new entries wait for a stream that still reads old ones. */
const maxHeld = 1000

/** The log as one reader sees it: server-sent events (HTML §9.2). */
export class LogStream extends Readable {
  readonly openedAt: number
  readonly #options: LogStreamOptions
  readonly #unsubscribe: () => void
  readonly #catchingUp = new AbortController()
  /** New entries, as long as older ones come first. */
  #held: Frame[] | null = null
  /** The entry that the reader has, or has passed over, last. */
  #last: string | null
  #room = (): void => {}
  #ended = false
  /** What is left of `patience`. */
  #patience = patience

  /** @param after the entry that the reader has; without one it begins now */
  constructor (options: LogStreamOptions, after: string | undefined) {
    super({ highWaterMark: takenAtOnce })
    const { feed, clock } = options
    this.#options = options
    this.openedAt = clock.now()
    this.#last = after ?? feed.position
    this.push(`retry: 2000\n${this.#place()}\n`)
    this.#unsubscribe = feed.subscribe((frame) => { this.#take(frame) })
    if (after === undefined) return
    const missed = feed.since(after)
    if (missed !== null && missed.length <= sentAtOnce) for (const frame of missed) this.#pass(frame)
    else this.#catchUp(after).catch((error: unknown) => { this.destroy(error instanceof Error ? error : undefined) })
  }

  /** Says that the stream is alive, and how far the reader has seen the log, also where nothing of it was theirs to see. */
  beat (): void {
    this.#send(this.#held === null ? `:\n${this.#place()}\n` : ':\n\n')
  }

  /** Nothing more comes; the reader may come back. */
  end (): void {
    this.#leave()
    this.#ended = true
    this.push(null)
  }

  override _read (): void {
    this.#room()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    this.#leave()
    callback(error)
  }

  #leave (): void {
    this.#unsubscribe()
    this.#catchingUp.abort()
    this.#room()
  }

  #place (): string {
    return this.#last === null ? '' : `id: ${this.#last}\n`
  }

  #take (frame: Frame): void {
    if (this.#held === null) return this.#pass(frame)
    this.#held.push(frame)
    if (frame.entry.id === this.#last) this.#goLive(this.#held.length) // the reader was ahead of the feed
    else if (this.#held.length > maxHeld) this.destroy()
  }

  #pass ({ entry, text }: Frame): void {
    this.#last = entry.id
    if (sees(this.#options.view, entry)) this.#send(text)
  }

  #send (text: string): void {
    if (this.destroyed || this.#ended) return
    this.push(text)
    if (this.readableLength > this.#options.maxWaiting) this.destroy()
  }

  /** Reads from an old place on until it meets what the feed has told of. */
  async #catchUp (after: string): Promise<void> {
    const { auditLog, feed, inTurn } = this.#options
    const { signal } = this.#catchingUp
    const target = feed.position
    this.#held = []
    await inTurn(async () => {
      if (signal.aborted) return
      for await (const entry of auditLog.tail({ after, signal })) {
        const met = this.#held?.findIndex((frame) => frame.entry.id === entry.id) ?? -1
        if (met !== -1) return this.#goLive(met)
        this.#pass(new Frame(entry))
        if (entry.id === target) return this.#goLive(0)
        if (this.readableLength > takenAtOnce) await this.#taken()
      }
    })
  }

  /** Sends what was held, from one of it on, and from now on what comes. */
  #goLive (from: number): void {
    const held = this.#held?.slice(from) ?? []
    this.#held = null
    this.#catchingUp.abort()
    for (const frame of held) this.#pass(frame)
  }

  /** Resolves when the reader has taken what waits, or is gone. */
  async #taken (): Promise<void> {
    const { clock } = this.#options
    const since = clock.now()
    await new Promise<void>((resolve) => {
      const cancel = clock.after(this.#patience, () => { this.destroy() })
      this.#room = () => {
        cancel()
        this.#patience -= clock.now() - since
        this.#room = () => {}
        resolve()
      }
    })
  }
}
