import { randomBytes } from 'node:crypto'
import type { mongo } from 'mongoose'
import { errors } from '../errors.js'
import { unwrapKey, wrapKey, type MasterKey, type WrappedKey } from './master-key.js'

/** The key ring as MongoDB keeps it: one document, changed only by compare-and-set on its version. */
export interface KeyRingDocument {
  readonly _id: 'key-ring'
  readonly version: number
  /** Id of the data key for new writes. */
  readonly current: string
  readonly keys: readonly WrappedKey[]
}

/** The unwrapped ring. */
export interface DataKeys {
  readonly version: number
  readonly current: string
  readonly keys: ReadonlyMap<string, Buffer>
  /** When each key but the newest was replaced by the next, milliseconds since 1970. */
  readonly retired?: ReadonlyMap<string, number>
}

type Ring = mongo.Collection<KeyRingDocument>

export async function readKeyRing (ring: Ring): Promise<KeyRingDocument | null> {
  return await ring.findOne({ _id: 'key-ring' })
}

/** Creates the ring with a first data key unless there is one; of two processes at once, both end with the same. */
export async function createKeyRing (ring: Ring, master: MasterKey, now: Date): Promise<void> {
  const key = newDataKey(master, now)
  try {
    await ring.updateOne({ _id: 'key-ring' }, { $setOnInsert: { version: 1, current: key.id, keys: [key] } }, { upsert: true, writeConcern: { w: 'majority' } })
  } catch (error) {
    if (!isDuplicateKey(error)) throw error // otherwise the other process was first, and its ring counts
  }
}

/**
 * Unwraps every data key.
 * @throws DWA_STORE_WRONG_KEY when one of them was wrapped by a master key that is not among `masters`
 */
export function openKeyRing (document: KeyRingDocument, masters: readonly MasterKey[]): DataKeys {
  const keys = new Map<string, Buffer>()
  for (const wrapped of document.keys) {
    const key = unwrapKey(wrapped, masters)
    if (key === null) throw new errors.DWA_STORE_WRONG_KEY()
    keys.set(wrapped.id, key)
  }
  if (!keys.has(document.current)) throw new errors.DWA_STORE_WRONG_KEY()
  const retired = new Map(document.keys.slice(1).flatMap(({ createdAt }, index) => {
    const before = document.keys[index]
    return before === undefined ? [] : [[before.id, createdAt.getTime()] as const]
  }))
  return { version: document.version, current: document.current, keys, retired }
}

/**
 * Wraps every data key with the first master key, and adds a new data key for new writes if asked.
 * @returns the id of the current data key, the ring's version, and whether anything changed
 * @throws DWA_STORE_WRONG_KEY, and DWA_STORE_CONFLICT when others change the ring again and again
 */
export async function rewrapKeyRing (ring: Ring, masters: readonly [MasterKey, ...MasterKey[]], addDataKey: boolean, now: Date): Promise<{ current: string, version: number, changed: boolean }> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const document = await readKeyRing(ring)
    if (document === null) throw new errors.DWA_STORE_NOT_FOUND('The key ring')
    const next = rewrapped(document, masters, addDataKey, now)
    if (next === null) return { current: document.current, version: document.version, changed: false }
    const { modifiedCount } = await ring.updateOne({ _id: 'key-ring', version: document.version }, { $set: next, $inc: { version: 1 } }, { writeConcern: { w: 'majority' } })
    if (modifiedCount === 1) return { current: next.current, version: document.version + 1, changed: true }
  }
  throw new errors.DWA_STORE_CONFLICT('The key ring')
}

function rewrapped (document: KeyRingDocument, masters: readonly [MasterKey, ...MasterKey[]], addDataKey: boolean, now: Date): { current: string, keys: WrappedKey[] } | null {
  const opened = openKeyRing(document, masters)
  const [first] = masters
  if (!addDataKey && document.keys.every((key) => key.wrappedBy === first.fingerprint)) return null
  const keys = document.keys.map((key) => {
    const dataKey = opened.keys.get(key.id)
    return dataKey === undefined ? key : wrapKey(key.id, dataKey, first, key.createdAt)
  })
  if (!addDataKey) return { current: document.current, keys }
  const added = newDataKey(first, now)
  return { current: added.id, keys: [...keys, added] }
}

function newDataKey (master: MasterKey, now: Date): WrappedKey {
  return wrapKey(randomBytes(8).toString('hex'), randomBytes(32), master, now)
}

/** MongoDB's duplicate-key error, of whatever copy of the driver. */
export function isDuplicateKey (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 11000
}
