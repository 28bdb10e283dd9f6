/** Operations one at a time for each key, in the order they came; those under different keys at once. */
export class Turns {
  /** The last one under each key. It never rejects. */
  readonly #last = new Map<string, Promise<void>>()

  /** Resolves, or rejects, as the operation does. */
  async run<T> (key: string, operation: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(operation)
    const settled = turn.then(() => {}, () => {}) // its own caller learns of it
    this.#last.set(key, settled)
    try {
      return await turn
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key)
    }
  }
}
