import type { Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Lease } from '../store/lease.js'
import type { Logger } from '../store/logger.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import { unavailable } from '../store/unavailable.js'
import type { Bearer } from './bearer-access.js'
import type { StoredConnection } from './connection-schema.js'
import { loadEngine, type IdentityService } from './identity-service.js'
import { openConnection, type OpenConnection } from './open-connection.js'
import { RefreshPauses } from './refresh-pauses.js'
import { TokenFailure } from './token-answer.js'
import { clientRejected, noRefreshToken, refreshTokenRefused, writeVerdict, type TokenVerdict } from './token-verdict.js'
import type { TokenSource, UnsavedTokens } from './unsaved-tokens.js'

export interface TokenRefreshOptions {
  readonly records: RecordCollection<StoredConnection>
  readonly unsaved: UnsavedTokens
  readonly lease: (name: string, milliseconds: number) => Promise<Lease | null>
  readonly identityOf: (connection: OpenConnection) => IdentityService
  /** Finds the endpoints again and stores them. */
  readonly rediscover: (id: string) => Promise<void>
  /** Drops what is remembered of a connection. */
  readonly forget: (id: string) => void
  readonly auditLog: Pick<AuditLog, 'record'>
  /** For waits and lengths of time. */
  readonly clock: Clock
  /** Milliseconds since 1970, the same in every process: what the ends of tokens are compared with. */
  readonly now: () => number
  readonly logger: Logger
  /** Milliseconds for one exchange with the identity service. */
  readonly timeoutMs: number
  /** Milliseconds before its end from which on an access token is refreshed. */
  readonly refreshBefore: number
}

/** Milliseconds by which a lease is longer than an exchange, and within which the exchange must have begun. */
const leaseMargin = 5000
const beginWithin = 4000
const pollInterval = 50

/** What came of a turn at refreshing: a token, or the endpoint is gone and has to be looked for, or somebody else moved the record. */
type Turn = Bearer | TokenFailure | 'again'

/**
 * Refreshes access tokens: one refresh of a connection at a time in all processes. In this process callers share one flight; among processes a lease
 * by server time, longer than an exchange can take, says whose turn it is; after taking it the record is read again. Who has no turn goes on with the
 * old access token while it is valid, or waits for the record to move. A verdict (`reauthorize`, `error`) is written only by who still holds the lease,
 * onto the version it was reached on; tokens are written as long as the record holds the refresh token they came from.
 */
export class TokenRefresh {
  readonly #options: TokenRefreshOptions
  readonly #flights = new Map<string, Promise<Bearer>>()
  readonly #pauses: RefreshPauses
  #closed = false

  constructor (options: TokenRefreshOptions) {
    this.#options = options
    this.#pauses = new RefreshPauses(options.clock)
  }

  /** Milliseconds that a dead process delays the others at most. */
  get leaseTime (): number {
    return this.#options.timeoutMs + leaseMargin
  }

  /** The access token that is good for now; a promise only when it has to be had. Rejects as `renew` does. */
  current (known: OpenConnection): Bearer | Promise<Bearer> {
    return this.#fresh(this.#newest(known), null) ?? this.renew(known, null)
  }

  /**
   * An access token other than `refused`.
   * @throws DWA_DOCUWARE_NOT_AUTHORIZED, DWA_DOCUWARE_REAUTHORIZE, DWA_DOCUWARE_CLIENT_REJECTED, DWA_DOCUWARE_REFRESH_FAILED, DWA_STORE_UNAVAILABLE, DWA_STORE_NOT_FOUND
   */
  async renew (known: OpenConnection, refused: string | null): Promise<Bearer> {
    const newest = this.#newest(known)
    const ready = this.#fresh(newest, refused) ?? (this.#isStuck(newest) ? this.#stillValid(newest, refused) : null)
    if (ready !== null) return ready
    const key = `${known.id}/${refused ?? ''}` // what is good enough for the one may have been refused to the other
    let flight = this.#flights.get(key)
    if (flight === undefined) this.#flights.set(key, flight = this.#renew(known, refused).finally(() => { this.#flights.delete(key) }))
    try {
      return await flight
    } catch (error) {
      const old = isAuthError(error, 'DWA_STORE_UNAVAILABLE') ? this.#stillValid(this.#newest(known), refused) : null
      if (old === null) throw error
      return old
    }
  }

  /** The platform refused an access token that `renew` has just given. Once that has happened to several in a row, the next refresh waits as after a failure. */
  rejected (connection: OpenConnection, accessToken: string): void {
    const reason = 'the platform refuses new access tokens'
    const count = this.#pauses.rejected(connection.id, accessToken, new errors.DWA_DOCUWARE_REFRESH_FAILED(connection.fields.name, reason))
    if (count > 0) this.#report(connection, reason, count)
  }

  /** Runs `operation` while nobody refreshes the connection's tokens, and all of them are saved. @throws DWA_DOCUWARE_REFRESH_FAILED when the turn does not come, DWA_STORE_UNAVAILABLE */
  async exclusively<T> (id: string, name: string, operation: () => Promise<T>): Promise<T> {
    const { clock, lease, unsaved } = this.#options
    for (const end = clock.now() + this.leaseTime + leaseMargin; clock.now() < end; await this.#pause()) {
      const taken = await lease(leaseName(id), this.leaseTime)
      if (taken === null) continue
      try {
        if (!await unsaved.settle(id)) throw unavailable()
        return await operation()
      } finally {
        await taken.release()
      }
    }
    throw new errors.DWA_DOCUWARE_REFRESH_FAILED(name, 'another process does not finish')
  }

  /** Lets no more exchange begin, and waits for what is under way: at most as long as one can take. */
  async close (): Promise<void> {
    this.#closed = true
    const timeUp = new Promise<void>((resolve) => { this.#options.clock.after(this.leaseTime, resolve) })
    await Promise.race([timeUp, Promise.allSettled(this.#flights.values())])
  }

  async #renew (known: OpenConnection, refused: string | null): Promise<Bearer> {
    const { clock } = this.#options
    let rediscovered = false
    for (const end = clock.now() + this.leaseTime + leaseMargin; !this.#closed && clock.now() < end; await this.#pause()) {
      const connection = await this.#read(known)
      const ready = this.#fresh(connection, refused)
      if (ready !== null) return ready
      const old = this.#stillValid(connection, refused)
      const obstacle = this.#obstacle(connection)
      if (obstacle !== null) {
        if (old !== null) return old
        throw obstacle
      }
      const turn = await this.#turn(connection, refused)
      if (turn instanceof TokenFailure) {
        if (rediscovered || !await this.#rediscover(connection)) return this.#later(connection, refused, turn)
        rediscovered = true
      } else if (turn === null && old !== null) {
        return old
      } else if (turn !== null && turn !== 'again') {
        return turn
      }
    }
    const old = this.#stillValid(this.#newest(known), refused)
    if (old === null) throw new errors.DWA_DOCUWARE_REFRESH_FAILED(known.fields.name, this.#closed ? 'the app is closing' : 'another process does not finish')
    return old
  }

  /** The connection as the database has it, or will have it. */
  async #read ({ id, fields: { name } }: OpenConnection): Promise<OpenConnection> {
    const record = await this.#options.records.open(id)
    if (record === null) throw new errors.DWA_STORE_NOT_FOUND(`The connection "${name}"`)
    return this.#newest(openConnection(record))
  }

  /** One turn under the lease; null when somebody else has it. */
  async #turn (before: OpenConnection, refused: string | null): Promise<Turn | null> {
    const { lease, clock, unsaved } = this.#options
    await loadEngine()
    const askedAt = clock.now()
    const taken = await lease(leaseName(before.id), this.leaseTime)
    if (taken === null) return null
    try {
      if (!await unsaved.settle(before.id)) throw unavailable()
      const connection = await this.#read(before)
      const ready = this.#fresh(connection, refused)
      if (ready !== null) return ready
      const { refreshToken } = connection.secrets
      if (this.#closed || this.#obstacle(connection) !== null || clock.now() - askedAt > beginWithin) return 'again'
      if (refreshToken === undefined) return this.#stillValid(connection, refused) ?? await this.#judge(connection, noRefreshToken, taken)
      return await this.#exchange(connection, refreshToken, refused, taken)
    } finally {
      // While new tokens wait in memory, the record holds a spent one: nobody else may use it before the lease has ended.
      if (!unsaved.isWaiting(before.id)) await taken.release()
    }
  }

  async #exchange (connection: OpenConnection, refreshToken: string, refused: string | null, lease: Lease): Promise<Turn> {
    const { identityOf, unsaved } = this.#options
    try {
      const answer = await identityOf(connection).refresh(refreshToken)
      this.#pauses.succeeded(connection.id)
      const saved = await unsaved.save(connection, answer, refreshedFrom(connection, answer))
      return saved.result === 'superseded' ? 'again' : saved.connection.bearer ?? 'again'
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error
      switch (error.kind) {
        case 'gone': return error
        case 'invalid_grant': return await this.#judgeGrant(connection, refreshToken, lease)
        case 'invalid_client': return await this.#judge(connection, clientRejected, lease)
        default:
          if (error.refreshToken !== undefined) await unsaved.save(connection, { refreshToken: error.refreshToken }, refreshedFrom(connection, error))
          if (!await lease.isHeld()) return 'again'
          return this.#later(connection, refused, error)
      }
    }
  }

  /** Another process may have won meanwhile: the record is read once more before a person is called. */
  async #judgeGrant (connection: OpenConnection, used: string, lease: Lease): Promise<'again'> {
    const record = await this.#options.records.open(connection.id)
    if (record === null || record.secrets['refreshToken'] !== used) return 'again'
    return await this.#judge(record, refreshTokenRefused, lease)
  }

  /** Then the status is an obstacle, unless the record has moved. */
  async #judge (record: StoredRecord<StoredConnection>, verdict: TokenVerdict, lease: Lease): Promise<'again'> {
    if (await lease.isHeld()) await writeVerdict(this.#options, record, verdict)
    return 'again'
  }

  /** A failure that may pass: the old token while it is valid, and no new try before a pause is over. */
  #later (connection: OpenConnection, refused: string | null, failure: TokenFailure): Bearer {
    const error = new errors.DWA_DOCUWARE_REFRESH_FAILED(connection.fields.name, failure.message, { cause: failure })
    this.#report(connection, failure.message, this.#pauses.failed(connection, error))
    const old = this.#stillValid(connection, refused)
    if (old === null) throw error
    return old
  }

  #report ({ id, fields: { name } }: OpenConnection, reason: string, count: number): void {
    const { auditLog, logger } = this.#options
    logger.warn({ connection: name, reason, count }, 'an access token could not be refreshed')
    auditLog.record('connection.refresh_failed', { level: 'warning', actor: { type: 'app', id: null }, target: { type: 'connection', id, name }, details: { reason, count } })
  }

  /** Whether the endpoints were found again, or the connection has changed meanwhile: both are worth another turn. */
  async #rediscover ({ id }: OpenConnection): Promise<boolean> {
    try {
      await this.#options.rediscover(id)
    } catch (error) {
      if (isAuthError(error, 'DWA_DOCUWARE_DISCOVERY') || isAuthError(error, 'DWA_DOCUWARE_NO_IDENTITY_SERVICE')) return false
      if (!isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
    }
    return true
  }

  /** What keeps the identity service from being asked, as long as nobody changes anything or a pause is not over. */
  #obstacle (connection: OpenConnection): Error | null {
    const { fields: { name, status } } = connection
    if (status === 'draft') return new errors.DWA_DOCUWARE_NOT_AUTHORIZED(name)
    if (status === 'reauthorize') return new errors.DWA_DOCUWARE_REAUTHORIZE(name)
    if (status === 'error') return new errors.DWA_DOCUWARE_CLIENT_REJECTED(name)
    return this.#pauses.obstacle(connection)
  }

  /** Whether there is no point in asking the identity service for now. */
  #isStuck (connection: OpenConnection): boolean {
    return connection.secrets['refreshToken'] === undefined || this.#obstacle(connection) !== null
  }

  /** The connection with tokens that could not be saved yet, if there are any. */
  #newest (connection: OpenConnection): OpenConnection {
    return this.#options.unsaved.applyTo(connection)
  }

  /** A token that needs no refresh. */
  #fresh ({ bearer, fields: { status, expiresAt = 0, refreshAt } }: OpenConnection, refused: string | null): Bearer | null {
    const { now, refreshBefore } = this.#options
    return status === 'authorized' && bearer !== null && bearer.accessToken !== refused && now() < (refreshAt ?? expiresAt - refreshBefore) ? bearer : null
  }

  /** A token that is good for the moment. */
  #stillValid ({ bearer, fields: { status, expiresAt = 0 } }: OpenConnection, refused: string | null): Bearer | null {
    const usable = status === 'authorized' || status === 'error'
    return usable && bearer !== null && bearer.accessToken !== refused && this.#options.now() < expiresAt ? bearer : null
  }

  async #pause (): Promise<void> {
    await new Promise<void>((resolve) => { this.#options.clock.after(pollInterval, resolve) })
  }
}

/**
 * Tokens follow on the refresh token they came from, for as long as the record holds it. Where it was good for several refreshes, those after
 * the first one in the record are thrown away: an access token that comes late is not to take the place of a later one.
 */
function refreshedFrom ({ secrets: { accessToken, refreshToken } }: OpenConnection, answer: { readonly refreshToken?: string | undefined }): TokenSource {
  const rotated = answer.refreshToken !== undefined && answer.refreshToken !== refreshToken
  return {
    follow: ({ secrets }) => secrets['refreshToken'] === refreshToken && (rotated || secrets['accessToken'] === accessToken),
    note: { event: 'connection.refreshed', actor: { type: 'app', id: null } }
  }
}

function leaseName (id: string): string {
  return `docuware.refresh/${id}`
}
