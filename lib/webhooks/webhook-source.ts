import { createHmac } from 'node:crypto'
import type { SigningFields } from './source-schema.js'
import type { Secrets, SecretFinder } from './webhook-options.js'

/** A header that holds one value. */
export interface HeaderPlace {
  /** In lower case. */
  readonly name: string
  /** Node drops all but the first of several such headers: they have to be counted. */
  readonly counted: boolean
}

/** How one sender signs: everything ready to check a request by. */
export interface WebhookSource<Request> {
  /** null: declared in code. */
  readonly id: string | null
  readonly name: string
  readonly signature: HeaderPlace & { readonly prefix: string, readonly form: RegExp }
  readonly algorithm: string
  readonly encoding: 'hex' | 'base64'
  /** What is signed may be the body without the whitespace outside of strings. */
  readonly minified: boolean
  readonly timestamp: (HeaderPlace & { readonly toleranceMs: number, readonly prefix: string, readonly separator: string }) | null
  readonly delivery: (HeaderPlace & { readonly rememberMs: number }) | null
  readonly secret: readonly string[] | SecretFinder<Request>
}

/** What is wrong with a source, if anything: the field and why. */
export interface SourceProblem { readonly field: string, readonly problem: string }

const presets = {
  generic: { header: 'x-signature', algorithm: 'sha256', encoding: 'hex', minified: false },
  docuware: { header: 'x-docuware-signature', algorithm: 'sha512', encoding: 'hex', minified: true }
} as const

const digestBytes = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const
const defaultRemember = 86_400

/** @see https://nodejs.org/api/http.html#messageheaders */
const keptOnce = new Set(['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since', 'if-unmodified-since', 'last-modified',
  'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'server', 'user-agent'])

/** What members say of each other, beyond the schema. */
export function problemOf ({ preset, header, idHeader, dedupeSeconds }: { readonly [Field in 'preset' | 'header' | 'idHeader' | 'dedupeSeconds']?: SigningFields[Field] | undefined }): SourceProblem | null {
  if (preset === undefined && header === undefined) return { field: 'header', problem: 'is required without a preset' }
  if (dedupeSeconds !== undefined && idHeader === undefined) return { field: 'dedupeSeconds', problem: 'needs idHeader: without it nothing tells deliveries apart' }
  return null
}

/** @param fields of which problemOf has nothing to say */
export function compileSource<Request> (name: string, id: string | null, fields: SigningFields, secret: Secrets | SecretFinder<Request>): WebhookSource<Request> {
  const preset = fields.preset === undefined ? null : presets[fields.preset]
  const { header = preset?.header ?? '', algorithm = preset?.algorithm ?? 'sha256', encoding = preset?.encoding ?? 'hex', prefix = '', timestamp, idHeader, dedupeSeconds = defaultRemember } = fields
  createHmac(algorithm, 'a try') // an OpenSSL that does not have it says so now, and not in the middle of a request
  const toleranceMs = (timestamp?.toleranceSeconds ?? 0) * 1000
  return {
    id,
    name,
    signature: { ...place(header), prefix, form: formOf(encoding, digestBytes[algorithm]) },
    algorithm,
    encoding,
    minified: preset?.minified ?? false,
    timestamp: timestamp === undefined ? null : { ...place(timestamp.header), toleranceMs, prefix: timestamp.prefix ?? '', separator: timestamp.separator ?? '.' },
    delivery: idHeader === undefined ? null : { ...place(idHeader), rememberMs: Math.max(dedupeSeconds * 1000, 2 * toleranceMs) },
    secret: typeof secret === 'string' ? [secret] : secret
  }
}

/** One spelling for each signature. */
function formOf (encoding: 'hex' | 'base64', bytes: number): RegExp {
  if (encoding === 'hex') return new RegExp(`^[0-9a-f]{${bytes * 2}}$`)
  const digits = Math.ceil(bytes * 8 / 6)
  return new RegExp(`^[A-Za-z0-9+/]{${digits}}={${-digits & 3}}$`)
}

function place (header: string): HeaderPlace {
  const name = header.toLowerCase()
  return { name, counted: keptOnce.has(name) }
}
