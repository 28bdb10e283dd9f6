import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { AuditedDocument, AuditedDocuments } from '../lib/store/audited-documents.js'
import { OpenedStore } from '../lib/store/open-store.js'
import { ServerClock } from '../lib/store/server-clock.js'
import { ManualClock } from './manual-clock.js'
import { startTestMongo } from './mongo.js'
import { eventually, storeApp, type Line } from './store-app.js'

interface Parcel extends AuditedDocument { state: string }

interface Context { readonly app: FastifyInstance, readonly store: OpenedStore, readonly parcels: AuditedDocuments<Parcel>, readonly lines: Line[], readonly clock: ManualClock }

async function parcelApp (t: Test): Promise<Context> {
  const { uri } = await startTestMongo(t)
  const clock = new ManualClock(Date.now() + 3_600_000)
  const { app, lines } = await storeApp(t, { uri, clock })
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  const parcels = app.store.auditedDocuments<Parcel>('parcels', [])
  await app.ready()
  return { app, store: app.store, parcels, lines, clock }
}

/** A parcel, and what it has to say. */
async function post ({ parcels }: Context): Promise<ReturnType<AuditedDocuments<Parcel>['entry']>> {
  const id = new mongoose.mongo.ObjectId()
  const entry = parcels.entry(id, 'parcel.posted', { target: { type: 'parcel', id: id.toHexString() } })
  await parcels.run(async (collection) => await collection.insertOne({ _id: id, version: 1, state: 'posted', outbox: [entry.stored] }))
  return entry
}

const waiting = async ({ parcels }: Context): Promise<number> => await parcels.run(async (collection) => await collection.countDocuments({ 'outbox.at': { $exists: true } }))

t.test('entries go to the log in batches, once, and out of their documents', async (t) => {
  const context = await parcelApp(t)
  const { app, parcels } = context
  for (let count = 0; count < 20; count++) {
    parcels.deliverSoon(await post(context))
  }
  await eventually('all are delivered', async () => await waiting(context) === 0)
  t.equal((await app.auditLog.find({ event: 'parcel.posted' })).length, 20)
  t.equal(await parcels.run(async (collection) => await collection.countDocuments({ state: 'posted' })), 20, 'and the documents stay')
  await parcels.deliver(await post(context))
  t.equal(await waiting(context), 0)
  t.equal((await app.auditLog.find({ event: 'parcel.posted' })).length, 21)
})

t.test('what cannot be logged waits in its document, and what nobody delivered is found', async (t) => {
  const context = await parcelApp(t)
  const { app, parcels, clock } = context
  await post(context)
  const forged = new mongoose.mongo.ObjectId()
  await parcels.run(async (collection) => await collection.insertOne({ _id: forged, version: 1, state: 'forged', outbox: [{ at: new Date(0), draft: '{}', mac: 'x', key: 'x' }] }))
  await eventually('they are gone', async () => {
    clock.advance(5000)
    return await waiting(context) === 0
  })
  t.equal((await app.auditLog.find({ event: 'parcel.posted' })).length, 1, 'the entry of a dead process')
  t.match(await app.auditLog.find({ event: 'log.forged' }), [{ target: { type: 'parcels', id: forged.toHexString() } }])
})

t.test('a log that takes nothing leaves the entries where they are', async (t) => {
  const context = await parcelApp(t)
  const { store, parcels, lines } = context
  const entry = await post(context)
  await store.log.close()
  parcels.deliverSoon(entry)
  await eventually('it is reported', () => lines.some(({ message }) => message === 'audit entries wait in their documents'))
  t.equal(await waiting(context), 1)
})

t.test('the memory for entries under way is bounded, and closing waits for them', async (t) => {
  const { app, store, parcels } = await parcelApp(t)
  for (let count = 0; count < 20_010; count++) {
    parcels.deliverSoon(parcels.entry(new mongoose.mongo.ObjectId(), 'parcel.posted', {}))
  }
  await parcels.close()
  const count = await store.connection.collection('dwa_log').countDocuments({ event: 'parcel.posted' })
  t.equal(count, 20_000, 'those beyond wait in their documents')
  await app.close()
})

t.test('the server\'s clock is this process\'s, moved by what they differ', async (t) => {
  const clock = new ManualClock(1_000_000)
  const server = new ServerClock(clock)
  t.equal(server.now(), 1_000_000)
  server.set(1500)
  t.equal(server.now(), 1_000_000, 'less than an answer may take is no difference')
  server.set(-300_000.4)
  t.equal(server.now(), 700_000)
  clock.advance(10)
  t.equal(server.now(), 700_010)
  let ran = false
  server.after(5, () => { ran = true })
  clock.advance(5)
  t.ok(ran)
})
