import { createHash } from 'node:crypto'
import { isBoundTo } from '../oauth-client/authorization-state.js'
import type { DocumentCollection, DocumentIndex } from '../store/document-collection.js'
import type { KeyRing } from '../store/key-ring.js'

/** A sign-in that was begun, as the database keeps it: neither the state nor the binding can be read from it. */
export interface SignInStateDocument {
  /** SHA-256 of the state, base64url. */
  _id: string
  /** Encrypted. */
  verifier: string
  returnTo: string | null
  /** SHA-256 of the browser's cookie, base64url. */
  binding: string
  expiresAt: Date
}

/** What is remembered of a sign-in. */
export interface NewSignIn {
  readonly state: string
  readonly codeVerifier: string
  readonly returnTo: string | null
  /** What the browser's cookie says. */
  readonly browser: string
}

/** What a callback finds out about the sign-in it ends. */
export interface BegunSignIn extends Pick<NewSignIn, 'codeVerifier' | 'returnTo'> {
  /** Whether one of these cookies is the one it was begun with. */
  readonly isOf: (cookies: readonly string[]) => boolean
}

/** Seconds from the start of a sign-in to its callback. */
export const signInLifetime = 600

export const signInStateIndexes: readonly DocumentIndex[] = [{ keys: { expiresAt: 1 }, expireAfterSeconds: 0 }]

/** Sign-ins under way. */
export class SignInStates {
  readonly #documents: DocumentCollection<SignInStateDocument>
  readonly #keyRing: KeyRing
  readonly #now: () => number

  /** @param now milliseconds since 1970, the database's */
  constructor (documents: DocumentCollection<SignInStateDocument>, keyRing: KeyRing, now: () => number) {
    this.#documents = documents
    this.#keyRing = keyRing
    this.#now = now
  }

  /** @throws DWA_STORE_UNAVAILABLE */
  async remember ({ state, codeVerifier, returnTo, browser }: NewSignIn): Promise<void> {
    const _id = hashOf(state)
    const document: SignInStateDocument = {
      _id,
      verifier: await this.#keyRing.encrypt(codeVerifier, bindingOf(_id)),
      returnTo,
      binding: hashOf(browser),
      expiresAt: new Date(this.#now() + signInLifetime * 1000)
    }
    await this.#documents.run(async (states) => await states.insertOne(document))
  }

  /** Takes a sign-in away, so that nobody takes it again; null when it is unknown, used or expired. @throws DWA_STORE_UNAVAILABLE */
  async consume (state: string): Promise<BegunSignIn | null> {
    const _id = hashOf(state)
    const found = await this.#documents.run(async (states) => await states.findOneAndDelete({ _id, expiresAt: { $gt: new Date(this.#now()) } }))
    if (found === null) return null
    const { verifier, returnTo, binding } = found
    return { returnTo, codeVerifier: await this.#keyRing.decrypt(verifier, bindingOf(_id)), isOf: (cookies) => isBoundTo(binding, cookies) }
  }
}

/** The name of the cookie that binds a state to a browser: one for each state, so that sign-ins in several tabs do not take it from each other. */
export function signInCookieName (state: string, secure: boolean): string {
  return `${secure ? '__Host-' : ''}dwa_sign_in_${hashOf(`cookie name of ${state}`).slice(0, 16)}`
}

function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function bindingOf (id: string): string {
  return `sign_in_states/${id}/verifier`
}
