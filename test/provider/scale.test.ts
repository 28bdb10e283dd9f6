import { randomBytes } from 'node:crypto'
import { calculateObjectSize } from 'bson'
import Fastify, { type FastifyInstance } from 'fastify'
import { MongoClient, ObjectId, type CommandStartedEvent, type Document } from 'mongodb'
import { createConnection } from 'mongoose'
import t, { type Test } from 'tap'
import { fill } from '../../bench/provider/fill.js'
import { AccessTokens } from '../../lib/provider/access-tokens.js'
import { defaultLifetimes } from '../../lib/provider/provider-options.js'
import { Subjects } from '../../lib/provider/subjects.js'
import { TokenFamilies, familyIndexes, type Granted } from '../../lib/provider/token-families.js'
import type { TokenFamilyDocument } from '../../lib/provider/token-family.js'
import { Batch } from '../../lib/store/batch.js'
import { ConfirmedCache } from '../../lib/store/confirmed-cache.js'
import { OpenedStore } from '../../lib/store/open-store.js'
import { ServerClock } from '../../lib/store/server-clock.js'
import { provider } from '../../plugins/provider.js'
import { store } from '../../plugins/store.js'
import { masterKey } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { as, ask, decide, get, shown, post as submit } from './authorize-app.js'
import { callback, challenge, codeFor, issuer, makeClient, people, post, redeem, refresh, type MadeClient } from './provider-app.js'

interface Watched {
  readonly app: FastifyInstance
  readonly uri: string
  /** What was sent to MongoDB since the last call. */
  readonly sent: () => Document[]
}

/** A provider whose commands to MongoDB are written down. */
async function watchedApp (t: Test, uri: string): Promise<Watched> {
  const connection = await createConnection(uri, { monitorCommands: true }).asPromise()
  t.teardown(() => connection.close())
  let commands: Document[] = []
  connection.getClient().on('commandStarted', ({ command }: CommandStartedEvent) => { commands.push(command) })
  const app = Fastify()
  t.teardown(() => app.close())
  const find = (id: unknown) => people.find((person) => person.id === id) ?? null
  await app.register(store, { connection, secretKeys: [masterKey], publicUrl: issuer })
  await app.register(provider, {
    issuer,
    limits: { refusedGrants: { max: 3, windowSeconds: 300 }, passwordsPerUser: { max: 2, windowSeconds: 300 }, clientAuthentications: { max: 2, windowSeconds: 300 } },
    owner: {
      current: ({ headers }) => find(headers['x-user']),
      loginUrl: () => '/login',
      find,
      verifyPassword: (name, password) => people.find((person) => person.id === name && person.password === password) ?? null
    }
  })
  await app.ready()
  return {
    app,
    uri,
    sent () {
      const since = commands
      commands = []
      return since
    }
  }
}

/** Fills what grows with use. */
async function crowd (uri: string): Promise<void> {
  await fill(uri, 3000)
  const client = await MongoClient.connect(uri)
  const soon = new Date(Date.now() + 60_000)
  const many = (make: (index: number) => Document): Document[] => Array.from({ length: 1000 }, (_, index) => make(index))
  await client.db().collection('dwa_consents').insertMany(many((index) => ({ version: 1, key: `other:${index}`, client: `client-${index % 50}`, user: `person-${index}`, scopes: ['read'], grantedAt: 0 })))
  await client.db().collection<{ _id: string }>('dwa_failures').insertMany(many((index) => ({ _id: `refusedGrants:${index}`, count: 1, windowUntil: soon, expiresAt: soon })) as Array<{ _id: string }>)
  await client.db().collection<{ _id: string }>('dwa_interactions').insertMany(many((index) => ({ _id: `interaction-${index}`, user: 'x', expiresAt: soon })) as Array<{ _id: string }>)
  await client.db().collection<{ _id: string }>('dwa_subjects').insertMany(many((index) => ({ _id: `person-${index}`, key: 'k' })) as Array<{ _id: string }>)
  await client.db().collection('dwa_clients').insertMany(many((index) => ({ version: 1, name: `other ${index}`, clientId: `other-${index}`, applicationType: 'backend', confidential: true, scopes: [], redirectUris: [], enabled: true })))
  await client.db().collection('dwa_scopes').insertMany(many((index) => ({ version: 1, code: `other-${index}`, name: 'Other' })))
  await client.close()
}

/** Everything a provider can be asked, once. */
async function useEverything ({ app }: Watched): Promise<void> {
  const { clients, scopes, consents } = app.oauthProvider
  const form = (parameters: Record<string, string>): string => new URLSearchParams(parameters).toString()
  const shop = await makeClient(app, { skipAuthorization: false })
  const query = form({ response_type: 'code', client_id: shop.clientId, redirect_uri: callback, code_challenge: challenge, code_challenge_method: 'S256' })
  const consented = await decide(app, await ask(app, query), 'allow')
  const code = new URL(String(consented.headers.location)).searchParams.get('code') ?? ''
  const first = await redeem(app, shop, code, { redirect_uri: callback })
  const second = await refresh(app, shop, first.body['refresh_token'])
  t.equal(second.status, 200)
  await refresh(app, shop, first.body['refresh_token']) // within the grace
  await post(app, '/introspect', { token: String(second.body['access_token']) }, shop)
  await post(app, '/introspect', { token: String(second.body['refresh_token']) }, shop)
  for (const path of ['tokeninfo', 'userinfo']) await app.inject({ url: `/oauth2/${path}`, headers: { authorization: `Bearer ${String(second.body['access_token'])}` } })
  await post(app, '/revoke', { token: String(second.body['access_token']) }, shop)
  const third = await refresh(app, shop, second.body['refresh_token'])
  await refresh(app, shop, first.body['refresh_token']) // reuse
  await post(app, '/revoke', { token: String(third.body['refresh_token']) }, shop)
  await app.inject({ url: `/oauth2/authorize?${query}`, headers: as('ann') }) // a remembered consent
  const page = shown(await app.inject({ url: '/oauth2/consents', headers: as('ann') }))
  await submit(app, page.form, as('ann', { cookie: page.cookie }), `/oauth2/consents/${shop.clientId}/revoke`)
  await decide(app, await ask(app, query, 'bob'), 'deny', { user: 'bob' })
  await get(app, query, {})

  const quick = await makeClient(app)
  const again = await codeFor(app, quick)
  await redeem(app, quick, again, { code_verifier: 'w'.repeat(43) })
  await Promise.all(Array.from({ length: 4 }, async () => await redeem(app, quick, again)))
  await redeem(app, quick, again, { code_verifier: 'w'.repeat(43) })
  await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: quick.clientId, secret: 'wrong' })
  await app.oauthProvider.revokeUser('ann')

  const backend = await makeClient(app, { applicationType: 'backend', userId: 'bob' })
  const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  await post(app, '/revoke', { token: String(body['access_token']) }, backend)
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  await post(app, '/token', { grant_type: 'password', username: 'ann', password: people[0]?.password ?? '' }, legacy)
  for (let guess = 0; guess < 3; guess++) await post(app, '/token', { grant_type: 'password', username: 'bob', password: 'wrong' }, legacy)
  const phone = await makeClient(app, { applicationType: 'mobile', allowImplicit: true })
  await app.inject({ url: `/oauth2/authorize?${form({ response_type: 'token', client_id: phone.clientId })}`, headers: as('ann') })
  const signer = await makeClient(app, { tokenType: 'jwt', jwtAlgorithm: 'ES256' })
  await redeem(app, signer, await codeFor(app, signer))
  for (const url of ['/oauth2/jwks', `/oauth2/public_key?client_id=${signer.clientId}`, '/.well-known/oauth-authorization-server']) await app.inject({ url })

  await clients.generatePrivateKey(signer.clientId)
  await clients.rotateSecret(quick.clientId)
  await clients.dropSecret(quick.clientId)
  await clients.update(quick.clientId, { scopes: ['read'] })
  await clients.update(quick.clientId, { enabled: false })
  await clients.get(quick.client.name)
  await clients.remove(quick.client.name)
  await clients.list()
  const { id } = await scopes.create({ code: 'orders', name: 'Orders' })
  await scopes.update(id, { name: 'Your orders' })
  await scopes.remove('orders')
  await consents.list({ user: 'ann' })
  await consents.list({ client: shop.client.id })
  if (app.store instanceof OpenedStore) await app.store.sweep()
}

/** Reads that are no look-ups: each is of a list that people keep by hand, for a list, and remembered until it changes. */
const wholeLists: Readonly<Record<string, string>> = {
  'dwa_clients find {"version":{"$exists":1}}': 'all clients: the key set, the metadata, and warnings at start',
  'dwa_scopes find {"version":{"$exists":1}}': 'all scopes: the metadata'
}

/** The log is read as a tail, in its own order, and the key ring is one document. */
const otherwise = new Set(['dwa_log', 'dwa_keys', 'dwa_leases'])

interface Lookup { readonly shape: string, readonly explained: Document }

/** The queries in a command, each as MongoDB explains them. */
function lookupsIn (command: Document): Lookup[] {
  const [name = '', collection] = Object.entries(command)[0] ?? []
  if (typeof collection !== 'string' || otherwise.has(collection)) return []
  const lookup = (filter: unknown, explained: Document): Lookup => ({ shape: `${collection} ${name} ${JSON.stringify(shapeOf(filter))}`, explained })
  const given = (members: readonly string[]): Document => Object.fromEntries([[name, collection], ...members.flatMap((member) => member in command ? [[member, command[member]]] : [])])
  switch (name) {
    case 'find': return [lookup(command['filter'], given(['filter', 'sort', 'limit', 'projection', 'hint']))]
    case 'aggregate': return [lookup(command['pipeline'], given(['pipeline', 'cursor']))]
    case 'findAndModify': return [lookup(command['query'], given(['query', 'update', 'remove', 'upsert', 'new', 'fields']))]
    case 'update': return statementsOf(command['updates']).map((statement) => lookup(statement['q'], { update: collection, updates: [statement] }))
    case 'delete': return statementsOf(command['deletes']).map((statement) => lookup(statement['q'], { delete: collection, deletes: [statement] }))
    default: return []
  }
}

function statementsOf (statements: unknown): Document[] {
  return Array.isArray(statements) ? statements : []
}

/** Field names and operators, without the values. */
function shapeOf (filter: unknown): unknown {
  if (Array.isArray(filter)) return filter.slice(0, 1).map(shapeOf)
  if (typeof filter !== 'object' || filter === null || filter instanceof Date || '_bsontype' in filter) return 1
  return Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, shapeOf(value)]))
}

t.test('every query of the provider is on an index, however much is stored', async (t) => {
  const { uri } = await startTestMongo(t)
  const watched = await watchedApp(t, uri)
  await crowd(uri)
  watched.sent()
  await useEverything(watched)
  const lookups = new Map(watched.sent().flatMap(lookupsIn).map(({ shape, explained }) => [shape, explained]))
  t.ok(lookups.size >= 25, `${lookups.size} kinds of queries`)
  for (const collection of ['token_families', 'clients', 'scopes', 'consents', 'subjects', 'interactions', 'failures']) {
    t.ok([...lookups.keys()].some((shape) => shape.startsWith(`dwa_${collection} `)), `${collection} were asked`)
  }
  for (const shape of Object.keys(wholeLists)) t.ok(lookups.has(shape), `an exception that is needed: ${shape}`)

  const client = await MongoClient.connect(uri)
  t.teardown(() => client.close())
  for (const [shape, explained] of lookups) {
    if (shape in wholeLists) continue
    const { queryPlanner, executionStats } = await client.db().command({ explain: explained, verbosity: 'executionStats' })
    t.notMatch(JSON.stringify(queryPlanner.winningPlan), /COLLSCAN/, shape)
    t.ok(executionStats.totalKeysExamined <= 20 && executionStats.totalDocsExamined <= 20, `${shape}: ${executionStats.totalKeysExamined} keys, ${executionStats.totalDocsExamined} documents`)
  }
})

t.test('a request costs as many commands as it must', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, sent } = await watchedApp(t, uri)
  const backend = await makeClient(app, { applicationType: 'backend' })
  const web = await makeClient(app)
  const isQuiet = async (): Promise<boolean> => await app.store.connection.collection('dwa_token_families').countDocuments({ 'outbox.at': { $exists: true } }) === 0
  /** The commands of one request, without those by which its audit entry goes to the log. */
  const costOf = async <Result>(request: () => Promise<Result>): Promise<{ readonly result: Result, readonly cost: string[] }> => {
    await eventually('nothing waits for the log', isQuiet)
    sent()
    const result = await request()
    const commands = sent().filter((command) => !JSON.stringify(command).includes('$pull'))
    return { result, cost: commands.flatMap((command) => Object.entries(command).slice(0, 1).map(([name, collection]) => `${name} ${String(collection)}`)).filter((text) => /^\w+ dwa_(?!log)/.test(text)) }
  }
  const credentials = async (made: MadeClient) => await post(app, '/token', { grant_type: 'client_credentials' }, made)
  await post(app, '/introspect', { token: String((await credentials(backend)).body['access_token']) }, backend) // the clients are known from now on
  await redeem(app, web, await codeFor(app, web))
  const token = String((await credentials(backend)).body['access_token'])

  t.same((await costOf(async () => await credentials(backend))).cost, ['insert dwa_token_families'], 'client_credentials')
  const code = await codeFor(app, web)
  const { result: redeemed, cost } = await costOf(async () => await redeem(app, web, code))
  t.same(cost, ['find dwa_token_families', 'update dwa_token_families'], 'a code')
  t.same((await costOf(async () => await refresh(app, web, redeemed.body['refresh_token']))).cost, ['find dwa_token_families', 'update dwa_token_families'], 'a refresh token')
  t.same((await costOf(async () => await codeFor(app, web))).cost, ['insert dwa_token_families'], 'a new code')
  t.same((await costOf(async () => await post(app, '/introspect', { token }, backend))).cost, ['find dwa_token_families'], 'the first look at a token')
  await eventually('the tail is live', () => app.store.changes.live)
  await post(app, '/introspect', { token }, backend)
  t.same((await costOf(async () => await post(app, '/introspect', { token }, backend))).cost, [], 'and the next ones')

  const many = await costOf(async () => await Promise.all(Array.from({ length: 50 }, async () => await credentials(backend))))
  t.ok(many.result.every(({ status }) => status === 200))
  t.equal(new Set(many.result.map(({ body }) => body['access_token'])).size, 50)
  t.ok(many.cost.length <= 10, `50 requests at a time: ${many.cost.length} commands`)
})

/** Every bound is reached after 17; the benchmark makes 10 000, which take a minute on a busy machine. */
const rotations = 2000

t.test(`${rotations} rotations leave one family document of bounded size`, async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await watchedApp(t, uri)
  const families = new TokenFamilies({
    documents: app.store.auditedDocuments<TokenFamilyDocument>('token_families', familyIndexes),
    keyRing: app.store.keyRing,
    clock: app.store.serverClock,
    randomBytes,
    refreshGraceSeconds: 10,
    onRevoked: () => {}
  })
  const granted: Granted = { client: { id: new ObjectId().toHexString(), name: 'Shop' }, user: 'ann', grant: 'password', scopes: ['read', 'write'], lifetimes: defaultLifetimes }
  const collection = app.store.connection.collection<TokenFamilyDocument>('dwa_token_families')
  const sizes: number[] = []
  let { refresh_token: token = '' } = await families.issue(granted, { refresh: true, mint: null })
  for (let rotation = 1; rotation <= rotations; rotation++) {
    const family = await families.findRefreshToken(token)
    const refreshed = family === null ? null : await families.refresh(token, family, granted, null)
    if (refreshed === null) throw new Error(`rotation ${rotation} was refused`)
    token = refreshed.refresh_token ?? ''
    if (rotation % 100 === 0) sizes.push(calculateObjectSize(await collection.findOne() ?? {}))
  }
  await eventually('the log has it all', async () => await collection.countDocuments({ 'outbox.at': { $exists: true } }) === 0)
  const found = await collection.find().toArray()
  t.equal(found.length, 1)
  t.match(found, [{ refresh: { generation: rotations + 1 } }])
  t.equal(found[0]?.access.length, 16)
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
  t.ok(most < 16_384, `${least} to ${most} bytes on the way`)
  t.ok(calculateObjectSize(found[0] ?? {}) < 8192, `${calculateObjectSize(found[0] ?? {})} bytes`)
})

/** Access tokens over a database in which all are good but those that begin with `bad`, and which is away for those that begin with `down`. */
function accessTokensOver (onRead: () => void, serverAhead = 0): AccessTokens {
  const now = Date.now()
  const clock = { now: () => now, after: () => () => {} }
  const serverClock = new ServerClock(clock)
  serverClock.set(serverAhead)
  return new AccessTokens({
    families: {
      async findAccessToken (text) {
        onRead()
        if (text.startsWith('bad')) return null
        if (text.startsWith('down')) throw new Error('the database is away')
        const date = new Date(now + 1000)
        const family: TokenFamilyDocument = { _id: new ObjectId(), version: 1, client: 'c', user: null, grant: 'client_credentials', scopes: [], createdAt: date, expiresAt: date, purgeAt: date, access: [] }
        return { family, access: { hash: '', issuedAt: date, expiresAt: date, scopes: [] } }
      }
    },
    clients: { byId: async (id) => ({ id, version: 1, privateKeys: new Map(), fields: { name: 'Shop', clientId: 'shop', confidential: true, applicationType: 'backend', skipAuthorization: false, scopes: [], redirectUris: [], tokenType: 'random', jwtAlgorithm: 'RS256', requirePkce: true, tokenInQuery: false, allowHttpRedirect: false, allowImplicit: false, allowPassword: false, enabled: true } }) },
    subjects: new Subjects({ run: async () => { throw new Error('nobody is asked for') } } as never, randomBytes),
    cache: new ConfirmedCache({ changes: { isLive: () => true, epoch: 1, completeUntil: now }, clock, maxStaleMs: -1, recheckMs: 0 }),
    clock,
    serverClock
  })
}

t.test('an access token ends by the time of the database, whatever this process thinks', async (t) => {
  for (const [ahead, good] of [[-300_000, true], [300_000, false]] as const) {
    const accessTokens = accessTokensOver(() => {}, ahead)
    for (let use = 1; use <= 2; use++) t.equal(await accessTokens.find('good-the same end', 'Bearer good-the same end') !== null, good)
    t.equal(accessTokens.known('Bearer good-the same end') !== null, good)
  }
})

t.test('a header is known once its token was found in memory with it, and no other header is', async (t) => {
  const accessTokens = accessTokensOver(() => {})
  const [text, header] = ['good-the same end', 'Bearer good-the same end']
  t.equal(accessTokens.known(header), null)
  await accessTokens.find(text, header)
  const token = await accessTokens.find(text, header)
  t.ok(token)
  t.equal(accessTokens.known(header), token)
  for (const other of ['bearer good-the same end', 'Bearer evil-the same end', text]) t.equal(accessTokens.known(other), null)
  t.equal(await accessTokens.find(text), token)
  t.equal(accessTokens.known(header), token, 'a look without a header changes nothing')
  accessTokens.forgetClient('c')
  t.equal(accessTokens.known(header), null)
})

t.test('what was read while nothing tells of changes is read again at each use, where it must not be stale', async (t) => {
  let now = 1000
  let reads = 0
  const cache = new ConfirmedCache<string>({ changes: { isLive: () => false, epoch: 1, completeUntil: 0 }, clock: { now: () => now, after: () => () => {} }, maxStaleMs: -1, recheckMs: 0 })
  const load = async (): Promise<string> => `read ${++reads}`
  t.equal(await cache.get('k', load), 'read 1')
  t.equal(cache.peek('k', now), undefined)
  t.equal(await cache.get('k', load), 'read 2', 'within the same millisecond too')
  now++
  t.equal(await cache.get('k', load), 'read 3')
})

t.test('47: the tokens in memory are bounded, and only good ones are there', async (t) => {
  let reads = 0
  const accessTokens = accessTokensOver(() => { reads++ })
  const textOf = (index: number): string => `token-${String(index).padStart(24, '0')}`
  for (let use = 0; use < 2; use++) {
    for (let index = 0; index < 100; index++) t.ok(await accessTokens.find(textOf(index)))
  }
  t.equal(reads, 100, 'a known token is not looked up')
  for (let index = 0; index < 30_000; index++) await accessTokens.find(`bad${textOf(index)}`)
  reads = 0
  await accessTokens.find(textOf(0))
  t.equal(reads, 0, 'bad tokens drive no good ones out')
  for (let index = 100; index < 20_100; index++) await accessTokens.find(textOf(index))
  reads = 0
  await accessTokens.find(textOf(0))
  t.equal(reads, 1, 'of more than 20 000 some are forgotten')
})

t.test('tokens with the same end are told apart, also when they are asked for at the same moment', async (t) => {
  let reads = 0
  const accessTokens = accessTokensOver(() => { reads++ })
  const [bad, good, other] = ['bad-the same end', 'good-the same end', 'other-the same end'] as const
  const ask = async (...texts: string[]): Promise<string[]> => (await Promise.all(texts.map(async (text) => await accessTokens.find(text)))).map((token) => token === null ? 'refused' : token.family)
  const [refused, first] = await ask(bad, good)
  t.equal(refused, 'refused')
  t.match(first, /^[0-9a-f]{24}$/, 'the good one, which had come behind the bad one')
  const [second, third, again] = await ask(other, good, bad)
  t.match([second, third], [/^[0-9a-f]{24}$/, /^[0-9a-f]{24}$/])
  t.not(second, third)
  t.equal(again, 'refused')
  t.equal(reads, 5, 'each was looked up: none is taken for another')
  reads = 0
  t.strictSame(await ask(other), [second])
  t.equal(reads, 0, 'the first of them is kept')
  t.match(await ask(good), [/^[0-9a-f]{24}$/])
  t.equal(reads, 1, 'and does not stand for the others')
  reads = 0
  const unknown = 'bad-another end'
  t.strictSame(await ask(unknown, unknown, unknown), ['refused', 'refused', 'refused'])
  t.equal(reads, 1, 'the very same one, asked for many times at once, is looked up once')
  reads = 0
  for (const failed of await Promise.allSettled(['down', 'down', 'down'].map(async (text) => await accessTokens.find(text)))) t.match(failed, { status: 'rejected', reason: { message: 'the database is away' } })
  t.equal(reads, 1, 'and so is one that cannot be looked up')
})

t.test('what many ask for at a time is done together', async (t) => {
  const sizes: number[] = []
  const batch = new Batch<number, number>(async (orders) => {
    sizes.push(orders.length)
    if (orders.includes(-1)) throw new Error('no')
    return (order) => order * 2
  })
  t.same(await Promise.all([1, 2, 3].map(async (order) => await batch.add(order))), [2, 4, 6])
  t.equal((await Promise.all(Array.from({ length: 1200 }, async (_, order) => await batch.add(order)))).at(-1), 2398)
  t.same(sizes, [3, 500, 500, 200], 'and never too much')
  const outcomes = await Promise.allSettled([1, -1].map(async (order) => await batch.add(order)))
  t.same(outcomes.map(({ status }) => status), ['rejected', 'rejected'], 'what fails fails for all')
  sizes.length = 0
  await Promise.all(Array.from({ length: 500 }, async (_, order) => await batch.add(order)))
  t.same(sizes, [500], 'an empty one is not sent')
})
