import type { Clock } from '../clock.js'
import type { ConfirmedCache } from '../store/confirmed-cache.js'
import type { ServerClock } from '../store/server-clock.js'
import { tailHash } from '../tail-hash.js'
import { isVoid, type OpenClients } from './open-clients.js'
import { clientSubject, type Subjects } from './subjects.js'
import type { TokenFamilies } from './token-families.js'
import type { GrantName } from './token-family.js'

/** An access token as routes see it: without the token. */
export interface AccessToken {
  /** The family it belongs to: what is revoked together. */
  readonly family: string
  readonly grant: GrantName
  readonly clientId: string
  readonly clientName: string
  /** The app's id of the person it acts for; null for a client that acts as nobody. */
  readonly userId: string | null
  /** The person as this client knows them. */
  readonly sub: string
  readonly scopes: readonly string[]
  /** The client's id, or the resource asked for. */
  readonly audience: string
  readonly issuedAt: Date
  readonly expiresAt: Date
}

/** What the cache holds: the token as well, since others may have the same hash. */
export interface KeptAccessToken {
  readonly text: string
  /** The Authorization header that it last came in and was found by; null before that. */
  header: string | null
  /** The id of the client's record. */
  readonly client: string
  /** Milliseconds since 1970: what decides, whatever somebody did to the token's dates. */
  readonly expiresAt: number
  readonly token: AccessToken
}

export interface AccessTokensOptions {
  readonly families: Pick<TokenFamilies, 'findAccessToken'>
  readonly clients: Pick<OpenClients, 'byId'>
  readonly subjects: Subjects
  /** By `tailHash`. */
  readonly cache: ConfirmedCache<KeptAccessToken, number>
  /** The cache's. */
  readonly clock: Clock
  /** The database's time, by which tokens expire. */
  readonly serverClock: Pick<ServerClock, 'at'>
}

class NoSuchToken extends Error {
  /** Which, since whoever waits may have asked for another with the same hash. */
  readonly text: string

  constructor (text: string) {
    super('no such token')
    this.text = text
  }
}

/** Living access tokens: read once, and kept until the change feed says that something about them changed. Only good ones are kept. */
export class AccessTokens {
  readonly #options: AccessTokensOptions

  constructor (options: AccessTokensOptions) {
    this.#options = options
  }

  /** The token of an Authorization header that brought it before, if it is good; null when `find` has to tell. */
  known (header: string): AccessToken | null {
    const now = this.#options.clock.now()
    const kept = this.#options.cache.peek(tailHash(header), now) // header and token end alike
    return kept?.header === header && this.#isLiving(kept, now) ? kept.token : null
  }

  /**
   * The token, if it is good; a promise only when the database has to be asked.
   * @param header the Authorization header it came in, by which it is `known` once it was found in memory with it
   * @throws DWA_STORE_UNAVAILABLE
   */
  find (text: string, header: string | null = null): AccessToken | null | Promise<AccessToken | null> {
    const key = tailHash(text)
    const now = this.#options.clock.now()
    const kept = this.#options.cache.peek(key, now)
    if (kept === undefined) return this.#ask(key, text)
    if (header !== null && kept.text === text) kept.header = header
    return this.#check(text, kept, now)
  }

  /** Drops the tokens of a family. */
  forgetFamily (family: string): void {
    this.#options.cache.forget((_key, { token }) => token.family === family)
  }

  /** Drops the tokens of a client, by its record's id. */
  forgetClient (id: string): void {
    this.#options.cache.forget((_key, { client }) => client === id)
  }

  async #ask (key: number, text: string): Promise<AccessToken | null> {
    try {
      const kept = await this.#options.cache.get(key, async () => await this.#read(text))
      return await this.#check(text, kept, this.#options.clock.now())
    } catch (error) {
      return error instanceof NoSuchToken && error.text !== text ? await this.#readAlone(text) : noSuchToken(error)
    }
  }

  #check (text: string, kept: KeptAccessToken, now: number): AccessToken | null | Promise<AccessToken | null> {
    if (kept.text !== text) return this.#readAlone(text)
    return this.#isLiving(kept, now) ? kept.token : null
  }

  #isLiving ({ expiresAt }: KeptAccessToken, now: number): boolean {
    return expiresAt > this.#options.serverClock.at(now)
  }

  /** Past the cache, which keeps one token of those with the same hash: of 20 000 tokens that is a pair in one process of six, and the other of it is read at each use. */
  async #readAlone (text: string): Promise<AccessToken | null> {
    return await this.#read(text).then(({ token }) => token, noSuchToken)
  }

  async #read (text: string): Promise<KeptAccessToken> {
    const { families, clients, subjects } = this.#options
    const live = await families.findAccessToken(text)
    const client = live === null ? null : await clients.byId(live.family.client)
    if (live === null || client === null || isVoid(live.family, client)) throw new NoSuchToken(text)
    const { family: { _id, user, grant, resource }, access: { scopes, issuedAt, expiresAt } } = live
    const { clientId, name } = client.fields
    return {
      text,
      header: null,
      client: client.id,
      expiresAt: expiresAt.getTime(),
      token: Object.freeze({
        family: _id.toHexString(),
        grant,
        clientId,
        clientName: name,
        userId: user,
        sub: user === null ? clientSubject(clientId) : await subjects.of(clientId, user),
        scopes: Object.freeze(scopes.filter((scope) => client.fields.scopes.includes(scope))),
        audience: resource ?? clientId,
        issuedAt,
        expiresAt
      })
    }
  }
}

function noSuchToken (error: unknown): null {
  if (error instanceof NoSuchToken) return null
  throw error
}
