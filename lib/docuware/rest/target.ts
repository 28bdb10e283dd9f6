import { errors } from '../../errors.js'
import type { QueryParameters } from './docuware-client.js'

/** Where a connection's token may go: one origin (scheme, host and port), whatever a path, a link or a redirect says. */
export class Platform {
  readonly origin: string
  readonly #base: URL
  readonly #path: string
  readonly #lowerCasePath: string

  constructor (platformUrl: string) {
    this.#base = new URL(platformUrl)
    this.origin = this.#base.origin
    this.#path = this.#base.pathname.replace(/\/+$/, '')
    this.#lowerCasePath = this.#path.toLowerCase()
  }

  /**
   * The URL for a path below the platform, a path that begins with the platform's own, or a whole URL.
   * @throws DWA_DOCUWARE_FOREIGN_ORIGIN, DWA_DOCUWARE_INVALID_REQUEST
   */
  resolve (path: string, query?: QueryParameters): URL {
    const url = this.#guard(path, this.#isWhole(path) ? path : `${this.#path}/${path.replace(/^\//, '')}`)
    if (query !== undefined) {
      for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null) url.searchParams.append(name, String(value))
    }
    return url
  }

  /** Where a redirect from `from` leads. @throws as resolve */
  follow (location: string, from: URL): URL {
    return this.#guard(location, location, from)
  }

  /** Whether DocuWare counts this among an organization's lists of file cabinets. */
  listsCabinets (url: URL): boolean {
    return url.pathname.length <= this.#path.length + '/FileCabinets/Index/'.length && /^\/filecabinets(\/index)?\/?$/i.test(url.pathname.slice(this.#path.length))
  }

  /** A URL, a reference to a host, or a path that has the platform's in front. */
  #isWhole (path: string): boolean {
    if (path.startsWith('//') || /^[a-z][a-z0-9+.-]*:/i.test(path)) return true
    const start = path.slice(0, this.#path.length + 1).toLowerCase()
    return start.replace(/[/?#]$/, '') === this.#lowerCasePath
  }

  #guard (given: string, reference: string, from = this.#base): URL {
    // URL parsers take backslashes for slashes and drop control characters: what was read is not what would be sent.
    if (/[\p{Cc}\\]/u.test(given.replace(/[?#].*$/s, ''))) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('A path must not have backslashes or control characters')
    const url = parse(reference, from)
    if (url === null) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('A path is not a valid URL')
    // The whole of what stands before the path: scheme, no user information, host, port. (The origin of a blob: URL is that of what is inside it.)
    if (!url.href.startsWith(`${this.origin}/`)) throw new errors.DWA_DOCUWARE_FOREIGN_ORIGIN(this.origin, nameOf(url))
    return url
  }
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

/** A part of a path that the caller's data fills. @throws DWA_DOCUWARE_INVALID_REQUEST when it would lead elsewhere */
export function segment (name: string, value: string | number): string {
  const text = String(value)
  if (text === '' || text === '.' || text === '..') throw new errors.DWA_DOCUWARE_INVALID_REQUEST(`The ${name} must not be ${JSON.stringify(text)}`)
  return encodeURIComponent(text)
}
