import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import t from 'tap'
import { jwt } from '../../plugins/jwt.js'
import { store } from '../../plugins/store.js'
import { webhooks } from '../../plugins/webhooks.js'
import { signToken } from '../../testing/sign-token.js'
import { clockAt } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { eventually, masterKey } from '../store-app.js'
import { invalid, secret, sign, webhookApp } from './webhook-app.js'

const shop = { preset: 'generic', secret } as const
const signed = { 'content-type': 'application/json', 'x-signature': sign('{}') }
const forged = { 'content-type': 'application/json', 'x-signature': sign('x') }
const send = async (app: FastifyInstance, url: string, headers: Record<string, string>, remoteAddress = '127.0.0.1') => await app.inject({ method: 'POST', url, payload: '{}', headers, remoteAddress })

t.test('no webhook route reachable without verification: before and after, above and below, whatever else is registered', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const route = (instance: FastifyInstance, url: string): void => { instance.post(url, { config: { webhook: 'shop' } }, async ({ webhook }) => webhook) }
  route(app, '/before-store')
  app.register(async (child) => { route(child, '/before-store/child') })
  await app.register(store, { uri, secretKeys: [masterKey] })
  route(app, '/before')
  app.register(async (child) => { route(child, '/before/child') })
  await app.register(async (child) => { // not even when the plugin is inside of a child
    await child.register(webhooks, { sources: { shop } })
    route(child, '/inside')
  })
  route(app, '/after')
  app.register(async (child) => {
    child.removeAllContentTypeParsers()
    child.addContentTypeParser('*', (_request, _payload, done) => { done(null) })
    route(child, '/after/child')
  })
  app.post('/open', async () => 'open')
  for (const url of ['/before-store', '/before-store/child', '/before', '/before/child', '/inside', '/after', '/after/child']) {
    t.strictSame((await send(app, url, signed)).json(), { source: 'shop', id: null, timestamp: null }, url)
    for (const headers of [forged, {}, { 'content-type': 'application/json' }]) t.strictSame((await send(app, url, headers)).json(), invalid, url)
    t.equal((await app.inject({ method: 'POST', url })).statusCode, 401, `${url}, without a body`)
  }
  t.equal((await send(app, '/open', { 'content-type': 'application/json' })).body, 'open', 'other routes are left alone')
})

t.test('57. what no plugin serves, or is no name, stops the boot; a name that nobody knows is refused at request time', async (t) => {
  const { uri } = await startTestMongo(t)
  const boot = async (webhook: unknown, register = true): Promise<void> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(store, { uri, secretKeys: [masterKey] })
    if (register) await app.register(webhooks, {})
    app.post('/x', { config: { webhook: webhook as string } }, async () => 'in')
    await app.ready()
  }
  await t.rejects(boot('shop', false), { code: 'DWA_ROUTE_UNCLAIMED' })
  for (const name of ['', ' shop', 'a/b', '-x', 'é', 'x'.repeat(101), 5, null, false]) await t.rejects(boot(name), { code: 'DWA_ROUTE_MALFORMED' }, String(name))
  await t.resolves(boot('stored-later'))

  const { app, lines, handled } = await webhookApp(t, { uri, sources: { shop } })
  for (const headers of [signed, forged, {}]) t.strictSame((await send(app, '/hooks/late', headers)).json(), invalid)
  t.match(lines.join(''), '"level":50', 'an error line: the route cannot be used')
  t.match(lines.join(''), '"webhook":"late","reason":"unknown_source"')
  t.strictSame(handled, [])
})

t.test('options are checked at register, with their path', async (t) => {
  const { uri } = await startTestMongo(t)
  const register = async (options: unknown): Promise<void> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(store, { uri, secretKeys: [masterKey] })
    await app.register(webhooks, options as object)
  }
  for (const [options, message] of [
    [{ colour: 'red' }, 'webhooks.colour: unknown option'],
    [{ sources: { shop: {} } }, 'webhooks.sources.shop.secret: is required'],
    [{ sources: { shop: { secret } } }, 'webhooks.sources.shop.header: is required without a preset'],
    [{ sources: { shop: { ...shop, secret: '' } } }, /^webhooks\.sources\.shop\.secret: /],
    [{ sources: { shop: { ...shop, secret: [] } } }, /^webhooks\.sources\.shop\.secret: /],
    [{ sources: { shop: { ...shop, algorithm: 'md5' } } }, /^webhooks\.sources\.shop\.algorithm: must be one of/],
    [{ sources: { shop: { ...shop, dedupeSeconds: 60 } } }, /^webhooks\.sources\.shop\.dedupeSeconds: needs idHeader/],
    [{ sources: { shop: { ...shop, timestamp: { header: 'x' } } } }, 'webhooks.sources.shop.timestamp.toleranceSeconds: is required'],
    [{ sources: { 'a b': shop } }, /^webhooks\.sources\.a b: must begin with a letter/],
    [{ limits: { refusedPerAddress: { max: 0, windowSeconds: 1 } } }, /^webhooks\.limits\.refusedPerAddress\.max: /]
  ] as const) await t.rejects(register(options), { code: 'DWA_OPTIONS_INVALID', message })
  const twice = Fastify()
  t.teardown(() => twice.close())
  await twice.register(store, { uri, secretKeys: [masterKey] })
  await twice.register(webhooks)
  await t.rejects(async () => { await twice.register(webhooks) }, { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
  const alone = Fastify()
  t.teardown(() => alone.close())
  await t.rejects(async () => { await alone.register(webhooks) }, /fastify-docuware-auth\/store/)
})

t.test('config.auth and config.webhook on one route must both pass; protect every is for other routes', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const validator = { name: 'demo', signatureType: 'secret', secretKey: 'a secret of thirty-two bytes or more', audience: 'api', issuer: 'https://issuer.example' } as const
  const token = signToken({ iss: validator.issuer, aud: 'api', sub: 'u' }, { secret: validator.secretKey })
  await app.register(store, { uri, secretKeys: [masterKey] })
  await app.register(jwt, { validators: [validator], protect: { every: 'jwt_demo' } })
  await app.register(webhooks, { sources: { shop } })
  let handled = 0
  const handler = async (): Promise<string> => {
    handled++
    return 'in'
  }
  app.post('/hook', { config: { webhook: 'shop' } }, handler)
  app.post('/both', { config: { webhook: 'shop', auth: 'jwt_demo' } }, handler)
  app.post('/neither', { config: { webhook: 'shop', auth: false } }, handler)
  app.post('/other', handler)
  const authorization = `Bearer ${token}`
  for (const [url, headers, status] of [
    ['/hook', signed, 200], ['/hook', forged, 401], ['/hook', { ...forged, authorization }, 401],
    ['/both', { ...signed, authorization }, 200], ['/both', signed, 401], ['/both', { ...forged, authorization }, 401],
    ['/neither', signed, 200], ['/neither', forged, 401],
    ['/other', signed, 401], ['/other', { 'content-type': 'application/json', authorization }, 200]
  ] as const) {
    handled = 0
    t.equal((await send(app, url, headers)).statusCode, status, `${url} ${Object.keys(headers).join()}`)
    t.equal(handled, status === 200 ? 1 : 0)
  }
  t.match((await send(app, '/both', forged)).headers['www-authenticate'], /^Bearer/, 'the caller is asked for first')

  const scoped = Fastify()
  t.teardown(() => scoped.close())
  await scoped.register(store, { uri, secretKeys: [masterKey] })
  await scoped.register(jwt, { validators: [validator], protect: { every: 'jwt_demo' } })
  await scoped.register(webhooks, { sources: { shop } })
  scoped.post('/x', { config: { webhook: 'shop', scopes: ['read'] } }, handler)
  await t.rejects(async () => { await scoped.ready() }, { code: 'DWA_ROUTE_MALFORMED' }, 'scopes that nothing checks')
})

t.test('31. rate limits: 60 refused requests of a source from one address are followed by 429 with Retry-After, in every process', async (t) => {
  const { uri } = await startTestMongo(t)
  let now = Date.now()
  const build = async () => {
    const { app, handled } = await webhookApp(t, { uri, sources: { shop, other: shop }, store: { clock: clockAt(() => now) }, fastify: { trustProxy: true } })
    await app.ready()
    return { app, handled }
  }
  const [{ app, handled }, { app: second }] = [await build(), await build()]
  for (let count = 1; count <= 60; count++) {
    const { statusCode } = await send(count % 2 === 0 ? app : second, '/hooks/shop', count % 3 === 0 ? {} : forged)
    if (statusCode !== 401) t.fail(`${count}: ${statusCode}`)
  }
  for (const process of [app, second]) {
    await eventually('every process knows', async () => (await send(process, '/hooks/shop', signed)).statusCode === 429)
    const answer = await send(process, '/hooks/shop', signed)
    t.match(answer.json(), { statusCode: 429, code: 'DWA_RATE_LIMITED' })
    t.match(answer.headers['retry-after'], /^(?:5\d|60)$/)
  }
  t.equal(handled.length, 0)
  t.equal((await send(app, '/hooks/other', signed)).statusCode, 200, 'another source')
  t.equal((await send(app, '/hooks/shop', signed, '10.0.0.2')).statusCode, 200, 'another address')
  t.equal((await send(app, '/hooks/shop', { ...signed, 'x-forwarded-for': '203.0.113.9' })).statusCode, 200, 'another sender behind the proxy that the app trusts')
  now += 61_000
  t.equal((await send(app, '/hooks/shop', signed)).statusCode, 200, 'a minute later')
  t.match(await app.auditLog.find({ event: 'limit.locked' }), [{ level: 'warning', target: { name: 'refusedPerAddress' }, details: { seconds: 60 } }])
  t.notMatch(JSON.stringify(await app.store.connection.collection('dwa_failures').find().toArray()), '127.0.0.1')
})

t.test('31. figures are options, an IPv6 network counts as one address, and good requests write nothing', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: { shop }, limits: { refusedPerAddress: { max: 2, windowSeconds: 10, lockSeconds: 1000 } } })
  await app.ready()
  for (let count = 0; count < 20; count++) t.equal((await send(app, '/hooks/shop', signed)).statusCode, 200)
  t.equal(await app.store.connection.collection('dwa_failures').countDocuments(), 0)
  t.equal(await app.store.connection.collection('dwa_webhook_deliveries').countDocuments(), 0)
  for (const address of ['2001:db8::1', '2001:db8::2']) t.equal((await send(app, '/hooks/shop', forged, address)).statusCode, 401)
  const answer = await send(app, '/hooks/shop', signed, '2001:db8::3')
  t.equal(answer.statusCode, 429)
  t.match(answer.headers['retry-after'], /^(?:9\d\d|1000)$/)
  t.equal((await send(app, '/hooks/shop', signed, '2001:db8:1::1')).statusCode, 200)
})

t.test('refused requests are in the audit log, sampled; nothing of what was right is', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await webhookApp(t, { uri, sources: { shop } })
  await app.ready()
  const { id } = await app.webhookSources.create({ name: 'late', header: 'x-late', secret: 'x' })
  for (let count = 0; count < 5; count++) await send(app, '/hooks/shop', forged)
  await send(app, '/hooks/shop', {})
  await send(app, '/hooks/late', signed)
  await send(app, '/hooks/shop', signed)
  await eventually('they are written', async () => (await app.auditLog.find({ event: 'webhook.refused' })).length === 3)
  const entries = (await app.auditLog.find({ event: 'webhook.*' })).reverse()
  t.strictSame(entries.map(({ event, level, target, details }) => [event, level, target, details]), [
    ['webhook.refused', 'warning', { type: 'webhook_source', id: null, name: 'shop' }, { reason: 'signature_wrong', count: 1 }],
    ['webhook.refused', 'warning', { type: 'webhook_source', id: null, name: 'shop' }, { reason: 'signature_missing', count: 1 }],
    ['webhook.refused', 'warning', { type: 'webhook_source', id, name: 'late' }, { reason: 'signature_missing', count: 1 }]
  ])
})

t.test('credentials in no log line', async (t) => {
  const { uri } = await startTestMongo(t)
  const found = 'a secret that a function finds'
  const sources = { shop: { ...shop, idHeader: 'x-delivery', timestamp: { header: 'x-time', toleranceSeconds: 60 } }, tenant: { preset: 'generic', secret: () => found }, broken: { preset: 'generic', secret: () => [found, ''] } } as const
  const { app, lines } = await webhookApp(t, { uri, sources })
  app.log.level = 'trace'
  await app.ready()
  const stored = 'a secret of a stored source'
  await app.webhookSources.create({ name: 'late', preset: 'generic', secret: stored })
  const time = String(Math.floor(Date.now() / 1000))
  const right = sign(`${time}.{}`)
  const bodies = []
  for (const [url, headers] of [
    ['/hooks/shop', { ...signed, 'x-time': time, 'x-delivery': 'a', 'x-signature': right }], ['/hooks/shop', { ...forged, 'x-time': time, 'x-delivery': 'b' }], ['/hooks/shop', {}],
    ['/hooks/tenant', { ...signed, 'x-signature': sign('{}', { key: found }) }], ['/hooks/tenant', forged], ['/hooks/broken', signed],
    ['/hooks/late', { ...signed, 'x-signature': sign('{}', { key: stored }) }], ['/hooks/late', forged]
  ] as const) bodies.push((await send(app, url, headers)).body)
  const all = lines.join('') + bodies.join('') + JSON.stringify(await app.auditLog.find({ limit: 1000 }))
  for (const text of [secret, found, stored, right, sign('x'), sign('{}', { key: found }), sign('{}', { key: stored })]) t.notOk(all.includes(text), text)
  for (const text of [secret, stored]) t.ok(app.store.handledSecrets.includesIn(`it says ${text} somewhere`), 'telemetry knows what to leave out')
})
