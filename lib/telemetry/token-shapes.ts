import { redact } from '../log/redact.js'

const removed = '[redacted]'

const pem = /-----BEGIN [^-]{0,60}-----[^]*?(?:-----END [^-]{0,60}-----|$)/g
/** Anything with credentials before a host, DSNs and connection strings included; a password may hold a slash. */
const urlWithCredentials = /\b(?!file:)[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>]*@[^\s"'<>]*/gi
const value = String.raw`(?:"[^"]*"|'[^']*'|[^\s&;,"'<>)}\]]+)`
const pair = new RegExp(String.raw`((?:code|state|token|secret|password|passwd|pwd|passphrase|assertion|verifier|challenge|signature|dsn|key|nonce|session|cookie|sid|ticket|authorization|credentials?|otp|pin|jwt)["']?\s{0,3}(?:=|%3d)\s{0,3})${value}`, 'gi')
const member = new RegExp(String.raw`((?:code|token|secret|password|passwd|pwd|passphrase|assertion|verifier|dsn|nonce|cookie|credentials?|jwt)["']?\s{0,3}(?::|%3a)\s{0,3})(?=[^\s]{6})${value}`, 'gi')
const header = /\b((?:proxy-)?authorization["']?\s{0,3}[:=]\s{0,3})["']?[^\s"',;]+(?:[ \t]+[^\s"',;]+)?/gi
const scheme = /\b((?:bearer|basic|digest|dpop|negotiate)\s{1,3})[^\s"',;]+/gi
const opaque = /[A-Za-z0-9+/_=~-]{20,}/g
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const objectId = /^[0-9a-f]{24}$/

/** `text` without what has the form of a credential, wherever it came from. `name` is that of the member it is the value of. */
export function redactShapes (text: string, name: string): string {
  const bare = text
    .replace(pem, removed)
    .replace(urlWithCredentials, removed)
    .replace(header, `$1${removed}`)
    .replace(scheme, `$1${removed}`)
    .replace(pair, `$1${removed}`)
    .replace(member, (found: string, start: string) => isOutcome(found.slice(start.length)) ? found : start + removed)
  const redacted = redact(bare, name)
  return typeof redacted === 'string' ? redacted.replace(opaque, (run) => isOpaque(run) ? removed : run) : removed
}

/** `code: DWA_JWT_INVALID_TOKEN` and `code: 'ECONNREFUSED'` tell what happened. */
function isOutcome (value: string): boolean {
  return /^["']?(?:[A-Z]+(?:_[A-Z0-9]+)+|E[A-Z]{3,14})["']?$/.test(value)
}

function isOpaque (run: string): boolean {
  if (/[0-9a-f]{32}/i.test(run) && !uuid.test(run)) return true
  return run.split('/').some(isRandom) || (run.length >= 32 && !run.includes('/') && hasThreeClasses(run))
}

/** Words change between letter cases and digits now and then, random characters all the time. Record ids are known by their form. */
function isRandom (part: string): boolean {
  if (part.length < 12 || uuid.test(part) || objectId.test(part)) return false
  const mixed = /[A-Z]/.test(part) && /[a-z]/.test(part)
  if (!mixed) return part.length >= 20 && /^[A-Za-z0-9]+$/.test(part) && (part.match(/[0-9]+/g) ?? []).length > 1
  const changes = [...part].filter((character, at) => at > 0 && classOf(character) !== classOf(part.charAt(at - 1))).length
  return changes / (part.length - 1) >= 0.4 && (part.length >= 32 || /[0-9]/.test(part))
}

function hasThreeClasses (text: string): boolean {
  return /[0-9]/.test(text) && /[A-Z]/.test(text) && /[a-z]/.test(text)
}

function classOf (character: string): 'digit' | 'upper' | 'lower' | 'other' {
  if (/[0-9]/.test(character)) return 'digit'
  if (/[A-Z]/.test(character)) return 'upper'
  return /[a-z]/.test(character) ? 'lower' : 'other'
}
