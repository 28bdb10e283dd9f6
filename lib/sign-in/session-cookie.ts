import { stringifySetCookie } from 'cookie'
import { cookieValues } from '../http/cookie-header.js'

/** The cookie of a session: `__Host-dwa_session`, which no other host and no plain connection can set, wherever the app is reached by https. */
export class SessionCookie {
  readonly name: string
  readonly #secure: boolean

  constructor (secure: boolean) {
    this.#secure = secure
    this.name = `${secure ? '__Host-' : ''}dwa_session`
  }

  /** What the browser says; null without one, and when there are two (cookie tossing, security.md 51). */
  read (header: string | undefined): string | null {
    const [value, another] = cookieValues(header, this.name)
    return value !== undefined && another === undefined && /^[\w-]{43}$/.test(value) ? value : null
  }

  /** A Set-Cookie header. @param maxAge seconds */
  set (value: string, maxAge: number): string {
    return stringifySetCookie({ name: this.name, value, maxAge, path: '/', httpOnly: true, sameSite: 'lax', secure: this.#secure })
  }

  clear (): string {
    return this.set('', 0)
  }
}
