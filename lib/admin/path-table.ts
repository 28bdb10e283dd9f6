import type { FastifyInstance } from 'fastify'
import findMyWay from 'find-my-way'
import { errors } from '../errors.js'

/** In UTF-16 units: a name has 200 characters. */
const maxKeyLength = 400

const methods = ['GET', 'POST', 'PATCH', 'DELETE'] as const

/** A URL's method and path below a prefix, with `:id` where a key is. */
export interface TablePath {
  readonly method: typeof methods[number]
  readonly path: string
}

/** An entry, and the key in its path, decoded; empty where there is none. */
export interface Found<Entry> {
  readonly entry: Entry
  readonly key: string
}

/** Finds entries by the URL of a request behind a wildcard route, as Fastify's router would with a route for each; but keys may be longer than its parameters. */
export class PathTable<Entry extends TablePath> {
  readonly #router: ReturnType<typeof findMyWay>
  readonly #asked = new WeakMap<object, Found<Entry>>()

  /** @param app whose prefix the paths are below, and as whose router URLs are read */
  constructor (app: Pick<FastifyInstance, 'prefix' | 'initialConfig'>, entries: readonly Entry[]) {
    const { prefix, initialConfig } = app
    const { caseSensitive = true, ignoreTrailingSlash = false, ignoreDuplicateSlashes = false, useSemicolonDelimiter = false } = { ...initialConfig, ...initialConfig.routerOptions }
    const reading = { caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, useSemicolonDelimiter }
    this.#router = findMyWay({ ...reading, maxParamLength: maxKeyLength })
    const roots = prefix === '' || ignoreTrailingSlash ? [prefix || '/'] : [prefix, `${prefix}/`] // as Fastify has both of a prefix
    for (const entry of entries) {
      for (const path of entry.path === '/' ? roots : [prefix + entry.path]) this.#router.on(entry.method, path, nothing, entry)
    }
  }

  /** Null: there is no such path for that method. */
  find (method: string, url: string): Found<Entry> | null {
    const known = methods.find((one) => one === method)
    const found = known === undefined ? null : this.#router.find(known, url)
    if (found === null) return null
    const entry: Entry = found.store
    return { entry, key: found.params['id'] ?? '' }
  }

  /**
   * What a request asks for, found once: whoever changes its URL after its roles were checked changes nothing.
   * @throws DWA_ADMIN_UNKNOWN_ROUTE
   */
  askedFor (request: { readonly method: string, readonly url: string }): Found<Entry> {
    const found = this.#asked.get(request) ?? this.find(request.method, request.url)
    if (found === null) throw new errors.DWA_ADMIN_UNKNOWN_ROUTE()
    this.#asked.set(request, found)
    return found
  }

  /** The methods that there are for a URL's path. */
  methodsOf (url: string): string[] {
    return methods.filter((method) => this.#router.find(method, url) !== null)
  }
}

const nothing = (): void => {}
