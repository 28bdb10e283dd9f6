import { createPublicKey, randomBytes } from 'node:crypto'
import { errors } from '../errors.js'
import type { ClientKey, JwtAlgorithm, StoredClient } from './client-schema.js'
import { generateKey, importKey, isHmac, type KeyMaterial } from './key-material.js'

/** A client's signing keys, oldest first, and their private parts by kid: PKCS #8 PEM, for HMAC the secret. */
export interface KeySet {
  readonly keys: ClientKey[]
  readonly privateKeys: Record<string, string>
}

type Timed = Pick<ClientKey, 'signsFrom'>

export interface KeyMakerOptions {
  readonly randomBytes?: (size: number) => Buffer
  /** Milliseconds for which a new key is only published: as long as others may keep the key set they have. */
  readonly overlapMs: number
  /** Milliseconds that an access token can live at most. */
  readonly maxTokenMs: number
}

/** So many milliseconds after a change there may still be processes that sign, or others that verify, by what was before. */
const lateMs = 3_600_000
/** As many as a client's record takes. */
const maxKeys = 20

/** Makes the keys that clients' JWTs are signed with, and says which of them are still needed. */
export class KeyMaker {
  readonly #options: Required<KeyMakerOptions>

  constructor (options: KeyMakerOptions) {
    this.#options = { randomBytes, ...options }
  }

  /**
   * The first key of a client, which signs at once.
   * @param imported PEM of a private key, or for HMAC a secret; undefined: a new one
   * @throws DWA_PROVIDER_INVALID_KEY
   */
  async first (algorithm: JwtAlgorithm, imported: string | undefined, now: number): Promise<KeySet> {
    const material = imported === undefined ? await generateKey(algorithm, this.#options.randomBytes) : importKey(algorithm, imported, this.#options.randomBytes)
    return { keys: [toKey(material, algorithm, now, now)], privateKeys: { [material.kid]: material.privateKey } }
  }

  /**
   * The keys after a rotation: a new one, published now, that signs when the others can know it, and those that are still needed.
   * @param immediately it signs now, for when the one before is in wrong hands
   * @throws DWA_PROVIDER_INVALID_KEY for HMAC, and after too many rotations in a row
   */
  async next ({ jwtAlgorithm, keys = [] }: Pick<StoredClient, 'jwtAlgorithm' | 'keys'>, privateKeysJson: string | undefined, now: number, immediately: boolean): Promise<KeySet> {
    if (isHmac(jwtAlgorithm)) throw new errors.DWA_PROVIDER_INVALID_KEY('You can only generate private keys for asymmetric algorithms!')
    return await this.#succeed(jwtAlgorithm, keys, privateKeysJson, now, immediately)
  }

  /**
   * The keys of a client that signs by another algorithm from now on: a new one, and those that tokens of before are verified with.
   * @throws DWA_PROVIDER_INVALID_KEY after too many rotations in a row
   */
  async forAlgorithm (algorithm: JwtAlgorithm, keys: readonly ClientKey[], privateKeysJson: string | undefined, now: number): Promise<KeySet> {
    return await this.#succeed(algorithm, keys, privateKeysJson, now, true)
  }

  async #succeed (algorithm: JwtAlgorithm, keys: readonly ClientKey[], privateKeysJson: string | undefined, now: number, immediately: boolean): Promise<KeySet> {
    const { overlapMs, maxTokenMs } = this.#options
    const needed = neededKeys(keys, now, maxTokenMs)
    if (needed.length >= maxKeys) throw new errors.DWA_PROVIDER_INVALID_KEY(`The client has ${needed.length} keys whose tokens may still be good: try again later`)
    const material = await generateKey(algorithm, this.#options.randomBytes)
    const signsFrom = immediately || needed.length === 0 ? now : Math.max(now + overlapMs, ...needed.map((key) => key.signsFrom))
    // A key that was to sign later does not any more; it stays published, because a process that learns late may sign with it.
    const before = needed.map((key) => key.signsFrom > signsFrom ? { ...key, signsFrom } : key)
    const all = [...before, toKey(material, algorithm, now, signsFrom)]
    const kept: Record<string, string> = { ...readPrivateKeys(privateKeysJson), [material.kid]: material.privateKey }
    const signing = new Set(notReplacedUntil(all, now - lateMs).map(({ kid }) => kid))
    return { keys: all, privateKeys: Object.fromEntries(Object.entries(kept).filter(([kid]) => signing.has(kid))) }
  }
}

/** The key that signs now: the newest whose time has come. A lone key signs whatever the clock says. */
export function signingKeyOf<Key extends Timed> (keys: readonly Key[], now: number): Key | null {
  return keys.findLast(({ signsFrom }) => signsFrom <= now) ?? keys.at(0) ?? null
}

/** PEM (SPKI) of the key that signs now; null without one, and for HMAC. */
export function publicKeyOf (keys: readonly ClientKey[], now: number): string | null {
  const jwk = signingKeyOf(keys, now)?.publicJwk ?? null
  return jwk === null ? null : createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
}

/** The keys that tokens may still have to be verified with: the next one, the one that signs, and those before until every token they signed has expired. */
export function neededKeys<Key extends Timed> (keys: readonly Key[], now: number, maxTokenMs: number): Key[] {
  return notReplacedUntil(keys, now - maxTokenMs - lateMs)
}

/** What of `neededKeys` is for everybody to see: not HMAC. */
export function publishedKeys (keys: readonly ClientKey[], now: number, maxTokenMs: number): ClientKey[] {
  return neededKeys(keys, now, maxTokenMs).filter(({ publicJwk }) => publicJwk !== null)
}

/** The keys that were not yet replaced by their successor at that time. */
function notReplacedUntil<Key extends Timed> (keys: readonly Key[], time: number): Key[] {
  return keys.filter((_key, index) => (keys[index + 1]?.signsFrom ?? Infinity) > time)
}

function toKey ({ kid, publicJwk }: KeyMaterial, algorithm: JwtAlgorithm, createdAt: number, signsFrom: number): ClientKey {
  return { kid, algorithm, publicJwk, createdAt, signsFrom }
}

function readPrivateKeys (json: string | undefined): Record<string, string> {
  return json === undefined ? {} : JSON.parse(json) as Record<string, string>
}
