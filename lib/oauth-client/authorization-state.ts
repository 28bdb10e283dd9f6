import { createHash, timingSafeEqual } from 'node:crypto'
import type { Actor } from '../log/log-entry.js'
import type { DocumentCollection } from '../store/document-collection.js'
import type { KeyRing } from '../store/key-ring.js'

/** An authorization that was begun, as the database keeps it: neither the state nor the binding can be read from it. */
export interface AuthorizationStateDocument {
  /** SHA-256 of the state, base64url. */
  _id: string
  /** What kind of grant it is for, or `sign_in`. */
  area: string
  /** Id of the grant's record; empty for a sign-in. */
  grant: string
  /** The grant's `configuration` when it was begun. */
  configuration: number
  /** Encrypted. */
  verifier: string
  returnTo: string | null
  actor: Actor | null
  /** SHA-256 of the browser's cookie, base64url; null when it was begun for whatever browser. */
  binding: string | null
  expiresAt: Date
}

/** What a callback finds out about the authorization it ends. */
export interface BegunAuthorization {
  readonly grant: string
  readonly configuration: number
  readonly codeVerifier: string
  readonly returnTo: string | null
  readonly actor: Actor | null
  /** SHA-256 of the browser's cookie, base64url. */
  readonly binding: string | null
}

/** What is remembered of an authorization. */
export interface NewAuthorization extends Omit<BegunAuthorization, 'binding'> {
  readonly state: string
  /** What the browser's cookie says, or null. */
  readonly browser: string | null
}

/** Seconds from the start of an authorization to its callback. */
export const stateLifetime = 600

/** For as long as a state lives after its end, the server may take to look for it. */
export const stateIndexes = [{ keys: { expiresAt: 1 }, expireAfterSeconds: 0 }] as const

/** Authorizations under way, as whoever keeps them. */
export interface BegunAuthorizations {
  /** @throws DWA_STORE_UNAVAILABLE */
  remember (begun: NewAuthorization): Promise<void>
  /** Takes an authorization away, so that nobody takes it again; null when it is unknown, used or expired. @throws DWA_STORE_UNAVAILABLE */
  consume (state: string): Promise<BegunAuthorization | null>
}

/** Authorizations of one kind of grants under way, in the database. */
export class AuthorizationStates implements BegunAuthorizations {
  readonly #area: string
  readonly #documents: DocumentCollection<AuthorizationStateDocument>
  readonly #keyRing: KeyRing
  readonly #now: () => number

  /**
   * @param area what kind of grants: a state of another kind is unknown
   * @param now milliseconds since 1970
   */
  constructor (area: string, documents: DocumentCollection<AuthorizationStateDocument>, keyRing: KeyRing, now: () => number) {
    this.#area = area
    this.#documents = documents
    this.#keyRing = keyRing
    this.#now = now
  }

  async remember ({ state, codeVerifier, browser, ...others }: NewAuthorization): Promise<void> {
    const id = hashOf(state)
    const document: AuthorizationStateDocument = {
      ...others,
      _id: id,
      area: this.#area,
      verifier: await this.#keyRing.encrypt(codeVerifier, bindingOf(id)),
      binding: browser === null ? null : hashOf(browser),
      expiresAt: new Date(this.#now() + stateLifetime * 1000)
    }
    await this.#documents.run(async (states) => await states.insertOne(document))
  }

  async consume (state: string): Promise<BegunAuthorization | null> {
    const id = hashOf(state)
    const found = await this.#documents.run(async (states) => await states.findOneAndDelete({ _id: id, area: this.#area, expiresAt: { $gt: new Date(this.#now()) } }))
    if (found === null) return null
    const { grant, configuration, returnTo, actor, binding, verifier } = found
    return { grant, configuration, returnTo, actor, binding, codeVerifier: await this.#keyRing.decrypt(verifier, bindingOf(id)) }
  }
}

/** Whether one of the browser's cookies is the one an authorization was begun with. */
export function isBoundTo (binding: string, cookies: readonly string[]): boolean {
  const expected = Buffer.from(binding)
  return cookies.some((cookie) => {
    const found = Buffer.from(hashOf(cookie))
    return found.length === expected.length && timingSafeEqual(found, expected)
  })
}

/** The name of the cookie that binds a state to a browser: one for each state, so that two authorizations can be under way. */
export function bindingCookieName (state: string, secure: boolean, purpose: 'authorize' | 'sign_in' = 'authorize'): string {
  return `${secure ? '__Host-' : ''}dwa_${purpose}_${hashOf(`cookie name of ${state}`).slice(0, 16)}`
}

function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function bindingOf (id: string): string {
  return `authorization_states/${id}/verifier`
}
