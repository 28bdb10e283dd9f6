import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import docuwareAuth, { jwt, store, type JwtOptions } from '../../index.js'
import type { ValidatorInput, ValidatorPatch } from '../../lib/jwt/validator-schema.js'
import { systemClock } from '../../lib/clock.js'
import { bearer, buildApp, clockAt, issuer, keepToken, masterKey, secret, token, validator } from '../app.js'
import { asDocuware, publicUrl, rolesOf } from '../docuware/caller.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'

const { uri } = await startTestMongo(t)
let prefixes = 0
const freshPrefix = (): string => `v${prefixes++}_`

const route = async ({ jwtValidator, userId }: { jwtValidator: string | null, userId: string | null }) => ({ jwtValidator, userId })

/** An app with one route per `config.auth` value, at `/<value>`. */
async function appWith (t: Test, values: readonly string[], jwtOptions: JwtOptions = {}, prefix = freshPrefix(), address = uri, clock = systemClock, fastify: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = await buildApp(t, {
    uri: address,
    fastify,
    store: { collectionPrefix: prefix, clock },
    jwt: jwtOptions,
    routes (app) { for (const value of values) app.get(`/${value}`, { config: { auth: value } }, route) }
  })
  await app.ready()
  return app
}

/** A logger that keeps its lines. */
function keptLines () {
  const lines: Array<{ level: number, msg: string, err?: { code?: string, message?: string }, reason?: string }> = []
  return { lines, logger: { level: 'info', stream: { write (line: string) { lines.push(JSON.parse(line)) } } } }
}

async function ask (app: FastifyInstance, url: string, value?: string): Promise<string> {
  const { statusCode, body } = await app.inject({ url, headers: value === undefined ? {} : bearer(value) })
  const answer: { code?: string, jwtValidator?: string | null } = JSON.parse(body)
  return statusCode === 200 ? `200 ${answer.jwtValidator}` : `${statusCode} ${answer.code}`
}

/** Waits until `probe` answers `wanted`, at most a second (the promise about other processes), and tells how long it took. */
async function within (probe: () => Promise<string>, wanted: string): Promise<string> {
  const started = Date.now()
  let answer = await probe()
  while (answer !== wanted && Date.now() - started < 1000) {
    await new Promise((resolve) => { setTimeout(resolve, 10) })
    answer = await probe()
  }
  return answer
}

t.test('validators are created, read, changed, renamed and removed at run time', async (t) => {
  const app = await appWith(t, ['jwt_erp', 'jwt_erp2', 'public_or_jwt_erp'])
  const { jwtValidators } = app
  t.equal(await ask(app, '/jwt_erp', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  t.equal(await ask(app, '/public_or_jwt_erp'), '500 DWA_JWT_VALIDATOR_NOT_FOUND', 'never a pass')

  const created = await jwtValidators.create(validator('erp', { audience: ' a1 , api ,', staticUserId: 'u', userIdStrategy: 'static' }))
  t.match(created, { name: 'erp', version: 1, audience: ['a1', 'api'], hasSecretKey: true, hasCookieSecret: false, enabled: true, secretAlgorithm: 'HS256', cookieName: 'authorization', id: /^[0-9a-f]{24}$/ })
  t.equal(await ask(app, '/jwt_erp', token()), '200 erp', 'at once in the process that made it')
  t.equal(await ask(app, '/public_or_jwt_erp'), '200 null')

  t.notMatch(JSON.stringify([created, await jwtValidators.get('erp'), await jwtValidators.list()]), secret, 'secrets are write-only')
  const shown = await jwtValidators.get('erp')
  t.equal(shown?.id, created.id)
  t.equal(await jwtValidators.get('ghost'), null)

  const kept = token()
  await keepToken(t, app, '/jwt_erp', kept)
  t.match(await jwtValidators.update('erp', { issuer: 'https://new', clockTolerance: 10 }), { version: 2, issuer: 'https://new', clockTolerance: 10 })
  t.equal(await ask(app, '/jwt_erp', kept), '401 DWA_JWT_INVALID_TOKEN', 'security 48: what was accepted before is not remembered')
  const next = token({ iss: 'https://new' })
  await keepToken(t, app, '/jwt_erp', next)
  t.match(await jwtValidators.update('erp', { clockTolerance: null, staticUserId: 'v' }), { clockTolerance: 0, staticUserId: 'v' }, 'null clears')
  await jwtValidators.update('erp', { secretKey: `${secret}!` })
  t.equal(await ask(app, '/jwt_erp', next), '401 DWA_JWT_INVALID_TOKEN')
  t.equal(await ask(app, '/jwt_erp', token({ iss: 'https://new' }, { secret: `${secret}!` })), '200 erp')

  await jwtValidators.update('erp', { name: 'erp2' })
  t.equal(await ask(app, '/jwt_erp', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  t.equal(await ask(app, '/jwt_erp2', token({ iss: 'https://new' }, { secret: `${secret}!` })), '200 erp2')

  await jwtValidators.update('erp2', { enabled: false })
  t.equal(await ask(app, '/jwt_erp2', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND', 'a disabled one answers like an unknown one')
  await jwtValidators.update('erp2', { enabled: true })
  await jwtValidators.remove('erp2')
  t.equal(await ask(app, '/jwt_erp2', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  t.same(await jwtValidators.list(), [])
  const events = (await app.auditLog.find({ event: 'validator.*' })).map(({ event, target }) => `${event} ${target?.name}`).reverse()
  t.same(events, ['validator.created erp', ...Array(3).fill('validator.updated erp'), 'validator.updated erp2', 'validator.updated erp2', 'validator.updated erp2', 'validator.deleted erp2'])
  t.notMatch(JSON.stringify(await app.auditLog.find()), secret)
})

t.test('management errors are coded and change nothing', async (t) => {
  const app = await appWith(t, [], { validators: [validator('declared')] })
  const { jwtValidators } = app
  await jwtValidators.create(validator('one'))
  await t.rejects(jwtValidators.create(validator('one')), { code: 'DWA_STORE_DUPLICATE', statusCode: 409 })
  await t.rejects(jwtValidators.create(validator('declared')), { code: 'DWA_STORE_DUPLICATE' })
  await t.rejects(jwtValidators.update('one', { name: 'declared' }), { code: 'DWA_STORE_DUPLICATE' })
  await t.rejects(jwtValidators.update('declared', { issuer: 'x' }), { code: 'DWA_JWT_READ_ONLY_VALIDATOR' })
  await t.rejects(jwtValidators.remove('declared'), { code: 'DWA_JWT_READ_ONLY_VALIDATOR' })
  await t.rejects(jwtValidators.update('ghost', {}), { code: 'DWA_STORE_NOT_FOUND' })
  await t.rejects(jwtValidators.remove('ghost'), { code: 'DWA_STORE_NOT_FOUND' })
  await t.rejects(jwtValidators.update('one', { issuer: 'x' }, { version: 7 }), { code: 'DWA_STORE_CONFLICT', statusCode: 412 })
  await t.rejects(jwtValidators.remove('one', { version: 7 }), { code: 'DWA_STORE_CONFLICT' })
  t.match(await jwtValidators.get('one'), { version: 1, issuer })
  t.match(await jwtValidators.get('declared'), { id: null, version: 0, hasSecretKey: true })
  t.same((await jwtValidators.list()).map(({ name }) => name), ['declared', 'one'])
  t.match(await jwtValidators.update('one', { issuer: 'y' }, { version: 1, actor: { type: 'user', id: 'ann' } }), { version: 2 })
  t.match((await app.auditLog.find({ event: 'validator.updated' }))[0], { actor: { type: 'user', id: 'ann' }, target: { name: 'one' } })
})

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = String(rsa.publicKey.export({ format: 'pem', type: 'spki' }))
const publicKey = { signatureType: 'public_key' } as const

t.test('a malformed validator is refused with its field, from code and at run time', async (t) => {
  const app = await appWith(t, [])
  const cases: Array<[object, string, string | RegExp]> = [
    ...['1x', 'a-b', 'a.b', 'a b', '', ' a', 'a\n', '$ne'].map((name): [object, string, string] => [{ name }, 'name', `Name "${name}" is not a valid identifier.`]),
    [{ name: 7 }, 'name', /must be string/], [{ name: { $ne: '' } }, 'name', /must be string/], [{ name: undefined }, 'name', /required/],
    [{ signatureType: 'none' }, 'signatureType', /one of/], [{ signatureType: undefined }, 'signatureType', /required/],
    [{ secretKey: undefined }, 'secretKey', /required/], [{ secretKey: 'x'.repeat(31) }, 'secretKey', /at least 32 bytes/], [{ secretKey: 'x'.repeat(32), secretAlgorithm: 'HS512' }, 'secretKey', /at least 64 bytes/],
    [{ secretKey: pem }, 'secretKey', /public key/], [{ secretKey: 'your-256-bit-secret', allowShortSecret: true }, 'secretKey', /well-known/],
    [{ secretAlgorithm: 'none' }, 'secretAlgorithm', /one of/], [{ secretAlgorithm: 'RS256' }, 'secretAlgorithm', /one of/],
    [{ ...publicKey }, 'publicKeyJwkUri', /required/], [{ ...publicKey, publicKeyJwkUri: 'nonsense' }, 'publicKeyJwkUri', /not a URL/], [{ ...publicKey, publicKeyJwkUri: 'http://issuer/jwks' }, 'publicKeyJwkUri', /https/],
    [{ ...publicKey, publicKeyJwkUri: 'http://127.0.0.1/jwks' }, 'publicKeyJwkUri', /https/], [{ ...publicKey, publicKeyJwkUri: 'file:///etc/passwd' }, 'publicKeyJwkUri', /https/], [{ ...publicKey, publicKeyJwkUri: 'https://u:p@issuer/jwks' }, 'publicKeyJwkUri', /credentials/],
    [{ ...publicKey, publicKey: 'nonsense' }, 'publicKey', /not a public key/], [{ ...publicKey, publicKey: pem, publicKeyAlgorithm: 'ES256' }, 'publicKey', /ES256 needs/], [{ ...publicKey, publicKey: pem, publicKeyAlgorithm: 'HS256' }, 'publicKeyAlgorithm', /one of/],
    [{ ...publicKey, publicKey: pem, publicKeyJwkUri: 'https://issuer/jwks' }, 'publicKey', /either/], [{ ...publicKey, publicKey: rsa.privateKey.export({ format: 'jwk' }) }, 'publicKey', /private/],
    [{ audience: undefined }, 'audience', /required/], [{ audience: '' }, 'audience', /names no audience/], [{ audience: ' , ' }, 'audience', /names no audience/], [{ audience: [] }, 'audience', /NOT|fewer/], [{ audience: [''] }, 'audience[0]', /fewer/], [{ audience: 7 }, 'audience', /must be/],
    [{ issuer: undefined }, 'issuer', /required/], [{ issuer: '' }, 'issuer', /fewer/],
    [{ clockTolerance: -1 }, 'clockTolerance', />= 0/], [{ clockTolerance: 301 }, 'clockTolerance', /<= 300/], [{ clockTolerance: '5' }, 'clockTolerance', /number/], [{ clockTolerance: NaN }, 'clockTolerance', /number|>=/], [{ clockTolerance: Infinity }, 'clockTolerance', /number|<=/],
    [{ userIdStrategy: 'ghost' }, 'userIdStrategy', /not registered/], [{ userIdStrategy: 'static' }, 'staticUserId', /required/], [{ partnerIdStrategy: 'ghost' }, 'partnerIdStrategy', /not registered/], [{ partnerIdStrategy: 'email' }, 'partnerIdStrategy', /jwt\.partners/], [{ partnerIdRequired: true }, 'partnerIdRequired', /partnerIdStrategy/],
    [{ requiredScopes: ['a b'] }, 'requiredScopes[0]', /pattern/], [{ requiredScopes: 'a' }, 'requiredScopes', /array/],
    [{ cookieEnabled: true, cookieName: '' }, 'cookieName', 'A cookie name must be provided on JWT validator bad because it has cookie mode enabled.'], [{ cookieEnabled: true, cookieName: null }, 'cookieName', 'A cookie name must be provided on JWT validator bad because it has cookie mode enabled.'],
    [{ cookieEnabled: true, cookieName: 'a b' }, 'cookieName', /RFC 6265/], [{ cookieEnabled: true, cookiePath: 'x' }, 'cookiePath', /start with/], [{ cookieEnabled: true, cookiePath: '/; Domain=x' }, 'cookiePath', /without ;/], [{ cookieEnabled: true, cookiePath: '/<a' }, 'cookiePath', /without ;/], [{ name: 'n'.repeat(129) }, 'name', /128/],
    [{ cookieEnabled: true, cookieSameSite: 'None', cookieSecure: false }, 'cookieSameSite', /cookieSecure/], [{ cookieEnabled: true, cookieName: '__Host-x', cookiePath: '/x' }, 'cookieName', /path|Path/i], [{ cookieEnabled: true, cookieName: '__Secure-x', cookieSecure: false }, 'cookieName', /cookieSecure/],
    [{ cookieEnabled: true, cookieSecret: 'short' }, 'cookieSecret', /32 bytes/], [{ cookieEnabled: true, cookieSecret: secret }, 'cookieSecret', /differ/], [{ cookieMaxAge: 0 }, 'cookieMaxAge', />= 1/], [{ cookieMaxAge: 1.5 }, 'cookieMaxAge', /integer/],
    [{ surprise: 1 }, 'surprise', /unknown field/], [JSON.parse('{"__proto__":{"enabled":false}}'), '__proto__', /unknown/]
  ]
  for (const [change, field, problem] of cases) {
    const input = { ...validator('bad'), ...('signatureType' in change ? { secretKey: undefined } : {}), ...change } as ValidatorInput
    const error: unknown = await app.jwtValidators.create(input).then(() => null, (reason: unknown) => reason)
    t.match(error, { code: 'DWA_JWT_INVALID_VALIDATOR', statusCode: 400, field, message: problem }, JSON.stringify(change))
    const declared: unknown = await buildApp(t, { uri, store: { collectionPrefix: freshPrefix() }, jwt: { validators: [validator('fine'), input] } }).then(() => null, (reason: unknown) => reason)
    t.match(declared, { code: 'DWA_OPTIONS_INVALID', message: `jwt.validators[1].${field}` }, 'the option\'s path at boot')
  }
  t.same(await app.jwtValidators.list(), [])
  await app.jwtValidators.create(validator('good'))
  await t.rejects(app.jwtValidators.update('good', { issuer: null }), { code: 'DWA_JWT_INVALID_VALIDATOR', field: 'issuer' })
  await t.rejects(app.jwtValidators.update('good', { secretAlgorithm: 'HS512' }), { code: 'DWA_JWT_INVALID_VALIDATOR', field: 'secretKey' }, 'the stored secret is judged by the new algorithm')
  t.match(await app.jwtValidators.get('good'), { version: 1 })
})

t.test('an emergency disable succeeds whatever else is wrong with the record, and undefined changes nothing', async (t) => {
  const prefix = freshPrefix()
  const able = await appWith(t, [], { userIdStrategies: { own: () => 'u' } }, prefix)
  await able.jwtValidators.create(validator('foreign', { userIdStrategy: 'own' }))
  await able.jwtValidators.create(validator('unreadable', { requiredScopes: ['read'], typ: 'at+jwt' }))
  await able.store.connection.collection(able.store.collectionName('validators')).updateOne({ name: 'unreadable' }, { $set: { secretKey: 'v1.x.y.z.w' } })
  const app = await appWith(t, ['jwt_unreadable'], {}, prefix)
  for (const name of ['foreign', 'unreadable']) t.match(await app.jwtValidators.update(name, { enabled: false }), { enabled: false, version: 2 })
  await t.rejects(app.jwtValidators.update('unreadable', { issuer: 'https://x' }), { code: 'DWA_STORE_UNREADABLE_SECRET' })
  await app.jwtValidators.update('unreadable', { secretKey: `${secret}, new`, issuer, enabled: true })
  t.equal(await ask(app, '/jwt_unreadable', token({ scope: 'read' }, { secret: `${secret}, new`, header: { typ: 'at+jwt' } })), '200 unreadable', 'a new secret repairs it')
  const untouched = { enabled: undefined, requiredScopes: undefined, typ: undefined, clockTolerance: 1 } as unknown as ValidatorPatch
  t.match(await app.jwtValidators.update('unreadable', untouched), { enabled: true, requiredScopes: ['read'], typ: 'at+jwt', clockTolerance: 1 })
})

t.test('the event of a change is not the caller\'s to choose: other processes go by it', async (t) => {
  const app = await appWith(t, ['jwt_one'])
  await app.jwtValidators.create(validator('one'))
  t.equal(await ask(app, '/jwt_one', token()), '200 one')
  await app.jwtValidators.update('one', { enabled: false }, { event: 'thing.else', requestId: 'r-1', message: 'stop', details: { why: 'leak' } } as object)
  t.equal(await ask(app, '/jwt_one', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  t.match((await app.auditLog.find({ event: 'validator.updated' }))[0], { requestId: 'r-1', message: 'stop', details: { why: 'leak', changed: ['enabled'] } })
})

t.test('a cookie does not outlive the key of the token it was made from', async (t) => {
  const app = await appWith(t, ['jwt_one'])
  await app.jwtValidators.create(validator('one', { cookieEnabled: true }))
  const cookie = String((await app.inject({ url: '/jwt_one', headers: bearer(token()) })).headers['set-cookie']).split(';')[0]
  const byCookie = async (): Promise<number> => (await app.inject({ url: '/jwt_one', headers: { cookie } })).statusCode
  t.equal(await byCookie(), 200)
  await app.jwtValidators.update('one', { cookieMaxAge: 60 })
  t.equal(await byCookie(), 200, 'other changes leave it alone')
  await app.jwtValidators.update('one', { secretKey: `${secret}, new` })
  t.equal(await byCookie(), 401)
})

t.test('names may be any identifier', async (t) => {
  const app = await appWith(t, ['jwt_класс', 'jwt_class', 'jwt__'])
  for (const name of ['класс', 'class', '_']) {
    await app.jwtValidators.create(validator(name))
    t.equal(await ask(app, encodeURI(`/jwt_${name}`), token()), `200 ${name}`)
  }
})

t.test('a short secret may be allowed for migration, and the log says so', async (t) => {
  const app = await appWith(t, ['jwt_old', 'jwt_declared'], { validators: [validator('declared', { secretKey: 'tiny', allowShortSecret: true })] })
  await app.jwtValidators.create(validator('old', { secretKey: 'tiny', allowShortSecret: true }))
  t.equal(await ask(app, '/jwt_old', token({}, { secret: 'tiny' })), '200 old')
  t.match((await app.auditLog.find({ event: 'validator.created' }))[0]?.details, { allowShortSecret: true })
  t.equal(await ask(app, '/jwt_declared', token({}, { secret: 'tiny' })), '200 declared')
  t.match((await app.auditLog.find({ event: 'validator.short_secret' }))[0], { level: 'warning', target: { name: 'declared' } })
})

t.test('closed chains are refused with their path; links survive a rename; a validator in use is not deleted', async (t) => {
  const app = await appWith(t, ['jwt_validator', 'jwt_validator3'], { validators: [validator('in_code')] })
  const { jwtValidators } = app
  await jwtValidators.create(validator('validator'))
  await jwtValidators.create(validator('validator2', { nextValidator: 'validator', issuer: 'https://two' }))
  await jwtValidators.create(validator('validator3', { nextValidator: 'validator2' }))
  const closed = (name: string, patch: ValidatorPatch) => jwtValidators.update(name, patch).then(() => 'saved', (error: Error) => error.message)
  t.equal(await closed('validator', { nextValidator: 'validator3' }), 'Validators mustn\'t make a closed chain: validator -> validator3 -> validator2 -> validator.')
  t.equal(await closed('validator', { nextValidator: 'validator' }), 'Validators mustn\'t make a closed chain: validator -> validator.')
  t.equal(await closed('validator', { nextValidator: 'renamed', name: 'renamed' }), 'Validators mustn\'t make a closed chain: renamed -> renamed.')
  await t.rejects(jwtValidators.create(validator('self', { nextValidator: 'self' })), { code: 'DWA_JWT_CLOSED_CHAIN', statusCode: 400, message: 'Validators mustn\'t make a closed chain: self -> self.' })
  await t.rejects(jwtValidators.create(validator('lost', { nextValidator: 'ghost' })), { code: 'DWA_JWT_INVALID_VALIDATOR', field: 'nextValidator' })
  t.equal((await jwtValidators.get('validator'))?.version, 1)

  await t.rejects(jwtValidators.remove('validator'), { code: 'DWA_JWT_VALIDATOR_IN_USE', message: 'Validator validator is the next validator of validator2' })
  t.equal(await ask(app, '/jwt_validator3', token({ iss: 'https://two' })), '200 validator2')
  await jwtValidators.update('validator2', { name: 'middle' })
  t.equal(await ask(app, '/jwt_validator3', token({ iss: 'https://two' })), '200 middle')
  t.equal((await jwtValidators.get('validator3'))?.nextValidator, 'middle')
  t.equal((await jwtValidators.list()).find(({ name }) => name === 'validator3')?.nextValidator, 'middle')
  await jwtValidators.update('validator', { nextValidator: 'in_code', issuer: 'https://one' })
  t.equal(await ask(app, '/jwt_validator', token()), '200 in_code', 'a stored validator may link to a declared one')
  t.equal((await jwtValidators.list()).find(({ name }) => name === 'validator')?.nextValidator, 'in_code')
  await jwtValidators.update('middle', { nextValidator: null })
  await jwtValidators.remove('validator')
})

t.test('declared validators: chains among them are checked at boot, and one that is pointed to stays', async (t) => {
  const boot = (validators: ValidatorInput[], prefix = freshPrefix()) => appWith(t, ['jwt_a'], { validators }, prefix)
  await t.rejects(boot([validator('a', { nextValidator: 'b' }), validator('b', { nextValidator: 'a' })]), { code: 'DWA_OPTIONS_INVALID', message: 'jwt.validators[0].nextValidator: Validators mustn\'t make a closed chain: a -> b -> a.' })
  await t.rejects(boot([validator('a'), validator('a')]), { code: 'DWA_OPTIONS_INVALID', message: 'jwt.validators[1].name: "a" is declared twice' })

  const prefix = freshPrefix()
  const app = await boot([validator('a', { issuer: 'https://a', nextValidator: 'stored' })], prefix)
  t.equal(await ask(app, '/jwt_a', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND', 'a link to nowhere is a configuration error')
  await app.jwtValidators.create(validator('stored'))
  t.equal(await ask(app, '/jwt_a', token()), '200 stored')
  await t.rejects(app.jwtValidators.remove('stored'), { code: 'DWA_JWT_VALIDATOR_IN_USE' })
  await t.rejects(app.jwtValidators.update('stored', { name: 'other' }), { code: 'DWA_JWT_VALIDATOR_IN_USE' }, 'a declared validator knows it by name')
  await t.rejects(app.jwtValidators.update('stored', { nextValidator: 'a' }), { code: 'DWA_JWT_CLOSED_CHAIN', message: 'Validators mustn\'t make a closed chain: stored -> a -> stored.' })

  await t.rejects(boot([validator('stored')], prefix), { code: 'DWA_OPTIONS_INVALID', message: 'jwt.validators[0].name: a stored validator is called "stored" too' })
})

t.test('two processes that close a circle at the same moment: one is refused', async (t) => {
  const prefix = freshPrefix()
  const one = await appWith(t, ['jwt_a'], {}, prefix)
  const two = await appWith(t, ['jwt_a'], {}, prefix)
  await one.jwtValidators.create(validator('a', { issuer: 'https://a' }))
  await one.jwtValidators.create(validator('b', { issuer: 'https://b' }))
  const results = await Promise.allSettled([one.jwtValidators.update('a', { nextValidator: 'b' }), two.jwtValidators.update('b', { nextValidator: 'a' })])
  t.same(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.match(results.find(({ status }) => status === 'rejected'), { reason: { code: 'DWA_JWT_CLOSED_CHAIN' } })
})

t.test('a circle that got into the database all the same ends the walk', async (t) => {
  const app = await appWith(t, ['jwt_a'])
  await app.jwtValidators.create(validator('a', { issuer: 'https://a' }))
  await app.jwtValidators.create(validator('b', { issuer: 'https://b', nextValidator: 'a' }))
  const b = await app.jwtValidators.get('b')
  await app.store.connection.collection(app.store.collectionName('validators')).updateOne({ name: 'a' }, { $set: { nextLink: `id:${b?.id}` } })
  t.equal(await ask(app, '/jwt_a', token()), '401 DWA_JWT_COMPOSITE')
})

t.test('bare jwt works while exactly one validator exists', async (t) => {
  const { logger, lines } = keptLines()
  const app = await appWith(t, ['jwt', 'public_or_jwt'], {}, freshPrefix(), uri, systemClock, { logger })
  t.equal(await ask(app, '/jwt', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  await app.jwtValidators.create(validator('one'))
  t.equal(await ask(app, '/jwt', token()), '200 one')
  t.equal(await ask(app, '/public_or_jwt'), '200 null')
  await app.jwtValidators.create(validator('two'))
  t.equal(await ask(app, '/jwt', token()), '500 DWA_JWT_AMBIGUOUS_VALIDATOR')
  t.equal(await ask(app, '/public_or_jwt'), '500 DWA_JWT_AMBIGUOUS_VALIDATOR')
  t.same(lines.filter(({ level, msg }) => level === 50 && msg === 'a JWT validator cannot be used').map(({ err }) => err?.code), ['DWA_JWT_VALIDATOR_NOT_FOUND', 'DWA_JWT_AMBIGUOUS_VALIDATOR', 'DWA_JWT_AMBIGUOUS_VALIDATOR'])
  await app.jwtValidators.remove('one')
  t.equal(await ask(app, '/jwt', token()), '200 two')

  const declared = await appWith(t, ['jwt'], { validators: [validator('only')] })
  t.equal(await ask(declared, '/jwt', token()), '200 only')
  const disabled = await appWith(t, ['jwt', 'jwt_only'], { validators: [validator('only', { enabled: false })] })
  t.equal(await ask(disabled, '/jwt', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  await t.rejects(disabled.jwtValidators.create(null as never), { code: 'DWA_JWT_INVALID_VALIDATOR', message: 'a validator must be an object' })
  t.equal(await ask(disabled, '/jwt_only', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
})

t.test('security 57: what no plugin serves, or is malformed, stops the boot', async (t) => {
  const boot = async (config: object, options: JwtOptions | null = {}, before = false): Promise<FastifyInstance> => {
    const app = Fastify()
    t.teardown(() => app.close())
    if (before) app.get('/x', { config }, route)
    await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey], collectionPrefix: freshPrefix() }, ...(options === null ? {} : { jwt: options }) })
    if (!before) app.get('/x', { config }, route)
    await app.ready()
    return app
  }
  for (const auth of ['jwt_1x', 'jwt_a-b', 'public_or_jwt_', 7, {}, null, true]) await t.rejects(boot({ auth }), { code: 'DWA_ROUTE_MALFORMED', message: 'Route GET /x' }, String(auth))
  for (const auth of ['JWT_demo', 'jwtdemo', 'oauth_provider', '']) await t.rejects(boot({ auth }), { code: 'DWA_ROUTE_UNCLAIMED' }, String(auth))
  await t.rejects(boot({ auth: 'jwt_demo' }, null), { code: 'DWA_ROUTE_UNCLAIMED', message: 'Route GET /x: no registered plugin serves config.auth "jwt_demo"' })
  await t.rejects(boot({}, { protect: { every: 'nonsense' } }), { code: 'DWA_ROUTE_UNCLAIMED' })
  t.equal(await ask(await boot({ auth: 'jwt_demo' }, null, true), '/x'), '500 DWA_ROUTE_UNCLAIMED', 'a route declared before the store')
  t.equal(await ask(await boot({ auth: 'jwt_demo' }, { validators: [validator('demo')] }, true), '/x'), '401 DWA_JWT_MISSING_AUTHORIZATION', 'a route declared before the plugin is protected')
})

t.test('plugins need their order: store first, each once', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(jwt, {}), /fastify-docuware-auth\/store/)
  const twice = await buildApp(t, { uri, store: { collectionPrefix: freshPrefix() } })
  await t.rejects(async () => await twice.register(jwt, {}), { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
  const alone = Fastify()
  t.teardown(() => alone.close())
  await alone.register(store, { uri, secretKeys: [masterKey], collectionPrefix: freshPrefix() })
  await alone.register(jwt, { validators: [validator('demo')] })
  alone.get('/jwt_demo', { config: { auth: 'jwt_demo' } }, route)
  t.equal(await ask(alone, '/jwt_demo', token()), '200 demo', 'one by one as well')
})

t.test('malformed options are errors with their path', async (t) => {
  const cases: Array<[object, string]> = [
    [{ surprise: 1 }, 'jwt.surprise: unknown option'], [{ cache: { max: -1 } }, 'jwt.cache.max: must be >= 0'], [{ cache: { size: 1 } }, 'jwt.cache.size: unknown option'], [{ validators: 'x' }, 'jwt.validators: must be array'],
    [{ userIdStrategies: { x: 1 } }, 'jwt.userIdStrategies.x: must be a function'], [{ userIdStrategies: { claim: () => null } }, 'jwt.userIdStrategies.claim: this name is built in'], [{ partnerIdStrategies: { email: () => null } }, 'jwt.partnerIdStrategies.email: this name is built in'],
    [{ partners: {} }, 'jwt.partners.model: is required'], [{ partners: { model: class {}, emailField: '$where' } }, 'jwt.partners.emailField'], [{ maxStaleSeconds: -1 }, 'jwt.maxStaleSeconds: must be >= 0'], [{ protect: 'all' }, 'jwt.protect'], [{ protect: { each: 'x' } }, 'jwt.protect'],
    [{ isSessionAuthenticated: true }, 'jwt.isSessionAuthenticated: must be a function'], [{ trustedOrigins: ['https://a/b'] }, 'jwt.trustedOrigins[0]'], [{ allowInsecure: 'yes' }, 'jwt.allowInsecure: must be boolean']
  ]
  for (const [options, message] of cases) await t.rejects(buildApp(t, { uri, store: { collectionPrefix: freshPrefix() }, jwt: options as JwtOptions }), { code: 'DWA_OPTIONS_INVALID', message }, message)
})

t.test('protect every: routes without config.auth are protected, opting out and 404s are not', async (t) => {
  const app = await buildApp(t, {
    uri,
    store: { collectionPrefix: freshPrefix() },
    jwt: { validators: [validator('demo'), validator('other')], protect: { every: 'jwt_demo' } },
    async before (app) {
      app.get('/before', route)
      await app.register(cors, { origin: '*' })
    },
    routes (app) {
      app.get('/plain', route)
      app.get('/open', { config: { auth: false } }, route)
      app.get('/public', { config: { auth: 'public_or_jwt_other' } }, route)
      app.register(async (child) => { child.get('/child', route) })
    }
  })
  for (const url of ['/before', '/plain', '/child']) {
    t.equal(await ask(app, url), '401 DWA_JWT_MISSING_AUTHORIZATION', url)
    t.equal(await ask(app, url, token()), '200 demo', url)
  }
  t.equal(await ask(app, '/open'), '200 null')
  t.equal(await ask(app, '/public'), '200 null')
  t.equal((await app.inject('/nowhere')).statusCode, 404)
  const preflight = await app.inject({ method: 'OPTIONS', url: '/plain', headers: { origin: 'https://x', 'access-control-request-method': 'GET' } })
  t.equal(preflight.statusCode, 204, 'a CORS preflight is never authenticated')

  const late = await buildApp(t, { uri, store: { collectionPrefix: freshPrefix() }, jwt: { validators: [validator('demo')], protect: { every: 'jwt_demo' } } })
  await late.register(cors, { origin: '*' })
  t.equal((await late.inject({ method: 'OPTIONS', url: '/plain', headers: { origin: 'https://x', 'access-control-request-method': 'GET' } })).statusCode, 401, 'unless @fastify/cors comes too late')
})

t.test('protect every: this package\'s own routes are exempt, and carry their own authentication', async (t) => {
  const routes = new Set<string>()
  const app = await buildApp(t, {
    uri,
    publicUrl,
    store: { collectionPrefix: freshPrefix(), access: rolesOf },
    docuware: {},
    jwt: { validators: [validator('demo')], protect: { every: 'jwt_demo' } },
    before (app) { app.addHook('onRoute', ({ method, url }) => { for (const one of [method].flat()) routes.add(`${one} ${url}`) }) }
  })
  await app.ready()
  t.ok(routes.has('POST /docuware/connections/:id/authorize') && routes.has('GET /docuware/oauth/callback'))
  for (const route of routes) {
    const [method = '', url = ''] = route.split(' ')
    const answers = await Promise.all([{}, bearer(token()), asDocuware].map(async (headers) => await app.inject({ method: method as 'GET', url: url.replace(':id', 'ghost'), headers })))
    const expected = url.endsWith('/oauth/callback') ? [400, 400, 400] : [401, 401, 404] // known by its state; by the caller's role
    t.same(answers.map(({ statusCode }) => statusCode), expected, `${route}: without anything, with a token, with the role`)
    t.notMatch(answers.map(({ body }) => body).join(''), /DWA_JWT_/)
  }
})

t.test('openapi: true adds a security entry, and leaves other routes alone', async (t) => {
  for (const [openapi, scheme] of [[true, 'bearerAuth'], ['own', 'own']] as const) {
    const seen = new Map<string, unknown>()
    const app = await buildApp(t, {
      uri,
      store: { collectionPrefix: freshPrefix() },
      jwt: { validators: [validator('demo')], openapi },
      routes (app) {
        app.addHook('onRoute', ({ method, url, schema }) => { seen.set(`${String(method)} ${url}`, Object(schema).security) })
        app.get('/a', { config: { auth: 'jwt_demo', scopes: ['read'] }, schema: { querystring: { type: 'object' } } }, route)
        app.get('/b', { config: { auth: 'public_or_jwt_demo' } }, route)
        app.get('/c', route)
      }
    })
    await app.ready()
    t.same(Object.fromEntries(seen), {
      'GET /a': [{ [scheme]: ['read'] }], 'HEAD /a': [{ [scheme]: ['read'] }], 'GET /b': [{}, { [scheme]: [] }], 'HEAD /b': [{}, { [scheme]: [] }], 'GET /c': undefined, 'HEAD /c': undefined
    })
  }
})

t.test('key sets: fetched on first need, failures are 401 and logged once, a chain goes on', async (t) => {
  let fetches = 0
  let down = false
  const server = createServer((_request, response) => {
    fetches++
    if (down) return response.writeHead(503).end()
    response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(JSON.stringify({ keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig' }] }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const publicKeyJwkUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks?tenant=secret`
  let now = Date.now() + 60_000 // ahead of the clock that tokens are signed by
  const { logger, lines } = keptLines()
  const app = await buildApp(t, {
    uri,
    store: { collectionPrefix: freshPrefix(), clock: clockAt(() => now) },
    fastify: { logger },
    jwt: { allowInsecure: true, validators: [validator('remote', { ...publicKey, publicKeyJwkUri }), validator('fallback', { ...publicKey, publicKeyJwkUri, nextValidator: 'local' }), validator('local', { ...publicKey, publicKey: pem })] },
    routes (app) { for (const value of ['jwt_remote', 'public_or_jwt_remote', 'jwt_fallback', 'jwt_stored']) app.get(`/${value}`, { config: { auth: value } }, route) }
  })
  const remote = (kid: string, claims = {}) => token({ exp: Math.floor(now / 1000) + 7200, iat: undefined, ...claims }, { privateKey: rsa.privateKey, header: { kid } })
  t.equal(await ask(app, '/public_or_jwt_remote'), '200 null')
  t.equal(fetches, 0, 'neither boot nor an anonymous caller needs the key set')
  const failures = () => lines.splice(0).filter(({ level }) => level === 50).map(({ reason }) => reason)
  down = true
  const refused = await app.inject({ url: '/jwt_remote', headers: bearer(remote('k1')) })
  t.same(refused.json(), { statusCode: 401, code: 'DWA_JWT_INVALID_TOKEN', error: 'Unauthorized', message: 'The token is invalid' }, 'nothing of the reason')
  t.match(lines.find(({ msg }) => msg === 'a JWT key set could not be fetched'), { level: 40, err: { message: 'answered with status 503' } })
  t.notOk(JSON.stringify(lines).includes('tenant=secret'), 'security 52: no query in a log line')
  t.same(failures(), ['key_set_unreachable'], 'one error line')
  for (let use = 1; use <= 3; use++) t.equal(await ask(app, '/jwt_fallback', remote('k1')), '200 local', 'the chain goes on')
  t.same(failures(), Array(3).fill('key_set_unreachable'), 'and what went wrong before is told all the same')
  t.equal(await ask(app, '/jwt_fallback', remote('k1', { aud: 'x' })), '401 DWA_JWT_COMPOSITE')
  t.same(failures(), ['key_set_unreachable'])
  t.match(await app.auditLog.find({ event: 'validator.key_set_failed' }), [{ level: 'error' }])
  down = false
  now += 30_000
  t.equal(await ask(app, '/jwt_remote', remote('k1')), '200 remote')
  for (let use = 1; use <= 3; use++) t.equal((await app.inject({ url: '/jwt_remote', headers: bearer(remote('unknown')) })).body, refused.body)
  t.same(failures(), Array(3).fill('unknown_key'))
  t.equal(await ask(app, '/jwt_fallback', remote('unknown')), '200 local')
  t.same(failures(), ['unknown_key'])
  await app.auditLog.append('thing.last') // those before it are stored by then
  t.same((await app.auditLog.find({ event: 'jwt.refused' })).map(({ details }) => details['reason']).sort(), ['audience', 'key_set_unreachable', 'key_set_unreachable', 'unknown_key', 'unknown_key'], 'one sampled entry for each validator and reason')
  await app.jwtValidators.create(validator('stored', { ...publicKey, publicKeyJwkUri }))
  t.equal(await ask(app, '/jwt_stored', remote('k1')), '200 stored')
  t.equal(fetches, 3)
})

t.test('refused tokens: the reason is in a log line and a sampled audit entry, never in the answer', async (t) => {
  const { logger, lines } = keptLines()
  const app = await buildApp(t, {
    uri,
    store: { collectionPrefix: freshPrefix() },
    fastify: { logger },
    jwt: { validators: [validator('demo')] },
    routes (app) { app.get('/jwt_demo', { config: { auth: 'jwt_demo' } }, route) }
  })
  const expired = token({ exp: 1 })
  for (let count = 0; count < 30; count++) t.equal(await ask(app, '/jwt_demo', expired), '401 DWA_JWT_INVALID_TOKEN')
  await ask(app, '/jwt_demo')
  t.equal(lines.filter(({ level, reason }) => level === 30 && reason === 'expired').length, 30)
  t.notOk(JSON.stringify(lines).includes(expired), 'security 52: no token in a log line')
  t.match(await app.auditLog.find({ event: 'jwt.refused' }), [{ target: { type: 'validator', name: 'demo' }, details: { reason: 'expired' } }])
  t.equal((await app.auditLog.find({ event: 'jwt.refused' })).length, 1)
})

t.test('a change holds in every other app on the database within a second', async (t) => {
  const prefix = freshPrefix()
  const values = ['jwt_erp', 'jwt_new', 'jwt']
  const one = await appWith(t, values, {}, prefix)
  const two = await appWith(t, values, {}, prefix)
  await one.jwtValidators.create(validator('erp'))
  t.equal(await within(() => ask(two, '/jwt_erp', token()), '200 erp'), '200 erp', 'created')
  t.equal(await ask(two, '/jwt', token()), '200 erp')
  const kept = token()
  await keepToken(t, two, '/jwt_erp', kept)
  await one.jwtValidators.update('erp', { issuer: 'https://changed' })
  t.equal(await within(() => ask(two, '/jwt_erp', kept), '401 DWA_JWT_INVALID_TOKEN'), '401 DWA_JWT_INVALID_TOKEN', 'changed')
  await two.jwtValidators.update('erp', { name: 'new' })
  t.equal(await within(() => ask(one, '/jwt_erp', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND'), '500 DWA_JWT_VALIDATOR_NOT_FOUND', 'renamed')
  t.equal(await ask(one, '/jwt_new', token({ iss: 'https://changed' })), '200 new')
  await one.jwtValidators.remove('new')
  t.equal(await within(() => ask(two, '/jwt_new', token()), '500 DWA_JWT_VALIDATOR_NOT_FOUND'), '500 DWA_JWT_VALIDATOR_NOT_FOUND', 'deleted')
})

t.test('and in every other process', async (t) => {
  const prefix = freshPrefix()
  const app = await appWith(t, ['jwt_erp'], {}, prefix)
  const child = fork(new URL('../fixtures/create-validator.ts', import.meta.url), [uri, prefix, masterKey], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  t.teardown(() => { child.kill() })
  await once(child, 'message')
  const tell = async (told: string): Promise<string> => {
    child.send(told)
    return String((await once(child, 'message'))[0])
  }
  const value = token()
  t.equal(await ask(app, '/jwt_erp', value), '500 DWA_JWT_VALIDATOR_NOT_FOUND')
  t.equal(await tell('create'), 'erp')
  t.equal(await within(() => ask(app, '/jwt_erp', value), '200 erp'), '200 erp', 'created there, seen here')
  for (let use = 1; use <= 3; use++) t.equal(await tell(value), '200 {"jwtValidator":"erp"}')
  await app.jwtValidators.update('erp', { issuer: 'https://changed' })
  t.match(await within(async () => (await tell(value)).slice(0, 3), '401'), '401', 'changed here, seen there')
  child.disconnect()
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

t.test('a validator whose strategy this process does not know, or whose secret cannot be read, is a configuration error', async (t) => {
  const prefix = freshPrefix()
  const values = ['jwt_user', 'jwt_partner', 'jwt_broken']
  const able = await appWith(t, values, { userIdStrategies: { own: () => 'u' }, partnerIdStrategies: { own: () => 'p' } }, prefix)
  await able.jwtValidators.create(validator('user', { userIdStrategy: 'own' }))
  await able.jwtValidators.create(validator('partner', { partnerIdStrategy: 'own' }))
  await able.jwtValidators.create(validator('broken'))
  await able.store.connection.collection(able.store.collectionName('validators')).updateOne({ name: 'broken' }, { $set: { secretKey: 'v1.x.y.z.w' } })
  const unable = await appWith(t, values, {}, prefix)
  for (const value of values) t.equal(await ask(unable, `/${value}`, token()), '500 DWA_JWT_CONFIGURATION', value)
  await able.store.connection.collection(able.store.collectionName('validators')).updateOne({ name: 'broken' }, { $unset: { secretKey: 1 } })
  const third = await appWith(t, values, {}, prefix)
  t.equal(await ask(third, '/jwt_broken', token()), '500 DWA_JWT_CONFIGURATION')
})

t.test('security 54: while MongoDB is away, declared validators work, known ones serve for a bounded time, unknown ones are 503', async (t) => {
  const mongo = await startTestMongo(t)
  if (mongo.embedded === undefined) return t.comment('1 test not run: a server that MONGODB_URI names cannot be paused')
  let now = Date.now()
  const values = ['jwt_declared', 'jwt_known', 'jwt_unseen', 'public_or_jwt_unseen', 'jwt_cookie']
  const prefix = freshPrefix()
  const app = await appWith(t, values, { validators: [validator('declared'), validator('cookie', { cookieEnabled: true })] }, prefix, mongo.uri, clockAt(() => now))
  const brief = await appWith(t, ['jwt_known'], { maxStaleSeconds: 10 }, prefix, mongo.uri, clockAt(() => now))
  await app.jwtValidators.create(validator('known'))
  await app.jwtValidators.create(validator('unseen'))
  const later = () => token({ exp: Math.floor(now / 1000) + 600, iat: undefined })
  const kept = token({ exp: Math.floor(now / 1000) + 3600, iat: undefined })
  for (const one of [app, brief]) await keepToken(t, one, '/jwt_known', kept)
  await mongo.embedded.pause()
  await eventually('the loss is noticed', () => !app.store.available && !brief.store.available)
  now += 2000
  t.equal(await ask(app, '/jwt_declared', later()), '200 declared')
  t.equal(await ask(app, '/jwt_cookie', later()), '200 cookie', 'the key ring is in memory')
  t.equal(await ask(app, '/jwt_known', later()), '200 known')
  for (const url of ['/jwt_unseen', '/public_or_jwt_unseen']) {
    const response = await app.inject({ url, headers: bearer(later()) })
    t.equal(response.statusCode, 503, url)
    t.equal(response.json().code, 'DWA_STORE_UNAVAILABLE')
    t.match(response.headers['retry-after'], /^\d+$/)
  }
  t.equal((await app.inject('/public_or_jwt_unseen')).statusCode, 503, 'an anonymous caller of an unknown validator is no pass either')
  await t.rejects(app.jwtValidators.create(validator('new')), { code: 'DWA_STORE_UNAVAILABLE' })
  now += 7000
  t.equal(await ask(brief, '/jwt_known', kept), '200 known')
  now += 2000
  t.equal(await ask(brief, '/jwt_known', kept), '503 DWA_STORE_UNAVAILABLE', 'eleven seconds, where ten are allowed')
  now += 288_000
  t.equal(await ask(app, '/jwt_known', kept), '200 known', '299 seconds')
  now += 2000
  t.equal(await ask(app, '/jwt_known', kept), '503 DWA_STORE_UNAVAILABLE', '301, which is more than the 300 that are allowed unless told otherwise')
  t.match((await app.inject({ url: '/jwt_known', headers: bearer(kept) })).headers['retry-after'], /^\d+$/)
  t.equal(await ask(app, '/jwt_declared', later()), '200 declared')
  await mongo.embedded.resume()
  await eventually('it is back', async () => await ask(app, '/jwt_unseen', later()) === '200 unseen')
  t.equal(await ask(app, '/jwt_known', kept), '200 known', 'recovered without a restart')
})
