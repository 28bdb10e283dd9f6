import { createHash } from 'node:crypto'
import type { DocumentCollection } from '../store/document-collection.js'

/** A person's random identifier, made when they first meet a client, and never changed. */
export interface SubjectDocument {
  /** The app's id of the person. */
  _id: string
  /** 128 bits, hexadecimal. */
  key: string
}

const keptKeys = 10_000

/**
 * Who somebody is to a client: lowercase hex SHA-256 of client id and the person's random identifier. Stable for the two of them, and different for every client
 * (OpenID Connect Core §8.1; oauth_provider's `oauth_identifier`).
 */
export class Subjects {
  readonly #documents: DocumentCollection<SubjectDocument>
  readonly #randomBytes: (size: number) => Buffer
  readonly #keys = new Map<string, string>()

  constructor (documents: DocumentCollection<SubjectDocument>, randomBytes: (size: number) => Buffer) {
    this.#documents = documents
    this.#randomBytes = randomBytes
  }

  /** @throws DWA_STORE_UNAVAILABLE */
  async of (clientId: string, userId: string): Promise<string> {
    return createHash('sha256').update(clientId).update(this.#keys.get(userId) ?? await this.#key(userId)).digest('hex')
  }

  async #key (userId: string): Promise<string> {
    const key = this.#randomBytes(16).toString('hex')
    const kept = await this.#documents.run(async (subjects) => await subjects.findOneAndUpdate({ _id: userId }, { $setOnInsert: { key } }, { upsert: true, returnDocument: 'after' }))
    if (kept === null) throw new TypeError('an upsert brought no document')
    if (this.#keys.size >= keptKeys) this.#keys.clear()
    this.#keys.set(userId, kept.key)
    return kept.key
  }
}

/** The `sub` of a client that acts as nobody (RFC 9068 §2.2). No person's has a colon. */
export function clientSubject (clientId: string): string {
  return `client:${clientId}`
}
