import t, { type Test } from 'tap'
import mongoose from 'mongoose'
import { systemClock } from '../lib/clock.js'
import { TailedChangeFeed } from '../lib/log/change-feed.js'
import { followLog } from '../lib/log/follow.js'
import type { LogEntry } from '../lib/log/log-entry.js'
import { logCollection } from '../lib/log/log-collection.js'
import { Database } from '../lib/store/database.js'
import { OpenedStore } from '../lib/store/open-store.js'
import type { StoreOptions } from '../plugins/store.js'
import { ManualClock } from './manual-clock.js'
import { startProxy } from './mongo-proxy.js'
import { startTestMongo } from './mongo.js'
import { eventually, storeApp } from './store-app.js'
import { startWorker } from './workers/fork-worker.js'

async function logApp (t: Test, options: Partial<StoreOptions> = {}) {
  const { uri } = await startTestMongo(t)
  return { uri, ...await storeApp(t, { uri, ...options }) }
}

/** Reads along until stopped. */
function collect (entries: AsyncIterable<LogEntry>): { seen: LogEntry[], ended: Promise<void> } {
  const seen: LogEntry[] = []
  const ended = (async () => { for await (const entry of entries) seen.push(entry) })()
  return { seen, ended }
}

const numbers = (entries: readonly LogEntry[]): unknown[] => entries.filter(({ event }) => event === 'thing.seen').map(({ details }) => details['i'])

t.test('find filters by event, area, target and time, newest first', async (t) => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1))
  const { app: { auditLog } } = await logApp(t, { clock })
  const at: Date[] = []
  for (const [event, id, name] of [['thing.created', '1', 'a'], ['thing.updated', '1', 'a'], ['thing.created', '2', 'b'], ['thingy.created', '1', 'c'], ['other.created', null, null]] as const) {
    clock.advance(60_000)
    at.push(new Date(clock.now()))
    await auditLog.append(event, { target: { type: 'thing', id, name } })
  }
  const events = async (query: Parameters<typeof auditLog.find>[0]): Promise<string[]> => (await auditLog.find(query)).map(({ event, target }) => `${event} ${target?.id ?? ''}`)
  t.same(await events({ event: 'thing.created' }), ['thing.created 2', 'thing.created 1'])
  t.same(await events({ event: 'thing.*' }), ['thing.created 2', 'thing.updated 1', 'thing.created 1'])
  t.same(await events({ target: '1' }), ['thingy.created 1', 'thing.updated 1', 'thing.created 1'])
  t.same(await events({ target: 'b' }), ['thing.created 2'])
  t.same(await events({ event: 'thing.*', target: '1', from: at[1] ?? new Date() }), ['thing.updated 1'])
  t.same(await events({ event: 'thing.*', to: at[1] ?? new Date() }), ['thing.updated 1', 'thing.created 1'])
  t.equal((await auditLog.find({ limit: 3 })).length, 3)
})

t.test('pages by key: nothing twice, nothing missing, whatever is written meanwhile', async (t) => {
  const { app: { auditLog } } = await logApp(t)
  await Promise.all(Array.from({ length: 25 }, async (_, i) => await auditLog.append('thing.seen', { details: { i } })))
  const seen: unknown[] = []
  for (let after: string | undefined; ;) {
    const page = await auditLog.find({ event: 'thing.seen', limit: 10, ...(after === undefined ? {} : { after }) })
    await auditLog.append('thing.seen', { details: { i: 'later' } })
    seen.push(...numbers(page))
    after = page.at(-1)?.id
    if (page.length < 10) break
  }
  t.same(seen, Array.from({ length: 25 }, (_, i) => 24 - i))
})

t.test('32. find and tail take no operators', async (t) => {
  const { app: { auditLog } } = await logApp(t)
  const odd = (value: unknown): never => value as never
  const cases: Array<[string, unknown]> = [['event', { $ne: '' }], ['event', 1], ['target', { $gt: '' }], ['target', ['a']], ['from', '2026-01-01'], ['from', new Date(NaN)], ['to', { $gt: 1 }], ['after', { $lt: '' }], ['after', 'x'], ['after', 'Z'.repeat(24)], ['limit', 0], ['limit', 1001], ['limit', 1.5], ['limit', '10'], ['limit', { $gt: 1 }]]
  for (const [name, value] of cases) await t.rejects(auditLog.find({ [name]: odd(value) }), { code: 'DWA_LOG_INVALID_QUERY', statusCode: 400, message: new RegExp(`^${name}: `) })
  t.throws(() => auditLog.tail({ after: 'x' }), { code: 'DWA_LOG_INVALID_QUERY' })
  t.same(await auditLog.find({ event: '$where' }), [])
})

t.test('tail follows live, from now or from an entry, own and foreign entries alike', async (t) => {
  const { app, uri } = await logApp(t)
  const { auditLog } = app
  const early = await auditLog.append('thing.seen', { details: { i: 0 } })
  await auditLog.append('thing.seen', { details: { i: 1 } })
  const stop = new AbortController()
  const live = collect(auditLog.tail({ signal: stop.signal }))
  const resumed = collect(auditLog.tail({ after: early.id }))
  const evicted = collect(auditLog.tail({ after: '000000000000000000000000', signal: stop.signal }))
  await eventually('the resumed one has begun', () => resumed.seen.length === 1)
  const other = await storeApp(t, { uri })
  await auditLog.append('thing.seen', { details: { i: 2 } })
  await other.app.auditLog.append('thing.seen', { details: { i: 3 } })
  await eventually('both saw both', () => [live, resumed].every(({ seen }) => numbers(seen).includes(3)))
  t.same(numbers(live.seen), [2, 3])
  t.same(numbers(resumed.seen), [1, 2, 3])
  t.same(numbers(evicted.seen), [0, 1, 2, 3], 'an entry that is gone: from the oldest that is left')
  stop.abort()
  await live.ended
  await evicted.ended
  const once = auditLog.tail({ after: early.id })[Symbol.asyncIterator]()
  t.match(await once.next(), { done: false, value: { details: { i: 1 } } })
  await once.return?.()
  await app.close()
  await resumed.ended
})

t.test('the database does not send the change feed what its own process wrote, and sends the rest', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = await mongoose.createConnection(uri, { monitorCommands: true }).asPromise()
  t.teardown(() => connection.close())
  const sent: string[] = []
  connection.getClient().on('commandSucceeded', ({ commandName, reply }) => {
    if (commandName === 'getMore' || commandName === 'find') sent.push(JSON.stringify(reply))
  })
  const { app } = await storeApp(t, { connection })
  const { app: other } = await storeApp(t, { uri })
  await Promise.all([app.ready(), other.ready()])
  const heard: string[] = []
  app.store.changes.subscribe(({ message }) => { heard.push(String(message)) })
  for (let i = 0; i < 3; i++) {
    await app.auditLog.append('thing.seen', { message: `own ${i}` })
    await other.auditLog.append('thing.seen', { message: `foreign ${i}` })
  }
  await eventually('the last was heard', () => heard.includes('foreign 2'))
  t.strictSame([...heard].sort(), ['foreign 0', 'foreign 1', 'foreign 2', 'own 0', 'own 1', 'own 2'])
  t.notOk(sent.some((reply) => reply.includes('own ')))
  t.ok(sent.some((reply) => reply.includes('foreign 2')))
})

t.test('the change feed stands again where the log holds nothing but what its own process wrote', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app } = await storeApp(t, { uri: proxy.uri, log: { max: 3 } })
  await app.ready()
  await eventually('the feed stands', () => app.store.changes.live)
  for (let i = 0; i < 10; i++) await app.auditLog.append('thing.seen', { details: { i } })
  const { epoch, completeUntil } = app.store.changes
  await proxy.cut()
  await eventually('the feed is lost', () => !app.store.changes.live, 10_000)
  await proxy.open()
  await eventually('it stands again', () => app.store.changes.live && app.store.changes.epoch > epoch, 10_000)
  t.ok(app.store.changes.completeUntil >= completeUntil)
})

t.test('tail loses nothing and doubles nothing over lost connections, with two processes writing', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const [reader, writer] = [await storeApp(t, { uri: proxy.uri }), await storeApp(t, { uri })]
  const tail = collect(reader.app.auditLog.tail())
  await eventually('the tail stands', () => reader.app.store.changes.live)
  const worker = startWorker(t, uri, 'append')
  await worker.next()
  for (let i = 0; i < 60; i++) {
    await writer.app.auditLog.append('thing.mine', { details: { i } })
    if (i % 20 === 10) {
      await proxy.cut()
      await writer.app.auditLog.append('thing.meanwhile')
      await proxy.open()
    }
  }
  worker.stop()
  await worker.exit
  await eventually('all arrived', () => tail.seen.filter(({ event }) => event === 'log.closed').length === 1 && tail.seen.filter(({ event }) => event === 'thing.mine').length === 60, 20_000)
  t.same(tail.seen.filter(({ event }) => event === 'thing.mine').map(({ details }) => details['i']), Array.from({ length: 60 }, (_, i) => i))
  t.equal(tail.seen.filter(({ event }) => event === 'thing.meanwhile').length, 3)
  t.same(numbers(tail.seen), Array.from({ length: 200 }, (_, i) => i))
  t.equal(new Set(tail.seen.map(({ id }) => id)).size, tail.seen.length)
})

t.test('a tail that was overtaken by eviction goes on with the oldest entry that is left', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const log = { size: 1 << 20, max: 50 }
  const [reader, writer] = [await storeApp(t, { uri: proxy.uri, log }), await storeApp(t, { uri, log })]
  const [opened] = await reader.app.auditLog.find({ limit: 1 })
  const tail = collect(reader.app.auditLog.tail({ after: opened?.id ?? '' }))
  await writer.app.auditLog.append('thing.seen', { details: { i: 0 } })
  await eventually('the first arrived', () => numbers(tail.seen).length === 1)
  await proxy.cut()
  for (let i = 1; i <= 200; i++) await writer.app.auditLog.append('thing.seen', { details: { i } })
  await proxy.open()
  await eventually('the last arrived', () => numbers(tail.seen).includes(200))
  const seen = numbers(tail.seen).map(Number)
  t.same(seen.slice(1), Array.from({ length: seen.length - 1 }, (_, i) => 201 - (seen.length - 1) + i), 'without holes after the gap')
  t.ok(seen.length >= 40)
})

t.test('a tail whose place is evicted while it looks for it begins again with the oldest', async (t) => {
  const { app } = await logApp(t)
  const place = await app.auditLog.append('thing.seen', { details: { i: 0 } })
  await app.auditLog.append('thing.seen', { details: { i: 1 } })
  const { db } = app.store.connection
  if (db === undefined) throw new Error('not connected')
  await db.createCollection('evicted', { capped: true, size: 1 << 20 })
  await db.collection('evicted').insertOne({ a: 1 })
  let asked = 0
  const lost: string[] = []
  const stop = new AbortController()
  const entries = followLog({
    database: new Database({ connection: app.store.connection }, 'store.connection', systemClock, app.log),
    collection: () => db.collection(++asked === 3 ? 'evicted' : 'dwa_log'),
    clock: systemClock,
    signal: stop.signal,
    from: mongoose.mongo.ObjectId.createFromHexString(place.id),
    onLost: (reason) => { lost.push(String(reason)) }
  })
  t.match(await entries.next(), { value: { details: { i: 1 } } })
  t.match(lost, [/evicted while it was looked for/])
  stop.abort()
  t.match(await entries.next(), { done: true })
})

t.test('eviction by size during a tail', async (t) => {
  const { app: { auditLog } } = await logApp(t, { log: { size: 1 << 20 } })
  const tail = collect(auditLog.tail())
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 100 }, async (_, i) => await auditLog.append('thing.seen', { details: { i: round * 100 + i, text: 'a long story '.repeat(70) } })))
  }
  await eventually('the last arrived', () => numbers(tail.seen).includes(999))
  const seen = numbers(tail.seen).map(Number)
  t.same(seen, [...seen].sort((a, b) => a - b))
  t.equal(new Set(seen).size, seen.length)
  t.ok((await auditLog.find({ limit: 1000 })).length < 999, 'entries were evicted')
})

t.test('the change feed: own changes at once, those of others soon, in log order; a bad listener harms nobody', async (t) => {
  const { app, uri, lines } = await logApp(t)
  const { store: { changes }, auditLog } = app
  t.ok(changes.live)
  t.equal(changes.epoch, 1)
  const seen: string[] = []
  changes.subscribe(() => { throw new Error('mine') })
  const unsubscribe = changes.subscribe(({ event }) => { seen.push(event) })
  await auditLog.append('thing.mine')
  t.same(seen, ['thing.mine'], 'before append has resolved')
  t.ok(lines.some(({ message }) => message === 'a listener of the change feed failed'))
  const other = await storeApp(t, { uri })
  await other.app.auditLog.append('thing.theirs')
  await eventually('theirs arrived', () => seen.includes('thing.theirs'))
  t.same(seen, ['thing.mine', 'log.opened', 'thing.theirs'], 'own entries do not come twice')
  unsubscribe()
  await auditLog.append('thing.mine')
  t.equal(seen.length, 3)
})

t.test('another process hears of a change', async (t) => {
  const { app, uri } = await logApp(t)
  const worker = startWorker(t, uri, 'append')
  await worker.next()
  const seen: string[] = []
  app.store.changes.subscribe(({ event }) => { seen.push(event) })
  worker.stop()
  await worker.exit
  await eventually('it was heard', () => seen.includes('log.closed'))
  t.ok(seen.length > 0)
})

t.test('the feed is not live when the server has been silent for 2.5 seconds', async (t) => {
  const clock = new ManualClock()
  const { app } = await logApp(t, { clock })
  t.ok(app.store.changes.live)
  clock.advance(2500)
  t.notOk(app.store.changes.live)
  await eventually('the server answers again', () => app.store.changes.live)
  t.equal(app.store.changes.epoch, 1, 'nothing was missed')
})

t.test('a process that starts later knows the heads since the newest checkpoint, and those in it', async (t) => {
  const { app, uri } = await logApp(t)
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  const gone = await storeApp(t, { uri })
  await gone.app.auditLog.append('thing.seen')
  await gone.app.close()
  await eventually('its end is seen', async () => (await app.auditLog.find({ event: 'log.closed' })).length === 1)
  await app.store.log.checkpoint()
  const after = await app.auditLog.append('thing.seen')
  const late = await storeApp(t, { uri })
  if (!(late.app.store instanceof OpenedStore)) throw new Error('another store')
  await late.app.store.log.checkpoint()
  const [newest] = await late.app.auditLog.find({ event: 'log.checkpoint', limit: 1 })
  t.match(newest?.details['heads'], [{ seq: 2 }, {}, {}].slice(0, 0))
  const heads = JSON.stringify(newest?.details['heads'])
  t.ok(heads.includes(after.hash), 'what came after the checkpoint')
  t.equal((JSON.parse(heads) as unknown[]).length, 3)
})

t.test('what has not the shape of an entry is passed over by find, tail and feed', async (t) => {
  const { app, uri, lines } = await logApp(t)
  const { auditLog, store } = app
  const tail = collect(auditLog.tail({ after: (await auditLog.append('thing.begun')).id }))
  const fed: string[] = []
  store.changes.subscribe(({ event }) => { fed.push(event) })
  await auditLog.append('thing.seen', { details: { i: 0 } })
  const raw = store.connection.db?.collection<Record<string, unknown>>('dwa_log')
  await raw?.insertMany([{ _id: 'evil' }, { chain: 'x', seq: 'y' }, { chain: 'x', seq: 1, at: new Date(), event: 'thing.seen', level: 'info', details: null, key: 'k', hash: 'h', prev: null }] as never)
  const other = await storeApp(t, { uri })
  await other.app.auditLog.append('thing.seen', { details: { i: 1 } })
  await eventually('the next entry arrives', () => fed.filter((event) => event === 'thing.seen').length === 2 && numbers(tail.seen).length === 2)
  t.same(numbers(tail.seen), [0, 1])
  t.same(numbers(await auditLog.find({ limit: 2, event: 'thing.seen' })), [1, 0], 'a page is full all the same')
  t.equal((await auditLog.find()).length, 5)
  await raw?.insertOne({ _id: 'newest of all', chain: 'x', seq: 'z' } as never)
  const late = await storeApp(t, { uri })
  t.ok(late.app.store.changes.live)
  t.notOk(lines.some(({ level }) => level === 'error'))
})

t.test('the change feed ignores entries and checkpoints that were not sealed by this package, and says so once', async (t) => {
  const { app, uri, lines } = await logApp(t)
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  const fed: string[] = []
  app.store.changes.subscribe(({ event }) => { fed.push(event) })
  const key = app.store.keyRing.current('x').keyId
  const forged = { at: new Date(), event: 'thing.forged', level: 'error', actor: null, target: null, requestId: null, message: null, details: {}, prev: null, hash: 'x' }
  const heads = [{ chain: 'invented', seq: 7, hash: 'x', count: 7, at: Date.now() + 1e6 }]
  await app.store.connection.db?.collection('dwa_log').insertMany([{ ...forged, chain: 'f', seq: 1, key }, { ...forged, chain: 'f', seq: 2, key: 'unknown' }, { ...forged, chain: 'f', seq: 3, key: 'unknown' }, { ...forged, event: 'log.checkpoint', chain: 'f', seq: 4, key, details: { heads } }])
  const other = await storeApp(t, { uri })
  if (!(other.app.store instanceof OpenedStore)) throw new Error('another store')
  await other.app.auditLog.append('thing.genuine')
  await eventually('the genuine one arrives', () => fed.includes('thing.genuine'))
  t.notOk(fed.includes('thing.forged'))
  t.equal(lines.filter(({ level, message }) => level === 'warn' && message === 'the audit log holds an entry that was not written by this package: verify it').length, 1)
  for (const { log } of [app.store, other.app.store]) {
    await log.checkpoint()
    const [newest] = await log.find({ event: 'log.checkpoint', limit: 1 })
    t.notMatch(JSON.stringify(newest?.details), /invented|"f"/)
  }
})

t.test('a process whose clock is an hour behind is heard by those that resume and those that start', async (t) => {
  const { app: first, uri } = await logApp(t)
  const resumeAt = await first.auditLog.append('thing.seen', { details: { i: 0 } })
  await first.close()
  const { app } = await storeApp(t, { uri })
  const fed: unknown[] = []
  app.store.changes.subscribe(({ event, details }) => { if (event === 'thing.seen') fed.push(details['i']) })
  const tail = collect(app.auditLog.tail({ after: resumeAt.id }))
  const behind = await storeApp(t, { uri, clock: { ...systemClock, now: () => Date.now() - 3_600_000 } })
  await behind.app.auditLog.append('thing.seen', { details: { i: 1 } })
  await eventually('it is heard', () => fed.length === 1 && numbers(tail.seen).length === 1)
  t.same([fed, numbers(tail.seen)], [[1], [1]])
})

t.test('the change feed goes on after whatever went wrong, in a new epoch', async (t) => {
  const { app, uri } = await logApp(t)
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  const database = new Database({ uri }, 'store.uri', systemClock, app.log)
  t.teardown(() => database.close())
  await database.connect(3000)
  const { keyRing } = app.store
  let failures = 0
  const errors: string[] = []
  const feed = new TailedChangeFeed({
    database,
    collection: () => logCollection(database.db, 'dwa_log'),
    clock: systemClock,
    logger: { info () {}, warn () {}, error (_details, message) { errors.push(message) } },
    keyRing: { async find (label, keyId) { if (failures-- > 0) throw new RangeError('mine'); return await keyRing.find(label, keyId) } },
    ownChain: 'another',
    onHead () {}
  })
  t.teardown(() => { feed.stop() })
  const epochs: number[] = []
  feed.onEpoch(() => { epochs.push(feed.epoch) })
  await feed.start(3000)
  const fed: unknown[] = []
  feed.subscribe(({ details }) => { fed.push(details['i']) })
  failures = 1
  await app.auditLog.append('thing.seen', { details: { i: 0 } })
  await eventually('it began again', () => feed.epoch === 2 && feed.live)
  await app.auditLog.append('thing.seen', { details: { i: 1 } })
  await eventually('the next one arrives', () => fed.includes(1))
  t.same(epochs, [1, 2])
  t.same(errors, ['the change feed was interrupted, beginning again'])
})
