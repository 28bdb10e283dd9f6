/** A JWK Set (RFC 7517 §5) with nothing but public keys. */
export interface JwkSet {
  readonly keys: ReadonlyArray<{ readonly [member: string]: unknown }>
}

/** Gives the set as it is now: the same object as long as nothing has changed, and a promise only when it has to wait. */
export type LocalKeySet = () => JwkSet | Promise<JwkSet>

/** The key sets that this app itself serves: its validators take them from here, and need no request to themselves. */
export class LocalKeySets {
  readonly #sets = new Map<string, LocalKeySet>()

  /** @param url under which others fetch the set */
  serve (url: string, keySet: LocalKeySet): void {
    this.#sets.set(new URL(url).href, keySet)
  }

  find (url: string): LocalKeySet | undefined {
    return this.#sets.get(new URL(url).href)
  }
}

const byStore = new WeakMap<object, LocalKeySets>()

/** Those of the app that has this store: who serves a set and who verifies with it may be registered in any order. */
export function localKeySetsOf (store: object): LocalKeySets {
  let sets = byStore.get(store)
  if (sets === undefined) byStore.set(store, sets = new LocalKeySets())
  return sets
}
