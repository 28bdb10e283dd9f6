import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { DocuwareOptions } from '../../index.js'
import type { ConnectionSecrets } from '../../lib/docuware/connections.js'
import { requestBounded } from '../../lib/http/bounded-request.js'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { compiled } from '../workers/compiled.js'
import type { Outcomes } from '../workers/docuware-worker.js'
import { authorize, authorized, docuwareApp, redirectUri, searchAtEnd } from './docuware-app.js'
import { Fleet, type DocuwareProcess } from './docuware-process.js'

const fleet = new Fleet(t, await compiled(t, './docuware-worker.ts'))
const modes = ['rotate', 'rotate+revokeFamily', 'reuse'] as const
const hour = 3600_000
/** An exchange may take 3 s, so that a lease lasts 8 s. */
const hasty: DocuwareOptions = { http: { timeoutMs: 3000 } }
const leaseTime = 8000
/** Milliseconds that a busy machine may add. */
const margin = 4000
const reauthorize = { DWA_DOCUWARE_REAUTHORIZE: 1 }
const ok = { ok: 1 }

async function simulator (t: Test, options: DocuWareOptions = {}): Promise<DocuWare> {
  const dw = await startDocuWare({ autoApprove: true, redirectUris: [redirectUri], ...options })
  t.teardown(() => dw.stop())
  return dw
}

/** One simulator for each refresh mode. None of their secrets is to be in the database at the end, or in what a process has said. */
async function simulators (t: Test, uri: string): Promise<Array<{ readonly mode: typeof modes[number], readonly dw: DocuWare }>> {
  return await Promise.all(modes.map(async (mode) => {
    const dw = await simulator(t, { refreshMode: mode })
    searchAtEnd(t, dw, uri, fleet.lines)
    return { mode, dw }
  }))
}

const refreshes = (dw: DocuWare): number => dw.counters()['POST /connect/token refresh_token'] ?? 0

/** Gives each process an app on the database. */
async function opened (processes: readonly DocuwareProcess[], uri: string, docuware: DocuwareOptions = {}): Promise<void> {
  await Promise.all(processes.map(async (one) => { await one.run('open', uri, docuware) }))
}

/** Time passes, in the processes only. */
async function advance (processes: readonly DocuwareProcess[], milliseconds: number): Promise<void> {
  await Promise.all(processes.map(async (one) => { await one.run('advance', milliseconds) }))
}

/** So many calls in each of the processes. */
async function call (processes: readonly DocuwareProcess[], connection: string, count = 1): Promise<Outcomes[]> {
  return await Promise.all(processes.map(async (one) => await one.run('call', connection, count)))
}

/** The tokens in the record. */
async function tokensOf (app: FastifyInstance, name: string): Promise<Pick<ConnectionSecrets, 'accessToken' | 'refreshToken'>> {
  const { accessToken, refreshToken } = await app.docuware.connections.secrets(name)
  return { accessToken, refreshToken }
}

/** What a promise resolves to, and how many milliseconds after `since`. */
async function timed<T> (promise: Promise<T>, since = Date.now()): Promise<{ readonly value: T, readonly after: number }> {
  const value = await promise
  return { value, after: Date.now() - since }
}

t.test('800 calls in four processes refresh an access token once', async (t) => {
  const processes = fleet.four()
  const { uri } = await startTestMongo(t)
  const all = await simulators(t, uri)
  const cases: ReadonlyArray<readonly [string, (dw: DocuWare) => Promise<void>]> = [
    ['the platform answers 401', async (dw) => { dw.expireTokens() }],
    ['it has ended', async (dw) => {
      dw.expireTokens()
      await advance(processes, hour)
    }]
  ]
  for (const { mode, dw } of all) {
    const { app } = await docuwareApp(t, { dw, uri })
    await opened(processes, uri)
    await authorized(app, dw, mode)
    t.strictSame(await call(processes, mode), Array(4).fill(ok))
    for (const [what, happen] of cases) {
      await happen(dw)
      dw.clearCalls()
      const { value: outcomes, after } = await timed(call(processes, mode, 200))
      t.strictSame(outcomes, Array(4).fill({ ok: 200 }), `${mode}, ${what}`)
      t.strictSame(await call(processes, mode), Array(4).fill(ok))
      t.equal(refreshes(dw), 1, `${mode}, ${what}: one refresh`)
      t.comment(`${mode}, ${what}: ${after} ms`)
    }
    await app.close()
  }
})

t.test('a process that stands still beyond its lease and then goes on loses no newer token, and brings back no older one', async (t) => {
  const [still, ...others] = fleet.four()
  const { uri } = await startTestMongo(t)
  const all = await simulators(t, uri)
  const { app } = await docuwareApp(t, { dw: await simulator(t), uri })
  for (const { mode, dw } of all) await authorized(app, dw, mode)
  await opened([still, ...others], uri, hasty)
  await advance([still, ...others], hour)
  const gates = all.map(({ dw }) => dw.holdTokens())
  const late = all.map(async ({ mode }) => await still.run('call', mode, 1))
  await Promise.all(gates.map(async (gate) => { await gate.waiting() }))
  still.standStill()
  const began = Date.now()
  for (const gate of gates) gate.release()
  const outcomes = await Promise.all(all.map(async ({ mode }) => await timed(call(others, mode), began)))
  for (const [i, { value, after }] of outcomes.entries()) {
    t.strictSame(value, Array(3).fill(modes[i] === 'reuse' ? ok : reauthorize), String(modes[i]))
    t.ok(after < leaseTime + margin, `${String(modes[i])}: the others waited ${after} ms`)
  }
  const meanwhile = await Promise.all(modes.map(async (mode) => await tokensOf(app, mode)))
  still.goOn()
  // To a driver that stood still, the database seems to be away for a moment.
  const [rotated, revoked, reused] = await Promise.all(late)
  t.strictSame([rotated, reused], [ok, ok])
  t.notOk(revoked?.['ok'])
  const newest = all[0]?.dw.secretsIssued().refreshTokens.at(-1)
  await eventually('the token that only the one that stood still was given is saved', async () => (await tokensOf(app, 'rotate')).refreshToken === newest)
  t.strictSame(await tokensOf(app, 'reuse'), meanwhile[2], 'the later one of two access tokens')
  t.strictSame(await call(others, 'rotate'), Array(3).fill(ok))
  t.strictSame(await call(others, 'reuse'), Array(3).fill(ok))
  await eventually('all were tried', async () => {
    t.strictSame(await call(others, 'rotate+revokeFamily'), Array(3).fill(reauthorize), 'the identity service has ended them all')
    return all.map(({ dw }) => refreshes(dw)).join() === '2,3,2'
  })
  for (const { dw } of all) dw.expireTokens()
  t.strictSame(await call([still, ...others], 'rotate'), Array(4).fill(ok))
  t.strictSame(await call([still, ...others], 'reuse'), Array(4).fill(ok))
})

t.test('an exchange after whose time the process stood still reads the answer that is there, and is not begun any more', async (t) => {
  let [requests, stall] = [0, () => {}]
  const server = createServer((_request, response) => {
    requests++
    response.end('an answer', () => { stall() })
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const standStill = (): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900) }
  const exchange = async (): Promise<string> => (await requestBounded(url, { timeoutMs: 400, maxBytes: 100, allowSpecialAddress: true })).body.toString()
  const unsent = exchange()
  standStill()
  await t.rejects(unsent, { message: 'no complete answer within 400 ms' })
  t.equal(requests, 0)
  stall = standStill
  t.equal(await exchange(), 'an answer')
  t.equal(requests, 1)
})

t.test('tokens that come while the database is away are used at once and saved when it is back', async (t) => {
  const [first, ...others] = fleet.four()
  const { app, dw, uri } = await docuwareApp(t)
  const proxy = await startProxy(t, uri)
  await authorized(app, dw)
  await opened([first], proxy.uri)
  await opened(others, uri)
  t.strictSame(await call([first, ...others], 'acme'), Array(4).fill(ok))
  await advance([first, ...others], hour)
  const gate = dw.holdTokens()
  const calling = call([first], 'acme', 5)
  await gate.waiting()
  await proxy.cut()
  gate.release()
  t.strictSame(await calling, [{ ok: 5 }])
  t.strictSame(await call([first], 'acme'), [ok])
  const { refreshToken } = await tokensOf(app, 'acme')
  t.not(refreshToken, dw.secretsIssued().refreshTokens.at(-1), 'the record still has the old one')
  await proxy.open()
  await eventually('they are saved', async () => (await tokensOf(app, 'acme')).refreshToken !== refreshToken)
  t.strictSame(await tokensOf(app, 'acme'), { accessToken: dw.secretsIssued().accessTokens.at(-1), refreshToken: dw.secretsIssued().refreshTokens.at(-1) })
  t.strictSame(await call(others, 'acme'), Array(3).fill(ok))
  t.equal(refreshes(dw), 1)
  await eventually('the log says so', async () => (await app.auditLog.find({ event: 'connection.tokens_unsaved' })).length === 1)
})

t.test('a connection that is revoked or changed is noticed at once by the process that did it, and within a second by the others', async (t) => {
  const processes = fleet.four()
  const { app, dw, uri } = await docuwareApp(t)
  const elsewhere = await simulator(t)
  await opened(processes, uri)
  const cases = [
    ['revoked', 'revoke', 'DWA_DOCUWARE_NOT_AUTHORIZED'],
    ['moved', { platformUrl: elsewhere.platformUrl }, 'DWA_DOCUWARE_NOT_AUTHORIZED'],
    ['renamed', { name: 'another' }, 'DWA_STORE_NOT_FOUND'],
    ['removed', 'remove', 'DWA_STORE_NOT_FOUND']
  ] as const
  for (const [name, change, code] of cases) {
    await authorized(app, dw, name)
    dw.failNext(2, 500, { on: 'identity', path: '/connect/revocation' }) // so that nobody learns of it from DocuWare
    const good = processes.map(async (one) => { await one.good() })
    const calling = processes.map(async (one) => await one.run('callUntilItFails', name))
    await Promise.all(good)
    const { began, at, next } = await processes[0].run('change', name, change)
    t.equal(next, code)
    const [own, ...others] = await Promise.all(calling)
    t.match(own, { code })
    t.ok((own?.lastGood ?? Infinity) <= at, `${name}: at once`)
    for (const other of others) t.equal(other.code, code)
    const slowest = Math.max(0, ...others.map(({ lastGood }) => lastGood - began))
    t.ok(slowest < 1000, `${name}: ${slowest} ms`)
    t.comment(`${name}: noticed elsewhere within ${slowest} ms`)
    dw.clearPlans()
  }
  t.strictSame(elsewhere.calls(), [])
})

t.test('processes whose clocks are five minutes apart agree on what has ended: an access token, an authorization, a sync that crashed', async (t) => {
  const minute = 60_000
  const { app, dw, uri } = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  for (const wrongBy of [-5 * minute, 5 * minute]) {
    const both = [fleet.at(0), fleet.at(1)] as const
    const [one, other] = both
    await one.run('open', uri, {}, wrongBy)
    await other.run('open', uri, {}, -wrongBy)
    dw.clearCalls()
    for (const [passed, status] of [[9.5 * minute, 200], [10.5 * minute, 400]] as const) {
      const { url, cookie } = await one.run('begin', id)
      const callback = await dw.signIn(url)
      await advance(both, passed)
      t.equal(await other.run('end', callback, cookie), status, `${passed / minute} minutes after it was begun`)
    }
    t.match(fleet.lines.join(''), '"url":"/docuware/oauth/callback"', 'what the processes say is heard')
    await advance(both, 43 * minute)
    t.strictSame(await call(both, 'acme'), [ok, ok])
    t.equal(refreshes(dw), 0, 'nobody refreshes a token that has more than five minutes left')
    await advance(both, 2 * minute)
    t.strictSame(await call(both, 'acme'), [ok, ok])
    t.equal(refreshes(dw), 1, 'and one does where it has less')

    dw.slowNext(1, { path: '/Organizations', delayMs: 60_000 })
    dw.clearCalls()
    const lost = one.run('sync', id).catch(String)
    await eventually('it is under way', () => dw.counters()['GET /Organizations'] === 1)
    await one.kill()
    t.match(await lost, 'the process has ended')
    await advance([other], 9.5 * minute)
    t.match(await other.run('sync', id), { code: 'DWA_DOCUWARE_SYNC_RUNNING' })
    await advance([other], minute)
    t.match(await other.run('sync', id), { ok: true })
  }
})

t.test('a callback that comes to two processes at once succeeds in one of them', async (t) => {
  const processes = fleet.four().slice(0, 2)
  const { app, dw, uri } = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  await opened(processes, uri)
  dw.clearCalls()
  for (let i = 0; i < 20; i++) {
    const { url, cookie } = await fleet.at(i % 2).run('begin', id)
    const callback = await dw.signIn(url)
    t.strictSame((await Promise.all(processes.map(async (one) => await one.run('end', callback, cookie)))).sort(), [200, 400])
  }
  t.equal(dw.counters()['POST /connect/token authorization_code'], 20)
  t.strictSame(await call(processes, 'acme'), [ok, ok])
})

t.test('two authorizations of a connection that end in two processes at once leave the tokens of one of them', async (t) => {
  const processes = fleet.four().slice(0, 2)
  const { app, dw, uri } = await docuwareApp(t, { simulator: { refreshMode: 'rotate+revokeFamily' } })
  const { id } = await authorized(app, dw)
  await opened(processes, uri)
  for (let i = 0; i < 5; i++) {
    const callbacks = await Promise.all(processes.map(async (one) => {
      const { url, cookie } = await one.run('begin', id)
      const callback = await dw.signIn(url)
      return { one, callback, cookie }
    }))
    const gate = dw.holdTokens({ grantType: 'authorization_code' })
    const ends = callbacks.map(async ({ one, callback, cookie }) => await one.run('end', callback, cookie))
    await gate.waiting(2)
    gate.release()
    t.strictSame(await Promise.all(ends), [200, 200])
    t.strictSame(await call(processes, 'acme'), [ok, ok])
    dw.expireTokens()
    dw.clearCalls()
    t.strictSame(await call(processes, 'acme', 5), [{ ok: 5 }, { ok: 5 }])
    t.equal(refreshes(dw), 1)
  }
  t.match(await app.docuware.connections.get(id), { status: 'authorized' })
})

t.test('a process that is killed with new tokens in hand delays the others by its lease, and asks for a person where the tokens are lost', async (t) => {
  const [atAnswer, atWrite, ...others] = fleet.four()
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const all = await simulators(t, uri)
  const lasting = await simulator(t, { lifetimes: { accessToken: 3800 } })
  const app = (await docuwareApp(t, { dw: lasting, uri })).app
  for (const { mode, dw } of all) for (const moment of ['answer', 'write']) await authorized(app, dw, `${moment} ${mode}`)
  await authorized(app, lasting, 'lasting')
  await opened([atAnswer, ...others], uri, hasty)
  await opened([atWrite], proxy.uri, hasty)
  await advance([atAnswer, atWrite, ...others], hour + 50_000)
  const gates = all.map(({ dw }) => dw.holdTokens())
  const lastingGate = lasting.holdTokens()

  const last = Promise.allSettled([
    atAnswer.run('call', 'lasting', 1),
    ...all.flatMap(({ mode }) => [atAnswer.run('call', `answer ${mode}`, 1), atWrite.run('call', `write ${mode}`, 1)])
  ])
  await Promise.all([lastingGate.waiting(), ...gates.map(async (gate) => { await gate.waiting(2) })])
  const writes = proxy.hold('findAndModify')
  const began = Date.now()
  await atAnswer.kill()
  const pending = all.flatMap(({ mode }) => ['answer', 'write'].map(async (moment) => ({ mode, moment, ...await timed(call(others, `${moment} ${mode}`), began) })))
  for (const gate of gates) gate.release()
  await writes.waiting(all.length)
  await atWrite.kill()
  t.ok((await last).every(({ status }) => status === 'rejected'))

  const { value: served, after: servedAfter } = await timed(call(others, 'lasting'), began)
  t.strictSame(served, [ok, ok], 'an old token that is still good goes on')
  for (const { mode, moment, value, after } of await Promise.all(pending)) {
    t.strictSame(value, Array(2).fill(mode === 'reuse' ? ok : reauthorize), `${moment}, ${mode}`)
    t.ok(after < leaseTime + margin, `${moment}, ${mode}: the others waited ${after} ms`)
    t.ok(servedAfter < after, `${servedAfter} ms`)
  }
  for (const { mode, dw } of all) t.equal(refreshes(dw), 4, `${mode}: of two connections`)
  const before = await app.docuware.connections.list()
  await writes.release()
  t.strictSame(await app.docuware.connections.list(), before, 'the writes of the dead come too late')
  for (const { mode, dw } of all) {
    for (const moment of ['answer', 'write']) {
      const name = `${moment} ${mode}`
      await call(others, name, 10)
      t.equal((await app.docuware.connections.get(name))?.status, mode === 'reuse' ? 'authorized' : 'reauthorize')
      t.equal(refreshes(dw), 4, 'nobody tries again')
    }
  }
  for (const { mode, dw } of all) {
    for (const moment of ['answer', 'write']) {
      const connection = await app.docuware.connections.get(`${moment} ${mode}`)
      t.match(await authorize(app, dw, connection?.id ?? ''), { statusCode: 200 })
    }
  }
})

t.test('one sync of a connection at a time in all processes; that of a dead process is not in the way for longer than ten minutes', async (t) => {
  const processes = [fleet.at(2), fleet.at(3)] as const
  const { app, dw, uri } = await docuwareApp(t)
  const { id } = await authorized(app, dw)
  await opened(processes, uri)
  await advance(processes, hour)
  const gate = dw.holdTokens()
  const syncs = processes.map(async (one) => await one.run('sync', id))
  await gate.waiting()
  const refused = await Promise.race(syncs)
  const { syncingSince } = await app.docuware.connections.get(id) ?? {}
  t.match(syncingSince, Date)
  t.strictSame(refused, { ok: false, code: 'DWA_DOCUWARE_SYNC_RUNNING', since: syncingSince?.toISOString() })
  gate.release()
  t.equal((await Promise.all(syncs)).filter((sync) => sync.ok).length, 1)
  t.match(await app.docuware.connections.get(id), { syncingSince: null, lastSync: { ok: true } })

  const [dead, alive] = processes
  dw.slowNext(1, { path: '/Organizations', delayMs: 60_000 })
  dw.clearCalls()
  const lost = dead.run('sync', id).catch(String)
  await eventually('it is under way', () => dw.counters()['GET /Organizations'] === 1)
  await dead.kill()
  t.match(await lost, 'the process has ended')
  await advance([alive], 9.5 * 60_000)
  t.match(await alive.run('sync', id), { code: 'DWA_DOCUWARE_SYNC_RUNNING' })
  await advance([alive], 30_000)
  t.match(await alive.run('sync', id), { ok: true })
  t.match(await app.docuware.connections.get(id), { syncingSince: null, lastSync: { ok: true } })
})
