import { createHmac, timingSafeEqual } from 'node:crypto'
import mongoose, { type mongo } from 'mongoose'
import { canonicalJson } from './canonical-json.js'
import type { LogDraft } from './log-draft.js'
import type { LogEntry } from './log-entry.js'
import type { Mutable } from '../mutable.js'

/** HKDF label of the key that entries are sealed with. */
export const logKeyLabel = 'audit-log'

/** Version of the entry's form; in the bytes that are hashed, so that a later form cannot be taken for this one. */
export const logSchemaVersion = 1

const domain = `fastify-docuware-auth/audit-log/v${logSchemaVersion}\n`

/** Where an entry stands: its chain, its place in it, and the hash before it. */
export interface Link { readonly chain: string, readonly seq: number, readonly prev: string | null }

/** An entry as MongoDB keeps it. */
export interface LogDocument extends LogDraft, Link {
  readonly _id: mongo.ObjectId
  /** Id of the data key from which the sealing key is derived. */
  readonly key: string
  /** HMAC-SHA-256 over everything else, base64url. */
  readonly hash: string
}

/** Puts a draft into its place in the chain and signs the whole. */
export function seal (id: mongo.ObjectId, { at, event, level, actor, target, requestId, message, details, personal, source }: LogDraft, { chain, seq, prev }: Link, keyId: string, key: Buffer): LogDocument {
  const document: Mutable<LogDocument> = { _id: id, at, event, level, actor, target, requestId, message, details, chain, seq, prev, key: keyId, hash: '' }
  if (personal !== undefined) document.personal = personal
  if (source !== undefined) document.source = source
  document.hash = sealOf(document, key)
  return document
}

/** Whether a document of the collection has the shape of an entry: whoever may insert may insert anything. */
export function isLogDocument (value: unknown): value is LogDocument {
  if (typeof value !== 'object' || value === null || !('_id' in value && isObjectId(value._id))) return false
  const { chain, seq, prev, at, event, level, details, key, hash }: Partial<Record<keyof LogDocument, unknown>> = value
  return [chain, event, level, key, hash].every((text) => typeof text === 'string') && Number.isSafeInteger(seq) && (prev === null || typeof prev === 'string') &&
    at instanceof Date && typeof details === 'object' && details !== null
}

/** An id that the log's own writers make. */
export function isObjectId (value: unknown): value is mongo.ObjectId {
  return value instanceof mongoose.mongo.ObjectId
}

/** Whether the entry is as it was sealed. */
export function isIntact (document: LogDocument, key: Buffer): boolean {
  try {
    const expected = Buffer.from(sealOf(document, key))
    const found = Buffer.from(String(document.hash))
    return expected.length === found.length && timingSafeEqual(expected, found)
  } catch {
    return false // altered into something that JSON cannot say
  }
}

/** @returns base64url, 43 characters; of a document that was altered beyond recognition too */
function sealOf (document: LogDocument, key: Buffer): string {
  const { _id, at } = document
  const signed = { ...document, hash: null, _id: String(_id), at: at instanceof Date ? at.getTime() : null }
  return createHmac('sha256', key).update(domain + canonicalJson(signed)).digest('base64url')
}

/** The entry as callers see it. */
export function toLogEntry ({ _id, chain, seq, at, event, level, actor, target, requestId, message, details, personal, source, key, prev, hash }: LogDocument): LogEntry {
  const entry: Mutable<LogEntry> = { id: _id.toHexString(), chain, seq, at, event, level, actor, target, requestId, message, details, key, prev, hash }
  if (personal !== undefined) entry.personal = personal
  if (source !== undefined) entry.source = source
  return entry
}
