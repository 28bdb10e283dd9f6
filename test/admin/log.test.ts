import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { ManualClock } from '../manual-clock.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { dump } from '../sign-in/sign-in-app.js'
import { adminApp, call, kinds, roles, samples, type Role } from './admin-app.js'
import { EventReader, openStream } from './event-reader.js'

const mongo = await startTestMongo(t)
const planted = ['connection.authorized', 'sync.failed', 'webhook.refused', 'client.created', 'scope.created', 'consent.granted', 'token.issued', 'validator.created', 'settings.changed', 'webhook_source.created', 'connector.created']
const visible: Record<Role, readonly string[]> = { docuware: planted.slice(0, 3), oauth_provider: planted.slice(3, 7), system: planted }

async function listening (app: FastifyInstance): Promise<string> {
  return `${await app.listen({ host: '127.0.0.1', port: 0 })}/admin/api/log`
}

t.test('the log and its stream, export and verification take their roles and no other', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'roles_' } })
  const url = await listening(app)
  for (const path of ['', '/stream', '/export', '/verify']) {
    for (const as of [null, 'nothing', ...roles] as const) {
      const answer = await openStream(url + path, as === null ? {} : { 'x-roles': as })
      const expected = as === null ? 401 : as === 'nothing' || (path === '/verify' && as !== 'system') ? 403 : 200
      t.equal(answer.statusCode, expected, `${path} as ${String(as)}`)
      t.equal(answer.headers['cache-control'], 'no-store')
      if (expected !== 200) t.match(answer.headers['content-type'], /^application\/problem\+json/)
      answer.destroy()
    }
  }
})

t.test('each role sees its own events, in the list, in the export and in the stream', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'areas_' } })
  const url = await listening(app)
  const streams = new Map(await Promise.all([...roles, 'docuware,oauth_provider'].map(async (as): Promise<[string, EventReader]> => [as, new EventReader(await openStream(`${url}/stream`, { 'x-roles': as }))])))
  for (const reader of streams.values()) t.match(await reader.next(), { entry: null }, 'it stands')
  for (const event of planted) await app.auditLog.append(event, { target: { type: 'x', id: event, name: 'planted' } })
  for (const as of roles) {
    const list = await call(app, 'GET', '/log?target=planted', { as })
    t.strictSame(Object(list.body['items']).map(({ event }: { event: string }) => event).reverse(), visible[as], `list as ${as}`)
    const all = await call(app, 'GET', '/log?limit=200', { as })
    t.equal(Object(all.body['items']).some(({ event }: { event: string }) => event === 'log.opened'), as === 'system')
    const lines = (await call(app, 'GET', '/log/export?target=planted', { as })).text.trimEnd().split('\n').map((line) => JSON.parse(line))
    t.strictSame(lines.map(({ event }) => event).reverse(), visible[as], `export as ${as}`)
    t.strictSame(await streams.get(as)?.events(visible[as].length), visible[as], `stream as ${as}`)
  }
  t.strictSame(await streams.get('docuware,oauth_provider')?.events(7), planted.slice(0, 7), 'who has two roles sees both')
  for (const areas of [[], ['a', 7], 'client']) await t.rejects(app.auditLog.find(Object({ areas })), { code: 'DWA_LOG_INVALID_QUERY', message: /^areas/ }, 'no areas are not all of them')
  t.match(await call(app, 'GET', '/log?event=client.*', { as: 'docuware' }), { status: 200, body: { items: { length: 0 }, next: null } })
})

t.test('the list is filtered, and comes in pages, newest first', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'list_' } })
  for (let count = 1; count <= 7; count++) await app.auditLog.append('connection.updated', { target: { type: 'connection', id: `c${count}`, name: '"><script>$where' }, details: { count } })
  const eventsOf = async (query: string): Promise<unknown[]> => Object((await call(app, 'GET', `/log?${query}`)).body['items']).map(({ target }: { target: { id: string } | null }) => target?.id)
  t.strictSame(await eventsOf('event=connection.updated&limit=2'), ['c7', 'c6'])
  t.strictSame(await eventsOf('target=c3'), ['c3'])
  t.strictSame(await eventsOf(`target=${encodeURIComponent('"><script>$where')}&limit=1`), ['c7'])
  t.strictSame(await eventsOf('event=connection.*&from=2999-01-01'), [])
  t.equal((await eventsOf('event=connection.*&from=2000-01-01&to=2999-01-01T00:00:00.000Z')).length, 7)
  const seen: unknown[] = []
  let path: string | undefined = '/log?event=connection.*&limit=3'
  while (path !== undefined) {
    const page = await call(app, 'GET', path)
    seen.push(...Object(page.body['items']).map(({ target }: { target: { id: string } }) => target.id))
    await app.auditLog.append('connection.updated', { target: { type: 'connection', id: 'new' } })
    path = /^<\/admin\/api(.+)>; rel="next"$/.exec(String(page.headers['link']))?.[1]
  }
  t.strictSame(seen, ['c7', 'c6', 'c5', 'c4', 'c3', 'c2', 'c1'])
  const faults = ['limit=0', 'limit=201', 'after=x', `after=${Buffer.from('x').toString('base64url')}`, 'from=yesterday', 'from=2026-13-01', 'to[$gt]=1', 'event=a&event=b', 'areas=client', 'target[$ne]=x']
  for (const query of faults) t.match(await call(app, 'GET', `/log?${query}`), { status: 400, body: { code: /_INVALID_/, errors: [{ path: query.split('=', 1).join() }] } }, query)
  for (const [name, headers] of [['stream?after=x', {}], ['stream', { 'last-event-id': 'x' }], ['export?limit=1', {}]] as const) t.match(await call(app, 'GET', `/log/${name}`, { headers }), { status: 400, body: { code: 'DWA_ADMIN_INVALID_REQUEST' } }, name)
})

t.test('there is no way to change the log', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'fixed_' } })
  const [entry] = await app.auditLog.find({ limit: 1 })
  for (const method of ['POST', 'PATCH', 'DELETE'] as const) {
    for (const path of ['/log', `/log/${String(entry?.id)}`]) t.match(await call(app, method, path, { ...(method === 'DELETE' ? {} : { body: {} }) }), { status: 404, body: { code: 'DWA_ADMIN_UNKNOWN_ROUTE' } }, `${method} ${path}`)
  }
})

t.test('a stream brings what other processes write, and goes on where its reader was', async (t) => {
  const options = { uri: mongo.uri, store: { collectionPrefix: 'live_' } }
  const [app, other] = [await adminApp(t, options), await adminApp(t, options)]
  const url = `${await listening(app)}/stream?event=connection.*`
  const headers = { 'x-roles': 'docuware' }
  const answer = await openStream(url, headers)
  t.match(answer.headers, { 'content-type': /^text\/event-stream/, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  const reader = new EventReader(answer)
  await reader.next()
  await other.auditLog.append('connection.created', { details: { by: 'other' } })
  await app.auditLog.append('connection.updated', { details: { by: 'own' } })
  const first = await reader.entry()
  t.match(first, { event: 'connection.created', details: { by: 'other' }, hash: String })
  t.match(await reader.entry(), { event: 'connection.updated' })
  answer.destroy()
  await other.auditLog.append('connection.deleted')
  for (const [from, expected] of [[first?.id ?? '', ['connection.updated', 'connection.deleted']], ['0'.repeat(24), ['connection.created', 'connection.updated', 'connection.deleted']]] as const) {
    const back = new EventReader(await openStream(url, { ...headers, 'last-event-id': from }))
    t.strictSame(await back.events(expected.length), expected)
    const byQuery = new EventReader(await openStream(`${url}&after=${from}`, headers))
    t.strictSame(await byQuery.events(expected.length), expected)
  }
})

t.test('200 streams at once are one reading of the log; one more than may be is refused', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'many_' }, admin: { streams: 200 } })
  const url = `${await listening(app)}/stream`
  const readers = await Promise.all(Array.from({ length: 200 }, async () => new EventReader(await openStream(url, { 'x-roles': 'docuware' }))))
  await Promise.all(readers.map(async (reader) => await reader.next()))
  const refused = await openStream(url, { 'x-roles': 'docuware' })
  t.equal(refused.statusCode, 503)
  t.match(JSON.parse(String((await refused.toArray()).join(''))), { code: 'DWA_ADMIN_TOO_MANY_STREAMS' })
  for (let count = 0; count < 5; count++) await app.auditLog.append('connection.updated')
  const events = await Promise.all(readers.map(async (reader) => (await reader.events(5)).length))
  t.strictSame(events, Array.from({ length: 200 }, () => 5))
})

t.test('a reader who does not read is let go, and what waits for them stays bounded', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'dead_' } })
  const url = `${await listening(app)}/stream`
  const dead = await openStream(url, { 'x-roles': 'docuware' })
  const live = new EventReader(await openStream(url, { 'x-roles': 'docuware' }))
  dead.once('error', () => {}) // it is let go in the middle of an answer
  const connections = promisify(app.server.getConnections.bind(app.server))
  t.equal(await connections(), 2)
  for (let count = 0; await connections() === 2 && count < 5000; count++) {
    await Promise.all(Array.from({ length: 10 }, async () => await app.auditLog.append('connection.updated', { message: 'x'.repeat(1900), details: { text: 'y'.repeat(1000) } })))
    await live.events(10)
  }
  t.equal(await connections(), 1, 'long before all of it was kept')
  dead.destroy()
})

t.test('streams end when the app closes, and who does not read does not keep it open', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'closing_' } })
  const url = await listening(app)
  const reader = new EventReader(await openStream(`${url}/stream`, { 'x-roles': 'system' }))
  await reader.next()
  const dead = await openStream(`${url}/stream`, { 'x-roles': 'system' })
  for (let count = 0; count < 50; count++) await Promise.all(Array.from({ length: 20 }, async () => await app.auditLog.append('connection.updated', { message: 'x'.repeat(1900) })))
  t.equal((await reader.events(1000)).length, 1000)
  const closing = app.close()
  t.equal(await reader.next(), null, 'the end is a proper one')
  await closing
  dead.destroy()
})

/** More than fits into what lies between two sockets. @returns how many entries */
async function fillLog (app: FastifyInstance): Promise<number> {
  const [count, message, details] = [5000, 'x '.repeat(950), { one: 'y '.repeat(450), two: 'z '.repeat(450) }]
  await Promise.all(Array.from({ length: count }, async () => await app.auditLog.append('connection.updated', { message, details })))
  return count
}

/** An answer that may be broken off. */
async function openFragile (url: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  return (await openStream(url, headers)).on('error', () => {})
}

/** Reads until the answer breaks off or ends. */
async function brokenOff (answer: IncomingMessage): Promise<boolean> {
  answer.resume()
  if (!answer.closed) await new Promise((resolve) => { answer.once('close', resolve) })
  return !answer.complete
}

t.test('who loses the role, or cannot be asked for, has the stream and the export that are open taken away', async (t) => {
  const clock = new ManualClock()
  const people = new Map<string, string[]>()
  const answers = new Map<string, () => Promise<null>>()
  const app = await adminApp(t, {
    uri: mongo.uri,
    store: {
      collectionPrefix: 'lost_',
      clock,
      access: async ({ headers: { 'x-user': user } }) => {
        const id = String(user)
        return await answers.get(id)?.() ?? { id: id === 'another' && answers.has('another') ? 'somebody' : id, roles: people.get(id) ?? [] }
      }
    }
  })
  const url = await listening(app)
  await fillLog(app)
  const cases: ReadonlyArray<readonly [id: string, lose: () => void]> = [
    ['loses', () => { people.get('loses')?.shift() }], // the app's own list
    ['leaves', () => { people.delete('leaves') }],
    ['throws', () => { answers.set('throws', async () => { throw new Error('the directory is away') }) }],
    ['hangs', () => { answers.set('hangs', async () => await new Promise(() => {})) }],
    ['another', () => { answers.set('another', async () => null) }]
  ]
  const gone = []
  for (const [id] of [...cases, ['stays'] as const]) people.set(id, ['docuware', 'system'])
  for (const [id] of cases) gone.push(await openFragile(`${url}/stream`, { 'x-user': id }), await openFragile(`${url}/export`, { 'x-user': id }))
  const stays = new EventReader(await openStream(`${url}/stream`, { 'x-user': 'stays' }))
  await stays.next()
  clock.advance(15_000)
  await Promise.all(gone.map(async (answer) => { await once(answer, 'readable') }))
  t.notOk(gone.some(({ destroyed }) => destroyed))
  for (const [, lose] of cases) lose()
  people.get('stays')?.push('oauth_provider')
  for (let seconds = 0; seconds < 30; seconds += 15) {
    clock.advance(15_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.strictSame(await Promise.all(gone.map(brokenOff)), gone.map(() => true))
  await app.auditLog.append('connection.deleted')
  t.equal((await stays.events(1))[0], 'connection.deleted')
  t.equal((await openStream(`${url}/stream`, { 'x-user': 'leaves' })).statusCode, 403)
})

t.test('the connection of an export that nobody reads is closed after a minute', async (t) => {
  const clock = new ManualClock()
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'stalled_', clock } })
  const url = await listening(app)
  const connections = promisify(app.server.getConnections.bind(app.server))
  const filled = await fillLog(app)
  const dead = await openFragile(`${url}/export`, { 'x-roles': 'docuware' })
  const live = await openStream(`${url}/export`, { 'x-roles': 'docuware' })
  t.equal((await live.toArray()).join('').trimEnd().split('\n').length, filled)
  t.equal(await connections(), 1)
  for (let seconds = 0; seconds < 60; seconds += 15) {
    t.equal(await connections(), 1, `${seconds} s`)
    clock.advance(15_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await eventually('it is closed', async () => await connections() === 0)
  t.ok(await brokenOff(dead), 'it does not look like all there is')
})

t.test('the whole log is exported, an entry a line', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'export_' } })
  await Promise.all(Array.from({ length: 1200 }, async (_, count) => await app.auditLog.append('connection.updated', { details: { count } })))
  const { status, headers, text } = await call(app, 'GET', '/log/export?event=connection.updated', { as: 'docuware' })
  t.match([status, headers['content-type']], [200, /^application\/x-ndjson/])
  const entries = text.trimEnd().split('\n').map((line) => JSON.parse(line))
  t.equal(new Set(entries.map(({ details }) => details.count)).size, 1200)
  t.equal(entries.length, 1200)
})

t.test('addresses and names of people are in the entries of administration when store.log.personalData says so, and nowhere in them otherwise', async (t) => {
  for (const personalData of [true, false]) {
    const remoteAddress = '192.0.2.7'
    const app = await adminApp(t, { uri: mongo.uri, admin: { console: false }, store: { collectionPrefix: `personal_${String(personalData)}_`, log: { personalData }, access: async () => ({ id: 'u1', name: 'Ann Archer', roles: [...roles] }) } })
    const send = async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<Record<string, unknown>> => {
      const answer = await app.inject({ method, url: `/admin/api${path}`, remoteAddress, headers: { 'if-match': '*', ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { payload: body }) })
      if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.body}`)
      return answer.body === '' ? {} : answer.json()
    }
    for (const kind of kinds) {
      const { id } = await send('POST', `/${kind}`, samples[kind].input('personal'))
      await send('PATCH', `/${kind}/${String(id)}`, samples[kind].patch)
      if (kind === 'clients') await send('POST', `/clients/${String(id)}/rotate-secret`, {})
      else if (kind !== 'scopes') await send('GET', `/${kind}/${String(id)}/secrets`)
      if (kind === 'clients') await send('POST', `/keys/${String(id)}/rotate`, {})
      await send('DELETE', `/${kind}/${String(id)}`)
    }
    await send('PATCH', '/settings/telemetry', { sendPii: true })
    await send('GET', '/log/verify')
    const entries = (await app.auditLog.find({ limit: 1000 })).filter(({ actor }) => actor?.type === 'user')
    t.strictSame([...new Set(entries.map(({ event }) => event))].sort(), [
      ...['client.created', 'client.deleted', 'client.key_rotated', 'client.secret_rotated', 'client.updated'],
      ...['connection', 'connector', 'validator', 'webhook_source'].flatMap((area) => ['created', 'deleted', 'secrets_read', 'updated'].map((verb) => `${area}.${verb}`)),
      ...['log.verified', 'scope.created', 'scope.deleted', 'scope.updated', 'settings.changed']
    ].sort())
    for (const { event, personal } of entries) t.strictSame(personal, personalData ? { ip: remoteAddress, userName: 'Ann Archer' } : undefined, event)
    t.equal(/192\.0\.2\.7|Ann Archer/.test(await dump(mongo.uri, `personal_${String(personalData)}_`)), personalData, 'of anything in the database')
  }
})

t.test('verification says whether the log is sound, is written down, and runs once for all who ask meanwhile', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'verify_' } })
  const answers = await Promise.all([call(app, 'GET', '/log/verify'), call(app, 'GET', '/log/verify')])
  for (const { status, body } of answers) t.match([status, body], [200, { ok: true, entries: Number, chains: 1, unanchoredFront: false }])
  t.equal((await app.auditLog.find({ event: 'log.verified' })).length, 1)
  t.match(await app.auditLog.find({ event: 'log.verified' }), [{ actor: { type: 'user', id: 'u1' }, requestId: /^req-/ }], 'who asked')
  t.equal((await call(app, 'GET', '/log/verify')).status, 200)
  t.equal((await app.auditLog.find({ event: 'log.verified' })).length, 2)
})
