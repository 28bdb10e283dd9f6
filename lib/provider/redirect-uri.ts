import { isLoopbackHost } from '../http/private-address.js'

export interface RedirectUriRules {
  /** A native app's: private-use schemes (RFC 8252 §7.1), and any port on loopback (§7.3). */
  readonly native: boolean
  /** For closed networks that are being migrated: http on any host. */
  readonly allowHttp: boolean
}

const maxLength = 2000
const loopbackUri = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::([0-9]{1,5}))?(\/.*)?$/

/**
 * Why a redirect URI cannot be registered, or null when it can (RFC 6749 §3.1.2, RFC 9700 §2.6): absolute https, http on loopback, or a private-use scheme
 * with a dot for a native app; no fragment, no credentials, nothing that a browser would run, and no parameter that an answer will add.
 */
export function findRedirectUriProblem (uri: string, { native, allowHttp }: RedirectUriRules): string | null {
  if (uri.length > maxLength) return `must not be longer than ${maxLength} characters`
  if (!/^[\x21-\x7e]+$/.test(uri) || /["<>\\^`{|}]/.test(uri)) return 'must hold nothing but the characters of a URI'
  if (uri.includes('#')) return 'must not have a fragment'
  if (uri.includes('*')) return 'must not have a wildcard: it is compared as it stands'
  if (!URL.canParse(uri)) return 'must be an absolute URI'
  const url = new URL(uri)
  const scheme = uri.slice(0, uri.indexOf(':'))
  if (scheme !== scheme.toLowerCase()) return 'must have its scheme in lower case'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  for (const name of ['code', 'state', 'error', 'iss', 'access_token']) if (url.searchParams.has(name)) return `must not have the parameter ${name}: the answer adds it`
  if (scheme === 'https') return hostProblem(uri, url)
  if (scheme === 'http') return isLoopbackHost(url.hostname) || allowHttp ? hostProblem(uri, url) : 'must be https, or http on loopback'
  if (native && /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$/.test(scheme)) return null
  return native ? 'must be https, http on loopback, or a private-use scheme with a dot (RFC 8252 §7.1)' : 'must be https, or http on loopback'
}

/** Whether a presented redirect URI is a registered one: the same string, or for a native app on loopback the same but for the port (RFC 8252 §7.3). */
export function isRegisteredRedirectUri (registered: readonly string[], presented: string, native: boolean): boolean {
  if (registered.includes(presented)) return true
  if (!native) return false
  const given = loopbackUri.exec(presented)
  if (given === null || Number(given[2] ?? 80) > 65_535) return false
  return registered.some((one) => {
    const known = loopbackUri.exec(one)
    return known !== null && known[1] === given[1] && known[3] === given[3]
  })
}

/** The host is written as it is sent, and not `https:example.com`. */
function hostProblem (uri: string, url: URL): string | null {
  const origin = `${url.protocol}//${url.host}`
  return uri.startsWith(origin) && ['', '/', '?'].includes(uri.charAt(origin.length)) ? null : 'must name its host as a URL does: in lower case, and without the default port'
}
