import t, { type Test } from 'tap'
import { connectionKind } from '../../lib/docuware/connection-kind.js'
import type { StoredConnection } from '../../lib/docuware/connection-schema.js'
import { connectionGrants } from '../../lib/docuware/connection-grants.js'
import { openConnection, type OpenConnection } from '../../lib/docuware/open-connection.js'
import { errors } from '../../lib/errors.js'
import { UnsavedTokens, type TokenSource } from '../../lib/oauth-client/unsaved-tokens.js'
import type { RecordCollection } from '../../lib/store/record-collection.js'
import { ManualClock } from '../manual-clock.js'
import { startProxy, type MongoProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually, storeApp } from '../store-app.js'
import { clockedApp, entriesOf, linesOf, MovableClock, moveToEnd, newestTokens, outcomes, refreshes, statusOf, tokensOf, type ClockedApp } from './clocked-app.js'
import { authorized, type DocuwareAppOptions } from './docuware-app.js'

t.test('while MongoDB is away a valid token serves for five minutes, until it ends at the latest', async (t) => {
  const cases: Array<[lifetime: number, left: number, serves: number]> = [[3600, 3000, 300], [3600, 200, 200], [400, 390, 300], [400, 10, 10]]
  const { uri } = await startTestMongo(t)
  await Promise.all(cases.map(async ([accessToken, left, serves], index) => {
    const proxy = await startProxy(t, uri)
    const made = await clockedApp(t, { uri: proxy.uri, database: uri, simulator: { lifetimes: { accessToken } }, store: { collectionPrefix: `s${index}_` } })
    const { app, dw, clock } = made
    const other = await clockedApp(t, { uri: proxy.uri, database: uri, dw, clock, store: { collectionPrefix: `s${index}_` } })
    await authorized(app, dw)
    dw.failNext(Infinity, 503, { grantType: 'refresh_token' })
    await moveToEnd(made, left * 1000)
    clock.hold()
    t.same(await outcomes(made, 1), ['ok'])
    dw.clearCalls()
    await proxy.cut()
    await eventually('the loss is noticed', () => !app.store.available && !other.app.store.available)
    const what = `${left} s of ${accessToken}`
    t.same(await outcomes(made, 20), ['ok'], what)
    t.same(await outcomes(other, 20), ['DWA_STORE_UNAVAILABLE'], 'who has not read it has nothing to go on with')
    clock.advance(serves * 1000 - 500)
    t.same(await outcomes(made, 20), ['ok'], what)
    clock.advance(1000)
    t.match(await app.docuware.client('acme').get('/Organizations').catch((error: unknown) => error), { code: 'DWA_STORE_UNAVAILABLE', statusCode: 503 }, what)
    t.equal(refreshes(dw), 0, 'without a lease nobody refreshes')
    dw.clearPlans()
    await proxy.open()
    await eventually('it is back', async () => (await outcomes(made, 1)).includes('ok'))
  }))
})

const unsavedLine = 'new tokens could not be saved: they are kept in memory, trying on'
const lostLine = 'new tokens are lost, because the database did not come back: the connection must be authorized again'

interface Interrupted extends ClockedApp { readonly proxy: MongoProxy, readonly pending: Promise<unknown[]>, readonly release: () => void }

/** An app whose database is away when the identity service has rotated, and its answer is still to come. */
async function interrupted (t: Test, options: DocuwareAppOptions & { readonly clock?: MovableClock } = {}): Promise<Interrupted> {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const made = await clockedApp(t, { uri: proxy.uri, database: uri, ...options })
  await authorized(made.app, made.dw)
  await moveToEnd(made, -1000)
  const gate = made.dw.holdTokens({ grantType: 'refresh_token' })
  const pending = outcomes(made, 20)
  await gate.waiting()
  await proxy.cut()
  return { ...made, uri, proxy, pending, release: () => { gate.release() } }
}

t.test('tokens that cannot be saved are used from memory, and saved when the database is back', async (t) => {
  const made = await interrupted(t, { simulator: { lifetimes: { accessToken: 400 } } })
  const { app, dw, clock, proxy, pending, release } = made
  release()
  t.same(await pending, ['ok'])
  t.same(await outcomes(made, 20), ['ok'])
  clock.advance(250_000)
  t.same(await outcomes(made, 20), ['ok'], 'for as long as they are good, whether they should be refreshed by now or not')
  t.equal(refreshes(dw), 1)
  t.match(linesOf(made, unsavedLine), [{ level: 'warn', details: { connection: 'acme', reason: /The database cannot be reached/ } }])
  t.equal(linesOf(made, unsavedLine).length, 1, 'one line')
  await proxy.open()
  await eventually('they are saved', async () => await tokensOf(app).then(({ refreshToken }) => refreshToken === newestTokens(dw).refreshToken, () => false))
  t.same(await tokensOf(app), newestTokens(dw))
  await eventually('it is in the log', async () => (await entriesOf(app, 'connection.tokens_unsaved')).length === 1)
  const entries = await entriesOf(app, 'connection.tokens_unsaved')
  t.match(entries, [{ level: 'warning', target: { name: 'acme' } }])
  t.equal(entries.length, 1)
  t.match(await entriesOf(app, 'connection.refreshed'), { length: 1 })
  await app.store.connection.collection('dwa_leases').deleteMany({})
  t.same(await outcomes(made, 20), ['ok'], 'and the next refresh presents the new one')
  t.same(await tokensOf(app), newestTokens(dw))
  t.equal(refreshes(dw), 2)
})

t.test('tokens that another process took for lost are saved over its verdict', async (t) => {
  const made = await interrupted(t)
  const { app, dw, uri, clock, proxy, pending, release } = made
  release()
  t.same(await pending, ['ok'])
  const other = await clockedApp(t, { uri, dw, clock })
  await other.app.store.connection.collection('dwa_leases').deleteMany({})
  t.same(await outcomes(other, 5), ['DWA_DOCUWARE_REAUTHORIZE'])
  t.match(await other.app.docuware.connections.get('acme'), { status: 'reauthorize' })
  t.same(await outcomes(made, 20), ['ok'])
  await proxy.open()
  await eventually('they are saved', async () => (await other.app.docuware.connections.get('acme'))?.status === 'authorized')
  t.match(await other.app.docuware.connections.get('acme'), { statusMessage: null })
  await eventually('they are good for everyone', async () => (await outcomes(other, 5)).every((outcome) => outcome === 'ok'))
  t.equal(refreshes(dw), 2)
  t.same(await tokensOf(other.app), await tokensOf(app))
})

t.test('tokens whose connection was revoked meanwhile are thrown away', async (t) => {
  const made = await interrupted(t)
  const { app, dw, uri, clock, proxy, pending, release } = made
  release()
  t.same(await pending, ['ok'])
  const other = await clockedApp(t, { uri, dw, clock })
  await other.app.store.connection.collection('dwa_leases').deleteMany({})
  await other.app.docuware.revoke('acme')
  await proxy.open()
  await eventually('it is noticed', async () => (await outcomes(made, 1)).includes('DWA_DOCUWARE_NOT_AUTHORIZED'))
  t.match(await app.docuware.connections.get('acme'), { status: 'draft', hasAccessToken: false, hasRefreshToken: false })
})

t.test('tokens that wait are saved before the next refresh, and before they are revoked', async (t) => {
  await Promise.all(['refresh', 'revoke'].map(async (next) => {
    const clock = new MovableClock()
    clock.timers.set(500, Infinity) // nobody tries to save them by himself
    const made = await interrupted(t, { clock })
    const { app, dw, proxy, pending, release } = made
    release()
    t.same(await pending, ['ok'])
    await proxy.open()
    await eventually('it is back', () => app.store.available)
    await app.store.connection.collection('dwa_leases').deleteMany({})
    t.not((await tokensOf(app)).refreshToken, newestTokens(dw).refreshToken)
    if (next === 'refresh') {
      dw.expireTokens()
      t.same(await outcomes(made, 20), ['ok'])
      t.equal(refreshes(dw), 2)
      t.equal((await tokensOf(app)).refreshToken, newestTokens(dw).refreshToken)
    } else {
      await app.docuware.revoke('acme')
      t.equal(await statusOf(dw, newestTokens(dw).accessToken), 401)
      t.match(await app.docuware.connections.get('acme'), { status: 'draft', hasRefreshToken: false })
    }
  }))
})

t.test('tokens that were saved although nobody heard of it are not saved twice', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const made = await clockedApp(t, { uri: proxy.uri, database: uri })
  const { app, dw } = made
  const { id, version } = await authorized(app, dw)
  await moveToEnd(made, -1000)
  const gate = dw.holdTokens({ grantType: 'refresh_token' })
  const pending = outcomes(made, 5)
  await gate.waiting()
  proxy.loseReplyTo('findAndModify')
  gate.release()
  t.same(await pending, ['ok'])
  await eventually('they are saved', async () => await tokensOf(app).then(({ refreshToken }) => refreshToken === newestTokens(dw).refreshToken, () => false))
  t.same(await outcomes(made, 20), ['ok'])
  t.equal(refreshes(dw), 1)
  await eventually('nothing waits any more', async () => await app.store.connection.collection('dwa_connections').countDocuments({ version: version + 1 }).then((count) => count === 1, () => false))
  t.match(await app.docuware.connections.get(id), { status: 'authorized', version: version + 1 })
})

t.test('the end of the app is the last try to save tokens; those that are lost are an error in the log', async (t) => {
  await Promise.all([true, false].map(async (isBack) => {
    const clock = new MovableClock()
    clock.timers.set(500, Infinity)
    const made = await interrupted(t, { clock })
    const { app, dw, uri, proxy, pending, release } = made
    release()
    t.same(await pending, ['ok'])
    if (isBack) {
      await proxy.open()
      await eventually('it is back', () => app.store.available)
    }
    await app.close()
    t.strictSame(linesOf(made, lostLine).map(({ level, details }) => [level, details['connection']]), isBack ? [] : [['error', 'acme']])
    const next = await clockedApp(t, { uri, dw, clock })
    t.equal((await tokensOf(next.app)).refreshToken === newestTokens(dw).refreshToken, isBack)
  }))
})

t.test('the end of the app waits for a refresh under way, and lets no other begin', async (t) => {
  const { uri } = await startTestMongo(t)
  const made = await clockedApp(t, { uri })
  const { app, dw, clock } = made
  await authorized(app, dw)
  await authorized(app, dw, 'late')
  await moveToEnd(made, -1000)
  await authorized(app, dw, 'near its end')
  await app.store.connection.collection('dwa_connections').updateOne({ name: 'near its end' }, { $set: { expiresAt: clock.now() + 60_000 } })
  const gate = dw.holdTokens({ grantType: 'refresh_token' })
  const pending = outcomes(made, 5)
  await gate.waiting()
  const closing = app.close()
  await eventually('it is closing', async () => await app.docuware.client('late').whoami().then(() => false, (error: { message?: string }) => error.message?.endsWith('the app is closing') === true))
  t.match(await app.docuware.client('near its end').whoami(), { User: {} }, 'what is good goes on')
  gate.release()
  await closing
  t.same(await pending, ['ok'])
  t.equal(refreshes(dw), 1)
  const next = await clockedApp(t, { uri, dw, clock })
  t.equal((await tokensOf(next.app)).refreshToken, newestTokens(dw).refreshToken)
})

t.test('a verdict that was written although nobody heard of it is not reached again', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const made = await clockedApp(t, { uri: proxy.uri, database: uri })
  const { app, dw } = made
  await authorized(app, dw)
  await moveToEnd(made, -1000)
  dw.expireRefreshTokens()
  const gate = dw.holdTokens({ grantType: 'refresh_token' })
  const pending = outcomes(made, 5)
  await gate.waiting()
  proxy.loseReplyTo('findAndModify')
  gate.release()
  t.same(await pending, ['DWA_STORE_UNAVAILABLE'])
  await eventually('it is back', async () => (await outcomes(made, 1)).includes('DWA_DOCUWARE_REAUTHORIZE'))
  t.equal(refreshes(dw), 1)
})

t.test('tokens are saved in spite of other changes; whatever keeps them from it, they are tried again until the end', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, lines } = await storeApp(t, { uri })
  const records = app.store.records<StoredConnection>(connectionKind)
  await app.ready()
  const clock = new ManualClock()
  const update = records.update.bind(records)
  let refuse = async (): Promise<void> => {}
  const notAsked = (): never => { throw new Error('not in this test') }
  const interfered: RecordCollection<StoredConnection> = {
    kind: records.kind,
    create: records.create.bind(records),
    get: records.get.bind(records),
    getByName: records.getByName.bind(records),
    list: records.list.bind(records),
    page: records.page.bind(records),
    count: records.count.bind(records),
    remove: records.remove.bind(records),
    secrets: records.secrets.bind(records),
    open: records.open.bind(records),
    async update (...args) {
      await refuse()
      return await update(...args)
    }
  }
  const unsaved = new UnsavedTokens({ grants: connectionGrants({ records: interfered, forget () {}, identityOf: notAsked, discover: notAsked, auditLog: app.auditLog }), auditLog: app.auditLog, clock, logger: app.log, refreshBefore: 300_000 })
  const { id } = await records.create({ name: 'acme', platformUrl: 'https://acme.docuware.cloud/DocuWare/Platform', clientId: 'c', scopes: ['s'], status: 'authorized', configuration: 1, refreshToken: 'r-0' })
  const source: TokenSource<OpenConnection> = { follow: () => true, note: { event: 'connection.refreshed' } }
  const save = async (accessToken: string): Promise<string> => {
    const record = await records.open(id)
    if (record === null) throw new Error('it is gone')
    return (await unsaved.save(openConnection(record), { accessToken, tokenType: 'Bearer', expiresIn: 3600 }, source)).result
  }
  const saved = async (): Promise<string | undefined> => (await records.secrets(id))['accessToken']
  const said = (message: string): object[] => lines.splice(0).filter((line) => line.message === message).map(({ level, details }) => ({ level, connection: details['connection'] }))

  let conflicts = 3
  refuse = async () => { if (conflicts-- > 0) throw new errors.DWA_STORE_CONFLICT('The connection') }
  t.equal(await save('a-1'), 'saved')
  t.equal(await saved(), 'a-1')
  t.same(said(unsavedLine), [])

  refuse = async () => { throw new errors.DWA_STORE_CONFLICT('The connection') }
  t.equal(await save('a-2'), 'waiting')
  t.ok(unsaved.isWaiting(id))
  refuse = async () => { throw new RangeError('odd') }
  t.notOk(await unsaved.settle(id))
  t.same(said(unsavedLine), [{ level: 'error', connection: 'acme' }], 'what is no outage is an error, and said once')
  refuse = async () => {}
  clock.advance(500)
  await eventually('they are saved', async () => await saved() === 'a-2')
  await eventually('nothing waits any more', () => !unsaved.isWaiting(id))
  clock.advance(60_000)
  t.ok(await unsaved.settle(id))

  refuse = async () => { await new Promise(() => {}) }
  save('a-3').catch(t.fail)
  await eventually('they wait', () => unsaved.isWaiting(id))
  const closed = unsaved.close()
  clock.advance(2000)
  await closed
  t.same(said(lostLine), [{ level: 'error', connection: 'acme' }], 'the end waits two seconds for a database that does not answer')
  refuse = async () => { throw new RangeError('odd') }
  t.equal(await save('a-4'), 'waiting')
  t.same(said(lostLine), [{ level: 'error', connection: 'acme' }], 'what comes after the end has one try')
  refuse = async () => {}
  t.equal(await save('a-5'), 'saved')
  await unsaved.close()
  t.equal(await saved(), 'a-5')
})
