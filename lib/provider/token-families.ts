import mongoose, { type mongo } from 'mongoose'
import type { Clock } from '../clock.js'
import type { LogFields } from '../log/log-entry.js'
import type { AuditedDocuments } from '../store/audited-documents.js'
import type { DocumentIndex } from '../store/document-collection.js'
import type { KeyRing } from '../store/key-ring.js'
import type { ChangeEntry } from '../store/outbox.js'
import type { Mutable } from '../mutable.js'
import type { Lifetimes } from './client-schema.js'
import { FamilyDocuments } from './family-documents.js'
import { familyOf, familyOfAccessToken, hashOf, issueRefreshToken, issueText, readRefreshToken } from './issued-text.js'
import { openAnswer, sealAnswer } from './sealed-answer.js'
import { maxAccessTokens, type FamilyAccess, type FamilyCode, type GrantName, type TokenFamilyDocument } from './token-family.js'

/** Of whom, to whom, and for what tokens are issued. */
export interface Granted {
  /** The id of the client's record, and its name for the log. */
  readonly client: { readonly id: string, readonly name: string }
  /** The id of the person; null for a client that acts as nobody. */
  readonly user: string | null
  readonly grant: GrantName
  readonly scopes: readonly string[]
  readonly resource?: string | undefined
  readonly lifetimes: Required<Lifetimes>
  readonly requestId?: string | undefined
}

/** An access token to be made; `family` is in it. Times are milliseconds since 1970. */
export interface AccessTokenOrder {
  readonly family: string
  readonly user: string | null
  readonly scopes: readonly string[]
  readonly resource: string | null
  readonly issuedAt: number
  readonly expiresAt: number
}

/** Makes the text of an access token that is no opaque one. */
export type Mint = (order: AccessTokenOrder) => Promise<string>

/** What the token endpoint answers (RFC 6749 §5.1). */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer'
  /** Seconds. */
  readonly expires_in: number
  readonly refresh_token?: string
  readonly scope: string
}

/** A living access token. */
export interface LiveAccessToken {
  readonly family: TokenFamilyDocument
  readonly access: FamilyAccess
}

/** What one client holds of a person. */
export interface ClientAccess {
  /** The id of the client's record. */
  readonly client: string
  readonly scopes: readonly string[]
  readonly since: Date
}

export interface TokenFamiliesOptions {
  readonly documents: AuditedDocuments<TokenFamilyDocument>
  readonly keyRing: Pick<KeyRing, 'current' | 'find'>
  /** The database's time: processes decide by it alike. */
  readonly clock: Clock
  readonly randomBytes: (size: number) => Buffer
  readonly refreshGraceSeconds: number
  /** Told at once of a family whose tokens are good no more. */
  readonly onRevoked: (family: string) => void
  /** Told of an answer that was sealed into a family, and until when it is of use: milliseconds since 1970. */
  readonly onSealed?: (family: mongo.ObjectId, until: number) => void
}

/** Indexes of the collection. Tokens carry their family's id: no look-up needs one. */
export const familyIndexes: readonly DocumentIndex[] = [
  { keys: { user: 1, client: 1 } },
  { keys: { client: 1 } },
  { keys: { purgeAt: 1 }, expireAfterSeconds: 0 }
]

const refreshKeyLabel = 'refresh-token'
/** The same answer is given again so often (spec/oauth-provider.md). */
const maxReplays = 256
/** Wrong verifiers that a code survives (security.md 23). */
const maxRefused = 5
/** Milliseconds in which a doubled request is told from a thief's. */
const doubledRequest = 5000
/** A document stays so many milliseconds longer than anything in it is good: a code that was used is known as such. */
const afterlife = 3_600_000
/** Families that are revoked at the same time. */
const batchSize = 100
/** In an entry: a living access token had to give way. */
export const displaced = 'displaced'

/** Issues, rotates and revokes. Every method is one atomic change of one document, and looks before it only to tell why nothing changed. */
export class TokenFamilies {
  readonly #options: TokenFamiliesOptions
  readonly #families: FamilyDocuments

  constructor (options: TokenFamiliesOptions) {
    this.#options = options
    this.#families = new FamilyDocuments(options.documents)
  }

  /** A new family that has nothing but a code. */
  async begin (granted: Granted, code: Pick<FamilyCode, 'redirectUri' | 'challenge'>): Promise<string> {
    const now = this.#now()
    const id = new mongoose.mongo.ObjectId()
    const text = issueText('code', id.toHexString(), this.#options.randomBytes)
    const { lifetimes } = granted
    const entry = this.#entry(id, 'code.issued', granted)
    await this.#insert(Object.assign(this.#newFamily(id, granted, now), {
      code: { ...code, hash: hashOf(text), expiresAt: new Date(now + lifetimes.code * 1000), refused: 0 },
      expiresAt: new Date(now + lifetimes.refreshToken * 1000),
      purgeAt: new Date(now + lifetimes.code * 1000 + afterlife)
    }), entry)
    return text
  }

  /** A new family with its first tokens, where there is no code. */
  async issue (granted: Granted, { refresh, mint }: { readonly refresh: boolean, readonly mint: Mint | null }): Promise<TokenAnswer> {
    const now = this.#now()
    const id = new mongoose.mongo.ObjectId()
    const family = this.#newFamily(id, granted, now)
    const entry = this.#entry(id, 'token.issued', granted, { grant: granted.grant, scope: granted.scopes.join(' ') })
    const { answer, set } = await this.#firstTokens(family, granted, refresh, mint, now)
    await this.#insert(Object.assign(family, set), entry)
    return answer
  }

  /** The family of a code that was issued; null for any other text. Whether it can be redeemed is `redeem`'s affair. */
  async findCode (text: string): Promise<TokenFamilyDocument | null> {
    const id = familyOf('code', text)
    const family = id === null ? null : await this.#find(id)
    return family?.code?.hash === hashOf(text) ? family : null
  }

  /** Notes a verifier that was wrong; a code takes five. */
  async refuseCode ({ _id }: TokenFamilyDocument): Promise<void> {
    await this.#options.documents.run(async (families) => await families.updateOne({ _id, 'code.usedAt': { $exists: false } }, { $inc: { 'code.refused': 1 } }))
  }

  /** Whether a code can still be redeemed, by what was read of it. */
  isRedeemable ({ code, revokedAt }: TokenFamilyDocument): boolean {
    return code !== undefined && code.usedAt === undefined && revokedAt === undefined && code.refused < maxRefused && code.expiresAt.getTime() > this.#now()
  }

  /** Redeems a code: consumed and exchanged in one update, by one of however many try. Null when it was another, or it is too late. */
  async redeem (family: TokenFamilyDocument, granted: Granted, { refresh, mint }: { readonly refresh: boolean, readonly mint: Mint | null }): Promise<TokenAnswer | null> {
    const now = this.#now()
    const { _id, code } = family
    if (code === undefined) return null
    const entry = this.#entry(_id, 'code.redeemed', granted, { scope: granted.scopes.join(' ') })
    const { answer, set, accessHash } = await this.#firstTokens(family, granted, refresh, mint, now)
    const redeemed = await this.#families.update({
      filter: {
        _id,
        revokedAt: { $exists: false },
        'code.hash': code.hash,
        'code.usedAt': { $exists: false },
        'code.refused': { $lt: maxRefused },
        'code.expiresAt': { $gt: new Date(now) }
      },
      update: { $set: { ...set, 'code.usedAt': new Date(now) }, $push: { outbox: entry.stored } },
      accessHash
    })
    if (!redeemed) return null
    this.#options.documents.deliverSoon(entry)
    return answer
  }

  /** What a code that cannot be redeemed means: its tokens are revoked when it was used, unless its own client merely asked twice. */
  async presentedAgain (text: string, { rightful, requestId }: { readonly rightful: boolean, readonly requestId?: string | undefined }): Promise<void> {
    const family = await this.findCode(text)
    const usedAt = family?.code?.usedAt
    if (family === null || usedAt === undefined) return
    if (rightful && this.#now() - usedAt.getTime() <= doubledRequest) return
    await this.revoke(family._id.toHexString(), 'code.reused', { level: 'warning', message: 'a used code was presented again: its tokens were revoked', requestId })
  }

  /** The family of a refresh token that was issued, of whatever generation; null for any other text, and when all of it is over. */
  async findRefreshToken (text: string): Promise<TokenFamilyDocument | null> {
    const parts = readRefreshToken(text)
    if (parts === null) return null
    const family = await this.#find(parts.family)
    if (family?.refresh === undefined || family.revokedAt !== undefined || family.expiresAt.getTime() <= this.#now()) return null
    if ([family.refresh.hash, family.previous?.hash].includes(hashOf(text))) return family
    const key = family.key === undefined ? null : await this.#options.keyRing.find(refreshKeyLabel, family.key)
    return key !== null && parts.isGenuine(key) ? family : null
  }

  /** Whether it is the refresh token of today, and could be used, by what was read. */
  isLive (text: string, family: TokenFamilyDocument): boolean {
    return this.isCurrent(text, family) && (family.refresh?.idleUntil.getTime() ?? 0) > this.#now()
  }

  /** Whether it is the refresh token of today, by what was read. */
  isCurrent (text: string, { refresh }: TokenFamilyDocument): boolean {
    return refresh?.hash === hashOf(text)
  }

  /**
   * Rotates a refresh token (RFC 9700 §4.14.2). Of however many who present the same one, one rotates it, and the others, within the grace, get its answer.
   * @param family as `findRefreshToken` found it
   */
  async refresh (text: string, family: TokenFamilyDocument, granted: Granted, mint: Mint | null): Promise<TokenAnswer | null> {
    return await this.#rotate(text, family, granted, mint) ?? await this.presentedAfterUse(text, granted)
  }

  /** A refresh token that was used: within the grace its own client gets the same answer again, and anything else ends the family. Null when there is no answer. */
  async presentedAfterUse (text: string, by: Pick<Granted, 'client' | 'requestId'>): Promise<TokenAnswer | null> {
    const today = await this.findRefreshToken(text)
    if (today === null || this.isCurrent(text, today)) return null // it is over, or idle for too long, or the family was touched in between
    const { client, previous } = today
    if (client === by.client.id && previous?.hash === hashOf(text) && previous.until.getTime() > this.#now()) return await this.#repeat(text, today, by)
    await this.#reused(today, by)
    return null
  }

  async #rotate (text: string, family: TokenFamilyDocument, granted: Granted, mint: Mint | null): Promise<TokenAnswer | null> {
    const { _id, refresh } = family
    const now = this.#now()
    const hash = hashOf(text)
    const idleUntil = refresh?.idleUntil.getTime() ?? 0
    if (refresh?.hash !== hash || idleUntil <= now) return null
    const { documents, randomBytes, refreshGraceSeconds } = this.#options
    const id = _id.toHexString()
    const generation = refresh.generation + 1
    const { keyId, key } = await this.#keyOf(family)
    const refreshToken = issueRefreshToken(id, generation, key, randomBytes)
    const { access, text: accessToken } = await this.#accessToken(this.#order(family, granted, now), mint)
    const answer = answerOf(accessToken, access, refreshToken)
    const displaces = (family.access[0]?.expiresAt.getTime() ?? 0) > now && family.access.length >= maxAccessTokens
    const entry = this.#entry(_id, 'token.refreshed', granted, { generation, scope: granted.scopes.join(' '), [displaced]: displaces ? true : undefined })
    const rotated = await this.#families.update({
      filter: { _id, client: granted.client.id, revokedAt: { $exists: false }, expiresAt: { $gt: new Date(now) }, 'refresh.hash': hash },
      update: {
        $set: {
          refresh: { hash: hashOf(refreshToken), generation, idleUntil: new Date(now + granted.lifetimes.refreshIdle * 1000) },
          previous: { hash, until: new Date(now + refreshGraceSeconds * 1000), replays: 0, ...(refreshGraceSeconds === 0 ? {} : { answer: sealAnswer(answer, text, id) }) },
          key: keyId
        },
        $max: { purgeAt: new Date(access.expiresAt.getTime() + afterlife) },
        $push: { access: { $each: [access], $slice: -maxAccessTokens }, outbox: entry.stored }
      },
      accessHash: access.hash
    })
    if (!rotated) return null
    if (displaces) this.#options.onRevoked(id)
    if (refreshGraceSeconds > 0) this.#options.onSealed?.(_id, now + refreshGraceSeconds * 1000)
    documents.deliverSoon(entry)
    return answer
  }

  /** The data key under which all refresh tokens of a family carry their MAC: the first, so that the oldest generation is still known when the store's data key is another. */
  async #keyOf ({ key: keyId }: TokenFamilyDocument): Promise<{ readonly keyId: string, readonly key: Buffer }> {
    const { keyRing } = this.#options
    const key = keyId === undefined ? null : await keyRing.find(refreshKeyLabel, keyId)
    return keyId === undefined || key === null ? keyRing.current(refreshKeyLabel) : { keyId, key }
  }

  /** The same answer again, 256 times at most; past that it is refused, and nothing is revoked. */
  async #repeat (text: string, { _id, previous }: TokenFamilyDocument, { client }: Pick<Granted, 'client'>): Promise<TokenAnswer | null> {
    const hash = hashOf(text)
    const found = await this.#options.documents.run(async (families) => await families.findOneAndUpdate(
      { _id, client: client.id, revokedAt: { $exists: false }, 'previous.hash': hash, 'previous.replays': { $lt: maxReplays } },
      { $inc: { 'previous.replays': 1 } },
      { projection: { previous: 1 } }
    ))
    return found === null || previous?.answer === undefined ? null : openAnswer(previous.answer, text, _id.toHexString())
  }

  async #reused ({ _id, refresh }: TokenFamilyDocument, { client, requestId }: Pick<Granted, 'client' | 'requestId'>): Promise<void> {
    await this.revoke(_id.toHexString(), 'token.refresh_reused', {
      level: 'warning',
      message: 'a used refresh token was presented again: its family was revoked',
      actor: { type: 'client', id: client.id },
      details: { generation: refresh?.generation ?? 0 },
      requestId
    })
  }

  /** A living access token, with its family; null for anything else. */
  async findAccessToken (text: string): Promise<LiveAccessToken | null> {
    const id = familyOfAccessToken(text)
    const family = id === null ? null : await this.#find(id)
    if (family === null || family.revokedAt !== undefined) return null
    const hash = hashOf(text)
    const access = family.access.find((one) => one.hash === hash)
    return access !== undefined && access.expiresAt.getTime() > this.#now() ? { family, access } : null
  }

  /**
   * Revokes all of a family, once. Whoever comes second sees to it that the log has what the first may have left in the document.
   * @returns whether this call did
   */
  async revoke (family: string, event: string, fields: LogFields): Promise<boolean> {
    const { documents } = this.#options
    const _id = new mongoose.mongo.ObjectId(family)
    const entry = documents.entry(_id, event, { ...fields, target: { type: 'token', id: family } })
    const { modifiedCount } = await documents.run(async (families) => await families.updateOne({ _id, revokedAt: { $exists: false } }, {
      $set: { revokedAt: new Date(this.#now()), access: [] },
      $unset: { 'previous.answer': 1 },
      $push: { outbox: entry.stored }
    }))
    this.#options.onRevoked(family)
    if (modifiedCount === 0) await documents.deliverWaiting(_id)
    else await documents.deliver(entry)
    return modifiedCount > 0
  }

  /** Revokes one access token; the others of its family live on. */
  async revokeAccessToken ({ family: { _id }, access: { hash } }: LiveAccessToken, fields: LogFields): Promise<void> {
    const { documents } = this.#options
    const id = _id.toHexString()
    const entry = documents.entry(_id, 'token.revoked', { ...fields, target: { type: 'token', id } })
    const { modifiedCount } = await documents.run(async (families) => await families.updateOne({ _id, 'access.hash': hash }, { $pull: { access: { hash } }, $push: { outbox: entry.stored } }))
    this.#options.onRevoked(id)
    if (modifiedCount > 0) await documents.deliver(entry)
  }

  /** Has the other processes forget what they know of a token that is good no more: whoever revoked it may have died before he said so. */
  async confirmRevoked (text: string): Promise<void> {
    const family = familyOfAccessToken(text) ?? readRefreshToken(text)?.family
    if (family === undefined) return
    this.#options.onRevoked(family)
    await this.#options.documents.deliverWaiting(new mongoose.mongo.ObjectId(family))
  }

  /** Revokes every living family of a person, a client, or of both. @returns how many */
  async revokeAll ({ user, client }: { readonly user?: string, readonly client?: string }, event: string, fields: LogFields): Promise<number> {
    const of = { ...(user === undefined ? {} : { user: { $eq: user } }), ...(client === undefined ? {} : { client: { $eq: client } }) }
    let revoked = 0
    for (let found = batchSize; found === batchSize;) {
      const living = await this.#options.documents.run(async (families) => await families.find({ ...of, revokedAt: { $exists: false } }, { projection: { _id: 1 } }).limit(batchSize).toArray())
      revoked += (await Promise.all(living.map(async ({ _id }) => await this.revoke(_id.toHexString(), event, fields)))).filter(Boolean).length
      found = living.length
    }
    return revoked
  }

  /** What clients hold of a person that is good now, without those that act as the person of themselves. @throws DWA_STORE_UNAVAILABLE */
  async accessOf (user: string): Promise<ClientAccess[]> {
    const now = new Date(this.#now())
    const living = { $or: [{ 'refresh.idleUntil': { $gt: now } }, { 'access.expiresAt': { $gt: now } }, { 'code.usedAt': { $exists: false }, 'code.expiresAt': { $gt: now } }] }
    const found = await this.#options.documents.run(async (families) => await families.aggregate<{ _id: string, scopes: unknown[], since: Date }>([
      { $match: { user: { $eq: user }, grant: { $ne: 'client_credentials' }, revokedAt: { $exists: false }, expiresAt: { $gt: now }, ...living } },
      { $unwind: { path: '$scopes', preserveNullAndEmptyArrays: true } },
      { $group: { _id: '$client', scopes: { $addToSet: '$scopes' }, since: { $min: '$createdAt' } } },
      { $sort: { _id: 1 } }
    ]).toArray())
    return found.map(({ _id: client, scopes, since }) => ({ client, scopes: scopes.filter((scope) => typeof scope === 'string').sort(), since }))
  }

  async #find (id: string): Promise<TokenFamilyDocument | null> {
    return await this.#families.find(id)
  }

  async #insert (family: TokenFamilyDocument, entry: ChangeEntry): Promise<void> {
    family.outbox = [entry.stored]
    await this.#families.insert(family)
    this.#options.documents.deliverSoon(entry)
  }

  #newFamily (id: mongo.ObjectId, { client, user, grant, scopes, resource, lifetimes }: Granted, now: number): TokenFamilyDocument {
    const until = new Date(now + (grant === 'client_credentials' || grant === 'implicit' ? lifetimes.accessToken : lifetimes.refreshToken) * 1000)
    const family: TokenFamilyDocument = { _id: id, version: 1, client: client.id, user, grant, scopes: [...scopes], createdAt: new Date(now), expiresAt: until, purgeAt: until, access: [] }
    if (resource !== undefined) family.resource = resource
    return family
  }

  /** The fields that the first tokens of a family set. */
  async #firstTokens (family: TokenFamilyDocument, granted: Granted, withRefresh: boolean, mint: Mint | null, now: number): Promise<{ answer: TokenAnswer, set: Partial<TokenFamilyDocument>, accessHash: string }> {
    const { keyRing, randomBytes } = this.#options
    const { access, text } = await this.#accessToken(this.#order(family, granted, now), mint)
    const { hash: accessHash, expiresAt } = access
    if (!withRefresh) return { answer: answerOf(text, access), set: { access: [access], purgeAt: new Date(expiresAt.getTime() + afterlife) }, accessHash }
    const { keyId, key } = keyRing.current(refreshKeyLabel)
    const refreshToken = issueRefreshToken(family._id.toHexString(), 1, key, randomBytes)
    return {
      answer: answerOf(text, access, refreshToken),
      set: { access: [access], refresh: { hash: hashOf(refreshToken), generation: 1, idleUntil: new Date(now + granted.lifetimes.refreshIdle * 1000) }, key: keyId, purgeAt: new Date(family.expiresAt.getTime() + afterlife) },
      accessHash
    }
  }

  /** No access token outlives its family. */
  #order ({ _id, resource, expiresAt }: TokenFamilyDocument, { user, scopes, lifetimes }: Granted, now: number): AccessTokenOrder {
    return { family: _id.toHexString(), user, scopes, resource: resource ?? null, issuedAt: now, expiresAt: Math.min(now + lifetimes.accessToken * 1000, expiresAt.getTime()) }
  }

  async #accessToken (order: AccessTokenOrder, mint: Mint | null): Promise<{ access: FamilyAccess, text: string }> {
    const text = mint === null ? issueText('access', order.family, this.#options.randomBytes) : await mint(order)
    return { text, access: { hash: hashOf(text), issuedAt: new Date(order.issuedAt), expiresAt: new Date(order.expiresAt), scopes: [...order.scopes] } }
  }

  #entry (id: mongo.ObjectId, event: string, { client, user, requestId }: Granted, details: Record<string, unknown> = {}): ChangeEntry {
    return this.#options.documents.entry(id, event, {
      actor: { type: 'client', id: client.id },
      target: { type: 'token', id: id.toHexString() },
      details: Object.assign({}, details, { client: client.name, user: user ?? undefined }),
      requestId
    })
  }

  #now (): number {
    return this.#options.clock.now()
  }
}

function answerOf (accessToken: string, { issuedAt, expiresAt, scopes }: FamilyAccess, refreshToken?: string): TokenAnswer {
  const expiresIn = Math.floor((expiresAt.getTime() - issuedAt.getTime()) / 1000)
  const answer: Mutable<TokenAnswer> = { access_token: accessToken, token_type: 'Bearer', expires_in: expiresIn, scope: scopes.join(' ') }
  if (refreshToken !== undefined) answer.refresh_token = refreshToken
  return answer
}
