import { createHash, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { signToken } from '../sign-token.js'

type Algorithm = 'RS256' | 'RS384'

/** Of identity services that have stopped. Making one takes some 0.2 s of CPU time, which suites that start a simulator for each test would spend on little else. */
const spare: SigningKey[] = []

/** The identity service's RSA key. */
export class SigningKey {
  readonly #privateKey: KeyObject
  readonly kid: string
  /** The public key as a JWK (RFC 7517). */
  readonly jwk: { readonly [member: string]: unknown }

  private constructor (publicKey: KeyObject, privateKey: KeyObject) {
    this.#privateKey = privateKey
    const { kty, n, e } = publicKey.export({ format: 'jwk' })
    this.kid = createHash('sha1').update(String(n)).digest('hex').toUpperCase()
    this.jwk = { kty, use: 'sig', kid: this.kid, n, e, alg: 'RS256' }
  }

  /** A key that nobody else in this process has until it is released. */
  static async take (): Promise<SigningKey> {
    const released = spare.pop()
    if (released !== undefined) return released
    const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
    return new SigningKey(publicKey, privateKey)
  }

  /** For the next one that starts. To be called once. */
  release (): void {
    spare.push(this)
  }

  sign (claims: { readonly [name: string]: unknown }, typ: 'JWT' | 'at+jwt', algorithm: Algorithm = 'RS256'): string {
    return signToken(claims, { privateKey: this.#privateKey, algorithm, header: { kid: this.kid, typ } })
  }
}
