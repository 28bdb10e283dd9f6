import type { Readable } from 'node:stream'
import { every, type Clock } from '../clock.js'
import { errors } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Logger } from '../store/logger.js'
import type { LogView } from './log-access.js'
import { exportLog, LogExport } from './log-export.js'
import { LogFeed } from './log-feed.js'
import { LogStream } from './log-stream.js'

export interface LogReadersOptions {
  readonly auditLog: AuditLog
  readonly clock: Clock
  readonly logger: Logger
  /** Streams and exports at once. */
  readonly max: number
  /** Bytes that wait for a reader of a stream at most. Default 256 KiB. */
  readonly maxWaiting?: number
}

const beatMs = 15_000
/** Milliseconds between looks at whether a reader may still read. A look that takes as long ends what they read: within twice that, whoever may not is gone. */
const lookMs = 15_000
/** After so many milliseconds a stream ends, to be begun again. */
const maxAgeMs = 900_000
/** Readings from an old place on that run at once. */
const maxCatchingUp = 4

/** Somebody who reads the log for a while. */
export interface LogReader {
  readonly view: LogView
  /** Asks again whether they may still see that. One who cannot be asked for may not. */
  readonly mayStill: () => Promise<boolean>
}

/** The open streams and exports of the log, in one process. */
export class LogReaders {
  readonly #options: LogReadersOptions
  readonly #feed: LogFeed
  readonly #streams = new Set<LogStream>()
  readonly #exports = new Set<LogExport>()
  readonly #waiting: Array<() => void> = []
  #opening = 0
  #catchingUp = 0
  #stopBeating: (() => void) | null = null

  constructor (options: LogReadersOptions) {
    this.#options = options
    this.#feed = new LogFeed(options.auditLog, (reason) => {
      if (reason !== undefined) options.logger.error({ err: reason }, 'the streams of the audit log were broken off')
      for (const stream of this.#streams) stream.end()
    })
  }

  /** How many are open. */
  get open (): number {
    return this.#streams.size + this.#exports.size + this.#opening
  }

  /** Entries as they come, from after the one with that id. @throws DWA_ADMIN_TOO_MANY_STREAMS, DWA_STORE_UNAVAILABLE */
  async stream ({ view, mayStill }: LogReader, after: string | undefined): Promise<Readable> {
    return await this.#opened(this.#streams, mayStill, async () => {
      await this.#feed.start()
      this.#stopBeating ??= every(this.#options.clock, beatMs, () => { this.#beat() })
      const { auditLog, clock, maxWaiting = 256 * 1024 } = this.#options
      return new LogStream({ auditLog, clock, feed: this.#feed, view, maxWaiting, inTurn: async (read) => { await this.#inTurn(read) } }, after)
    })
  }

  /** What there is, as newline-delimited JSON. @throws DWA_ADMIN_TOO_MANY_STREAMS, DWA_STORE_UNAVAILABLE */
  async export ({ view, mayStill }: LogReader): Promise<Readable> {
    const { auditLog, clock } = this.#options
    return await this.#opened(this.#exports, mayStill, async () => await exportLog({ auditLog, clock, view }))
  }

  /** Ends every stream, and breaks off every export. */
  close (): void {
    this.#feed.stop()
    for (const stream of this.#streams) stream.end()
    for (const one of this.#exports) one.destroy()
  }

  async #opened<Stream extends LogStream | LogExport> (open: Set<Stream>, mayStill: LogReader['mayStill'], make: () => Promise<Stream>): Promise<Stream> {
    if (this.open >= this.#options.max) throw new errors.DWA_ADMIN_TOO_MANY_STREAMS()
    this.#opening++
    try {
      const stream = await make()
      open.add(stream)
      const stopLooking = this.#look(stream, mayStill)
      stream.once('close', () => {
        stopLooking()
        open.delete(stream)
        if (this.#streams.size > 0) return
        this.#stopBeating?.()
        this.#stopBeating = null
      })
      return stream
    } finally {
      this.#opening--
    }
  }

  /** Breaks a stream off when its reader may not read it any more, or does not. @returns the function that ends the looks */
  #look (stream: LogStream | LogExport, mayStill: LogReader['mayStill']): () => void {
    const { clock, logger } = this.#options
    let asking = false
    return every(clock, lookMs, () => {
      if (asking || (stream instanceof LogExport && stream.isStalled)) {
        stream.destroy()
        return
      }
      asking = true
      mayStill().then((may) => {
        asking = false
        if (!may) stream.destroy()
      }, (error: unknown) => {
        logger.error({ err: error }, 'whether a reader of the audit log still may read it could not be found out: it was broken off')
        stream.destroy()
      })
    })
  }

  #beat (): void {
    const oldest = this.#options.clock.now() - maxAgeMs
    for (const stream of this.#streams) {
      if (stream.openedAt > oldest) stream.beat()
      else if (stream.openedAt > oldest - 2 * beatMs) stream.end()
      else stream.destroy() // nobody takes what was left
    }
  }

  async #inTurn (read: () => Promise<void>): Promise<void> {
    while (this.#catchingUp >= maxCatchingUp) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    this.#catchingUp++
    try {
      await read()
    } finally {
      this.#catchingUp--
      this.#waiting.shift()?.()
    }
  }
}
