import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { findMisfit, publicKeySignatureCheck, type PublicKeyAlgorithmName, type SignatureCheck } from './algorithms.js'
import { isJsonObject, type JsonObject } from './compact-token.js'

/** More keys than this in one JWK Set make it unusable. */
export const maxKeys = 100

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** The public keys one validator may verify with, looked up by the token's `kid`. */
export interface PublicKeys {
  /** The checks to try for a token with this `kid` header (undefined: none); empty when the key is unknown. */
  candidates (kid: unknown): readonly SignatureCheck[]
}

/**
 * The keys of a JWK Set (RFC 7517 §5) that fit `algorithm`; keys for other uses, of another type or with private parts are left out.
 * A `kid` is compared as an exact string. A token without one is accepted only while exactly one key fits.
 * @throws TypeError when `value` is not a JWK Set or holds more than `limit` keys
 */
export function keysOfSet (value: unknown, algorithm: PublicKeyAlgorithmName, limit = maxKeys): PublicKeys {
  const byKid = new Map<string, SignatureCheck[]>()
  const all: SignatureCheck[] = []
  for (const jwk of jwksOf(value, limit)) {
    const check = checkOfJwk(jwk, algorithm)
    if (check === null) continue
    all.push(check)
    if (typeof jwk['kid'] === 'string') byKid.set(jwk['kid'], [...byKid.get(jwk['kid']) ?? [], check])
  }
  return {
    candidates (kid) {
      if (kid === undefined) return all.length === 1 ? all : []
      return typeof kid === 'string' ? byKid.get(kid) ?? [] : []
    }
  }
}

/** The members of a JWK Set. @throws TypeError */
export function jwksOf (value: unknown, limit = maxKeys): JsonObject[] {
  const keys = isJsonObject(value) ? value['keys'] : undefined
  if (!Array.isArray(keys)) throw new TypeError('is not a JWK Set')
  if (keys.length > limit) throw new TypeError(`holds more than ${limit} keys`)
  return keys.filter(isJsonObject)
}

/**
 * The keys of a validator's `publicKey`: PEM (key or certificate), a JWK, or a JWK Set as JSON.
 * A single key without `kid` serves for every token, whatever `kid` it names.
 * @throws TypeError that says why it is refused
 */
export function keysOfText (text: string, algorithm: PublicKeyAlgorithmName): PublicKeys {
  if (!text.trimStart().startsWith('{')) {
    const check = fitting(keyOfPem(text), algorithm)
    return { candidates: () => [check] }
  }
  const value = parseJson(text)
  if (isJsonObject(value) && 'kty' in value) {
    if (privateMembers.some((member) => member in value)) throw new TypeError('holds private or secret key parts')
    if (!isFor(value, algorithm)) throw new TypeError(`is not for verifying ${algorithm} signatures`)
    const check = fitting(keyOfJwk(value), algorithm)
    const own = value['kid']
    return { candidates: (kid) => own === undefined || kid === undefined || kid === own ? [check] : [] }
  }
  const keys = keysOfSet(value, algorithm)
  if (!jwksOf(value).some((jwk) => checkOfJwk(jwk, algorithm) !== null)) throw new TypeError(`holds no key that fits ${algorithm}`)
  return keys
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError('is neither PEM nor JSON', { cause })
  }
}

function keyOfPem (text: string): KeyObject {
  if (/PRIVATE KEY-----/.test(text)) throw new TypeError('is a private key')
  try {
    return createPublicKey(text)
  } catch (cause) {
    throw new TypeError('is not a public key in PEM, a JWK or a JWK Set', { cause })
  }
}

function keyOfJwk (jwk: JsonObject): KeyObject {
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch (cause) {
    throw new TypeError('is not a usable public JWK', { cause })
  }
}

function fitting (key: KeyObject, algorithm: PublicKeyAlgorithmName): SignatureCheck {
  const misfit = findMisfit(algorithm, key)
  if (misfit !== null) throw new TypeError(misfit)
  return publicKeySignatureCheck(algorithm, key)
}

/** The check for one member of a set, or null when the member is not for this algorithm. */
function checkOfJwk (jwk: JsonObject, algorithm: PublicKeyAlgorithmName): SignatureCheck | null {
  if (!isFor(jwk, algorithm) || privateMembers.some((member) => member in jwk)) return null
  try {
    return fitting(keyOfJwk(jwk), algorithm)
  } catch {
    return null // a member that does not fit is left out, RFC 7517 §5
  }
}

/** Whether the key's own `use`, `alg` and `key_ops` (RFC 7517 §4.2-4.4) let it verify signatures of this algorithm. */
function isFor (jwk: JsonObject, algorithm: PublicKeyAlgorithmName): boolean {
  const { use, alg, key_ops: operations } = jwk
  return (use === undefined || use === 'sig') && (alg === undefined || alg === algorithm) && (!Array.isArray(operations) || operations.includes('verify'))
}
