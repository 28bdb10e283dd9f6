import { createHash } from 'node:crypto'
import { secretSignatureCheck } from './algorithms.js'
import { keysOfText } from './public-keys.js'
import type { LiveKeySet } from './remote-key-set.js'
import { TokenVerifier, type KeySource } from './token-verifier.js'
import type { ValidatorKey } from './validator-key.js'
import type { ValidatorFields } from './validator-schema.js'

/** A validator ready for use. One object for each id and version: what was cached for another one is not found. */
export interface CompiledValidator {
  /** Different for each compiled validator of this process. */
  readonly serial: number
  /** Null for a code-declared validator. */
  readonly id: string | null
  readonly name: string
  readonly version: number
  readonly fields: Omit<ValidatorFields, 'nextValidator'>
  readonly verifier: TokenVerifier
  readonly next: ValidatorKey | null
  /** The validator's own cookie secret; null: derived from the store's key under `cookieKeyLabel`. */
  readonly cookieSecret: Buffer | null
  readonly cookieKeyLabel: string
  /** SHA-256 of what tokens are verified with: a cookie does not outlive the key of the token it was made from. */
  readonly keySource: string
}

export interface CompileInput {
  readonly id: string | null
  readonly version: number
  readonly fields: CompiledValidator['fields']
  readonly secrets: { readonly [name: string]: string }
  readonly next: ValidatorKey | null
}

let compiled = 0

/** @throws TypeError when the stored key material is unusable */
export function compileValidator ({ id, version, fields, secrets, next }: CompileInput, keySet: (uri: string, dynamic: boolean) => LiveKeySet, now: () => number): CompiledValidator {
  const algorithm = fields.signatureType === 'secret' ? fields.secretAlgorithm : fields.publicKeyAlgorithm
  return {
    serial: ++compiled,
    id,
    name: fields.name,
    version,
    fields,
    next,
    verifier: new TokenVerifier({
      algorithm,
      typ: fields.typ ?? null,
      issuer: fields.issuer,
      audience: fields.audience,
      clockTolerance: fields.clockTolerance,
      source: keySource(fields, secrets['secretKey'], (uri) => keySet(uri, id !== null))
    }, now),
    cookieSecret: secrets['cookieSecret'] === undefined ? null : Buffer.from(secrets['cookieSecret']),
    keySource: createHash('sha256').update(JSON.stringify([algorithm, secrets['secretKey'], fields.publicKey, fields.publicKeyJwkUri])).digest('base64url'),
    cookieKeyLabel: id === null ? `jwt-cookie/code/${fields.name}` : `jwt-cookie/${id}`
  }
}

function keySource (fields: CompiledValidator['fields'], secretKey: string | undefined, keySet: (uri: string) => LiveKeySet): KeySource {
  if (fields.signatureType === 'secret') {
    if (secretKey === undefined) throw new TypeError('has no secretKey')
    const check = [secretSignatureCheck(fields.secretAlgorithm, Buffer.from(secretKey))]
    return { keys: { candidates: () => check } }
  }
  if (fields.publicKey !== undefined) return { keys: keysOfText(fields.publicKey, fields.publicKeyAlgorithm) }
  if (fields.publicKeyJwkUri === undefined) throw new TypeError('has neither publicKey nor publicKeyJwkUri')
  return { remote: keySet(fields.publicKeyJwkUri), algorithm: fields.publicKeyAlgorithm }
}
