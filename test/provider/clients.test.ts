import { generateKeyPairSync } from 'node:crypto'
import { MongoClient } from 'mongodb'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { isAuthError } from '../../lib/errors.js'
import type { ClientInput, ClientPatch } from '../../lib/provider/client-schema.js'
import { provider } from '../../plugins/provider.js'
import { store } from '../../plugins/store.js'
import { LegacyWarnings } from '../../lib/provider/legacy-warnings.js'
import { unavailable } from '../../lib/store/unavailable.js'
import { masterKey } from '../app.js'
import { ManualClock } from '../manual-clock.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { callback, codeFor, issuer, makeClient, people, post, providerApp, redeem, refresh } from './provider-app.js'

async function start (t: Test): Promise<{ app: FastifyInstance, uri: string }> {
  const { uri } = await startTestMongo(t)
  return { app: await providerApp(t, { uri }), uri }
}

const web: ClientInput = { name: 'Shop', applicationType: 'web', redirectUris: [callback] }

t.test('a client is created with its defaults, and its secret is shown once', async (t) => {
  const { app } = await start(t)
  const { clients } = app.oauthProvider
  const { client, clientSecret } = await clients.create(web)
  t.match(client, {
    name: 'Shop',
    clientId: /^[0-9a-f-]{36}$/,
    applicationType: 'web',
    confidential: true,
    skipAuthorization: false,
    scopes: [],
    redirectUris: [callback],
    tokenType: 'random',
    requirePkce: true,
    tokenInQuery: false,
    allowImplicit: false,
    allowPassword: false,
    allowHttpRedirect: false,
    enabled: true,
    hasClientSecret: true,
    jwtPublicKey: null,
    keys: [],
    version: 1
  })
  t.equal(Buffer.from(clientSecret ?? '', 'base64url').length, 32, '256 bits')
  for (const by of [client.id, client.clientId, client.name]) {
    const found = await clients.get(by)
    t.same(found, client, `found by ${by}`)
    t.notOk(JSON.stringify(found).includes(clientSecret ?? ''))
  }
  t.equal(await clients.get('nobody'), null)
  const mobile = await clients.create({ name: 'App', applicationType: 'mobile', redirectUris: ['com.example.app:/cb'] })
  t.match(mobile, { clientSecret: null, client: { confidential: false, hasClientSecret: false } })
  const imported = await clients.create({ ...web, name: 'Old', clientId: 'old_shop.~1', clientSecret: 'chosen by a person' })
  t.match(imported, { clientSecret: null, client: { clientId: 'old_shop.~1', hasClientSecret: true } })
  t.same((await clients.list()).map(({ name }) => name), ['App', 'Old', 'Shop'])
})

t.test('2: a client that cannot be is refused, with the field\'s name', async (t) => {
  const { app } = await start(t)
  const { clients } = app.oauthProvider
  await clients.create({ ...web, clientId: 'taken' })
  const cases: Array<[string, unknown]> = [
    ['name', { ...web, name: '' }],
    ['name', { applicationType: 'web', redirectUris: [callback] }],
    ['applicationType', { ...web, applicationType: 'desktop' }],
    ['clientId', { ...web, clientId: 'a b' }],
    ['clientId', { ...web, clientId: '' }],
    ['clientId', { ...web, clientId: { $ne: null } }],
    ['redirectUris', { name: 'x', applicationType: 'web' }],
    ['redirectUris', { ...web, redirectUris: ['http://shop.example/cb'] }],
    ['redirectUris', { ...web, redirectUris: ['javascript:alert(1)'] }],
    ['redirectUris', { ...web, redirectUris: [`${callback}#x`] }],
    ['redirectUris', { ...web, redirectUris: [`${callback}?code=1`] }],
    ['redirectUris', { ...web, redirectUris: ['com.example:/cb'] }],
    ['scopes', { ...web, scopes: ['a b'] }],
    ['confidential', { name: 'x', applicationType: 'backend', confidential: false }],
    ['confidential', { name: 'x', applicationType: 'legacy', confidential: false }],
    ['clientSecret', { ...web, confidential: false, clientSecret: 'longer than eight' }],
    ['clientSecret', { ...web, clientSecret: 'short' }],
    ['allowImplicit', { ...web, allowImplicit: true }],
    ['allowPassword', { ...web, allowPassword: true }],
    ['userId', { ...web, userId: 'ann' }],
    ['lifetimes', { ...web, lifetimes: { code: 601 } }],
    ['jwtAlgorithm', { ...web, jwtAlgorithm: 'none' }],
    ['colour', { ...web, colour: 'red' }],
    ['', []],
    ['', null]
  ]
  for (const [field, input] of cases) {
    await t.rejects(clients.create(input as never), { code: 'DWA_PROVIDER_INVALID_CLIENT', field, statusCode: 400 }, `${field}: ${JSON.stringify(input)}`)
  }
  await t.rejects(clients.create({ ...web, name: 'other', clientId: 'taken' }), { code: 'DWA_STORE_DUPLICATE' })
  await t.rejects(clients.create(web), { code: 'DWA_STORE_DUPLICATE' })
  t.equal((await clients.list()).length, 1, 'nothing was created')
  await t.resolves(clients.create({ ...web, name: 'closed network', redirectUris: ['http://shop.local/cb'], allowHttpRedirect: true }))
})

t.test('a client is changed, one version at a time', async (t) => {
  const { app } = await start(t)
  const { clients } = app.oauthProvider
  const { client } = await clients.create({ ...web, lifetimes: { code: 30 } })
  const changed = await clients.update(client.id, { name: 'Store', scopes: ['read'], lifetimes: null })
  t.match(changed, { name: 'Store', version: 2 })
  t.strictSame(changed.scopes, ['read'])
  t.notOk('lifetimes' in changed)
  await t.rejects(clients.update(client.id, { name: 'Late' }, { version: 1 }), { code: 'DWA_STORE_CONFLICT' })
  await t.rejects(clients.update('nobody', { name: 'x' }), { code: 'DWA_STORE_NOT_FOUND' })
  for (const patch of [{ clientId: 'x' }, { clientSecret: 'longer than eight' }, { confidential: false }, { jwtPrivateKey: 'x' }, { name: null }, { redirectUris: [] }, { redirectUris: ['http://x.example'] }, { allowImplicit: true }]) {
    await t.rejects(clients.update(client.id, patch as ClientPatch), { code: 'DWA_PROVIDER_INVALID_CLIENT', field: Object.keys(patch)[0] }, JSON.stringify(patch))
  }
  await Promise.all(Array.from({ length: 10 }, async (_, index) => await clients.update(client.id, { scopes: [`s${index}`] })))
  t.equal((await clients.get(client.id))?.version, 12, 'ten at once, one after the other')
  const [entry] = await app.auditLog.find({ event: 'client.updated', limit: 1 })
  t.strictSame([entry?.details, entry?.target], [{ changed: ['scopes'] }, { type: 'client', id: client.id, name: 'Store' }])
})

t.test('secrets: two at most, and never none', async (t) => {
  const { app } = await start(t)
  const { clients } = app.oauthProvider
  const made = await makeClient(app, { applicationType: 'backend' })
  const works = async (secret: string | null): Promise<boolean> => (await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: made.clientId, secret })).status === 200
  await t.rejects(clients.dropSecret(made.clientId), { code: 'DWA_PROVIDER_INVALID_CLIENT', field: 'clientSecret' }, 'the only one stays')
  const second = await clients.rotateSecret(made.clientId)
  const third = await clients.rotateSecret(made.clientId)
  t.equal(third.client.clientSecrets.length, 2)
  t.same([await works(made.secret), await works(second.clientSecret), await works(third.clientSecret)], [false, true, true])
  await t.rejects(clients.dropSecret(made.clientId, { secretId: 'x' }), { code: 'DWA_STORE_NOT_FOUND' })
  await clients.dropSecret(made.clientId, { secretId: third.client.clientSecrets[1]?.id ?? '' })
  t.same([await works(second.clientSecret), await works(third.clientSecret)], [true, false])
  const mobile = await makeClient(app, { applicationType: 'mobile' })
  await t.rejects(clients.rotateSecret(mobile.clientId), { code: 'DWA_PROVIDER_INVALID_CLIENT', field: 'confidential' })
  t.same((await app.auditLog.find({ event: 'client.secret_rotated' })).length, 2)
  t.same((await app.auditLog.find({ event: 'client.secret_dropped' })).length, 1)
})

t.test('a client\'s keys are imported, generated, rotated and published', async (t) => {
  const { app } = await start(t)
  const { clients, keys } = app.oauthProvider
  const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await t.rejects(clients.create({ ...web, tokenType: 'jwt', jwtAlgorithm: 'RS256', jwtPrivateKey: pem }), { code: 'DWA_PROVIDER_INVALID_KEY', message: 'The private key doesn\'t fit the selected algorithm!' })
  const { client } = await clients.create({ ...web, tokenType: 'jwt', jwtAlgorithm: 'ES256', jwtPrivateKey: pem })
  t.match(client.jwtPublicKey, /^-----BEGIN PUBLIC KEY-----/)
  t.notOk(JSON.stringify(client).includes('PRIVATE'))
  t.equal((await app.inject({ url: `/oauth2/public_key?client_id=${client.clientId}` })).body, client.jwtPublicKey)
  t.match({ ...await app.inject({ url: '/oauth2/public_key?client_id=nobody' }) }, { statusCode: 200, body: '' })
  t.match({ ...await app.inject({ url: '/oauth2/public_key' }) }, { statusCode: 200, body: '' })
  const kids = async (): Promise<string[]> => (await app.inject({ url: '/oauth2/jwks' })).json<{ keys: Array<{ kid: string }> }>().keys.map(({ kid }) => kid)
  t.equal((await kids()).length, 1)
  await keys.rotate(client.clientId)
  t.equal((await kids()).length, 2, 'the next one is published before it signs')
  const changed = await clients.update(client.clientId, { jwtAlgorithm: 'RS256' })
  t.match(changed.jwtPublicKey, /PUBLIC KEY/)
  t.not(changed.jwtPublicKey, client.jwtPublicKey)
  t.equal((await kids()).length, 3, 'tokens of before are still verified')
  const hmac = await clients.create({ ...web, name: 'hmac', tokenType: 'jwt', jwtAlgorithm: 'HS256' })
  t.equal(hmac.client.jwtPublicKey, null)
  await t.rejects(clients.generatePrivateKey(hmac.client.id), { code: 'DWA_PROVIDER_INVALID_KEY', message: 'You can only generate private keys for asymmetric algorithms!' })
  const late = await clients.create({ ...web, name: 'late' })
  t.same((await clients.update(late.client.id, { tokenType: 'jwt' })).keys.length, 1, 'a client that becomes one for JWTs gets its key')
})

t.test('35: what was issued is nowhere in the database, and a client that is gone takes its tokens along', async (t) => {
  const { app, uri } = await start(t)
  const shop = await makeClient(app)
  const imported = await makeClient(app, { clientSecret: 'chosen by a person' })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const jwt = await makeClient(app, { applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'EdDSA' })
  const code = await codeFor(app, shop)
  const first = await redeem(app, shop, code)
  const second = await refresh(app, shop, first.body['refresh_token'])
  const password = await post(app, '/token', { grant_type: 'password', username: 'ann', password: people[0]?.password ?? '' }, legacy)
  const token = await post(app, '/token', { grant_type: 'client_credentials' }, jwt)
  const issued = [code, shop.secret, imported.secret, legacy.secret, people[0]?.password, ...[first, second, password, token].flatMap(({ body }) => [body['access_token'], body['refresh_token']])].filter((text) => typeof text === 'string')
  t.equal(issued.length, 12)
  await app.close()
  const client = await MongoClient.connect(uri)
  t.teardown(async () => { await client.close() })
  let dump = ''
  for (const { name } of await client.db().listCollections().toArray()) dump += JSON.stringify(await client.db().collection(name).find().toArray())
  t.ok(dump.includes(shop.clientId), 'the dump is one')
  for (const text of issued) {
    t.notOk(dump.includes(text), 'not as it is')
    t.notOk(dump.includes(Buffer.from(text).toString('base64').slice(0, 20)), 'not in base64')
  }
  t.notOk(dump.includes('PRIVATE KEY'))
})

/** An app of the provider on that database, not yet ready, and the warnings in its log. */
async function warningApp (t: Test, uri: string): Promise<{ readonly app: FastifyInstance, readonly warnings: () => string[] }> {
  const lines: Array<Record<string, unknown>> = []
  const app = Fastify({ logger: { level: 'warn', stream: { write (line: string) { lines.push(JSON.parse(line) as Record<string, unknown>) } } } })
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey], publicUrl: issuer })
  await app.register(provider, { issuer, owner: { current: () => null, loginUrl: () => '/login', find: () => null } })
  return { app, warnings: () => lines.filter(({ option }) => option !== undefined).map(({ client, option }) => `${String(client)}: ${String(option)}`).sort() }
}

t.test('16: legacy clients are warned about at start', async (t) => {
  const { app, uri } = await start(t)
  await makeClient(app, { name: 'implicit one', applicationType: 'mobile', allowImplicit: true })
  await makeClient(app, { name: 'password one', applicationType: 'legacy', allowPassword: true })
  await makeClient(app, { name: 'http one', allowHttpRedirect: true, redirectUris: ['http://intranet.example/cb'] })
  await makeClient(app, { name: 'disabled one', applicationType: 'legacy', allowPassword: true, enabled: false })
  await makeClient(app, { name: 'modern one' })
  const expected = ['http one: allowHttpRedirect', 'implicit one: allowImplicit', 'password one: allowPassword']
  await t.test('once', async (t) => {
    const { app, warnings } = await warningApp(t, uri)
    await app.ready()
    t.strictSame(warnings(), expected)
  })
  await t.test('and later, when the database was away then', async (t) => {
    const proxy = await startProxy(t, uri)
    await proxy.cut()
    const { app, warnings } = await warningApp(t, proxy.uri)
    await app.ready()
    t.notOk(app.store.available)
    t.strictSame(warnings(), [])
    await proxy.open()
    await eventually('they are given', () => warnings().length > 0)
    t.strictSame(warnings(), expected)
  })
  await t.test('also when it goes away in the moment of asking, until the app is closed, and nothing else is passed over', async (t) => {
    const clock = new ManualClock()
    const lines: string[] = []
    const say = (_details: object, message: string): void => { lines.push(message) }
    const answers: unknown[] = [unavailable(), unavailable(), new TypeError('broken')]
    const warnings = new LegacyWarnings({ clients: { all: async () => await Promise.reject(answers.shift()) }, clock, logger: { info: say, warn: say, error: say } })
    await warnings.give()
    clock.advance(1000)
    await eventually('it was asked again', () => answers.length === 1)
    await new Promise((resolve) => { setImmediate(resolve) })
    t.strictSame(lines, [])
    clock.advance(1000)
    await eventually('what is no outage is told', () => lines.length > 0)
    t.match(lines, [/could not be looked through/])
    await t.rejects(new LegacyWarnings({ clients: { all: () => { throw new TypeError('broken') } }, clock, logger: { info: say, warn: say, error: say } }).give(), { message: 'broken' }, 'at the start it stops it')

    let asked = 0
    const all = (): never => {
      asked++
      throw unavailable()
    }
    const closed = new LegacyWarnings({ clients: { all }, clock, logger: { info: say, warn: say, error: say } })
    await closed.give()
    closed.stop()
    clock.advance(5000)
    await closed.give()
    clock.advance(5000)
    t.equal(asked, 2, 'a closed app asks no more')
  })
})

t.test('options are refused with their path, and a second registration', async (t) => {
  const { uri } = await startTestMongo(t)
  const owner = { current: () => null, loginUrl: () => '/login', find: () => null }
  for (const [path, options] of Object.entries({
    'provider.issuer: is required': { owner },
    'provider.issuer: must be https': { owner, issuer: 'http://provider.example' },
    'provider.owner: is required': { issuer },
    'provider.owner.find: must be a function': { issuer, owner: { ...owner, find: 'x' } },
    'provider.colour: unknown option': { issuer, owner, colour: 1 },
    'provider.lifetimes.code: must be <= 600': { issuer, owner, lifetimes: { code: 601 } },
    'provider.refreshGraceSeconds: must be >= 0': { issuer, owner, refreshGraceSeconds: -1 }
  })) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(store, { uri, secretKeys: [masterKey] })
    const error: unknown = await app.register(provider, options as never).then(() => null, (error: unknown) => error)
    t.ok(isAuthError(error, 'DWA_OPTIONS_INVALID'), path)
    t.match(error, { message: path })
  }
  const twice = Fastify()
  t.teardown(() => twice.close())
  await twice.register(store, { uri, secretKeys: [masterKey] })
  await twice.register(provider, { issuer, owner })
  await t.rejects(Promise.resolve(twice.register(provider, { issuer, owner })), { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
})
