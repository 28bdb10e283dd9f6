import type { JwkSet } from '../jwt/local-key-sets.js'
import type { StoredClient } from './client-schema.js'
import { publicKeyOf, publishedKeys } from './signing-keys.js'

export interface PublishedKeysOptions {
  /** All clients; the same array as long as nothing has changed. */
  readonly clients: () => readonly StoredClient[] | Promise<readonly StoredClient[]>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds that an access token can live at most. */
  readonly maxTokenMs: number
}

/** Seconds that others may keep the key set, and the metadata. */
export const keySetAge = 600

/** Milliseconds that a new key is only published: longer than anybody keeps the set. */
export const keyOverlapMs = 1.5 * keySetAge * 1000

/** Milliseconds after which the set is made anew, for the keys that nobody needs any more. */
const maxAge = 60_000

/** The provider's key set, for its route and for validators of the same app. */
export class PublishedKeys {
  readonly #options: PublishedKeysOptions
  #made: { readonly clients: readonly StoredClient[], readonly at: number } | null = null
  #set: JwkSet = { keys: [] }

  constructor (options: PublishedKeysOptions) {
    this.#options = options
  }

  /** The set as it is now: the same object as long as it holds the same keys. Rejects, or throws, as `clients` does. */
  current (): JwkSet | Promise<JwkSet> {
    const clients = this.#options.clients()
    return clients instanceof Promise ? clients.then((clients) => this.#of(clients)) : this.#of(clients)
  }

  #of (clients: readonly StoredClient[]): JwkSet {
    const now = this.#options.now()
    if (this.#made?.clients === clients && Math.abs(now - this.#made.at) < maxAge) return this.#set
    const set = jwkSet(clients, now, this.#options.maxTokenMs)
    if (JSON.stringify(set) !== JSON.stringify(this.#set)) this.#set = set
    this.#made = { clients, at: now }
    return this.#set
  }
}

/**
 * The keys that clients' JWTs can be verified with, as a JWK Set: public members, `kid`, `use`, `alg`; each `kid` once. Those of a disabled client are not in it;
 * those of one whose tokens are opaque are, because it may have JWTs from before.
 */
export function jwkSet (clients: Iterable<StoredClient>, now: number, maxTokenMs: number): JwkSet {
  const byKid = new Map<string, Record<string, string>>()
  for (const { enabled, keys = [] } of clients) {
    for (const { kid, algorithm, publicJwk } of enabled ? publishedKeys(keys, now, maxTokenMs) : []) {
      const { alg, ...known } = byKid.get(kid) ?? { alg: algorithm }
      // The same key, imported for two clients with different algorithms, is for either.
      byKid.set(kid, { ...known, ...publicJwk, kid, use: 'sig', ...(alg === algorithm ? { alg } : {}) })
    }
  }
  return { keys: [...byKid.values()] }
}

/** PEM of the key that signs an enabled client's JWTs; empty without one, and for HMAC. */
export function publicKeyPem (client: StoredClient | null, now: number): string {
  if (client === null || !client.enabled || client.tokenType !== 'jwt') return ''
  return publicKeyOf(client.keys ?? [], now) ?? ''
}
