import { createHash } from 'node:crypto'
import { errors } from '../../errors.js'
import type { BegunAuthorization, BegunAuthorizations, NewAuthorization } from '../../oauth-client/authorization-state.js'
import { stateLifetime } from '../../oauth-client/authorization-state.js'
import type { GrantPatch } from '../../oauth-client/grant.js'
import { withoutUndefined } from '../../options.js'
import { connectorGrant, type ConnectorGrant } from './connector-grant.js'

/**
 * Where an `oauth2` strategy of an app's own keeps tokens and begun authorizations: plain objects under texts. A `Map` will do for a script.
 * `delete` answers false (or 0) when there was nothing, as Map's does: that is how a state counts once. What is kept is secret.
 */
export interface TokenStore {
  get (key: string): unknown
  set (key: string, value: object): unknown
  delete (key: string): unknown
}

interface Kept {
  readonly version: number
  readonly fields: Omit<ConnectorGrant['fields'], 'name'>
  readonly secrets: { readonly [name: string]: string }
}

const nothing: Kept = { version: 0, fields: { status: 'draft', configuration: 1 }, secrets: {} }

/** The grant of one connector in a token store. Changes of this process are made one after the other. */
export class KeptGrant {
  readonly #store: TokenStore
  readonly #name: string
  readonly #key: string
  readonly #inTurn = turns()

  /** @param fingerprint of what tokens rest on: those of another client are not found */
  constructor (store: TokenStore, name: string, fingerprint: string) {
    this.#store = store
    this.#name = name
    this.#key = `oauth2/${name}/${fingerprint}`
  }

  async open (): Promise<ConnectorGrant> {
    const { version, fields, secrets } = await this.#read()
    return connectorGrant({ id: this.#name, version, fields: { ...fields, name: this.#name }, secrets })
  }

  /** @throws DWA_STORE_CONFLICT when the grant is not at `version` */
  async update (version: number, patch: GrantPatch): Promise<void> {
    await this.#inTurn(async () => {
      const kept = await this.#read()
      if (kept.version !== version) throw new errors.DWA_STORE_CONFLICT('The connector')
      await this.#store.set(this.#key, changed(kept, patch))
    })
  }

  async #read (): Promise<Kept> {
    const found = await this.#store.get(this.#key)
    return isKept(found) ? found : nothing
  }
}

/** What `undefined` names in a patch is gone afterwards. */
function changed ({ version, fields, secrets }: Kept, patch: GrantPatch): Kept {
  const { accessToken, refreshToken, account: _, ...rest } = { ...secrets, ...patch }
  return {
    version: version + 1,
    fields: withoutUndefined({ ...fields, ...rest }) as Kept['fields'],
    secrets: withoutUndefined({ accessToken, refreshToken }) as Kept['secrets']
  }
}

function isKept (value: unknown): value is Kept {
  return typeof value === 'object' && value !== null && 'version' in value && 'fields' in value && 'secrets' in value
}

/** Runs operations one after the other. */
function turns (): (operation: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  return async (operation) => {
    const turn = last.then(operation)
    last = turn.catch(() => {}) // who asked for it is told
    await turn
  }
}

/** Authorizations of one connector that may be under way: the oldest gives way to one more. */
const mostBegun = 1000

/** Begun authorizations of one connector in a token store. They are listed there, so that those that nobody ends can be taken away. */
export class KeptStates implements BegunAuthorizations {
  readonly #store: TokenStore
  readonly #prefix: string
  readonly #listKey: string
  readonly #now: () => number
  readonly #inTurn = turns()

  /** @param now milliseconds since 1970 */
  constructor (store: TokenStore, name: string, fingerprint: string, now: () => number) {
    this.#store = store
    this.#prefix = `oauth2/${name}/${fingerprint}/state/`
    this.#listKey = `oauth2/${name}/${fingerprint}/states`
    this.#now = now
  }

  async remember ({ state, browser: _, ...begun }: NewAuthorization): Promise<void> {
    const key = this.#key(state)
    const until = this.#now() + stateLifetime * 1000
    await this.#inTurn(async () => { await this.#list({ key, until }) })
    await this.#store.set(key, { ...begun, binding: null, until })
  }

  async consume (state: string): Promise<BegunAuthorization | null> {
    const key = this.#key(state)
    const found = await this.#store.get(key)
    if (!isBegun(found)) return null
    const taken = await this.#store.delete(key)
    if (taken === false || taken === 0 || found.until <= this.#now()) return null
    return found
  }

  /** Adds to the list; what has ended, or is too much, leaves the store. */
  async #list (added: Listed): Promise<void> {
    const now = this.#now()
    const found = await this.#store.get(this.#listKey)
    const listed = [...isList(found) ? found.begun : [], added]
    const open = listed.filter(({ until }) => until > now)
    for (const { key } of [...listed.filter(({ until }) => until <= now), ...open.slice(0, -mostBegun)]) await this.#store.delete(key)
    await this.#store.set(this.#listKey, { begun: open.slice(-mostBegun) })
  }

  /** By its hash: comparing the state itself would take as long as it agrees. */
  #key (state: string): string {
    return `${this.#prefix}${createHash('sha256').update(state).digest('base64url')}`
  }
}

interface Listed { readonly key: string, readonly until: number }

function isList (value: unknown): value is { readonly begun: readonly Listed[] } {
  return typeof value === 'object' && value !== null && 'begun' in value && Array.isArray(value.begun)
}

function isBegun (value: unknown): value is BegunAuthorization & { readonly until: number } {
  return typeof value === 'object' && value !== null && 'until' in value && typeof value.until === 'number' && 'codeVerifier' in value
}
