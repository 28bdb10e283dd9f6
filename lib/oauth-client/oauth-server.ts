import type { Configuration, CustomFetchOptions } from 'openid-client'
import { requestBounded } from '../http/bounded-request.js'
import { isLoopbackHost } from '../http/private-address.js'
import type { Account, AuthorizationServer, AuthorizationUrlRequest } from './grant.js'
import { isGoneStatus, isHostFailure, readTokens, refused, TokenFailure, unanswered, type SeenAnswer, type TokenAnswer, type TokenDefaults } from './token-answer.js'

export interface OAuthServerOptions {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly userinfoEndpoint?: string | undefined
  readonly revocationEndpoint?: string | undefined
  readonly clientId: string
  /** Absent: a public client. */
  readonly clientSecret: string | undefined
  /** How the secret is sent (RFC 6749 §2.3.1). */
  readonly clientAuthentication: 'basic' | 'post'
  /** Asked for with each authorization. */
  readonly scopes: readonly string[]
  readonly defaults: TokenDefaults
  /** Milliseconds for one exchange. */
  readonly timeoutMs: number
  /** http on loopback. */
  readonly allowInsecure: boolean
  /** Whether the endpoints may have addresses that are not global. */
  readonly allowSpecialAddress: boolean
}

const maxBytes = 256 * 1024
/** Milliseconds: a person waits for it. */
const longestProbe = 3000

/** Loads openid-client, which takes a while the first time, before there is a hurry. */
export async function loadEngine (): Promise<void> {
  await import('openid-client')
}

/** An authorization server, spoken to by openid-client. It is loaded on first use. */
export class OAuthServer implements AuthorizationServer {
  readonly #options: OAuthServerOptions

  /** As it is spelled when it is asked. */
  readonly #tokenAddress: string

  constructor (options: OAuthServerOptions) {
    this.#options = options
    this.#tokenAddress = new URL(options.tokenEndpoint).href
  }

  /** RFC 6749 §4.1.1 with PKCE (RFC 7636, S256). Never `prompt=consent`, which DocuWare answers 404. */
  async authorizationUrl ({ redirectUri, state, codeVerifier }: AuthorizationUrlRequest): Promise<string> {
    const { client, configuration } = await this.#engine()
    const { scopes } = this.#options
    return client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      state,
      code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256'
    }).href
  }

  /** Whether there is no authorization endpoint at its address any more. When that is not clear there still is one. */
  async isGone (): Promise<boolean> {
    const { authorizationEndpoint, timeoutMs, allowSpecialAddress } = this.#options
    try {
      const { status } = await requestBounded(new URL(authorizationEndpoint), { method: 'HEAD', timeoutMs: Math.min(timeoutMs, longestProbe), maxBytes, allowSpecialAddress })
      return isGoneStatus(status)
    } catch (error) {
      return isHostFailure(error)
    }
  }

  /**
   * Exchanges the code of a callback (RFC 6749 §4.1.3).
   * @param callback the redirect URI with `code` and `state`
   * @throws TokenFailure
   */
  async exchangeCode (callback: URL, { state, codeVerifier }: Pick<AuthorizationUrlRequest, 'state' | 'codeVerifier'>): Promise<TokenAnswer> {
    return await this.#tokens(async ({ client, configuration }) => {
      await client.authorizationCodeGrant(configuration, callback, { expectedState: state, pkceCodeVerifier: codeVerifier })
    })
  }

  /** RFC 6749 §6. @throws TokenFailure */
  async refresh (refreshToken: string): Promise<TokenAnswer> {
    return await this.#tokens(async ({ client, configuration }) => { await client.refreshTokenGrant(configuration, refreshToken) })
  }

  /** Whose tokens these are. The id_token often holds `sub` alone. @throws TokenFailure */
  async account (accessToken: string): Promise<Account | null> {
    if (this.#options.userinfoEndpoint === undefined) return null
    const { client, configuration } = await this.#engine()
    const claims = await client.fetchUserInfo(configuration, accessToken, client.skipSubjectCheck).catch((error: unknown) => { throw unanswered(error) })
    const named = (...names: string[]): string | undefined => names.map((name) => claims[name]).find((value): value is string => typeof value === 'string' && value !== '')?.slice(0, 256)
    const username = named('preferred_username', 'username', 'unique_name', 'name', 'email')
    const organization = named('organization', 'organization_name', 'org_name', 'org')
    return { sub: claims.sub.slice(0, 256), ...(username === undefined ? {} : { username }), ...(organization === undefined ? {} : { organization }) }
  }

  /** RFC 7009. @throws TokenFailure */
  async revoke (token: string, hint: 'access_token' | 'refresh_token'): Promise<void> {
    if (this.#options.revocationEndpoint === undefined) return
    const { client, configuration } = await this.#engine()
    await client.tokenRevocation(configuration, token, { token_type_hint: hint }).catch((error: unknown) => { throw unanswered(error) })
  }

  async #tokens (grant: (engine: Engine) => Promise<void>): Promise<TokenAnswer> {
    const engine = await this.#engine()
    try {
      await grant(engine)
    } catch (error) {
      throw engine.last.seen === null ? unanswered(error) : refused(engine.last.seen)
    }
    const answer = engine.last.seen === null ? null : readTokens(engine.last.seen, this.#options.defaults)
    if (answer === null) throw engine.last.seen === null ? unanswered(new Error('no answer')) : refused(engine.last.seen)
    return answer
  }

  async #engine (): Promise<Engine> {
    const client = await import('openid-client')
    const { issuer, authorizationEndpoint, tokenEndpoint, userinfoEndpoint, revocationEndpoint, clientId, clientSecret, clientAuthentication, allowInsecure } = this.#options
    const authentication = clientSecret === undefined ? client.None() : clientAuthentication === 'post' ? client.ClientSecretPost(clientSecret) : client.ClientSecretBasic(clientSecret)
    const configuration = new client.Configuration({
      issuer,
      authorization_endpoint: authorizationEndpoint,
      token_endpoint: tokenEndpoint,
      ...(userinfoEndpoint === undefined ? {} : { userinfo_endpoint: userinfoEndpoint }),
      ...(revocationEndpoint === undefined ? {} : { revocation_endpoint: revocationEndpoint })
    }, clientId, undefined, authentication)
    configuration.timeout = undefined // the bound is requestBounded's
    const last: Engine['last'] = { seen: null }
    configuration[client.customFetch] = async (url, options) => await this.#fetch(url, options, last)
    if (allowInsecure && [authorizationEndpoint, tokenEndpoint, userinfoEndpoint, revocationEndpoint].every(isConfidential)) client.allowInsecureRequests(configuration)
    return { client, configuration, last }
  }

  /**
   * The engine is not shown what nothing here uses, as the id_token, or what is read here: one of them that it does not like
   * must not lose the tokens beside it, which the server has rotated by then.
   */
  async #fetch (address: string, { method, headers, body, signal }: CustomFetchOptions, last: Engine['last']): Promise<Response> {
    const { timeoutMs, allowSpecialAddress, defaults } = this.#options
    const asksForTokens = new URL(address).href === this.#tokenAddress
    const answer = await requestBounded(new URL(address), {
      method: method === 'POST' ? 'POST' : 'GET',
      headers: { ...headers, accept: 'application/json' },
      ...(body === undefined || body === null ? {} : { body: String(body) }),
      timeoutMs,
      maxBytes,
      allowSpecialAddress,
      ...(signal === undefined ? {} : { signal })
    })
    const responseHeaders = Object.entries(answer.headers).flatMap(([name, value]) => [value ?? []].flat().map((one): [string, string] => [name, one]))
    const parsed = parseObject(answer.body)
    if (!asksForTokens && isGoneStatus(answer.status)) throw new TokenFailure('gone', `answered with status ${answer.status}`) // whatever the body is
    if (!asksForTokens || parsed === null) {
      if (asksForTokens) last.seen = { status: answer.status, body: null }
      return new Response(answer.status === 204 ? null : answer.body.toString('utf8'), { status: answer.status, headers: responseHeaders })
    }
    last.seen = { status: answer.status, body: parsed }
    const { id_token: _, refresh_token: __, expires_in: ___, scope: ____, ...shown } = parsed
    const type = defaults.type === null || answer.status !== 200 ? {} : { token_type: 'bearer' } // what else it may be, is decided here
    return new Response(JSON.stringify({ ...shown, ...type }), { status: answer.status, headers: responseHeaders.filter(([name]) => name !== 'content-length') })
  }
}

/** openid-client, set up for one operation, and what the token endpoint last answered in it, whatever the engine makes of that. */
interface Engine {
  readonly client: typeof import('openid-client')
  readonly configuration: Configuration
  readonly last: { seen: SeenAnswer | null }
}

/** Whether nobody on the way can read what is sent there. */
function isConfidential (endpoint: string | undefined): boolean {
  if (endpoint === undefined) return true
  const { protocol, hostname } = new URL(endpoint)
  return protocol === 'https:' || isLoopbackHost(hostname)
}

function parseObject (body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Readonly<Record<string, unknown>> : null
  } catch {
    return null // the engine says what it thinks of an answer that is no JSON
  }
}
