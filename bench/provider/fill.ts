import { randomBytes } from 'node:crypto'
import { MongoClient, ObjectId, type Document } from 'mongodb'

const batch = 1000

/** Stores token families as months of use leave them: most with a code that was used, a refresh token and its predecessor, and an access token; some of clients. */
export async function fill (uri: string, families: number): Promise<void> {
  const client = await MongoClient.connect(uri)
  try {
    const collection = client.db().collection('dwa_token_families')
    // Before there are documents: the embedded server would build them in one go, and answer nobody meanwhile.
    await collection.createIndexes([{ key: { user: 1, client: 1 } }, { key: { client: 1 } }, { key: { purgeAt: 1 }, expireAfterSeconds: 0 }, { key: { 'outbox.at': 1 }, sparse: true }])
    for (let index = 0; index < families; index += batch) {
      await collection.insertMany(Array.from({ length: Math.min(batch, families - index) }, (_, offset) => family(index + offset)), { ordered: false })
    }
  } finally {
    await client.close()
  }
}

/** One of 100 clients' families, of one of as many people as a fifth of the families. */
function family (index: number): Document {
  const now = Date.now()
  const at = (days: number): Date => new Date(now + days * 86_400_000)
  const hash = (): string => randomBytes(32).toString('base64url')
  const client = { _id: new ObjectId(), version: 1, client: `0000000000000000000000${String(index % 100).padStart(2, '0')}`, scopes: ['read', 'write'], createdAt: at(-1) }
  const access = [{ hash: hash(), issuedAt: at(0), expiresAt: at(1), scopes: ['read', 'write'] }]
  if (index % 4 === 3) return { ...client, user: null, grant: 'client_credentials', expiresAt: at(1), purgeAt: at(1), access, outbox: [] }
  return {
    ...client,
    user: `person-${Math.floor(index / 5)}`,
    grant: 'authorization_code',
    expiresAt: at(29),
    purgeAt: at(30),
    code: { redirectUri: null, challenge: hash(), hash: hash(), expiresAt: at(-1), refused: 0, usedAt: at(-1) },
    refresh: { hash: hash(), generation: 7, idleUntil: at(14) },
    previous: { hash: hash(), until: at(-1), replays: 0, answer: randomBytes(300).toString('base64url') },
    access,
    key: '1',
    outbox: []
  }
}
