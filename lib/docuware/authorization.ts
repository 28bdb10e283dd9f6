import { randomBytes as cryptoRandomBytes } from 'node:crypto'
import { errors, isAuthError } from '../errors.js'
import { isLocalPath } from '../http/local-path.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Actor, LogFields } from '../log/log-entry.js'
import { reasonOf, type Logger } from '../store/logger.js'
import type { OpenedRecord, RecordCollection } from '../store/record-collection.js'
import { unavailable } from '../store/unavailable.js'
import { bindingCookieName, isBoundTo, stateLifetime, type AuthorizationStates, type BegunAuthorization } from './authorization-state.js'
import { openConnection, type OpenConnection } from './open-connection.js'
import { noTokens, type Account, type Discovered, type StoredConnection } from './connection-schema.js'
import { isSameIssuer } from './discovery.js'
import type { IdentityService } from './identity-service.js'
import { TokenFailure, type TokenAnswer } from './token-answer.js'
import type { UnsavedTokens } from './unsaved-tokens.js'

/** A cookie for a browser. */
export interface BindingCookie {
  readonly name: string
  readonly value: string
  readonly maxAge: number
  readonly secure: boolean
}

export interface StartOptions {
  /** Where the browser goes in the end: a path on this site. */
  readonly returnTo?: string
  readonly actor?: Actor
  readonly requestId?: string
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
  readonly connection: { readonly id: string, readonly name: string }
  readonly returnTo: string | null
}

export interface AuthorizationOptions {
  readonly records: RecordCollection<StoredConnection>
  readonly states: AuthorizationStates
  readonly unsaved: UnsavedTokens
  readonly identityOf: (connection: OpenConnection) => IdentityService
  readonly discover: (platformUrl: string) => Promise<Discovered>
  readonly forget: (id: string) => void
  /** Runs while nobody refreshes the connection's tokens. */
  readonly exclusively: <T>(id: string, name: string, operation: () => Promise<T>) => Promise<T>
  readonly auditLog: Pick<AuditLog, 'append' | 'record' | 'sample'>
  readonly logger: Logger
  /** Of the callback route; null when the app has no public URL. */
  readonly redirectUri: string | null
  readonly randomBytes?: (size: number) => Buffer
}

const tries = 20
/** Characters of a callback's parameter: whoever sends more did not come from an identity service. */
const longestParameter = 4096
const app: Actor = { type: 'app', id: null }

/** The authorization code flow of connections (RFC 6749 §4.1, RFC 7636), from the link to the tokens in the record, and their revocation. */
export class Authorization {
  readonly #options: AuthorizationOptions

  constructor (options: AuthorizationOptions) {
    this.#options = options
  }

  /**
   * Begins an authorization; discovers the endpoints when they are not known yet, or are not there any more.
   * @throws DWA_OPTIONS_INVALID without a public URL, DWA_DOCUWARE_INVALID_REQUEST for a `returnTo` that is no local path, and what discovery throws
   */
  async start (id: string, { returnTo, actor, requestId, unbound }: StartOptions): Promise<StartedAuthorization> {
    const { states, identityOf, auditLog, randomBytes = cryptoRandomBytes } = this.#options
    const redirectUri = this.#redirectUri()
    if (returnTo !== undefined && !(typeof returnTo === 'string' && isLocalPath(returnTo))) throw Object.assign(new errors.DWA_DOCUWARE_INVALID_REQUEST('returnTo: must be a path on this site'), { field: 'returnTo' })
    const connection = await this.#current(id)
    const [state, codeVerifier, browser] = [32, 32, 32].map((size) => randomBytes(size).toString('base64url'))
    if (state === undefined || codeVerifier === undefined || browser === undefined) throw new TypeError('no random bytes')
    const url = await identityOf(connection).authorizationUrl({ redirectUri, scopes: connection.fields.scopes, state, codeVerifier })
    await states.remember({
      state,
      codeVerifier,
      connection: connection.id,
      configuration: connection.fields.configuration,
      returnTo: returnTo ?? null,
      actor: actor ?? null,
      browser: unbound ? null : browser
    })
    await auditLog.append('connection.authorize_started', this.#fields(connection, { actor, requestId, details: { unbound } }))
    const secure = redirectUri.startsWith('https:')
    return { url, cookie: unbound ? null : { name: bindingCookieName(state, secure), value: browser, maxAge: stateLifetime, secure } }
  }

  /** The name of the cookie that a callback with this state must bring. */
  cookieName (state: string): string {
    return bindingCookieName(state, this.#redirectUri().startsWith('https:'))
  }

  /**
   * Ends an authorization with what the browser brought back. The state is used up before anything else happens.
   * @param query of the callback
   * @param cookies the values of the cookie named `cookieName(state)`
   * @throws DWA_DOCUWARE_BAD_CALLBACK, DWA_DOCUWARE_INVALID_STATE, DWA_DOCUWARE_FOREIGN_ISSUER, DWA_DOCUWARE_DENIED, DWA_DOCUWARE_EXCHANGE, DWA_STORE_UNAVAILABLE;
   * with `returnTo` when the browser is to learn of it there
   */
  async finish (query: URLSearchParams, cookies: readonly string[], requestId?: string): Promise<FinishedAuthorization> {
    const { states, records } = this.#options
    const { state, code, iss, denial } = readCallback(query)
    if (state === null) return this.#refuse(null, 'denied', requestId, new errors.DWA_DOCUWARE_DENIED(denial))
    const begun = await states.consume(state)
    if (begun === null) return this.#refuse(null, 'state', requestId, new errors.DWA_DOCUWARE_INVALID_STATE())
    if (begun.binding !== null && !isBoundTo(begun.binding, cookies)) return this.#refuse(begun, 'browser', requestId, new errors.DWA_DOCUWARE_INVALID_STATE())
    const record = await records.open(begun.connection)
    if (record === null || record.fields.configuration !== begun.configuration || record.fields.discovered === undefined) return this.#refuse(begun, 'connection_changed', requestId, new errors.DWA_DOCUWARE_INVALID_STATE())
    if (iss !== null && !isSameIssuer(iss, new URL(record.fields.discovered.issuer))) return this.#refuse(begun, 'issuer', requestId, withReturn(new errors.DWA_DOCUWARE_FOREIGN_ISSUER(), begun))
    if (code === null) return this.#refuse(begun, 'denied', requestId, withReturn(new errors.DWA_DOCUWARE_DENIED(denial), begun, denial))
    const connection = openConnection(record)
    try {
      const { answer, connection: asked } = await this.#exchange(connection, new URLSearchParams({ code, state }), { state, codeVerifier: begun.codeVerifier })
      const account = await this.#account(asked, answer)
      await this.#keep(connection, begun, answer, account, requestId)
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error
      return this.#refuse(begun, 'exchange', requestId, withReturn(new errors.DWA_DOCUWARE_EXCHANGE(error.message, { cause: error }), begun))
    }
    return { connection: { id: record.id, name: record.fields.name }, returnTo: begun.returnTo }
  }

  /**
   * Tells the identity service (RFC 7009), then erases the tokens whatever it answered. What was discovered is kept.
   * @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE
   */
  async revoke (id: string, note: { readonly actor?: Actor, readonly requestId?: string } = {}): Promise<void> {
    const { exclusively } = this.#options
    const known = await this.#open(id)
    await exclusively(id, known.fields.name, async () => {
      let connection = await this.#open(id)
      const failed = new Set<string>()
      for (let revoked: OpenConnection | null = null; revoked === null || !holdsSameTokens(connection, revoked);) {
        revoked = connection
        for (const hint of await this.#tellRevoked(revoked)) failed.add(hint)
        connection = await this.#open(id) // an authorization may have ended meanwhile: its tokens go too, and none unrevoked
      }
      // Counted as another configuration: what was begun before, or waits to be saved, is not to come after.
      await this.#update(connection, (record) => holdsSameTokens(record, connection) ? { ...noTokens, configuration: record.fields.configuration + 1 } : null, {
        ...note, event: 'connection.revoked', details: failed.size === 0 ? {} : { notConfirmed: [...failed] }
      })
    })
  }

  /** Has a connection's tokens revoked, at once. @returns which of them the identity service did not confirm */
  async #tellRevoked (connection: OpenConnection): Promise<string[]> {
    const { logger } = this.#options
    const { fields: { discovered, name }, secrets: { accessToken, refreshToken } } = connection
    if (discovered === undefined) return []
    let found: Promise<OpenConnection> | null = null
    const find = async (): Promise<OpenConnection> => await (found ??= this.rediscover(connection.id))
    const revocations = ([['refresh_token', refreshToken], ['access_token', accessToken]] as const).map(async ([hint, token]) => {
      try {
        if (token !== undefined) await this.#whereverItIs(connection, async (service) => { await service.revoke(token, hint) }, find)
        return []
      } catch (error) {
        logger.warn({ connection: name, reason: reasonOf(error) }, 'the identity service did not revoke a token')
        return [hint]
      }
    })
    return (await Promise.all(revocations)).flat()
  }

  /** Finds the endpoints again and stores them. @throws what discovery throws, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE, DWA_STORE_CONFLICT when the connection became another */
  async rediscover (id: string): Promise<OpenConnection> {
    const connection = await this.#open(id)
    const discovered = await this.#discover(connection)
    const { configuration } = connection.fields
    return await this.#update(connection, ({ fields }) => fields.configuration === configuration ? { discovered } : null, {
      actor: app, event: 'connection.discovered', details: { identityUrl: discovered.identityUrl }
    })
  }

  async #discover ({ id, fields: { name, platformUrl } }: OpenConnection): Promise<Discovered> {
    try {
      return await this.#options.discover(platformUrl)
    } catch (error) {
      this.#options.auditLog.record('connection.discovery_failed', { level: 'warning', actor: app, target: { type: 'connection', id, name }, details: { reason: reasonOf(error) } })
      throw error
    }
  }

  /** A browser that is sent to an endpoint which has moved does not come back: it is looked for first. */
  async #current (id: string): Promise<OpenConnection> {
    const connection = await this.#open(id)
    const known = connection.fields.discovered !== undefined && !await this.#options.identityOf(connection).isGone()
    return known ? connection : await this.rediscover(id)
  }

  /** @throws TokenFailure */
  async #exchange (connection: OpenConnection, answered: URLSearchParams, checks: Parameters<IdentityService['exchangeCode']>[1]): Promise<{ readonly answer: TokenAnswer, readonly connection: OpenConnection }> {
    const { identityOf } = this.#options
    const callback = new URL(`${this.#redirectUri()}?${answered.toString()}`)
    try {
      return { connection, answer: await identityOf(connection).exchangeCode(callback, checks) }
    } catch (error) {
      if (!(error instanceof TokenFailure) || error.kind !== 'gone') throw error
      const found = await this.#found(connection)
      if (found.fields.configuration !== connection.fields.configuration) throw error // another host is not to see the code
      return { connection: found, answer: await identityOf(found).exchangeCode(callback, checks) }
    }
  }

  /** Asks the identity service for something; once more where it is by now, when its endpoint is gone. */
  async #whereverItIs<T> (connection: OpenConnection, ask: (service: IdentityService) => Promise<T>, find = async () => await this.rediscover(connection.id)): Promise<T> {
    const { identityOf } = this.#options
    try {
      return await ask(identityOf(connection))
    } catch (error) {
      if (!(error instanceof TokenFailure) || error.kind !== 'gone') throw error
      const found = await find()
      if (found.fields.configuration !== connection.fields.configuration) throw error // another host is not to see the token
      return await ask(identityOf(found))
    }
  }

  async #found ({ id }: OpenConnection): Promise<OpenConnection> {
    try {
      return await this.rediscover(id)
    } catch (cause) {
      throw new TokenFailure('gone', 'the token endpoint is not to be found', { cause })
    }
  }

  /** Nothing is lost with the database: the tokens go on waiting in memory, though the browser is told that it failed. */
  async #keep (connection: OpenConnection, begun: BegunAuthorization, answer: TokenAnswer, account: Account | null, requestId: string | undefined): Promise<void> {
    const { result } = await this.#options.unsaved.save(connection, answer, {
      follow: ({ fields }) => fields.configuration === begun.configuration,
      authorization: { account },
      note: { event: 'connection.authorized', ...(begun.actor === null ? {} : { actor: begun.actor }), ...(requestId === undefined ? {} : { requestId }) }
    })
    if (result === 'waiting') throw unavailable()
    if (result === 'superseded') this.#refuse(begun, 'connection_changed', requestId, new errors.DWA_DOCUWARE_INVALID_STATE())
  }

  async #account (connection: OpenConnection, { accessToken }: TokenAnswer): Promise<Account | null> {
    try {
      return await this.#whereverItIs(connection, async (service) => await service.account(accessToken))
    } catch (error) {
      this.#options.logger.warn({ connection: connection.fields.name, reason: reasonOf(error) }, 'the identity service does not say whose account it is')
      return null
    }
  }

  /** Applies a change to the newest version; null leaves it as it is, and is an error: what the change rests on is gone. */
  async #update (record: OpenedRecord<StoredConnection>, change: (record: OpenedRecord<StoredConnection>) => Parameters<RecordCollection<StoredConnection>['update']>[2] | null, note: Parameters<RecordCollection<StoredConnection>['update']>[3], left = tries): Promise<OpenConnection> {
    const { records, forget } = this.#options
    const patch = change(record)
    if (patch === null) throw new errors.DWA_STORE_CONFLICT('The connection')
    try {
      await records.update(record.id, record.version, patch, note)
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_CONFLICT') || left === 0) throw error
      return await this.#update(await this.#open(record.id), change, note, left - 1)
    } finally {
      forget(record.id)
    }
    return await this.#open(record.id)
  }

  async #open (id: string): Promise<OpenConnection> {
    const record = await this.#options.records.open(id)
    if (record === null) throw new errors.DWA_STORE_NOT_FOUND('The connection')
    return openConnection(record)
  }

  #refuse (begun: BegunAuthorization | null, reason: string, requestId: string | undefined, error: Error): never {
    const { auditLog } = this.#options
    const event = 'connection.authorization_failed'
    const fields: LogFields = {
      level: 'warning',
      ...(begun === null ? {} : { target: { type: 'connection', id: begun.connection } }),
      ...(begun?.actor == null ? {} : { actor: begun.actor }),
      ...(requestId === undefined ? {} : { requestId }),
      details: { reason, error: error.message }
    }
    if (begun === null) auditLog.sample(`docuware.callback/${reason}`, event, fields) // anybody can bring it about
    else auditLog.record(event, fields)
    throw error
  }

  #fields ({ id, fields: { name } }: OpenConnection, { actor, requestId, details }: { readonly actor?: Actor | undefined, readonly requestId?: string | undefined, readonly details: Readonly<Record<string, unknown>> }): LogFields {
    return { target: { type: 'connection', id, name }, ...(actor === undefined ? {} : { actor }), ...(requestId === undefined ? {} : { requestId }), details }
  }

  #redirectUri (): string {
    const { redirectUri } = this.#options
    if (redirectUri === null) throw new errors.DWA_OPTIONS_INVALID('store.publicUrl', 'is required to authorize connections: the redirect URI is derived from it')
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

/** A code with its state, or an error that may lack the state. */
type Callback = { readonly iss: string | null } & (
  { readonly state: string, readonly code: string, readonly denial: '' } |
  { readonly state: string | null, readonly code: null, readonly denial: string })

/**
 * The parameters of a callback (RFC 6749 §4.1.2): one without a value is omitted, none comes twice (§3.1).
 * @throws DWA_DOCUWARE_BAD_CALLBACK
 */
function readCallback (query: URLSearchParams): Callback {
  const read = (name: string): string | null => {
    const [value = '', ...others] = query.getAll(name)
    if (others.length > 0 || value.length > longestParameter) throw new errors.DWA_DOCUWARE_BAD_CALLBACK()
    return value === '' ? null : value
  }
  const [state, code, iss, error] = [read('state'), read('code'), read('iss'), read('error')]
  if (error !== null) return { state, code: null, iss, denial: /^[a-z_]{1,64}$/.test(error) ? error : 'unknown_error' }
  if (state === null || code === null) throw new errors.DWA_DOCUWARE_BAD_CALLBACK()
  return { state, code, iss, denial: '' }
}

function holdsSameTokens (one: OpenedRecord<StoredConnection>, other: OpenedRecord<StoredConnection>): boolean {
  return one.secrets['accessToken'] === other.secrets['accessToken'] && one.secrets['refreshToken'] === other.secrets['refreshToken']
}
