/** Where a walk through redirects ended: a page, or an address that was not called. */
export interface Place {
  readonly url: URL
  /** 0 when the address was not called. */
  readonly status: number
  readonly text: string
}

export interface BrowserOptions {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Origins that are not called; what is not on loopback never is. */
  readonly elsewhere?: readonly string[]
}

/** As much of a browser as these flows need: cookies of one host, redirects, and a page's form. */
export class Browser {
  readonly #cookies = new Map<string, string>()
  readonly #options: BrowserOptions

  constructor (options: BrowserOptions = {}) {
    this.#options = options
  }

  /** Opens an address and follows where it leads. */
  async open (url: string | URL): Promise<Place> {
    return await this.#walk(new URL(url), {})
  }

  /** Sends the page's form, the first whose action ends with `to`: what is hidden in it, and what a person fills in. */
  async submit ({ url, status, text }: Place, filledIn: ReadonlyArray<readonly [name: string, value: string]>, to = ''): Promise<Place> {
    const form = [...text.matchAll(/<form method="post"(?: action="([^"]+)")?[^]*?<\/form>/g)].find(([, action = '']) => action.endsWith(to))
    if (form === undefined) throw new Error(`${url.origin}${url.pathname} shows no form, but ${status} ${text}`)
    const [fields, action = url] = form
    const body = new URLSearchParams()
    for (const [name, value] of [...inputs(fields, 'hidden'), ...filledIn]) body.append(name, value)
    return await this.#walk(new URL(action, url), { method: 'POST', body, headers: { origin: url.origin } })
  }

  /** Answers a consent page, with all boxes checked unless some scopes are named. */
  async decide (place: Place, decision: 'allow' | 'deny', scopes?: readonly string[]): Promise<Place> {
    const checked = inputs(place.text, 'checkbox').filter(([, value]) => scopes?.includes(value) !== false)
    return await this.submit(place, [...checked, ['decision', decision]])
  }

  async #walk (url: URL, { headers, ...init }: { readonly method?: string, readonly body?: URLSearchParams, readonly headers?: Readonly<Record<string, string>> }): Promise<Place> {
    const { headers: always, elsewhere = [] } = this.#options
    if (url.hostname !== '127.0.0.1' || elsewhere.includes(url.origin)) return { url, status: 0, text: '' }
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { ...init, headers: { accept: 'text/html', ...always, ...headers, cookie }, redirect: 'manual', signal: AbortSignal.timeout(10_000) })
    const text = await response.text()
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (value === '') this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    const location = response.headers.get('location')
    return location === null ? { url, status: response.status, text } : await this.#walk(new URL(location, url), {})
  }
}

function inputs (text: string, type: 'hidden' | 'checkbox'): Array<readonly [name: string, value: string]> {
  return [...text.matchAll(/<input type="(\w+)" name="([^"]*)" value="([^"]*)"/g)].filter(([, one]) => one === type).map(([, , name = '', value = '']) => [name, value])
}
