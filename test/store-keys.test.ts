import { createDecipheriv } from 'node:crypto'
import t from 'tap'
import { errors } from '../lib/errors.js'
import { recordKinds } from '../lib/record-kinds.js'
import { dataKeyIdOf, LoadedKeyRing } from '../lib/store/key-ring.js'
import { createKeyRing, openKeyRing, readKeyRing, rewrapKeyRing, type DataKeys, type KeyRingDocument } from '../lib/store/key-ring-document.js'
import { withLease } from '../lib/store/lease.js'
import { readMasterKey, unwrapKey, wrapKey } from '../lib/store/master-key.js'
import { OpenedStore } from '../lib/store/open-store.js'
import { rotateKeys } from '../lib/store/rotate-keys.js'
import { asDocuware, authorized, cookieOf, docuwareApp } from './docuware/docuware-app.js'
import { ManualClock } from './manual-clock.js'
import { startProxy } from './mongo-proxy.js'
import { startTestMongo } from './mongo.js'
import { eventually, masterKey, otherMasterKey, storeApp, thingKind, type Thing } from './store-app.js'
import { startWorker } from './workers/fork-worker.js'

const first = readMasterKey(masterKey, 'key')
const second = readMasterKey(otherMasterKey, 'key')
const now = new Date(0)

t.test('56. a master key has at least 32 bytes of base64, and errors never repeat it', async (t) => {
  t.same(readMasterKey(Buffer.alloc(32, 255).toString('base64'), 'k'), readMasterKey(` ${Buffer.alloc(32, 255).toString('base64url')}\n`, 'k'))
  const cases: Array<[string, RegExp]> = [
    [Buffer.alloc(31, 9).toString('base64'), /^store\.secretKeys\[1\]: is 31 bytes long, and at least 32 are needed/],
    ['', /is not base64$/],
    ['not base64! not base64! not base64! not base64!', /is not base64$/],
    ['CQ==CQ==CQ==CQ==CQ==CQ==CQ==CQ==CQ==CQ==CQ==CQ==', /is not base64$/]
  ]
  for (const [key, message] of cases) {
    try {
      readMasterKey(key, 'store.secretKeys[1]')
      t.fail('accepted')
    } catch (error) {
      t.match(error, { code: 'DWA_OPTIONS_INVALID', message })
      if (key !== '') t.notOk(String(error).includes(key))
    }
  }
})

t.test('56. a wrapped data key opens with its own master key, under its own id, unaltered', async (t) => {
  const dataKey = Buffer.alloc(32, 5)
  const wrapped = wrapKey('a1', dataKey, first, now)
  t.same(unwrapKey(wrapped, [second, first]), dataKey)
  t.equal(unwrapKey(wrapped, [second]), null)
  t.equal(unwrapKey({ ...wrapped, id: 'a2' }, [first]), null)
  for (const value of ['', 'v2.a.b.c', wrapped.wrapped.replace('v1', 'v2'), `${wrapped.wrapped}.x`, wrapped.wrapped.slice(0, -4), wrapped.wrapped.replace(/\.[^.]{6}/, '.AAAAAA')]) {
    t.equal(unwrapKey({ ...wrapped, wrapped: value }, [first]), null, value)
  }
  t.notOk(JSON.stringify(wrapped).includes(dataKey.toString('base64').slice(0, 10)))
})

function ringOf (...ids: string[]): DataKeys {
  return { version: ids.length, current: ids.at(-1) ?? '', keys: new Map(ids.map((id, index) => [id, Buffer.alloc(32, index)])) }
}

t.test('56. stored secrets carry the data key\'s id and open only where they belong', async (t) => {
  const ring = new LoadedKeyRing(async () => ringOf('k1', 'k2'), new ManualClock())
  t.throws(() => ring.current('x'), { code: 'DWA_STORE_UNAVAILABLE', statusCode: 503 })
  await ring.reload()
  const value = await ring.encrypt('the secret', 'things/1/pin')
  t.match(value, /^v1\.k2\.[\w-]{16}\.[\w-]+\.[\w-]{22}$/)
  t.equal(dataKeyIdOf(value), 'k2')
  t.equal(await ring.decrypt(value, 'things/1/pin'), 'the secret')
  t.not(await ring.encrypt('the secret', 'things/1/pin'), value, 'never the same twice')
  const [iv = '', sealed = '', tag = ''] = value.split('.').slice(2)
  const decipher = createDecipheriv('aes-256-gcm', ring.current('encryption').key, Buffer.from(iv, 'base64url')).setAAD(Buffer.from('things/1/pin')).setAuthTag(Buffer.from(tag, 'base64url'))
  t.equal(`${decipher.update(Buffer.from(sealed, 'base64url')).toString()}${decipher.final().toString()}`, 'the secret', 'AES-256-GCM')
  for (const [changed, binding] of [[value, 'things/2/pin'], [value, 'things/1/note'], [value.replace('k2', 'k1'), 'things/1/pin'], [value.slice(0, -3), 'things/1/pin'], ['plain', 'things/1/pin'], ['v1.k2.a.b', 'things/1/pin']] as const) {
    await t.rejects(ring.decrypt(changed, binding), { code: 'DWA_STORE_UNREADABLE_SECRET' }, changed)
  }
  t.notSame(ring.current('a').key, ring.current('b').key, 'a key for each purpose')
  t.equal(ring.current('a').key, ring.current('a').key, 'derived once')
  t.same(await ring.find('a', 'k2'), ring.current('a').key)
})

t.test('56. an unknown data key is looked for in the database, at most once a second', async (t) => {
  const clock = new ManualClock()
  let reads = 0
  let known = ['k1']
  const ring = new LoadedKeyRing(async () => {
    reads++
    return ringOf(...known)
  }, clock)
  await ring.reload()
  known = ['k1', 'k2']
  const found = [ring.find('x', 'k2'), ring.find('x', 'k2'), ring.find('x', 'k3')]
  t.equal(reads, 1, 'the ring was read this very second')
  clock.advance(1000)
  const [a, b, c] = await Promise.all(found)
  t.equal(a?.length, 32)
  t.same(a, b)
  t.equal(c, null)
  t.equal(reads, 2)
  clock.advance(5000)
  t.equal(await ring.find('x', 'k4'), null)
  t.equal(reads, 3)
  known = ['k1']
  clock.advance(5000)
  t.equal(await ring.find('x', 'k5'), null)
  t.equal((await ring.find('x', 'k2'))?.length, 32, 'an older answer does not take keys away')
  await t.rejects(new LoadedKeyRing(async () => { throw new errors.DWA_STORE_WRONG_KEY() }, clock).find('x', 'k'), { code: 'DWA_STORE_WRONG_KEY' })
  const broken = new LoadedKeyRing(async () => ({ ...ringOf('k1'), current: 'gone' }), clock)
  await broken.reload()
  t.throws(() => broken.current('x'), { code: 'DWA_STORE_UNAVAILABLE' })
})

t.test('56. the key ring is created once, rewrapped as a whole, and only by compare-and-set', async (t) => {
  const { app } = await storeApp(t, await startTestMongo(t).then(({ uri }) => ({ uri })))
  const ring = app.store.connection.collection<KeyRingDocument>('other_keys')
  t.equal(await readKeyRing(ring), null)
  await t.rejects(rewrapKeyRing(ring, [first], false, now), { code: 'DWA_STORE_NOT_FOUND' })
  await Promise.all(Array.from({ length: 10 }, async () => { await createKeyRing(ring, first, now) }))
  const created = await readKeyRing(ring)
  if (created === null) throw new Error('not created')
  t.match(created, { version: 1, keys: { length: 1 } })
  t.throws(() => openKeyRing(created, [second]), { code: 'DWA_STORE_WRONG_KEY' })
  t.throws(() => openKeyRing({ ...created, current: 'gone' }, [first]), { code: 'DWA_STORE_WRONG_KEY' })

  t.same(await rewrapKeyRing(ring, [first, second], false, now), { current: created.current, version: 1, changed: false })
  t.same(await rewrapKeyRing(ring, [second, first], false, now), { current: created.current, version: 2, changed: true })
  const rewrapped = await readKeyRing(ring)
  if (rewrapped === null) throw new Error('gone')
  t.same(openKeyRing(rewrapped, [second]).keys, openKeyRing(created, [first]).keys, 'the data key is the same')
  t.throws(() => openKeyRing(rewrapped, [first]), { code: 'DWA_STORE_WRONG_KEY' })

  const added = await Promise.all(Array.from({ length: 4 }, async () => await rewrapKeyRing(ring, [second], true, now)))
  const grown = await readKeyRing(ring)
  t.match(grown, { version: 6, keys: { length: 5 } }, 'no concurrent rotation was lost')
  t.ok(added.some(({ current }) => current === grown?.current))
  const contested = Object.assign(Object.create(ring), { updateOne: async () => ({ modifiedCount: 0 }) })
  const broken = Object.assign(Object.create(ring), { updateOne: async () => { throw new RangeError('broken') }, findOneAndUpdate: async () => { throw new RangeError('broken') } })
  await t.rejects(createKeyRing(broken, first, now), RangeError)
  await t.rejects(withLease({ leases: broken, run: async (access) => await access(), clock: new ManualClock(), logger: { info () {}, warn () {}, error () {} } }, 'rule', async () => 1), RangeError)
  await t.rejects(rewrapKeyRing(contested, [second], true, now), { code: 'DWA_STORE_CONFLICT' })
})

t.test('56. two processes that start at once on an empty database agree on the data key, and so does a third', async (t) => {
  const { uri } = await startTestMongo(t)
  const workers = [startWorker(t, uri, 'open'), startWorker(t, uri, 'open')]
  const [a, b] = await Promise.all(workers.map(async (worker) => await worker.next()))
  t.type(a?.['keyId'], 'string')
  t.equal(a?.['keyId'], b?.['keyId'])
  for (const worker of workers) worker.stop()
  t.same(await Promise.all(workers.map(async (worker) => await worker.exit)), [[0, null], [0, null]])
  const { app } = await storeApp(t, { uri })
  t.equal(app.store.keyRing.current('test').keyId, a?.['keyId'])
  t.match(await app.auditLog.verify(), { ok: true, chains: 3 })
})

t.test('56. without a fitting master key the app does not start, and says why', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  await app.close()
  await t.rejects(storeApp(t, { uri, secretKeys: [otherMasterKey] }), { code: 'DWA_STORE_WRONG_KEY', message: /None of store\.secretKeys opens this database/ })
  await storeApp(t, { uri, secretKeys: [otherMasterKey, masterKey] })
})

t.test('56. a key ring that is gone while the log is not is never replaced by a new one', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  await app.store.connection.collection('dwa_keys').drop()
  await app.close()
  await t.rejects(storeApp(t, { uri }), { code: 'DWA_STORE_KEYS_MISSING', message: /dwa_keys is missing although dwa_log has entries/ })
})

t.test('56. keys rotate under load by two processes: nothing is unreadable, nothing is refused', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri, secretKeys: [masterKey, otherMasterKey] })
  const things = app.store.records<Thing>(thingKind)
  const idle = await things.create({ name: 'idle', pin: 'of the first key', note: 'too' })
  const workers = [startWorker(t, uri, 'load'), startWorker(t, uri, 'load')]
  await Promise.all(workers.map(async (worker) => await worker.next()))
  const store = app.store
  if (!(store instanceof OpenedStore)) throw new Error('another store')
  const before = store.keyRing.current('test').keyId
  const options = { kinds: [thingKind], now: Date.now }
  t.match(await rotateKeys(store, { ...options, masterKeys: [second, first], dataKey: false }), { changed: true, current: before, reencrypted: 0 })
  t.match(await rotateKeys(store, { ...options, masterKeys: [second, first], dataKey: false }), { changed: false })
  const seen = new Set([before])
  for (let round = 0; round < 3; round++) {
    const result = await rotateKeys(store, { ...options, masterKeys: round % 2 === 0 ? [first, second] : [second, first], dataKey: true })
    t.match(result, { changed: true, unreadable: [] })
    t.ok(result.reencrypted >= 2, `${result.reencrypted} re-encrypted`)
    seen.add(result.current)
  }
  t.equal(seen.size, 4)
  for (const worker of workers) worker.stop()
  for (const worker of workers) {
    const { rounds, failures } = await worker.next()
    t.same(failures, [])
    t.ok(Number(rounds) > 0, `${String(rounds)} rounds`)
    t.same(await worker.exit, [0, null])
  }
  t.same(await things.secrets(idle.id), { pin: 'of the first key', note: 'too' })
  const stored = await app.store.connection.collection('dwa_things').findOne({ name: 'idle' })
  t.equal(dataKeyIdOf(String(stored?.['pin'])), store.keyRing.current('test').keyId)
  t.match(await app.auditLog.verify(), { ok: true }, 'entries of the old data keys still verify')
  t.equal((await app.auditLog.find({ event: 'key.rotated' })).length, 4)
})

t.test('56. a rotation whose maker died before he told of it is heard of when the tail begins anew, and told of by the next run', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app } = await storeApp(t, { uri: proxy.uri })
  const { store } = app
  if (!(store instanceof OpenedStore)) throw new Error('another store')
  const options = { kinds: [thingKind], now: Date.now, masterKeys: [first] as const, dataKey: false }
  t.match(await rotateKeys(store, options), { changed: false })
  t.equal((await app.auditLog.find({ event: 'key.rotated' })).length, 0, 'a ring that never changed needs no word')
  const { current } = await rewrapKeyRing(store.connection.collection<KeyRingDocument>('dwa_keys'), [first], true, new Date())
  t.not(store.keyRing.current('x').keyId, current)
  await proxy.cut()
  await eventually('the loss is noticed', () => !store.available)
  await proxy.open()
  await eventually('the new key is used', () => store.keyRing.current('x').keyId === current)
  for (let run = 0; run < 2; run++) {
    t.match(await rotateKeys(store, options), { changed: false, current })
    t.match((await app.auditLog.find({ event: 'key.rotated' })).map(({ details }) => details), [{ current, wrappedBy: first.fingerprint }])
  }
})

t.test('56. a stored secret that cannot be read is named, and kept as it is', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  const things = app.store.records<Thing>(thingKind)
  const good = await things.create({ name: 'good', pin: '1' })
  const bad = await things.create({ name: 'bad', pin: '2' })
  const raw = app.store.connection.collection('dwa_things')
  const moved = await raw.findOne({ name: 'good' })
  await raw.updateOne({ name: 'bad' }, { $set: { pin: moved?.['pin'] } })
  await t.rejects(things.secrets(bad.id), { code: 'DWA_STORE_UNREADABLE_SECRET', message: new RegExp(`things/${bad.id}/pin`) })
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  t.match(await rotateKeys(app.store, { kinds: [thingKind], now: Date.now, masterKeys: [first], dataKey: true }), { reencrypted: 1, unreadable: [`things/${bad.id}/pin`] })
  t.same(await things.secrets(good.id), { pin: '1' })
  t.equal((await raw.findOne({ name: 'bad' }))?.['pin'], moved?.['pin'])
})

t.test('56. connections live through a new data key: their secrets are encrypted anew and open, tokens are refreshed, and an authorization under way ends well', async (t) => {
  const { app, dw } = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  await authorized(app, dw, 'other')
  const { store } = app
  if (!(store instanceof OpenedStore)) throw new Error('another store')
  const raw = store.connection.collection('dwa_connections')
  const sealed = async (): Promise<string[]> => (await raw.find().sort({ name: 1 }).toArray()).flatMap(({ clientSecret, accessToken, refreshToken }) => [clientSecret, accessToken, refreshToken]).map(String)
  const secrets = async (): Promise<unknown[]> => await Promise.all(['acme', 'other'].map(async (name) => await app.docuware.connections.secrets(name)))
  const [before, old] = [await secrets(), await sealed()]
  const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })

  const { current, ...rotation } = await rotateKeys(store, { kinds: recordKinds, now: Date.now, masterKeys: [first], dataKey: true })
  t.strictSame(rotation, { changed: true, reencrypted: 6, unreadable: [] })
  const fresh = await sealed()
  t.strictSame(fresh.map(dataKeyIdOf), Array(6).fill(current), 'by the new data key')
  t.notOk(old.some((text) => dataKeyIdOf(text) === current || fresh.includes(text)))
  t.strictSame(await secrets(), before)

  dw.expireTokens()
  for (const name of ['acme', 'other']) t.match(await app.docuware.client(name).whoami(), { User: { Id: dw.user.sub } })
  t.strictSame((await sealed()).map(dataKeyIdOf), Array(6).fill(current))
  const back = new URL(await dw.signIn(String(started.headers.location)))
  t.match(await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started) } }), { statusCode: 200 }, 'begun under the old data key')
  t.equal(dataKeyIdOf((await sealed())[1] ?? ''), current)
})
