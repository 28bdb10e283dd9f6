/** Holds the answers of token requests until it is opened. */
export interface DocuWareGate {
  /** Resolves when `count` token requests are waiting at the gate; at once when they are already there. */
  waiting: (count?: number) => Promise<void>
  /** Lets everyone through, now and later. May be called twice. */
  release: () => void
}

export class Gate implements DocuWareGate {
  readonly #matches: (grantType: string | undefined) => boolean
  readonly opened: Promise<void>
  #open = false
  #resolve: () => void = () => {}
  #held = 0
  #watchers: Array<{ count: number, resolve: () => void }> = []

  constructor (grantType: string | undefined) {
    this.#matches = (other) => grantType === undefined || grantType === other
    this.opened = new Promise((resolve) => { this.#resolve = resolve })
  }

  /** Whether a request of this grant type has to wait for `opened`; counts those that do. */
  holds (grantType: string | undefined): boolean {
    if (this.#open || !this.#matches(grantType)) return false
    this.#held++
    for (const watcher of this.#watchers) if (this.#held >= watcher.count) watcher.resolve()
    return true
  }

  async waiting (count = 1): Promise<void> {
    if (this.#held >= count) return
    await new Promise<void>((resolve) => { this.#watchers.push({ count, resolve }) })
  }

  release (): void {
    this.#open = true
    this.#resolve()
  }
}
