import { errors } from '../errors.js'
import type { Clock } from '../clock.js'
import { deriveKey, openText, sealText } from './cipher.js'
import { HandledSecrets } from './handled-secrets.js'
import type { DataKeys } from './key-ring-document.js'
import { unavailable } from './unavailable.js'

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
  /** When a newer data key took the place of the one with that id, milliseconds since 1970; null when none did. */
  retiredAt (keyId: string): number | null
  /** AES-256-GCM under the current data key; `binding` (`validators/<id>/secretKey`) is authenticated, so a value cannot be moved. */
  encrypt (text: string, binding: string): Promise<string>
  /** @throws DWA_STORE_UNREADABLE_SECRET */
  decrypt (value: string, binding: string): Promise<string>
}

const encryptionLabel = 'encryption'
const rereadInterval = 1000

/** The id of the data key under which a stored secret was encrypted, or null when it is not one. */
export function dataKeyIdOf (value: string): string | null {
  const [version, keyId, ...rest] = value.split('.')
  return version === 'v1' && keyId !== undefined && rest.length === 3 ? keyId : null
}

/** The ring of one process: what it last read, and the keys derived from it. */
export class LoadedKeyRing implements KeyRing {
  /** Every text that was encrypted or decrypted here lately. */
  readonly handledSecrets = new HandledSecrets()
  readonly #read: () => Promise<DataKeys>
  readonly #clock: Clock
  readonly #derived = new Map<string, Buffer>()
  #keys: DataKeys | null = null
  #lastRead = -Infinity
  #reading: Promise<void> | null = null
  #waiting: Promise<void> | null = null

  constructor (read: () => Promise<DataKeys>, clock: Clock) {
    this.#read = read
    this.#clock = clock
  }

  /** Reads the ring again; concurrent calls share one read. @throws DWA_STORE_UNAVAILABLE, DWA_STORE_WRONG_KEY */
  async reload (): Promise<void> {
    this.#reading ??= this.#load().finally(() => { this.#reading = null })
    await this.#reading
  }

  current (label: string): DerivedKey {
    const keys = this.#keys
    if (keys === null) throw unavailable()
    const key = this.#derive(keys, label, keys.current)
    if (key === null) throw unavailable()
    return { keyId: keys.current, key }
  }

  async find (label: string, keyId: string): Promise<Buffer | null> {
    const known = this.#keys === null ? null : this.#derive(this.#keys, label, keyId)
    if (known !== null) return known
    await this.#reread()
    return this.#keys === null ? null : this.#derive(this.#keys, label, keyId)
  }

  retiredAt (keyId: string): number | null {
    return this.#keys?.retired?.get(keyId) ?? null
  }

  async encrypt (text: string, binding: string): Promise<string> {
    this.handledSecrets.add(text)
    const { keyId, key } = this.current(encryptionLabel)
    return `v1.${keyId}.${sealText(Buffer.from(text), key, binding)}`
  }

  async decrypt (value: string, binding: string): Promise<string> {
    const keyId = dataKeyIdOf(value)
    const key = keyId === null ? null : await this.find(encryptionLabel, keyId)
    const plain = keyId === null || key === null ? null : openText(value.slice(`v1.${keyId}.`.length), key, binding)
    if (plain === null) throw new errors.DWA_STORE_UNREADABLE_SECRET(binding)
    const text = plain.toString()
    this.handledSecrets.add(text)
    return text
  }

  /** A ring read less than a second ago may be older than the key that is asked for: the next read is waited for. */
  async #reread (): Promise<void> {
    const wait = this.#lastRead + rereadInterval - this.#clock.now()
    if (this.#reading === null && wait > 0) {
      this.#waiting ??= new Promise<void>((resolve) => { this.#clock.after(wait, resolve) }).finally(() => { this.#waiting = null })
      await this.#waiting
    }
    await this.reload()
  }

  async #load (): Promise<void> {
    this.#lastRead = this.#clock.now()
    const read = await this.#read()
    if (this.#keys === null || read.version >= this.#keys.version) this.#keys = read
  }

  #derive (keys: DataKeys, label: string, keyId: string): Buffer | null {
    const memo = `${keyId}/${label}`
    const known = this.#derived.get(memo)
    if (known !== undefined) return known
    const dataKey = keys.keys.get(keyId)
    if (dataKey === undefined) return null
    const key = deriveKey(dataKey, label)
    this.#derived.set(memo, key)
    return key
  }
}
