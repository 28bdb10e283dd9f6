import { createHmac, timingSafeEqual } from 'node:crypto'
import { cookieValues } from './cookie-header.js'

/** A cookie for a browser; it lasts as long as the browser runs. */
export interface BrowserCookie {
  readonly name: string
  readonly value: string
  readonly secure: boolean
}

/** Who a browser is, by a random cookie of its own that says nothing about anybody: what a page asked, the same browser must answer (security.md 13). */
export class BrowserBinding {
  readonly #name: string
  readonly #secure: boolean
  readonly #randomBytes: (size: number) => Buffer

  /** @param secure whether the pages are reached over https: the cookie's name then begins with `__Host-` */
  constructor (name: string, secure: boolean, randomBytes: (size: number) => Buffer) {
    this.#name = `${secure ? '__Host-' : ''}${name}`
    this.#secure = secure
    this.#randomBytes = randomBytes
  }

  /** The browser's cookie; null without one, and when there are two (cookie tossing, security.md 51). */
  read (cookieHeader: string | undefined): string | null {
    const [value, another] = cookieValues(cookieHeader, this.#name)
    return value !== undefined && another === undefined && /^[\w-]{43}$/.test(value) ? value : null
  }

  /** The cookie the browser has, or a new one to be set, so that pages in several tabs do not take it from each other. */
  ensure (cookieHeader: string | undefined): { readonly browser: string, readonly set: BrowserCookie | null } {
    const known = this.read(cookieHeader)
    if (known !== null) return { browser: known, set: null }
    const browser = this.#randomBytes(32).toString('base64url')
    return { browser, set: { name: this.#name, value: browser, secure: this.#secure } }
  }
}

/** What a form of that person in that browser must bring back, for the pages of that purpose: nobody without the cookie can know it. */
export function formToken (purpose: string, browser: string, user: string): string {
  return createHmac('sha256', browser).update(`fastify-docuware-auth/${purpose}\n`).update(user).digest('base64url')
}

export function isFormToken (presented: string, purpose: string, browser: string, user: string): boolean {
  const expected = Buffer.from(formToken(purpose, browser, user))
  const found = Buffer.from(presented)
  return found.length === expected.length && timingSafeEqual(found, expected)
}
