import type { FastifyInstance } from 'fastify'
import findMyWay from 'find-my-way'

/** A URL's method and path below a prefix, with `:id` where a key is. */
export interface TablePath {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
}

/** Longer than any key: a name has 200 characters, of two UTF-16 units at most. */
const maxKeyLength = 1000

/** Finds entries by the URL of a request behind one wildcard route, as Fastify's router would with a route for each; but keys may be longer than its parameters. */
export class PathTable<Entry extends TablePath> {
  readonly #router: ReturnType<typeof findMyWay>

  /** @param app whose prefix the paths are below, and as whose router URLs are read */
  constructor (app: FastifyInstance, entries: readonly Entry[]) {
    const { caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, useSemicolonDelimiter } = { ...app.initialConfig, ...app.initialConfig.routerOptions }
    const reading = { caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, useSemicolonDelimiter }
    this.#router = findMyWay({ ...Object.fromEntries(Object.entries(reading).filter(([, value]) => value !== undefined)), maxParamLength: maxKeyLength })
    const { prefix } = app
    const roots = prefix === '' || ignoreTrailingSlash === true ? [prefix || '/'] : [prefix, `${prefix}/`] // as Fastify has both of a prefix
    for (const entry of entries) {
      for (const path of entry.path === '/' ? roots : [prefix + entry.path]) this.#router.on(entry.method, path, nothing, entry)
    }
  }

  /** The entry, and the key in its path, decoded; empty where there is none. Null: there is no such path for that method. */
  find (method: string, url: string): { readonly entry: Entry, readonly key: string } | null {
    const found = isMethod(method) ? this.#router.find(method, url) : null
    if (found === null) return null
    const entry: Entry = found.store
    return { entry, key: found.params['id'] ?? '' }
  }

  /** The methods that there are for a URL's path. */
  methodsOf (url: string): string[] {
    return methods.filter((method) => this.#router.find(method, url) !== null)
  }
}

const nothing = (): void => {}
const methods = ['GET', 'POST', 'PATCH', 'DELETE'] as const

function isMethod (method: string): method is typeof methods[number] {
  return methods.some((known) => known === method)
}
