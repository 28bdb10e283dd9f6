import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import Fastify from 'fastify'
import { MongoClient, type Db } from 'mongodb'
import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import { apiKey } from '../connectors.js'
import docuwareAuth from '../index.js'
import { Report, type Finding } from '../lib/cli/doctor/report.js'
import { examineServer } from '../lib/cli/doctor/server.js'
import { examineSettings } from '../lib/cli/doctor/settings.js'
import { run } from '../lib/cli/run.js'
import type { Terminal } from '../lib/cli/terminal.js'
import { logIndexes } from '../lib/log/log-collection.js'
import { startDocuWare, startEmbeddedMongo } from '../testing/index.js'
import { clockAt } from './app.js'
import { startTestMongo } from './mongo.js'

const key = randomBytes(32).toString('base64')
const otherKey = randomBytes(32).toString('base64')
const publicUrl = 'https://app.example.com'
const secretKey = 'the secret of the shop: it is long enough'

interface Patient { readonly uri: string, readonly db: Db }

/** A database as every plugin leaves it, with a validator, a connection and a client in it. */
async function healthy (t: Test): Promise<Patient> {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  await app.register(docuwareAuth, {
    publicUrl,
    store: { uri, secretKeys: [key] },
    docuware: {},
    provider: { issuer: publicUrl, owner: { current: () => null, loginUrl: () => '/', find: () => null } },
    jwt: {},
    signIn: { issuer: 'https://id.example', clientId: 'console', clientSecret: 'whatever' }
  })
  await app.ready()
  await app.jwtValidators.create({ name: 'shop', signatureType: 'secret', secretKey, audience: 'api', issuer: 'https://shop.example' })
  await app.docuware.connections.create({ name: 'acme', platformUrl: 'https://acme.docuware.cloud', clientId: 'c', clientSecret: 'the secret of the connection' })
  await app.oauthProvider.clients.create({ name: 'Shop', applicationType: 'web', redirectUris: ['https://shop.example/cb'] })
  await app.close()
  const client = await MongoClient.connect(uri)
  t.teardown(() => client.close())
  return { uri, db: client.db() }
}

interface Told { readonly code: number, readonly wrong: Finding[], readonly findings: Finding[], readonly text: string }

/** `--offline` unless it says otherwise. */
interface Visit { readonly args?: readonly string[], readonly env?: Record<string, string>, readonly terminal?: Partial<Terminal>, readonly online?: boolean }

/** What the doctor says, without repeating a secret. */
async function visit (uri: string, { args = [], env = {}, terminal = {}, online = false }: Visit = {}): Promise<Told> {
  const out: string[] = []
  const err: string[] = []
  const answer = async (...extra: string[]): Promise<number> => await run(['doctor', ...args, ...online ? [] : ['--offline'], ...extra], { say (line) { out.push(line) }, complain (line) { err.push(line) }, env: { DWA_URI: uri, DWA_KEYS: key, DWA_PUBLIC_URL: publicUrl, ...env }, ...terminal })
  const code = await answer('--json')
  if (code === 2) throw new Error(err.join('\n'))
  const { findings } = JSON.parse(out.pop() ?? '') as { findings: Finding[] }
  if (await answer() !== code) throw new Error('it says something else in JSON')
  const text = out.join('\n')
  for (const secret of [key, otherKey, secretKey, 'the secret of the connection']) if (text.includes(secret)) throw new Error('a secret was repeated')
  return { code, findings, wrong: findings.filter(({ ok }) => !ok), text }
}

const set = (collection: string, fields: object) => async ({ db }: Patient): Promise<void> => { await db.collection(`dwa_${collection}`).updateOne({ version: { $exists: true } }, { $set: fields }) }

async function replaceLog ({ db }: Patient, options: object): Promise<void> {
  await db.collection('dwa_log').drop()
  await db.createCollection('dwa_log', options)
  await db.collection('dwa_log').createIndexes(logIndexes.map((index) => ({ ...index })))
  await db.collection('dwa_log').insertOne({ chain: 'x', seq: 1 })
}

t.test('nothing is wrong with a healthy database, and each check says so', async (t) => {
  const { uri } = await healthy(t)
  const { code, wrong, findings, text } = await visit(uri)
  t.strictSame(wrong, [])
  t.equal(code, 0)
  t.strictSame(findings.map(({ check }) => check), ['Node.js', 'publicUrl', 'keys', 'database', 'connection', 'server', 'clock', 'key ring', 'audit log', 'indexes', 'secrets', 'validators', 'connections', 'clients', 'DocuWare platforms', 'key sets', 'connector addresses', 'sign-in provider'])
  t.match(text, /ok {5}audit log: capped at 64 MiB, 0 % full\n/)
  t.match(text, /ok {5}secrets: 2 can be read\n/)
  t.match(text, /ok {5}DocuWare platforms: 1 not asked\n/)
  t.match(text, /nothing is wrong$/)
})

t.test('what is planted is named, with what to do, and nothing else is', async (t) => {
  const cases: Array<[what: string, plant: (patient: Patient) => Promise<void>, visit: Visit, expected: Array<[check: string, message: RegExp, remedy: RegExp]>]> = [
    ['an old Node.js', async () => {}, { terminal: { nodeVersion: '20.18.3' } }, [['Node.js', /^20\.18\.3 is too old$/, /20\.19/]]],
    ['no publicUrl', async () => {}, { env: { DWA_PUBLIC_URL: '' } }, [['publicUrl', /not given/, /DWA_PUBLIC_URL/]]],
    ['a publicUrl that is none', async () => {}, { args: ['--public-url', 'app.example.com'] }, [['publicUrl', /not a URL/, /https/]]],
    ['a publicUrl over http', async () => {}, { args: ['--public-url', 'http://app.example.com'] }, [['publicUrl', /must be https/, /https/]]],
    ['a publicUrl of this machine', async () => {}, { args: ['--public-url', 'http://localhost:3000'] }, [['publicUrl', /this machine alone/, /https/]]],
    ['a clock that is ahead', async () => {}, { terminal: { clock: clockAt(() => Date.now() + 60_000) } }, [['clock', /^it is (59|60|61) s ahead of that of the database server$/, /NTP/]]],
    ['a clock that is behind', async () => {}, { terminal: { clock: clockAt(() => Date.now() - 5000) } }, [['clock', /^it is [456] s behind/, /NTP/]]],
    ['no key', async () => {}, { env: { DWA_KEYS: '' } }, [['keys', /none is given/, /openssl rand/]]],
    ['a key that is too short', async () => {}, { env: { DWA_KEYS: `${key},AAAA` } }, [['keys', /DWA_KEYS 2: is 3 bytes long/, /openssl rand/]]],
    ['a key given twice', async () => {}, { env: { DWA_KEYS: `${key},${key}` } }, [['keys', /DWA_KEYS 2: is given twice/, /once/], ['key ring', /1 of the keys opens nothing/, /take the old keys out/]]],
    ['a key that nobody rolled dice for', async () => {}, { env: { DWA_KEYS: `${key},${Buffer.alloc(32, 1).toString('base64')}` } }, [['keys', /DWA_KEYS 2: is not random/, /rotate/], ['key ring', /opens nothing/, /take/]]],
    ['the wrong key', async () => {}, { env: { DWA_KEYS: otherKey } }, [['key ring', /none of the keys opens it/, /give the master key/]]],
    ['an unfinished rotation', async () => {}, { env: { DWA_KEYS: `${otherKey},${key}` } }, [['key ring', /a rotation was not finished/, /rotate-keys/]]],
    ['another prefix', async () => {}, { args: ['--prefix', 'other_'] }, [['key ring', /there is none in other_keys/, /prefix/]]],
    ['a log that is not capped', async (patient) => { await replaceLog(patient, {}) }, {}, [['audit log', /dwa_log is not capped/, /convertToCapped: "dwa_log"/]]],
    ['a small log', async (patient) => { await replaceLog(patient, { capped: true, size: 1 << 20 }) }, {}, [['audit log', /it holds 1 MiB/, /cappedSize/]]],
    ['a log that is gone', async ({ db }) => { await db.collection('dwa_log').drop() }, {}, [['audit log', /there is no collection dwa_log/, /start the app/]]],
    ['a log credential that may do everything', async () => {}, { env: { DWA_LOG_URI: 'same' } }, [['log privileges', /more than insert and find: anything/, /operations\.md/]]],
    ['an index that was dropped', async ({ db }) => { await db.collection('dwa_clients').dropIndex('clientId_1') }, {}, [['indexes', /^dwa_clients lacks the index \{"clientId":1\} unique$/, /restart/]]],
    ['an index that removes nothing any more', async ({ db }) => {
      await db.collection('dwa_sessions').dropIndex('expiresAt_1')
      await db.collection('dwa_sessions').createIndex({ expiresAt: 1 })
    }, {}, [['indexes', /^dwa_sessions lacks the index \{"expiresAt":1\} expiring$/, /restart/]]],
    ['deliveries of webhooks that are never removed', async ({ db }) => { await db.createCollection('dwa_webhook_deliveries') }, {}, [['indexes', /^dwa_webhook_deliveries lacks the index \{"expiresAt":1\} expiring$/, /restart/]]],
    ['a secret from elsewhere', set('connections', { clientSecret: 'v1.0.0.0.0' }), {}, [['secrets', /^connections "acme": clientSecret cannot be decrypted$/, /set it anew/]]],
    ['a key set over http', set('validators', { publicKeyJwkUri: 'http://id.example/jwks' }), {}, [['key sets', /^validator "shop": must be https/, /mend the address/]]],
    ['a connection to be authorized again', set('connections', { status: 'reauthorize', statusMessage: 'invalid_grant' }), {}, [['connections', /^"acme" must be authorized again: invalid_grant$/, /person/]]],
    ['a connection whose client is gone', set('connections', { status: 'error' }), {}, [['connections', /^"acme" is refused as a client$/, /registration/]]],
    ['a connection over http', set('connections', { platformUrl: 'http://dw.example/DocuWare/Platform' }), {}, [['DocuWare platforms', /^connection "acme": must be https/, /mend the address/]]],
    ['the password grant', set('clients', { allowPassword: true }), {}, [['clients', /^"Shop" may use the password grant$/, /code grant/]]],
    ['the implicit grant', set('clients', { allowImplicit: true }), {}, [['clients', /implicit/, /PKCE/]]],
    ['redirects over http', set('clients', { allowHttpRedirect: true }), {}, [['clients', /plain http/, /https/]]],
    ['tokens in queries', set('clients', { tokenInQuery: true }), {}, [['clients', /query/, /Authorization header/]]],
    ['no PKCE', set('clients', { requirePkce: false }), {}, [['clients', /need not use PKCE/, /code_challenge/]]],
    ['what is switched off', set('clients', { allowPassword: true, enabled: false }), {}, []]
  ]
  t.ok(cases.length > 10)
  for (const [what, plant, how, expected] of cases) {
    const patient = await healthy(t)
    await plant(patient)
    const env = how.env?.['DWA_LOG_URI'] === 'same' ? { DWA_LOG_URI: patient.uri } : how.env
    const { code, wrong, text } = await visit(patient.uri, { ...how, ...(env === undefined ? {} : { env }) })
    t.strictSame(wrong.map(({ check }) => check), expected.map(([check]) => check), `${what}: nothing else`)
    t.match(wrong, expected.map(([check, message, remedy]) => ({ check, message, remedy })), what)
    t.equal(code, expected.length === 0 ? 0 : 1)
    if (expected.length > 0) t.match(text, new RegExp(`^WRONG {2}.*\\n {7}→ .*(.|\\n)*\\n${expected.length} found$`, 'm'))
  }
})

/** An HTTP server on loopback. */
async function serve (t: Test, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ origin: string, seen: string[] }> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return { origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, seen }
}

const away = 'http://127.0.0.1:1'
const allowed = { docuware: { allowInsecure: true }, jwt: { allowInsecure: true }, connectors: { allowInsecure: true } }
const peerChecks = ['DocuWare platforms', 'key sets', 'connector addresses', 'sign-in provider']

/** What a doctor says of whom the app calls. */
async function askedOf (t: Test, { uri }: Patient, settings: object): Promise<Finding[]> {
  const file = join(t.testdir(), 'options.json')
  await writeFile(file, JSON.stringify(settings))
  const { findings } = await visit(uri, { args: ['--config', file], online: true })
  return findings.filter(({ check }) => peerChecks.includes(check))
}

t.test('whom the app calls is asked whether it is there: who is, is fine', async (t) => {
  const patient = await healthy(t)
  const docuware = await startDocuWare()
  t.teardown(() => docuware.stop())
  const id = await serve(t, ({ url = '' }, response) => {
    const json = (value: object): void => { response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value)) }
    if (url === '/jwks') json({ keys: [] })
    else if (url === '/.well-known/openid-configuration') json({ issuer: id.origin, authorization_endpoint: `${id.origin}/a`, token_endpoint: `${id.origin}/t`, userinfo_endpoint: `${id.origin}/u` })
    else response.writeHead(404, { 'content-encoding': 'gzip' }).end()
  })
  await set('connections', { platformUrl: docuware.platformUrl })(patient)
  await set('validators', { publicKeyJwkUri: `${id.origin}/jwks` })(patient)
  const auth = { type: 'oauth2', clientId: 'c', authorizationUrl: `${id.origin}/a`, tokenUrl: `${id.origin}/token` }
  await patient.db.collection('dwa_connectors').insertOne({ name: 'erp', version: 1, baseUrl: `${id.origin}/api`, type: 'oauth2', settings: { tokenUrl: `${id.origin}/token` } })
  const validators = [{ name: 'declared', publicKeyJwkUri: `${id.origin}/jwks` }, { name: 'own', publicKeyJwkUri: `${publicUrl}/oauth2/jwks` }, { name: 'off', enabled: false, publicKeyJwkUri: `${away}/jwks` }]
  const signIn = { allowInsecure: true, clientId: 'c', clientSecret: 's' }
  const settings = {
    ...allowed,
    connectors: { allowInsecure: true, declared: { shop: { baseUrl: `${id.origin}/api`, auth } } },
    jwt: { allowInsecure: true, validators },
    signIn: { ...signIn, issuer: id.origin }
  }
  t.strictSame((await askedOf(t, patient, settings)).map(({ check, ok, message }) => [check, ok, message]), [
    ['DocuWare platforms', true, '1 answer'],
    ['key sets', true, '2 answer'],
    ['connector addresses', true, '4 answer'],
    ['sign-in provider', true, '1 answer']
  ])
  const eachVisit = ['GET /.well-known/openid-configuration', 'GET /jwks', 'GET /jwks', 'HEAD /api', 'HEAD /token']
  t.strictSame([...id.seen].sort(), [...eachVisit, ...eachVisit].sort(), 'each address once a visit; a key set once for what is stored and once for what is declared')

  const endpoints = { authorization: `${id.origin}/a`, token: `${id.origin}/t`, userinfo: `${away}/u` }
  t.match((await askedOf(t, patient, { ...settings, signIn: { ...signIn, endpoints } })).slice(3), [{ check: 'sign-in provider', ok: false, message: /^signIn\.endpoints\.userinfo: .*ECONNREFUSED/ }])
})

t.test('who is not there, or answers something else, is named, with what to do', async (t) => {
  const patient = await healthy(t)
  const odd = await serve(t, ({ url = '' }, response) => {
    if (url !== '/slow') response.writeHead(url === '/gateway' ? 503 : 200, { 'content-type': 'text/html' }).end('<p>the secret of the page</p>')
  })
  await set('connections', { platformUrl: `${away}/DocuWare/Platform` })(patient)
  await set('validators', { publicKeyJwkUri: `${odd.origin}/jwks` })(patient)
  await patient.db.collection('dwa_connectors').insertMany([
    { name: 'erp', version: 1, baseUrl: away, type: 'oauth2', settings: { tokenUrl: `${odd.origin}/gateway` } },
    { name: 'crm', version: 1, baseUrl: `${odd.origin}/slow`, type: 'apiKey', settings: { tokenUrl: away } },
    { name: 'odd', version: 1, baseUrl: 'nonsense', type: 'apiKey', settings: {} }
  ])
  const found = await askedOf(t, patient, {
    ...allowed,
    signIn: { allowInsecure: true, issuer: odd.origin, clientId: 'c', clientSecret: 's' },
    connectors: { allowInsecure: true, declared: { shop: { baseUrl: away, auth: { type: 'bearer', token: 't' } } } }
  })
  t.match(found, [
    { check: 'DocuWare platforms', code: 'DWA_DOCUWARE_DISCOVERY', message: /^connection "acme": .*ECONNREFUSED/, remedy: /firewall/ },
    { check: 'key sets', code: null, message: 'validator "shop": answered with another media type than JSON', remedy: /firewall.*allowPrivateAddresses/ },
    { check: 'connector addresses', message: 'connector "odd", baseUrl: is no URL', remedy: /mend the address/ },
    { check: 'connector addresses', message: /^connectors\.declared\.shop, baseUrl: .*ECONNREFUSED/ },
    { check: 'connector addresses', message: 'connector "crm", baseUrl: no complete answer within 3000 ms', remedy: /firewall/ },
    { check: 'connector addresses', message: /^connector "erp", baseUrl: .*ECONNREFUSED/ },
    { check: 'connector addresses', message: 'connector "erp", tokenUrl: answered with status 503' },
    { check: 'sign-in provider', code: 'DWA_SIGN_IN_PROVIDER', message: /^signIn\.issuer: /, remedy: /firewall/ }
  ])
  t.equal(found.length, 8)
  t.notOk(JSON.stringify(found).includes('the secret of the page'))
})

t.test('nobody is called whom the app would not call', async (t) => {
  const patient = await healthy(t)
  const inside = await serve(t, (_request, response) => { response.end('{}') })
  const { port } = new URL(inside.origin)
  await set('connections', { platformUrl: `${inside.origin}/DocuWare/Platform` })(patient)
  await set('validators', { publicKeyJwkUri: `https://127.0.0.1:${port}/jwks` })(patient)
  await patient.db.collection('dwa_connectors').insertOne({ name: 'erp', version: 1, baseUrl: inside.origin, type: 'basic', settings: {} })
  t.match(await askedOf(t, patient, {}), [
    { check: 'DocuWare platforms', message: /must be https/ },
    { check: 'key sets', message: 'validator "shop": address 127.0.0.1 is not global' },
    { check: 'connector addresses', message: /must be https/ },
    { check: 'sign-in provider', ok: true, message: '0 answer' }
  ])
  t.strictSame(inside.seen, [])
  t.match((await askedOf(t, patient, { jwt: { keySets: { allowPrivateAddresses: true } } })).slice(1, 2), [{ check: 'key sets', message: /EPROTO|SSL|socket hang up/ }], 'it is tried where the options allow it')
  t.match(await problemsOf({
    provider: { issuer: inside.origin },
    connectors: { declared: { shop: { baseUrl: inside.origin, auth: { type: 'bearer', token: 't' } }, own: { baseUrl: inside.origin, auth: { name: 'its own' } } } },
    signIn: { issuer: inside.origin, clientId: 'c', clientSecret: 's' },
    admin: { signInUrl: inside.origin }
  }), [/^provider\.issuer: must be https/, /^connectors\.declared\.shop\.baseUrl: must be https/, /^signIn\.issuer: must be https/, /^admin\.signInUrl: must be a path on this site, or an https URL/])
  t.strictSame(await problemsOf({ admin: { signInUrl: '/login' } }), [])
})

t.test('a check that fails itself is a finding; the others are made', async (t) => {
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const app = Fastify()
  await app.register(docuwareAuth, { publicUrl, store: { uri: mongo.uri, secretKeys: [key] }, docuware: {} })
  await app.ready()
  await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'c' })
  await app.close()
  const admin = await MongoClient.connect(mongo.uri)
  t.teardown(() => admin.close())
  const db = admin.db()
  await db.command({ createRole: 'reader', privileges: ['dwa_connections', 'dwa_log'].map((collection) => ({ resource: { db: db.databaseName, collection }, actions: ['find', 'collStats'] })), roles: [] })
  await db.command({ createUser: 'reader', pwd: 'reader', roles: ['reader'] })
  const uri = new URL(mongo.uri)
  uri.username = uri.password = 'reader'
  uri.searchParams.set('authSource', db.databaseName)
  const { code, wrong, findings, text } = await visit(uri.href)
  t.equal(code, 1)
  t.strictSame(wrong.map(({ check, code, message }) => [check, code, message]), ['key ring', 'indexes', 'validators', 'clients', 'key sets', 'connector addresses']
    .map((check) => [check, 'DWA_DOCTOR_CHECK_FAILED', 'could not be checked: MongoServerError Unauthorized']))
  t.match(wrong[0], { remedy: /privilege/ })
  t.match(findings.filter(({ check }) => ['audit log', 'connections', 'DocuWare platforms'].includes(check)), [{ ok: true }, { ok: true, message: 'nothing is wrong with 1' }, { ok: true, message: '1 not asked' }])
  t.match(text, /^WRONG {2}clients: could not be checked/m)

  await db.collection('dwa_keys').updateOne({}, { $set: { keys: null } })
  t.match((await visit(mongo.uri)).wrong, [{ check: 'key ring', message: 'could not be checked: TypeError' }])
  const malformed = await visit('mongodb://user:the secret of the connection@', { args: ['--log-uri', 'nonsense'] })
  t.strictSame(malformed.wrong.map(({ check, message }) => `${check}: ${message}`), ['database: could not be checked: --uri: is not a MongoDB address: Protocol and host list are required in the uri', 'log database: could not be checked: --log-uri: is not a MongoDB address'])
  t.equal(malformed.code, 1)

  const report = new Report(() => {})
  await report.check('odd', () => { throw Object.assign(new Error('the secret of the page'), { code: 'ECONNRESET' }) }) // what a library may throw
  await report.check('odder', async () => await Promise.reject('the secret of the page')) // eslint-disable-line prefer-promise-reject-errors -- as a library may
  t.strictSame(report.findings.map(({ message }) => message), ['could not be checked: Error ECONNRESET', 'could not be checked: string'])
})

t.test('a weak secret, however it came into the database', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  await app.register(docuwareAuth, { store: { uri, secretKeys: [key] }, jwt: {} })
  await app.ready()
  await app.jwtValidators.create({ name: 'old', signatureType: 'secret', secretKey: 'sixteen letters!', secretAlgorithm: 'HS512', allowShortSecret: true, audience: 'api', issuer: 'i' })
  await app.jwtValidators.create({ name: 'off', enabled: false, signatureType: 'secret', secretKey: 'sixteen letters!', allowShortSecret: true, audience: 'api', issuer: 'i' })
  await app.close()
  const { wrong } = await visit(uri)
  t.match(wrong, [{ check: 'validators', message: '"old": its secret needs at least 64 bytes for HS512, and has 16', remedy: /random/ }])
  t.equal(wrong.length, 1)
})

t.test('a configuration file: its options are checked, and serve where nothing else is said', async (t) => {
  const { uri } = await healthy(t)
  const file = join(t.testdir(), 'options.json')
  const options = { publicUrl, store: { uri, secretKeys: [key] }, jwt: {} }
  const told = async (settings: unknown): Promise<Told> => {
    await writeFile(file, typeof settings === 'string' ? settings : JSON.stringify(settings))
    return await visit(uri, { args: ['--config', file], env: { DWA_URI: uri, DWA_KEYS: '', DWA_PUBLIC_URL: '' }, terminal: {} })
  }
  t.match((await told(options)).wrong, [{ check: 'publicUrl' }], 'the environment comes first')
  t.strictSame((await visit(uri, { args: ['--config', file, '--public-url', publicUrl], env: { DWA_KEYS: '' } })).wrong, [])
  t.match((await told({ ...options, store: { uri, secretKeys: ['???'] } })).wrong, [{ check: 'publicUrl' }, { check: 'keys', message: 'store.secretKeys[0]: is not base64' }])
  await writeFile(file, JSON.stringify({ ...options, docuware: { allowInsecure: true }, jwt: { cache: { max: -1 } }, provider: { issuer: publicUrl, prefix: 'oauth2' }, sigIn: {}, webhooks: {} }))
  t.strictSame((await visit(uri, { args: ['--config', file] })).wrong.map(({ check, message }) => `${check}: ${message}`), [
    'options: jwt.cache.max: must be >= 0',
    'options: docuware.allowInsecure is switched on',
    'options: provider.prefix: must match pattern "^(/[A-Za-z0-9_.~-]+)*$"',
    'options: docuwareAuth.sigIn: unknown option'
  ], 'each by its path')

  for (const [text, message] of [['{', /is no JSON$/], ['[]', /holds no JSON object$/]] as const) await t.rejects(told(text), { message })
})

/** What is wrong with options as JSON says them; the database's address and keys were given elsewhere. */
async function problemsOf (settings: object): Promise<string[]> {
  const report = new Report(() => {})
  await examineSettings(report, JSON.parse(JSON.stringify(settings)), { uri: 'mongodb://127.0.0.1/app', secretKeys: [key] })
  return report.findings.filter(({ ok }) => !ok).map(({ message }) => message)
}

t.test('the options of every plugin are checked as the plugin checks them, functions left out', async (t) => {
  const app = {
    store: { access: () => null, collectionPrefix: 'own_' },
    docuware: { queue: { enqueue () {}, process () {} } },
    provider: { issuer: publicUrl, owner: { current: () => null, loginUrl: () => '/', find: () => null }, resources: { users: { model () {}, user: true } } },
    jwt: { partners: { model () {}, emailField: 'mail' }, userIdStrategies: { own: () => null }, isSessionAuthenticated: () => false },
    connectors: { declared: { shop: { baseUrl: 'https://shop.example', auth: apiKey({ key: 'the key of the shop' }) } } },
    webhooks: { sources: { shop: { header: 'x-signature', secret: () => null } } },
    telemetry: {},
    signIn: { issuer: 'https://id.example', clientId: 'c', clientSecret: 's', roles: { of: () => [] } },
    admin: { prefix: '/admin' }
  }
  t.strictSame(await problemsOf(app), [], 'what JSON.stringify leaves of good options')
  for (const name of Object.keys(app)) {
    t.strictSame(await problemsOf({ ...app, [name]: { ...Reflect.get(app, name), nonsense: 1 } }), [`${name}.nonsense: unknown option`])
    t.strictSame(await problemsOf({ ...app, [name]: 'nonsense' }), [`docuwareAuth.${name}: must be object`])
  }
  const { owner } = app.provider
  t.strictSame(await problemsOf({ ...app, provider: { owner }, admin: { streams: 0 }, webhooks: { sources: { shop: { algorithm: 'md5' } } }, connectors: { declared: { shop: {} } }, telemetry: { dsn: 'https://key@sentry.example/1' } }), [
    'provider.issuer: is required',
    'connectors.declared.shop.baseUrl: is required',
    'webhooks.sources.shop.algorithm: must be one of ["sha256","sha384","sha512","sha1"]',
    'telemetry.dsn: unknown option',
    'admin.streams: must be >= 1'
  ])
})

t.test('a database that cannot be reached, or refuses, is found; one that is not named is a mistake', async (t) => {
  const away = await visit('mongodb://127.0.0.1:1/app')
  t.match(away.wrong, [{ check: 'database', message: 'it cannot be reached', remedy: /firewall/ }])
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const refused = new URL(mongo.uri)
  refused.username = 'nobody'
  refused.password = 'the wrong password'
  const { wrong, text } = await visit(refused.href)
  t.match(wrong, [{ check: 'database', message: /refuses these credentials/, remedy: /password/ }])
  t.notOk(text.includes('the wrong password'))
  const err: string[] = []
  t.equal(await run(['doctor'], { say () {}, complain (line) { err.push(line) }, env: {} }), 2)
  t.match(err, [/^doctor: --uri .* is missing$/])
  t.equal(err.length, 1)
})

t.test('the log\'s own credential: fine when it may insert and find and nothing else', async (t) => {
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const app = Fastify()
  await app.register(docuwareAuth, { publicUrl, store: { uri: mongo.uri, secretKeys: [key] } })
  await app.close()
  const admin = await MongoClient.connect(mongo.uri)
  t.teardown(() => admin.close())
  const db = admin.db()
  await db.command({ createRole: 'auditWriter', privileges: [{ resource: { db: db.databaseName, collection: 'dwa_log' }, actions: ['insert', 'find', 'listIndexes', 'collStats'] }], roles: [] })
  for (const [user, role] of [['narrow', 'auditWriter'], ['wide', 'readWrite']] as const) {
    await db.command({ createUser: user, pwd: user, roles: [role] })
    const logUri = new URL(mongo.uri)
    logUri.username = logUri.password = user
    logUri.searchParams.set('authSource', db.databaseName)
    const { wrong, findings } = await visit(mongo.uri, { args: ['--log-uri', logUri.href] })
    t.strictSame(findings.map(({ check }) => check).filter((check) => check.includes('log')), ['log database', 'audit log', 'log privileges'])
    t.match(wrong, user === 'narrow' ? [] : [{ check: 'log privileges', message: /insert and find: .*remove/ }], user)
    t.equal(wrong.length, user === 'narrow' ? 0 : 1)
  }
})

t.test('the way to a database elsewhere must be encrypted', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  const { db } = connection
  if (db === undefined) throw new Error('not connected')
  const cases: Array<[string, RegExp | null]> = [
    ['mongodb://user:p%40ss@db.example:27017,127.0.0.1/app', /the way to db\.example is not encrypted/],
    ['mongodb://db.example/app?tls=false', /db\.example/],
    ['mongodb://db.example/app?tls=true', null],
    ['mongodb://db.example/?ssl=true', null],
    ['mongodb+srv://db.example/app', null],
    ['mongodb+srv://db.example/app?tls=false', /db\.example/],
    ['mongodb://localhost/app', null]
  ]
  for (const [address, message] of cases) {
    const report = new Report(() => {})
    await examineServer(report, db, address, Date.now)
    t.match(report.findings.filter(({ ok }) => !ok), message === null ? [] : [{ check: 'connection', message }], address)
    t.equal(report.ok, message === null)
  }
})
