import { html, type Html } from '../../http/page.js'
import type { PageLanguage } from '../../http/page-language.js'
import { labelOf } from './labels.js'
import { consoleTexts, type ConsoleTexts } from './texts.js'

/** How values are shown to people, in their language. */
export class Show {
  readonly language: PageLanguage
  readonly #texts: ConsoleTexts
  readonly #time: Intl.DateTimeFormat

  constructor (language: PageLanguage) {
    this.language = language
    this.#texts = consoleTexts[language]
    this.#time = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })
  }

  /** A time in words, in UTC. */
  timeText (at: Date): string {
    return `${this.#time.format(at)} UTC`
  }

  time (at: Date): Html {
    return html`<time datetime="${at.toISOString()}">${this.timeText(at)}</time>`
  }

  /** A value by its name: a status as a badge, times as times, lists as lists, and objects as JSON. */
  value (name: string, value: unknown): Html {
    if (value === null || value === undefined || value === '') return html`–`
    if (typeof value === 'boolean') return html`${this.#flag(name, value)}`
    if (value instanceof Date) return this.time(value)
    if (typeof value === 'number') return isTime(name) ? this.time(new Date(value)) : html`${value}`
    if (Array.isArray(value)) return this.#list(value)
    if (typeof value === 'object') return json(value)
    return name === 'status' ? this.status(String(value)) : html`<bdi>${String(value)}</bdi>`
  }

  /** Where a grant stands. */
  status (status: string): Html {
    const text = Object.entries(this.#texts.status).find(([name]) => name === status)?.[1] ?? status
    return html`<span class="badge ${status === 'authorized' ? 'good' : status === 'draft' ? '' : 'bad'}">${text}</span>`
  }

  /** A list of names and values. */
  definitions (pairs: ReadonlyArray<readonly [name: string, value: Html]>): Html {
    return html`<dl>${pairs.map(([name, value]) => html`<dt>${labelOf(this.language, name)}</dt><dd>${value}</dd>`)}</dl>`
  }

  /** A text to be copied: a click takes all of it, and scripts add a button. */
  copyable (what: string, text: string): Html {
    return html`<code data-copy="${this.#texts.copyNamed(what)}">${text}</code>`
  }

  #flag (name: string, value: boolean): string {
    if (/^has[A-Z]/.test(name)) return value ? this.#texts.stored : this.#texts.notStored
    return value ? this.#texts.yes : this.#texts.no
  }

  #list (values: readonly unknown[]): Html {
    if (values.length === 0) return html`${this.#texts.none}`
    return html`<ul>${values.map((value) => html`<li>${typeof value === 'object' ? json(value) : html`<code>${String(value)}</code>`}</li>`)}</ul>`
  }
}

/** JSON to be read. */
export function json (value: unknown): Html {
  return html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`
}

/** Milliseconds since 1970, where a kind of record shows its times as such. */
function isTime (name: string): boolean {
  return /(At|From|Since)$/.test(name)
}
