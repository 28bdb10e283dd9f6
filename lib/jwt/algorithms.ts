import { constants, createHmac, createSecretKey, sign, timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

interface HmacAlgorithm {
  readonly kind: 'secret'
  readonly hash: string
  /** RFC 7518 §3.2: a secret at least as long as the hash. */
  readonly bytes: number
}

interface PublicKeyAlgorithm {
  readonly kind: 'public_key'
  /** null: the key decides (EdDSA). */
  readonly hash: string | null
  /** What `KeyObject.asymmetricKeyType` may be. */
  readonly keyTypes: readonly string[]
  /** OpenSSL's name of the one curve. */
  readonly curve?: string
  /** Bytes of an ECDSA signature in the JOSE form r ‖ s (RFC 7518 §3.4). */
  readonly signatureBytes?: number
  readonly pss?: boolean
}

/** The signature algorithms of RFC 7518 §3, RFC 8037 and RFC 8812. `none` is not one of them and never will be. */
export const algorithms = {
  HS256: { kind: 'secret', hash: 'sha256', bytes: 32 },
  HS384: { kind: 'secret', hash: 'sha384', bytes: 48 },
  HS512: { kind: 'secret', hash: 'sha512', bytes: 64 },
  RS256: { kind: 'public_key', hash: 'sha256', keyTypes: ['rsa'] },
  RS384: { kind: 'public_key', hash: 'sha384', keyTypes: ['rsa'] },
  RS512: { kind: 'public_key', hash: 'sha512', keyTypes: ['rsa'] },
  PS256: { kind: 'public_key', hash: 'sha256', keyTypes: ['rsa'], pss: true },
  PS384: { kind: 'public_key', hash: 'sha384', keyTypes: ['rsa'], pss: true },
  PS512: { kind: 'public_key', hash: 'sha512', keyTypes: ['rsa'], pss: true },
  ES256: { kind: 'public_key', hash: 'sha256', keyTypes: ['ec'], curve: 'prime256v1', signatureBytes: 64 },
  ES384: { kind: 'public_key', hash: 'sha384', keyTypes: ['ec'], curve: 'secp384r1', signatureBytes: 96 },
  ES512: { kind: 'public_key', hash: 'sha512', keyTypes: ['ec'], curve: 'secp521r1', signatureBytes: 132 },
  ES256K: { kind: 'public_key', hash: 'sha256', keyTypes: ['ec'], curve: 'secp256k1', signatureBytes: 64 },
  EdDSA: { kind: 'public_key', hash: null, keyTypes: ['ed25519', 'ed448'] }
} as const satisfies Record<string, HmacAlgorithm | PublicKeyAlgorithm>

type NamesOfKind<Kind> = { [Name in keyof typeof algorithms]: (typeof algorithms)[Name]['kind'] extends Kind ? Name : never }[keyof typeof algorithms]

export type SecretAlgorithm = NamesOfKind<'secret'>
export type PublicKeyAlgorithmName = NamesOfKind<'public_key'>
export type AlgorithmName = keyof typeof algorithms

/** Whether `signature` is right for `input` (the two first segments of a compact token, ASCII). Never throws. */
export type SignatureCheck = (input: string, signature: Buffer) => boolean

/** The check for one HMAC secret. */
export function secretSignatureCheck (algorithm: SecretAlgorithm, secret: Buffer): SignatureCheck {
  const key = createSecretKey(secret)
  const { hash } = algorithms[algorithm]
  return (input, signature) => {
    const expected = createHmac(hash, key).update(input, 'latin1').digest()
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  }
}

/**
 * Why `key` must not be used with `algorithm`, or null when it fits: key type, curve, and RSA strength
 * (RFC 7518 §3.3: 2048 bits at least; an exponent of 1 would make every signature right).
 */
export function findMisfit (algorithm: PublicKeyAlgorithmName, key: KeyObject): string | null {
  const rule: PublicKeyAlgorithm = algorithms[algorithm]
  const details = key.asymmetricKeyDetails
  if (!rule.keyTypes.includes(key.asymmetricKeyType ?? '')) return `${algorithm} needs a key of type ${rule.keyTypes.join(' or ')}, not ${key.asymmetricKeyType}`
  if (rule.curve !== undefined && details?.namedCurve !== rule.curve) return `${algorithm} needs the curve ${rule.curve}, not ${details?.namedCurve}`
  if (key.asymmetricKeyType === 'rsa') {
    if ((details?.modulusLength ?? 0) < 2048) return 'an RSA key needs at least 2048 bits'
    if ((details?.publicExponent ?? 1n) < 3n) return 'an RSA key needs a public exponent of at least 3'
  }
  return null
}

/** The check for one public key that fits its algorithm (see findMisfit). */
export function publicKeySignatureCheck (algorithm: PublicKeyAlgorithmName, key: KeyObject): SignatureCheck {
  const rule: PublicKeyAlgorithm = algorithms[algorithm]
  const ready = keyInput(rule, key)
  return (input, signature) =>
    (rule.signatureBytes === undefined || signature.length === rule.signatureBytes) &&
    verify(rule.hash, Buffer.from(input, 'latin1'), ready, signature)
}

/** Signs the two first segments of a compact token. `key`: the secret's bytes, or a private key that fits the algorithm. */
export function signInput (algorithm: AlgorithmName, key: Buffer | KeyObject, input: string): Buffer {
  const rule: HmacAlgorithm | PublicKeyAlgorithm = algorithms[algorithm]
  if (rule.kind === 'secret') return createHmac(rule.hash, key).update(input, 'latin1').digest()
  if (Buffer.isBuffer(key)) throw new TypeError(`${algorithm} signs with a private key, not a secret`)
  return sign(rule.hash, Buffer.from(input, 'latin1'), keyInput(rule, key))
}

const signAside = promisify(sign)

/** The same without holding up the event loop: RSA takes ten times as long as the others, which are as quick as a change of threads. */
export async function signInputAside (algorithm: AlgorithmName, key: Buffer | KeyObject, input: string): Promise<Buffer> {
  if (Buffer.isBuffer(key) || key.asymmetricKeyType !== 'rsa') return signInput(algorithm, key, input)
  const rule: HmacAlgorithm | PublicKeyAlgorithm = algorithms[algorithm]
  if (rule.kind === 'secret') throw new TypeError(`${algorithm} signs with a secret, not a private key`)
  return await signAside(rule.hash, Buffer.from(input, 'latin1'), keyInput(rule, key))
}

function keyInput (rule: PublicKeyAlgorithm, key: KeyObject) {
  if (rule.curve !== undefined) return { key, dsaEncoding: 'ieee-p1363' as const }
  if (rule.pss === true) return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return key // in an object of its own it costs Node 2 % more a signature
}
