import { createHash } from 'node:crypto'
import type { AuthorizationCode, AuthorizationCodeModel, Client, ClientCredentialsModel, PasswordModel, RefreshToken, RefreshTokenModel, Token, User } from '@node-oauth/oauth2-server'
import { errors } from '../errors.js'
import type { Lifetimes } from './client-schema.js'
import type { Parameters } from './form-parameters.js'
import { grantsOf, lifetimesOf } from './grants.js'
import { isVoid, type OpenClient } from './open-clients.js'
import { userIdOf, type OwnerUser } from './owner.js'
import type { PasswordCheck } from './password-check.js'
import type { Granted, Mint, TokenAnswer, TokenFamilies } from './token-families.js'
import type { GrantName, TokenFamilyDocument } from './token-family.js'
import type { Users } from './users.js'

export interface GrantModelParts {
  readonly families: TokenFamilies
  readonly users: Users
  readonly passwords: PasswordCheck
  readonly lifetimes: Required<Lifetimes>
  readonly audiences: readonly string[]
  /** How a client's access tokens are made; null: opaque ones. */
  readonly mintFor: (client: OpenClient) => Mint | null
}

/** One authenticated token request. */
export interface TokenRequest {
  readonly client: OpenClient
  readonly parameters: Parameters
  /** As `readScope` gives them. */
  readonly askedScopes: string[] | undefined
  readonly address: string
  readonly requestId?: string | undefined
}

/** The library wants a user that is there, a client's own too, and looks no further into it. */
interface GrantUser extends User { readonly userId: string | null }

const never = new Date(8.64e15)
const notAsked = async (): Promise<null> => null
const verifierForm = /^[A-Za-z0-9._~-]{43,128}$/

/**
 * The model of one request to the token endpoint. The library asks step by step; here each grant is one atomic change in `saveToken`,
 * and every check that the library leaves out, or makes by its own clock, is made before.
 */
export class GrantModel implements AuthorizationCodeModel, ClientCredentialsModel, PasswordModel, RefreshTokenModel {
  readonly #parts: GrantModelParts
  readonly #request: TokenRequest
  #family: TokenFamilyDocument | null = null
  #answer: TokenAnswer | null = null
  #failure: unknown = null
  /** Whether the code, verifier or refresh token may have been a guess, which is counted. One that was issued, and came too late or twice, is none. */
  guessed = false

  readonly saveAuthorizationCode = notAsked // codes are issued by the authorization endpoint, which is not the library's
  readonly getAccessToken = notAsked // nor does it authenticate requests

  constructor (parts: GrantModelParts, request: TokenRequest) {
    this.#parts = parts
    this.#request = request
  }

  /** What is answered, after the library has succeeded. */
  get answer (): TokenAnswer | null {
    return this.#answer
  }

  /** What a method here has thrown, before the library dressed it up. */
  get failure (): unknown {
    return this.#failure
  }

  async getClient (): Promise<Client> {
    return this.#client()
  }

  async getAuthorizationCode (): Promise<AuthorizationCode> {
    return await this.#noting(async () => {
      const text = this.#parameter('code')
      const { client, parameters, requestId } = this.#request
      const { families } = this.#parts
      const family = await families.findCode(text)
      if (family?.code === undefined || isVoid(family, client)) throw this.#guess('The code is invalid')
      const mine = family.client === client.id
      const { challenge, redirectUri } = family.code
      const verified = fitsChallenge(challenge, parameters.get('code_verifier'))
      if (!families.isRedeemable(family)) {
        await families.presentedAgain(text, { rightful: mine && verified, requestId })
        throw new errors.DWA_OAUTH_INVALID_GRANT('The code is invalid')
      }
      if (!mine) throw this.#guess('The code is invalid')
      if (!verified) {
        await families.refuseCode(family)
        throw this.#guess('The code verifier is wrong')
      }
      if (redirectUri !== null && parameters.get('redirect_uri') !== redirectUri) throw this.#guess('The redirect URI is another')
      this.#family = family
      return { authorizationCode: text, expiresAt: never, redirectUri: '', scope: family.scopes, client: this.#client(), user: this.#user(family.user) }
    })
  }

  async revokeAuthorizationCode (): Promise<boolean> {
    return true // `saveToken` consumes it, together with recording its tokens
  }

  async getRefreshToken (): Promise<RefreshToken> {
    return await this.#noting(async () => {
      const text = this.#parameter('refresh_token')
      const { client } = this.#request
      const family = await this.#parts.families.findRefreshToken(text)
      if (family === null || isVoid(family, client)) throw this.#guess('The refresh token is invalid')
      if (family.client !== client.id && this.#parts.families.isCurrent(text, family)) throw this.#guess('The refresh token is invalid')
      this.#family = family
      if (!this.#parts.families.isCurrent(text, family)) this.#answer = await this.#afterUse(text)
      return { refreshToken: text, scope: this.#stillAllowed(family.scopes), client: this.#client(), user: this.#user(family.user) }
    })
  }

  async revokeToken (): Promise<boolean> {
    return true // `saveToken` rotates it
  }

  async getUserFromClient (): Promise<User> {
    return this.#user(this.#request.client.fields.userId ?? null)
  }

  async getUser (): Promise<User> {
    return await this.#noting(async () => {
      const { address, requestId } = this.#request
      const user = await this.#parts.passwords.check(this.#parameter('username'), this.#parameter('password'), { address, client: this.#request.client, requestId })
      return this.#user(userIdOf(user))
    })
  }

  async validateScope (): Promise<string[]> {
    const { askedScopes, client } = this.#request
    const granted = this.#family === null ? client.fields.scopes : this.#stillAllowed(this.#family.scopes)
    const wanted = askedScopes ?? granted
    if (!wanted.every((scope) => granted.includes(scope))) throw this.#noted(new errors.DWA_OAUTH_INVALID_SCOPE('The scope is unknown, or wider than what was granted'))
    return wanted
  }

  async generateAccessToken (): Promise<string> {
    return '-' // made where it is recorded
  }

  async generateRefreshToken (): Promise<string> {
    return '-'
  }

  async saveToken (token: Token, client: Client, user: User): Promise<Token> {
    return await this.#noting(async () => {
      if (this.#answer !== null) return { accessToken: '-', client, user } // the one of before
      const { parameters, requestId } = this.#request
      const grantType = parameters.get('grant_type') ?? ''
      const { userId } = user as GrantUser
      if (userId !== null) await this.#requireUser(userId)
      const granted: Granted = {
        client: { id: this.#request.client.id, name: this.#request.client.fields.name },
        user: userId,
        grant: this.#family?.grant ?? grantType as GrantName,
        scopes: [...new Set(token.scope)], // on refresh the library asks nobody, and its own reading may repeat a scope
        lifetimes: lifetimesOf(this.#request.client.fields, this.#parts.lifetimes),
        resource: this.#resource(),
        requestId
      }
      this.#answer = await this.#save(grantType, granted)
      return { accessToken: '-', scope: [...granted.scopes], client, user }
    })
  }

  async #save (grantType: string, granted: Granted): Promise<TokenAnswer> {
    const { families, mintFor } = this.#parts
    const { client, requestId } = this.#request
    const mint = mintFor(client)
    if (this.#family === null) return await families.issue(granted, { refresh: grantType === 'password', mint })
    if (grantType === 'authorization_code') {
      const answer = await families.redeem(this.#family, granted, { refresh: true, mint })
      if (answer !== null) return answer
      await families.presentedAgain(this.#parameter('code'), { rightful: true, requestId })
      throw new errors.DWA_OAUTH_INVALID_GRANT('The code is invalid')
    }
    const answer = await families.refresh(this.#parameter('refresh_token'), this.#family, granted, mint)
    if (answer === null) throw new errors.DWA_OAUTH_INVALID_GRANT('The refresh token is invalid')
    return answer
  }

  /** Whatever else the request asks for: that a token was used before comes first. */
  async #afterUse (text: string): Promise<TokenAnswer> {
    const { client: { id, fields: { name } }, requestId } = this.#request
    const answer = await this.#parts.families.presentedAfterUse(text, { client: { id, name }, requestId })
    if (answer === null) throw new errors.DWA_OAUTH_INVALID_GRANT('The refresh token is invalid')
    return answer
  }

  /** The library is shown that a parameter is there, and not what it is. */
  #parameter (name: string): string {
    return this.#request.parameters.get(name) ?? ''
  }

  /** A person whom the app no longer knows gets no tokens. */
  async #requireUser (id: string): Promise<OwnerUser> {
    const user = await this.#parts.users.fresh(id)
    if (user === null) throw new errors.DWA_OAUTH_INVALID_GRANT('The user does not exist')
    return user
  }

  /** @throws DWA_OAUTH_INVALID_TARGET (RFC 8707 §2) */
  #resource (): string | undefined {
    const asked = this.#request.parameters.get('resource')
    const granted = this.#family?.resource
    if (asked === undefined) return granted
    if (this.#family === null ? !this.#parts.audiences.includes(asked) : asked !== granted) throw new errors.DWA_OAUTH_INVALID_TARGET()
    return asked
  }

  /** What was granted and the client may still have. */
  #stillAllowed (scopes: readonly string[]): string[] {
    return scopes.filter((scope) => this.#request.client.fields.scopes.includes(scope))
  }

  #client (): Client {
    const { id, fields } = this.#request.client
    return { id, grants: grantsOf(fields) }
  }

  #user (userId: string | null): GrantUser {
    return { userId }
  }

  #guess (problem: string): Error {
    this.guessed = true
    return new errors.DWA_OAUTH_INVALID_GRANT(problem)
  }

  /** The library answers in its own words: what really failed is kept. */
  async #noting<T> (step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      throw this.#noted(error)
    }
  }

  #noted<Failure> (failure: Failure): Failure {
    this.#failure = failure
    return failure
  }
}

/** RFC 7636 §4.6. A verifier without a challenge does not fit either (RFC 9700 §4.8). */
function fitsChallenge (challenge: string | null, verifier: string | undefined): boolean {
  if (challenge === null || verifier === undefined) return challenge === null && verifier === undefined
  return verifierForm.test(verifier) && createHash('sha256').update(verifier).digest('base64url') === challenge
}
