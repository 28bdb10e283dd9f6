import type { FastifyInstance } from 'fastify'
import mongoose from 'mongoose'
import t from 'tap'
import type { SourceInput } from '../../lib/webhooks/source-schema.js'
import { clockAt } from '../app.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually, otherMasterKey } from '../store-app.js'
import { invalid, secret, sign, webhookApp } from './webhook-app.js'

const declared = { shop: { preset: 'generic', secret } } as const
const late: SourceInput = { name: 'late', header: 'X-Late', secret: 'the secret of a stored source' }

const deliver = async (app: FastifyInstance, key: string, header = 'x-late'): Promise<number> => {
  return (await app.inject({ method: 'POST', url: '/hooks/late', payload: '{}', headers: { 'content-type': 'application/json', [header]: sign('{}', { key }) } })).statusCode
}

t.test('a stored source is created, read, listed, changed and removed, and its secret is never shown', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: declared })
  await app.ready()
  const { webhookSources } = app
  const actor = { type: 'user', id: 'u1' }
  const created = await webhookSources.create({ ...late, algorithm: 'sha512', timestamp: { header: 'x-time', toleranceSeconds: 10 } }, { actor, requestId: 'r1' })
  t.strictSame({ ...created, createdAt: null, updatedAt: null }, {
    name: 'late', header: 'X-Late', algorithm: 'sha512', timestamp: { header: 'x-time', toleranceSeconds: 10 }, id: created.id, version: 1, createdAt: null, updatedAt: null, hasSecret: true
  })
  t.strictSame(await webhookSources.get('late'), created)
  t.strictSame(await webhookSources.get(created.id ?? ''), created)
  t.equal(await webhookSources.get('nobody'), null)
  const shop = { preset: 'generic', name: 'shop', id: null, version: 0, createdAt: null, updatedAt: null, hasSecret: true }
  t.strictSame(await webhookSources.get('shop'), shop)
  t.strictSame(await webhookSources.list(), [created, shop])

  const changed = await webhookSources.update('late', { algorithm: null, timestamp: null, secret: ['new', 'old'] }, { actor })
  t.strictSame({ ...changed, createdAt: null, updatedAt: null }, { name: 'late', header: 'X-Late', id: created.id, version: 2, createdAt: null, updatedAt: null, hasSecret: true })
  t.strictSame(await webhookSources.secrets('late', { actor }), { secret: ['new', 'old'] })
  t.equal((await webhookSources.update(created.id ?? '', { name: 'renamed' }, { version: 2 })).version, 3)
  await t.rejects(webhookSources.update('renamed', { idHeader: 'x-id' }, { version: 2 }), { code: 'DWA_STORE_CONFLICT' })
  await webhookSources.remove('renamed')
  await t.rejects(webhookSources.remove('renamed'), { code: 'DWA_STORE_NOT_FOUND' })
  await t.rejects(webhookSources.secrets('renamed'), { code: 'DWA_STORE_NOT_FOUND' })

  const entries = (await app.auditLog.find({ event: 'webhook_source.*' })).reverse()
  t.strictSame(entries.map(({ event, target, actor }) => [event, target?.name, actor?.id ?? null]), [
    ['webhook_source.created', 'late', 'u1'], ['webhook_source.updated', 'late', 'u1'], ['webhook_source.secrets_read', 'late', 'u1'], ['webhook_source.updated', 'renamed', null], ['webhook_source.deleted', 'renamed', null]
  ])
  t.notMatch(JSON.stringify(await app.auditLog.find({})), late.secret)
})

t.test('secrets encrypted at rest', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri })
  await app.ready()
  const secrets = ['the first secret of a source', 'the second secret of a source']
  await app.webhookSources.create({ ...late, secret: secrets })
  t.equal(await deliver(app, secrets[1] ?? ''), 200)
  const { db } = app.store.connection
  for (const { name } of await db?.listCollections().toArray() ?? []) {
    const text = JSON.stringify(await db?.collection(name).find().toArray())
    for (const secret of secrets) t.notOk(text.includes(secret) || text.includes(Buffer.from(secret).toString('base64').slice(0, 30)), name)
  }
})

t.test('secret fields write-only in every API answer', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: declared })
  await app.ready()
  const answers = [
    await app.webhookSources.create(late), await app.webhookSources.get('late'), await app.webhookSources.list(), await app.webhookSources.get('shop'),
    await app.webhookSources.update('late', { secret: 'another secret' })
  ]
  t.notMatch(JSON.stringify(answers), /secret of a|whsec|another secret/)
  t.notMatch(JSON.stringify(answers), '"secret"')
})

t.test('what is not a source is refused, with the field', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: declared })
  await app.ready()
  const odd = (value: unknown): never => value as never
  await app.webhookSources.create({ ...late, name: 'taken' })
  const wrong: ReadonlyArray<readonly [SourceInput, string]> = [
    [odd(null), ''], [odd([]), ''], [odd('x'), ''],
    [odd({ ...late, name: undefined }), 'name'], [{ ...late, name: '' }, 'name'], [{ ...late, name: 'a b' }, 'name'], [{ ...late, name: '-a' }, 'name'], [odd({ ...late, name: 1 }), 'name'],
    [odd({ name: 'x', header: 'x' }), 'secret'], [{ ...late, secret: '' }, 'secret'], [{ ...late, secret: [] }, 'secret'], [{ ...late, secret: ['a', ''] }, 'secret'], [odd({ ...late, secret: null }), 'secret'],
    [odd({ ...late, secret: () => 'x' }), 'secret'], [{ name: 'x', secret: 'x' }, 'header'], [{ ...late, header: 'a b' }, 'header'], [{ ...late, header: '' }, 'header'],
    [odd({ ...late, algorithm: 'md5' }), 'algorithm'], [odd({ ...late, encoding: 'base64url' }), 'encoding'], [odd({ ...late, preset: 'github' }), 'preset'], [{ ...late, prefix: 'é' }, 'prefix'],
    [{ ...late, timestamp: { header: 'x', toleranceSeconds: 0 } }, 'timestamp'], [odd({ ...late, timestamp: { header: 'x' } }), 'timestamp'], [{ ...late, dedupeSeconds: 60 }, 'dedupeSeconds'],
    [{ ...late, idHeader: 'x', dedupeSeconds: 0 }, 'dedupeSeconds'], [odd({ ...late, colour: 'red' }), 'colour']
  ]
  for (const [given, field] of wrong) await t.rejects(app.webhookSources.create(given), { code: 'DWA_WEBHOOK_INVALID_SOURCE', field, statusCode: 400 }, field)
  for (const [patch, field] of [
    [{ header: null }, 'header'], [odd({ name: null }), 'name'], [odd({ secret: null }), 'secret'], [{ dedupeSeconds: 5 }, 'dedupeSeconds'], [odd({ id: 'x' }), 'id']
  ] as const) await t.rejects(app.webhookSources.update('taken', patch), { code: 'DWA_WEBHOOK_INVALID_SOURCE', field }, field)
  t.equal((await app.webhookSources.update('taken', { preset: 'docuware', header: null })).preset, 'docuware')
  await t.rejects(app.webhookSources.create({ ...late, name: 'taken' }), { code: 'DWA_STORE_DUPLICATE' })
})

t.test('a name that is both declared and stored is an error', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: declared })
  await app.ready()
  await t.rejects(app.webhookSources.create({ ...late, name: 'shop' }), { code: 'DWA_STORE_DUPLICATE', message: 'The webhook source "shop" exists already' })
  await app.webhookSources.create({ ...late, name: 'other' })
  await t.rejects(app.webhookSources.update('other', { name: 'shop' }), { code: 'DWA_STORE_DUPLICATE' })
  for (const change of [async () => await app.webhookSources.update('shop', { prefix: 'x' }), async () => { await app.webhookSources.remove('shop') }, async () => await app.webhookSources.secrets('shop')]) {
    await t.rejects(async () => { await change() }, { code: 'DWA_WEBHOOK_READ_ONLY_SOURCE', statusCode: 409 })
  }

  // Another app declares what this one may store.
  const { app: second, lines, handled } = await webhookApp(t, { uri, sources: { ...declared, third: { preset: 'generic', secret } } })
  await second.ready()
  const send = async () => await second.inject({ method: 'POST', url: '/hooks/third', payload: '{}', headers: { 'content-type': 'application/json', 'x-signature': sign('{}') } })
  t.equal((await send()).statusCode, 200)
  await app.webhookSources.create({ ...late, name: 'third', header: 'x-signature', secret })
  await eventually('the other process knows', async () => (await send()).statusCode === 500)
  t.match((await send()).json(), { code: 'DWA_WEBHOOK_CONFIGURATION' })
  t.match(lines.join(''), '\\"third\\" is both declared and stored')
  handled.length = 0
  t.equal((await send()).statusCode, 500)
  t.strictSame(handled, [])
  const { app: booting } = await webhookApp(t, { uri, sources: { third: { preset: 'generic', secret } } })
  await t.rejects(async () => { await booting.ready() }, { code: 'DWA_OPTIONS_INVALID', message: 'webhooks.sources.third: a stored source has this name too' })
})

t.test('every process knows of a change within a second', async (t) => {
  const { uri } = await startTestMongo(t)
  const apps = await Promise.all(Array.from({ length: 2 }, async () => (await webhookApp(t, { uri })).app))
  const [one, two] = apps
  if (one === undefined || two === undefined) throw new RangeError('two apps are needed')
  await Promise.all(apps.map(async (app) => { await app.ready() }))
  const noticed = async (what: string, key: string, status: number, header = 'x-late'): Promise<void> => {
    t.equal(await deliver(one, key, header), status, `${what}: at once where it was made`)
    const began = Date.now()
    await eventually(what, async () => await deliver(two, key, header) === status)
    t.ok(Date.now() - began < 1000, what)
  }
  await noticed('unknown', late.secret.toString(), 401)
  const { id } = await one.webhookSources.create(late)
  await noticed('created', late.secret.toString(), 200)
  await one.webhookSources.update('late', { secret: 'another' })
  await noticed('another secret', 'another', 200)
  await noticed('the old secret', late.secret.toString(), 401)
  await one.webhookSources.update('late', { header: 'x-other' })
  await noticed('another header', 'another', 200, 'x-other')
  await one.webhookSources.update('late', { name: 'renamed' })
  await noticed('renamed', 'another', 401, 'x-other')
  await one.webhookSources.update(id ?? '', { name: 'late' })
  await noticed('renamed again', 'another', 200, 'x-other')
  await one.webhookSources.remove('late')
  await noticed('removed', 'another', 401, 'x-other')
})

t.test('54. a source that cannot be read is never a pass', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  let now = Date.now()
  const { app, lines, handled } = await webhookApp(t, { uri: proxy.uri, sources: declared, maxStaleSeconds: 300, store: { clock: clockAt(() => now) } })
  await app.ready()
  await app.webhookSources.create(late)
  t.equal(await deliver(app, late.secret.toString()), 200)

  await proxy.cut()
  await eventually('the loss is noticed', () => !app.store.available)
  t.equal(await deliver(app, late.secret.toString()), 200, 'a stored source serves a while')
  t.equal(await deliver(app, 'another'), 401, 'and refuses')
  t.match(lines.join(''), 'a refused webhook could not be counted')
  now += 301_000
  handled.length = 0
  t.equal(await deliver(app, late.secret.toString()), 503)
  t.strictSame(handled, [])
  const shop = await app.inject({ method: 'POST', url: '/hooks/shop', payload: '{}', headers: { 'content-type': 'application/json', 'x-signature': sign('{}') } })
  t.equal(shop.statusCode, 200, 'a declared one does not need the database')
  t.equal((await app.inject({ method: 'POST', url: '/hooks/shop', payload: '{}', headers: { 'x-signature': sign('x') } })).body, JSON.stringify(invalid))
  await proxy.open()
  await eventually('it is back', () => app.store.available)
  t.equal(await deliver(app, late.secret.toString()), 200)

  const records = app.store.connection.collection('dwa_webhook_sources')
  await records.updateOne({ name: 'late' }, { $set: { secret: 'x' } })
  const { app: fresh, lines: told } = await webhookApp(t, { uri })
  await fresh.ready()
  t.equal(await deliver(fresh, late.secret.toString()), 500, 'a secret that was tampered with')
  t.match(told.join(''), 'a webhook source cannot be used')
  t.notOk(told.join('').includes(late.secret.toString()))
})

t.test('a source that goes while it is read is none; without a boot database the declared ones serve', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri })
  await app.ready()
  const { id } = await app.webhookSources.create(late)
  const records = app.store.connection.collection('dwa_webhook_sources')
  const _id = new mongoose.Types.ObjectId(id ?? '')
  const proxy = await startProxy(t, uri)
  const { app: other } = await webhookApp(t, { uri: proxy.uri })
  await other.ready()
  const hold = proxy.hold('find')
  const answer = deliver(other, late.secret.toString())
  await hold.waiting(1)
  await hold.release()
  t.equal(await answer, 200)
  await records.deleteOne({ _id })

  await proxy.cut()
  const { app: alone } = await webhookApp(t, { uri: proxy.uri, sources: declared })
  await alone.ready()
  const shop = await alone.inject({ method: 'POST', url: '/hooks/shop', payload: '{}', headers: { 'content-type': 'application/json', 'x-signature': sign('{}') } })
  t.equal(shop.statusCode, 200)
  t.equal(await deliver(alone, 'x'), 503)
  await t.rejects(alone.webhookSources.list(), { code: 'DWA_STORE_UNAVAILABLE' })
})

t.test('56. another master key opens no stored source', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri })
  await app.ready()
  await app.webhookSources.create(late)
  await t.rejects(async () => { await (await webhookApp(t, { uri, store: { secretKeys: [otherMasterKey] } })).app.ready() }, { code: 'DWA_STORE_WRONG_KEY' })
})
