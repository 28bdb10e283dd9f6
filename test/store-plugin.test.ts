import t from 'tap'
import Fastify, { type FastifyInstance } from 'fastify'
import type { RouteHook } from '../lib/store/route-auth.js'
import { logSettings } from '../lib/store/store-options.js'
import { store, type StoreOptions } from '../plugins/store.js'
import { packageVersion } from '../lib/version.js'
import { readFile } from 'node:fs/promises'
import { runInNewContext } from 'node:vm'
import { startTestMongo } from './mongo.js'
import { masterKey, storeApp } from './store-app.js'

const dead = 'mongodb://127.0.0.1:1/x'

t.test('options are checked, with their path', async (t) => {
  const odd = (value: unknown): never => value as never
  const cases: Array<[Partial<StoreOptions>, string]> = [
    [{ uri: odd(undefined) }, 'store.uri: is required, unless connection is given'],
    [{ uri: dead, connection: odd({}) }, 'store.connection: either uri or connection, not both'],
    [{ uri: odd(7) }, 'store.uri: must be string'],
    ...['a/b', 'a%20b', 'a.b', '%22', '$a', 'x'.repeat(64)].map((name): [Partial<StoreOptions>, string] => [{ uri: `mongodb://127.0.0.1:1/${name}` }, 'store.uri: names a database that MongoDB does not take']),
    [{ uri: '' }, 'store.uri: must NOT have fewer than 1 characters'],
    [{ uri: dead, secretKeys: odd(undefined) }, 'store.secretKeys: is required'],
    [{ uri: dead, secretKeys: [] }, 'store.secretKeys: must NOT have fewer than 1 items'],
    [{ uri: dead, secretKeys: [masterKey, 'AAAA'] }, 'store.secretKeys[1]: is 3 bytes long, and at least 32 are needed (make one: openssl rand -base64 32)'],
    [{ uri: dead, secretKeys: ['???'] }, 'store.secretKeys[0]: is not base64'],
    [{ uri: dead, collectionPrefix: 'a$b' }, 'store.collectionPrefix: must match pattern "^[A-Za-z0-9_.-]{0,40}$"'],
    [{ uri: dead, access: odd('me') }, 'store.access: must be a function'],
    [{ uri: dead, more: 1 } as Partial<StoreOptions>, 'store.more: unknown option'],
    [{ uri: dead, log: { size: 1 } }, 'store.log.size: must be >= 1048576'],
    [{ uri: dead, log: { max: 0 } }, 'store.log.max: must be >= 1'],
    [{ uri: dead, log: odd({ sizes: 1 }) }, 'store.log.sizes: unknown option'],
    [{ uri: dead, log: { uri: 'nonsense' } }, 'store.log.uri: is not a MongoDB address'],
    [{ uri: dead, log: { uri: `${dead}/y` } }, 'store.log.uri: names a database that MongoDB does not take'],
    [{ uri: dead, log: { requireInsertOnly: true } }, 'store.log.requireInsertOnly: needs store.log.uri: the store\'s own credential must be able to do more'],
    [{ uri: dead, publicUrl: 'nonsense' }, 'store.publicUrl: is not a URL'],
    [{ uri: dead, publicUrl: 'http://app.example.com' }, 'store.publicUrl: must be https, or http on loopback'],
    [{ uri: dead, publicUrl: 'ftp://localhost' }, 'store.publicUrl: must be https, or http on loopback'],
    [{ uri: dead, publicUrl: 'https://ann:pw@app.example.com' }, 'store.publicUrl: must not hold credentials'],
    [{ uri: dead, publicUrl: 'https://app.example.com/?a=1' }, 'store.publicUrl: must not have a query or a fragment'],
    [{ uri: dead, publicUrl: 'https://app.example.com/#' }, 'store.publicUrl: must not have a query or a fragment']
  ]
  for (const [options, message] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(store, { secretKeys: [masterKey], ...options }) }, { code: 'DWA_OPTIONS_INVALID', message }, message)
  }
})

t.test('an option that is undefined has its default', async (t) => {
  const undefinedLog = { size: undefined, max: undefined, uri: undefined, personalData: undefined, requireInsertOnly: undefined, spool: undefined }
  const { personalData, requireInsertOnly, size, spool } = logSettings(undefinedLog)
  t.same({ personalData, requireInsertOnly, size, spool }, { personalData: false, requireInsertOnly: false, size: 64 * 1024 * 1024, spool: 1000 })
  t.same(logSettings(undefinedLog), logSettings())
  t.same(logSettings({ size: 1 << 20, max: 7, uri: 'x', personalData: true, requireInsertOnly: true, spool: 1 }), { size: 1 << 20, max: 7, uri: 'x', personalData: true, requireInsertOnly: true, spool: 1 })
})

t.test('the public URL has one spelling', async (t) => {
  const { uri } = await startTestMongo(t)
  const cases: Array<[string | undefined, string | null]> = [[undefined, null], ['https://App.Example.com/', 'https://app.example.com'], ['https://app.example.com:443/auth//', 'https://app.example.com/auth'], ['http://localhost:3000', 'http://localhost:3000'], ['http://[::1]:3000/x', 'http://[::1]:3000/x']]
  for (const [publicUrl, expected] of cases) {
    const { app } = await storeApp(t, { uri, ...(publicUrl === undefined ? {} : { publicUrl }) })
    t.equal(app.store.publicUrl, expected)
  }
})

t.test('the plugin is registered once, and its name and version are right', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  await t.rejects(async () => { await app.register(store, { uri, secretKeys: [masterKey] }) }, { code: 'DWA_PLUGIN_ALREADY_REGISTERED', message: 'fastify-docuware-auth/store is already registered on this app' })
  t.ok(app.hasPlugin('fastify-docuware-auth/store'))
  t.equal(packageVersion, (JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version)
})

t.test('a log collection that is not capped is an error at boot, with the command that mends it', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri, collectionPrefix: 'first_' })
  await app.store.connection.db?.createCollection('empty_log')
  await app.store.connection.collection('keyed_log').insertOne({ a: 1 })
  await app.store.connection.collection('keyed_keys').insertOne({ ...await app.store.connection.collection('first_keys').findOne({}) })
  for (const prefix of ['empty_', 'keyed_']) {
    await t.rejects(storeApp(t, { uri, collectionPrefix: prefix, log: { size: 1 << 20 } }), {
      code: 'DWA_LOG_NOT_CAPPED',
      message: `The collection ${prefix}log is not capped. Run: db.runCommand({ convertToCapped: "${prefix}log", size: 1048576 })`
    })
  }
  const found = await storeApp(t, { uri, collectionPrefix: 'first_', log: { size: 1 << 20 } })
  t.match(await found.app.auditLog.verify(), { ok: true, chains: 2 }, 'a capped one of another size is taken as it is')
})

t.test('the log\'s own credential: nothing beyond inserting and finding, or a warning, or an error', async (t) => {
  const { startEmbeddedMongo } = await import('../testing/index.js')
  const { MongoClient } = await import('mongodb')
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const admin = new MongoClient(mongo.uri)
  t.teardown(() => admin.close())
  const db = admin.db()
  const on = { db: db.databaseName, collection: 'dwa_log' }
  const [, documented = ''] = /^db\.createRole\((\{.*?^\})\)/ms.exec(await readFile(new URL('../docs/operations.md', import.meta.url), 'utf8')) ?? []
  const { role, ...rights } = JSON.parse(JSON.stringify(runInNewContext(`(${documented})`)).replaceAll('"app"', JSON.stringify(db.databaseName)))
  t.equal(role, 'auditWriter')
  await db.command({ createRole: role, ...rights }) // as docs/operations.md says
  await db.command({ createUser: 'narrow', pwd: 'narrow', roles: ['auditWriter'] })
  await db.command({ createUser: 'wide', pwd: 'wide', roles: ['readWrite'] })
  const as = (name: string): string => {
    const uri = new URL(mongo.uri)
    uri.username = uri.password = name
    uri.searchParams.set('authSource', db.databaseName)
    return uri.href
  }
  const narrow = await storeApp(t, { uri: mongo.uri, log: { uri: as('narrow'), requireInsertOnly: true } })
  await narrow.app.auditLog.append('thing.seen')
  t.match(await narrow.app.auditLog.verify(), { ok: true })
  t.match((await narrow.app.auditLog.find({ event: 'log.opened' }))[0]?.details, { privileges: 'insert and find' })
  t.notOk(narrow.lines.some(({ message }) => message.includes('credential')))

  const wide = await storeApp(t, { uri: mongo.uri, log: { uri: as('wide') } })
  t.match(wide.lines.find(({ message }) => message === 'the credential of log.uri may do more than insert and find'), { level: 'warn', details: { excess: /remove|update|dropCollection/ } })
  t.match((await wide.app.auditLog.find({ event: 'log.opened', limit: 1 }))[0]?.details, { privileges: ['changeStream'] })
  await t.rejects(storeApp(t, { uri: mongo.uri, log: { uri: as('wide'), requireInsertOnly: true } }), { code: 'DWA_LOG_PRIVILEGES', message: /remove/ })

  await db.command({ createRole: 'auditBlind', privileges: [{ resource: on, actions: ['insert', 'find'] }], roles: [] })
  await db.command({ createUser: 'blind', pwd: 'blind', roles: ['auditBlind'] })
  await t.rejects(storeApp(t, { uri: mongo.uri, log: { uri: as('blind') } }), { code: 13 }, 'too few')

  const open = await startTestMongo(t)
  await t.rejects(storeApp(t, { uri: open.uri, log: { uri: open.uri, requireInsertOnly: true } }), { code: 'DWA_LOG_PRIVILEGES', message: /no user is signed in/ })
})

t.test('log.uri may name another database: the log is created there, by its own credential, or the command is named', async (t) => {
  const { startEmbeddedMongo } = await import('../testing/index.js')
  const { MongoClient } = await import('mongodb')
  const open = await startEmbeddedMongo()
  t.teardown(() => open.stop())
  const elsewhere = (address: string): URL => Object.assign(new URL(address), { pathname: '/elsewhere' })
  const { app } = await storeApp(t, { uri: open.uri, log: { uri: elsewhere(open.uri).href } })
  await app.auditLog.append('thing.seen')
  const { client } = app.store.connection as unknown as { client: InstanceType<typeof MongoClient> }
  t.equal(await client.db('elsewhere').collection('dwa_log').countDocuments(), 2)
  t.same(await client.db().listCollections({ name: 'dwa_log' }).toArray(), [], 'and none in the main one')

  const guarded = await startEmbeddedMongo({ auth: true })
  t.teardown(() => guarded.stop())
  const admin = new MongoClient(guarded.uri)
  t.teardown(() => admin.close())
  const db = admin.db('elsewhere')
  await db.command({ createRole: 'auditWriter', privileges: [{ resource: { db: 'elsewhere', collection: 'dwa_log' }, actions: ['insert', 'find', 'listIndexes', 'collStats'] }], roles: [] })
  await db.command({ createUser: 'narrow', pwd: 'narrow', roles: ['auditWriter'] })
  const narrow = elsewhere(guarded.uri)
  narrow.username = narrow.password = 'narrow'
  narrow.searchParams.set('authSource', 'elsewhere')
  await t.rejects(storeApp(t, { uri: guarded.uri, log: { uri: narrow.href, size: 1 << 20 } }), {
    code: 'DWA_LOG_MISSING',
    message: /Run: db\.getSiblingDB\("elsewhere"\)\.createCollection\("dwa_log", \{"capped":true,"size":1048576\}\)$/
  })
})

t.test('requireRole: 401 for nobody, 403 without the role, and closed when access fails', async (t) => {
  const { uri } = await startTestMongo(t)
  const callers: Record<string, unknown> = { ann: { id: 'u1', name: 'Ann', roles: ['docuware'] }, root: { id: 'u2', roles: ['system'] }, nobody: null, undef: undefined, odd: { id: 1, roles: [] }, odder: { id: 'x', roles: 'system' }, oddest: 'system' }
  const access = (request: { headers: Record<string, unknown> }): never => {
    const name = String(request.headers['x-caller'])
    if (name === 'throw') throw new Error('the user directory is down')
    return callers[name] as never
  }
  const { app } = await storeApp(t, { uri, access })
  app.get('/system', { onRequest: app.requireRole('system') }, async () => 'in')
  const cases: Array<[string, number, string | undefined]> = [['root', 200, undefined], ['ann', 403, 'DWA_ACCESS_FORBIDDEN'], ['nobody', 401, 'DWA_ACCESS_UNAUTHENTICATED'], ['undef', 401, 'DWA_ACCESS_UNAUTHENTICATED'], ['odd', 500, 'DWA_ACCESS_FAILED'], ['odder', 500, 'DWA_ACCESS_FAILED'], ['oddest', 500, 'DWA_ACCESS_FAILED'], ['throw', 500, 'DWA_ACCESS_FAILED']]
  for (const [caller, status, code] of cases) {
    const answer = await app.inject({ url: '/system', headers: { 'x-caller': caller } })
    t.equal(answer.statusCode, status, caller)
    if (code !== undefined) t.equal(answer.json().code, code)
    t.equal(answer.headers['www-authenticate'], status === 401 ? 'Session' : undefined)
    t.notMatch(answer.body, /directory/)
  }
  const { app: bare } = await storeApp(t, { uri })
  bare.get('/system', { onRequest: bare.requireRole('system') }, async () => 'in')
  t.equal((await bare.inject('/system')).statusCode, 401, 'by default nobody calls')
})

const letIn: RouteHook = (_request, reply, done) => {
  reply.header('x-checked', 'yes')
  done()
}
const claimant = { name: 'test', claim: (value: string) => value === 'test' ? letIn : null }

t.test('57. a config.auth or config.webhook that nobody claims stops the boot, with the route', async (t) => {
  const { uri } = await startTestMongo(t)
  const odd = (value: unknown): never => value as never
  const cases: Array<[object, string, string | RegExp]> = [
    [{ auth: 'tset' }, 'DWA_ROUTE_UNCLAIMED', 'Route GET,HEAD /x: no registered plugin serves config.auth "tset"'],
    [{ auth: '' }, 'DWA_ROUTE_UNCLAIMED', /config\.auth ""/],
    [{ auth: odd(true) }, 'DWA_ROUTE_MALFORMED', 'Route GET,HEAD /x: config.auth must be a string or false'],
    [{ auth: odd(null) }, 'DWA_ROUTE_MALFORMED', /must be a string or false/],
    [{ webhook: 'docuware' }, 'DWA_ROUTE_UNCLAIMED', 'Route GET,HEAD /x: no registered plugin serves config.webhook "docuware"'],
    [{ webhook: odd({}) }, 'DWA_ROUTE_MALFORMED', /config\.webhook must be a string$/]
  ]
  for (const [config, code, message] of cases) {
    const { app } = await storeApp(t, { uri })
    app.routeAuth.register(claimant)
    await app.register(async (child) => { child.route({ method: ['GET', 'HEAD'], url: '/x', config, handler: async () => 'in' }) })
    await t.rejects(async () => { await app.ready() }, { code, message }, JSON.stringify(config))
  }
  const { app } = await storeApp(t, { uri })
  app.routeAuth.every('gone')
  t.throws(() => { app.routeAuth.every('other') }, { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
  await t.rejects(async () => { await app.ready() }, { code: 'DWA_ROUTE_UNCLAIMED', message: /every route/ })
})

t.test('57. config.scopes that nothing checks, or that are no scopes, stop the boot', async (t) => {
  const { uri } = await startTestMongo(t)
  const odd = (value: unknown): never => value as never
  const cases: Array<[object, RegExp | null]> = [
    [{ config: { scopes: ['read'] } }, /^Route GET \/x: config\.scopes is checked by nothing/],
    [{ config: { scopes: ['read'], auth: false } }, /checked by nothing/],
    [{ config: { scopes: ['read'] }, onRequest: [] }, /checked by nothing/],
    [{ config: { auth: 'test', scopes: odd('read') } }, /config\.scopes must be an array of scopes/],
    [{ config: { auth: 'test', scopes: ['read', ''] } }, /array of scopes/],
    [{ config: { auth: 'test', scopes: ['a b'] } }, /array of scopes/],
    [{ config: { auth: 'test', scopes: odd([1]) } }, /array of scopes/],
    [{ config: { auth: 'test', scopes: ['read', 'https://x/y:z'] } }, null],
    [{ config: { scopes: ['read'] }, onRequest: letIn }, null],
    [{ config: { scopes: ['read'] }, onRequest: [letIn] }, null]
  ]
  for (const [options, message] of cases) {
    const { app } = await storeApp(t, { uri })
    app.routeAuth.register(claimant)
    app.get('/x', options, async () => 'in')
    if (message === null) await app.ready()
    else await t.rejects(async () => { await app.ready() }, { code: 'DWA_ROUTE_MALFORMED', message }, JSON.stringify(options))
  }
  const { app } = await storeApp(t, { uri })
  app.routeAuth.register(claimant)
  app.routeAuth.every('test')
  app.get('/x', { config: { scopes: ['read'] } }, async () => 'in')
  await app.ready()
})

t.test('57. routes that differ by a constraint only are all checked', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  app.routeAuth.register(claimant)
  app.get('/x', { constraints: { host: 'a.example.com' }, config: { auth: 'tset' } }, async () => 'in')
  app.get('/x', { constraints: { host: 'b.example.com' }, config: { auth: 'test' } }, async () => 'in')
  await t.rejects(async () => { await app.ready() }, { code: 'DWA_ROUTE_UNCLAIMED' })
})

t.test('57. the store is registered on the root only, where no route is outside of it', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(async (child) => { await child.register(store, { uri, secretKeys: [masterKey] }) })
  app.get('/x', { config: { auth: 'test' } }, async () => 'in')
  await t.rejects(async () => { await app.ready() }, { code: 'DWA_STORE_NOT_AT_ROOT' })
})

t.test('57. claimed values are enforced on every route, before and after, above and below', async (t) => {
  const { uri } = await startTestMongo(t)
  const early = (app: FastifyInstance): void => {
    app.get('/early', { config: { auth: 'test' } }, async () => 'in')
    app.get('/early/free', async () => 'in')
    app.register(async (child) => {
      child.get('/early/child', { config: { auth: 'test' } }, async () => 'in')
      child.post('/early/child/hook', { config: { webhook: 'source' } }, async () => 'in')
    })
  }
  const { app } = await storeApp(t, { uri }, early)
  app.routeAuth.register(claimant)
  t.throws(() => { app.routeAuth.register(claimant) }, { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
  await app.register(async (child) => { // a plugin of a child serves the routes outside as well
    child.routeAuth.webhook.register({
      name: 'hooks',
      claim: (value) => value === 'source'
        ? (_request, reply, payload, done) => {
            reply.header('x-checked', 'yes')
            done(null, payload)
          }
        : null
    })
  })
  app.get('/late', { config: { auth: 'test' } }, async () => 'in')
  app.get('/free', async () => 'in')
  app.get('/out', { config: { auth: false } }, async () => 'in')
  app.post('/hook', { config: { webhook: 'source' } }, async () => 'in')
  app.post('/free', async () => 'in')
  app.register(async (child) => {
    child.get('/late/child', { config: { auth: 'test' } }, async () => 'in')
    child.post('/late/child/hook', { config: { webhook: 'source' } }, async () => 'in')
  })
  for (const [url, checked] of [['/early', 'yes'], ['/early/child', 'yes'], ['/late', 'yes'], ['/late/child', 'yes'], ['/free', undefined], ['/early/free', undefined], ['/out', undefined], ['/none', undefined]] as const) {
    t.equal((await app.inject(url)).headers['x-checked'], checked, url)
    t.equal((await app.inject({ method: 'HEAD', url })).headers['x-checked'], checked, `HEAD ${url}`)
  }
  for (const [url, checked] of [['/hook', 'yes'], ['/early/child/hook', 'yes'], ['/late/child/hook', 'yes'], ['/free', undefined]] as const) {
    const { statusCode, headers } = await app.inject({ method: 'POST', url, payload: { a: 1 } })
    t.strictSame([statusCode, headers['x-checked']], [200, checked], `POST ${url}`)
  }
})

t.test('57. a route declared before the store with a value nobody claims is 500 at request time, never open', async (t) => {
  const { uri } = await startTestMongo(t)
  const odd = (value: unknown): never => value as never
  const { app, lines } = await storeApp(t, { uri }, (app) => {
    app.get('/auth', { config: { auth: 'nobody' } }, async () => 'in')
    app.get('/odd', { config: { auth: odd(1) } }, async () => 'in')
    app.get('/throws', { config: { auth: 'throws' } }, async () => 'in')
    app.get('/both', { config: { auth: 'both' } }, async () => 'in')
    app.get('/webhook', { config: { webhook: 'nobody' } }, async () => 'in')
    app.get('/webhook/false', { config: { webhook: odd(false) } }, async () => 'in')
  })
  app.routeAuth.register({ name: 'a', claim (value) { if (value === 'throws') throw new Error('mine'); return value === 'both' ? letIn : null } })
  app.routeAuth.register({ name: 'b', claim: (value) => value === 'both' ? letIn : null })
  for (const [url, code] of [['/auth', 'DWA_ROUTE_UNCLAIMED'], ['/odd', 'DWA_ROUTE_MALFORMED'], ['/throws', 'DWA_ROUTE_MALFORMED'], ['/both', 'DWA_PLUGIN_ALREADY_REGISTERED'], ['/webhook', 'DWA_ROUTE_UNCLAIMED'], ['/webhook/false', 'DWA_ROUTE_MALFORMED']] as const) {
    const answer = await app.inject(url)
    t.match(answer.json(), { statusCode: 500, code }, url)
  }
  t.ok(lines.filter(({ level, message }) => level === 'error' && message === 'a route cannot be served as its config asks').length >= 6)
})

t.test('protect every: routes without config.auth get the value; false opts out; unknown paths stay 404', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri }, (app) => { app.get('/early', async () => 'in') })
  app.routeAuth.register({ name: 'test', claim: (value) => value === 'test' ? (_request, reply) => { reply.code(401).send() } : null })
  app.routeAuth.every('test')
  app.routeAuth.every('test')
  app.get('/late', async () => 'in')
  app.get('/out', { config: { auth: false } }, async () => 'in')
  for (const [url, status] of [['/early', 401], ['/late', 401], ['/out', 200], ['/none', 404]] as const) t.equal((await app.inject(url)).statusCode, status, url)
})
