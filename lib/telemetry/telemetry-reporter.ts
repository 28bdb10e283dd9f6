import type { Clock } from '../clock.js'
import { isAuthError } from '../errors.js'
import type { HandledSecrets } from '../store/handled-secrets.js'
import { reasonOf, type Logger } from '../store/logger.js'
import { errorEvent, type CapturedError } from './error-event.js'
import type { ErrorContext, ErrorReporter } from './error-reporter.js'
import { IsolatedClient } from './isolated-client.js'
import { isCallersMistake, isRaisedHere } from './raised-here.js'
import { scrubEvent } from './scrub-event.js'
import { Scrubber } from './scrubber.js'
import type { SentrySdk } from './sentry-sdk.js'
import type { ActiveSettings } from './telemetry-settings.js'

export interface TelemetryReporterOptions {
  /** The settings that hold now; null while telemetry is off. @throws DWA_STORE_UNAVAILABLE when nobody knows */
  readonly settings: () => Promise<ActiveSettings | null>
  readonly sdk: SentrySdk
  readonly handledSecrets: HandledSecrets
  readonly clock: Clock
  readonly logger: Logger
}

interface WaitingError extends CapturedError {
  /** Whether it is to be sent at all, asked when its turn comes. */
  readonly isMeant: (error: unknown) => boolean
}

/** Errors that wait; more are dropped. */
const maxWaiting = 64
/** Errors a minute; more are dropped: an outage must not become a flood. */
const maxPerMinute = 100
/** Milliseconds that closing waits for what is under way. */
const closeLimit = 2000

/** Sends captured errors one after the other, each under the settings that hold when its turn comes. */
export class TelemetryReporter implements ErrorReporter {
  readonly #options: TelemetryReporterOptions
  readonly #sent = new WeakSet<object>()
  #waiting: WaitingError[] = []
  #working: Promise<void> | null = null
  #preparing = Promise.resolve()
  #client: { readonly dsn: string, readonly client: IsolatedClient } | null = null
  /** Counts the times that everything captured so far was dropped. */
  #drops = 0
  #minute = { from: -Infinity, sent: 0 }
  #problem: string | null = null
  #closed = false

  constructor (options: TelemetryReporterOptions) {
    this.#options = options
  }

  capture (error: unknown, context: ErrorContext = {}): void {
    this.#enqueue(error, context, () => true)
  }

  /** Captures what ended a request, if it was raised inside this package. */
  captureFromRequest (error: unknown, context: ErrorContext): void {
    if (!isCallersMistake(error)) this.#enqueue(error, context, isRaisedHere)
  }

  /** Drops whatever was captured and is not sent yet, and prepares for what comes. */
  restart (): void {
    this.#drop()
    this.prepare()
  }

  /** Reads the settings and, if telemetry is on, loads the SDK, so that the first error does not wait for them. */
  prepare (): void {
    this.#preparing = this.#attempt(async () => { await this.#clientFor(await this.#options.settings()) })
  }

  /** Resolves when the last `prepare` is done, however it went. */
  async prepared (): Promise<void> {
    await this.#preparing
  }

  /** Takes nothing more, sends what waits for 2 s at most, and drops the rest. */
  async close (): Promise<void> {
    this.#closed = true
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => { timer = setTimeout(resolve, closeLimit) })
    await Promise.race([this.#working, limit])
    clearTimeout(timer)
    this.#drop()
  }

  #enqueue (error: unknown, context: ErrorContext, isMeant: WaitingError['isMeant']): void {
    if (this.#closed || this.#waiting.length >= maxWaiting) return
    this.#waiting.push({ error, context, isMeant, at: this.#options.clock.now() })
    this.#working ??= this.#work()
  }

  #drop (): void {
    this.#drops++
    this.#waiting = []
    this.#client?.client.stop()
    this.#client = null
  }

  async #work (): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const one = next
      await this.#attempt(async () => { await this.#send(one) })
    }
    this.#working = null
  }

  /** While nobody knows whether telemetry is on, it is off; whatever else goes wrong is said in the app's log. */
  async #attempt (operation: () => Promise<void>): Promise<void> {
    try {
      await operation()
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) this.#warn(reasonOf(error))
    }
  }

  async #send (captured: WaitingError): Promise<void> {
    const drops = this.#drops
    const settings = await this.#options.settings()
    const client = await this.#clientFor(settings)
    if (settings === null || client === null || drops !== this.#drops) return
    if (!captured.isMeant(captured.error) || !this.#isFirst(captured.error) || !this.#withinRate(captured.at)) return
    const { sendPii } = settings
    const { user, ip } = captured.context
    const people = sendPii ? null : [user?.id, user?.name, ip].filter((text) => text !== undefined)
    await client.send(scrubEvent(errorEvent(captured), new Scrubber({ handledSecrets: this.#options.handledSecrets, people }), sendPii))
  }

  /** Null while telemetry is off, and without the SDK. */
  async #clientFor (settings: ActiveSettings | null): Promise<IsolatedClient | null> {
    const { sdk } = this.#options
    if (settings === null) return null
    const { dsn } = settings
    if (this.#client?.dsn === dsn) return this.#client.client
    if (!sdk.installed()) return null
    const drops = this.#drops
    const sentry = await sdk.load()
    if (this.#client?.dsn === dsn) return this.#client.client // somebody else's wait ended first
    if (drops !== this.#drops) return null
    this.#client?.client.stop()
    const client = new IsolatedClient({ sentry, dsn, onOutcome: (problem) => { this.#note(problem) } })
    this.#client = { dsn, client }
    return client
  }

  #isFirst (error: unknown): boolean {
    if (typeof error !== 'object' || error === null) return true
    if (this.#sent.has(error)) return false
    this.#sent.add(error)
    return true
  }

  #withinRate (now: number): boolean {
    if (now - this.#minute.from >= 60_000) this.#minute = { from: now, sent: 0 }
    return ++this.#minute.sent <= maxPerMinute
  }

  #note (problem: string | null): void {
    if (problem === null) this.#problem = null
    else this.#warn(problem)
  }

  /** Says the same once in a row. */
  #warn (problem: string): void {
    if (problem !== this.#problem && !this.#closed) this.#options.logger.warn({ reason: problem }, 'telemetry could not be sent')
    this.#problem = problem
  }
}
