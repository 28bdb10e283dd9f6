import type { AccessTokens } from './access-tokens.js'
import type { ClientAuthentication, ClientRequest } from './client-authentication.js'
import { required } from './form-parameters.js'
import { isVoid, type OpenClient } from './open-clients.js'
import { callerOf, type RequestRate } from './request-rate.js'
import { clientSubject, type Subjects } from './subjects.js'
import type { TokenFamilies } from './token-families.js'
import type { Users } from './users.js'

/** What is said of a token (RFC 7662 §2.2). Times are seconds since 1970. */
export type Introspected =
  | { readonly active: false }
  | {
    readonly active: true
    readonly scope: string
    readonly client_id: string
    /** Of access tokens only. */
    readonly token_type?: 'Bearer'
    readonly exp: number
    readonly iat: number
    readonly sub: string
    readonly aud: string
    readonly iss: string
  }

export interface IntrospectionOptions {
  readonly authentication: ClientAuthentication
  readonly accessTokens: AccessTokens
  readonly families: TokenFamilies
  readonly subjects: Subjects
  readonly users: Users
  readonly rate: RequestRate
  readonly issuer: string
  /** Notes a successful look in the log, sampled. */
  readonly log: (client: OpenClient, requestId: string | undefined) => void
}

/** The introspection endpoint (RFC 7662), for confidential clients. A token that is bad, or for somebody else's ears, is not active, and nothing more is said of it (security.md 34). */
export class Introspection {
  readonly #options: IntrospectionOptions

  constructor (options: IntrospectionOptions) {
    this.#options = options
  }

  /** @throws DWA_OAUTH_…, DWA_RATE_LIMITED, DWA_STORE_UNAVAILABLE */
  async introspect (request: ClientRequest): Promise<Introspected> {
    const { authentication, rate, log } = this.#options
    const client = await authentication.authenticate(request, { anonymous: false })
    rate.count(callerOf(client, request.address))
    const text = required(request.parameters, 'token')
    log(client, request.requestId)
    return await this.#accessToken(text, client) ?? await this.#refreshToken(text, client) ?? { active: false }
  }

  async #accessToken (text: string, client: OpenClient): Promise<Introspected | null> {
    const token = await this.#options.accessTokens.find(text)
    if (token === null || !await this.#isThere(token.userId) || (token.clientId !== client.fields.clientId && !(client.fields.audiences ?? []).includes(token.audience))) return null
    const { scopes, clientId, expiresAt, issuedAt, sub, audience } = token
    return { active: true, scope: scopes.join(' '), client_id: clientId, token_type: 'Bearer', exp: seconds(expiresAt), iat: seconds(issuedAt), sub, aud: audience, iss: this.#options.issuer }
  }

  /** Its own client may ask about a refresh token that it could still use. */
  async #refreshToken (text: string, client: OpenClient): Promise<Introspected | null> {
    const { id, fields: { clientId, scopes: allowed } } = client
    const { families, subjects, issuer } = this.#options
    const family = await families.findRefreshToken(text)
    if (family?.refresh === undefined || family.client !== id || !families.isLive(text, family)) return null
    if (isVoid(family, client) || !await this.#isThere(family.user)) return null
    const { user, createdAt, expiresAt, refresh: { idleUntil } } = family
    const sub = user === null ? clientSubject(clientId) : await subjects.of(clientId, user)
    const scopes = family.scopes.filter((scope) => allowed.includes(scope))
    return { active: true, scope: scopes.join(' '), client_id: clientId, exp: Math.min(seconds(expiresAt), seconds(idleUntil)), iat: seconds(createdAt), sub, aud: clientId, iss: issuer }
  }

  /** A person whom the app has removed has no tokens. */
  async #isThere (user: string | null): Promise<boolean> {
    return user === null || await this.#options.users.get(user) !== null
  }
}

function seconds (date: Date): number {
  return Math.floor(date.getTime() / 1000)
}
