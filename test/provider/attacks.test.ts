import { createHash } from 'node:crypto'
import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { systemClock, type Clock } from '../../lib/clock.js'
import { Authorize } from '../../lib/provider/authorize.js'
import { ClientSecrets } from '../../lib/provider/client-secret.js'
import { TokenFamilies, familyIndexes } from '../../lib/provider/token-families.js'
import type { TokenFamilyDocument } from '../../lib/provider/token-family.js'
import { readMasterKey } from '../../lib/store/master-key.js'
import { OpenedStore } from '../../lib/store/open-store.js'
import { rotateKeys } from '../../lib/store/rotate-keys.js'
import { recordKinds } from '../../lib/record-kinds.js'
import { bearer, masterKey } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { basic, callback, challenge, codeFor, issuer, makeClient, people, post, providerApp, redeem, refresh, type Answer, type MadeClient, type ProviderAppOptions } from './provider-app.js'
import { storedClient } from './stored-client.js'

const routes = (app: FastifyInstance): void => { app.get('/me', { config: { auth: 'oauth_provider' } }, async ({ oauthToken }) => oauthToken) }

async function start (t: Test, options: Partial<ProviderAppOptions> = {}): Promise<{ app: FastifyInstance, uri: string }> {
  const { uri } = await startTestMongo(t)
  return { app: await providerApp(t, { uri, routes, ...options }), uri }
}

function movable (): { readonly clock: Clock, move: (ms: number) => void } {
  let ahead = 0
  return { clock: { now: () => Date.now() + ahead, after: systemClock.after }, move (ms) { ahead += ms } }
}

const status = async (app: FastifyInstance, token: unknown): Promise<number> => (await app.inject({ url: '/me', headers: bearer(String(token)) })).statusCode

t.test('26: a refresh token is worth nothing to another client, whatever its generation', async (t) => {
  for (const generation of ['the one of today', 'its predecessor, within the grace', 'an older one']) {
    const { app } = await start(t)
    const shop = await makeClient(app)
    const thief = await makeClient(app, { applicationType: 'mobile', scopes: [] })
    const first = (await redeem(app, shop, await codeFor(app, shop))).body
    const second = (await refresh(app, shop, first['refresh_token'])).body
    const today = generation === 'an older one' ? (await refresh(app, shop, second['refresh_token'])).body : second
    const stolen = generation === 'the one of today' ? today['refresh_token'] : first['refresh_token']
    const answer = await refresh(app, thief, stolen)
    t.match(answer, { status: 400, body: { error: 'invalid_grant' } }, generation)
    t.notOk('access_token' in answer.body)
    t.equal((await refresh(app, shop, today['refresh_token'])).status, generation === 'the one of today' ? 200 : 400, 'a used one in wrong hands ends the family')
  }
})

t.test('20, 31: guesses of a client\'s secret are one count, however its id is written, and one at a time', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app, { applicationType: 'backend', clientId: 'warehouse', clientSecret: 'chosen by a person' })
  const spellings = ['warehouse', '%77arehouse', 'w%61rehouse', '%77%61rehouse']
  const answers = await Promise.all(Array.from({ length: 60 }, async (_, index) => await post(app, '/token', { grant_type: 'client_credentials' }, { headers: { authorization: basic(spellings[index % 4] ?? '', `guess ${index}`) } })))
  t.equal(answers.filter(({ status }) => status === 401).length, 20, 'twenty guesses')
  t.equal(answers.filter(({ status }) => status === 429).length, 40)
  t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, shop)).status, 429, 'and none more')
})

t.test('31: whoever invents clients is counted for all of them together', async (t) => {
  const { app } = await start(t, { provider: { limits: { failuresPerAddress: { max: 20, windowSeconds: 60 } } } })
  const real = await makeClient(app, { applicationType: 'backend' })
  for (let index = 0; index < 20; index++) t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: `invented${index}`, secret: 'x' })).status, 401)
  const answers = await Promise.all(['invented', real.clientId].map(async (clientId) => await post(app, '/token', { grant_type: 'client_credentials' }, { clientId, secret: 'x' })))
  t.strictSame(answers.map(({ status, body }) => ({ status, body })), Array(2).fill({ status: 429, body: { error: 'temporarily_unavailable', error_description: 'Too many requests' } }), 'one that exists is no other')
  t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, real)).status, 200, 'what is right is taken')
  t.equal(await app.store.connection.collection('dwa_failures').countDocuments({}), 21)
  t.equal((await app.auditLog.find({ event: 'client.authentication_failed' })).length, 1)
})

t.test('31: the addresses of one IPv6 network are one, and the spellings of a user name', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri, trustProxy: true, provider: { limits: { refusedGrants: { max: 2, windowSeconds: 300 }, clientAuthentications: { max: 2, windowSeconds: 300 }, failuresPerAddress: { max: 3, windowSeconds: 300 }, passwordsPerUser: { max: 2, windowSeconds: 900 } } } })
  const from = (address: string): { readonly headers: Record<string, string> } => ({ headers: { 'x-forwarded-for': address } })
  const backend = await makeClient(app, { applicationType: 'backend' })
  const mobile = await makeClient(app, { applicationType: 'mobile' })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const wrong = async (address: string, clientId = backend.clientId): Promise<number> => (await post(app, '/token', { grant_type: 'client_credentials', client_id: clientId, client_secret: 'x' }, from(address))).status
  t.strictSame([await wrong('2001:db8:1:2::1'), await wrong('2001:DB8:1:2:ffff::2'), await wrong('2001:db8:1:2:a:b:c:d')], [401, 401, 429])
  t.equal(await wrong('2001:db8:1:3::1'), 401, 'the next network')
  t.strictSame([await wrong('2001:db8:1:2::3', 'x1'), await wrong('2001:db8:1:2::4', 'x2')], [401, 429], 'of any clients')
  t.strictSame([await wrong('::ffff:192.0.2.1'), await wrong('192.0.2.1'), await wrong('192.0.2.1'), await wrong('192.0.2.2')], [401, 401, 429, 401], 'an IPv4 address is one, in either form')

  const guess = async (address: string): Promise<number> => (await post(app, '/token', { grant_type: 'refresh_token', refresh_token: 'x', client_id: mobile.clientId }, from(address))).status
  t.strictSame([await guess('2001:db8:2::1'), await guess('2001:db8:2::2'), await guess('2001:db8:2::3'), await guess('2001:db8:2:1::1')], [400, 400, 429, 400], 'who names a public client')

  const attempt = async (username: string, address = '2001:db8:3::1'): Promise<number> => (await post(app, '/token', { grant_type: 'password', username, password: 'x', client_id: legacy.clientId, client_secret: legacy.secret }, from(address))).status
  t.strictSame([await attempt('ann'), await attempt(' ANN '), await attempt('\uff21nn', '2001:db8:3::2'), await attempt('anna')], [400, 400, 429, 400])
  const atOnce = await Promise.all(['bob', 'BOB', 'Bob', ' bob', 'bob ', 'bOb'].map(async (name) => await attempt(name)))
  t.strictSame(atOnce.filter((status) => status === 400).length, 2, 'at once as well')
})

t.test('19: guesses lock a client that does not exist like one that does', async (t) => {
  const { app } = await start(t)
  const real = await makeClient(app, { applicationType: 'backend' })
  const seen = await Promise.all(['nobody', real.clientId].map(async (clientId) => {
    const statuses = await Promise.all(Array.from({ length: 25 }, async () => (await post(app, '/token', { grant_type: 'client_credentials' }, { clientId, secret: 'x' })).status))
    return statuses.sort()
  }))
  t.strictSame(seen[0], seen[1])
  t.equal(seen[0]?.filter((status) => status === 429).length, 5)
})

t.test('26: reuse ends a family whatever else the request asks for', async (t) => {
  for (const more of [{ scope: 'admin' }, { resource: 'https://x.example' }, { scope: 'x  y' }] as Array<Record<string, string>>) {
    const { app } = await start(t)
    const shop = await makeClient(app)
    const first = (await redeem(app, shop, await codeFor(app, shop))).body
    const second = (await refresh(app, shop, first['refresh_token'])).body
    const third = (await refresh(app, shop, second['refresh_token'])).body
    const answer = await refresh(app, shop, first['refresh_token'], more)
    if (more['scope'] === 'x  y') {
      t.match(answer, { status: 400, body: { error: 'invalid_scope' } }, 'what is malformed is not looked at')
      continue
    }
    t.match(answer, { status: 400, body: { error: 'invalid_grant' } }, JSON.stringify(more))
    t.equal((await refresh(app, shop, third['refresh_token'])).status, 400)
    t.equal((await app.auditLog.find({ event: 'token.refresh_reused' })).length, 1)
  }
})

t.test('23: another client, or the wrong scope, does not burn a code', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const other = await makeClient(app)
  const code = await codeFor(app, shop, { scope: 'read' })
  for (let count = 0; count < 10; count++) t.equal((await redeem(app, other, code)).status, 400)
  t.match(await redeem(app, shop, code, { scope: 'read write' }), { status: 400, body: { error: 'invalid_scope' } })
  t.equal((await redeem(app, shop, code)).body['scope'], 'read')
  t.equal((await redeem(app, shop, await codeFor(app, shop), { scope: 'write' })).body['scope'], 'write', 'a narrower one is granted')
})

t.test('28: a password may hold any character', async (t) => {
  const person = { id: 'émile😀', name: 'Émile', email: 'e@example.org', password: 'pass😀 ·\t\u0085' }
  const { app } = await start(t, { people: [person] })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  t.equal((await post(app, '/token', { grant_type: 'password', username: person.id, password: person.password }, legacy)).status, 200)
})

t.test('a person is somebody else to each client, and the same in every process', async (t) => {
  const { app, uri } = await start(t)
  const other = await providerApp(t, { uri, routes })
  const [one, two] = [await makeClient(app), await makeClient(app)]
  const subject = async (on: FastifyInstance, made: typeof one, user: string): Promise<unknown> => {
    const { body } = await redeem(on, made, await codeFor(on, made, {}, user))
    return (await post(on, '/introspect', { token: String(body['access_token']) }, made)).body['sub']
  }
  const ann = await subject(app, one, 'ann')
  t.equal(await subject(app, one, 'ann'), ann)
  t.equal(await subject(other, one, 'ann'), ann)
  t.not(await subject(app, two, 'ann'), ann)
  t.not(await subject(app, one, 'bob'), ann)
  const key = (await app.store.connection.collection<{ _id: string, key: string }>('dwa_subjects').findOne({ _id: 'ann' }))?.key ?? ''
  t.equal(ann, createHash('sha256').update(one.clientId + key).digest('hex'))
})

t.test('50: without any token the challenge is bare', async (t) => {
  const { app } = await start(t)
  for (const path of ['tokeninfo', 'userinfo', 'otherinfo']) {
    for (const [headers, expected] of [[{}, 'Bearer'], [{ authorization: 'Basic eDp5' }, 'Bearer'], [bearer('x'), 'Bearer error="invalid_token"'], [{ authorization: 'Bearer' }, 'Bearer error="invalid_token"']] as const) {
      const answer = await app.inject({ url: `/oauth2/${path}`, headers })
      t.strictSame([answer.statusCode, answer.headers['www-authenticate'], answer.json()], [401, expected, { error: 'invalid_or_expired_token' }], `${path} ${JSON.stringify(headers)}`)
    }
  }
})

t.test('50: a route takes no token from the query, whatever its client may', async (t) => {
  const { app } = await start(t)
  const backend = await makeClient(app, { applicationType: 'backend', tokenInQuery: true })
  const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  t.equal((await app.inject({ url: `/me?access_token=${String(body['access_token'])}` })).statusCode, 401)
})

t.test('16: nothing that redirects to a client leaves a referrer', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  for (const query of ['response_type=code', 'response_type=nonsense']) {
    const { statusCode, headers } = await app.inject({ url: `/oauth2/authorize?client_id=${shop.clientId}&code_challenge=${challenge}&code_challenge_method=S256&${query}`, headers: { 'x-user': 'ann' } })
    t.strictSame([statusCode, headers['referrer-policy'], headers['cache-control']], [303, 'no-referrer', 'no-store'], query)
  }
})

t.test('20: a failure costs one slow hash for each reading, whatever there is to compare with', async (t) => {
  const { app } = await start(t)
  let derived = 0
  const secrets = new ClientSecrets({
    keyRing: app.store.keyRing,
    derive: async () => {
      derived++
      return Buffer.alloc(32)
    }
  })
  const imported = 'scrypt.AAAAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB'
  for (const stored of [[], [secrets.generate().stored], [imported], [secrets.generate().stored, imported]]) {
    derived = 0
    t.equal(await secrets.fitsAtOnce(['one', 'other'], stored), false)
    t.equal(await secrets.fitsImported(['one', 'other'], stored), false)
    t.equal(derived, 2)
  }
  const slow = new ClientSecrets({ keyRing: app.store.keyRing, derive: async () => await new Promise<Buffer>((resolve) => { setImmediate(() => { resolve(Buffer.alloc(32)) }) }) })
  const many = await Promise.allSettled(Array.from({ length: 210 }, async () => await slow.fitsImported(['x'], [])))
  t.equal(many.filter((one) => one.status === 'rejected').length, 10, 'more than two hundred do not wait')
})

t.test('31: who misuses a public client\'s name is limited, and its users are not', async (t) => {
  const { app } = await start(t, { trustProxy: true, provider: { limits: { requestsPerMinute: 5, refusedGrants: { max: 3, windowSeconds: 60 } } } })
  const mobile = await makeClient(app, { applicationType: 'mobile' })
  const from = async (address: string, token: unknown): Promise<number> => (await post(app, '/token', { grant_type: 'refresh_token', refresh_token: String(token), client_id: mobile.clientId }, { headers: { 'x-forwarded-for': address } })).status
  const { body } = await redeem(app, mobile, await codeFor(app, mobile))
  t.same([await from('192.0.2.1', 'x'), await from('192.0.2.1', 'x'), await from('192.0.2.1', 'x'), await from('192.0.2.1', 'x')], [400, 400, 400, 429], 'guesses')
  t.same([await from('192.0.2.1', 'x'), await from('192.0.2.1', 'x')], [429, 429], 'requests')
  t.equal(await from('192.0.2.2', body['refresh_token']), 200)
})

t.test('31: garbage and doubled requests lock nobody out who has something good', async (t) => {
  const { app } = await start(t, { provider: { limits: { refusedGrants: { max: 3, windowSeconds: 60 } } } })
  const shop = await makeClient(app)
  const good = (await redeem(app, shop, await codeFor(app, shop))).body
  const code = await codeFor(app, shop)
  for (let count = 0; count < 5; count++) await post(app, '/token', { grant_type: 'authorization_code', code: 'garbage', code_verifier: 'v'.repeat(43) }, shop)
  t.equal((await refresh(app, shop, 'garbage')).status, 429)
  t.equal((await refresh(app, shop, good['refresh_token'])).status, 200)
  const doubled = await Promise.all(Array.from({ length: 10 }, async () => await redeem(app, shop, code)))
  t.equal(doubled.filter(({ status }) => status === 200).length, 1)
  t.equal(doubled.filter(({ status }) => status === 400).length, 9, 'none of them a guess')
})

t.test('26, 56: grace and reuse survive a new data key', async (t) => {
  const { app } = await start(t)
  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  const shop = await makeClient(app)
  const first = (await redeem(app, shop, await codeFor(app, shop))).body
  await rotateKeys(app.store, { masterKeys: [readMasterKey(masterKey, 'k')], dataKey: true, kinds: recordKinds, now: Date.now })
  const second = await refresh(app, shop, first['refresh_token'])
  t.equal(second.status, 200)
  t.same((await refresh(app, shop, first['refresh_token'])).body, second.body, 'the same answer again')
  const third = await refresh(app, shop, second.body['refresh_token'])
  t.equal(third.status, 200)
  t.match(await refresh(app, shop, first['refresh_token']), { status: 400 })
  t.equal((await app.auditLog.find({ event: 'token.refresh_reused' })).length, 1, 'the oldest generation is known')
  t.equal((await refresh(app, shop, third.body['refresh_token'])).status, 400)
})

t.test('35, 56: clients\' keys and secrets survive a new data key', async (t) => {
  const { app, uri } = await start(t)
  const { store } = app
  if (!(store instanceof OpenedStore)) throw new Error('another store')
  const rotate = async (): Promise<void> => { await rotateKeys(store, { masterKeys: [readMasterKey(masterKey, 'k')], dataKey: true, kinds: recordKinds, now: Date.now }) }
  const made = [
    await makeClient(app, { applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'ES256' }),
    await makeClient(app, { applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'HS256' }),
    await makeClient(app, { applicationType: 'backend', clientSecret: 'chosen by a person' })
  ]
  const issue = async (client: MadeClient): Promise<Answer> => await post(app, '/token', { grant_type: 'client_credentials' }, client)
  const kidOf = ({ body }: Answer): unknown => String(body['access_token']).includes('.') ? (JSON.parse(Buffer.from(String(body['access_token']).split('.', 1).join(), 'base64url').toString()) as { kid?: unknown }).kid : null
  const before = await Promise.all(made.map(issue))
  const clients = app.store.connection.collection('dwa_clients')
  const stored = JSON.stringify(await clients.find().toArray())
  for (let round = 1; round <= 2; round++) {
    await rotate()
    const other = await providerApp(t, { uri })
    for (const [index, client] of made.entries()) {
      const now = await issue(client)
      t.equal(now.status, 200, `round ${round}`)
      t.equal(kidOf(now), kidOf(before[index] ?? now), 'the same key signs')
      t.equal((await post(other, '/token', { grant_type: 'client_credentials' }, client)).status, 200, 'in a process that begins now')
      t.equal((await post(app, '/introspect', { token: String(before[index]?.body['access_token']) }, client)).body['active'], true)
    }
  }
  const privateKeys = (text: string): string[] => [...text.matchAll(/"privateKeys":"([^"]*)"/g)].map(([, sealed = '']) => sealed)
  const after = JSON.stringify(await clients.find().toArray())
  t.ok(privateKeys(stored).length === 2 && privateKeys(after).length === 2)
  t.strictSame(privateKeys(after).filter((sealed) => privateKeys(stored).includes(sealed)), [], 'each is sealed anew')
  const { clientSecret } = await app.oauthProvider.clients.rotateSecret(made[0]?.clientId ?? '')
  t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: made[0]?.clientId ?? '', secret: clientSecret })).status, 200, 'a new secret is under the new key')
})

t.test('14: a consent that ends while a code is made of it ends the code', async (t) => {
  const { app } = await start(t)
  const families = new TokenFamilies({
    documents: app.store.auditedDocuments<TokenFamilyDocument>('token_families', familyIndexes),
    keyRing: app.store.keyRing,
    clock: app.store.serverClock,
    randomBytes: (size) => Buffer.alloc(size, 7),
    refreshGraceSeconds: 10,
    onRevoked () {}
  })
  for (const responseType of ['code', 'token']) {
    let looks = 0
    const client = { id: 'c', version: 1, privateKeys: new Map<string, string>(), fields: storedClient({ applicationType: 'mobile', allowImplicit: true, redirectUris: [callback], scopes: ['read'], confidential: false }) }
    const authorize = new Authorize({
      clients: { byClientId: async () => client },
      scopes: { byCode: async () => null },
      families,
      consents: { covers: async () => ++looks === 1, grant: async () => {}, deny: async () => {} },
      interactions: { begin: async () => ({}), consume: async () => null } as never,
      issuer,
      lifetimes: { code: 60, accessToken: 60, refreshToken: 60, refreshIdle: 60 },
      audiences: [],
      mintFor: () => null
    })
    const query = new URLSearchParams({ response_type: responseType, client_id: 'c', code_challenge: challenge, code_challenge_method: 'S256' })
    const step = await authorize.begin(query.toString(), { user: 'ann', browser: 'b' })
    t.match(step, { next: 'redirect', location: /error=consent_required/ }, responseType)
  }
  const left = await app.store.connection.collection('dwa_token_families').find().toArray()
  t.equal(left.length, 2)
  t.ok(left.every((family) => family['revokedAt'] instanceof Date))
})

t.test('14: a consent that ends while its form is answered ends what the answer brought', async (t) => {
  const { app } = await start(t)
  const families = new TokenFamilies({ documents: app.store.auditedDocuments<TokenFamilyDocument>('token_families', familyIndexes), keyRing: app.store.keyRing, clock: app.store.serverClock, randomBytes: (size) => Buffer.alloc(size, 8), refreshGraceSeconds: 10, onRevoked () {} })
  const client = { id: 'c', version: 1, privateKeys: new Map<string, string>(), fields: storedClient({ redirectUris: [callback], scopes: ['read'] }) }
  const query = new URLSearchParams({ response_type: 'code', client_id: 'c', code_challenge: challenge, code_challenge_method: 'S256' }).toString()
  let ends: Error | null = null
  const authorize = new Authorize({
    clients: { byClientId: async () => client },
    scopes: { byCode: async () => null },
    families,
    consents: { covers: async () => { if (ends !== null) throw ends; return false }, grant: async () => {}, deny: async () => {} },
    interactions: { consume: async () => ({ query, scopes: ['read'], redirectUri: callback }) } as never,
    issuer,
    lifetimes: { code: 60, accessToken: 60, refreshToken: 60, refreshIdle: 60 },
    audiences: [],
    mintFor: () => null
  })
  const form = 'interaction=i&csrf=c&decision=allow&scope=read'
  t.match(await authorize.decide(form, { user: 'ann', browser: 'b' }), /error=consent_required/)
  t.ok((await app.store.connection.collection('dwa_token_families').findOne({}))?.['revokedAt'] instanceof Date)
  ends = new Error('away')
  await t.rejects(authorize.decide(form, { user: 'ann', browser: 'b' }), { message: 'away' })
})

t.test('28, 35, 52: no code, token, secret or password is in a line of the app\'s log', async (t) => {
  const lines: string[] = []
  const { app } = await start(t, { log: (line) => { lines.push(line) } })
  const shop = await makeClient(app)
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const lenient = await makeClient(app, { applicationType: 'backend', tokenInQuery: true })
  const code = await codeFor(app, shop)
  const first = (await redeem(app, shop, code)).body
  const second = (await refresh(app, shop, first['refresh_token'])).body
  const third = (await post(app, '/token', { grant_type: 'client_credentials' }, lenient)).body
  const fourth = (await post(app, '/token', { grant_type: 'password', username: 'ann', password: people[0]?.password }, legacy)).body
  await post(app, '/token', { grant_type: 'password', username: 'ann', password: 'a wrong password' }, legacy)
  await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: lenient.clientId, secret: 'a wrong secret' })
  await app.inject({ url: `/oauth2/tokeninfo?access_token=${String(third['access_token'])}` })
  await post(app, `/token?client_secret=${lenient.secret ?? ''}`, { grant_type: 'client_credentials' })
  await post(app, '/revoke', { token: String(second['access_token']) }, shop)
  const secrets = [code, shop.secret, legacy.secret, lenient.secret, people[0]?.password, 'a wrong password', 'a wrong secret', ...[first, second, third, fourth].flatMap((body) => [body['access_token'], body['refresh_token']])]
  const text = lines.join('\n')
  t.ok(text.includes('"url":"/oauth2/tokeninfo"'), 'the log is one')
  for (const secret of secrets) if (typeof secret === 'string') t.notOk(text.includes(secret) || text.includes(encodeURIComponent(secret)))
})

t.test('what an app says of its people is checked', async (t) => {
  const { displayNameOf } = await import('../../lib/provider/owner.js')
  t.equal(await displayNameOf({ id: 'x' }), 'x')
  t.equal(await displayNameOf({ id: 'x', email: 'x@example.org' }), 'x@example.org')
  await t.rejects(displayNameOf({ id: 'x' }, () => 7 as never), { code: 'DWA_PROVIDER_OWNER_FAILED' })
  await t.rejects(displayNameOf({ id: 'x' }, () => { throw new Error('no') }), { code: 'DWA_PROVIDER_OWNER_FAILED' })
})

t.test('33: tokens of before a client was disabled are good no more, also those that were written late', async (t) => {
  const { app } = await start(t)
  const backend = await makeClient(app, { applicationType: 'backend' })
  const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  const families = app.store.connection.collection('dwa_token_families')
  const late = await families.findOne({})
  await app.oauthProvider.clients.update(backend.clientId, { enabled: false })
  await families.updateOne({}, { $set: { access: late?.['access'] as unknown }, $unset: { revokedAt: 1 } })
  await app.oauthProvider.clients.update(backend.clientId, { enabled: true })
  t.equal(await status(app, body['access_token']), 401)
  t.same((await post(app, '/introspect', { token: String(body['access_token']) }, backend)).body, { active: false })
  const next = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  t.equal(await status(app, next.body['access_token']), 200)
})

t.test('the seventeenth access token ends the first, in every process\'s memory', async (t) => {
  const { app, uri } = await start(t)
  const other = await providerApp(t, { uri, routes })
  const shop = await makeClient(app)
  let { body } = await redeem(app, shop, await codeFor(app, shop))
  const oldest = body['access_token']
  for (const one of [app, other, app, other]) t.equal(await status(one, oldest), 200)
  for (let count = 0; count < 16; count++) body = (await refresh(app, shop, body['refresh_token'])).body
  t.equal(await status(app, oldest), 401)
  await eventually('the other process knows', async () => await status(other, oldest) === 401)
  t.equal(await status(app, body['access_token']), 200)
})

t.test('33: a revocation that nobody heard of is told by the next one', async (t) => {
  const { app, uri } = await start(t)
  const other = await providerApp(t, { uri, routes })
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  for (const one of [app, other]) t.equal(await status(one, body['access_token']), 200)
  const families = app.store.connection.collection('dwa_token_families')
  const documents = app.store.auditedDocuments<TokenFamilyDocument>('token_families', familyIndexes)
  await eventually('nothing waits for the log', async () => await families.countDocuments({ 'outbox.at': { $exists: true } }) === 0)
  const { _id = new mongoose.mongo.ObjectId() } = await families.findOne({}) ?? {}
  const entry = documents.entry(_id, 'token.revoked', { target: { type: 'token', id: _id.toHexString() } })
  await documents.run(async (all) => await all.updateOne({ _id }, { $set: { revokedAt: new Date(), access: [] }, $push: { outbox: entry.stored } })) // by a process that died then
  for (const one of [app, other]) t.equal(await status(one, body['access_token']), 200, 'in memory')
  t.equal((await post(app, '/revoke', { token: String(body['access_token']) }, shop)).status, 200)
  t.equal(await status(app, body['access_token']), 401)
  await eventually('the other process hears of it, before any sweep would tell', async () => await status(other, body['access_token']) === 401, 3000)
  t.equal((await app.auditLog.find({ event: 'token.revoked' })).length, 1, 'once')
})

t.test('a person whom the app has removed has no token anywhere', async (t) => {
  const { clock, move } = movable()
  const known = [...people]
  const { app } = await start(t, { store: { clock }, people: known })
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  known.splice(0, 1)
  move(61_000)
  for (const token of [body['access_token'], body['refresh_token']]) t.same((await post(app, '/introspect', { token: String(token) }, shop)).body, { active: false })
  t.equal((await post(app, '/tokeninfo', { access_token: String(body['access_token']) })).status, 401)
})

t.test('an access token does not outlive its family, nor what a route did to its dates', async (t) => {
  const { clock, move } = movable()
  const { app } = await start(t, {
    store: { clock },
    provider: { lifetimes: { refreshToken: 100, accessToken: 60 } },
    routes (app) {
      app.get('/me', { config: { auth: 'oauth_provider' } }, async ({ oauthToken }) => {
        oauthToken?.expiresAt.setFullYear(3000)
        return 'in'
      })
    }
  })
  const shop = await makeClient(app)
  const first = (await redeem(app, shop, await codeFor(app, shop))).body
  move(70_000)
  const second = (await refresh(app, shop, first['refresh_token'])).body
  t.ok(Number(second['expires_in']) <= 30, 'what is left of the family')
  t.equal(await status(app, second['access_token']), 200)
  t.equal(await status(app, second['access_token']), 200)
  move(31_000)
  t.equal(await status(app, second['access_token']), 401)
})

t.test('29: a scope that is asked for twice is granted once', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const backend = await makeClient(app, { applicationType: 'backend' })
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  t.equal((await refresh(app, shop, body['refresh_token'], { scope: 'read read read' })).body['scope'], 'read')
  t.equal((await post(app, '/token', { grant_type: 'client_credentials', scope: 'write write' }, backend)).body['scope'], 'write')
})

t.test('32: revokeUser takes an id, a person or an ObjectId, and nothing that would be everybody', async (t) => {
  const id = new mongoose.mongo.ObjectId()
  const { app } = await start(t, { people: [...people, { id: id.toHexString(), name: 'Cid', email: 'c', password: 'x' }] })
  const shop = await makeClient(app)
  const backend = await makeClient(app, { applicationType: 'backend' })
  const nobody = (await post(app, '/token', { grant_type: 'client_credentials' }, backend)).body['access_token']
  for (const given of [undefined, null, '', {}, { $ne: null }, [], { id: { $ne: 1 } }, Buffer.alloc(12)]) {
    await t.rejects(app.oauthProvider.revokeUser(given as never), { code: 'DWA_PROVIDER_OWNER_FAILED' }, JSON.stringify(given))
  }
  for (const given of [id.toHexString(), id, { _id: id }, { id: id.toHexString() }]) {
    const { body } = await redeem(app, shop, await codeFor(app, shop, {}, id.toHexString()))
    t.equal(await app.oauthProvider.revokeUser(given), 1)
    t.equal(await status(app, body['access_token']), 401)
  }
  t.equal(await status(app, nobody), 200)
})

t.test('36: a client signs by its algorithm, whatever it was before', async (t) => {
  const { app } = await start(t)
  const { clients } = app.oauthProvider
  const backend = await makeClient(app, { applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'RS256' })
  await clients.update(backend.clientId, { tokenType: 'random' })
  await clients.update(backend.clientId, { jwtAlgorithm: 'ES256' })
  await clients.update(backend.clientId, { tokenType: 'jwt' })
  const { body } = await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  t.match(JSON.parse(Buffer.from(String(body['access_token']).split('.')[0] ?? '', 'base64url').toString()), { alg: 'ES256' })
})
