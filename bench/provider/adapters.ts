import type { Collection, Db } from 'mongodb'

/** What a token of oidc-provider's is kept as. */
export interface Payload {
  readonly grantId?: string
  readonly uid?: string
  readonly userCode?: string
  consumed?: number
}

/** Where oidc-provider keeps things of one kind. */
export interface Adapter {
  upsert (id: string, payload: Payload, expiresIn?: number): Promise<void>
  find (id: string): Promise<Payload | undefined>
  findByUid (uid: string): Promise<Payload | undefined>
  findByUserCode (userCode: string): Promise<Payload | undefined>
  consume (id: string): Promise<void>
  destroy (id: string): Promise<void>
  revokeByGrantId (grantId: string): Promise<void>
}

interface Kept { readonly _id: string, readonly payload: Payload, readonly expiresAt?: Date }

const now = (): number => Math.floor(Date.now() / 1000)

/** A plain adapter as its documentation suggests: a collection for each kind, found by id, written with majority as ours is. */
export function mongoAdapter (db: Db): (kind: string) => Adapter {
  return (kind) => {
    const kept: Collection<Kept> = db.collection(collectionOf(kind), { writeConcern: { w: 'majority' } })
    const find = async (filter: object): Promise<Payload | undefined> => (await kept.findOne(filter, { projection: { payload: 1 } }))?.payload
    return {
      async upsert (_id, payload, expiresIn) {
        await kept.updateOne({ _id }, { $set: { payload, ...(expiresIn === undefined ? {} : { expiresAt: new Date(Date.now() + expiresIn * 1000) }) } }, { upsert: true })
      },
      find: async (_id) => await find({ _id }),
      findByUid: async (uid) => await find({ 'payload.uid': uid }),
      findByUserCode: async (userCode) => await find({ 'payload.userCode': userCode }),
      async consume (_id) { await kept.updateOne({ _id }, { $set: { 'payload.consumed': now() } }) },
      async destroy (_id) { await kept.deleteOne({ _id }) },
      async revokeByGrantId (grantId) { await kept.deleteMany({ 'payload.grantId': grantId }) }
    }
  }
}

/** The indexes that such an adapter needs for what is measured. */
export async function createIndexes (db: Db): Promise<void> {
  for (const kind of ['Grant', 'AuthorizationCode', 'AccessToken', 'RefreshToken', 'ClientCredentials']) {
    await db.collection(collectionOf(kind)).createIndexes([
      { key: { expiresAt: 1 }, expireAfterSeconds: 0 },
      ...kind === 'Grant' || kind === 'ClientCredentials' ? [] : [{ key: { 'payload.grantId': 1 } }]
    ])
  }
}

/** Everything in one process's memory; its own is made for development, and keeps no more than a thousand. */
export function memoryAdapter (): (kind: string) => Adapter {
  return () => {
    const kept = new Map<string, Payload>()
    const first = (fits: (payload: Payload) => boolean): Payload | undefined => [...kept.values()].find(fits)
    return {
      async upsert (id, payload) { kept.set(id, payload) },
      find: async (id) => kept.get(id),
      findByUid: async (uid) => first((payload) => payload.uid === uid),
      findByUserCode: async (userCode) => first((payload) => payload.userCode === userCode),
      async consume (id) {
        const payload = kept.get(id)
        if (payload !== undefined) payload.consumed = now()
      },
      async destroy (id) { kept.delete(id) },
      async revokeByGrantId (grantId) {
        for (const [id, payload] of kept) if (payload.grantId === grantId) kept.delete(id)
      }
    }
  }
}

function collectionOf (kind: string): string {
  return `oidc_${kind}`
}
