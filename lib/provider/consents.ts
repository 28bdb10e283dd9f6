import { isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import { consentKey, toConsentView, type ConsentView, type StoredConsent } from './consent-kind.js'
import type { ClientAccess, TokenFamilies } from './token-families.js'

/** Who does it, and what the audit entry says beside the event. */
export type ConsentChange = Pick<Change, 'actor' | 'requestId' | 'message' | 'details' | 'personal'>

/** What a person decided about a client. */
export interface Decision {
  readonly user: string
  /** The client's record. */
  readonly client: { readonly id: string, readonly name: string }
  /** The scopes that the page showed. */
  readonly offered: readonly string[]
  readonly requestId?: string | undefined
}

export interface ConsentsOptions {
  readonly records: RecordCollection<StoredConsent>
  readonly families: Pick<TokenFamilies, 'revokeAll' | 'accessOf'>
  readonly auditLog: Pick<AuditLog, 'append'>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const tries = 20

/** What people have agreed to, remembered until they end it (security.md 14). */
export class Consents {
  readonly #options: ConsentsOptions

  constructor (options: ConsentsOptions) {
    this.#options = options
  }

  /** Whether a person has agreed to all of these scopes. @throws DWA_STORE_UNAVAILABLE */
  async covers (user: string, client: string, scopes: readonly string[]): Promise<boolean> {
    const consent = await this.#find(user, client)
    return consent !== null && scopes.every((scope) => consent.fields.scopes.includes(scope))
  }

  /** Remembers what a person agreed to: what was offered and left out is agreed to no more, what was not offered stays as it was. @throws DWA_STORE_UNAVAILABLE */
  async grant (decision: Decision, granted: readonly string[], left = tries): Promise<void> {
    const { user, client, offered } = decision
    const change = { ...noteOf(decision), event: 'consent.granted' }
    const details = { client: client.name, user, scope: granted.join(' ') }
    try {
      const before = await this.#find(user, client.id)
      if (before === null) {
        await this.#options.records.create({ key: consentKey(client.id, user), client: client.id, user, scopes: [...granted], grantedAt: this.#options.now() }, { ...change, details })
      } else {
        const scopes = [...new Set([...before.fields.scopes.filter((scope) => !offered.includes(scope)), ...granted])]
        await this.#options.records.update(before.id, before.version, { scopes }, { ...change, details })
      }
    } catch (error) {
      if (left === 0 || !isLostRace(error)) throw error
      await this.grant(decision, granted, left - 1)
    }
  }

  /** Writes down that a person said no. What they agreed to before stands. @throws DWA_STORE_UNAVAILABLE */
  async deny (decision: Decision): Promise<void> {
    const { user, client, offered } = decision
    await this.#options.auditLog.append('consent.denied', {
      ...noteOf(decision),
      target: { type: 'client', id: client.id, name: client.name },
      details: { user, scope: offered.join(' ') }
    })
  }

  /** Consents of a person, to a client, of both, or all of them. @throws DWA_STORE_UNAVAILABLE */
  async list (of: { readonly user?: string, readonly client?: string } = {}): Promise<ConsentView[]> {
    const { user, client } = of
    const found = await this.#options.records.list({ ...(user === undefined ? {} : { user }), ...(client === undefined ? {} : { client }) })
    return found.map(toConsentView)
  }

  /** What a person's clients may do: by consents, and by tokens that nobody was asked for (`skipAuthorization`, passwords). @throws DWA_STORE_UNAVAILABLE */
  async accessOf (user: string): Promise<ClientAccess[]> {
    const [consents, held] = await Promise.all([this.list({ user }), this.#options.families.accessOf(user)])
    const agreed = consents.map(({ client, scopes, grantedAt: since }) => ({ client, scopes, since }))
    return [...agreed, ...held.filter(({ client }) => !agreed.some((consent) => consent.client === client))]
  }

  /** At most `limit` consents by their position, from the one that follows `after` on: of a person, to a client, of both, or all of them. @throws DWA_STORE_UNAVAILABLE */
  async page (limit: number, after?: string, of: { readonly user?: string, readonly client?: string } = {}): Promise<Array<ConsentView & { readonly position: string }>> {
    return (await this.#options.records.page(limit, after, of)).map((record) => ({ ...toConsentView(record), position: record.fields.key }))
  }

  /** By id. @throws DWA_STORE_UNAVAILABLE */
  async get (id: string): Promise<ConsentView | null> {
    const record = await this.#options.records.get(id)
    return record === null ? null : toConsentView(record)
  }

  /**
   * Ends a consent and everything issued by it. The tokens go first, so that whoever does not get further has not forgotten any; and once more when the
   * consent is gone, for those that it brought forth meanwhile.
   * @param client the id of the client's record
   * @returns whether there was anything to end
   * @throws DWA_STORE_UNAVAILABLE
   */
  async revoke (user: string, client: string, change: ConsentChange = {}): Promise<boolean> {
    const { families } = this.#options
    const note = { ...change, message: change.message ?? 'the consent was ended' }
    const before = await families.revokeAll({ user, client }, 'token.revoked', note)
    const removed = await this.#remove(user, client, change)
    const after = removed ? await families.revokeAll({ user, client }, 'token.revoked', note) : 0
    return removed || before + after > 0
  }

  async #remove (user: string, client: string, change: ConsentChange, left = tries): Promise<boolean> {
    const consent = await this.#find(user, client)
    if (consent === null) return false
    try {
      await this.#options.records.remove(consent.id, consent.version, { ...change, event: 'consent.revoked', details: { ...change.details, user, scope: consent.fields.scopes.join(' ') } })
      return true
    } catch (error) {
      if (left === 0 || !isLostRace(error)) throw error
      return await this.#remove(user, client, change, left - 1)
    }
  }

  async #find (user: string, client: string): Promise<StoredRecord<StoredConsent> | null> {
    return await this.#options.records.getByName(consentKey(client, user))
  }
}

function isLostRace (error: unknown): boolean {
  return isAuthError(error, 'DWA_STORE_DUPLICATE') || isAuthError(error, 'DWA_STORE_CONFLICT') || isAuthError(error, 'DWA_STORE_NOT_FOUND')
}

function noteOf ({ user, requestId }: Decision): Change {
  return { actor: { type: 'user', id: user }, requestId }
}
