import t from 'tap'
import Fastify from 'fastify'
import mongoose from 'mongoose'
import { systemClock } from '../lib/clock.js'
import { Database } from '../lib/store/database.js'
import { withLease, type LeaseDocument } from '../lib/store/lease.js'
import { OpenedStore } from '../lib/store/open-store.js'
import { isOutage } from '../lib/store/unavailable.js'
import { store } from '../plugins/store.js'
import { startEmbeddedMongo } from '../testing/index.js'
import { hurryTimers } from './hurried-timers.js'
import { ManualClock } from './manual-clock.js'
import { MongoProxy, startProxy } from './mongo-proxy.js'
import { startMongosProxy } from './mongos-proxy.js'
import { startTestMongo } from './mongo.js'
import { eventually, masterKey, otherMasterKey, storeApp, thingKind, type Thing } from './store-app.js'

const silent = { info () {}, warn () {}, error () {} }

t.test('54. MongoDB goes away and comes back: 503 with Retry-After at once, and no restart', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app, lines } = await storeApp(t, { uri: proxy.uri })
  const things = app.store.records<Thing>(thingKind)
  app.get('/things', async () => await things.list())
  app.post('/things', async () => await things.create({ name: 'a' }))
  t.equal((await app.inject('/things')).statusCode, 200)
  const { epoch } = app.store.changes
  t.ok(app.store.changes.live)

  await proxy.cut()
  await eventually('the loss is noticed', () => !app.store.available)
  for (const method of ['GET', 'POST'] as const) {
    const began = Date.now()
    const answer = await app.inject({ method, url: '/things' })
    t.equal(answer.statusCode, 503)
    t.match(answer.headers['retry-after'], /^\d+$/)
    t.match(answer.json(), { code: 'DWA_STORE_UNAVAILABLE', message: 'The database cannot be reached' })
    t.ok(Date.now() - began < 200, 'at once')
  }
  await t.rejects(app.store.exclusively('x', async () => 1), { code: 'DWA_STORE_UNAVAILABLE' })
  await t.rejects(app.auditLog.verify(), { code: 'DWA_STORE_UNAVAILABLE' })
  t.notOk(app.store.changes.live)
  const tail = app.auditLog.tail()[Symbol.asyncIterator]()
  const next = tail.next()

  await proxy.open()
  await eventually('it is back', () => app.store.available)
  t.equal((await app.inject({ method: 'POST', url: '/things' })).statusCode, 200)
  await eventually('changes arrive again', () => app.store.changes.live)
  t.ok(app.store.changes.epoch > epoch, 'what was cached before must be read again')
  t.ok(lines.some(({ message }) => message === 'the tail of the audit log was lost, trying on'))
  const writing = setInterval(() => { app.auditLog.record('thing.seen') }, 50)
  t.match(await next, { done: false }, 'a tail begun meanwhile goes on')
  clearInterval(writing)
  await tail.return?.()
})

t.test('a dead MongoDB does not stop the boot; what it would have said then is said when it comes', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = new MongoProxy(uri.replace('mongodb://', 'mongodb://'))
  await proxy.open()
  await proxy.cut()
  t.teardown(() => proxy.cut())
  const began = Date.now()
  const { app, lines } = await storeApp(t, { uri: proxy.uri })
  const things = app.store.records<Thing>(thingKind)
  await app.ready()
  t.ok(Date.now() - began < 5000, `${Date.now() - began} ms`)
  t.notOk(app.store.available)
  t.throws(() => app.store.keyRing.current('x'), { code: 'DWA_STORE_UNAVAILABLE' })
  for (const call of [() => things.list(), () => things.create({ name: 'a' }), () => app.auditLog.append('thing.seen'), () => app.auditLog.find(), () => app.store.run(async () => 1)]) {
    await t.rejects(async () => { await call() }, { code: 'DWA_STORE_UNAVAILABLE' })
  }
  app.auditLog.record('thing.kept')
  t.ok(lines.some(({ level, message }) => level === 'warn' && message === 'store.uri: the database cannot be reached, trying on'))
  await proxy.open()
  await eventually('it is there', () => app.store.available)
  await things.create({ name: 'a' })
  const entries = await app.auditLog.find()
  t.same(entries.map(({ event }) => event).reverse(), ['log.opened', 'thing.kept', 'thing.created'])
})

t.test('a database that comes late and does not fit keeps the store unavailable, with the reason in the app\'s log', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app: first } = await storeApp(t, { uri })
  await first.close()
  const proxy = new MongoProxy(uri)
  await proxy.open()
  await proxy.cut()
  t.teardown(() => proxy.cut())
  const { app, lines } = await storeApp(t, { uri: proxy.uri, secretKeys: [otherMasterKey] })
  await app.ready()
  await proxy.open()
  await eventually('the reason is told', () => lines.some(({ level, message, details }) => level === 'error' && message === 'the store cannot be used' && JSON.stringify(details).includes('DWA_STORE_WRONG_KEY')))
  t.notOk(app.store.available)
  await t.rejects(app.store.run(async () => 1), { code: 'DWA_STORE_UNAVAILABLE' })
})

t.test('an address that is none is an error at boot, and is not repeated', async (t) => {
  for (const uri of ['http://ann:secret@x/y', 'mongodb://', 'mongodb://ann:sec ret@h:x/y', 'mongodb://ann:s@h/?replicaSet=a&directConnection=2&tls=maybe', 'nonsense', 'mongodb://ann:p%ZZ@h/x']) {
    try {
      await storeApp(t, { uri })
      t.fail(uri)
    } catch (error) {
      t.match(error, { code: 'DWA_OPTIONS_INVALID', message: /^store\.uri: is not a MongoDB address/ }, uri)
      t.notMatch(String(error), /secret|sec ret|ann/)
    }
  }
})

t.test('credentials that the server refuses are an error at boot', async (t) => {
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const uri = new URL(mongo.uri)
  uri.username = 'nobody'
  uri.password = 'wrong'
  await t.rejects(storeApp(t, { uri: uri.href }), { code: 'DWA_OPTIONS_INVALID', message: 'store.uri: the server refuses these credentials' })
})

t.test('the app\'s own connection is used, waited for, and never closed', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = mongoose.createConnection(uri)
  t.teardown(() => connection.close())
  const { app } = await storeApp(t, { connection })
  await app.store.records<Thing>(thingKind).create({ name: 'a' })
  t.same(Object.keys(connection.models), [], 'none of its models are here')
  await app.close()
  t.equal(connection.readyState, 1)
  t.equal(await connection.collection('dwa_things').countDocuments(), 1)
  const { app: second } = await storeApp(t, { connection })
  t.equal((await second.store.records<Thing>(thingKind).list()).length, 1, 'a second app on the same connection')
  t.match(await second.auditLog.verify(), { ok: true, chains: 2 })
})

t.test('two apps on one connection do without the app\'s mongoose settings, and come back when it was closed and opened again', async (t) => {
  const { uri } = await startTestMongo(t)
  const own = new mongoose.Mongoose({ sanitizeFilter: true })
  own.plugin((schema) => { schema.pre('find', function () { this.setQuery({ ...this.getQuery(), tenant: 1 }) }) })
  const connection = await own.createConnection(uri, { dbName: 'elsewhere' }).asPromise()
  t.teardown(() => connection.close())
  const client = connection.getClient()
  const events = ['serverDescriptionChanged', 'serverHeartbeatSucceeded'] as const
  const listeners = (): number[] => [...events.map((event) => client.listenerCount(event)), connection.listenerCount('connected'), connection.listenerCount('close')]
  const before = listeners()
  const apps = [await storeApp(t, { connection }), await storeApp(t, { connection })]
  const things = apps.map(({ app }) => app.store.records<Thing>(thingKind))
  await things[0]?.create({ name: 'a' })
  for (const each of things) {
    t.equal((await each.list()).length, 1)
    t.equal(await each.count(5), 1)
  }
  t.equal(await connection.collection('dwa_things').countDocuments(), 1, 'in the database of the app\'s connection')
  t.equal(apps[0]?.app.store.connection.name, 'elsewhere')
  await connection.close()
  for (const { app } of apps) t.notOk(app.store.available)
  await t.rejects(async () => { await things[0]?.list() }, { code: 'DWA_STORE_UNAVAILABLE' })
  await connection.openUri(uri, { dbName: 'elsewhere' })
  for (const [index, { app }] of apps.entries()) {
    t.ok(app.store.available)
    t.equal((await things[index]?.list())?.length, 1)
    await eventually('an entry is written', async () => await app.auditLog.append('thing.seen').then(() => true, () => false))
  }
  t.same(listeners().slice(0, 2), before.slice(0, 2), 'the old client is let go')
  await apps[0]?.app.store.connection.close()
  t.equal(connection.readyState, 1, 'not even so it is closed')
  for (const { app } of apps) await app.close()
  t.equal(connection.readyState, 1)
  t.same(listeners(), before)
})

t.test('everything is read from the primary, whatever the address or the app\'s connection says', async (t) => {
  const { uri } = await startTestMongo(t)
  const address = `${uri}${uri.includes('?') ? '&' : '?'}readPreference=secondaryPreferred&readPreferenceTags=dc:a&maxStalenessSeconds=120`
  const connection = await mongoose.createConnection(address).asPromise()
  t.teardown(() => connection.close())
  t.equal(connection.db?.collection('x').readPreference?.mode, 'secondaryPreferred')
  for (const source of [{ uri: address }, { connection }]) {
    const { app: { store } } = await storeApp(t, source)
    t.equal(store.connection.db?.readPreference?.mode, 'primary')
    t.equal(store.connection.db?.collection('dwa_log').readPreference?.mode, 'primary')
  }
})

t.test('no command asks for another server than the primary', async (t) => {
  const { uri } = await startTestMongo(t)
  const wire = await startMongosProxy(t, uri)
  const address = `${wire.uri}&readPreference=secondaryPreferred`
  const connection = await mongoose.createConnection(address).asPromise()
  t.teardown(() => connection.close())
  for (const source of [{ uri: address }, { connection }]) {
    wire.commands.length = 0
    const { app: { store, auditLog } } = await storeApp(t, source)
    const things = store.records<Thing>(thingKind)
    const { id } = await things.create({ name: `by ${Object.keys(source).join()}`, pin: '1' })
    await Promise.all([things.get(id), things.list(), things.count(5), things.secrets(id), auditLog.find(), auditLog.verify(), store.keyRing.find('x', 'unknown')])
    t.equal(await store.exclusively('rule', async () => await (await store.lease(id, 60_000))?.isHeld()), true)
    const names = new Set(wire.commands.map((command) => Object.keys(command)[0]))
    for (const name of ['find', 'aggregate', 'getMore', 'listIndexes']) t.ok(names.has(name), name)
    t.same(wire.commands.filter((command) => '$readPreference' in command), [])
  }
  await connection.collection('things').findOne({})
  t.match(wire.commands.at(-1), { find: 'things', $readPreference: { mode: 'secondaryPreferred' } }, 'the app\'s own commands do as the app says')
})

t.test('a connection that the app opens later is taken when it stands', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = mongoose.createConnection()
  t.teardown(() => connection.close())
  const { app } = await storeApp(t, { connection })
  await app.ready()
  t.notOk(app.store.available)
  await t.rejects(app.auditLog.find(), { code: 'DWA_STORE_UNAVAILABLE' })
  await connection.openUri(uri)
  await eventually('it is taken', () => app.store.available)
  await app.auditLog.append('thing.seen')
})

t.test('an operation without an answer is given up, and only outages are taken for outages', async (t) => {
  const { uri } = await startTestMongo(t)
  const database = new Database({ uri }, 'store.uri', systemClock, silent)
  t.throws(() => database.db, { code: 'DWA_STORE_UNAVAILABLE' })
  t.ok(await database.connect(3000))
  t.ok(await database.connect(3000))
  await t.rejects(database.run(async () => await new Promise(() => {}), 20), { code: 'DWA_STORE_UNAVAILABLE', cause: { message: 'No answer within 20 ms' } })
  await t.rejects(database.run(async () => { throw new RangeError('mine') }), RangeError)
  const named = (name: string): Error => Object.assign(new Error('x'), { name })
  for (const error of [named('MongoNetworkError'), named('MongoServerSelectionError'), named('MongoPoolClearedError'), Object.assign(new Error('x'), { code: 10107 }), Object.assign(new Error('x'), { code: 11602 }), Object.assign(new Error('This socket has been ended by the other party'), { code: 'EPIPE' }), Object.assign(new Error('x'), { hasErrorLabel: (label: string) => label === 'RetryableWriteError' })]) {
    t.ok(isOutage(error))
    await t.rejects(database.run(async () => { throw error }), { code: 'DWA_STORE_UNAVAILABLE', cause: error })
  }
  for (const error of [null, 'x', new Error('x'), Object.assign(new Error('x'), { code: 11000 }), Object.assign(new Error('x'), { hasErrorLabel: () => false })]) t.notOk(isOutage(error))
  await database.close()
  await t.rejects(database.run(async () => 1), { code: 'DWA_STORE_UNAVAILABLE' })
})

t.test('a lease that MongoDB does not answer for is given up, and one that cannot be given back changes no outcome', async (t) => {
  const { uri } = await startTestMongo(t)
  const database = new Database({ uri }, 'store.uri', systemClock, silent)
  t.teardown(() => database.close())
  await database.connect(3000)
  const warnings: string[] = []
  const leases = database.db.collection<LeaseDocument>('leases')
  let limit = 50
  const options = { leases, run: async <T>(access: () => Promise<T>) => await database.run(access, limit), clock: systemClock, logger: { ...silent, warn (_details: object, message: string) { warnings.push(message) } } }
  const hanging = async (): Promise<never> => await new Promise(() => {})
  await t.rejects(withLease({ ...options, leases: Object.assign(Object.create(leases), { findOneAndUpdate: hanging }) }, 'rule', async () => 1), { code: 'DWA_STORE_UNAVAILABLE' })
  t.same(warnings, [], 'nothing was taken')
  const unreleased = { ...options, leases: Object.assign(Object.create(leases), { updateOne: hanging }) }
  const outcomes: unknown[] = []
  for (const end of [() => 'done', () => { throw new RangeError('mine') }]) {
    limit = 10_000
    outcomes.push(await withLease(unreleased, `rule ${outcomes.length}`, async () => {
      limit = 50 // for giving it back
      return end()
    }).catch((error: unknown) => String(error)))
  }
  t.same(outcomes, ['done', 'RangeError: mine'])
  t.same(warnings, Array(2).fill('a lease could not be given back, it ends by itself'))
})

t.test('a lease that hangs on the wire is given up after ten seconds, and blocks others for no longer than it lasts', async (t) => {
  let serverTime = Date.now()
  const mongo = await startEmbeddedMongo({ now: () => serverTime })
  t.teardown(() => mongo.stop())
  const proxy = await startProxy(t, mongo.uri)
  const { app: { store } } = await storeApp(t, { uri: proxy.uri })
  const hold = proxy.hold('findAndModify')
  const inTime = hurryTimers(t, 10_000)
  await t.rejects(store.exclusively('rule', async () => { t.fail('it never began') }), { code: 'DWA_STORE_UNAVAILABLE', cause: { message: 'No answer within 10000 ms' } })
  await t.rejects(store.lease('rule', 1000), { code: 'DWA_STORE_UNAVAILABLE' })
  inTime()
  t.ok(store.available, 'one wire hangs, the others do not')
  await hold.release()
  t.equal(await store.lease('rule', 1000), null, 'it was taken in the end, for nobody')
  serverTime += 15_001
  t.equal(await store.exclusively('rule', async () => 'done'), 'done')
})

t.test('a driver that has given up is replaced', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app } = await storeApp(t, { uri: proxy.uri })
  const things = app.store.records<Thing>(thingKind)
  await things.create({ name: 'a' })
  const client = app.store.connection.getClient() as unknown as { topology: { s: { servers: Map<string, { monitor: { close (): void } }> } } }
  for (const { monitor } of client.topology.s.servers.values()) monitor.close()
  await proxy.cut()
  await eventually('it is noticed', () => !app.store.available)
  await proxy.open()
  await eventually('it is replaced', () => app.store.available)
  t.equal((await things.list()).length, 1)
  await eventually('changes arrive again', () => app.store.changes.live)
  await app.auditLog.append('thing.seen')
})

t.test('when the connection comes back, the change feed is live only once its own cursor has answered', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app } = await storeApp(t, { uri: proxy.uri, clock: new ManualClock() })
  await app.ready()
  t.ok(app.store.changes.live)
  const cursor = proxy.hold('getMore')
  await cursor.waiting(1)
  proxy.cutAllButHeld()
  await eventually('the loss is noticed', () => !app.store.available, 10_000)
  await proxy.open()
  await eventually('it is back', () => app.store.available, 10_000)
  t.notOk(app.store.changes.live, 'nobody has heard from the cursor')
  await cursor.release()
  t.notOk(app.store.changes.live, 'it has answered what it was asked before')
  await eventually('the cursor has answered', () => app.store.changes.live)
})

t.test('the change feed is not live from the moment at which the connection says that it left', async (t) => {
  const { uri } = await startTestMongo(t)
  const clock = new ManualClock()
  const { app } = await storeApp(t, { uri, clock })
  await app.ready()
  t.notOk(app.store.changes.isLive(clock.now() - 60_000), 'a clock that was put back says nothing of silence')
  for (const left of ['disconnected', 'disconnecting', 'connecting']) {
    t.ok(app.store.changes.live)
    app.store.connection.emit(left)
    t.notOk(app.store.changes.live, left)
    app.store.connection.emit('connected')
    await eventually('the cursor has answered', () => app.store.changes.live)
  }
})

t.test('closing while MongoDB is away ends at once, and counts what is lost', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app, lines } = await storeApp(t, { uri: proxy.uri })
  await app.ready()
  await proxy.cut()
  await eventually('the loss is noticed', () => !app.store.available)
  app.auditLog.record('thing.lost')
  const began = Date.now()
  await app.close()
  t.ok(Date.now() - began < 3000)
  t.match(lines.find(({ message }) => message === 'the audit log was closed without its last entries'), { level: 'error', details: { lost: 1 } })
})

t.test('a closed app lets the process end: nothing is left open, wherever it was closed', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  await app.register(store, { uri, secretKeys: [masterKey] })
  const { store: opened } = app
  await app.close()
  t.equal(opened.connection.readyState, 0)
  t.notOk(opened.available)
  const dead = new OpenedStore({
    source: { uri: 'mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=100' },
    masterKeys: [{ fingerprint: 'x', wrapping: Buffer.alloc(32) }],
    collectionPrefix: '',
    publicUrl: null,
    log: { size: 4096, personalData: false, requireInsertOnly: false, spool: 1 },
    clock: systemClock,
    logger: silent
  })
  const starting = dead.start()
  await dead.close()
  await starting
  t.notOk(dead.available)
})
