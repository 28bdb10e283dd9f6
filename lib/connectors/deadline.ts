import type { Clock } from '../clock.js'
import { onAbort } from './abort.js'
import type { ExchangeErrors } from './dialect.js'

/** The time limit of one try, and the caller's wish to end it, as one signal. With `resume` at every sign of life it limits silence instead. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #clock: Clock
  readonly #ms: number
  readonly #errors: Pick<ExchangeErrors, 'timeout'>
  readonly #forget: (() => void) | undefined
  #cancel: (() => void) | null = null
  #state: 'running' | 'kept' | 'ended' = 'running'

  /** @throws the signal's reason when it has aborted already */
  constructor (clock: Clock, ms: number, signal: AbortSignal | undefined, errors: Pick<ExchangeErrors, 'timeout'>) {
    signal?.throwIfAborted()
    this.#clock = clock
    this.#ms = ms
    this.#errors = errors
    this.#forget = signal === undefined ? undefined : onAbort(signal, () => { this.#controller.abort(signal.reason) })
    this.resume()
  }

  /** Aborts with the time-out of its errors, or with the caller's reason. */
  get signal (): AbortSignal {
    return this.#controller.signal
  }

  /** Whether nothing waits for an answer any more. */
  get over (): boolean {
    return this.#state === 'ended' || this.#controller.signal.aborted
  }

  /** Counts from now on. */
  resume (): void {
    if (this.#state === 'ended') return
    this.#cancel?.()
    this.#cancel = this.#clock.after(this.#ms, () => { this.#controller.abort(this.#errors.timeout(this.#ms)) })
  }

  /** Stops counting: nobody waits for the peer. */
  suspend (): void {
    this.#cancel?.()
    this.#cancel = null
  }

  /** Outlives the try, for a file that is still coming in. */
  keep (): void {
    this.#state = 'kept'
  }

  /** The try is over. */
  settle (): void {
    if (this.#state === 'running') this.end()
  }

  end (): void {
    this.#state = 'ended'
    this.suspend()
    this.#forget?.()
  }
}
