/** The values of every cookie of that name in a Cookie header, in order: more than one is an attack or a mistake (cookie tossing). */
export function cookieValues (header: string | undefined, name: string): string[] {
  if (header === undefined || !header.includes(name)) return []
  return header.split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).replace(/^"(.*)"$/, '$1'))
}

/** The facts of a request that tell whether a page of another site made a browser send it. */
export interface RequestOrigin {
  readonly method: string
  readonly secFetchSite: string | undefined
  readonly origin: string | undefined
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
const sameSite = new Set(['same-origin', 'same-site', 'none'])

/**
 * Whether an unsafe request that authenticates by cookie comes from another site: by Fetch Metadata when present, else by Origin.
 * With neither the caller is no browser. `trusted` holds the accepted origins.
 */
export function isCrossSite ({ method, secFetchSite, origin }: RequestOrigin, trusted: ReadonlySet<string>): boolean {
  if (safeMethods.has(method)) return false
  if (secFetchSite !== undefined) return !sameSite.has(secFetchSite)
  return origin !== undefined && !trusted.has(origin)
}
