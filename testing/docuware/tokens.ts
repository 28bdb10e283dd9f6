import { randomBytes, randomUUID } from 'node:crypto'

/** A sign-in, and all the tokens that come from it. */
export interface Grant {
  readonly id: string
  readonly sub: string
  readonly clientId: string
  readonly scopes: readonly string[]
  /** How the user proved who they are, as `amr` says it. */
  readonly method: 'password' | 'pwd' | 'client'
  /** Milliseconds since 1970. */
  readonly startedAt: number
  revoked: boolean
}

export interface AccessToken {
  readonly grant: Grant
  readonly scopes: readonly string[]
  readonly expiresAt: number
  ended: boolean
}

export interface RefreshToken {
  readonly grant: Grant
  expiresAt: number
  ended: boolean
  used: boolean
}

/** Access and refresh tokens by their value. */
export class Tokens {
  readonly #access = new Map<string, AccessToken>()
  readonly #refresh = new Map<string, RefreshToken>()

  startGrant (grant: Omit<Grant, 'id' | 'revoked'>): Grant {
    return { ...grant, id: randomUUID(), revoked: false }
  }

  addAccess (value: string, token: Omit<AccessToken, 'ended'>): void {
    this.#access.set(value, { ...token, ended: false })
  }

  issueRefresh (grant: Grant, expiresAt: number): string {
    const value = `${randomBytes(32).toString('hex').toUpperCase()}-1`
    this.#refresh.set(value, { grant, expiresAt, ended: false, used: false })
    return value
  }

  /** The access token while it is good. */
  findAccess (value: string, now: number): AccessToken | null {
    const token = this.#access.get(value)
    return token === undefined || token.ended || token.grant.revoked || token.expiresAt <= now ? null : token
  }

  /** The refresh token in whatever state it is. */
  getRefresh (value: string): RefreshToken | undefined {
    return this.#refresh.get(value)
  }

  /** RFC 7009: a refresh token takes the access tokens of its sign-in with it. */
  revoke (value: string, clientId: string): void {
    const refresh = this.#refresh.get(value)
    if (refresh?.grant.clientId === clientId) refresh.grant.revoked = true
    const access = this.#access.get(value)
    if (access?.grant.clientId === clientId) access.ended = true
  }

  endAccessTokens (): void {
    for (const token of this.#access.values()) token.ended = true
  }

  endRefreshTokens (): void {
    for (const token of this.#refresh.values()) token.ended = true
  }
}
