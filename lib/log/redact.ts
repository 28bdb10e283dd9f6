import type { Json } from './canonical-json.js'
import { rememberFirst } from './remember-first.js'

const redacted = '[redacted]'

const secretWords = new Set(['token', 'tokens', 'secret', 'secrets', 'password', 'passwd', 'pwd', 'passphrase', 'code', 'otp', 'pin', 'dsn', 'authorization',
  'cookie', 'cookies', 'assertion', 'verifier', 'credential', 'credentials', 'jwt', 'bearer', 'apikey'])
const secretPairs = new Set(['secret key', 'private key', 'api key', 'signing key', 'master key', 'data key', 'encryption key', 'session id'])
/** Codes that name an outcome and open nothing. */
const harmlessPairs = new Set(['status code', 'error code', 'reason code', 'country code'])
/** Names of values that are long and opaque and open nothing. */
const identifierWords = new Set(['id', 'ids', 'kid', 'jti', 'hash', 'digest', 'fingerprint', 'thumbprint', 'chain', 'etag'])

const constant = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/
const compactToken = /eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,3}/g
const schemes = 'Bearer|Basic|Digest|DPoP|Token'
const scheme = new RegExp(`\\b(${schemes})\\s+[A-Za-z0-9._~+/=-]{6,}`, 'gi')
const url = /[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>]+/gi
const pathWithQuery = /(\/[^\s?#"'<>]*)[?#][^\s"'<>]*/g
const parameter = /\b([\w-]{0,40}(?:code|token|secret|password|assertion|verifier|signature|dsn|key))=[^&\s"'<>]+/gi
const opaque = /[A-Za-z0-9+/_=~-]{32,}/g
/** Words and blanks alone hold nothing that is looked for, unless the name of a scheme stands before a blank. */
const plain = new RegExp(`^[\\w-]*( (?<!\\b(?:${schemes}) )[\\w-]*)*$`, 'i')
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/**
 * A copy of `value` without what could open something: members named like a secret, compact tokens, long opaque credentials,
 * and the userinfo, query and fragment of URLs.
 */
export function redact (value: Json, name = ''): Json {
  if (value === null || typeof value === 'boolean') return value
  if (isSecretName(name) && !isOutcome(value, name)) return redacted
  if (typeof value === 'number') return value
  if (typeof value === 'string') return isIdentifier(name) ? redactIdentifier(value) : redactText(value)
  if (isArray(value)) return value.map((item) => redact(item, name))
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, redact(member, key)]))
}

/** `text` without tokens, credentials and the telling parts of URLs. */
export function redactText (text: string): string {
  return redactIdentifier(text).replace(opaque, (run) => looksRandom(run) ? redacted : run)
}

/** The same for a name or an id, which may be long and opaque without being a secret. */
export function redactIdentifier (text: string): string {
  if (plain.test(text)) return text
  return text
    .replace(url, bareUrl)
    .replace(pathWithQuery, '$1')
    .replace(compactToken, redacted)
    .replace(scheme, `$1 ${redacted}`)
    .replace(parameter, `$1=${redacted}`)
}

function bareUrl (found: string): string {
  const bare = found.replace(/[?#].*$/s, '')
  const start = bare.indexOf('://') + 3
  const slash = bare.indexOf('/', start)
  const authority = slash === -1 ? bare.slice(start) : bare.slice(start, slash)
  return bare.slice(0, start) + authority.slice(authority.lastIndexOf('@') + 1) + (slash === -1 ? '' : bare.slice(slash))
}

/** Words and paths have one case, or no digits; hexadecimal of 128 bits and more is taken for a credential unless it is a UUID. */
function looksRandom (run: string): boolean {
  if (uuid.test(run)) return false
  if (/^[0-9a-f]+$/i.test(run)) return true
  return /[0-9]/.test(run) && /[A-Z]/.test(run) && /[a-z]/.test(run)
}

/** The lower-case words of a member's name. */
const words = rememberFirst((name) => name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== ''))

function isSecretName (name: string): boolean {
  const parts = words(name)
  const last = parts.at(-1) ?? ''
  const pair = parts.slice(-2).join(' ')
  return secretPairs.has(pair) || (secretWords.has(last) && !harmlessPairs.has(pair))
}

/** `code: 401` and `code: 'DWA_JWT_INVALID_TOKEN'` tell what happened. */
function isOutcome (value: Json, name: string): boolean {
  if (words(name).at(-1) !== 'code') return false
  return typeof value === 'number' ? value < 1000 : typeof value === 'string' && constant.test(value)
}

function isIdentifier (name: string): boolean {
  return identifierWords.has(words(name).at(-1) ?? '')
}

function isArray (value: object): value is readonly Json[] {
  return Array.isArray(value)
}
