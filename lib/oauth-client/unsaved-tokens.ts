import type { Clock } from '../clock.js'
import { isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import { reasonOf, type Logger } from '../store/logger.js'
import type { Change } from '../store/record-collection.js'
import type { Account, Grant, Grants } from './grant.js'
import type { TokenAnswer } from './token-answer.js'

export interface UnsavedTokensOptions<One extends Grant> {
  readonly grants: Pick<Grants<One>, 'area' | 'open' | 'update' | 'forget' | 'withTokens'>
  readonly auditLog: Pick<AuditLog, 'record'>
  readonly clock: Clock
  readonly logger: Logger
  /** Milliseconds before its end from which on an access token is refreshed. */
  readonly refreshBefore: number
}

/** What the tokens came from, and what is said of them in the log. */
export interface TokenSource<One extends Grant> {
  /** Whether they follow on what the record holds; otherwise somebody else's turn came first and they are thrown away. */
  readonly follow: (grant: One) => boolean
  /** That of a new authorization, which keeps nothing of an earlier one; whose it is, null when that is not known. */
  readonly authorization?: { readonly account: Account | null }
  readonly note: Change
}

/** What became of tokens: they are in the record, in memory until they can be, or nobody's. */
export type SaveResult = 'saved' | 'waiting' | 'superseded'

interface Entry<One extends Grant> extends TokenSource<One> {
  /** The grant as it will be. */
  readonly grant: One
  readonly patch: TokenPatch
}

type TokenPatch = { readonly [Field in 'accessToken' | 'refreshToken' | 'tokenType']?: string } & { readonly [Field in 'expiresAt' | 'refreshAt']?: number | undefined }

/** Milliseconds between tries to save, and for the last one. */
const retryInterval = 500
const lastTryLimit = 2000
const tries = 20

/**
 * Tokens from the moment the authorization server gave them until they are in their record. The refresh token they came from may be spent by then,
 * so they are kept, and used, in memory while the database is away, and saved as soon as it is back.
 */
export class UnsavedTokens<One extends Grant> {
  readonly #options: UnsavedTokensOptions<One>
  readonly #entries = new Map<string, Entry<One>>()
  readonly #retries = new Map<string, () => void>()
  #closed = false

  constructor (options: UnsavedTokensOptions<One>) {
    this.#options = options
  }

  /** The grant with its unsaved tokens, if there are any. */
  applyTo (grant: One): One {
    const entry = this.#entries.get(grant.id)
    return entry?.follow(grant) === true ? entry.grant : grant
  }

  /** Saves what the authorization server answered. Resolves when it is clear what becomes of it. */
  async save (grant: One, answer: Partial<TokenAnswer>, source: TokenSource<One>): Promise<{ readonly grant: One, readonly result: SaveResult }> {
    const { accessToken, refreshToken, tokenType, expiresIn } = answer
    const patch: TokenPatch = {
      ...(accessToken === undefined ? {} : { accessToken }),
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(tokenType === undefined ? {} : { tokenType }),
      ...(expiresIn === undefined ? {} : this.#times(expiresIn, source))
    }
    const { refreshToken: old, ...secrets } = grant.secrets
    const kept = source.authorization === undefined && old !== undefined ? { ...secrets, refreshToken: old } : secrets
    const { expiresAt = grant.fields.expiresAt, refreshAt } = patch
    const next = this.#options.grants.withTokens(grant, { expiresAt, refreshAt, tokenType, secrets: { ...kept, ...secretsOf(patch) } })
    this.#entries.set(grant.id, { ...source, grant: next, patch })
    return { grant: next, result: await this.#store(grant.id) }
  }

  /** Whether a grant's new tokens are not in its record yet. */
  isWaiting (id: string): boolean {
    return this.#entries.has(id)
  }

  /** A refreshed token that lives no longer than it is refreshed before its end serves for half of its life: it would be refreshed with every call. */
  #times (expiresIn: number, { authorization }: TokenSource<One>): Pick<TokenPatch, 'expiresAt' | 'refreshAt'> {
    const { clock, refreshBefore } = this.#options
    const [now, lifetime] = [clock.now(), expiresIn * 1000]
    const isShort = authorization === undefined && lifetime < 2 * refreshBefore
    return { expiresAt: Math.floor(now + lifetime), refreshAt: isShort ? Math.floor(now + lifetime / 2) : undefined }
  }

  /** Tries at once to save what a grant has left. @returns whether nothing is left: until then the record does not hold the tokens that come next */
  async settle (id: string): Promise<boolean> {
    return await this.#store(id) !== 'waiting'
  }

  /** Tries once more to save what is left. What comes later has one try as well. */
  async close (): Promise<void> {
    this.#closed = true
    for (const cancel of this.#retries.values()) cancel()
    if (this.#entries.size === 0) return
    const timeUp = new Promise<void>((resolve) => { this.#options.clock.after(lastTryLimit, resolve) })
    await Promise.race([timeUp, Promise.all([...this.#entries.keys()].map(async (id) => { await this.#store(id) }))])
    for (const [id, entry] of this.#entries) this.#lose(id, entry)
  }

  async #store (id: string): Promise<SaveResult> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 'saved'
    try {
      const result = await this.#write(id, entry)
      this.#end(id, entry)
      this.#options.grants.forget(id)
      return result
    } catch (error) {
      this.#keep(id, entry, error)
      return 'waiting'
    }
  }

  #keep (id: string, entry: Entry<One>, error: unknown): void {
    const { grants: { area }, auditLog, clock, logger } = this.#options
    if (this.#closed) return this.#lose(id, entry)
    if (!this.#retries.has(id)) {
      const { fields: { name } } = entry.grant
      const level = isAuthError(error, 'DWA_STORE_UNAVAILABLE') ? 'warn' : 'error'
      logger[level]({ [area]: name, reason: reasonOf(error) }, 'new tokens could not be saved: they are kept in memory, trying on')
      auditLog.record(`${area}.tokens_unsaved`, { level: 'warning', actor: { type: 'app', id: null }, target: { type: area, id, name } })
    }
    this.#retries.get(id)?.()
    this.#retries.set(id, clock.after(retryInterval, () => { this.settle(id).catch((cause: unknown) => { logger.error({ err: cause }, 'new tokens could not be saved') }) }))
  }

  #lose (id: string, entry: Entry<One>): void {
    if (this.#entries.get(id) !== entry) return
    this.#end(id, entry)
    const { grants: { area }, logger } = this.#options
    logger.error({ [area]: entry.grant.fields.name }, `new tokens are lost, because the database did not come back: the ${area} must be authorized again`)
  }

  /** Unless newer ones have taken their place. */
  #end (id: string, entry: Entry<One>): void {
    if (this.#entries.get(id) !== entry) return
    this.#entries.delete(id)
    this.#retries.get(id)?.()
    this.#retries.delete(id)
  }

  async #write (id: string, entry: Entry<One>, left = tries): Promise<SaveResult> {
    const { grants } = this.#options
    const { follow, authorization, note, patch } = entry
    const current = await grants.open(id)
    if (current !== null && isSaved(patch, current.secrets)) return 'saved'
    if (current === null || !follow(current)) return 'superseded'
    try {
      await grants.update(id, current.version, { refreshAt: undefined, ...patch, ...(authorization === undefined ? {} : { account: authorization.account ?? undefined, refreshToken: patch.refreshToken }), status: 'authorized', statusMessage: undefined }, note)
      return 'saved'
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_CONFLICT') || left === 0) throw error
      return await this.#write(id, entry, left - 1)
    }
  }
}

function secretsOf ({ accessToken, refreshToken }: TokenPatch): { readonly [name: string]: string } {
  return { ...(accessToken === undefined ? {} : { accessToken }), ...(refreshToken === undefined ? {} : { refreshToken }) }
}

function isSaved (patch: TokenPatch, secrets: { readonly [name: string]: string }): boolean {
  return Object.entries(secretsOf(patch)).every(([name, value]) => secrets[name] === value)
}
