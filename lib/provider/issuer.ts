import { errors } from '../errors.js'
import { isLoopbackHost } from '../http/private-address.js'

/**
 * Checks `provider.issuer` (RFC 8414 §2): https, or with `allowInsecure` http on loopback; no query, fragment or credentials. It is kept as it was written, because
 * others compare it as text; so it must be written as every URL library would write it.
 * @throws DWA_OPTIONS_INVALID
 */
export function readIssuer (text: string, allowInsecure: boolean): string {
  const problem = findProblem(text, allowInsecure)
  if (problem !== null) throw new errors.DWA_OPTIONS_INVALID('provider.issuer', problem)
  return text
}

/** Where the metadata of an issuer is: the well-known part goes between host and path (RFC 8414 §3.1). */
export function metadataPath (issuer: string): string {
  return `/.well-known/oauth-authorization-server${new URL(issuer).pathname.replace(/\/$/, '')}`
}

function findProblem (text: string, allowInsecure: boolean): string | null {
  if (!URL.canParse(text)) return 'is not a URL'
  const url = new URL(text)
  if (/[?#]/.test(text)) return 'must not have a query or a fragment'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be https'
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) return 'must be https'
  if (url.protocol === 'http:' && !allowInsecure) return 'must be https (http only on loopback, with provider.allowInsecure)'
  if (text !== url.href && `${text}/` !== url.href) return `must be written as ${url.href.replace(/\/$/, '')}`
  if (/\/\/|[^\w.~/-]/.test(url.pathname)) return 'must have a path of letters, digits and -._~ only'
  return null
}
