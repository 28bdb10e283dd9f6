import { errors } from '../errors.js'
import { isJsonType, requestBounded } from '../http/bounded-request.js'
import { parseJson } from '../http/fetch-json.js'
import { isLoopbackHost } from '../http/private-address.js'
import { metadataPath } from '../provider/issuer.js'
import type { Claims } from './person.js'
import type { SignInOptions } from './sign-in-options.js'

/** What is known of the identity provider. */
export interface Endpoints {
  /** Null when nobody said. */
  readonly issuer: string | null
  readonly authorization: string
  readonly token: string
  readonly userinfo: string
  /** Whether every answer names the issuer (RFC 9207). */
  readonly namesIssuer: boolean
  readonly clientAuthentication: 'basic' | 'post'
}

export interface IdentityProviderOptions extends Pick<SignInOptions, 'issuer' | 'endpoints' | 'clientAuthentication' | 'allowInsecure'> {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds for one exchange. Default 10 000. */
  readonly timeoutMs?: number
}

const maxBytes = 256 * 1024
/** Milliseconds that metadata serves. */
const metadataAge = 3_600_000

/** The one identity provider that people sign in at. Nothing is asked of it before somebody signs in. */
export class IdentityProvider {
  readonly #options: IdentityProviderOptions
  readonly #fixed: Endpoints | null
  #found: { readonly endpoints: Endpoints, readonly at: number } | null = null
  #finding: Promise<Endpoints> | null = null

  /** @throws DWA_OPTIONS_INVALID */
  constructor (options: IdentityProviderOptions) {
    const { issuer, endpoints, clientAuthentication = 'basic' } = options
    this.#options = options
    if (issuer === undefined && endpoints === undefined) throw new errors.DWA_OPTIONS_INVALID('signIn.issuer', 'is required, unless endpoints are given')
    if (issuer !== undefined) this.#checkOption('issuer', issuer)
    for (const [name, url] of Object.entries(endpoints ?? {})) this.#checkOption(`endpoints.${name}`, url)
    this.#fixed = endpoints === undefined ? null : { issuer: issuer ?? null, ...endpoints, namesIssuer: false, clientAuthentication }
  }

  /** Reads them when they are not known, at most once at a time; what is an hour old is read again, and serves on when that fails. @throws DWA_SIGN_IN_PROVIDER */
  async endpoints (): Promise<Endpoints> {
    const { now } = this.#options
    if (this.#fixed !== null) return this.#fixed
    if (this.#found !== null && Math.abs(now() - this.#found.at) < metadataAge) return this.#found.endpoints
    this.#finding ??= this.#discover().finally(() => { this.#finding = null })
    try {
      const endpoints = await this.#finding
      this.#found = { endpoints, at: now() }
      return endpoints
    } catch (error) {
      if (this.#found !== null) return this.#found.endpoints
      throw error
    }
  }

  /**
   * What the provider says of the person an access token stands for (OpenID Connect Core §5.3). The token came from its token endpoint a moment ago, by TLS
   * and for this client's own code: so the answer is about whoever just signed in, and needs no signature.
   * @throws DWA_SIGN_IN_PROVIDER
   */
  async claims ({ userinfo }: Pick<Endpoints, 'userinfo'>, accessToken: string): Promise<Claims> {
    return await this.#read('userinfo', new URL(userinfo), { authorization: `Bearer ${accessToken}` }) ?? this.#refuse('userinfo', 'answered with status 404')
  }

  /** OpenID Connect Discovery 1.0 §4, or else RFC 8414 §3. */
  async #discover (): Promise<Endpoints> {
    const { issuer = '' } = this.#options
    const metadata = await this.#read('metadata', new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)) ?? await this.#read('metadata', new URL(metadataPath(issuer), issuer))
    if (metadata === null) return this.#refuse('metadata', 'answered with status 404')
    if (metadata['issuer'] !== issuer) return this.#refuse('metadata', 'is that of another issuer')
    const endpoint = (name: string): string => {
      const url = metadata[name]
      return typeof url === 'string' && this.#problemOf(url) === null ? url : this.#refuse('metadata', `has no usable ${name}`)
    }
    return {
      issuer,
      authorization: endpoint('authorization_endpoint'),
      token: endpoint('token_endpoint'),
      userinfo: endpoint('userinfo_endpoint'),
      namesIssuer: metadata['authorization_response_iss_parameter_supported'] === true,
      clientAuthentication: this.#options.clientAuthentication ?? clientAuthentication(metadata['token_endpoint_auth_methods_supported'])
    }
  }

  /** A JSON object; null when there is none at that address. */
  async #read (what: string, url: URL, headers: Readonly<Record<string, string>> = {}): Promise<Claims | null> {
    const { timeoutMs = 10_000 } = this.#options
    try {
      const { status, headers: { 'content-type': type }, body } = await requestBounded(url, { timeoutMs, maxBytes, allowSpecialAddress: true, headers: { accept: 'application/json', ...headers } })
      if (status === 404) return null
      if (status !== 200) throw new Error(`answered with status ${status}`)
      if (!isJsonType(type)) throw new Error('answered with another media type than JSON')
      const value = parseJson(body)
      if (!isObject(value)) throw new Error('is no JSON object')
      return value
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      throw new errors.DWA_SIGN_IN_PROVIDER(what, cause instanceof Error && 'code' in cause ? `cannot be fetched (${String(cause.code)})` : problem, { cause }) // who has a code names hosts
    }
  }

  #refuse (what: string, problem: string): never {
    throw new errors.DWA_SIGN_IN_PROVIDER(what, problem)
  }

  #checkOption (name: string, url: string): void {
    const problem = this.#problemOf(url)
    if (problem !== null) throw new errors.DWA_OPTIONS_INVALID(`signIn.${name}`, problem)
  }

  #problemOf (text: string): string | null {
    if (!URL.canParse(text)) return 'is not a URL'
    const { protocol, hostname, username, password, hash } = new URL(text)
    if (protocol !== 'https:' && !(protocol === 'http:' && this.#options.allowInsecure === true && isLoopbackHost(hostname))) return 'must be https (http only on loopback, with signIn.allowInsecure)'
    return username === '' && password === '' && hash === '' ? null : 'must not hold credentials or a fragment'
  }
}

function isObject (value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Basic is what everybody has (RFC 6749 §2.3.1), and what is meant when nothing is said (RFC 8414 §2). */
function clientAuthentication (supported: unknown): 'basic' | 'post' {
  return Array.isArray(supported) && !supported.includes('client_secret_basic') && supported.includes('client_secret_post') ? 'post' : 'basic'
}
