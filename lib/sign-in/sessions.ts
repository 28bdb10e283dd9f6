import { createHash, randomBytes as cryptoRandomBytes } from 'node:crypto'
import mongoose from 'mongoose'
import type { Clock } from '../clock.js'
import type { LogFields } from '../log/log-entry.js'
import type { Asking, Caller } from '../store/access.js'
import type { AuditedDocument, AuditedDocuments } from '../store/audited-documents.js'
import type { DocumentIndex } from '../store/document-collection.js'

/** A session as the database keeps it: the cookie cannot be read from it. */
export interface SessionDocument extends AuditedDocument {
  /** SHA-256 of what the cookie says, base64url. */
  hash: string
  person: { id: string, name: string | null, roles: string[] }
  startedAt: Date
  /** It ends then, however much it is used. */
  until: Date
  /** It ends then unless it is used before. */
  expiresAt: Date
  endedAt?: Date
}

/** A session that was begun. */
export interface StartedSession {
  /** For the browser's cookie, and for nothing else. */
  readonly id: string
  /** Seconds until it ends at the latest. */
  readonly seconds: number
}

/** Whose doing it is, beside the person's own, and what is noted of it. */
export type SessionNote = Pick<LogFields, 'actor' | 'requestId' | 'message' | 'personal'>

export interface SessionsOptions {
  readonly documents: AuditedDocuments<SessionDocument>
  /** The database's time. */
  readonly clock: Clock
  /** Seconds. */
  readonly lifetime: number
  readonly idle: number
  /** Told of every session's id, to keep it out of what leaves the process. */
  readonly onSecret: (id: string) => void
  readonly randomBytes?: (size: number) => Buffer
}

/** Seconds that a session's document stays after its end, for the audit entry in it. */
const afterlife = 3600

export const sessionIndexes: readonly DocumentIndex[] = [
  { keys: { hash: 1 }, unique: true },
  { keys: { 'person.id': 1 } },
  { keys: { expiresAt: 1 }, expireAfterSeconds: afterlife }
]

/** Sessions of signed-in people. Nothing of them is kept in the process: an ended one is over in every process at once. */
export class Sessions {
  readonly #options: SessionsOptions

  constructor (options: SessionsOptions) {
    this.#options = options
  }

  /** Begins a session under a new id. @throws DWA_STORE_UNAVAILABLE */
  async start (person: Caller, note: SessionNote = {}): Promise<StartedSession> {
    const { documents, lifetime, randomBytes = cryptoRandomBytes, onSecret } = this.#options
    const id = randomBytes(32).toString('base64url')
    onSecret(id)
    const now = this.#now()
    const until = now + lifetime * 1000
    const _id = new mongoose.mongo.ObjectId()
    const entry = documents.entry(_id, 'session.started', this.#fields(_id, person, { ...note, details: { roles: person.roles } }))
    const document: SessionDocument = {
      _id,
      version: 1,
      hash: hashOf(id),
      person: { id: person.id, name: person.name ?? null, roles: [...person.roles] },
      startedAt: new Date(now),
      until: new Date(until),
      expiresAt: new Date(this.#idleEnd(now, until)),
      outbox: [entry.stored]
    }
    await documents.run(async (sessions) => await sessions.insertOne(document))
    await documents.deliver(entry)
    return { id, seconds: lifetime }
  }

  /** Whose session it is; null when it is unknown, has ended or expired. Using it puts its idle end off; a passive look does not. @throws DWA_STORE_UNAVAILABLE */
  async find (id: string, { passive = false }: Asking = {}): Promise<Caller | null> {
    const found = await this.#live(id)
    if (found === null) return null
    const { _id, until, expiresAt, person: { id: personId, name, roles } } = found
    const later = this.#idleEnd(this.#now(), until.getTime())
    if (!passive && later - expiresAt.getTime() >= this.#step) {
      await this.#options.documents.run(async (sessions) => await sessions.updateOne({ _id, endedAt: { $exists: false } }, { $max: { expiresAt: new Date(later) } }))
    }
    return { id: personId, ...(name === null ? {} : { name }), roles }
  }

  /** @returns whether there was a session to end @throws DWA_STORE_UNAVAILABLE */
  async end (id: string, reason: string, note: SessionNote = {}): Promise<boolean> {
    const found = await this.#live(id)
    return found !== null && await this.#end(found, reason, note)
  }

  /** Ends every session of a person. @returns how many there were @throws DWA_STORE_UNAVAILABLE */
  async endAllOf (personId: string, reason: string, note: SessionNote = {}): Promise<number> {
    const filter = { 'person.id': personId, endedAt: { $exists: false }, expiresAt: { $gt: new Date(this.#now()) } }
    const found = await this.#options.documents.run(async (sessions) => await sessions.find(filter).toArray())
    let ended = 0
    for (const session of found) if (await this.#end(session, reason, note)) ended++
    return ended
  }

  async #end ({ _id, person: { id, name, roles } }: SessionDocument, reason: string, note: SessionNote): Promise<boolean> {
    const { documents } = this.#options
    const entry = documents.entry(_id, 'session.ended', this.#fields(_id, { id, ...(name === null ? {} : { name }), roles }, { ...note, details: { reason, person: id } }))
    const { modifiedCount } = await documents.run(async (sessions) => await sessions.updateOne({ _id, endedAt: { $exists: false } }, { $set: { endedAt: new Date(this.#now()) }, $push: { outbox: entry.stored } }))
    if (modifiedCount > 0) await documents.deliver(entry)
    return modifiedCount > 0
  }

  async #live (id: string): Promise<SessionDocument | null> {
    const filter = { hash: hashOf(id), endedAt: { $exists: false }, expiresAt: { $gt: new Date(this.#now()) } }
    return await this.#options.documents.run(async (sessions) => await sessions.findOne(filter))
  }

  #fields (_id: mongoose.mongo.ObjectId, { id, name }: Caller, { actor = { type: 'user', id }, personal, ...fields }: LogFields): LogFields {
    return { ...fields, actor, target: { type: 'session', id: _id.toHexString() }, personal: { ...personal, ...(name === undefined ? {} : { userName: name }) } }
  }

  #idleEnd (now: number, until: number): number {
    return Math.min(until, now + this.#options.idle * 1000)
  }

  /** Milliseconds: the idle end moves on in such steps, so that a request seldom costs a write. */
  get #step (): number {
    return Math.min(60_000, this.#options.idle * 100)
  }

  #now (): number {
    return this.#options.clock.now()
  }
}

function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
