import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { errors } from '../errors.js'
import { algorithms, findMisfit, type SecretAlgorithm } from '../jwt/algorithms.js'
import { findSecretProblem } from '../jwt/secret-strength.js'
import type { ClientKey, JwtAlgorithm } from './client-schema.js'

/** A signing key: what is public of it, and what is kept secret. */
export type KeyMaterial = Pick<ClientKey, 'kid' | 'publicJwk'> & {
  /** PKCS #8 PEM; for HMAC the secret, whose UTF-8 bytes sign. */
  readonly privateKey: string
}

type AsymmetricAlgorithm = Exclude<JwtAlgorithm, SecretAlgorithm>

const generatePair = promisify(generateKeyPair)

export function isHmac (algorithm: JwtAlgorithm): algorithm is SecretAlgorithm {
  return algorithms[algorithm].kind === 'secret'
}

/** A new key: RSA of 2048 bits, the algorithm's curve, Ed25519, or a secret as long as the hash. */
export async function generateKey (algorithm: JwtAlgorithm, randomBytes: (size: number) => Buffer): Promise<KeyMaterial> {
  if (isHmac(algorithm)) return secretMaterial(randomBytes(algorithms[algorithm].bytes).toString('base64url'), randomBytes)
  return asymmetricMaterial(await generatePrivateKey(algorithm))
}

/**
 * A key that was made elsewhere: PEM of a private key (PKCS #8, PKCS #1, SEC 1), for HMAC a secret.
 * @throws DWA_PROVIDER_INVALID_KEY
 */
export function importKey (algorithm: JwtAlgorithm, text: string, randomBytes: (size: number) => Buffer): KeyMaterial {
  if (!isHmac(algorithm)) return asymmetricMaterial(fitting(privateKeyOf(text), algorithm))
  if (/-----\s*BEGIN /.test(text)) throw unfit()
  const problem = findSecretProblem(text, algorithm, false)
  if (problem !== null) throw invalid(`The secret ${problem}`)
  return secretMaterial(text, randomBytes)
}

async function generatePrivateKey (algorithm: AsymmetricAlgorithm): Promise<KeyObject> {
  const rule = algorithms[algorithm]
  if ('curve' in rule) return (await generatePair('ec', { namedCurve: rule.curve })).privateKey
  return rule.hash === null ? (await generatePair('ed25519')).privateKey : (await generatePair('rsa', { modulusLength: 2048 })).privateKey
}

function privateKeyOf (text: string): KeyObject {
  if (/-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED/.test(text)) throw invalid('The private key is encrypted: decrypt it first')
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw invalid(/-----BEGIN /.test(text) ? 'This is no private key' : 'The private key is not in PEM')
  try {
    return createPrivateKey(text)
  } catch {
    throw invalid('The private key cannot be read') // without the cause, which may quote it
  }
}

function fitting (key: KeyObject, algorithm: AsymmetricAlgorithm): KeyObject {
  const misfit = findMisfit(algorithm, key)
  if (misfit === null) return key
  const isWeak = key.asymmetricKeyType === 'rsa' && algorithms[algorithm].keyTypes.some((type) => type === 'rsa')
  throw isWeak ? invalid(`The private key is too weak: ${misfit}`) : unfit()
}

function asymmetricMaterial (key: KeyObject): KeyMaterial {
  // Sorted, and without any member that RFC 7638 §3.2 does not name: what the thumbprint is made of.
  const members = Object.entries(createPublicKey(key.export({ type: 'pkcs8', format: 'pem' })).export({ format: 'jwk' })).map(([name, value]) => [name, String(value)] as const)
  const publicJwk = Object.fromEntries(members.sort(([one], [other]) => one < other ? -1 : 1))
  return {
    kid: createHash('sha256').update(JSON.stringify(publicJwk)).digest('base64url'),
    publicJwk,
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

/** The `kid` of a secret tells nothing about it. */
function secretMaterial (secret: string, randomBytes: (size: number) => Buffer): KeyMaterial {
  return { kid: randomBytes(16).toString('base64url'), publicJwk: null, privateKey: secret }
}

function unfit (): Error {
  return invalid('The private key doesn\'t fit the selected algorithm!')
}

function invalid (problem: string): Error {
  return Object.assign(new errors.DWA_PROVIDER_INVALID_KEY(problem), { field: 'jwtPrivateKey' })
}
