import { MongoBackend } from '@agendajs/mongo-backend'
import { Agenda } from 'agenda'
import { MongoClient } from 'mongodb'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AppQueue, JobHandler } from '../../lib/docuware/queue/job-queue.js'
import { probe } from '../../lib/docuware/probe.js'
import { createRestClient } from '../../lib/docuware/rest/create-rest-client.js'
import type { SyncAnswer } from '../../lib/docuware/sync.js'
import type { LogEntry } from '../../lib/log/log-entry.js'
import type { ErrorContext } from '../../lib/telemetry/error-reporter.js'
import type { DocuWare } from '../../testing/index.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { SentryEndpoint } from '../sentry-endpoint.js'
import { eventually } from '../store-app.js'
import { startWorker } from '../workers/fork-worker.js'
import { clockedApp, entriesOf, linesOf, MovableClock, moveToEnd, type ClockedApp } from './clocked-app.js'
import { asDocuware, authorized, connect, type DocuwareAppOptions } from './docuware-app.js'

const minute = 60_000
/** No second try, and no long wait. */
const hasty = { tries: 1, timeoutMs: 500 }

/** An app's own queue that keeps what it is given. */
class OwnQueue implements AppQueue {
  readonly jobs: Array<{ readonly name: string, readonly data: unknown }> = []
  readonly handlers = new Map<string, JobHandler>()

  enqueue (name: string, data: unknown): unknown {
    return this.jobs.push({ name, data })
  }

  process (name: string, handler: JobHandler): void {
    this.handlers.set(name, handler)
  }

  /** Runs a job, the oldest unless it is given. */
  async bring (data: unknown = this.jobs.shift()?.data): Promise<void> {
    const handler = this.handlers.get('docuware.sync')
    if (handler === undefined) throw new Error('nobody runs syncs')
    await Reflect.apply(handler, null, [data])
  }
}

/** Somebody who is told of failed syncs. */
class Reporter {
  readonly told: Array<{ readonly error: unknown, readonly context: ErrorContext | undefined }> = []

  capture (error: unknown, context?: ErrorContext): void {
    this.told.push({ error, context })
  }
}

interface SyncApp extends ClockedApp { readonly reporter: Reporter }

async function syncApp (t: Test, options: DocuwareAppOptions & { readonly clock?: MovableClock } = {}): Promise<SyncApp> {
  const reporter = new Reporter()
  const made = await clockedApp(t, { before: (app) => { app.decorate('telemetry', { ...reporter, capture: reporter.capture.bind(reporter), get: fail, set: fail, version: fail }) }, ...options })
  return { ...made, reporter }
}

async function fail (): Promise<never> {
  throw new Error('not asked for')
}

/** What the audit log says of syncs, oldest first. */
async function syncEntries (app: FastifyInstance): Promise<LogEntry[]> {
  return (await entriesOf(app)).filter(({ event }) => event.startsWith('connection.sync_'))
}

/** A sync that is held by the platform until `release`. */
async function held ({ app, dw }: ClockedApp, id: string): Promise<{ readonly sync: Promise<SyncAnswer>, readonly release: () => void }> {
  dw.expireTokens()
  const gate = dw.holdTokens()
  const sync = app.docuware.sync(id)
  sync.catch(() => {}) // the test looks at it later
  await gate.waiting()
  return { sync, release: () => { gate.release() } }
}

t.test('a sync asks for the organization and the user, and its result is the answer, in the record and in the log', async (t) => {
  const made = await syncApp(t)
  const { app, dw, clock, reporter } = made
  const { id } = await authorized(app, dw)
  for (const keyCase of ['Pascal', 'camel'] as const) {
    dw.set({ keyCase })
    dw.clearCalls()
    clock.advance(minute)
    const before = clock.now()
    const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: { ...asDocuware, 'x-request-id': 'r-1' } })
    t.equal(answer.statusCode, 200)
    const { result } = answer.json()
    t.match(answer.json(), { queued: false, result: { ok: true, message: `Connected to ${dw.organization.name}`, durationMs: Number, account: { organization: dw.organization.name, username: String } } })
    t.notOk('code' in result)
    t.ok(Date.parse(result.at) >= Math.floor(before) && Date.parse(result.at) <= clock.now())
    t.ok(result.durationMs >= 0 && result.durationMs <= clock.now() - before)
    t.same(dw.calls().map(({ method, path }) => `${method} ${path}`), ['GET /Organizations', 'GET /Organization/UserInfo'])
    const view = await app.docuware.connections.get(id)
    t.match(view, { lastSync: { ok: true, message: result.message, durationMs: result.durationMs }, syncingSince: null, account: { sub: dw.user.sub, ...result.account } })
    t.same(view?.lastSync?.at, new Date(result.at))
    const entries = (await syncEntries(app)).slice(-2)
    const common = { actor: { type: 'user', id: 'u1' }, requestId: /./, target: { type: 'connection', id, name: 'acme' } }
    t.match(entries, [{ event: 'connection.sync_started', ...common }, { event: 'connection.sync_succeeded', ...common, message: result.message, details: { durationMs: result.durationMs, organization: dw.organization.name } }])
  }
  t.same(dw.usersCreated(), [], 'and it creates no user')
  t.same(reporter.told, [])
})

t.test('a sync that fails is a result too, whatever failed, with its code, in the record and in the log; who looks after errors is told', async (t) => {
  const made = await syncApp(t, { docuware: { http: hasty } })
  const { app, dw, clock, reporter } = made
  const { id } = await authorized(app, dw)
  await app.docuware.sync(id)
  const path = '/Organizations'
  const cases: Array<[code: string, message: string | RegExp, spoil: () => unknown]> = [
    ['DWA_DOCUWARE_HTTP', /403.*Planned failure/, () => { dw.failNext(1, 403, { path }) }],
    ['DWA_DOCUWARE_HTTP', /422.*No such thing/, () => { dw.failNext(1, 422, { path, message: 'No such thing' }) }],
    ['DWA_DOCUWARE_HTTP', /429/, () => { dw.throttle(1, { path }) }],
    ['DWA_DOCUWARE_HTTP', /500/, () => { dw.failNext(1, 500, { path, exception: 'System.NullReferenceException' }) }],
    ['DWA_DOCUWARE_HTTP', /503/, () => { dw.failNext(1, 503, { path }) }],
    ['DWA_DOCUWARE_HTTP', /403/, () => { dw.failNext(1, 403, { path: '/Organization/UserInfo' }) }],
    ['DWA_DOCUWARE_HTTP', /401/, () => { dw.failNext(2, 401, { path }) }],
    ['DWA_DOCUWARE_LICENCES', /licen[cs]e/i, () => { dw.set({ licencesExhausted: true }) }],
    ['DWA_DOCUWARE_NOT_JSON', /HTML/, () => { dw.disguiseNext(1, 'html', { path }) }],
    ['DWA_DOCUWARE_NOT_JSON', /XML/, () => { dw.disguiseNext(1, 'xml', { path: '/Organization/UserInfo' }) }],
    ['DWA_DOCUWARE_UNREACHABLE', /./, () => { dw.dropNext(1, { path }) }],
    ['DWA_DOCUWARE_TIMEOUT', /500 ms/, () => { dw.slowNext(1, { path, delayMs: 3000 }) }],
    ['DWA_DOCUWARE_REFRESH_FAILED', /server_error$/, () => { dw.expireTokens(); dw.failNext(1, 503, { grantType: 'refresh_token' }) }],
    ['DWA_DOCUWARE_CLIENT_REJECTED', /secret has expired/, () => { clock.advance(2000); dw.expireClientSecret() }],
    ['DWA_DOCUWARE_REAUTHORIZE', /must be authorized again/, async () => { await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() }); dw.expireRefreshTokens() }],
    ['DWA_DOCUWARE_NOT_AUTHORIZED', /not authorized yet/, async () => { await app.docuware.revoke(id) }]
  ]
  for (const [index, [code, message, spoil]] of cases.entries()) {
    await spoil()
    const answer = await app.docuware.sync(id)
    dw.set({ licencesExhausted: false })
    if (answer.queued) return t.fail('there is no queue')
    const { result } = answer
    t.match(result, { ok: false, code, message }, code)
    t.match(await app.docuware.connections.get(id), { lastSync: { at: result.at, ok: false, message: result.message, durationMs: result.durationMs }, syncingSince: null }, code)
    const known = code === 'DWA_DOCUWARE_NOT_AUTHORIZED' ? {} : { organization: dw.organization.name }
    const [entry] = (await syncEntries(app)).slice(-1)
    t.match(entry, { event: 'connection.sync_failed', level: 'warning', target: { id, name: 'acme' }, message: result.message.slice(0, 20), details: { code, durationMs: result.durationMs, ...known } }, code)
    t.equal(reporter.told.length, index + 1)
    t.match(reporter.told.at(-1), { error: { code, message: result.message, stack: /Error/ }, context: { connection: { id, name: 'acme', platformUrl: dw.platformUrl }, sync: { code, durationMs: result.durationMs, ...known } } }, code)
  }
  t.same(dw.usersCreated(), [])
})

t.test('the organization of a sync that fails on the user is kept', async (t) => {
  const { app, dw } = await syncApp(t, { docuware: { http: hasty } })
  const { id } = await authorized(app, dw)
  await app.store.connection.collection('dwa_connections').updateMany({}, { $unset: { account: 1 } })
  dw.failNext(1, 403, { path: '/Organization/UserInfo' })
  t.match(await app.docuware.sync(id), { result: { ok: false, account: { organization: dw.organization.name } } })
  t.strictSame((await app.docuware.connections.get(id))?.account, { organization: dw.organization.name })
})

t.test('a sync of a connection that was never authorized fails with its code', async (t) => {
  const { app, dw } = await syncApp(t)
  const { id } = await connect(app, dw)
  t.match(await app.docuware.sync('acme'), { queued: false, result: { ok: false, code: 'DWA_DOCUWARE_NOT_AUTHORIZED', account: null } })
  t.match(await app.docuware.connections.get(id), { status: 'draft', lastSync: { ok: false }, account: null })
  t.same(dw.calls(), [])
  await t.rejects(app.docuware.sync('nothing'), { code: 'DWA_STORE_NOT_FOUND' })
  t.match(await app.inject({ method: 'POST', url: '/docuware/connections/nothing/sync', headers: asDocuware }), { statusCode: 404 })
  t.match(await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync` }), { statusCode: 401 })
  t.match(await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: { 'x-roles': 'system' } }), { statusCode: 403 })
  for (const action of ['sync', 'revoke']) for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'] as const) t.match(await app.inject({ method, url: `/docuware/connections/${id}/${action}`, headers: asDocuware }), { statusCode: 404 }, `${method} ${action}: POST only`)
})

t.test('what is found of the account, whatever the answers look like', async (t) => {
  const long = 'x'.repeat(300)
  const cases: Array<[organizations: unknown[], info: object, account: object]> = [
    [[{ Name: 'acme' }], { User: { Name: 'Peggy' } }, { organization: 'acme', username: 'Peggy' }],
    [[{ name: 'acme' }, { Name: 'other' }], { user: { name: 'Peggy' } }, { organization: 'acme', username: 'Peggy' }],
    [[{ Name: 'acme' }], { Name: 'Peggy' }, { organization: 'acme', username: 'Peggy' }],
    [[{ Name: 'acme' }], { User: 'Peggy', EMail: 'p@example.com' }, { organization: 'acme', username: 'p@example.com' }],
    [[{ Name: '' }], { User: { Name: 17, EMail: 'p@example.com' } }, { username: 'p@example.com' }],
    [[], {}, {}],
    [[{ Name: long }], { User: { Name: long } }, { organization: long.slice(0, 256), username: long.slice(0, 256) }]
  ]
  const bearer = { platformUrl: 'https://acme.docuware.cloud/DocuWare/Platform', accessToken: 't' }
  const access = { current: () => bearer, renew: fail }
  for (const [organizations, info, account] of cases) {
    const client = createRestClient(access, { fetch: async (url) => Response.json(String(url).endsWith('/Organizations') ? { Organization: organizations } : info) })
    t.strictSame(await probe(client, new AbortController().signal), { account, failure: null })
  }
  const nonsense = createRestClient(access, { fetch: async () => Response.json('nonsense') })
  t.match(await probe(nonsense, new AbortController().signal), { account: null, failure: { code: 'DWA_DOCUWARE_UNEXPECTED_ANSWER' } })
  t.match(await probe(nonsense, AbortSignal.abort(new Error('enough'))), { account: null, failure: { message: 'enough' } })
})

t.test('with a queue a sync is a job without any secret, which runs when the queue brings it', async (t) => {
  const queue = new OwnQueue()
  const { app, dw, reporter } = await syncApp(t, { docuware: { queue, http: hasty } })
  const { id } = await authorized(app, dw)
  const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: asDocuware })
  t.equal(answer.statusCode, 202)
  t.strictSame(answer.json(), { queued: true, jobId: '1' })
  t.match(queue.jobs, [{ name: 'docuware.sync', data: { connection: id, actor: { type: 'user', id: 'u1' }, requestId: /./ } }])
  t.strictSame(Object.keys(Object(queue.jobs[0]?.data)).sort(), ['actor', 'connection', 'requestId'])
  const entries = await syncEntries(app)
  t.match(entries, [{ event: 'connection.sync_queued', actor: { id: 'u1' }, target: { id, name: 'acme' }, details: { jobId: '1' } }])
  t.strictSame([queue.jobs.length, entries.length], [1, 1], 'once')
  t.match(await app.docuware.connections.get(id), { lastSync: null, syncingSince: null })
  t.notOk(dw.counters()['GET /Organizations'])

  await queue.bring()
  t.match(await app.docuware.connections.get(id), { lastSync: { ok: true }, syncingSince: null, account: { organization: dw.organization.name } })
  t.match((await entriesOf(app, 'connection.sync_succeeded')).at(-1), { actor: { type: 'user', id: 'u1' }, requestId: /./, details: { organization: dw.organization.name, durationMs: Number } })

  await app.docuware.sync('acme')
  t.strictSame(queue.jobs.at(-1)?.data, { connection: id }, 'nothing but the connection, where nobody is known')
  dw.failNext(1, 403, { path: '/Organizations' })
  await t.rejects(queue.bring(), { message: /403/ }, 'the queue learns of a failure')
  t.equal(reporter.told.length, 1)
  t.match(await app.docuware.connections.get(id), { lastSync: { ok: false } })

  const request = { actor: { type: 'user', id: 'u2', password: 'hunter2' }, requestId: 'r-2', clientSecret: 'hunter2' }
  await app.docuware.sync(id, request)
  t.strictSame(queue.jobs.at(-1)?.data, { connection: id, actor: { type: 'user', id: 'u2' }, requestId: 'r-2' }, 'what else a caller hands over stays out')
})

t.test('a job that a queue brings is not trusted further than it must be', async (t) => {
  const queue = new OwnQueue()
  const { app, dw } = await syncApp(t, { docuware: { queue } })
  const { id } = await authorized(app, dw)
  for (const data of [{}, { connection: 17 }, { connection: null }, { connection: { $ne: null } }, [], 'x']) await t.rejects(queue.bring(data), { code: 'DWA_DOCUWARE_INVALID_JOB' }, JSON.stringify(data))
  for (const connection of ['nothing', '0'.repeat(24), '']) await t.rejects(queue.bring({ connection }), { code: 'DWA_STORE_NOT_FOUND' })
  for (const [given, actor] of [[{ type: 'user', id: 'u3', more: 1 }, { type: 'user', id: 'u3' }], [{ type: 'app', id: null }, { type: 'app', id: null }], [{ type: 17, id: 'u' }, null], [{ type: 'user' }, null], [{ type: 'user', id: 17 }, null], ['u', null], [null, null]]) {
    await queue.bring({ connection: id, actor: given, requestId: 17, event: 'connection.created', message: 'no' })
    t.match((await entriesOf(app, 'connection.sync_succeeded')).at(-1), { actor, requestId: null, message: /^Connected/ }, JSON.stringify(given))
  }
})

t.test('nothing is asked of a queue before the app is ready', async (t) => {
  const asked: string[] = []
  const own: AppQueue = { enqueue: () => '', process: (name) => { asked.push(name) } }
  const agenda = { define: (name: string) => { asked.push(name) }, start: async () => {}, stop: async () => {}, now: fail }
  for (const queue of [own, agenda]) {
    await clockedApp(t, { docuware: { queue }, routes: () => { t.strictSame(asked, [], 'registered') } })
    t.strictSame(asked.splice(0), ['docuware.sync'], 'ready')
  }
})

t.test('a queue that does not take a job makes the sync run at once, and that is in the log', async (t) => {
  const failure = new Error('away: redis://user:password@host')
  const cases: Array<[what: string, enqueue: AppQueue['enqueue']]> = [
    ['throws', () => { throw failure }],
    ['rejects', async () => { throw failure }],
    ['never answers', async () => await new Promise(() => {})]
  ]
  for (const [what, enqueue] of cases) {
    const clock = new MovableClock()
    clock.timers.set(5000, 100) // its time to take the job
    const made = await syncApp(t, { clock, docuware: { queue: { enqueue, process () {} } } })
    const { app, dw, lines } = made
    const { id } = await authorized(app, dw)
    const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: asDocuware })
    t.equal(answer.statusCode, 200, what)
    t.match(answer.json(), { queued: false, result: { ok: true } }, what)
    const entries = await syncEntries(app)
    t.equal(entries.length, 3, what)
    t.match(entries, [
      { event: 'connection.sync_not_queued', level: 'warning', actor: { id: 'u1' }, target: { id, name: 'acme' }, details: { reason: what === 'never answers' ? /No answer/ : /away/ } },
      { event: 'connection.sync_started' }, { event: 'connection.sync_succeeded' }
    ], what)
    t.strictSame(linesOf(made, 'the job queue did not take a sync, running it here').map(({ level, details }) => [level, details['connection']]), [['warn', 'acme']], what)
    t.notMatch(JSON.stringify([lines, await entriesOf(app)]), /password/, what)
    await app.close()
  }
})

t.test('syncs run by Agenda', async (t) => {
  const { uri } = await startTestMongo(t)
  const client = await MongoClient.connect(uri)
  const agenda = new Agenda({ backend: new MongoBackend({ mongo: client.db() }), processEvery: 50 })
  await agenda.ready
  t.teardown(async () => {
    await agenda.stop()
    await client.close()
  })
  const { app, dw, reporter } = await syncApp(t, { uri, docuware: { queue: agenda, http: hasty } })
  const { id } = await authorized(app, dw)
  const jobs = client.db().collection('agendaJobs')
  const first = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: asDocuware })
  t.equal(first.statusCode, 202)
  t.match(first.json(), { queued: true, jobId: /^[0-9a-f]{24}$/ })
  await eventually('it has run', async () => (await app.docuware.connections.get(id))?.lastSync?.ok === true)
  t.match(await jobs.findOne(), { name: 'docuware.sync', data: { connection: id, actor: { type: 'user', id: 'u1' } } })
  dw.failNext(1, 403, { path: '/Organizations' })
  await app.docuware.sync(id)
  await eventually('it has failed', async () => await jobs.countDocuments({ failReason: /403/, failCount: 1 }) === 1)
  t.match(await app.docuware.connections.get(id), { lastSync: { ok: false, message: /403/ } })
  t.equal(reporter.told.length, 1)
  await app.close()
  t.notOk(agenda.isActiveJobProcessor(), 'who started it stops it')
})

t.test('one sync of a connection at a time: the second learns since when', async (t) => {
  const made = await syncApp(t)
  const { app, dw, uri, clock } = made
  const { id } = await authorized(app, dw)
  const queue = new OwnQueue()
  const other = await syncApp(t, { dw, uri, clock, docuware: { queue } })
  const began = clock.now()
  const { sync, release } = await held(made, id)
  const error = await app.docuware.sync(id).catch((error: unknown) => error)
  t.match(error, { code: 'DWA_DOCUWARE_SYNC_RUNNING', statusCode: 409, since: Date })
  const since = (await app.docuware.connections.get(id))?.syncingSince
  t.ok(since != null && since.getTime() >= Math.floor(began) && since.getTime() <= clock.now())
  t.match(error, { since, message: `A sync of the connection has been running since ${since?.toISOString() ?? ''}` })
  const answer = await other.app.inject({ method: 'POST', url: `/docuware/connections/${id}/sync`, headers: asDocuware })
  t.equal(answer.statusCode, 409)
  t.match(answer.json(), { code: 'DWA_DOCUWARE_SYNC_RUNNING', message: new RegExp(since?.toISOString() ?? 'never') })
  t.strictSame(queue.jobs, [])
  await t.rejects(queue.bring({ connection: id }), { code: 'DWA_DOCUWARE_SYNC_RUNNING' }, 'nor does a job begin')
  release()
  t.match(await sync, { result: { ok: true } })
  t.match(await app.docuware.connections.get(id), { syncingSince: null })
  t.match(await app.docuware.sync(id), { result: { ok: true } })

  const codes = await Promise.all(Array.from({ length: 10 }, async (_, index) => await (index % 2 === 0 ? app.docuware.sync(id) : queue.bring({ connection: id })).then(() => 'ok', (error: { code?: string }) => error.code)))
  t.strictSame(new Set(codes), new Set(['ok', 'DWA_DOCUWARE_SYNC_RUNNING']))
  t.match(await entriesOf(app, 'connection.sync_started'), { length: 2 + codes.filter((code) => code === 'ok').length })
  t.match(await app.docuware.connections.get(id), { syncingSince: null })
})

t.test('a sync that crashed is in the way for ten minutes, and one that comes back from the dead changes nothing', async (t) => {
  const made = await syncApp(t)
  const { app, dw, clock } = made
  const { id } = await authorized(app, dw)
  clock.hold()
  const { sync: dead, release } = await held(made, id)
  clock.advance(10 * minute - 1)
  await t.rejects(app.docuware.sync(id), { code: 'DWA_DOCUWARE_SYNC_RUNNING' })
  clock.advance(1)
  const second = app.docuware.sync(id)
  await eventually('it has begun', async () => (await app.docuware.connections.get(id))?.syncingSince?.getTime() === clock.now())
  dw.failNext(1, 403, { path: '/Organizations' })
  release()
  const results = (await Promise.all([dead, second])).map((answer) => answer.queued ? null : answer.result)
  t.match(await app.docuware.connections.get(id), { syncingSince: null, lastSync: { at: results[1]?.at, ok: results[1]?.ok } }, 'the record has the second one\'s')
  t.equal((await syncEntries(app)).filter(({ event }) => event !== 'connection.sync_started').length, 2, 'the log has both')
})

t.test('a sync that does not end has failed after nine minutes', async (t) => {
  const clock = new MovableClock()
  clock.timers.set(9 * minute, Infinity)
  const { app, dw } = await syncApp(t, { clock, docuware: { http: { timeoutMs: 60_000 } } })
  const { id } = await authorized(app, dw)
  dw.slowNext(1, { path: '/Organization/UserInfo', delayMs: 20_000 })
  const sync = app.docuware.sync(id)
  await eventually('it is under way', () => dw.counters()['GET /Organization/UserInfo'] === 1)
  clock.runOut(9 * minute)
  t.match(await sync, { result: { ok: false, code: 'DWA_DOCUWARE_TIMEOUT', account: { organization: dw.organization.name } } })
  t.match(await app.docuware.connections.get(id), { syncingSince: null, lastSync: { ok: false } })
})

t.test('what happens to a connection while it is synchronized', async (t) => {
  const made = await syncApp(t, { docuware: { http: hasty } })
  const { app, dw } = made
  const { connections } = app.docuware
  const cases: Array<[what: string, change: (id: string) => Promise<unknown>, after: object | null]> = [
    ['renamed', async (id) => await connections.update(id, { name: `new ${id}` }), { lastSync: { ok: true }, account: { organization: dw.organization.name } }],
    ['a new secret', async (id) => await connections.update(id, { clientSecret: dw.addClientSecret() }), { lastSync: { ok: true }, account: { organization: dw.organization.name } }],
    ['revoked', async (id) => { await app.docuware.revoke(id) }, { status: 'draft', lastSync: {}, account: null }],
    ['another platform', async (id) => await connections.update(id, { platformUrl: 'other.docuware.cloud' }), { status: 'draft', lastSync: null, account: null }],
    ['another client', async (id) => await connections.update(id, { clientId: 'other' }), { status: 'draft', lastSync: null, account: null }],
    ['removed', async (id) => { await connections.remove(id) }, null]
  ]
  for (const [what, change, after] of cases) {
    const { id } = await authorized(app, dw, what)
    dw.slowNext(1, { path: '/Organization/UserInfo', delayMs: 400 })
    dw.clearCalls()
    const sync = app.docuware.sync(id)
    await eventually('it is under way', () => dw.counters()['GET /Organization/UserInfo'] === 1)
    await change(id)
    if (after === null) {
      await t.rejects(sync, { code: 'DWA_STORE_NOT_FOUND' })
      continue
    }
    await sync
    t.match(await connections.get(id), { syncingSince: null, ...after }, what)
    t.match((await syncEntries(app)).at(-1), { target: { id }, details: { durationMs: Number } }, `${what}: the log has it`)
  }
})

t.test('without the database there is no sync', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const made = await syncApp(t, { uri: proxy.uri, database: uri })
  const { app, dw } = made
  const { id } = await authorized(app, dw)
  await app.docuware.client(id).whoami()
  dw.slowNext(1, { path: '/Organization/UserInfo', delayMs: 1000 })
  dw.clearCalls()
  const sync = app.docuware.sync(id)
  await eventually('it is under way', () => dw.counters()['GET /Organization/UserInfo'] === 1)
  await proxy.cut()
  await t.rejects(sync, { code: 'DWA_STORE_UNAVAILABLE', statusCode: 503 })
  await eventually('the loss is noticed', () => !app.store.available)
  await t.rejects(app.docuware.sync(id), { code: 'DWA_STORE_UNAVAILABLE' })
  await proxy.open()
  await eventually('it is back', () => app.store.available)
  await t.rejects(app.docuware.sync(id), { code: 'DWA_DOCUWARE_SYNC_RUNNING' }, 'one that could not say how it ended is taken for crashed')
  made.clock.advance(10 * minute)
  await eventually('it is free', async () => await app.docuware.sync(id).then((answer) => !answer.queued && answer.result.ok, () => false))
})

/** The platform keeps a sync waiting until it is closed. */
async function slowly (dw: DocuWare, delayMs: number): Promise<void> {
  dw.slowNext(1, { path: '/Organizations', delayMs })
  dw.clearCalls()
}

t.test('the end of the app waits for the syncs that run, for a while; then they have failed, and the record says so', async (t) => {
  for (const queue of [undefined, new OwnQueue()]) {
    for (const [delayMs, ok] of [[400, true], [30_000, false]] as const) {
      const clock = new MovableClock()
      if (!ok) clock.timers.set(8000, 200)
      const { uri } = await startTestMongo(t)
      const made = await syncApp(t, { uri, clock, docuware: queue === undefined ? {} : { queue } })
      const { app, dw } = made
      const { id } = await authorized(app, dw)
      await slowly(dw, delayMs)
      const sync = queue === undefined ? app.docuware.sync(id) : queue.bring({ connection: id })
      const outcome = sync.then(() => 'resolved', (error: unknown) => String(error))
      await eventually('it is under way', () => dw.counters()['GET /Organizations'] === 1)
      await app.close()
      t.match(await outcome, ok || queue === undefined ? 'resolved' : /The app was closed/)
      t.strictSame(linesOf(made, 'the job queue did not close as it should'), [])
      const next = await syncApp(t, { uri, dw, clock })
      t.match(await next.app.docuware.connections.get(id), { syncingSince: null, lastSync: ok ? { ok: true } : { ok: false, message: 'The app was closed before the sync had ended' } })
      if (queue !== undefined) await t.rejects(queue.bring({ connection: id }), { code: 'DWA_DOCUWARE_QUEUE_CLOSED' })
      await t.rejects(app.docuware.sync(id), { code: 'DWA_STORE_UNAVAILABLE' })
      await next.app.close()
    }
  }
})

t.test('a closed app with connections, Agenda and telemetry lets its process end', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, dw } = await clockedApp(t, { uri })
  await authorized(app, dw)
  dw.expireTokens()
  const endpoint = await new SentryEndpoint().start(t)
  const worker = startWorker(t, uri, endpoint.dsn, './app-worker.ts')
  t.strictSame(await worker.next(), { queued: true })
  await eventually('it has ended (agenda\'s own timers take 3 s)', () => worker.process.exitCode !== null, 8000)
  t.equal(worker.process.exitCode, 0)
  t.strictSame(endpoint.messages, ['the last words'])
  t.equal((await app.docuware.connections.get('acme'))?.lastSync?.ok, true)
})

t.test('a token that must be renewed first is renewed, and syncs of several connections run side by side', async (t) => {
  const made = await syncApp(t)
  const { app, dw } = made
  const names = ['a', 'b', 'c']
  for (const name of names) await authorized(app, dw, name)
  await moveToEnd(made, 0, 'c')
  const answers = await Promise.all(names.map(async (name) => await app.docuware.sync(name)))
  t.match(answers, names.map(() => ({ queued: false, result: { ok: true } })))
  t.equal(dw.counters()['POST /connect/token refresh_token'], 3)
})
