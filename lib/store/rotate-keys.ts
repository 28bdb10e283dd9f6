import type { mongo } from 'mongoose'
import { isAuthError } from '../errors.js'
import { dataKeyIdOf } from './key-ring.js'
import { rewrapKeyRing, type KeyRingDocument } from './key-ring-document.js'
import type { MasterKey } from './master-key.js'
import type { OpenedStore } from './open-store.js'
import type { RecordKind } from './record-collection.js'
import { secretBinding } from './stored-records.js'

export interface Rotation {
  /** Id of the data key for new writes. */
  readonly current: string
  /** Whether the key ring changed: not when the master key is the one that wraps it already. */
  readonly changed: boolean
  /** Stored secrets that were encrypted anew. */
  readonly reencrypted: number
  /** Stored secrets that could not be decrypted, as `validators/<id>/secretKey`; they were left as they are. */
  readonly unreadable: readonly string[]
}

export interface RotateOptions {
  /** The first wraps every data key from now on, all unwrap. */
  readonly masterKeys: readonly [MasterKey, ...MasterKey[]]
  /** Also makes a new data key and encrypts every stored secret with it. The old one stays for old log entries and hashes. */
  readonly dataKey: boolean
  readonly kinds: readonly RecordKind[]
  readonly now: () => number
}

/** Processes that have not heard of a new data key yet go on writing with the old one: so many rounds find what they wrote. */
const rounds = 5

/**
 * Rotates keys while other processes are at work. The ring changes in one atomic operation, `key.rotated` tells the others,
 * and each secret is replaced by compare-and-set, so that a concurrent change wins over its re-encryption.
 * @throws DWA_STORE_WRONG_KEY when `masterKeys` do not open the ring, DWA_STORE_UNAVAILABLE
 */
export async function rotateKeys (store: OpenedStore, { masterKeys, dataKey, kinds, now }: RotateOptions): Promise<Rotation> {
  const collection = <Document extends mongo.Document>(name: string): mongo.Collection<Document> => store.connection.collection<Document>(store.collectionName(name))
  const { current, version, changed } = await store.run(async () => await rewrapKeyRing(collection<KeyRingDocument>('keys'), masterKeys, dataKey, new Date(now())))
  await store.keyRing.reload()
  const wrappedBy = masterKeys[0].fingerprint
  if (changed || (version > 1 && !await isAnnounced(store, current, wrappedBy))) {
    await store.log.deliver(store.log.draft('key.rotated', { actor: { type: 'system', id: null }, details: { current, wrappedBy, newDataKey: dataKey } }))
  }
  const unreadable = new Set<string>()
  let reencrypted = 0
  if (dataKey) {
    for (let round = 0, found = 1; round < rounds && found > 0; round++) {
      found = 0
      for (const kind of kinds) found += await reencrypt(store, kind, collection(kind.collection), current, unreadable)
      reencrypted += found
    }
  }
  return { current, changed, reencrypted, unreadable: [...unreadable] }
}

/** Whether the others were told of the ring as it is: an earlier run may have died before it told them. */
async function isAnnounced (store: OpenedStore, current: string, wrappedBy: string): Promise<boolean> {
  const [newest] = await store.log.find({ event: 'key.rotated', limit: 1 })
  return newest?.details['current'] === current && newest.details['wrappedBy'] === wrappedBy
}

/** @returns how many secrets were encrypted anew */
async function reencrypt (store: OpenedStore, kind: RecordKind, records: mongo.Collection, current: string, unreadable: Set<string>): Promise<number> {
  let count = 0
  for (const field of kind.secrets) {
    for await (const record of records.find({ [field]: { $exists: true } }, { projection: { [field]: 1 } })) {
      const old: unknown = record[field]
      if (typeof old !== 'string' || dataKeyIdOf(old) === current) continue
      const binding = secretBinding(kind, String(record._id), field)
      try {
        const fresh = await store.keyRing.encrypt(await store.keyRing.decrypt(old, binding), binding)
        const { modifiedCount } = await store.run(async () => await records.updateOne({ _id: record._id, [field]: old }, { $set: { [field]: fresh } }, { writeConcern: { w: 'majority' } }))
        count += modifiedCount
      } catch (error) {
        if (!isAuthError(error, 'DWA_STORE_UNREADABLE_SECRET')) throw error
        unreadable.add(binding)
      }
    }
  }
  return count
}
