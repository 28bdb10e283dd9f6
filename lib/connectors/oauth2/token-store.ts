import { createHash } from 'node:crypto'
import { errors } from '../../errors.js'
import type { BegunAuthorization, BegunAuthorizations, NewAuthorization } from '../../oauth-client/authorization-state.js'
import { stateLifetime } from '../../oauth-client/authorization-state.js'
import type { GrantPatch } from '../../oauth-client/grant.js'
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
  #last: Promise<unknown> = Promise.resolve()

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
    const turn = this.#last.then(async () => {
      const kept = await this.#read()
      if (kept.version !== version) throw new errors.DWA_STORE_CONFLICT('The connector')
      await this.#store.set(this.#key, changed(kept, patch))
    })
    this.#last = turn.catch(() => {}) // who asked for it is told
    await turn
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

function withoutUndefined (given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function isKept (value: unknown): value is Kept {
  return typeof value === 'object' && value !== null && 'version' in value && 'fields' in value && 'secrets' in value
}

/** Begun authorizations of one connector in a token store. */
export class KeptStates implements BegunAuthorizations {
  readonly #store: TokenStore
  readonly #prefix: string
  readonly #now: () => number

  /** @param now milliseconds since 1970 */
  constructor (store: TokenStore, name: string, fingerprint: string, now: () => number) {
    this.#store = store
    this.#prefix = `oauth2/${name}/${fingerprint}/state/`
    this.#now = now
  }

  async remember ({ state, browser: _, ...begun }: NewAuthorization): Promise<void> {
    await this.#store.set(this.#key(state), { ...begun, binding: null, until: this.#now() + stateLifetime * 1000 })
  }

  async consume (state: string): Promise<BegunAuthorization | null> {
    const key = this.#key(state)
    const found = await this.#store.get(key)
    if (!isBegun(found)) return null
    const taken = await this.#store.delete(key)
    if (taken === false || taken === 0 || found.until <= this.#now()) return null
    return found
  }

  /** By its hash: comparing the state itself would take as long as it agrees. */
  #key (state: string): string {
    return `${this.#prefix}${createHash('sha256').update(state).digest('base64url')}`
  }
}

function isBegun (value: unknown): value is BegunAuthorization & { readonly until: number } {
  return typeof value === 'object' && value !== null && 'until' in value && typeof value.until === 'number' && 'codeVerifier' in value
}
