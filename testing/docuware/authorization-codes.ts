import { randomBytes } from 'node:crypto'
import type { Grant } from './tokens.js'

/** What an authorization code stands for until it is redeemed. */
export interface AuthorizationCode {
  readonly grant: Grant
  readonly redirectUri: string
  readonly codeChallenge: string | null
  readonly nonce: string | null
  readonly expiresAt: number
  used: boolean
}

/** Authorization codes by their value. */
export class AuthorizationCodes {
  readonly #codes = new Map<string, AuthorizationCode>()

  issue (code: Omit<AuthorizationCode, 'used'>): string {
    const value = `${randomBytes(32).toString('hex').toUpperCase()}-1`
    this.#codes.set(value, { ...code, used: false })
    return value
  }

  get (value: string): AuthorizationCode | undefined {
    return this.#codes.get(value)
  }
}
