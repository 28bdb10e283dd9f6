import type { mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { DocumentCollection, DocumentIndex } from '../store/document-collection.js'
import { hashOf } from './issued-text.js'

/** A consent page that was shown, as the database keeps it: what the form must bring back cannot be read from it. */
export interface InteractionDocument extends mongo.Document {
  /** SHA-256 of its id, base64url. */
  _id: string
  /** The id of the person it was shown to. */
  user: string
  /** The authorization request as it came: it is read again, by the rules of then, when the person has decided. */
  query: string
  /** What was offered on the page, and where the answer was to go. */
  scopes: string[]
  redirectUri: string
  /** SHA-256 of the browser's cookie, and of the form's token, base64url. */
  browser: string
  csrf: string
  expiresAt: Date
}

export type NewInteraction = Pick<InteractionDocument, 'user' | 'query' | 'redirectUri'> & { readonly scopes: readonly string[], readonly browser: string }

/** What a form brings back. */
export interface InteractionProof {
  readonly interaction: string
  readonly csrf: string
  readonly browser: string
  readonly user: string
}

/** Seconds that a person may take to decide. */
export const interactionLifetime = 600

export const interactionIndexes: readonly DocumentIndex[] = [{ keys: { expiresAt: 1 }, expireAfterSeconds: 0 }]

/** Consent pages that wait for an answer. */
export class Interactions {
  readonly #documents: DocumentCollection<InteractionDocument>
  readonly #clock: Clock
  readonly #randomBytes: (size: number) => Buffer

  /** @param clock the database's time */
  constructor (documents: DocumentCollection<InteractionDocument>, clock: Clock, randomBytes: (size: number) => Buffer) {
    this.#documents = documents
    this.#clock = clock
    this.#randomBytes = randomBytes
  }

  /** The hidden fields of the form. @throws DWA_STORE_UNAVAILABLE */
  async begin ({ user, query, scopes, redirectUri, browser }: NewInteraction): Promise<{ readonly interaction: string, readonly csrf: string }> {
    const [interaction, csrf] = [this.#random(), this.#random()] as const
    const document: InteractionDocument = {
      _id: hashOf(interaction),
      user,
      query,
      scopes: [...scopes],
      redirectUri,
      browser: hashOf(browser),
      csrf: hashOf(csrf),
      expiresAt: new Date(this.#clock.now() + interactionLifetime * 1000)
    }
    await this.#documents.run(async (interactions) => await interactions.insertOne(document))
    return { interaction, csrf }
  }

  /** Takes an interaction away, so that it is answered once; null unless everything fits, and then it stays. @throws DWA_STORE_UNAVAILABLE */
  async consume ({ interaction, csrf, browser, user }: InteractionProof): Promise<Pick<InteractionDocument, 'query' | 'scopes' | 'redirectUri'> | null> {
    return await this.#documents.run(async (interactions) => await interactions.findOneAndDelete({
      _id: hashOf(interaction),
      user,
      browser: hashOf(browser),
      csrf: hashOf(csrf),
      expiresAt: { $gt: new Date(this.#clock.now()) }
    }))
  }

  #random (): string {
    return this.#randomBytes(32).toString('base64url')
  }
}
