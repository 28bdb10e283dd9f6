import t, { type Test } from 'tap'
import { errors } from '../lib/errors.js'
import { OpenedStore } from '../lib/store/open-store.js'
import type { RecordCollection } from '../lib/store/record-collection.js'
import { startEmbeddedMongo } from '../testing/index.js'
import { ManualClock } from './manual-clock.js'
import { startProxy } from './mongo-proxy.js'
import { startTestMongo } from './mongo.js'
import { eventually, storeApp, thingKind, type StoreApp, type Thing } from './store-app.js'
import { startWorker } from './workers/fork-worker.js'
import type { StoreOptions } from '../plugins/store.js'

interface ThingApp extends StoreApp { readonly uri: string, readonly store: OpenedStore, readonly things: RecordCollection<Thing> }

async function thingApp (t: Test, options: Partial<StoreOptions> = {}): Promise<ThingApp> {
  const { uri } = await startTestMongo(t)
  const { app, lines } = await storeApp(t, { uri, ...options })
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  return { uri, app, lines, store: app.store, things: app.store.records<Thing>(thingKind) }
}

const raw = ({ store }: ThingApp) => store.connection.collection('dwa_things')

t.test('a record is created, read, changed and removed, and each change is one entry in the log', async (t) => {
  const context = await thingApp(t)
  const { app, things } = context
  const actor = { type: 'user', id: 'u1' }
  const fields: Thing = { name: 'chair', colour: 'red', size: 2, tags: ['a', 'b'], active: false, shape: { legs: 4, $odd: { 'a.b': 1 } }, pin: '1234' }
  const created = await things.create(fields, { actor, requestId: 'r1', message: 'hello', details: { why: 'test' } })
  const { pin, ...visible } = fields
  t.match(created, { id: /^[0-9a-f]{24}$/, version: 1, secretsSet: ['pin'] })
  t.same(created.fields, visible)
  t.same(await things.get(created.id), created)
  t.same(await things.getByName('chair'), created)
  t.same(await things.secrets(created.id), { pin })
  t.same(await things.open(created.id), { ...created, secrets: { pin } })
  for (const id of ['x', '0'.repeat(24)]) t.equal(await things.open(id), null)

  const updated = await things.update(created.id, 1, { colour: undefined, size: 3, note: 'secret note', pin: undefined }, { event: 'thing.painted' })
  t.match(updated, { version: 2, secretsSet: ['note'] })
  t.same(updated.fields, { name: 'chair', size: 3, tags: ['a', 'b'], active: false, shape: { legs: 4, $odd: { 'a.b': 1 } } })
  t.same(await things.secrets(created.id), { note: 'secret note' })

  await things.remove(created.id, 2)
  t.equal(await things.get(created.id), null)
  t.equal(await things.getByName('chair'), null)
  t.same(await things.secrets(created.id), {})
  t.equal(await raw(context).countDocuments(), 0, 'not even a tombstone is left')

  const entries = await app.auditLog.find({ event: 'thing.*' })
  t.match(entries, [
    { event: 'thing.deleted', target: { type: 'thing', id: created.id, name: 'chair' }, details: {} },
    { event: 'thing.painted', details: { changed: ['colour', 'size', 'note', 'pin'] } },
    { event: 'thing.created', actor, requestId: 'r1', message: 'hello', details: { why: 'test', changed: Object.keys(fields) } }
  ])
  t.notOk(JSON.stringify(entries).match(/1234|secret note/), 'no secret in the log')
})

t.test('the mongoose model of a kind is made with its first use', async (t) => {
  const { store, things } = await thingApp(t)
  await store.ensureKinds()
  const made = (): boolean => store.connection.modelNames().includes('dwa_things')
  t.equal(made(), false)
  await things.list()
  t.equal(made(), true)
})

t.test('35, 55. secrets are ciphertext at rest, bound to their record', async (t) => {
  const context = await thingApp(t)
  const { id } = await context.things.create({ name: 'safe', pin: 'a secret of its own', note: 'another secret' })
  const dump = JSON.stringify(await raw(context).find().toArray()) + JSON.stringify(await context.store.connection.collection('dwa_log').find().toArray())
  for (const secret of ['a secret of its own', 'another secret']) t.notOk(dump.includes(secret) || dump.includes(Buffer.from(secret).toString('base64').slice(0, 12)))
  const model = context.store.connection.models['dwa_things']
  t.notOk('pin' in (await model?.findById(id).lean() ?? {}), 'not selected by default')
})

t.test('32. nothing but plain values reaches a filter or a record', async (t) => {
  const { things } = await thingApp(t)
  await things.create({ name: 'a', colour: 'red' })
  const odd = (value: unknown): never => value as never
  for (const value of [{ $ne: null }, ['a'], null, 7, { $gt: '' }]) {
    t.equal(await things.getByName(odd(value)), null)
    await t.rejects(things.list({ colour: odd(value) }), { code: 'DWA_STORE_INVALID_RECORD' })
    await t.rejects(things.create({ name: odd(value) }), { code: 'DWA_STORE_INVALID_RECORD', statusCode: 400 })
  }
  await t.rejects(things.list(odd({ $where: 'true' })), { code: 'DWA_STORE_INVALID_RECORD', message: '$where: unknown option' })
  await t.rejects(things.list({ pin: 'x' }), { code: 'DWA_STORE_INVALID_RECORD' })
  await t.rejects(things.create(odd({ name: 'x', more: 1 })), { code: 'DWA_STORE_INVALID_RECORD', message: 'more: unknown option' })
  await t.rejects(things.create(odd({})), { code: 'DWA_STORE_INVALID_RECORD', message: 'name: is required' })
  await t.rejects(things.create(odd(null)), TypeError)
  await t.rejects(things.create({ name: 'x' }, { event: 'log.verified' }), TypeError)
  for (const id of ['', 'x'.repeat(24), '000000000000000000000000', '{"$ne":null}']) {
    t.equal(await things.get(id), null)
    await t.rejects(things.update(id, 1, { colour: 'x' }), { code: 'DWA_STORE_NOT_FOUND', statusCode: 404 })
    await t.rejects(things.remove(id, 1), { code: 'DWA_STORE_NOT_FOUND' })
  }
})

t.test('a patch cannot break what the schema asks for', async (t) => {
  const { things } = await thingApp(t)
  const { id } = await things.create({ name: 'a' })
  const odd = (value: unknown): never => value as never
  const cases: Array<[object, string]> = [
    [{ name: undefined }, 'name: is required'], [{ name: '' }, 'name: must NOT have fewer than 1 characters'], [{ size: 1.5 }, 'size: must be integer'],
    [{ more: 1 }, 'more: unknown option'], [{ more: undefined }, 'more: unknown field'], [{ 'shape.$set': 1 }, 'shape.$set: unknown option']
  ]
  for (const [patch, message] of cases) await t.rejects(things.update(id, 1, odd(patch)), { code: 'DWA_STORE_INVALID_RECORD', message })
  t.equal((await things.get(id))?.version, 1)
})

t.test('records come in pages by name, none twice and none left out while others are made and removed', async (t) => {
  const { things } = await thingApp(t)
  for (const name of ['e', 'b', 'd', 'a', 'c']) await things.create({ name })
  const names = (page: Array<{ fields: Thing }>): string[] => page.map(({ fields }) => fields.name)
  t.strictSame(names(await things.page(2)), ['a', 'b'])
  const [first] = await things.page(1)
  if (first !== undefined) await things.remove(first.id, first.version)
  await things.create({ name: 'bb' })
  t.strictSame(names(await things.page(2, 'b')), ['bb', 'c'])
  t.strictSame(names(await things.page(10, 'c')), ['d', 'e'])
  t.strictSame(await things.page(10, 'e'), [])
})

t.test('names and other unique values are unique among the living', async (t) => {
  const { things } = await thingApp(t)
  const a = await things.create({ name: 'a', size: 1 })
  const b = await things.create({ name: 'b' })
  await t.rejects(things.create({ name: 'a' }), { code: 'DWA_STORE_DUPLICATE', statusCode: 409, message: 'The thing "a" exists already' })
  await t.rejects(things.update(b.id, 1, { name: 'a' }), { code: 'DWA_STORE_DUPLICATE', message: 'The thing "a" exists already' })
  await t.rejects(things.create({ name: 'c', size: 1 }), { code: 'DWA_STORE_DUPLICATE', message: 'Such a thing exists already' })
  await things.remove(a.id, 1)
  await things.create({ name: 'a', size: 1 })
  t.same((await things.list()).map(({ fields }) => fields.name), ['a', 'b'])
  t.same((await things.list({ size: 1 })).map(({ fields }) => fields.name), ['a'])
  t.equal(await things.count(10), 2)
  t.equal(await things.count(1), 1)
})

t.test('of many changes to the same version one succeeds', async (t) => {
  const { things, app } = await thingApp(t)
  const { id } = await things.create({ name: 'a' })
  const results = await Promise.allSettled(Array.from({ length: 8 }, async (_, index) => await things.update(id, 1, { colour: String(index) })))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of results) if (result.status === 'rejected') t.match(result.reason, { code: 'DWA_STORE_CONFLICT', statusCode: 412 })
  const removals = await Promise.allSettled(Array.from({ length: 8 }, async () => { await things.remove(id, 2) }))
  t.equal(removals.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of removals) if (result.status === 'rejected') t.match(result.reason, { code: 'DWA_STORE_NOT_FOUND' })
  t.equal((await app.auditLog.find({ event: 'thing.*' })).length, 3)
})

t.test('a process killed between the record and the log leaves its entry to the others, who log it once', async (t) => {
  const clock = new ManualClock()
  const context = await thingApp(t, { clock })
  const { app, store, things, uri } = context
  const doomed = await things.create({ name: 'doomed' })
  for (const task of ['die create', `die remove ${doomed.id}`]) {
    const worker = startWorker(t, uri, task)
    t.same(await worker.exit, [null, 'SIGKILL'])
  }
  const orphan = await things.getByName('created by the dead')
  t.ok(orphan, 'the record is there')
  t.equal(await things.get(doomed.id), null, 'the other one is not')
  t.equal(await raw(context).countDocuments(), 2, 'its tombstone holds the entry')
  const events = async (): Promise<string[]> => (await app.auditLog.find({ event: 'thing.*' })).map(({ event }) => event)
  t.same(await events(), ['thing.created'])

  await store.sweep()
  t.same(await events(), ['thing.created'], 'it might still be at it')
  const other = await storeApp(t, { uri, clock })
  other.app.store.records(thingKind)
  if (!(other.app.store instanceof OpenedStore)) throw new Error('another store')
  clock.advance(60_000)
  await Promise.all([store.sweep(), other.app.store.sweep(), store.sweep()])
  t.same((await events()).sort(), ['thing.created', 'thing.created', 'thing.deleted'])
  t.equal(await raw(context).countDocuments(), 1)
  t.same((await raw(context).findOne({}))?.['outbox'], [])
  t.match(await app.auditLog.verify(), { ok: true })
})

t.test('the timer sweeps; an entry that was put into a record by hand is thrown away, and that is logged', async (t) => {
  const clock = new ManualClock()
  const context = await thingApp(t, { clock })
  const { app, things } = context
  const { id } = await things.create({ name: 'a' })
  const at = new Date(clock.now() - 20_000)
  const draft = JSON.stringify({ at, event: 'thing.forged', level: 'info', actor: null, target: null, requestId: null, message: null, details: {}, source: 'forged' })
  const outbox = [{ at, draft, mac: 'x', key: context.store.keyRing.current('x').keyId }, { at, draft, mac: 'x', key: 'unknown' }, { at, draft, key: 7 }]
  await raw(context).updateOne({ name: 'a' }, { $set: { outbox } })
  clock.advance(60_000)
  clock.advance(2000)
  await eventually('they are gone', async () => {
    clock.advance(1000)
    return (await raw(context).findOne({ name: 'a' }))?.['outbox'].length === 0
  })
  const entries = await app.auditLog.find()
  t.same(entries.filter(({ event }) => event === 'thing.forged'), [])
  t.match(entries.filter(({ event }) => event === 'log.forged'), Array(3).fill({ level: 'error', target: { type: 'thing', id } }))
})

t.test('whatever is put into an outbox by hand is thrown away, and keeps no entry of others from the log', async (t) => {
  const clock = new ManualClock(Date.now() + 3_600_000)
  const context = await thingApp(t, { clock })
  const { app, store, things, uri } = context
  await things.create({ name: 'a' })
  const worker = startWorker(t, uri, 'die create')
  t.same(await worker.exit, [null, 'SIGKILL'])
  const key = store.keyRing.current('x').keyId
  const at = new Date(0)
  const draft = '{"source":"s"}'
  const poison: unknown[] = [null, 7, [null], [{ at }], { at }, { at: 'x', draft, mac: 'x', key }, { at, draft: { source: NaN }, mac: 'x', key }, { at, draft: '{', mac: 'x', key },
    { at, draft, mac: ['x'], key }, { at, draft, mac: { $ne: null }, key }, { at, draft, mac: null, key }]
  const waiting = (await raw(context).findOne({ name: 'created by the dead' }))?.['outbox']
  await raw(context).updateOne({ name: 'a' }, { $set: { outbox: poison } })
  await raw(context).updateOne({ name: 'created by the dead' }, { $set: { outbox: [...poison, ...waiting] } })
  await raw(context).insertMany([{ name: 'no array', version: 1, outbox: { at } }, { _id: 'odd' as never, name: 'no id', version: 1, outbox: [{ at }] }])
  const outboxes = async (): Promise<unknown[]> => await raw(context).find({ _id: { $type: 'objectId' } }).map(({ outbox }) => outbox as unknown).toArray()
  await eventually('they are gone', async () => {
    clock.advance(5000)
    return (await outboxes()).every((outbox) => Array.isArray(outbox) && outbox.length === 0)
  })
  t.equal((await app.auditLog.find({ event: 'thing.created' })).length, 2, 'the entry of the dead is in the log')
  t.equal((await app.auditLog.find({ event: 'log.forged' })).length, 2 * poison.length + 1)
  await store.sweep()
  t.equal((await app.auditLog.find({ event: 'log.forged' })).length, 2 * poison.length + 1)
})

t.test('an entry that was moved to another record, or altered, is thrown away', async (t) => {
  const clock = new ManualClock(Date.now() + 3_600_000)
  const context = await thingApp(t, { clock })
  const { app, things, uri } = context
  await things.create({ name: 'a' })
  t.same(await startWorker(t, uri, 'die create').exit, [null, 'SIGKILL'])
  const [entry] = (await raw(context).findOne({ name: 'created by the dead' }))?.['outbox'] ?? []
  await raw(context).updateOne({ name: 'a' }, { $set: { outbox: [entry] } })
  await raw(context).updateOne({ name: 'created by the dead' }, { $set: { outbox: [{ ...entry, draft: String(entry.draft).replace('thing.created', 'thing.forged') }] } })
  await eventually('they are gone', async () => {
    clock.advance(5000)
    return await raw(context).countDocuments({ 'outbox.at': { $exists: true } }) === 0
  })
  t.equal((await app.auditLog.find({ event: 'log.forged' })).length, 2)
  t.strictSame(await app.auditLog.find({ event: 'thing.forged' }), [])
  t.equal((await app.auditLog.find({ event: 'thing.created' })).length, 1, 'the one of a')
})

t.test('a change whose maker died is in the log after five seconds, and as soon as the database is back', async (t) => {
  const clock = new ManualClock(Date.now() + 3_600_000)
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app } = await storeApp(t, { uri: proxy.uri, clock })
  app.store.records(thingKind)
  const created = async (): Promise<number> => (await app.auditLog.find({ event: 'thing.created' })).length
  const die = async (): Promise<void> => { await startWorker(t, uri, 'die create').exit }
  await die()
  await eventually('the timer swept', async () => {
    clock.advance(5000)
    return await created() === 1
  })
  await app.store.connection.collection('dwa_things').updateOne({}, { $set: { name: 'another' } })
  await proxy.cut()
  await eventually('the loss is noticed', () => !app.store.available)
  await die()
  await proxy.open()
  await eventually('the first connection swept', async () => await created().catch(() => 0) === 2)
})

t.test('a sweep that fails is reported', async (t) => {
  const clock = new ManualClock(Date.now() + 3_600_000)
  const { store, uri, lines } = await thingApp(t, { clock })
  t.same(await startWorker(t, uri, 'die create').exit, [null, 'SIGKILL'])
  await store.log.close()
  await eventually('it is reported', () => {
    clock.advance(5000)
    return lines.some(({ message }) => message === 'undelivered audit entries remain')
  })
})

t.test('a collection that cannot be swept keeps no other one waiting, and what each reports is told', async (t) => {
  const context = await thingApp(t, { clock: new ManualClock() })
  const { app, store, things } = context
  const kept = (collection: string): RecordCollection<Thing> => store.records({ ...thingKind, collection, area: collection })
  const at = new Date(0)
  for (const [records, name] of [[things, 'things'], [kept('more'), 'more'], [kept('others'), 'others']] as const) {
    await records.create({ name: 'a' })
    await store.connection.collection(`dwa_${name}`).updateOne({ name: 'a' }, { $set: { outbox: [{ at }] } })
  }
  for (const name of ['things', 'more']) await store.connection.collection(`dwa_${name}`).dropIndex('outbox.at_1')
  const failure: unknown = await store.sweep().catch((error: unknown) => error)
  t.match(failure instanceof AggregateError && [failure.message, failure.errors.length, ...failure.errors], [/hint/, 2, /hint/, /hint/])
  t.strictSame((await app.auditLog.find({ event: 'log.forged' })).map(({ target }) => target?.type), ['others'])
})

t.test('a change whose entry cannot be logged is not reported as done', async (t) => {
  const context = await thingApp(t)
  const { app, store, things } = context
  await things.create({ name: 'a' })
  await store.log.close()
  await t.rejects(things.create({ name: 'b' }), { code: 'DWA_LOG_CLOSED', statusCode: 503 })
  t.match(await raw(context).findOne({ name: 'b' }), { outbox: [{ draft: /"event":"thing\.created"/ }] }, 'its entry waits in the record')
  await t.rejects(app.auditLog.append('thing.seen'), { code: 'DWA_LOG_CLOSED' })
  app.auditLog.record('thing.seen')
})

t.test('a kind that cannot be kept is refused', async (t) => {
  const { store } = await thingApp(t)
  t.throws(() => store.records({ ...thingKind, schema: { type: 'object', properties: { outbox: {} } } }), { name: 'TypeError', message: 'things: a field cannot be named outbox' })
  const mixed = store.records<{ name: string, any?: unknown, numbers?: number[], things?: unknown[], level?: string, choice?: string | null }>({
    ...thingKind,
    collection: 'mixed',
    secrets: [],
    indexes: [],
    schema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        name: { type: 'string' },
        any: {},
        numbers: { type: 'array', items: { type: 'number' } },
        things: { type: 'array' },
        level: { enum: ['a', 'b'] },
        choice: { type: ['string', 'null'] }
      }
    }
  })
  const fields = { name: 'x', any: [1, { a: 2 }], numbers: [1.5], things: [{ a: 1 }, 'b'], level: 'a', choice: null }
  t.same((await mixed.create(fields)).fields, fields)
  t.same((await mixed.getByName('x'))?.fields, fields)
  t.same(await store.records({ ...thingKind, collection: 'bare', schema: { type: 'object' } }).list(), [])
})

t.test('an index that cannot be made stops the boot', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  await app.store.connection.collection('dwa_things').insertMany([{ name: 'twice', version: 1 }, { name: 'twice', version: 1 }])
  app.store.records(thingKind)
  await t.rejects(async () => { await app.ready() }, { code: 11000 })
})

t.test('what spans several records is done by one process at a time', async (t) => {
  const { uri } = await startTestMongo(t)
  const [a, b] = await Promise.all([storeApp(t, { uri }), storeApp(t, { uri })])
  let inside = 0
  let most = 0
  const turn = async ({ app }: StoreApp): Promise<number> => await app.store.exclusively('rule', async () => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setImmediate(resolve))
    return --inside
  })
  await Promise.all([turn(a), turn(b), turn(a), turn(b)])
  t.equal(most, 1)
  await t.rejects(a.app.store.exclusively('rule', async () => { throw new errors.DWA_STORE_CONFLICT('It') }), { code: 'DWA_STORE_CONFLICT' })
  t.equal(await turn(a), 0, 'the lease was given back')
})

t.test('a lease is one owner\'s at a time, by the time of the server, and each later one has a greater fence', async (t) => {
  const { store, uri } = await thingApp(t)
  const { app: other } = await storeApp(t, { uri })
  const first = await store.lease('work', 60_000)
  t.equal(await other.store.lease('work', 60_000), null)
  t.equal((await other.store.lease('other work', 60_000))?.fence, 1)
  t.equal(await first?.isHeld(), true)
  await first?.release()
  t.equal(await first?.isHeld(), false)
  const second = await other.store.lease('work', 30)
  await eventually('it ends', async () => await second?.isHeld() === false)
  const third = await store.lease('work', 60_000)
  t.same([first, second, third].map((lease) => lease?.fence), [1, 2, 3])
  await second?.release()
  t.equal(await third?.isHeld(), true, 'what is over cannot be given back')
})

t.test('documents that are no records have their indexes, and go when their time has come', async (t) => {
  const { app, store } = await thingApp(t)
  const documents = store.documents<{ _id: string, until: Date, code?: string }>('notes', [{ keys: { until: 1 }, expireAfterSeconds: 0 }, { keys: { code: 1 }, unique: true }])
  await app.ready()
  t.match(await store.connection.collection('dwa_notes').indexes(), [{ key: { _id: 1 } }, { key: { until: 1 }, expireAfterSeconds: 0 }, { key: { code: 1 }, unique: true }])
  await documents.run(async (notes) => await notes.insertOne({ _id: 'a', until: new Date(), code: 'x' }))
  await t.rejects(documents.run(async (notes) => await notes.insertOne({ _id: 'b', until: new Date(), code: 'x' })), { code: 11000 })
  const bad = store.documents('bad_notes', [{ keys: {} }])
  await t.rejects(bad.ensure())
  await t.rejects(bad.run(async () => 'never'))
})

t.test('the lease of a dead owner ends by itself, and nobody waits for ever', async (t) => {
  let serverTime = Date.now()
  const clock = new ManualClock()
  const mongo = await startEmbeddedMongo({ now: () => serverTime })
  t.teardown(() => mongo.stop())
  const { store } = await thingApp(t, { clock, uri: mongo.uri })
  const leases = store.connection.collection<{ _id: string, owner: string, until: Date }>('dwa_leases')
  await leases.insertOne({ _id: 'rule', owner: 'dead', until: new Date(serverTime + 15_000) })
  const turn = store.exclusively('rule', async () => 'done')
  const ticking = setInterval(() => {
    clock.advance(1000)
    serverTime += 1000
  }, 1)
  t.equal(await turn, 'done')
  await leases.updateOne({ _id: 'rule' }, { $set: { owner: 'greedy', until: new Date(serverTime + 1e9) } })
  await t.rejects(store.exclusively('rule', async () => 'done'), { code: 'DWA_STORE_UNAVAILABLE' })
  clearInterval(ticking)
})
