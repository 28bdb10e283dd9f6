import { createPrivateKey, KeyObject, type JsonWebKey } from 'node:crypto'
import { algorithms, signInput, type AlgorithmName } from '../lib/jwt/algorithms.js'
import { encodeInput } from '../lib/jwt/compact-token.js'

export interface SignTokenOptions {
  /** HMAC secret, for HS256, HS384, HS512. */
  readonly secret?: string | Buffer
  /** Private key as KeyObject, PEM or JWK, for the other algorithms. */
  readonly privateKey?: KeyObject | string | JsonWebKey
  /** Default: HS256 with a secret, RS256 with a private key. */
  readonly algorithm?: AlgorithmName
  /** Header members beside `alg` and `typ`, such as `kid`; may override both. */
  readonly header?: { readonly [name: string]: unknown }
}

/**
 * Signs a compact JWT for tests. Adds `iat` (now) and `exp` (in five minutes) unless `claims` has them; a claim that is undefined is left out.
 * It signs whatever it is given, wrong tokens included.
 */
export function signToken (claims: { readonly [name: string]: unknown }, { secret, privateKey, algorithm, header }: SignTokenOptions): string {
  const alg = algorithm ?? (secret === undefined ? 'RS256' : 'HS256')
  const iat = Math.floor(Date.now() / 1000)
  const input = encodeInput({ alg, typ: 'JWT', ...header }, { iat, exp: iat + 300, ...claims })
  return `${input}.${signInput(alg, signingKey(alg, secret, privateKey), input).toString('base64url')}`
}

function signingKey (algorithm: AlgorithmName, secret: SignTokenOptions['secret'], privateKey: SignTokenOptions['privateKey']): Buffer | KeyObject {
  if (algorithms[algorithm].kind === 'secret') {
    if (secret === undefined) throw new TypeError(`${algorithm} needs the option secret`)
    return Buffer.from(secret)
  }
  if (privateKey === undefined) throw new TypeError(`${algorithm} needs the option privateKey`)
  if (privateKey instanceof KeyObject) return privateKey
  return createPrivateKey(typeof privateKey === 'string' ? privateKey : { key: privateKey, format: 'jwk' })
}
