import type { Origin, Received } from './exchange.js'

/** One request that reached the simulator. */
export interface DocuWareCall {
  readonly origin: Origin
  readonly method: string
  /** Below `platformUrl` or `identityUrl`, without the query: `/Organizations`, `/connect/token`. */
  readonly path: string
  /** The query's parameters; of a repeated one the last. */
  readonly query: { readonly [name: string]: string }
  /** `grant_type` of a token request. */
  readonly grantType?: string
  /** Names of a form's parameters, in order. */
  readonly parameters: readonly string[]
  /** The scheme of the Authorization header, such as `Bearer`. */
  readonly authorization?: string
  /** The Accept header. */
  readonly accept?: string
  /** When it came, by the simulator's clock, in milliseconds since 1970. */
  readonly at: number
  /** Null until it is answered, and for good when the connection was dropped. */
  readonly status: number | null
}

type OpenCall = { -readonly [Name in keyof DocuWareCall]: DocuWareCall[Name] }

const kept = 20_000
const keptCounters = 1000

/** The calls, in the order in which they came: the last 20 000, and counters of all. */
export class Calls {
  #calls: OpenCall[] = []
  #counters = new Map<string, number>()

  /** Notes a request; the function it returns notes the answer's status. */
  add (received: Received, at: number): (status: number) => void {
    const { origin, method, path, url, form, incoming } = received
    const grantType = form?.get('grant_type') ?? undefined
    const authorization = incoming.headers.authorization?.split(' ', 1).at(0)
    const accept = incoming.headers.accept
    const call: OpenCall = {
      origin,
      method,
      path,
      query: Object.fromEntries(url.searchParams),
      parameters: form === null ? [] : [...form.keys()],
      at,
      status: null,
      ...(grantType === undefined ? {} : { grantType }),
      ...(authorization === undefined ? {} : { authorization }),
      ...(accept === undefined ? {} : { accept })
    }
    this.#calls.push(call)
    if (this.#calls.length > 2 * kept) this.#calls = this.#calls.slice(-kept)
    this.#count(`${method} ${withoutIds(path)}${grantType === undefined ? '' : ` ${grantType}`}`)
    return (status) => { call.status = status }
  }

  list (): DocuWareCall[] {
    return this.#calls.slice(-kept).map((call) => ({ ...call }))
  }

  counters (): { [call: string]: number } {
    return Object.fromEntries(this.#counters)
  }

  clear (): void {
    this.#calls = []
    this.#counters.clear()
  }

  #count (name: string): void {
    const counter = this.#counters.has(name) || this.#counters.size < keptCounters ? name : 'others'
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + 1)
  }
}

function withoutIds (path: string): string {
  return path.replace(/\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\/|$)/gi, '/{id}').replace(/\/\d+(?=\/|$)/g, '/{n}')
}
