import { errors, isAuthError } from '../errors.js'
import { answerLocation, refusalLocation } from './authorization-answer.js'
import { isSilent, readAuthorizationRequest, readDestination, type AuthorizationRequest, type Destination } from './authorization-request.js'
import type { Lifetimes } from './client-schema.js'
import type { Consents } from './consents.js'
import { pairsOf, valuesOf } from './form-pairs.js'
import { readParameters, required } from './form-parameters.js'
import { lifetimesOf } from './grants.js'
import type { InteractionDocument, Interactions } from './interactions.js'
import { familyOf, familyOfAccessToken } from './issued-text.js'
import type { OpenClient, OpenClients } from './open-clients.js'
import type { ConsentPage } from './pages.js'
import type { Granted, Mint, TokenFamilies } from './token-families.js'

/** What a scope is called on the consent page. */
export interface ScopeText {
  readonly name: string
  readonly description?: string | undefined
}

export interface AuthorizeOptions {
  readonly clients: Pick<OpenClients, 'byClientId'>
  readonly scopes: { byCode (code: string): ScopeText | null | Promise<ScopeText | null> }
  readonly families: Pick<TokenFamilies, 'begin' | 'issue' | 'revoke'>
  readonly consents: Pick<Consents, 'covers' | 'grant' | 'deny'>
  readonly interactions: Interactions
  /** RFC 9207. */
  readonly issuer: string
  readonly lifetimes: Required<Lifetimes>
  /** What `resource` may be (RFC 8707). */
  readonly audiences: readonly string[]
  /** Makes a client's access tokens; null where they are opaque. */
  readonly mintFor: (client: OpenClient) => Mint | null
}

/** Who asks: the person that is signed in, if somebody is, and the browser. */
export interface Asking {
  /** The app's id of the person. */
  readonly user: string | null
  /** What the browser's cookie says. */
  readonly browser: string
  readonly requestId?: string | undefined
}

/** What a person is asked. */
export type ConsentQuestion = Pick<ConsentPage, 'clientName' | 'scopes' | 'lifetime' | 'fields'> & { readonly redirectUri: string }

/** What becomes of an authorization request. */
export type AuthorizationStep =
  | { readonly next: 'sign-in' }
  | { readonly next: 'redirect', readonly location: string }
  | { readonly next: 'consent', readonly question: ConsentQuestion }

const formFields = ['interaction', 'csrf', 'decision']

/** The authorization endpoint (RFC 6749 §3.1). */
export class Authorize {
  readonly #options: AuthorizeOptions

  constructor (options: AuthorizeOptions) {
    this.#options = options
  }

  /**
   * Takes an authorization request. Nothing is redirected to a client before somebody is signed in, unless the client asked for that (security.md 5).
   * @param query as it was sent
   * @throws DWA_OAUTH_UNKNOWN_CLIENT, DWA_OAUTH_UNREGISTERED_REDIRECT, DWA_OAUTH_INVALID_REQUEST: for a page; DWA_STORE_UNAVAILABLE
   */
  async begin (query: string, { user, browser, requestId }: Asking): Promise<AuthorizationStep> {
    const destination = await readDestination(query, this.#options.clients)
    if (user === null && !isSilent(query)) return { next: 'sign-in' }
    try {
      if (user === null) throw new errors.DWA_OAUTH_LOGIN_REQUIRED()
      const request = this.#read(query, destination)
      if (await this.#isGranted(request, destination, user)) return { next: 'redirect', location: await this.#issue(destination, request, request.scopes, user, requestId) }
      if (request.prompt === 'none') throw new errors.DWA_OAUTH_CONSENT_REQUIRED()
      return { next: 'consent', question: await this.#ask(query, destination, request, user, browser) }
    } catch (error) {
      if (!isOAuthError(error)) throw error
      return { next: 'redirect', location: refusalLocation(destination, this.#options.issuer, error) }
    }
  }

  /**
   * Takes a person's decision: `interaction`, `csrf`, `decision`, and the `scope`s left checked. Everything else comes from the request that the page was for (security.md 13).
   * @param form as it was sent, form-encoded
   * @returns where the browser goes, by 303
   * @throws DWA_OAUTH_INVALID_INTERACTION, DWA_OAUTH_INVALID_REQUEST, and what `begin` throws when the client has changed meanwhile: for a page
   */
  async decide (form: string, { user, browser, requestId }: Asking): Promise<string> {
    const { consents, interactions, clients, issuer } = this.#options
    const parameters = readParameters(pairsOf(form, formFields))
    const decision = required(parameters, 'decision')
    if (decision !== 'allow' && decision !== 'deny') throw new errors.DWA_OAUTH_INVALID_REQUEST('decision must be allow or deny')
    const checked = valuesOf(form, 'scope')
    const proof = { interaction: required(parameters, 'interaction'), csrf: required(parameters, 'csrf'), browser }
    const asked = user === null ? null : await interactions.consume({ ...proof, user })
    if (user === null || asked === null) throw new errors.DWA_OAUTH_INVALID_INTERACTION()
    const destination = await readDestination(asked.query, clients)
    const request = this.#readAgain(asked, destination)
    const { id, fields: { name } } = destination.client
    const decided = { user, client: { id, name }, offered: asked.scopes, requestId }
    const granted = asked.scopes.filter((scope) => checked.includes(scope))
    if (decision === 'deny' || (granted.length === 0 && asked.scopes.length > 0)) {
      await consents.deny(decided)
      return refusalLocation(destination, issuer, new errors.DWA_OAUTH_ACCESS_DENIED())
    }
    await consents.grant(decided, granted)
    try {
      return await this.#issue(destination, request, granted, user, requestId)
    } catch (error) {
      if (!isAuthError(error, 'DWA_OAUTH_CONSENT_REQUIRED')) throw error
      return refusalLocation(destination, issuer, error)
    }
  }

  #read (query: string, { client }: Destination): AuthorizationRequest {
    return readAuthorizationRequest(query, client.fields, this.#options.audiences)
  }

  /** @throws DWA_OAUTH_INVALID_INTERACTION when the client may not ask for what the page offered any more */
  #readAgain ({ query, scopes, redirectUri }: Pick<InteractionDocument, 'query' | 'scopes' | 'redirectUri'>, destination: Destination): AuthorizationRequest {
    try {
      const request = this.#read(query, destination)
      if (destination.redirectUri === redirectUri && scopes.every((scope) => request.scopes.includes(scope))) return request
    } catch (error) {
      if (!isOAuthError(error)) throw error
    }
    throw new errors.DWA_OAUTH_INVALID_INTERACTION()
  }

  async #isGranted ({ prompt, scopes }: AuthorizationRequest, { client }: Destination, user: string): Promise<boolean> {
    if (prompt === 'consent') return false
    return client.fields.skipAuthorization || await this.#options.consents.covers(user, client.id, scopes)
  }

  async #ask (query: string, { client, redirectUri }: Destination, request: AuthorizationRequest, user: string, browser: string): Promise<ConsentQuestion> {
    const { interactions, scopes: texts, lifetimes: defaults } = this.#options
    const lifetimes = lifetimesOf(client.fields, defaults)
    const scopes = await Promise.all(request.scopes.map(async (code) => {
      const text = await texts.byCode(code)
      return { code, name: text?.name ?? code, description: text?.description ?? null }
    }))
    return {
      redirectUri,
      clientName: client.fields.name,
      scopes,
      lifetime: request.responseType === 'code' ? lifetimes.refreshToken : lifetimes.accessToken,
      fields: await interactions.begin({ user, query, browser, redirectUri, scopes: request.scopes })
    }
  }

  /** A code, or for the implicit grant an access token, on its way to the client. */
  async #issue (destination: Destination, { responseType, challenge, resource }: AuthorizationRequest, scopes: readonly string[], user: string, requestId: string | undefined): Promise<string> {
    const { families, issuer, mintFor, lifetimes } = this.#options
    const { client, givenRedirectUri: redirectUri } = destination
    const granted: Granted = {
      client: { id: client.id, name: client.fields.name },
      user,
      grant: responseType === 'code' ? 'authorization_code' : 'implicit',
      scopes,
      lifetimes: lifetimesOf(client.fields, lifetimes),
      resource: resource ?? undefined,
      requestId
    }
    if (responseType === 'code') {
      const code = await families.begin(granted, { redirectUri, challenge })
      await this.#confirm(familyOf('code', code), client, user, scopes)
      return answerLocation(destination, issuer, { code })
    }
    const answer = await families.issue(granted, { refresh: false, mint: mintFor(client) })
    await this.#confirm(familyOfAccessToken(answer.access_token), client, user, scopes)
    return answerLocation(destination, issuer, { ...answer })
  }

  /**
   * Looks at the consent once more, now that there is something that its end would revoke: of an end at the same moment, either this sees it, or it sees the family.
   * @throws DWA_OAUTH_CONSENT_REQUIRED
   */
  async #confirm (family: string | null, client: OpenClient, user: string, scopes: readonly string[]): Promise<void> {
    const { consents, families } = this.#options
    if (client.fields.skipAuthorization || await consents.covers(user, client.id, scopes)) return
    if (family !== null) await families.revoke(family, 'token.revoked', { message: 'the consent was ended meanwhile', actor: { type: 'user', id: user } })
    throw new errors.DWA_OAUTH_CONSENT_REQUIRED()
  }
}

function isOAuthError (error: unknown): boolean {
  return isAuthError(error) && error.code.startsWith('DWA_OAUTH_')
}
