import type { Configuration, CustomFetchOptions } from 'openid-client'
import { requestBounded } from '../http/bounded-request.js'
import { isLoopbackHost } from '../http/private-address.js'
import type { Account, Discovered } from './connection-schema.js'
import { isCloudPlatform } from './platform-url.js'
import { isObject } from './rest/member.js'

/** Tokens as the identity service gave them. */
export interface TokenAnswer {
  readonly accessToken: string
  /** Absent: the old one goes on. */
  readonly refreshToken?: string
  readonly tokenType: string
  /** Seconds. */
  readonly expiresIn: number
}

/**
 * Why there are no tokens. `invalid_grant`: the code or refresh token is not good (any more); `invalid_client`: the client is not;
 * `gone`: the endpoint is not where it was, nothing was processed; `transient`: anything else, also an answer that makes no sense.
 */
export type TokenFailureKind = 'invalid_grant' | 'invalid_client' | 'gone' | 'transient'

export class TokenFailure extends Error {
  override readonly name = 'TokenFailure'
  readonly kind: TokenFailureKind
  readonly #refreshToken: string | undefined

  constructor (kind: TokenFailureKind, message: string, options: ErrorOptions & { readonly refreshToken?: string | undefined } = {}) {
    super(message, options)
    this.kind = kind
    this.#refreshToken = options.refreshToken
  }

  /** A refresh token that came with an answer which could not be used otherwise: the old one may be spent. Nothing that prints the error prints it. */
  get refreshToken (): string | undefined {
    return this.#refreshToken
  }
}

export interface IdentityServiceOptions {
  readonly platformUrl: string
  readonly clientId: string
  /** Absent: a native app. */
  readonly clientSecret: string | undefined
  readonly discovered: Discovered
  /** Milliseconds for one exchange. */
  readonly timeoutMs: number
  readonly allowInsecure: boolean
}

export interface AuthorizationRequest {
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly state: string
  readonly codeVerifier: string
}

/** What the last answer of the token endpoint said, whatever the engine makes of it. */
interface Seen { readonly status: number, readonly body: Readonly<Record<string, unknown>> | null }

const maxBytes = 256 * 1024
/** Milliseconds: a person waits for it. */
const longestProbe = 3000
/** Seconds an access token is taken to live when the answer does not say, or says nonsense: the least that DocuWare grants. And the most that is believed. */
const defaultLifetime = 30 * 60
const longestLifetime = 366 * 24 * 3600

/** Loads openid-client, which takes a while the first time, before there is a hurry. */
export async function loadEngine (): Promise<void> {
  await import('openid-client')
}

/** One connection's identity service, spoken to by openid-client. It is loaded on first use. */
export class IdentityService {
  readonly #options: IdentityServiceOptions
  #seen: Seen | null = null

  constructor (options: IdentityServiceOptions) {
    this.#options = options
  }

  /** RFC 6749 §4.1.1 with PKCE (RFC 7636, S256). Never `prompt=consent`, which DocuWare answers 404. */
  async authorizationUrl ({ redirectUri, scopes, state, codeVerifier }: AuthorizationRequest): Promise<string> {
    const { client, configuration } = await this.#engine()
    const { refreshTokenSupported } = this.#options.discovered
    return client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: scopes.filter((scope) => refreshTokenSupported || scope !== 'offline_access').join(' '),
      state,
      code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256'
    }).href
  }

  /** Whether there is no authorization endpoint at its address any more. When that is not clear there still is one. */
  async isGone (): Promise<boolean> {
    const { platformUrl, discovered, timeoutMs } = this.#options
    try {
      const { status } = await requestBounded(new URL(discovered.authorizationEndpoint), { method: 'HEAD', timeoutMs: Math.min(timeoutMs, longestProbe), maxBytes, allowSpecialAddress: !isCloudPlatform(platformUrl) })
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
  async exchangeCode (callback: URL, { state, codeVerifier }: Pick<AuthorizationRequest, 'state' | 'codeVerifier'>): Promise<TokenAnswer> {
    return await this.#tokens(async ({ client, configuration }) => {
      await client.authorizationCodeGrant(configuration, callback, { expectedState: state, pkceCodeVerifier: codeVerifier })
    })
  }

  /** RFC 6749 §6. @throws TokenFailure */
  async refresh (refreshToken: string): Promise<TokenAnswer> {
    return await this.#tokens(async ({ client, configuration }) => { await client.refreshTokenGrant(configuration, refreshToken) })
  }

  /** Whose tokens these are. The id_token often holds `sub` alone. @throws Error */
  async account (accessToken: string): Promise<Account | null> {
    if (this.#options.discovered.userinfoEndpoint === undefined) return null
    const { client, configuration } = await this.#engine()
    const claims = await client.fetchUserInfo(configuration, accessToken, client.skipSubjectCheck)
    const named = (...names: string[]): string | undefined => names.map((name) => claims[name]).find((value): value is string => typeof value === 'string' && value !== '')?.slice(0, 256)
    const username = named('preferred_username', 'username', 'unique_name', 'name', 'email')
    const organization = named('organization', 'organization_name', 'org_name', 'org')
    return { sub: claims.sub.slice(0, 256), ...(username === undefined ? {} : { username }), ...(organization === undefined ? {} : { organization }) }
  }

  /** RFC 7009. @throws Error */
  async revoke (token: string, hint: 'access_token' | 'refresh_token'): Promise<void> {
    if (this.#options.discovered.revocationEndpoint === undefined) return
    const { client, configuration } = await this.#engine()
    await client.tokenRevocation(configuration, token, { token_type_hint: hint })
  }

  async #tokens (grant: (engine: Engine) => Promise<void>): Promise<TokenAnswer> {
    const engine = await this.#engine()
    this.#seen = null
    try {
      await grant(engine)
    } catch (error) {
      throw this.#seen === null ? unanswered(error) : refused(this.#seen)
    }
    const answer = readTokens(this.#seen)
    if (answer === null) throw this.#seen === null ? unanswered(new Error('no answer')) : refused(this.#seen)
    return answer
  }

  async #engine (): Promise<Engine> {
    const client = await import('openid-client')
    const { discovered, clientId, clientSecret, allowInsecure } = this.#options
    const configuration = new client.Configuration({
      issuer: discovered.issuer,
      authorization_endpoint: discovered.authorizationEndpoint,
      token_endpoint: discovered.tokenEndpoint,
      ...(discovered.userinfoEndpoint === undefined ? {} : { userinfo_endpoint: discovered.userinfoEndpoint }),
      ...(discovered.revocationEndpoint === undefined ? {} : { revocation_endpoint: discovered.revocationEndpoint })
    }, clientId, undefined, clientSecret === undefined ? client.None() : client.ClientSecretPost(clientSecret))
    configuration.timeout = undefined // the bound is requestBounded's
    configuration[client.customFetch] = async (url, options) => await this.#fetch(url, options)
    if (allowInsecure && isLoopbackHost(new URL(discovered.tokenEndpoint).hostname)) client.allowInsecureRequests(configuration)
    return { client, configuration }
  }

  /**
   * The engine is not shown what nothing here uses, as the id_token, or what is read here: one of them that it does not like
   * must not lose the tokens beside it, which the server has rotated by then.
   */
  async #fetch (address: string, { method, headers, body, signal }: CustomFetchOptions): Promise<Response> {
    const { platformUrl, timeoutMs, discovered } = this.#options
    const answer = await requestBounded(new URL(address), {
      method: method === 'POST' ? 'POST' : 'GET',
      headers: { ...headers, accept: 'application/json' },
      ...(body === undefined || body === null ? {} : { body: String(body) }),
      timeoutMs,
      maxBytes,
      allowSpecialAddress: !isCloudPlatform(platformUrl),
      ...(signal === undefined ? {} : { signal })
    })
    const responseHeaders = Object.entries(answer.headers).flatMap(([name, value]) => [value ?? []].flat().map((one): [string, string] => [name, one]))
    const parsed = parseObject(answer.body)
    if (address !== discovered.tokenEndpoint || parsed === null) {
      if (address === discovered.tokenEndpoint) this.#seen = { status: answer.status, body: null }
      return new Response(answer.status === 204 ? null : answer.body.toString('utf8'), { status: answer.status, headers: responseHeaders })
    }
    this.#seen = { status: answer.status, body: parsed }
    const { id_token: _, refresh_token: __, expires_in: ___, scope: ____, ...shown } = parsed
    return new Response(JSON.stringify(shown), { status: answer.status, headers: responseHeaders.filter(([name]) => name !== 'content-length') })
  }
}

/** What an answer means that brought no tokens. The engine's own error is not kept: it may hold the answer. */
function refused ({ status, body }: Seen): TokenFailure {
  const code = body?.['error']
  if (status === 400 && code === 'invalid_grant') return new TokenFailure('invalid_grant', 'invalid_grant')
  if ((status === 400 || status === 401) && code === 'invalid_client') return new TokenFailure('invalid_client', 'invalid_client')
  if (isGoneStatus(status)) return new TokenFailure('gone', `answered with status ${status}`)
  const said = typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : status === 200 ? 'the answer makes no sense' : `answered with status ${status}`
  return new TokenFailure('transient', said, { refreshToken: status === 200 ? textOf(body?.['refresh_token']) : undefined })
}

/** There was no answer: what is wrong is what the engine wraps. */
function unanswered (error: unknown): TokenFailure {
  let cause = error
  while (cause instanceof Error && cause.name === 'ClientError' && cause.cause instanceof Error) cause = cause.cause
  return new TokenFailure(isHostFailure(error) ? 'gone' : 'transient', cause instanceof Error ? cause.message.slice(0, 200) : 'failed', { cause })
}

interface Engine { readonly client: typeof import('openid-client'), readonly configuration: Configuration }

/** Null for a token of another type (RFC 6749 §7.1), or one that no header can carry (RFC 6750 §2.1). */
function readTokens (seen: Seen | null): TokenAnswer | null {
  const { access_token: access, refresh_token: refresh, expires_in: expiresIn, token_type: type } = seen?.body ?? {}
  const [accessToken, refreshToken, tokenType] = [textOf(access), textOf(refresh), textOf(type)]
  if (accessToken === undefined || !/^[\x21-\x7e]+$/.test(accessToken) || tokenType?.toLowerCase() !== 'bearer') return null
  return { accessToken, ...(refreshToken === undefined ? {} : { refreshToken }), tokenType, expiresIn: readLifetime(expiresIn) }
}

function readLifetime (expiresIn: unknown): number {
  const seconds = typeof expiresIn === 'number' || typeof expiresIn === 'string' ? Number(expiresIn) : NaN
  return seconds > 0 ? Math.min(seconds, longestLifetime) : defaultLifetime
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parseObject (body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return isObject(value) ? value : null
  } catch {
    return null // the engine says what it thinks of an answer that is no JSON
  }
}

/** The name does not resolve or nobody listens: nothing was sent. */
function isHostFailure (error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    if ('code' in one && ['ENOTFOUND', 'ECONNREFUSED', 'EHOSTUNREACH', 'EAI_AGAIN'].includes(String(one.code))) return true
  }
  return false
}

function isGoneStatus (status: number): boolean {
  return status === 404 || status === 410
}
