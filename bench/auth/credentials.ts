import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { signToken } from 'fastify-docuware-auth/testing'

export type Algorithm = 'HS256' | 'RS256' | 'ES256'
export const algorithms: readonly Algorithm[] = ['HS256', 'RS256', 'ES256']

export const issuer = 'https://issuer.example'
export const audience = 'api'
/** Seconds. Longer than any run. */
const lifetime = 6 * 3600

/** What servers verify with: the HMAC secret, or a public key in PEM. */
export type VerificationKeys = Readonly<Record<Algorithm, string>>

/** The keys of one run, and the tokens signed with them. */
export class Credentials {
  readonly verification: VerificationKeys
  readonly #sign: Readonly<Record<Algorithm, (claims: { readonly [name: string]: unknown }) => string>>

  constructor () {
    const secret = randomBytes(32).toString('base64')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    this.verification = {
      HS256: secret,
      RS256: rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      ES256: ec.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    }
    this.#sign = {
      HS256: (claims) => signToken(claims, { secret, algorithm: 'HS256' }),
      RS256: (claims) => signToken(claims, { privateKey: rsa.privateKey, algorithm: 'RS256' }),
      ES256: (claims) => signToken(claims, { privateKey: ec.privateKey, algorithm: 'ES256' })
    }
  }

  /** `count` distinct tokens. @param series tokens of two series differ */
  tokens (algorithm: Algorithm, count: number, series: string): string[] {
    const exp = Math.floor(Date.now() / 1000) + lifetime
    return Array.from({ length: count }, (_, index) => this.#sign[algorithm]({ iss: issuer, aud: audience, sub: `${series}-${index}`, name: 'Ann Example', email: 'ann@example.com', exp }))
  }
}
