import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto'
import { systemClock, type Clock } from '../../clock.js'
import { errors } from '../../errors.js'
import { findMisfit, signInput, signInputAside } from '../../jwt/algorithms.js'
import { encodeInput } from '../../jwt/compact-token.js'
import { checkOptions } from '../../options.js'
import { withHeaders, type Strategy } from '../strategy.js'

export interface JwtAssertionOptions {
  readonly issuer: string
  /** For HS256. */
  readonly secret?: string | undefined
  /** PEM, for RS256. */
  readonly privateKey?: string | undefined
  /** Default HS256 with `secret`, RS256 with `privateKey`. */
  readonly algorithm?: 'HS256' | 'RS256' | undefined
  /** Seconds. Default 3600. */
  readonly expiresIn?: number | undefined
  readonly audience?: string | undefined
  readonly clock?: Pick<Clock, 'now'> | undefined
}

const text = { type: 'string', minLength: 1, maxLength: 8192 } as const

export const jwtAssertionSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['issuer'],
  properties: {
    issuer: text,
    secret: text,
    privateKey: text,
    algorithm: { enum: ['HS256', 'RS256'] },
    expiresIn: { type: 'integer', minimum: 1, maximum: 31_536_000 },
    audience: text,
    clock: { type: 'object' }
  }
} as const

/** A fresh `Authorization: Bearer <jwt>` with iss, iat, exp (and aud) for every try. @throws DWA_OPTIONS_INVALID, also for a key that does not fit the algorithm. A secret is as long as the peer made it: RFC 7518 §3.2 asks for 32 bytes. */
export function jwtAssertion (options: JwtAssertionOptions): Strategy {
  checkOptions('jwtAssertion', jwtAssertionSchema, options)
  const { issuer, secret, privateKey, expiresIn = 3600, audience, clock = systemClock } = options
  const { algorithm = secret === undefined ? 'RS256' : 'HS256' } = options
  const key = algorithm === 'HS256' ? secretKey(secret, privateKey) : rsaKey(privateKey, secret)
  const claims = (): object => {
    const now = Math.floor(clock.now() / 1000)
    return { iss: issuer, iat: now, exp: now + expiresIn, ...(audience === undefined ? {} : { aud: audience }) }
  }
  const input = (): string => encodeInput({ alg: algorithm, typ: 'JWT' }, claims())
  return {
    name: 'jwtAssertion',
    secrets: secret === undefined ? [] : [secret],
    apply (request) {
      const signed = input()
      const finish = (signature: Buffer): typeof request => withHeaders(request, { authorization: `Bearer ${signed}.${signature.toString('base64url')}` })
      return algorithm === 'HS256' ? finish(signInput(algorithm, key, signed)) : signInputAside(algorithm, key, signed).then(finish)
    }
  }
}

function secretKey (secret: string | undefined, other: string | undefined): KeyObject {
  if (secret === undefined || other !== undefined) throw new errors.DWA_OPTIONS_INVALID('jwtAssertion.secret', 'HS256 needs a secret, and no privateKey')
  return createSecretKey(secret, 'utf8')
}

function rsaKey (pem: string | undefined, other: string | undefined): KeyObject {
  if (pem === undefined || other !== undefined) throw new errors.DWA_OPTIONS_INVALID('jwtAssertion.privateKey', 'RS256 needs a privateKey, and no secret')
  const key = readKey(pem)
  const misfit = key === null ? 'is no private key in PEM' : findMisfit('RS256', key)
  if (key === null || misfit !== null) throw new errors.DWA_OPTIONS_INVALID('jwtAssertion.privateKey', misfit ?? '')
  return key
}

function readKey (pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    return null // the error may quote the key
  }
}
