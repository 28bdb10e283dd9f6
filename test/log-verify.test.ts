import t, { type Test } from 'tap'
import type { mongo } from 'mongoose'
import type { Verification } from '../lib/log/audit-log.js'
import type { CappedAuditLog } from '../lib/log/capped-audit-log.js'
import { readHeads, type Head } from '../lib/log/heads.js'
import { againWhenOverwritten } from '../lib/log/verify.js'
import { readMasterKey } from '../lib/store/master-key.js'
import { OpenedStore } from '../lib/store/open-store.js'
import { rotateKeys } from '../lib/store/rotate-keys.js'
import type { StoreOptions } from '../plugins/store.js'
import { ManualClock } from './manual-clock.js'
import { startTestMongo } from './mongo.js'
import { masterKey, storeApp, type StoreApp } from './store-app.js'

interface LogApp extends StoreApp { readonly uri: string, readonly log: CappedAuditLog, readonly clock: ManualClock, readonly raw: mongo.Collection<Record<string, unknown>> }

async function logApp (t: Test, options: Partial<StoreOptions> & { uri?: string } = {}): Promise<LogApp> {
  const uri = options.uri ?? (await startTestMongo(t)).uri
  const clock = new ManualClock(Date.UTC(2026, 0, 1))
  const { app, lines } = await storeApp(t, { clock, ...options, uri })
  if (!(app.store instanceof OpenedStore) || app.store.connection.db === undefined) throw new Error('another store')
  return { app, lines, uri, clock, log: app.store.log, raw: app.store.connection.db.collection('dwa_log') }
}

async function write ({ log }: LogApp, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await log.append('thing.seen', { details: { i } })
}

/** A second process: writes, makes a checkpoint unless told not to, and ends. */
async function visitor (t: Test, { uri, clock }: LogApp): Promise<string> {
  const other = await logApp(t, { uri, clock })
  await write(other, 3)
  const { chain } = await other.log.append('thing.seen')
  await other.app.close()
  return chain
}

/** Puts everything back in another order, as somebody with every right to the collection could. */
async function rewrite (raw: LogApp['raw'], change: (documents: Array<mongo.WithId<Record<string, unknown>>>) => Array<mongo.WithId<Record<string, unknown>>>): Promise<void> {
  const documents = await raw.find({}).sort({ $natural: 1 }).toArray()
  await raw.deleteMany({})
  await raw.insertMany(change(documents))
}

interface Tampering {
  readonly what: string
  readonly tamper: (context: LogApp) => Promise<unknown>
  readonly expected: Partial<Verification>
}

const bad = (problem: RegExp, seq?: number): Partial<Verification> => ({ ok: false, firstBad: { problem, ...(seq === undefined ? {} : { seq }) } as never })

const tamperings: Tampering[] = [
  { what: 'nothing', tamper: async () => {}, expected: { ok: true, chains: 2, unanchoredFront: false } },
  { what: 'an entry changed', tamper: async ({ raw }) => await raw.updateOne({ 'details.i': 4 }, { $set: { 'details.i': 5 } }), expected: bad(/altered/, 6) },
  { what: 'an entry that blames another', tamper: async ({ raw }) => await raw.updateOne({ 'details.i': 4 }, { $set: { actor: { type: 'user', id: 'bob' } } }), expected: bad(/altered/, 6) },
  { what: 'a field added', tamper: async ({ raw }) => await raw.updateOne({ 'details.i': 4 }, { $set: { more: 1 } }), expected: bad(/altered/, 6) },
  {
    what: 'the key id changed',
    tamper: async ({ raw, clock }) => {
      await raw.updateOne({ 'details.i': 4 }, { $set: { key: 'unknown' } })
      const ticking = setInterval(() => { clock.advance(100) }, 1)
      return () => { clearInterval(ticking) }
    },
    expected: bad(/data key is not in the key ring/, 6)
  },
  { what: 'an entry deleted in the middle', tamper: async ({ raw }) => await raw.deleteOne({ 'details.i': 4 }), expected: bad(/missing before it: the one before is 5/, 7) },
  {
    what: 'the newest entry deleted',
    tamper: async ({ raw }) => {
      const [newest] = await raw.find({}).sort({ $natural: -1 }).limit(1).toArray()
      if (newest !== undefined) await raw.deleteOne({ _id: newest._id })
    },
    expected: bad(/the end of the chain was cut off/)
  },
  {
    what: 'the end of another chain cut off',
    tamper: async ({ raw, log }) => {
      const own = (await log.append('thing.seen')).chain
      return await raw.deleteMany({ chain: { $ne: own }, seq: { $gte: 4 } })
    },
    expected: bad(/the end of the chain was cut off/, 4)
  },
  {
    what: 'another chain removed',
    tamper: async ({ raw, log }) => {
      const own = (await log.append('thing.seen')).chain
      return await raw.deleteMany({ chain: { $ne: own } })
    },
    expected: bad(/it was removed: older entries of other chains are still there/)
  },
  { what: 'the front cut off', tamper: async ({ raw }) => await raw.deleteMany({ seq: { $lte: 2 } }), expected: bad(/entries before it were deleted/) },
  {
    what: 'two entries exchanged',
    tamper: async ({ raw }) => {
      await rewrite(raw, (documents) => {
        const [a, b] = [documents.findIndex(({ details }) => (details as { i?: number })['i'] === 3), documents.findIndex(({ details }) => (details as { i?: number })['i'] === 6)]
        return documents.map((document, index) => (index === a ? documents[b] : index === b ? documents[a] : document) ?? document)
      })
    },
    expected: bad(/missing before it: the one before is 4/, 8)
  },
  {
    what: 'the contents of two entries exchanged',
    tamper: async ({ raw }) => {
      await rewrite(raw, (documents) => documents.map((document, index) => ({ ...document, _id: documents[index ^ 1]?._id ?? document._id })))
    },
    expected: bad(/altered/)
  },
  {
    what: 'an entry repeated at the end',
    tamper: async ({ raw }) => {
      await raw.dropIndex('chain_1_seq_1')
      const old = await raw.findOne({ 'details.i': 4 })
      const { _id, ...rest } = old ?? {}
      return await raw.insertOne(rest)
    },
    expected: bad(/altered/, 6)
  },
  { what: 'something inserted that is no entry', tamper: async ({ raw }) => await raw.insertOne({ _id: 'evil' } as never), expected: bad(/has not the shape of an entry/, 0) },
  { what: 'everything deleted', tamper: async ({ raw }) => await raw.deleteMany({}), expected: bad(/it was removed: the log is empty/) },
  { what: 'values that JSON cannot say', tamper: async ({ raw }) => await raw.updateOne({ 'details.i': 4 }, { $set: { details: { i: NaN }, chain: 7, at: 'x' } }), expected: { ok: false } }
]

for (const { what, tamper, expected } of tamperings) {
  t.test(`verify: ${what}`, async (t) => {
    const context = await logApp(t)
    await write(context, 8)
    context.clock.advance(60_000)
    await context.log.append('thing.heard')
    context.clock.advance(3_600_000)
    await visitor(t, context)
    await context.log.checkpoint()
    const undo = await tamper(context)
    t.match(await context.log.verify(), expected)
    if (typeof undo === 'function') undo()
    t.match((await context.log.find({ event: 'log.verified', limit: 1 }))[0], { level: expected.ok === true ? 'info' : 'error', details: { ok: expected.ok } })
  })
}

t.test('verify: what was evicted before any checkpoint is said to be unanchored, and not said to be broken', async (t) => {
  const context = await logApp(t, { log: { size: 1 << 20, max: 20 } })
  await write(context, 50)
  t.match(await context.log.verify(), { ok: true, entries: 20, unanchoredFront: true })
  await context.log.checkpoint()
  t.match(await context.log.verify(), { ok: true, entries: 20, unanchoredFront: false })
})

t.test('verify: eviction of a whole chain, and of a chain up to a checkpoint, is no flaw', async (t) => {
  const context = await logApp(t, { log: { size: 1 << 20, max: 30 } })
  await visitor(t, context)
  await context.log.checkpoint()
  await write(context, 18)
  context.clock.advance(3_600_000)
  await context.log.checkpoint()
  t.match(await context.log.verify(), { ok: true })
  await write(context, 10)
  t.match(await context.log.verify(), { ok: true })
})

t.test('verify: anchors kept outside the database tell of a log that was rewritten or cut', async (t) => {
  const context = await logApp(t)
  const { log, lines, raw } = context
  await write(context, 5)
  context.clock.advance(1000)
  await log.checkpoint()
  const anchors = lines.filter(({ message }) => message === 'audit log checkpoint').flatMap(({ details }) => readHeads(details))
  t.match(await log.verify({ anchors }), { ok: true })
  const [head] = anchors
  if (head === undefined) throw new Error('no anchor')
  const cases: Array<[Head, RegExp]> = [
    [{ ...head, hash: 'other' }, /a checkpoint says otherwise/],
    [{ ...head, chain: 'elsewhere', at: context.clock.now() + 3_600_000 }, /it was removed/],
    [{ ...head, seq: 99 }, /cut off: a checkpoint has seen it up to 99/]
  ]
  for (const [anchor, problem] of cases) t.match(await log.verify({ anchors: [anchor] }), bad(problem))
  await raw.deleteMany({ seq: { $lt: 4 } })
  t.match(await log.verify({ anchors: [{ ...head, seq: 3 }] }), { ok: false })
})

t.test('verify: the first surviving entry must follow what a checkpoint has seen before it', async (t) => {
  const context = await logApp(t, { log: { size: 1 << 20, max: 6 } })
  await write(context, 20)
  const [oldest] = await context.raw.find({}).sort({ $natural: 1 }).limit(1).toArray()
  const anchor = { chain: String(oldest?.['chain']), seq: Number(oldest?.['seq']) - 1, hash: 'something else', count: 0, at: 0 }
  // The process's own head would be the newer one of the chain: this looks from outside.
  const { verifyLog } = await import('../lib/log/verify.js')
  const { app } = context
  const { db } = app.store.connection
  if (db === undefined) throw new Error('not connected')
  t.match(await verifyLog({ db, collection: db.collection('dwa_log'), keyRing: app.store.keyRing, anchors: [anchor] }), bad(/does not follow the entry that a checkpoint has seen before it/))
  t.match(await verifyLog({ db, collection: db.collection('dwa_log'), keyRing: app.store.keyRing, anchors: [{ ...anchor, hash: String(oldest?.['prev']) }] }), { ok: true })
})

t.test('verify: a chain that begins with a reference to something before it is broken', async (t) => {
  const { seal } = await import('../lib/log/seal.js')
  const { ownDraft } = await import('../lib/log/log-draft.js')
  const { default: mongoose } = await import('mongoose')
  const context = await logApp(t)
  const { keyId, key } = context.app.store.keyRing.current('audit-log')
  const forged = (seq: number, prev: string | null) => ({ ...seal(new mongoose.mongo.ObjectId(), ownDraft(0, 'thing.seen', {}), { chain: 'x', seq, prev }, keyId, key) })
  await context.raw.insertOne(forged(1, 'p'))
  t.match(await context.log.verify(), bad(/is the first of its chain and names one before it/, 1))
  await context.raw.deleteOne({ chain: 'x' })
  await context.raw.insertMany([forged(1, null), forged(2, 'p')])
  t.match(await context.log.verify(), bad(/it does not follow the one before it/, 2))
  await context.raw.deleteMany({ chain: 'x' })
  await context.raw.insertMany([forged(2, 'p'), forged(1, null)])
  t.match(await context.log.verify(), bad(/it is out of order/, 1))
})

t.test('verify: a batch that waited long for the database makes no younger entry of others a removed one', async (t) => {
  const { seal } = await import('../lib/log/seal.js')
  const { ownDraft } = await import('../lib/log/log-draft.js')
  const { verifyLog } = await import('../lib/log/verify.js')
  const { default: mongoose } = await import('mongoose')
  const { app: { store }, raw } = await logApp(t)
  const { db } = store.connection
  if (db === undefined) throw new Error('not connected')
  const { keyId, key } = store.keyRing.current('audit-log')
  const minute = (number: number): number => Date.UTC(2026, 0, 1) + number * 60_000
  const entry = (at: number, seq: number, prev: string | null) => seal(new mongoose.mongo.ObjectId(mongoose.mongo.ObjectId.generate(at / 1000)), ownDraft(at, 'thing.seen', {}), { chain: 'waited', seq, prev }, keyId, key)
  const waited = entry(minute(0), 5, 'before')
  const next = entry(minute(31), 6, waited.hash)
  await db.createCollection('crafted', { capped: true, size: 1 << 20, max: 2 })
  const collection = db.collection<typeof waited>('crafted')
  await collection.insertMany([waited, next])
  const verify = async (at: number): Promise<Verification> => await verifyLog({ db, collection, keyRing: store.keyRing, anchors: [{ chain: 'other', seq: 3, hash: 'h', count: 3, at }] })
  t.match(await verify(minute(25)), { ok: true })
  t.match(await verify(minute(50)), bad(/it was removed/, 3))
  t.ok(raw)
})

t.test('verify: a new chain sealed with a data key that was replaced long ago is broken; old entries of that key are not', async (t) => {
  const { seal } = await import('../lib/log/seal.js')
  const { ownDraft } = await import('../lib/log/log-draft.js')
  const { default: mongoose } = await import('mongoose')
  const context = await logApp(t)
  const { app: { store }, clock, log, raw } = context
  if (!(store instanceof OpenedStore)) throw new Error('another store')
  await write(context, 2)
  const old = store.keyRing.current('audit-log')
  const insert = async (chain: string): Promise<void> => {
    const id = new mongoose.mongo.ObjectId(mongoose.mongo.ObjectId.generate(clock.now() / 1000))
    await raw.insertOne({ ...seal(id, ownDraft(clock.now(), 'thing.seen', {}), { chain, seq: 1, prev: null }, old.keyId, old.key) })
  }
  await rotateKeys(store, { masterKeys: [readMasterKey(masterKey, 'key')], dataKey: true, kinds: [], now: clock.now.bind(clock) })
  t.equal(store.keyRing.retiredAt(old.keyId), clock.now())
  t.equal(store.keyRing.retiredAt(store.keyRing.current('x').keyId), null)
  clock.advance(60_000)
  await write(context, 1)
  await insert('still under way')
  t.match(await log.verify(), { ok: true })
  clock.advance(3_600_000)
  await write(context, 1)
  await insert('brand-new')
  t.match(await log.verify(), { ok: false, firstBad: { chain: 'brand-new', problem: /data key that had been replaced/ } })
})

t.test('verify: a log that is overwritten while it is read is read again, three times at most', async (t) => {
  let times = 0
  const overwritten = (until: number) => async (): Promise<number> => {
    if (++times < until) throw Object.assign(new Error('CappedPositionLost'), { code: 136 })
    return times
  }
  t.equal(await againWhenOverwritten(overwritten(3)), 3)
  times = 0
  await t.rejects(againWhenOverwritten(overwritten(4)), { code: 136 })
  t.equal(times, 3)
  await t.rejects(againWhenOverwritten(async () => { throw new RangeError('mine') }), RangeError)
})
