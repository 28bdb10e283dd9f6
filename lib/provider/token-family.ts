import type { mongo } from 'mongoose'
import type { OutboxEntry } from '../store/outbox.js'

export type GrantName = 'authorization_code' | 'implicit' | 'password' | 'client_credentials'

/**
 * Everything that one consent, or one sign-in, brought forth: the code, the generations of the refresh token, the access tokens. Only hashes of them are here,
 * and every change is one atomic update, so that no crash leaves a part without the others. It goes, by a TTL index, when nothing of it can be good any more.
 */
export interface TokenFamilyDocument {
  _id: mongo.ObjectId
  /** Always 1: tells a family from what is no document of ours. */
  version: 1
  /** The id of the client's record. */
  client: string
  /** The id of the person; null for a client that acts as nobody. */
  user: string | null
  grant: GrantName
  /** What was granted. An access token may have fewer. */
  scopes: string[]
  /** The resource asked for (RFC 8707), which is the audience of JWTs. */
  resource?: string
  createdAt: Date
  /** Nothing of the family is good afterwards; rotation does not move it. */
  expiresAt: Date
  /** When the document may go. */
  purgeAt: Date
  revokedAt?: Date
  code?: FamilyCode
  /** The refresh token of today; absent where there is none. */
  refresh?: FamilyRefresh
  /** The one before, which for some seconds gets the answer again that its owner may have missed. */
  previous?: PreviousRefresh
  /** The living, oldest first, at most 16. */
  access: FamilyAccess[]
  /** The data key under which refresh tokens carry their MAC. */
  key?: string
  outbox?: OutboxEntry[]
}

export interface FamilyCode {
  hash: string
  expiresAt: Date
  /** As the authorization request gave it; null when it gave none. */
  redirectUri: string | null
  /** S256 (RFC 7636 §4.2). */
  challenge: string | null
  usedAt?: Date
  /** Wrong verifiers so far. */
  refused: number
}

export interface FamilyRefresh {
  hash: string
  generation: number
  idleUntil: Date
}

export interface PreviousRefresh {
  hash: string
  /** Until then its owner gets the answer again. */
  until: Date
  /** How often that happened. */
  replays: number
  /** The answer, under a key that only the presented token gives; gone when the grace is over. */
  answer?: string
}

export interface FamilyAccess {
  hash: string
  issuedAt: Date
  expiresAt: Date
  scopes: string[]
}

/** More access tokens of one family are never good at once: the oldest gives way. */
export const maxAccessTokens = 16
