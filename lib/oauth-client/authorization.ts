import { randomBytes as cryptoRandomBytes } from 'node:crypto'
import { isLocalPath } from '../http/local-path.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Actor, LogFields } from '../log/log-entry.js'
import { reasonOf, type Logger } from '../store/logger.js'
import { unavailable } from '../store/unavailable.js'
import { errors as packageErrors } from '../errors.js'
import { bindingCookieName, isBoundTo, stateLifetime, type BegunAuthorization, type BegunAuthorizations } from './authorization-state.js'
import { readCallback } from './callback.js'
import { noTokens, type Account, type AuthorizationServer, type Grant, type Grants } from './grant.js'
import { TokenFailure, type TokenAnswer } from './token-answer.js'
import type { UnsavedTokens } from './unsaved-tokens.js'
import { openGrant, updateGrant } from './update-grant.js'

/** A cookie for a browser. */
export interface BindingCookie {
  readonly name: string
  readonly value: string
  readonly maxAge: number
  readonly secure: boolean
}

export interface StartOptions {
  /** Where the browser goes in the end: a path on this site. */
  readonly returnTo?: string | undefined
  readonly actor?: Actor | undefined
  readonly requestId?: string | undefined
  readonly personal?: LogFields['personal']
  /** Whether whatever browser may end it. */
  readonly unbound: boolean
}

export interface StartedAuthorization {
  readonly url: string
  /** What the browser must bring back; null for an unbound one. */
  readonly cookie: BindingCookie | null
}

/** How a callback ended well, and where the browser goes. */
export interface FinishedAuthorization {
  readonly grant: { readonly id: string, readonly name: string }
  readonly returnTo: string | null
}

export interface AuthorizationOptions<One extends Grant> {
  readonly grants: Grants<One>
  readonly states: BegunAuthorizations
  readonly unsaved: UnsavedTokens<One>
  /** Runs while nobody refreshes the grant's tokens. */
  readonly exclusively: <T>(id: string, name: string, operation: () => Promise<T>) => Promise<T>
  readonly auditLog: Pick<AuditLog, 'record' | 'sample'> & { append (event: string, fields: LogFields): Promise<unknown> }
  readonly logger: Logger
  /** Of the callback route; null when the app has no public URL. */
  readonly redirectUri: string | null
  readonly randomBytes?: ((size: number) => Buffer) | undefined
}

/** The authorization code flow as a client (RFC 6749 §4.1, RFC 7636), from the link to the tokens in the record, and their revocation. */
export class Authorization<One extends Grant> {
  readonly #options: AuthorizationOptions<One>

  constructor (options: AuthorizationOptions<One>) {
    this.#options = options
  }

  /**
   * Begins an authorization; discovers the endpoints when they are not known yet, or are not there any more.
   * @throws DWA_OPTIONS_INVALID without a public URL, its kind's `invalidReturnTo` for a `returnTo` that is no local path, and what discovery throws
   */
  async start (id: string, { returnTo, actor, requestId, personal, unbound }: Omit<StartOptions, 'returnTo'> & { readonly returnTo?: unknown }): Promise<StartedAuthorization> {
    const { grants, states, auditLog, randomBytes = cryptoRandomBytes } = this.#options
    const redirectUri = this.#redirectUri()
    const path = this.returnPath(returnTo)
    const grant = await this.#current(id)
    const [state, codeVerifier, browser] = [32, 32, 32].map((size) => randomBytes(size).toString('base64url'))
    if (state === undefined || codeVerifier === undefined || browser === undefined) throw new TypeError('no random bytes')
    const url = await grants.serverOf(grant).authorizationUrl({ redirectUri, state, codeVerifier })
    await states.remember({
      state,
      codeVerifier,
      grant: grant.id,
      configuration: grant.fields.configuration,
      returnTo: path,
      actor: actor ?? null,
      browser: unbound ? null : browser
    })
    await auditLog.append(`${grants.area}.authorize_started`, { target: { type: grants.area, id: grant.id, name: grant.fields.name }, actor, requestId, personal, details: { unbound } })
    const secure = redirectUri.startsWith('https:')
    return { url, cookie: unbound ? null : { name: bindingCookieName(state, secure), value: browser, maxAge: stateLifetime, secure } }
  }

  /** Where the browser is to go in the end; null when nobody said. @throws its kind's `invalidReturnTo` for what is no local path */
  returnPath (returnTo: unknown): string | null {
    if (returnTo === undefined) return null
    if (isLocalPath(returnTo)) return returnTo
    throw Object.assign(this.#options.grants.errors.invalidReturnTo('returnTo: must be a path on this site'), { field: 'returnTo' })
  }

  /** The name of the cookie that a callback with this state must bring. */
  cookieName (state: string): string {
    return bindingCookieName(state, this.#redirectUri().startsWith('https:'))
  }

  /**
   * Ends an authorization with what the browser brought back. The state is used up before anything else happens.
   * @param query of the callback
   * @param cookies the values of the cookie named `cookieName(state)`
   * @param only the one grant it may be for
   * @throws its kind's `badCallback`, `invalidState`, `foreignIssuer`, `denied` and `exchange`, DWA_STORE_UNAVAILABLE;
   * with `returnTo` when the browser is to learn of it there
   */
  async finish (query: URLSearchParams, cookies: readonly string[], { requestId, only }: { readonly requestId?: string | undefined, readonly only?: string | undefined } = {}): Promise<FinishedAuthorization> {
    const { grants, states } = this.#options
    const { errors } = grants
    const { state, code, iss, denial } = readCallback(query, () => errors.badCallback())
    if (state === null) return this.#refuse(null, 'denied', requestId, errors.denied(denial))
    const begun = await states.consume(state)
    if (begun === null) return this.#refuse(null, 'state', requestId, errors.invalidState())
    if (begun.binding !== null && !isBoundTo(begun.binding, cookies)) return this.#refuse(begun, 'browser', requestId, errors.invalidState())
    if (only !== undefined && only !== begun.grant) return this.#refuse(begun, 'other', requestId, errors.invalidState())
    const grant = await grants.open(begun.grant)
    if (grant === null || grant.fields.configuration !== begun.configuration || !grants.isKnown(grant)) return this.#refuse(begun, `${grants.area}_changed`, requestId, errors.invalidState())
    if (!grants.isIssuer(grant, iss)) return this.#refuse(begun, 'issuer', requestId, withReturn(errors.foreignIssuer(), begun))
    if (code === null) return this.#refuse(begun, 'denied', requestId, withReturn(errors.denied(denial), begun, denial))
    try {
      const { answer, grant: asked } = await this.#exchange(grant, new URLSearchParams({ code, state }), { state, codeVerifier: begun.codeVerifier })
      const account = await this.#account(asked, answer)
      await this.#keep(grant, begun, answer, account, requestId)
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error
      return this.#refuse(begun, 'exchange', requestId, withReturn(errors.exchange(error.reason, error), begun))
    }
    return { grant: { id: grant.id, name: grant.fields.name }, returnTo: begun.returnTo }
  }

  /**
   * Tells the identity service (RFC 7009), then erases the tokens whatever it answered. What was discovered is kept.
   * @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE
   */
  async revoke (id: string, note: Pick<LogFields, 'actor' | 'requestId' | 'personal'> = {}): Promise<void> {
    const { grants, exclusively } = this.#options
    const known = await openGrant(grants, id)
    await exclusively(id, known.fields.name, async () => {
      let grant = await openGrant(grants, id)
      const failed = new Set<string>()
      for (let revoked: One | null = null; revoked === null || !holdsSameTokens(grant, revoked);) {
        revoked = grant
        for (const hint of await this.#tellRevoked(revoked)) failed.add(hint)
        grant = await openGrant(grants, id) // an authorization may have ended meanwhile: its tokens go too, and none unrevoked
      }
      // Counted as another configuration: what was begun before, or waits to be saved, is not to come after.
      await updateGrant(grants, grant, (one) => holdsSameTokens(one, grant) ? { ...noTokens, configuration: one.fields.configuration + 1 } : null, {
        ...note, event: `${grants.area}.revoked`, details: failed.size === 0 ? {} : { notConfirmed: [...failed] }
      })
    })
  }

  /** Has a connection's tokens revoked, at once. @returns which of them the identity service did not confirm */
  async #tellRevoked (grant: One): Promise<string[]> {
    const { grants, logger } = this.#options
    const { fields: { name }, secrets: { accessToken, refreshToken } } = grant
    if (!grants.isKnown(grant)) return []
    let found: Promise<One> | null = null
    const find = async (): Promise<One> => await (found ??= this.#rediscover(grant))
    const revocations = ([['refresh_token', refreshToken], ['access_token', accessToken]] as const).map(async ([hint, token]) => {
      try {
        if (token !== undefined) await this.#whereverItIs(grant, async (server) => { await server.revoke(token, hint) }, find)
        return []
      } catch (error) {
        logger.warn({ [grants.area]: name, reason: reasonOf(error) }, 'the identity service did not revoke a token')
        return [hint]
      }
    })
    return (await Promise.all(revocations)).flat()
  }

  /** A browser that is sent to an endpoint which has moved does not come back: it is looked for first. */
  async #current (id: string): Promise<One> {
    const { grants } = this.#options
    const grant = await openGrant(grants, id)
    return grants.isKnown(grant) && !await grants.isGone(grant) ? grant : await this.#rediscover(grant)
  }

  async #rediscover (grant: One): Promise<One> {
    const { rediscover } = this.#options.grants
    return rediscover === null ? grant : await rediscover(grant.id)
  }

  /** @throws TokenFailure */
  async #exchange (grant: One, answered: URLSearchParams, checks: Parameters<AuthorizationServer['exchangeCode']>[1]): Promise<{ readonly answer: TokenAnswer, readonly grant: One }> {
    const { grants } = this.#options
    const callback = new URL(`${this.#redirectUri()}?${answered.toString()}`)
    try {
      return { grant, answer: await grants.serverOf(grant).exchangeCode(callback, checks) }
    } catch (error) {
      if (!(error instanceof TokenFailure) || error.kind !== 'gone') throw error
      const found = await this.#found(grant)
      if (found === grant || found.fields.configuration !== grant.fields.configuration) throw error // another host is not to see the code
      return { grant: found, answer: await grants.serverOf(found).exchangeCode(callback, checks) }
    }
  }

  /** Asks the authorization server for something; once more where it is by now, when its endpoint is gone. */
  async #whereverItIs<T> (grant: One, ask: (server: AuthorizationServer) => Promise<T>, find = async () => await this.#rediscover(grant)): Promise<T> {
    const { grants } = this.#options
    try {
      return await ask(grants.serverOf(grant))
    } catch (error) {
      if (!(error instanceof TokenFailure) || error.kind !== 'gone') throw error
      const found = await find()
      if (found === grant || found.fields.configuration !== grant.fields.configuration) throw error // another host is not to see the token
      return await ask(grants.serverOf(found))
    }
  }

  async #found (grant: One): Promise<One> {
    try {
      return await this.#rediscover(grant)
    } catch (cause) {
      throw new TokenFailure('gone', 'the token endpoint is not to be found', { cause })
    }
  }

  /** Nothing is lost with the database: the tokens go on waiting in memory, though the browser is told that it failed. */
  async #keep (grant: One, begun: BegunAuthorization, answer: TokenAnswer, account: Account | null, requestId: string | undefined): Promise<void> {
    const { grants: { area, errors }, unsaved } = this.#options
    const { result } = await unsaved.save(grant, answer, {
      follow: ({ fields }) => fields.configuration === begun.configuration,
      authorization: { account },
      note: { event: `${area}.authorized`, actor: begun.actor ?? undefined, requestId }
    })
    if (result === 'waiting') throw unavailable()
    if (result === 'superseded') this.#refuse(begun, `${area}_changed`, requestId, errors.invalidState())
  }

  async #account (grant: One, { accessToken }: TokenAnswer): Promise<Account | null> {
    const { grants: { area }, logger } = this.#options
    try {
      return await this.#whereverItIs(grant, async (server) => await server.account(accessToken))
    } catch (error) {
      logger.warn({ [area]: grant.fields.name, reason: reasonOf(error) }, 'the identity service does not say whose account it is')
      return null
    }
  }

  #refuse (begun: BegunAuthorization | null, reason: string, requestId: string | undefined, error: Error): never {
    const { grants: { area }, auditLog } = this.#options
    const event = `${area}.authorization_failed`
    const fields: LogFields = {
      level: 'warning',
      target: begun === null ? undefined : { type: area, id: begun.grant },
      actor: begun?.actor ?? undefined,
      requestId,
      details: { reason, error: error.message }
    }
    if (begun === null) auditLog.sample(`${area}.callback/${reason}`, event, fields) // anybody can bring it about
    else auditLog.record(event, fields)
    throw error
  }

  #redirectUri (): string {
    const { redirectUri } = this.#options
    if (redirectUri === null) throw new packageErrors.DWA_OPTIONS_INVALID('store.publicUrl', `is required to authorize ${this.#options.grants.area}s: the redirect URI is derived from it`)
    return redirectUri
  }
}

/** The browser learns of the failure where it was going, when it was going somewhere. */
function withReturn<Failure extends Error> (error: Failure, { returnTo }: BegunAuthorization, reason = 'server_error'): Failure & { readonly returnTo: string | null } {
  if (returnTo === null) return Object.assign(error, { returnTo })
  const target = new URL(returnTo, 'http://local.invalid')
  target.searchParams.set('error', reason)
  return Object.assign(error, { returnTo: target.pathname + target.search + target.hash })
}

function holdsSameTokens (one: Grant, other: Grant): boolean {
  return one.secrets['accessToken'] === other.secrets['accessToken'] && one.secrets['refreshToken'] === other.secrets['refreshToken']
}
