import { createHmac, hash, randomBytes as cryptoRandomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import type { KeyRing } from '../store/key-ring.js'
import { limited } from '../store/failure-locks.js'
import { Turns } from './turns.js'

/** What makes stored secrets and checks presented ones. */
export interface ClientSecretsOptions {
  readonly keyRing: Pick<KeyRing, 'current' | 'find'>
  readonly randomBytes?: (size: number) => Buffer
  /** The slow hash: 32 bytes. Default: scrypt. */
  readonly derive?: (secret: string, salt: Buffer) => Promise<Buffer>
  /** So many secrets of each kind are remembered as verified. Default 1000. */
  readonly remember?: number
}

const label = 'client-secret'
const secretBytes = 32
/** Of scrypt, for secrets that people chose: 16 MiB and some 50 ms. */
const cost = { N: 16_384, r: 8, p: 1 } satisfies ScryptOptions
const hashBytes = 32
/** What nothing fits. */
const noSecret = `scrypt.${'A'.repeat(22)}.`
/** Slow hashes at the same time, and those that may wait for theirs. */
const lanes = 2
const maxWaiting = 200
const scryptAsync = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/**
 * Client secrets as the database keeps them. Generated ones hold 256 random bits and are kept as an HMAC under a key derived from the store's, which needs no slow hash;
 * imported ones were chosen by people and are kept by scrypt. What was found right is remembered like a verified token.
 */
export class ClientSecrets {
  readonly #options: ClientSecretsOptions
  /** Digests, under a key of this process, of a stored form and the presented secret that fits it, oldest first. Imported ones have a set of their own: theirs are dear to check again. */
  readonly #remembered = { hmac: new Set<string>(), scrypt: new Set<string>() }
  readonly #processKey = cryptoRandomBytes(hashBytes).toString('base64url')
  readonly #lanes = new Turns()
  #next = 0
  #waiting = 0

  readonly #derive: (secret: string, salt: Buffer) => Promise<Buffer>

  constructor (options: ClientSecretsOptions) {
    this.#options = options
    this.#derive = options.derive ?? (async (secret, salt) => await scryptAsync(secret, salt, hashBytes, cost))
  }

  /** A new secret, which is shown once, and its stored form. @throws DWA_STORE_UNAVAILABLE */
  generate (): { readonly secret: string, readonly stored: string } {
    const { keyRing, randomBytes = cryptoRandomBytes } = this.#options
    const secret = randomBytes(secretBytes).toString('base64url')
    const { keyId, key } = keyRing.current(label)
    return { secret, stored: `hmac.${keyId}.${hmac(key, secret)}` }
  }

  /** The stored form of a secret that is brought along from elsewhere. */
  async import (secret: string): Promise<string> {
    const { randomBytes = cryptoRandomBytes } = this.#options
    const salt = randomBytes(16)
    return `scrypt.${salt.toString('base64url')}.${(await this.#derive(secret, salt)).toString('base64url')}`
  }

  /**
   * Whether one of the readings of a presented secret is one of the stored ones, as far as that shows without the slow hash: generated secrets, and imported ones that were right before.
   * @throws DWA_STORE_UNAVAILABLE
   */
  async fitsAtOnce (readings: readonly string[], stored: readonly string[]): Promise<boolean> {
    let fits = false
    for (const one of stored.length === 0 ? [this.#dummy()] : stored) {
      for (const reading of readings) {
        const print = this.#print(one, reading)
        if (this.#isRemembered(print) || await this.#fitsGenerated(one, reading, print)) fits = stored.length > 0
      }
    }
    return fits
  }

  /**
   * The rest of the answer, which takes one slow hash for each reading, whether there is an imported secret, another one, or none.
   * @throws DWA_RATE_LIMITED while too many wait for theirs
   */
  async fitsImported (readings: readonly string[], stored: readonly string[]): Promise<boolean> {
    const imported = stored.find((one) => one.startsWith('scrypt.')) ?? noSecret
    const [, salt = '', expected = ''] = imported.split('.')
    let fits = false
    for (const reading of readings) {
      const found = await this.#slowly(async () => await this.#derive(reading, Buffer.from(salt, 'base64url')))
      if (!isSame(found.toString('base64url'), expected)) continue
      fits = true
      this.#remember('scrypt', this.#print(imported, reading))
    }
    return fits
  }

  #isRemembered (print: string): boolean {
    return this.#remembered.hmac.has(print) || this.#remembered.scrypt.has(print)
  }

  async #fitsGenerated (stored: string, presented: string, print: string): Promise<boolean> {
    const [kind, keyId = '', expected = ''] = stored.split('.')
    const key = kind === 'hmac' ? await this.#options.keyRing.find(label, keyId) : null
    if (key === null || !isSame(hmac(key, presented), expected)) return false
    this.#remember('hmac', print)
    return true
  }

  /** A few at a time: the threads they run on have other work as well. */
  async #slowly<T> (operation: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) throw limited(1000)
    this.#waiting++
    this.#next = (this.#next + 1) % lanes
    try {
      return await this.#lanes.run(String(this.#next), operation)
    } finally {
      this.#waiting--
    }
  }

  #print (stored: string, presented: string): string {
    return hash('sha256', `${this.#processKey}\n${stored}\n${presented}`, 'base64url')
  }

  #remember (kind: 'hmac' | 'scrypt', print: string): void {
    const prints = this.#remembered[kind]
    const [oldest] = prints
    if (oldest !== undefined && prints.size >= (this.#options.remember ?? 1000)) prints.delete(oldest)
    prints.add(print)
  }

  #dummy (): string {
    return `hmac.${this.#options.keyRing.current(label).keyId}.${'A'.repeat(43)}`
  }
}

function hmac (key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

/** Compares two digests; their length is no secret. */
function isSame (one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
}
