import type { ClientRequest } from 'node:http'

/** Milliseconds: what a process that stood still has to read what came meanwhile. */
const secondLook = 250

/**
 * The time limit of one exchange. A process that stood still, or was too busy, finds its timers due before it looks at its sockets:
 * a request that was sent gets its answer if that is there, since the answer may not be given twice; one that was not is not sent any more.
 */
export class TimeLimit {
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout
  #request: ClientRequest | null = null

  /** @param ms milliseconds from now */
  constructor (ms: number) {
    const due = performance.now() + ms
    const abort = (): void => { this.#controller.abort() }
    this.#timer = setTimeout(() => {
      const stoodStill = performance.now() - due > secondLook
      if (stoodStill && this.#request?.writableFinished === true) this.#timer = setTimeout(abort, secondLook).unref()
      else abort()
    }, ms).unref()
  }

  get signal (): AbortSignal {
    return this.#controller.signal
  }

  /** The request that is limited. */
  of (request: ClientRequest): void {
    this.#request = request
  }

  end (): void {
    clearTimeout(this.#timer)
  }
}
