/** A key derived from one of the database's data keys, and that data key's id, which whatever it produces must carry. */
export interface DerivedKey { readonly keyId: string, readonly key: Buffer }

/** The database's data keys, unwrapped (security.md 56). */
export interface KeyRing {
  /**
   * 32 bytes by HKDF-SHA-256 from the current data key, `label` as info. Memoised.
   * @throws DWA_STORE_UNAVAILABLE while the ring has not been read yet
   */
  current (label: string): DerivedKey
  /** The same from the data key with that id, null when there is none; an unknown id re-reads the ring, at most once a second. */
  find (label: string, keyId: string): Promise<Buffer | null>
  /** AES-256-GCM under the current data key; `binding` (`validators/<id>/secretKey`) is authenticated, so a value cannot be moved. */
  encrypt (text: string, binding: string): Promise<string>
  /** @throws DWA_STORE_UNREADABLE_SECRET */
  decrypt (value: string, binding: string): Promise<string>
}
