import { request, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

/** One event of server-sent events: its `data` parsed, or null where it has none. */
export interface SentEvent {
  readonly id: string | null
  readonly entry: { readonly id: string, readonly event: string, readonly [name: string]: unknown } | null
}

/** Reads server-sent events off anything that streams. */
export class EventReader {
  readonly #chunks: AsyncIterator<Buffer | string>
  #rest = ''

  constructor (stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** The next event; null when the stream has ended. */
  async next (): Promise<SentEvent | null> {
    for (;;) {
      const end = this.#rest.indexOf('\n\n')
      if (end !== -1) {
        const lines = this.#rest.slice(0, end).split('\n')
        this.#rest = this.#rest.slice(end + 2)
        const field = (name: string): string | null => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null
        const data = field('data')
        return { id: field('id'), entry: data === null ? null : JSON.parse(data) }
      }
      const { done, value } = await this.#chunks.next()
      if (done === true) return null
      this.#rest += String(value)
    }
  }

  /** The next event that has an entry; null when the stream has ended. */
  async entry (): Promise<NonNullable<SentEvent['entry']> | null> {
    for (;;) {
      const event = await this.next()
      if (event === null) return null
      if (event.entry !== null) return event.entry
    }
  }

  /** The events of the next so many entries. */
  async events (count: number): Promise<Array<string | undefined>> {
    const found: Array<string | undefined> = []
    while (found.length < count) found.push((await this.entry())?.event)
    return found
  }
}

/** A request that is answered by a stream, on a connection of its own. Nothing is read of it until somebody does. */
export async function openStream (url: string, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
  const sent = request(url, { headers, agent: false })
  sent.end()
  const [answer]: IncomingMessage[] = await once(sent, 'response')
  if (answer === undefined) throw new Error('no answer')
  return answer
}
