import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as send, ServerResponse, type IncomingMessage } from 'node:http'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import type { Clock } from '../../lib/clock.js'
import { Deliveries, deliveryIndexes, type DeliveryDocument } from '../../lib/webhooks/deliveries.js'
import { clockAt } from '../app.js'
import { ManualClock } from '../manual-clock.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually, storeApp } from '../store-app.js'
import { secret, sign, webhookApp, type WebhookAppOptions } from './webhook-app.js'

const idHeader = 'X-Delivery'
const shop = { preset: 'generic', secret, idHeader } as const

const deliver = async (app: FastifyInstance, id: string, url = '/hooks/shop', headers: Record<string, string> = {}): Promise<LightMyRequestResponse> => {
  return await app.inject({ method: 'POST', url, payload: '{}', headers: { 'content-type': 'application/json', 'x-signature': sign('{}'), 'x-delivery': id, ...headers } })
}

/** Apps on one database, each as another process would be. */
async function apps (t: Test, count: number, options: Partial<WebhookAppOptions> = {}) {
  const { uri } = await startTestMongo(t)
  return await Promise.all(Array.from({ length: count }, async () => {
    const { app, handled, lines } = await webhookApp(t, { uri, sources: { shop, other: shop }, ...options })
    const answers: Array<() => Promise<unknown>> = []
    app.post('/own', { config: { webhook: 'shop' } }, async (request, reply) => {
      handled.push({ body: request.body, webhook: request.webhook })
      const answer = answers.shift()
      return answer === undefined ? reply.send('done') : await answer()
    })
    await app.ready()
    return { app, handled, lines, answers }
  }))
}

t.test('a delivery that was handled is answered 200 without running the handler, by every process', async (t) => {
  const [one, two] = await apps(t, 2)
  if (one === undefined || two === undefined) throw new RangeError('two apps are needed')
  t.strictSame((await deliver(one.app, 'a')).json(), { handled: 'shop' })
  t.strictSame(one.handled[0]?.webhook, { source: 'shop', id: 'a', timestamp: null })
  for (const { app } of [one, two]) {
    const again = await deliver(app, 'a')
    t.strictSame([again.statusCode, again.body], [200, ''])
  }
  t.equal(two.handled.length, 0)
  t.equal((await deliver(two.app, 'b')).statusCode, 200, 'another id')
  t.equal((await deliver(two.app, 'a', '/hooks/other')).statusCode, 200, 'the same id of another source')
  t.strictSame([one.handled.length, two.handled.length], [1, 2])

  const { app } = one
  const kept = await app.store.connection.collection('dwa_webhook_deliveries').find().toArray()
  t.equal(kept.length, 3)
  t.ok(kept.every(({ _id, done }) => done === true && /^[\w-]{43}$/.test(String(_id))), 'ids are not kept as they are')
  const indexes = await app.store.connection.collection('dwa_webhook_deliveries').indexes()
  t.match(indexes.find(({ key }) => 'expiresAt' in key), { expireAfterSeconds: 0 })
})

t.test('an id is believed only after the signature', async (t) => {
  const [one] = await apps(t, 1)
  if (one === undefined) throw new RangeError('an app is needed')
  t.equal((await deliver(one.app, 'a', '/hooks/shop', { 'x-signature': sign('x') })).statusCode, 401)
  t.strictSame((await deliver(one.app, 'a')).json(), { handled: 'shop' })
  for (const [id, reason] of [['', 'delivery_id_missing'], ['a, a', 'delivery_id_malformed'], ['a b', 'delivery_id_malformed'], ['é', 'delivery_id_malformed'], ['x'.repeat(256), 'delivery_id_malformed']] as const) {
    t.equal((await deliver(one.app, id)).statusCode, 401, id)
    t.match(one.lines.join(''), `"reason":"${reason}"`)
  }
  t.equal((await deliver(one.app, 'x'.repeat(255))).statusCode, 200)
  t.equal(one.handled.length, 2)
})

t.test('an id is one only among the deliveries of one secret: a tenant suppresses nothing of another, and an exchanged secret loses no id', async (t) => {
  const { uri } = await startTestMongo(t)
  const tenants: Readonly<Record<string, string[]>> = { one: ['secret of one'], two: ['secret of two'] }
  const sources = { shop: { preset: 'generic', idHeader, secret: (request: { headers: Record<string, unknown> }) => tenants[String(request.headers['x-tenant'])] } } as const
  const { app, handled } = await webhookApp(t, { uri, sources })
  const by = async (tenant: string, key: string, id: string): Promise<string> => {
    const { statusCode, body } = await deliver(app, id, '/hooks/shop', { 'x-tenant': tenant, 'x-signature': sign('{}', { key }) })
    return `${statusCode} ${body}`
  }
  const run = '200 {"handled":"shop"}'
  const known = '200 '
  t.equal(await by('one', 'secret of one', 'a'), run)
  t.equal(await by('two', 'secret of two', 'a'), run, 'the same id of another tenant')
  t.equal(await by('one', 'secret of one', 'a'), known)
  t.equal(await by('two', 'secret of two', 'a'), known)

  Object.assign(tenants, { one: ['new secret of one', 'secret of one'] })
  t.equal(await by('one', 'secret of one', 'a'), known, 'the old secret, wherever it stands now')
  t.equal(await by('one', 'new secret of one', 'a'), run, 'signed anew with the new secret it is news, once')
  t.equal(await by('one', 'new secret of one', 'a'), known)
  t.equal(handled.length, 3)
  const { documents } = await spied(app)
  t.notMatch(JSON.stringify(await documents.find().toArray()), /secret of/)
})

t.test('50 deliveries of one id at once, in two processes: one runs the handler, the others are told to come again', async (t) => {
  const both = await apps(t, 2)
  const answers = await Promise.all(both.flatMap(({ app }) => Array.from({ length: 25 }, async () => await deliver(app, 'a'))))
  t.equal(both.flatMap(({ handled }) => handled).length, 1)
  for (const answer of answers) {
    if (answer.statusCode === 200) continue
    t.equal(answer.headers['retry-after'], '5')
    t.match(answer.json(), { statusCode: 503, code: 'DWA_WEBHOOK_IN_PROGRESS' })
  }
  for (const { app } of both) t.equal((await deliver(app, 'a')).statusCode, 200)
  t.equal(both.flatMap(({ handled }) => handled).length, 1)
})

t.test('a handler that fails releases the id, so that the next try runs', async (t) => {
  const [one] = await apps(t, 1)
  if (one === undefined) throw new RangeError('an app is needed')
  const { app, handled, answers } = one
  app.log.level = 'fatal'
  const failures: Array<[string, number, () => Promise<unknown>]> = [
    ['throws', 500, async () => { throw new Error('mine') }],
    ['unavailable', 503, async () => { throw Object.assign(new Error('later'), { statusCode: 503 }) }],
    ['refuses', 422, async () => { throw Object.assign(new Error('no'), { statusCode: 422 }) }]
  ]
  for (const [what, status, failure] of failures) {
    handled.length = 0
    answers.push(failure)
    t.equal((await deliver(app, what, '/own')).statusCode, status, what)
    t.equal((await deliver(app, what, '/own')).body, 'done', what)
    t.equal((await deliver(app, what, '/own')).body, '', what)
    t.equal(handled.length, 2, what)
  }
  const malformed = { payload: '{', headers: { 'content-type': 'application/json', 'x-signature': sign('{'), 'x-delivery': 'm' } }
  t.equal((await app.inject({ method: 'POST', url: '/own', ...malformed })).statusCode, 400, 'a body that does not parse')
  t.equal((await deliver(app, 'm', '/own')).body, 'done')
})

t.test('an answer that passes by Fastify counts as well', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: { shop } })
  let handled = 0
  const statuses = [500, 204]
  app.post('/hijacked', { config: { webhook: 'shop' } }, (_request, reply) => {
    handled++
    reply.hijack()
    reply.raw.writeHead(statuses.shift() ?? 204).end()
  })
  const { documents } = await spied(app)
  t.equal((await deliver(app, 'a', '/hijacked')).statusCode, 500)
  await eventually('the id is released', async () => await documents.countDocuments({}) === 0)
  t.equal((await deliver(app, 'a', '/hijacked')).statusCode, 204)
  await eventually('the id is remembered', async () => await documents.countDocuments({ done: true }) === 1)
  t.equal((await deliver(app, 'a', '/hijacked')).statusCode, 200)
  t.equal(handled, 2)
})

t.test('a sender who goes away before the answer does not keep the id for a quarter of an hour', async (t) => {
  const { uri } = await startTestMongo(t)
  const clock = new ManualClock()
  const { app } = await webhookApp(t, { uri, sources: { shop }, store: { clock } })
  const handlers: Array<(answer: (payload?: string) => void) => void> = []
  const began = async (): Promise<(payload?: string) => void> => await new Promise((resolve) => { handlers.push(resolve) })
  app.post('/slow', { config: { webhook: 'shop' } }, async () => await new Promise((resolve) => { handlers.shift()?.(resolve) }))
  app.post('/hijacked', { config: { webhook: 'shop' } }, (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200).write('half of it')
    handlers.shift()?.(() => {})
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { documents } = await spied(app)
  const { port } = new URL(app.listeningOrigin)
  const leave = async (path: string, id: string) => {
    const handler = began()
    const arrived = new Promise<ServerResponse>((resolve) => { app.server.once('request', (_request: IncomingMessage, response: ServerResponse) => { resolve(response) }) })
    const request = send({ port, method: 'POST', path, headers: { 'content-length': '2', 'content-type': 'application/json', 'x-signature': sign('{}'), 'x-delivery': id } })
    request.on('error', () => {})
    request.end('{}')
    const gone = once(await arrived, 'close')
    const answer = await handler
    request.destroy()
    await gone
    return answer
  }

  await leave('/hijacked', 'a')
  await eventually('the id is released', async () => await documents.countDocuments({}) === 0)

  const answer = await leave('/slow', 'b')
  t.equal((await deliver(app, 'b')).statusCode, 503, 'the handler is still at it')
  answer('done')
  await eventually('the id is remembered', async () => await documents.countDocuments({ done: true }) === 1)
  t.equal((await deliver(app, 'b')).body, '', 'and what it did is not done again')

  const silent = await leave('/slow', 'c')
  silent() // Fastify sends nothing then, and runs no hook
  for (let renewals = 0; renewals < 3; renewals++) {
    t.equal((await deliver(app, 'c')).statusCode, 503)
    clock.advance(10_000)
  }
  t.strictSame((await deliver(app, 'c')).json(), { handled: 'shop' })
})

t.test('a sender who went away before the turn began is not waited for either', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const clock = new ManualClock()
  const { app, handled } = await webhookApp(t, { uri: proxy.uri, sources: { shop }, store: { clock } })
  app.post('/silent', { config: { webhook: 'shop' } }, async () => { handled.push({ body: null, webhook: null }) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await deliver(app, 'first')
  const { port } = new URL(app.listeningOrigin)
  const arrived = once(app.server, 'request')
  const hold = proxy.hold('update')
  const request = send({ port, method: 'POST', path: '/silent', headers: { 'content-length': '2', 'content-type': 'application/json', 'x-signature': sign('{}'), 'x-delivery': 'a' } })
  request.on('error', () => {})
  request.end('{}')
  const [, response]: unknown[] = await arrived
  if (!(response instanceof ServerResponse)) throw new TypeError('a response is needed')
  const gone = once(response, 'close')
  await hold.waiting(1)
  request.destroy()
  await gone
  await hold.release()
  await eventually('the handler has run', () => handled.length === 2)
  for (let renewals = 0; renewals < 3; renewals++) {
    t.equal((await deliver(app, 'a')).statusCode, 503)
    clock.advance(10_000)
  }
  t.strictSame((await deliver(app, 'a')).json(), { handled: 'shop' })
})

t.test('ids are remembered for dedupeSeconds, and at least as long as their timestamps are accepted', async (t) => {
  let now = Date.now()
  const { uri } = await startTestMongo(t)
  const timestamp = { header: 'x-timestamp', toleranceSeconds: 1000 }
  const sources = { shop: { ...shop, dedupeSeconds: 100 }, usual: shop, timed: { ...shop, dedupeSeconds: 100, timestamp } } as const
  const { app, handled } = await webhookApp(t, { uri, sources, store: { clock: clockAt(() => now) } })
  await app.ready()
  const timed = async (): Promise<unknown> => {
    const time = String(Math.floor(now / 1000))
    return await deliver(app, 'a', '/hooks/timed', { 'x-timestamp': time, 'x-signature': sign(`${time}.{}`) })
  }
  const after = async (seconds: number, expected: number, what: string, send: () => Promise<unknown>): Promise<void> => {
    now += seconds * 1000
    await send()
    t.equal(handled.length, expected, what)
  }
  await after(0, 1, 'new', async () => await deliver(app, 'a'))
  await after(99, 1, 'remembered', async () => await deliver(app, 'a'))
  await after(2, 2, 'forgotten', async () => await deliver(app, 'a'))
  await after(0, 3, 'new, timed', timed)
  await after(1999, 3, 'timed: remembered', timed)
  await after(2, 4, 'timed: forgotten', timed)
  await after(0, 5, 'new, by default', async () => await deliver(app, 'a', '/hooks/usual'))
  await after(86_399, 5, 'by default: remembered', async () => await deliver(app, 'a', '/hooks/usual'))
  await after(2, 6, 'by default: forgotten', async () => await deliver(app, 'a', '/hooks/usual'))
})

t.test('a process that dies in the middle blocks a delivery for half a minute; a living one for as long as its handler takes', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, lines } = await storeApp(t, { uri })
  const documents = app.store.documents<DeliveryDocument>('webhook_deliveries', deliveryIndexes)
  await app.ready()
  const clock = new ManualClock()
  const dead = new ManualClock(clock.now())
  const deliveries = (of: ManualClock): Deliveries => new Deliveries({ documents, clock: of, randomBytes, logger: app.log })
  const delivery = (id: string) => ({ source: 'shop', secretId: 'secret', id })
  const turnOf = async (id: string, of = clock) => {
    const turn = await deliveries(of).take(delivery(id), 100_000)
    if (typeof turn === 'string') throw new Error(turn)
    return turn
  }
  const until = async (): Promise<number> => await documents.run(async (collection) => (await collection.findOne({}))?.expiresAt.getTime() ?? 0)

  const lost = await turnOf('a', dead) // its timers never run
  clock.advance(29_999)
  t.equal(await deliveries(clock).take(delivery('a'), 100_000), 'taken')
  clock.advance(1)
  const second = await turnOf('a')
  await lost.end(true)
  t.match(lines, [{ message: 'a webhook delivery took so long that it was given to somebody else' }])
  t.equal(await deliveries(clock).take(delivery('a'), 100_000), 'taken', 'who came too late changes nothing')
  await lost.end(false)

  const began = clock.now()
  for (let seconds = 10; seconds <= 15 * 60; seconds += 10) {
    clock.advance(10_000)
    await eventually('the turn is prolonged', async () => await until() === clock.now() + 30_000)
  }
  clock.advance(10_000)
  clock.advance(10_000)
  t.equal(await until(), began + 15 * 60_000 + 30_000, 'a handler that never answers is waited for 15 minutes')
  t.equal(await deliveries(clock).take(delivery('a'), 100_000), 'taken')
  await second.end(true)
  await second.end(false)
  t.equal(await deliveries(clock).take(delivery('a'), 100_000), 'handled')
  clock.advance(100_000)
  const third = await turnOf('a')
  await third.end(false)
  await third.end(true)
  t.equal(await documents.run(async (collection) => await collection.countDocuments({})), 0)
})

t.test('a handler that outlives its turn while another process takes the delivery changes nothing of that one\'s, and says so once', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, lines } = await storeApp(t, { uri })
  const documents = app.store.documents<DeliveryDocument>('webhook_deliveries', deliveryIndexes)
  await app.ready()
  const clock = new ManualClock()
  const timers = new Set<() => void>()
  const stuck: Clock = { now: () => clock.now(), after: (_ms, run) => { timers.add(run); return () => { timers.delete(run) } } } // its timers come late
  const runTimers = (): void => { for (const run of [...timers]) { timers.delete(run); run() } }
  const take = async (of: Clock, taken: Pick<typeof documents, 'run'> = documents) => {
    const turn = await new Deliveries({ documents: taken, clock: of, randomBytes, logger: app.log }).take({ source: 'shop', secretId: 'secret', id: 'a' }, 100_000)
    if (typeof turn === 'string') throw new Error(turn)
    return turn
  }
  const kept = async (): Promise<DeliveryDocument | null> => await documents.run(async (collection) => await collection.findOne({}))
  const given = 'a webhook delivery took so long that it was given to somebody else'

  for (const [handled, notices] of [[true, true], [false, true], [true, false], [false, false]] as const) {
    lines.length = 0
    const slow = await take(stuck)
    clock.advance(30_000)
    const other = await take(clock)
    const turn = await kept()
    t.strictSame([turn?.done, turn?.expiresAt], [false, new Date(clock.now() + 30_000)])
    if (notices) {
      runTimers()
      await eventually('the slow one has noticed', () => lines.length > 0)
      t.equal(timers.size, 0, 'and prolongs it no more')
      t.strictSame(await kept(), turn)
    }
    await slow.end(handled)
    t.strictSame(await kept(), turn, `though its handler has ${handled ? 'ended' : 'failed'}`)
    clock.advance(10_000)
    await eventually('the other one prolongs its turn', async () => (await kept())?.expiresAt.getTime() === clock.now() + 30_000)
    t.equal((await kept())?.owner, turn?.owner)
    await other.end(true)
    t.strictSame(await kept(), { ...turn, done: true, expiresAt: new Date(clock.now() + 100_000) })
    t.strictSame(lines.map(({ message }) => message), handled || notices ? [given] : [])
    clock.advance(100_000)
  }

  lines.length = 0
  const held: Array<() => Promise<unknown>> = []
  let holds = false
  const turn = await take(stuck, {
    run: async (operation) => await (holds ? new Promise((resolve, reject) => { held.push(async () => { await documents.run(operation).then(resolve, reject) }) }) : documents.run(operation))
  })
  holds = true
  runTimers()
  holds = false
  await turn.end(true)
  t.equal(held.length, 1)
  for (const renewal of held) await renewal()
  await new Promise((resolve) => { setImmediate(resolve) })
  t.match(await kept(), { done: true, expiresAt: new Date(clock.now() + 100_000) }, 'a renewal that comes after the end changes nothing')
  t.strictSame(lines, [], 'nor is that anybody else\'s turn')
})

t.test('54. without the database a delivery is 503, and a handled one that cannot be written down is said to the operator', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  const { app, lines, handled } = await webhookApp(t, { uri: proxy.uri, sources: { shop } })
  let answer = (): void => {}
  app.post('/slow', { config: { webhook: 'shop' } }, async () => {
    await new Promise<void>((resolve) => { answer = resolve })
    return 'done'
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const slow = fetch(`${app.listeningOrigin}/slow`, { method: 'POST', headers: { 'x-signature': sign(''), 'x-delivery': 'slow' } })
  await once(app.server, 'request')
  const { documents } = await spied(app)
  await eventually('the delivery is being handled', async () => await documents.countDocuments({}) === 1)
  await proxy.cut()
  await eventually('the loss is noticed', () => !app.store.available)
  answer()
  t.equal((await slow).status, 200)
  t.match(lines.join(''), 'what became of a webhook delivery could not be stored')
  const refused = await deliver(app, 'b')
  t.strictSame([refused.statusCode, refused.headers['retry-after']], [503, '3'])
  t.match(refused.json(), { code: 'DWA_STORE_UNAVAILABLE' })
  t.strictSame(handled, [])
})

/** The deliveries as MongoDB has them. */
async function spied (app: FastifyInstance) {
  await app.ready()
  return { documents: app.store.connection.collection('dwa_webhook_deliveries') }
}
