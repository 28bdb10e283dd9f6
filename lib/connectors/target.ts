import type { ExchangeErrors } from './dialect.js'

/** Parameters of a query; undefined and null are left out, each value of a list is sent. */
export interface QueryParameters { readonly [name: string]: QueryValue | readonly QueryValue[] }
type QueryValue = string | number | boolean | null | undefined

/** Where credentials may go: one origin (scheme, host and port), whatever a path, a link or a redirect says. */
export class Target {
  readonly origin: string
  /** Of the base URL, without a slash at its end. */
  readonly path: string
  readonly #base: URL
  readonly #errors: ExchangeErrors

  constructor (baseUrl: string, errors: ExchangeErrors) {
    this.#base = new URL(baseUrl)
    this.#errors = errors
    this.origin = this.#base.origin
    this.path = this.#base.pathname.replace(/\/+$/, '')
  }

  /**
   * The URL for a path below the base URL, or a whole URL.
   * @throws the foreign origin and invalid request of its errors
   */
  resolve (path: string, query?: QueryParameters): URL {
    const url = this.#guard(path, this.isWhole(path) ? path : `${this.path}/${path.replace(/^\//, '')}`)
    for (const [name, value] of query === undefined ? [] : Object.entries(query)) {
      for (const one of isList(value) ? value : [value]) if (one !== undefined && one !== null) url.searchParams.append(name, String(one))
    }
    return url
  }

  /** Where a redirect from `from` leads. @throws as resolve */
  follow (location: string, from: URL): URL {
    return this.#guard(location, location, from)
  }

  /** Whether a URL is where the credentials may go. @throws as resolve */
  check (url: URL): void {
    // The whole of what stands before the path: scheme, no user information, host, port. (The origin of a blob: URL is that of what is inside it.)
    if (!url.href.startsWith(`${this.origin}/`)) throw this.#errors.foreignOrigin(this.origin, nameOf(url))
  }

  /** A URL or a reference to a host. */
  protected isWhole (path: string): boolean {
    return path.startsWith('//') || /^[a-z][a-z0-9+.-]*:/i.test(path)
  }

  #guard (given: string, reference: string, from = this.#base): URL {
    // URL parsers take backslashes for slashes and drop control characters: what was read is not what would be sent.
    if (/[\p{Cc}\\]/u.test(given.replace(/[?#].*$/s, ''))) throw this.#errors.invalidRequest('A path must not have backslashes or control characters')
    const url = parse(reference, from)
    if (url === null) throw this.#errors.invalidRequest('A path is not a valid URL')
    this.check(url)
    return url
  }
}

function isList (value: QueryParameters[string]): value is readonly QueryValue[] {
  return Array.isArray(value)
}

function nameOf (url: URL): string {
  if (url.username !== '' || url.password !== '') return 'a URL with user information'
  return url.host === '' ? `a URL of scheme ${url.protocol}` : `${url.protocol}//${url.host}`
}

function parse (reference: string, from: URL): URL | null {
  try {
    return new URL(reference, from)
  } catch {
    return null // the error would quote all of it
  }
}
