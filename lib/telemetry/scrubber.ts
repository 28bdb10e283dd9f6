import type { Json } from '../log/canonical-json.js'
import { redact } from '../log/redact.js'
import type { HandledSecrets } from '../store/handled-secrets.js'
import { redactShapes } from './token-shapes.js'

const removed = '[redacted]'
const email = /[^\s@<>"'()[\]:;,/=]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,63}/gi
/** Whatever they hold, it came from a request or goes into one. */
const unsent = new Set(['headers', 'rawheaders', 'cookie', 'cookies', 'setcookie', 'authorization', 'proxyauthorization', 'body', 'payload', 'query', 'querystring', 'searchparams', 'form'])

/** Per text, per event, per object, and levels of objects in objects. */
const maxText = 8000
const maxTexts = 200_000
const maxMembers = 100
const maxValues = 2000
const maxDepth = 6

export interface ScrubberOptions {
  readonly handledSecrets: Pick<HandledSecrets, 'redact' | 'includesIn'>
  /** Null when personal data may be sent; otherwise the texts that name the person at hand. */
  readonly people: readonly string[] | null
}

/**
 * Takes out of an event what must not leave: secrets that the store has handled, whatever has the form of a credential, and people.
 * One is made for each event: it also bounds how large that becomes.
 */
export class Scrubber {
  readonly #handledSecrets: ScrubberOptions['handledSecrets']
  readonly #people: readonly string[] | null
  readonly #above: object[] = []
  #room = maxTexts
  #values = maxValues

  constructor ({ handledSecrets, people }: ScrubberOptions) {
    this.#handledSecrets = handledSecrets
    this.#people = people === null ? null : people.filter((text) => text.length > 2).sort((one, other) => other.length - one.length)
  }

  /** @param name of the member it is the value of: some names are reason enough */
  text (text: string, name = ''): string {
    const bounded = wellFormed(text.slice(0, Math.min(maxText, this.#room)))
    this.#room -= bounded.length
    const clean = this.#withoutPeople(redactShapes(this.#handledSecrets.redact(bounded), name))
    return bounded.length < text.length ? `${clean}…` : clean
  }

  /** A plain copy; undefined for what is no data. Objects are read without running getters. */
  value (value: unknown, name = ''): Json | undefined {
    if (--this.#values < 0 || unsent.has(name.toLowerCase().replace(/[^a-z]/g, ''))) return undefined
    switch (typeof value) {
      case 'string': return this.text(value, name)
      case 'boolean': return value
      case 'number':
      case 'bigint': return this.#number(value, name)
      case 'object': return value === null ? null : this.#object(value, name)
      default: return undefined
    }
  }

  /** The members of an object that are data. */
  members (object: object): { [name: string]: Json } {
    const members: Array<readonly [string, Json]> = []
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(object)).slice(0, maxMembers)) {
      const clean: Json | undefined = this.value(value, name)
      if (clean !== undefined) members.push([this.text(name), clean])
    }
    return Object.fromEntries(members)
  }

  #object (object: object, name: string): Json | undefined {
    if (object instanceof Date) return Number.isNaN(object.getTime()) ? null : object.toISOString()
    if (object instanceof Error) return this.text(`${object.name}: ${object.message}`, name)
    if (ArrayBuffer.isView(object) || object instanceof ArrayBuffer || object instanceof Map || object instanceof Set) return undefined
    if (this.#above.includes(object) || this.#above.length >= maxDepth) return undefined
    this.#above.push(object)
    const copy = Array.isArray(object) ? object.slice(0, maxMembers).flatMap((item: unknown) => this.value(item, name) ?? []) : this.members(object)
    this.#above.pop()
    return copy
  }

  /** A number is looked at as the text it is: a secret may be made of digits. */
  #number (value: number | bigint, name: string): Json {
    const text = String(value)
    if (this.#handledSecrets.includesIn(text)) return removed
    return redact(typeof value === 'number' && Number.isFinite(value) ? value : text, name)
  }

  #withoutPeople (text: string): string {
    return this.#people === null ? text : this.#people.reduce((clean, person) => clean.replaceAll(person, removed), text).replace(email, removed)
  }
}

/** Without lone surrogates, as it would arrive. */
function wellFormed (text: string): string {
  return Buffer.from(text).toString()
}
