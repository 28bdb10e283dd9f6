import { createHmac, hash, timingSafeEqual, type BinaryLike } from 'node:crypto'

/** What the provider hands out: authorization code, access token, refresh token. The prefixes let scanners find what was leaked, and keep one from passing for another. */
export type IssuedKind = 'code' | 'access' | 'refresh'

const prefixes: Readonly<Record<IssuedKind, string>> = { code: 'dwa_c_', access: 'dwa_a_', refresh: 'dwa_r_' }

const familyBytes = 12
const generationBytes = 4
const secretBytes = 32
const macBytes = 16
const tokenIdBytes = 16
/** Characters: a longer one could not be a parameter of introspection. */
export const maxTokenLength = 4096

/** `dwa_a_` and base64url of family, 256 random bits. */
export function issueText (kind: 'code' | 'access', family: string, randomBytes: (size: number) => Buffer): string {
  return prefixes[kind] + Buffer.concat([Buffer.from(family, 'hex'), randomBytes(secretBytes)]).toString('base64url')
}

/** The id of the family a code or an opaque access token says it belongs to; null when it has not the form. Only the hash proves it. */
export function familyOf (kind: 'code' | 'access', text: string): string | null {
  const bytes = decode(kind, text)
  return bytes?.length === familyBytes + secretBytes ? bytes.toString('hex', 0, familyBytes) : null
}

/** The `jti` of a JWT access token: base64url of family and 128 random bits. */
export function issueTokenId (family: string, randomBytes: (size: number) => Buffer): string {
  return Buffer.concat([Buffer.from(family, 'hex'), randomBytes(tokenIdBytes)]).toString('base64url')
}

/** The id of the family that an access token, opaque or a JWT, says it belongs to; null when it is neither. Only the hash of the whole token proves it. */
export function familyOfAccessToken (text: string): string | null {
  if (text.startsWith(prefixes.access)) return familyOf('access', text)
  const [, payload, signature, more] = text.split('.', 4)
  if (payload === undefined || signature === undefined || more !== undefined || text.length > maxTokenLength) return null
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const id = typeof claims === 'object' && claims !== null && 'jti' in claims && typeof claims.jti === 'string' ? Buffer.from(claims.jti, 'base64url') : null
    return id?.length === familyBytes + tokenIdBytes ? id.toString('hex', 0, familyBytes) : null
  } catch {
    return null // no JSON: no token of ours
  }
}

/**
 * `dwa_r_` and base64url of family, generation, 256 random bits, and a MAC of them: so that a token of an old generation, whose hash is long gone,
 * is known for what it is, and nobody can make one up.
 */
export function issueRefreshToken (family: string, generation: number, key: Buffer, randomBytes: (size: number) => Buffer): string {
  const head = Buffer.alloc(familyBytes + generationBytes + secretBytes)
  head.write(family, 0, 'hex')
  head.writeUInt32BE(generation, familyBytes)
  randomBytes(secretBytes).copy(head, familyBytes + generationBytes)
  return prefixes.refresh + Buffer.concat([head, mac(key, head)]).toString('base64url')
}

/** A refresh token's parts. Nothing is proven by them before `isGenuine`, or the hash, says so. */
export interface RefreshTokenParts {
  readonly family: string
  readonly generation: number
  readonly isGenuine: (key: Buffer) => boolean
}

export function readRefreshToken (text: string): RefreshTokenParts | null {
  const bytes = decode('refresh', text)
  if (bytes?.length !== familyBytes + generationBytes + secretBytes + macBytes) return null
  const head = bytes.subarray(0, -macBytes)
  return {
    family: head.toString('hex', 0, familyBytes),
    generation: head.readUInt32BE(familyBytes),
    isGenuine: (key) => timingSafeEqual(mac(key, head), bytes.subarray(-macBytes))
  }
}

/** What is kept of a code or token: SHA-256, base64url (security.md 35). They hold 256 random bits, or a signature, and need no slow hash. */
export function hashOf (text: string): string {
  return hash('sha256', text, 'base64url')
}

function decode (kind: IssuedKind, text: string): Buffer | null {
  if (!text.startsWith(prefixes[kind]) || text.length > 200) return null
  const body = text.slice(prefixes[kind].length)
  const bytes = Buffer.from(body, 'base64url')
  return bytes.toString('base64url') === body ? bytes : null
}

function mac (key: BinaryLike, head: Buffer): Buffer {
  return createHmac('sha256', key).update(head).digest().subarray(0, macBytes)
}
