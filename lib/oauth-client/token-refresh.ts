import type { Clock } from '../clock.js'
import { isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Lease } from '../store/lease.js'
import type { Logger } from '../store/logger.js'
import { unavailable } from '../store/unavailable.js'
import type { BearerOf, Grant, Grants } from './grant.js'
import { RefreshPauses } from './refresh-pauses.js'
import { TokenFailure } from './token-answer.js'
import { clientRejected, noRefreshToken, refreshTokenRefused, writeVerdict, type TokenVerdict } from './token-verdict.js'
import type { TokenSource, UnsavedTokens } from './unsaved-tokens.js'
import { openGrant } from './update-grant.js'

export interface TokenRefreshOptions<One extends Grant> {
  readonly grants: Grants<One>
  readonly unsaved: UnsavedTokens<One>
  readonly lease: (name: string, milliseconds: number) => Promise<Lease | null>
  /** Loads what an exchange needs, before there is a hurry. */
  readonly prepare: () => Promise<void>
  readonly auditLog: Pick<AuditLog, 'record'>
  /** For waits and lengths of time. */
  readonly clock: Clock
  /** Milliseconds since 1970, the same in every process: what the ends of tokens are compared with. */
  readonly now: () => number
  readonly logger: Logger
  /** Milliseconds for one exchange with the authorization server. */
  readonly timeoutMs: number
  /** Milliseconds before its end from which on an access token is refreshed. */
  readonly refreshBefore: number
}

/** Milliseconds by which a lease is longer than an exchange, and within which the exchange must have begun. */
const leaseMargin = 5000
const beginWithin = 4000
const pollInterval = 50

/** What came of a turn at refreshing: a token, or the endpoint is gone and has to be looked for, or somebody else moved the record. */
type Turn<One extends Grant> = BearerOf<One> | TokenFailure | 'again'

/**
 * Refreshes access tokens: one refresh of a grant at a time in all processes. In this process callers share one flight; among processes a lease
 * by server time, longer than an exchange can take, says whose turn it is; after taking it the record is read again. Who has no turn goes on with the
 * old access token while it is valid, or waits for the record to move. A verdict (`reauthorize`, `error`) is written only by who still holds the lease,
 * onto the version it was reached on; tokens are written as long as the record holds the refresh token they came from.
 */
export class TokenRefresh<One extends Grant> {
  readonly #options: TokenRefreshOptions<One>
  readonly #flights = new Map<string, Promise<BearerOf<One>>>()
  readonly #pauses: RefreshPauses
  #closed = false

  constructor (options: TokenRefreshOptions<One>) {
    this.#options = options
    this.#pauses = new RefreshPauses(options.clock)
  }

  /** Milliseconds that a dead process delays the others at most. */
  get leaseTime (): number {
    return this.#options.timeoutMs + leaseMargin
  }

  /** The access token that is good for now; a promise only when it has to be had. Rejects as `renew` does. */
  current (known: One): BearerOf<One> | Promise<BearerOf<One>> {
    return this.#fresh(this.#newest(known), null) ?? this.renew(known, null)
  }

  /**
   * An access token other than `refused`.
   * @throws its kind's `notAuthorized`, `reauthorize`, `clientRejected`, `refreshFailed` and `notFound`, DWA_STORE_UNAVAILABLE
   */
  async renew (known: One, refused: string | null): Promise<BearerOf<One>> {
    const newest = this.#newest(known)
    const ready = this.#fresh(newest, refused) ?? (this.#isStuck(newest) ? this.#stillValid(newest, refused) : null)
    if (ready !== null) return ready
    const key = `${known.id}/${refused ?? ''}` // what is good enough for the one may have been refused to the other
    let flight = this.#flights.get(key)
    if (flight === undefined) this.#flights.set(key, flight = this.#replace(known, refused).finally(() => { this.#flights.delete(key) }))
    try {
      return await flight
    } catch (error) {
      const old = isAuthError(error, 'DWA_STORE_UNAVAILABLE') ? this.#stillValid(this.#newest(known), refused) : null
      if (old === null) throw error
      return old
    }
  }

  /** The platform refused an access token that `renew` has just given. Once that has happened to several in a row, the next refresh waits as after a failure. */
  rejected (grant: One, accessToken: string): void {
    const failure = new TokenFailure('transient', 'the API refuses new access tokens')
    const count = this.#pauses.rejected(grant.id, accessToken, this.#options.grants.errors.refreshFailed(grant.fields.name, failure.reason))
    if (count > 0) this.#report(grant, failure, count)
  }

  /** Runs `operation` while nobody refreshes the grant's tokens, and all of them are saved. @throws `refreshFailed` when the turn does not come, DWA_STORE_UNAVAILABLE */
  async exclusively<T> (id: string, name: string, operation: () => Promise<T>): Promise<T> {
    const { grants, clock, lease, unsaved } = this.#options
    for (const end = clock.now() + this.leaseTime + leaseMargin; clock.now() < end; await this.#pause()) {
      const taken = await lease(this.#leaseName(id), this.leaseTime)
      if (taken === null) continue
      try {
        if (!await unsaved.settle(id)) throw unavailable()
        return await operation()
      } finally {
        await taken.release()
      }
    }
    throw grants.errors.refreshFailed(name, 'another process does not finish')
  }

  /** Lets no more exchange begin, and waits for what is under way: at most as long as one can take. */
  async close (): Promise<void> {
    this.#closed = true
    const timeUp = new Promise<void>((resolve) => { this.#options.clock.after(this.leaseTime, resolve) })
    await Promise.race([timeUp, Promise.allSettled(this.#flights.values())])
  }

  async #replace (known: One, refused: string | null): Promise<BearerOf<One>> {
    const bearer = await this.#renew(known, refused)
    if (refused !== null) this.#options.grants.forget(known.id) // what is remembered may be what was refused: another process may have renewed it just now
    return bearer
  }

  async #renew (known: One, refused: string | null): Promise<BearerOf<One>> {
    const { clock } = this.#options
    let rediscovered = false
    for (const end = clock.now() + this.leaseTime + leaseMargin; !this.#closed && clock.now() < end; await this.#pause()) {
      const grant = await this.#read(known)
      const ready = this.#fresh(grant, refused)
      if (ready !== null) return ready
      const old = this.#stillValid(grant, refused)
      const obstacle = this.#obstacle(grant)
      if (obstacle !== null) {
        if (old !== null) return old
        throw obstacle
      }
      const turn = await this.#turn(grant, refused)
      if (turn instanceof TokenFailure) {
        if (rediscovered || !await this.#rediscover(grant)) return this.#later(grant, refused, turn)
        rediscovered = true
      } else if (turn === null && old !== null) {
        return old
      } else if (turn !== null && turn !== 'again') {
        return turn
      }
    }
    const old = this.#stillValid(this.#newest(known), refused)
    if (old === null) throw this.#options.grants.errors.refreshFailed(known.fields.name, this.#closed ? 'the app is closing' : 'another process does not finish')
    return old
  }

  /** The grant as the database has it, or will have it. */
  async #read ({ id, fields: { name } }: One): Promise<One> {
    return this.#newest(await openGrant(this.#options.grants, id, name))
  }

  /** One turn under the lease; null when somebody else has it. */
  async #turn (before: One, refused: string | null): Promise<Turn<One> | null> {
    const { lease, clock, unsaved, prepare } = this.#options
    await prepare()
    const askedAt = clock.now()
    const taken = await lease(this.#leaseName(before.id), this.leaseTime)
    if (taken === null) return null
    try {
      if (!await unsaved.settle(before.id)) throw unavailable()
      const grant = await this.#read(before)
      const ready = this.#fresh(grant, refused)
      if (ready !== null) return ready
      const { refreshToken } = grant.secrets
      if (this.#closed || this.#obstacle(grant) !== null || clock.now() - askedAt > beginWithin) return 'again'
      if (refreshToken === undefined) return this.#stillValid(grant, refused) ?? await this.#judge(grant, noRefreshToken, taken)
      return await this.#exchange(grant, refreshToken, refused, taken)
    } finally {
      // While new tokens wait in memory, the record holds a spent one: nobody else may use it before the lease has ended.
      if (!unsaved.isWaiting(before.id)) await taken.release()
    }
  }

  async #exchange (grant: One, refreshToken: string, refused: string | null, lease: Lease): Promise<Turn<One>> {
    const { grants, unsaved } = this.#options
    try {
      const answer = await grants.serverOf(grant).refresh(refreshToken)
      this.#pauses.succeeded(grant.id)
      const saved = await unsaved.save(grant, answer, this.#refreshedFrom(grant, answer))
      return saved.result === 'superseded' ? 'again' : saved.grant.bearer ?? 'again'
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error
      switch (error.kind) {
        case 'gone': return error
        case 'invalid_grant': return await this.#judgeGrant(grant, refreshToken, lease)
        case 'invalid_client': return await this.#judge(grant, clientRejected, lease)
        default:
          if (error.refreshToken !== undefined) await unsaved.save(grant, { refreshToken: error.refreshToken }, this.#refreshedFrom(grant, error))
          if (!await lease.isHeld()) return 'again'
          return this.#later(grant, refused, error)
      }
    }
  }

  /** Another process may have won meanwhile: the record is read once more before a person is called. */
  async #judgeGrant (grant: One, used: string, lease: Lease): Promise<'again'> {
    const record = await this.#options.grants.open(grant.id)
    if (record === null || record.secrets['refreshToken'] !== used) return 'again'
    return await this.#judge(record, refreshTokenRefused, lease)
  }

  /** Then the status is an obstacle, unless the record has moved. */
  async #judge (record: One, verdict: TokenVerdict, lease: Lease): Promise<'again'> {
    if (await lease.isHeld()) await writeVerdict(this.#options.grants, this.#options.logger, record, verdict)
    return 'again'
  }

  /** A failure that may pass: the old token while it is valid, and no new try before a pause is over. */
  #later (grant: One, refused: string | null, failure: TokenFailure): BearerOf<One> {
    const error = this.#options.grants.errors.refreshFailed(grant.fields.name, failure.reason, failure)
    this.#report(grant, failure, this.#pauses.failed(grant, error))
    const old = this.#stillValid(grant, refused)
    if (old === null) throw error
    return old
  }

  #report ({ id, fields: { name } }: One, { message, reason }: TokenFailure, count: number): void {
    const { grants: { area }, auditLog, logger } = this.#options
    logger.warn({ [area]: name, reason: message, count }, 'an access token could not be refreshed')
    auditLog.record(`${area}.refresh_failed`, { level: 'warning', actor: { type: 'app', id: null }, target: { type: area, id, name }, details: { reason, count } })
  }

  /** Whether the endpoints were found again, or the grant has changed meanwhile: both are worth another turn. */
  async #rediscover ({ id }: One): Promise<boolean> {
    const { rediscover, isDiscoveryFailure } = this.#options.grants
    if (rediscover === null) return false
    try {
      await rediscover(id)
    } catch (error) {
      if (isDiscoveryFailure(error)) return false
      if (!isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
    }
    return true
  }

  /** What keeps the authorization server from being asked, as long as nobody changes anything or a pause is not over. */
  #obstacle (grant: One): Error | null {
    const { fields: { name, status }, secrets } = grant
    const { errors } = this.#options.grants
    if (status === 'draft') return errors.notAuthorized(name)
    if (status === 'reauthorize') return errors.reauthorize(name, secrets['refreshToken'] !== undefined)
    if (status === 'error') return errors.clientRejected(name)
    return this.#pauses.obstacle(grant)
  }

  /** Whether there is no point in asking the authorization server for now. */
  #isStuck (grant: One): boolean {
    return grant.secrets['refreshToken'] === undefined || this.#obstacle(grant) !== null
  }

  /** The grant with tokens that could not be saved yet, if there are any. */
  #newest (grant: One): One {
    return this.#options.unsaved.applyTo(grant)
  }

  /** A token that needs no refresh. */
  #fresh ({ bearer, fields: { status, expiresAt = Infinity, refreshAt } }: One, refused: string | null): BearerOf<One> | null {
    const { now, refreshBefore } = this.#options
    return status === 'authorized' && bearer !== null && bearer.accessToken !== refused && now() < (refreshAt ?? expiresAt - refreshBefore) ? bearer : null
  }

  /** A token that is good for the moment. */
  #stillValid ({ bearer, fields: { status, expiresAt = Infinity } }: One, refused: string | null): BearerOf<One> | null {
    const usable = status === 'authorized' || status === 'error'
    return usable && bearer !== null && bearer.accessToken !== refused && this.#options.now() < expiresAt ? bearer : null
  }

  async #pause (): Promise<void> {
    await new Promise<void>((resolve) => { this.#options.clock.after(pollInterval, resolve) })
  }

  /**
   * Tokens follow on the refresh token they came from, for as long as the record holds it. Where it was good for several refreshes, those after
   * the first one in the record are thrown away: an access token that comes late is not to take the place of a later one.
   */
  #refreshedFrom ({ secrets: { accessToken, refreshToken } }: One, answer: { readonly refreshToken?: string | undefined }): TokenSource<One> {
    const rotated = answer.refreshToken !== undefined && answer.refreshToken !== refreshToken
    return {
      follow: ({ secrets }) => secrets['refreshToken'] === refreshToken && (rotated || secrets['accessToken'] === accessToken),
      note: { event: `${this.#options.grants.area}.refreshed`, actor: { type: 'app', id: null } }
    }
  }

  #leaseName (id: string): string {
    return `${this.#options.grants.area}.refresh/${id}`
  }
}
