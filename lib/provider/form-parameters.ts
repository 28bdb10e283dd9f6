import { errors } from '../errors.js'

/** Parameters of an OAuth request: each there once, text, not empty, and at most 4096 bytes (RFC 6749 §3.1, §3.2; security.md 8, 32). */
export type Parameters = ReadonlyMap<string, string>

const maxBytes = 4096

/**
 * Reads a query or a form body. An empty parameter counts as absent.
 * @throws DWA_OAUTH_INVALID_REQUEST for one that is repeated, too long, no UTF-8, or has NUL in it
 */
export function readParameters (encoded: string): Parameters {
  const parameters = new Map<string, string>()
  const seen = new Set<string>()
  for (const pair of encoded.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decode(at === -1 ? pair : pair.slice(0, at))
    const value = at === -1 ? '' : decode(pair.slice(at + 1))
    if (seen.has(name)) throw new errors.DWA_OAUTH_INVALID_REQUEST('A parameter is repeated')
    seen.add(name)
    if (Buffer.byteLength(value) > maxBytes) throw new errors.DWA_OAUTH_INVALID_REQUEST('A parameter is too long')
    if (value !== '') parameters.set(name, value)
  }
  return parameters
}

/** @throws DWA_OAUTH_INVALID_REQUEST when it is missing */
export function required (parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new errors.DWA_OAUTH_INVALID_REQUEST(`Missing parameter: ${name}`)
  return value
}

/** Scopes as RFC 6749 §3.3 writes them, each once; undefined when none were asked for. @throws DWA_OAUTH_INVALID_SCOPE */
export function readScope (parameters: Parameters): string[] | undefined {
  const text = parameters.get('scope')
  if (text === undefined) return undefined
  if (!/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(text)) throw new errors.DWA_OAUTH_INVALID_SCOPE('The scope is malformed')
  return [...new Set(text.split(' '))]
}

/** application/x-www-form-urlencoded. */
export function decode (text: string): string {
  try {
    const decoded = /[%+]/.test(text) ? decodeURIComponent(text.replaceAll('+', ' ')) : text
    if (!decoded.includes('\0')) return decoded
  } catch {
    // reported below
  }
  throw new errors.DWA_OAUTH_INVALID_REQUEST('A parameter is malformed')
}
