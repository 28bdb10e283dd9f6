/** Where a walk through redirects ended: a page, or an address on a host that is not there. */
export interface Place {
  readonly url: URL
  /** 0 when the address was not called. */
  readonly status: number
  readonly text: string
}

/** As much of a browser as these flows need: cookies of one host, redirects, and a page's form. */
export class Browser {
  readonly #cookies = new Map<string, string>()
  readonly #headers: Readonly<Record<string, string>>

  /** @param headers sent with every request */
  constructor (headers: Readonly<Record<string, string>> = {}) {
    this.#headers = headers
  }

  /** Opens an address and follows where it leads. */
  async open (url: string | URL): Promise<Place> {
    return await this.#walk(new URL(url), {})
  }

  /** Presses a button of the page's form, with all boxes checked unless some scopes are named. */
  async decide ({ url, status, text }: Place, decision: 'allow' | 'deny', scopes?: readonly string[]): Promise<Place> {
    const action = /<form method="post" action="([^"]+)"/.exec(text)?.[1]
    if (status !== 200 || action === undefined) throw new Error(`${url.href} shows no form: ${status} ${text}`)
    const fields = [...text.matchAll(/<input type="(?:hidden|checkbox)" name="([^"]*)" value="([^"]*)"/g)]
      .map(([, name = '', value = '']): [string, string] => [name, value])
      .filter(([name, value]) => name !== 'scope' || scopes === undefined || scopes.includes(value))
    return await this.#walk(new URL(action, url), { method: 'POST', body: new URLSearchParams([...fields, ['decision', decision]]), headers: { origin: url.origin } })
  }

  async #walk (url: URL, { headers, ...init }: { readonly method?: string, readonly body?: URLSearchParams, readonly headers?: Readonly<Record<string, string>> }): Promise<Place> {
    if (url.hostname !== '127.0.0.1') return { url, status: 0, text: '' }
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { ...init, headers: { ...this.#headers, ...headers, cookie }, redirect: 'manual', signal: AbortSignal.timeout(10_000) })
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
