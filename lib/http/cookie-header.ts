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

/**
 * Whether an unsafe request that authenticates by cookie comes from another site. A foreign Origin is refused whatever Fetch Metadata says, and `same-site` does
 * not stand for an Origin that is ours; with neither header the caller is no browser. `trusted` holds the accepted origins.
 */
export function isCrossSite ({ method, secFetchSite, origin }: RequestOrigin, trusted: ReadonlySet<string>): boolean {
  if (safeMethods.has(method)) return false
  const isOurs = origin !== undefined && trusted.has(origin)
  switch (secFetchSite) {
    case undefined: return origin !== undefined && !isOurs
    case 'same-site': return !isOurs
    case 'same-origin':
    case 'none': return !isOurs && isNamed(origin) && trusted.size > 0 // where nobody said which origin is ours, the browser's word is all there is
    default: return true
  }
}

/** Pages without a referrer send `null` (Fetch §3.2). */
function isNamed (origin: string | undefined): boolean {
  return origin !== undefined && origin !== 'null'
}

/**
 * `isCrossSite` for the forms of pages without a referrer, which send `Origin: null` (Fetch §3.2): where that is all a browser says, it is the form's cookie
 * and token that decide.
 */
export function isForeignForm ({ method, secFetchSite, origin }: RequestOrigin, trusted: ReadonlySet<string>): boolean {
  return isCrossSite({ method, secFetchSite, origin: origin === 'null' && secFetchSite === undefined ? undefined : origin }, trusted)
}
