interface Waiting<Order, Result> {
  readonly order: Order
  readonly resolve: (result: Result) => void
  readonly reject: (reason: unknown) => void
}

/** More are never put into one command. */
const maxSize = 500

/**
 * Does in one command what many callers ask for in one turn of the event loop: a busy process sends few commands, and an idle one is no slower.
 * When the command fails, it fails for all of them.
 */
export class Batch<Order, Result> {
  readonly #run: (orders: readonly Order[]) => Promise<(order: Order) => Result>
  #waiting: Array<Waiting<Order, Result>> = []

  /** @param run does all of it, and returns what became of each order */
  constructor (run: (orders: readonly Order[]) => Promise<(order: Order) => Result>) {
    this.#run = run
  }

  /** Resolves, or rejects, with what became of the order. */
  async add (order: Order): Promise<Result> {
    return await new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ order, resolve, reject })
      if (this.#waiting.length === 1) setImmediate(() => { this.#send() })
      else if (this.#waiting.length === maxSize) this.#send()
    })
  }

  #send (): void {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length === 0) return // it was full before the turn ended
    this.#run(waiting.map(({ order }) => order)).then(
      (resultOf) => { for (const { order, resolve } of waiting) resolve(resultOf(order)) },
      (error: unknown) => { for (const { reject } of waiting) reject(error) }
    )
  }
}
