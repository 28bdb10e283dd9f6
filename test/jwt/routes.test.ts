import crypto, { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import cookie from 'cookie'
import fc from 'fast-check'
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import mongoose from 'mongoose'
import { jwt, store, type JwtOptions } from '../../index.js'
import type { AlgorithmName } from '../../lib/jwt/algorithms.js'
import { cookieBinding } from '../../lib/jwt/cookie-token.js'
import type { ValidatorInput } from '../../lib/jwt/validator-schema.js'
import { readMasterKey } from '../../lib/store/master-key.js'
import { OpenedStore } from '../../lib/store/open-store.js'
import { rotateKeys } from '../../lib/store/rotate-keys.js'
import { signToken } from '../../testing/sign-token.js'
import { bearer, buildApp, clockAt, issuer, keepToken, masterKey, secret, token, validator } from '../app.js'
import { startTestMongo } from '../mongo.js'

const { uri } = await startTestMongo(t)
const bare = 'Bearer'
const invalid = 'Bearer error="invalid_token"'
const otherSecret = 'another secret of thirty-two bytes or more'

/** An app with a route for each of the values, which tells what the request was granted. */
async function appWith (t: Test, jwt: JwtOptions, values: Readonly<Record<string, { auth: string, scopes?: string[] }>>, more: Partial<Parameters<typeof buildApp>[1]> = {}): Promise<FastifyInstance> {
  return await buildApp(t, {
    uri,
    jwt,
    store: { collectionPrefix: `routes_${Math.random().toString(36).slice(2)}_` },
    ...more,
    routes (app) {
      more.routes?.(app)
      for (const [url, config] of Object.entries(values)) {
        app.all(url, { config }, async ({ jwtPayload, jwtPartnerId, userId, jwtValidator }) => ({ jwtPayload, jwtPartnerId, userId, jwtValidator }))
      }
    }
  })
}

function expectRefusal (t: Test, response: LightMyRequestResponse, code: string, challenge: string | undefined, status = 401): void {
  t.equal(response.statusCode, status, code)
  t.equal(response.json().code, code)
  t.equal(response.headers['www-authenticate'], challenge)
  t.equal(response.headers['set-cookie'], undefined, 'no cookie on failure')
}

t.test('a protected route: what passes, and the exact answer to everything that does not', async (t) => {
  const app = await appWith(t, { validators: [validator('demo', { audience: 'api, second', userIdStrategy: 'claim' })] }, { '/whoami': { auth: 'jwt_demo' } })
  const get = (headers: InjectOptions['headers']) => app.inject({ url: '/whoami', headers: headers ?? {} })
  for (const good of [token(), token({ aud: 'second' }), token({ aud: ['x', 'api'] }), token({ nbf: 1 })]) {
    const response = await get(bearer(good))
    t.equal(response.statusCode, 200)
    t.match(response.json(), { userId: 'u-1', jwtValidator: 'demo', jwtPartnerId: null, jwtPayload: { iss: issuer } })
    t.equal(response.headers['set-cookie'], undefined)
  }
  t.equal((await get({ authorization: `bEaReR ${token()}` })).statusCode, 200)

  for (const headers of [{}, { authorization: '' }, { authorization: '  ' }]) expectRefusal(t, await get(headers), 'DWA_JWT_MISSING_AUTHORIZATION', bare)
  for (const authorization of ['Bearer', 'Bearer ', `Bearer  ${token()}`, `Bearer ${token()} x`, `Basic ${token()}`, token(), `Bearer\t${token()}`, 'Basic dTpw', 'Token abc']) {
    expectRefusal(t, await get({ authorization }), 'DWA_JWT_MALFORMED_AUTHORIZATION', invalid)
  }
  const now = Math.floor(Date.now() / 1000)
  const bad = {
    garbage: 'x',
    unsigned: token().replace(/[^.]+$/, ''),
    'wrong key': token({}, { secret: otherSecret }),
    'wrong algorithm': token({}, { secret, algorithm: 'HS384' }),
    expired: token({ exp: now - 1 }),
    'no exp': token({ exp: undefined }),
    'text exp': token({ exp: String(now + 60) }),
    'not yet': token({ nbf: now + 60 }),
    'issued in the future': token({ iat: now + 60 }),
    'wrong issuer': token({ iss: 'https://other' }),
    'no issuer': token({ iss: undefined }),
    'wrong audience': token({ aud: 'other' }),
    'the raw audience list': token({ aud: 'api, second' }),
    'no audience': token({ aud: undefined })
  }
  const bodies = new Set<string>()
  for (const [name, value] of Object.entries(bad)) {
    const response = await get(bearer(value))
    expectRefusal(t, response, 'DWA_JWT_INVALID_TOKEN', invalid)
    t.comment(name)
    bodies.add(response.body)
  }
  t.equal(bodies.size, 1, 'security 53: one answer for every reason')
  expectRefusal(t, await get(bearer(token({ sub: undefined }))), 'DWA_JWT_USER_NOT_FOUND', invalid)
  t.equal((await app.inject({ method: 'HEAD', url: '/whoami' })).statusCode, 401, 'HEAD is protected like its GET')
  t.equal((await app.inject('/nowhere')).statusCode, 404, '404s are not touched')
  t.equal((await app.inject({ method: 'OPTIONS', url: '/whoami' })).statusCode, 401, 'an OPTIONS handler of the app\'s own is protected like any other')
})

t.test('a body is not read before the caller is known', async (t) => {
  const app = await appWith(t, { validators: [validator('demo')] }, { '/x': { auth: 'jwt_demo' } })
  const response = await app.inject({ method: 'POST', url: '/x', headers: { 'content-type': 'application/json' }, payload: '{broken' })
  expectRefusal(t, response, 'DWA_JWT_MISSING_AUTHORIZATION', bare)
})

t.test('public_or_jwt: any Authorization header means the validator, none means anonymous', async (t) => {
  const app = await appWith(t, { validators: [validator('demo')] }, { '/cart': { auth: 'public_or_jwt_demo' } })
  const get = (headers: InjectOptions['headers']) => app.inject({ url: '/cart', headers: headers ?? {} })
  t.same((await get({})).json(), { jwtPayload: null, jwtPartnerId: null, userId: null, jwtValidator: null })
  t.equal((await get({ cookie: 'authorization=x' })).statusCode, 200, 'a cookie means nothing without cookie mode')
  t.equal((await get(bearer(token()))).json().jwtValidator, 'demo')
  expectRefusal(t, await get(bearer('x')), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get({ authorization: 'Basic dTpw' }), 'DWA_JWT_MALFORMED_AUTHORIZATION', invalid)
  expectRefusal(t, await get({ authorization: '' }), 'DWA_JWT_MISSING_AUTHORIZATION', bare)
})

t.test('what a request was granted is frozen, and starts as null', async (t) => {
  const app = await appWith(t, { validators: [validator('demo')] }, {})
  app.get('/', { config: { auth: 'jwt_demo' } }, async (request) => {
    t.throws(() => { Object.assign(request.jwtPayload ?? {}, { admin: true }) })
    t.throws(() => { Object(request.jwtPayload)['deep'].list.push(1) })
    return request.jwtPayload
  })
  const value = token({ deep: { list: [] } })
  await keepToken(t, app, '/', value)
  for (const claims of [(await app.inject({ url: '/', headers: bearer(value) })).json(), (await app.inject({ url: '/', headers: bearer(token({ deep: { list: [] } })) })).json()]) t.match(claims, { deep: { list: [] }, admin: undefined })
})

for (const own of [false, true]) {
  t.test(`an app may set one thing that is known of a request, and the rest stays${own ? '; a userId property of its own is set as well' : ''}`, async (t) => {
    const app = await appWith(t, { validators: [validator('demo', { userIdStrategy: 'claim' })] }, { '/whoami': { auth: 'public_or_jwt_demo' } }, {
      ...own ? { before: (app: FastifyInstance) => { app.decorateRequest('userId', null) } } : {},
      routes (app) {
        app.addHook('preHandler', async (request) => {
          if (request.headers['x-user'] !== undefined) request.userId = String(request.headers['x-user'])
        })
      }
    })
    const get = async (headers: Record<string, string>): Promise<unknown> => (await app.inject({ url: '/whoami', headers })).json()
    const nobody = { jwtPayload: null, jwtPartnerId: null, userId: null, jwtValidator: null }
    t.strictSame(await get({}), nobody)
    t.match(await get(bearer(token())), { userId: 'u-1', jwtValidator: 'demo', jwtPayload: { iss: issuer } })
    t.match(await get({ ...bearer(token()), 'x-user': 'ann' }), { userId: 'ann', jwtValidator: 'demo', jwtPayload: { iss: issuer } })
    t.strictSame(await get({ 'x-user': 'ann' }), { ...nobody, userId: 'ann' })
    t.strictSame(await get({}), nobody, 'what is known of one request is not known of the next')
  })
}

t.test('a plugin of a child says who calls on the routes outside as well', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey], collectionPrefix: 'outside_' })
  await app.register(async (child) => { await child.register(jwt, { validators: [validator('demo', { userIdStrategy: 'claim' })] }) }, { prefix: '/api' })
  const route = (scope: FastifyInstance, url: string): void => { scope.get(url, { config: { auth: 'jwt_demo' } }, async ({ userId, jwtValidator, jwtPayload }) => ({ userId, jwtValidator, iss: jwtPayload?.iss })) }
  route(app, '/root')
  await app.register(async (sibling) => { route(sibling, '/sibling') })
  for (const url of ['/root', '/sibling']) t.strictSame((await app.inject({ url, headers: bearer(token()) })).json(), { userId: 'u-1', jwtValidator: 'demo', iss: issuer }, url)
})

t.test('a userId that a child had for its own before is set there, too', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey], collectionPrefix: 'before_' })
  const whoami = (scope: FastifyInstance, url: string): void => { scope.get(url, { config: { auth: 'public_or_jwt_demo' } }, async ({ userId, jwtValidator }) => ({ userId, jwtValidator })) }
  await app.register(async (child) => {
    child.decorateRequest('userId', null)
    whoami(child, '/child')
  })
  await app.register(jwt, { validators: [validator('demo', { userIdStrategy: 'claim' })] })
  whoami(app, '/root')
  for (const url of ['/child', '/root']) {
    t.strictSame((await app.inject({ url, headers: bearer(token()) })).json(), { userId: 'u-1', jwtValidator: 'demo' }, url)
    t.strictSame((await app.inject(url)).json(), { userId: null, jwtValidator: null }, url)
  }
})

t.test('a guard says anew who calls, whatever was set before it', async (t) => {
  const app = await appWith(t, { validators: [validator('demo', { userIdStrategy: 'claim' })] }, {}, {
    before (app: FastifyInstance) {
      app.addHook('onRequest', async (request) => { request.userId = 'set before' })
    }
  })
  app.get('/', { config: { auth: 'jwt_demo' } }, async ({ userId, jwtValidator }) => ({ userId, jwtValidator }))
  app.get('/open', async ({ userId, jwtValidator }) => ({ userId, jwtValidator }))
  t.strictSame((await app.inject({ url: '/', headers: bearer(token()) })).json(), { userId: 'u-1', jwtValidator: 'demo' })
  t.strictSame((await app.inject('/open')).json(), { userId: 'set before', jwtValidator: null })
})

t.test('a child cannot take the name of a property for something else', async (t) => {
  for (const name of ['userId', 'jwtPayload', 'caller']) {
    for (const value of [null, { getter: () => 'mine' }]) {
      const app = await appWith(t, {}, {})
      const later = app.register(async (child) => { await child.register(async (grandchild) => { grandchild.decorateRequest<unknown, string>(name, value) }) })
      await t.rejects(async () => { await later }, { code: 'FST_ERR_DEC_ALREADY_PRESENT' }, name)
    }
  }
})

t.test('a userId of the app\'s own that cannot be set is a 500, whoever decides', async (t) => {
  const validators = [validator('claimed', { userIdStrategy: 'claim' }), validator('asked', { userIdStrategy: 'slow' })]
  const app = await appWith(t, { validators, userIdStrategies: { slow: async () => 'u-1' } }, { '/claimed': { auth: 'jwt_claimed' }, '/asked': { auth: 'jwt_asked' } }, {
    before: (app: FastifyInstance) => { app.decorateRequest('userId', { getter: () => 'mine' }) }
  })
  for (const url of ['/claimed', '/asked']) t.equal((await app.inject({ url, headers: bearer(token()) })).statusCode, 500, url)
})

/** The names of these functions of node:crypto, as often as they are called from now on until the test ends. */
function watchCrypto (t: Test, names: readonly string[]): string[] {
  const used: string[] = []
  const real = new Map(names.map((name): [string, unknown] => [name, Reflect.get(crypto, name)]))
  for (const [name, run] of real) {
    if (typeof run !== 'function') throw new TypeError(name)
    Reflect.set(crypto, name, (...args: unknown[]): unknown => {
      used.push(name)
      return Reflect.apply(run, crypto, args)
    })
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    for (const [name, run] of real) Reflect.set(crypto, name, run)
    syncBuiltinESMExports()
  })
  return used
}

t.test('a kept token is decided on the spot: no promise, no hash, no signature', async (t) => {
  const app = await appWith(t, {}, {})
  await app.jwtValidators.create(validator('stored'))
  const onTheSpot: boolean[] = []
  app.get('/', {
    onRequest (request, reply, done) {
      let decided = false
      app.requireAuth('jwt_stored').call(app, request, reply, (error) => {
        decided = true
        done(error)
      })
      onTheSpot.push(decided)
    }
  }, async () => 'in')
  const used = watchCrypto(t, ['createHash', 'createHmac', 'hash', 'verify'])
  const value = token()
  await keepToken(t, app, '/', value)
  t.ok(used.includes('createHmac'), 'until it is kept')
  used.length = 0
  t.equal((await app.inject({ url: '/', headers: bearer(value) })).statusCode, 200)
  t.same(used, [])
  t.equal(onTheSpot.at(-1), true)

  const forgetful = await appWith(t, { cache: { max: 0 }, validators: [validator('demo')] }, {})
  forgetful.get('/', { config: { auth: 'jwt_demo' } }, async () => 'in')
  for (let use = 1; use <= 4; use++) {
    used.length = 0
    t.equal((await forgetful.inject({ url: '/', headers: bearer(value) })).statusCode, 200)
    t.same(used, ['createHmac'], 'cache.max: 0 keeps nothing')
  }
})

t.test('each algorithm is accepted by the validator that names it, from each form of key, and by no other', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
  const ed = generateKeyPairSync('ed25519')
  const shared = 'a secret that is long enough for each of the three, which is 64 bytes or more'
  const keys = new Map<AlgorithmName, { publicKey: KeyObject, privateKey: KeyObject } | null>([
    ['HS256', null], ['HS384', null], ['HS512', null],
    ['RS256', rsa], ['RS384', rsa], ['RS512', rsa], ['PS256', rsa], ['PS384', rsa], ['PS512', rsa],
    ['ES256', ec('P-256')], ['ES384', ec('P-384')], ['ES512', ec('P-521')], ['ES256K', ec('secp256k1')], ['EdDSA', ed]
  ])
  const forms: ReadonlyArray<(key: KeyObject) => Pick<ValidatorInput, 'publicKey'>> = [
    (key) => ({ publicKey: String(key.export({ format: 'pem', type: 'spki' })) }),
    (key) => ({ publicKey: { ...key.export({ format: 'jwk' }) } }),
    (key) => ({ publicKey: JSON.stringify({ keys: [key.export({ format: 'jwk' })] }) })
  ]
  const validators = [...keys].map(([algorithm, pair], index) => validator(algorithm, pair === null
    ? { secretKey: shared, secretAlgorithm: algorithm as 'HS256', audience: ['other', 'api'] }
    : { signatureType: 'public_key', publicKeyAlgorithm: algorithm as 'RS256', ...forms[index % 3]?.(pair.publicKey) }))
  const app = await appWith(t, { validators }, Object.fromEntries(validators.map(({ name }) => [`/${name}`, { auth: `jwt_${name}` }])))
  for (const [algorithm, pair] of keys) {
    const value = token({}, pair === null ? { secret: shared, algorithm } : { privateKey: pair.privateKey, algorithm })
    const accepting = []
    for (const { name } of validators) if ((await app.inject({ url: `/${name}`, headers: bearer(value) })).statusCode === 200) accepting.push(name)
    t.same(accepting, [algorithm])
  }
})

t.test('clockTolerance and typ of the record count, for kept tokens too', async (t) => {
  let now = Date.now()
  const app = await appWith(t, { validators: [validator('late', { clockTolerance: 300 }), validator('typed', { typ: 'application/AT+jwt' })] }, { '/late': { auth: 'jwt_late' }, '/typed': { auth: 'jwt_typed' } }, { store: { collectionPrefix: 'tolerance_', clock: clockAt(() => now) } })
  const status = async (url: string, value: string): Promise<number> => (await app.inject({ url, headers: bearer(value) })).statusCode
  const seconds = Math.floor(now / 1000)
  const value = token({ exp: seconds + 10, nbf: seconds + 300, iat: seconds + 300 })
  await keepToken(t, app, '/late', value)
  now = (seconds + 309) * 1000
  t.equal(await status('/late', value), 200)
  now = (seconds + 310) * 1000
  t.equal(await status('/late', value), 401)
  const typed = (typ: string) => token({ exp: seconds + 600 }, { secret, header: { typ } })
  await keepToken(t, app, '/typed', typed('at+jwt'))
  for (const typ of ['JWT', 'logout+jwt', 'refresh+jwt']) t.equal(await status('/typed', typed(typ)), 401, `security 46: ${typ}`)
})

t.test('a chain is walked in order, and its refusals are told in order', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const validators = names.map((name, index) => validator(name, { issuer: `https://${name}`, ...(index + 1 < names.length ? { nextValidator: names[index + 1] ?? '' } : {}), ...(name === 'c' ? { cookieEnabled: true, cookieName: 'c' } : {}) }))
  const app = await appWith(t, { validators }, { '/': { auth: 'jwt_a' }, '/from-d': { auth: 'jwt_d' } })
  for (const name of names) t.equal((await app.inject({ url: '/', headers: bearer(token({ iss: `https://${name}` })) })).json().jwtValidator, name)

  const wrong = await app.inject({ url: '/', headers: bearer(token({ iss: 'https://x' })) })
  expectRefusal(t, wrong, 'DWA_JWT_COMPOSITE', invalid)
  t.same(wrong.json().errors, names.map((name) => ({ validator: name, code: 'DWA_JWT_INVALID_TOKEN' })))
  t.match(wrong.json(), { statusCode: 401, error: 'Unauthorized' })

  const mixed = await app.inject({ url: '/', headers: { cookie: 'c=forged' } })
  expectRefusal(t, mixed, 'DWA_JWT_COMPOSITE', invalid)
  t.same(mixed.json().errors.map(({ code }: { code: string }) => code), names.map((name) => name === 'c' ? 'DWA_JWT_INVALID_TOKEN' : 'DWA_JWT_MISSING_AUTHORIZATION'))

  const missing = await app.inject('/')
  expectRefusal(t, missing, 'DWA_JWT_COMPOSITE', bare)
  t.same(missing.json().errors, names.map((name) => ({ validator: name, code: name === 'c' ? 'DWA_JWT_MISSING_COOKIE' : 'DWA_JWT_MISSING_AUTHORIZATION' })))

  const malformed = await app.inject({ url: '/from-d', headers: { authorization: 'Basic x' } })
  t.same(malformed.json().errors, ['d', 'e', 'f', 'g'].map((name) => ({ validator: name, code: 'DWA_JWT_MALFORMED_AUTHORIZATION' })))
  t.equal((await app.inject({ url: '/from-d', headers: bearer(token({ iss: 'https://a' })) })).statusCode, 401, 'a chain is not walked backwards')
})

t.test('the settings of the validator that accepted apply, and its no is final', async (t) => {
  const app = await appWith(t, {
    userIdStrategies: { broken: () => { throw new Error('strategy failed') } },
    partnerIdStrategies: { known: ({ partner }) => typeof partner === 'string' ? partner : null },
    validators: [
      validator('a', { nextValidator: 'b', userIdStrategy: 'static', staticUserId: 'of a', cookieEnabled: true, cookieName: 'a' }),
      validator('b', { issuer: 'https://b', nextValidator: 'c', userIdStrategy: 'claim', partnerIdStrategy: 'known', partnerIdRequired: true, requiredScopes: ['read'], cookieEnabled: true, cookieName: 'b' }),
      validator('c', { issuer: 'https://b', userIdStrategy: 'static', staticUserId: 'of c' }),
      validator('broken', { issuer: 'https://b', userIdStrategy: 'broken', cookieEnabled: true, nextValidator: 'c' }),
      validator('lost', { nextValidator: 'nowhere' })
    ]
  }, { '/a': { auth: 'jwt_a' }, '/broken': { auth: 'jwt_broken' }, '/lost': { auth: 'jwt_lost' } })
  const right = { iss: 'https://b', sub: 'u-1', partner: 'p-1', scope: 'read' }
  const get = async (change: object, url = '/a') => await app.inject({ url, headers: bearer(token({ ...right, ...change })) })
  const accepted = await get({})
  t.match(accepted.json(), { jwtValidator: 'b', userId: 'u-1', jwtPartnerId: 'p-1' })
  t.same([accepted.headers['set-cookie']].flat().map((one) => String(one).slice(0, 2)), ['b='])
  expectRefusal(t, await get({ scope: 'write' }), 'DWA_JWT_INSUFFICIENT_SCOPE', 'Bearer error="insufficient_scope", scope="read"', 403)
  expectRefusal(t, await get({ sub: undefined }), 'DWA_JWT_USER_NOT_FOUND', invalid)
  expectRefusal(t, await get({ partner: undefined }), 'DWA_JWT_PARTNER_NOT_FOUND', invalid)
  for (const url of ['/broken', '/lost']) {
    const failed = await get({}, url)
    t.equal(failed.statusCode, 500, `${url}: a chain does not go on behind what is no refusal`)
    t.equal(failed.headers['set-cookie'], undefined)
  }
})

t.test('an app\'s own error handler gets the composite as an error', async (t) => {
  const app = await appWith(t, { validators: [validator('a', { nextValidator: 'b' }), validator('b')] }, { '/': { auth: 'jwt_a' } }, {
    before (app) { app.setErrorHandler((error: Error & { errors?: unknown }, _request, reply) => { reply.code(401).send({ own: true, errors: error.errors }) }) }
  })
  const response = await app.inject('/')
  t.match(response.json(), { own: true, errors: [{ validator: 'a' }, { validator: 'b' }] })
  t.equal(response.headers['www-authenticate'], bare)
})

t.test('scopes: the validator\'s and the route\'s, from scope and scp; missing is 403 and final', async (t) => {
  const app = await appWith(t, {
    validators: [validator('a', { requiredScopes: ['read'], nextValidator: 'b' }), validator('b')]
  }, { '/': { auth: 'jwt_a' }, '/write': { auth: 'jwt_a', scopes: ['write'] } })
  app.get('/function', { onRequest: app.requireAuth('jwt_b', { scopes: ['admin'] }) }, async () => 'in')
  app.get('/both', { config: { scopes: ['read'] }, onRequest: app.requireAuth('jwt_b', { scopes: ['admin'] }) }, async () => 'in')
  const get = async (url: string, claims: object) => await app.inject({ url, headers: bearer(token({ ...claims })) })
  t.equal((await get('/', { scope: 'x read' })).statusCode, 200)
  t.equal((await get('/', { scp: ['read'] })).statusCode, 200)
  expectRefusal(t, await get('/', {}), 'DWA_JWT_INSUFFICIENT_SCOPE', 'Bearer error="insufficient_scope", scope="read"', 403)
  expectRefusal(t, await get('/write', { scope: 'read' }), 'DWA_JWT_INSUFFICIENT_SCOPE', 'Bearer error="insufficient_scope", scope="read write"', 403)
  t.equal((await get('/write', { scope: 'write read' })).statusCode, 200)
  const once = bearer(token({ scope: 'read' }))
  for (const [url, status] of [['/', 200], ['/', 200], ['/', 200], ['/', 200], ['/write', 403], ['/', 200], ['/write', 403], ['/', 200]] as const) t.equal((await app.inject({ url, headers: once })).statusCode, status, 'a kept token is judged by each route')
  t.equal((await get('/function', { scope: 'admin' })).body, 'in')
  t.equal((await get('/both', { scope: 'admin' })).statusCode, 403, 'the function\'s scopes and the route\'s add up')
  t.equal((await get('/both', { scope: 'admin read' })).body, 'in')
  expectRefusal(t, await get('/function', {}), 'DWA_JWT_INSUFFICIENT_SCOPE', 'Bearer error="insufficient_scope", scope="admin"', 403)
  t.throws(() => app.requireAuth('nonsense'), { code: 'DWA_ROUTE_UNCLAIMED' })
  t.throws(() => app.requireAuth('jwt_1x'), { code: 'DWA_ROUTE_MALFORMED' })
})

t.test('user ids: static, claim and registered strategies', async (t) => {
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  const model = connection.model('User', new mongoose.Schema({ email: String }))
  const ann = await model.create({ email: 'ann@x' })
  const app = await appWith(t, {
    validators: [
      validator('static_one', { userIdStrategy: 'static', staticUserId: 'robot' }),
      validator('nobody'),
      validator('claimed', { userIdStrategy: 'claim', userIdClaim: 'uid' }),
      validator('registered', { userIdStrategy: 'upper' }),
      validator('lazy', { userIdStrategy: 'lazy' }),
      validator('given', { userIdStrategy: 'given' })
    ],
    userIdStrategies: {
      async upper (claims, { request, validator }) {
        t.equal(request.url, '/registered')
        t.equal(validator, 'registered')
        if (claims['sub'] === 'boom') throw new Error('strategy failed')
        return claims['sub'] === 'ghost' ? null : String(claims['sub']).toUpperCase()
      },
      // A mongoose query is no Promise, and runs only when it is awaited.
      lazy: (claims) => model.findOne({ email: String(claims['email']) }).lean().transform((person) => person?._id),
      given: (claims) => Object(claims['give'])
    }
  }, { '/static_one': { auth: 'jwt_static_one' }, '/nobody': { auth: 'jwt_nobody' }, '/claimed': { auth: 'jwt_claimed' }, '/registered': { auth: 'jwt_registered' }, '/lazy': { auth: 'jwt_lazy' }, '/given': { auth: 'jwt_given' } })
  const get = async (url: string, claims: object = {}) => await app.inject({ url, headers: bearer(token({ ...claims })) })
  t.equal((await get('/static_one')).json().userId, 'robot')
  t.equal((await get('/nobody')).json().userId, null)
  t.equal((await get('/claimed', { uid: 'x' })).json().userId, 'x')
  t.equal((await get('/claimed', { uid: 42 })).json().userId, '42')
  for (const uid of [undefined, '', null, 1.5, {}, ['x'], true]) expectRefusal(t, await get('/claimed', { uid }), 'DWA_JWT_USER_NOT_FOUND', invalid)
  t.equal((await get('/registered')).json().userId, 'U-1')
  expectRefusal(t, await get('/registered', { sub: 'ghost' }), 'DWA_JWT_USER_NOT_FOUND', invalid)
  t.equal((await get('/registered', { sub: 'boom' })).statusCode, 500, 'security 54: a strategy that throws never passes')
  t.equal((await get('/lazy', { email: 'ann@x' })).json().userId, String(ann._id))
  expectRefusal(t, await get('/lazy', { email: 'ghost@x' }), 'DWA_JWT_USER_NOT_FOUND', invalid)
  for (const answer of [{}, [], true]) t.equal((await get('/given', { give: answer })).statusCode, 500, 'an answer that is no id never passes')

  for (const [url, claims, userId] of [['/nobody', {}, null], ['/claimed', { uid: 'x' }, 'x']] as const) {
    const headers = bearer(token(claims))
    for (let use = 1; use <= 5; use++) t.match((await app.inject({ url, headers })).json(), { userId, jwtValidator: url.slice(1) }, `${url}, use ${use}`)
  }
  const kept = bearer(token({ email: 'ann@x' }))
  for (let use = 1; use <= 5; use++) t.equal((await app.inject({ url: '/lazy', headers: kept })).json().userId, String(ann._id))
  await model.deleteMany({})
  expectRefusal(t, await app.inject({ url: '/lazy', headers: kept }), 'DWA_JWT_USER_NOT_FOUND', invalid, 401)
})

t.test('partners: found, not found, several, required', async (t) => {
  const people = [{ _id: 1, email: 'ann@x' }, { _id: 2, email: 'twin@x' }, { _id: 3, email: 'twin@x' }]
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  const model = connection.model('Person', new mongoose.Schema({ _id: Number, email: String }))
  await model.insertMany(people)
  const app = await appWith(t, {
    partners: { model },
    partnerIdStrategies: { async bySub (claims) { return claims['sub'] === 'u-1' ? 'p-1' : undefined } },
    validators: [
      validator('optional', { partnerIdStrategy: 'email' }),
      validator('required', { partnerIdStrategy: 'email', partnerIdRequired: true, nextValidator: 'optional' }),
      validator('own', { partnerIdStrategy: 'bySub' })
    ]
  }, { '/optional': { auth: 'jwt_optional' }, '/required': { auth: 'jwt_required' }, '/own': { auth: 'jwt_own' } })
  const get = async (url: string, claims: object) => await app.inject({ url, headers: bearer(token({ ...claims })) })
  t.equal((await get('/optional', { email: 'ann@x' })).json().jwtPartnerId, '1')
  for (const email of [undefined, '', 'ghost@x', 'twin@x', 'ANN@x', { $ne: '' }, ['ann@x'], 7]) {
    t.equal((await get('/optional', { email })).json().jwtPartnerId, null, JSON.stringify(email))
    expectRefusal(t, await get('/required', { email }), 'DWA_JWT_PARTNER_NOT_FOUND', invalid)
  }
  t.equal((await get('/required', { email: 'ann@x' })).json().jwtPartnerId, '1')
  t.equal((await get('/own', {})).json().jwtPartnerId, 'p-1')
  t.equal((await get('/own', { sub: 'x' })).json().jwtPartnerId, null)
})

function cookieOf (response: LightMyRequestResponse): string {
  const header = response.headers['set-cookie']
  return String(Array.isArray(header) ? header[0] : header)
}

t.test('cookie mode: set, accepted, renewed, and bound to its validator', async (t) => {
  let now = Date.now() + 60_000 // ahead of the clock that tokens are signed by
  const app = await appWith(t, {
    validators: [
      validator('shop', { audience: 'api,second', cookieEnabled: true, cookieName: 'shop', cookieMaxAge: 3600, userIdStrategy: 'claim' }),
      validator('other', { cookieEnabled: true, cookieName: 'shop' }),
      validator('once', { cookieEnabled: true, cookieName: '__Host-once', cookieRenew: false, cookieSameSite: 'Strict' }),
      validator('own_secret', { cookieEnabled: true, cookieName: 'own', cookiePath: '/own', cookieSecure: false, cookieSecret: otherSecret })
    ]
  }, {
    '/shop': { auth: 'jwt_shop' }, '/public': { auth: 'public_or_jwt_shop' }, '/other': { auth: 'jwt_other' }, '/once': { auth: 'jwt_once' }, '/own': { auth: 'jwt_own_secret' }
  }, { store: { collectionPrefix: 'cookie_mode_', clock: clockAt(() => now) } })
  const get = (url: string, headers: InjectOptions['headers'] = {}) => app.inject({ url, headers })
  const valueOf = (response: LightMyRequestResponse, name: string): string => cookie.parse(cookieOf(response))[name] ?? ''

  const first = await get('/shop', bearer(token({ extra: { kept: true } })))
  t.equal(first.statusCode, 200)
  t.match(cookieOf(first), /^shop=[\w.-]+; Max-Age=3600; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const value = valueOf(first, 'shop')
  const claims = JSON.parse(Buffer.from(value.split('.')[1] ?? '', 'base64url').toString())
  t.match(claims, { iss: issuer, aud: 'api', sub: 'u-1', extra: { kept: true }, exp: Math.floor(now / 1000) + 3600, [cookieBinding]: 'shop' })

  now += 1_000_000
  const second = await get('/shop', { cookie: `a=b; shop=${value}` })
  t.match(second.json(), { userId: 'u-1', jwtValidator: 'shop', jwtPayload: { extra: { kept: true } } })
  t.notOk(cookieBinding in second.json().jwtPayload)
  const renewed = valueOf(second, 'shop')
  t.not(renewed, value, 'renewed')
  t.equal((await get('/public', { cookie: `shop=${renewed}` })).json().userId, 'u-1')
  t.equal((await get('/shop', { authorization: '', cookie: `shop=${renewed}` })).statusCode, 200, 'an empty header is no header')
  t.equal((await get('/public', { authorization: '', cookie: `shop=${renewed}` })).statusCode, 200)

  now += 3_600_000 - 1_000_000
  t.equal((await get('/shop', { cookie: `shop=${renewed}` })).statusCode, 200)
  expectRefusal(t, await get('/shop', { cookie: `shop=${value}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get('/public', { cookie: `shop=${value}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  now = Date.now() + 60_000

  const forged = [
    'x', `${value}x`, value.replace(/[^.]+$/, 'AAAA'), token(), signToken({ iss: issuer, aud: 'api', [cookieBinding]: 'shop' }, { secret, header: { typ: 'dwa-cookie+jwt' } }),
    signToken({ iss: issuer, aud: 'api', [cookieBinding]: 'shop' }, { secret, header: { typ: 'dwa-cookie+jwt', kid: 'nope' } })
  ]
  for (const one of forged) {
    expectRefusal(t, await get('/shop', { cookie: `shop=${one}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
    expectRefusal(t, await get('/public', { cookie: `shop=${one}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  }
  expectRefusal(t, await get('/other', { cookie: `shop=${value}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get('/shop', bearer(value)), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get('/shop'), 'DWA_JWT_MISSING_COOKIE', bare)
  expectRefusal(t, await get('/shop', { cookie: 'shop=' }), 'DWA_JWT_MISSING_COOKIE', bare)
  t.equal((await get('/public', { cookie: 'shop=' })).json().userId, null, 'an empty cookie is none')
  expectRefusal(t, await get('/shop', { cookie: `shop=${value}; shop=${value}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get('/public', { cookie: `shop=${value}; shop=` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get('/shop', { ...bearer('x'), cookie: `shop=${value}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
  expectRefusal(t, await get('/shop', { authorization: 'Basic x', cookie: `shop=${value}` }), 'DWA_JWT_MALFORMED_AUTHORIZATION', invalid)
  t.equal((await get('/shop', { ...bearer(token({ sub: 'u-2' })), cookie: `shop=${value}` })).json().userId, 'u-2', 'beside a header the cookie is ignored')

  const once = await get('/once', bearer(token()))
  t.match(cookieOf(once), /^__Host-once=[\w.-]+; Max-Age=31536000; Path=\/; HttpOnly; Secure; SameSite=Strict$/, 'a year, unless told otherwise')
  const again = await get('/once', { cookie: `__Host-once=${valueOf(once, '__Host-once')}` })
  t.equal(again.statusCode, 200)
  t.equal(again.headers['set-cookie'], undefined, 'cookieRenew: false')

  const own = await get('/own', bearer(token()))
  t.match(cookieOf(own), /^own=.*; Path=\/own; HttpOnly; SameSite=Lax$/)
  t.equal((await get('/own', { cookie: `own=${valueOf(own, 'own')}` })).statusCode, 200)
  expectRefusal(t, await get('/own', { cookie: `own=${signToken({ iss: issuer, aud: 'api', [cookieBinding]: 'own_secret' }, { secret: otherSecret, header: { typ: 'dwa-cookie+jwt', kid: 'x' } })}` }), 'DWA_JWT_INVALID_TOKEN', invalid)
})

t.test('each validator\'s cookie key is derived on its own, and a new data key ends no cookie', async (t) => {
  const app = await appWith(t, { validators: [validator('shop', { cookieEnabled: true, cookieSameSite: 'None' })] }, { '/shop': { auth: 'jwt_shop' }, '/public': { auth: 'public_or_jwt_shop' } })
  await app.ready()
  const anonymous = await app.inject('/public')
  t.same([anonymous.statusCode, anonymous.headers['set-cookie']], [200, undefined], 'nobody gets no cookie')
  const first = cookieOf(await app.inject({ url: '/shop', headers: bearer(token()) }))
  t.match(first, /^authorization=.*; Secure; SameSite=None$/)
  const partsOf = (header: string): string[] => (cookie.parse(header)['authorization'] ?? '').split('.')
  const [head = '', payload = '', signature = ''] = partsOf(first)
  const { keyRing } = app.store
  const isSignedBy = (label: string): boolean => createHmac('sha256', keyRing.current(label).key).update(`${head}.${payload}`).digest('base64url') === signature
  t.same(['jwt-cookie/code/shop', 'jwt-cookie/code/other', 'audit-log'].map(isSignedBy), [true, false, false])
  const keyIdOf = (header: string): unknown => JSON.parse(Buffer.from(partsOf(header)[0] ?? '', 'base64url').toString()).kid
  t.equal(keyIdOf(first), keyRing.current('x').keyId, 'security 56: it names the data key')

  if (!(app.store instanceof OpenedStore)) throw new Error('another store')
  const { current } = await rotateKeys(app.store, { kinds: [], now: Date.now, masterKeys: [readMasterKey(masterKey, 'key')], dataKey: true })
  const renewed = await app.inject({ url: '/shop', headers: { cookie: first.split(';')[0] } })
  t.equal(renewed.statusCode, 200)
  t.equal(keyIdOf(cookieOf(renewed)), current)
})

t.test('clearCookie takes the cookie away with the attributes it was set with', async (t) => {
  const app = await appWith(t, { validators: [validator('shop', { cookieEnabled: true, cookieName: 'shop', cookiePath: '/p' })] }, {})
  app.get('/log-out', { config: { auth: 'public_or_jwt_shop' } }, async (_request, reply) => {
    reply.header('set-cookie', 'other=1')
    await app.jwtValidators.clearCookie(reply, 'shop')
    return 'bye'
  })
  for (const headers of [{}, bearer(token())]) {
    const cookies = (await app.inject({ url: '/log-out', headers })).headers['set-cookie']
    t.same(cookies, ['other=1', 'shop=; Max-Age=0; Path=/p; HttpOnly; Secure; SameSite=Lax'], 'and not the one that authentication has just renewed')
  }
})

t.test('security 51: an unsafe request that authenticates by cookie must not come from another site', async (t) => {
  const app = await appWith(t, {
    trustedOrigins: ['https://friend.example'],
    validators: [validator('shop', { cookieEnabled: true, cookieName: 'shop' }), validator('loose', { cookieEnabled: true, cookieName: 'loose', cookieCsrf: false })]
  }, { '/shop': { auth: 'jwt_shop' }, '/loose': { auth: 'jwt_loose' } }, { publicUrl: 'https://app.example/base' })
  const signIn = async (name: string) => cookieOf(await app.inject({ url: `/${name}`, headers: bearer(token()) })).split(';')[0] ?? ''
  const shop = await signIn('shop')
  const post = (headers: InjectOptions['headers'], url = '/shop') => app.inject({ method: 'POST', url, headers: { cookie: shop, ...headers } })
  for (const headers of [{}, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'same-site', origin: 'https://friend.example' }, { 'sec-fetch-site': 'none' }, { origin: 'https://app.example' }, { origin: 'https://friend.example' }]) {
    t.equal((await post(headers)).statusCode, 200, JSON.stringify(headers))
  }
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'cross-site', origin: 'https://app.example' }, { 'sec-fetch-site': 'x' }, { 'sec-fetch-site': 'same-site', origin: 'https://evil.example' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, { origin: 'https://evil.example' }, { origin: 'null' }, { origin: 'https://app.example.evil' }]) {
    expectRefusal(t, await post(headers), 'DWA_JWT_CROSS_SITE', undefined, 403)
  }
  t.equal((await app.inject({ url: '/shop', headers: { cookie: shop, 'sec-fetch-site': 'cross-site' } })).statusCode, 200, 'a safe method passes')
  t.equal((await post({ ...bearer(token()), 'sec-fetch-site': 'cross-site' })).statusCode, 200, 'a header is not a cookie')
  t.equal((await post({ cookie: await signIn('loose'), 'sec-fetch-site': 'cross-site' }, '/loose')).statusCode, 200, 'cookieCsrf: false')
})

/** A session as @fastify/secure-session makes it: it answers to reading and to nothing else. */
function readOnlyProxy (values: { readonly [key: string]: unknown }): object {
  return new Proxy({}, { get: (_target, key) => typeof key === 'string' ? values[key] : undefined })
}

t.test('a signed-in session is refused first, with or without a token, on both kinds of route', async (t) => {
  const lines: Array<{ level: number, msg: string }> = []
  const logger = { level: 'info', stream: { write (line: string) { lines.push(JSON.parse(line)) } } }
  for (const session of [{ userId: 7 }, { user: { id: 1 } }, { get: (key: string) => key === 'user' ? 'ann' : undefined }, readOnlyProxy({ userId: 7 })]) {
    const app = await appWith(t, { validators: [validator('demo')] }, { '/a': { auth: 'jwt_demo' }, '/b': { auth: 'public_or_jwt_demo' } }, {
      fastify: { logger },
      before (app) {
        app.decorateRequest('session', null as never)
        app.addHook('onRequest', async (request) => { Object.assign(request, { session }) })
      }
    })
    for (const url of ['/a', '/b']) {
      for (const headers of [{}, bearer(token())]) expectRefusal(t, await app.inject({ url, headers }), 'DWA_JWT_SESSION_MISMATCH', bare)
    }
    t.equal(lines.splice(0).filter(({ level, msg }) => level === 40 && msg === 'a request with a signed-in session was refused on a JWT route').length, 4)
    await app.auditLog.append('thing.last') // what was sampled before is stored by then
    t.match(await app.auditLog.find({ event: 'jwt.session_mismatch' }), [{ level: 'warning', details: { count: 1 } }])
  }
  const anonymous = await appWith(t, { validators: [validator('demo')] }, { '/': { auth: 'jwt_demo' } }, {
    before (app) {
      app.decorateRequest('session', null as never)
      app.addHook('onRequest', async (request) => { Object.assign(request, { session: { get: () => undefined } }) })
    }
  })
  t.equal((await anonymous.inject({ url: '/', headers: bearer(token()) })).statusCode, 200, 'a session without a user is none')
  const own = await appWith(t, { validators: [validator('demo')], isSessionAuthenticated: (request) => { if (request.headers['x-session'] === 'boom') throw new Error('guard failed'); return request.headers['x-session'] !== undefined } }, { '/': { auth: 'jwt_demo' } })
  t.equal((await own.inject({ url: '/', headers: bearer(token()) })).statusCode, 200)
  expectRefusal(t, await own.inject({ url: '/', headers: { ...bearer(token()), 'x-session': '1' } }), 'DWA_JWT_SESSION_MISMATCH', bare)
  t.equal((await own.inject({ url: '/', headers: { ...bearer(token()), 'x-session': 'boom' } })).statusCode, 500, 'a guard that throws never passes')
})

t.test('a session plugin registered too late stops the boot', async (t) => {
  const app = await appWith(t, { validators: [validator('demo')] }, {})
  app.decorateRequest('session', null as never)
  await t.rejects(async () => await app.ready(), { code: 'DWA_JWT_LATE_SESSION', message: /register it first/ })

  const between = Fastify()
  t.teardown(() => between.close())
  await between.register(store, { uri, secretKeys: [masterKey], collectionPrefix: 'between_' })
  between.decorateRequest('session', null as never)
  await between.register(jwt, {})
  await t.rejects(async () => await between.ready(), { code: 'DWA_JWT_LATE_SESSION' }, 'between store and jwt is too late')

  const child = await appWith(t, { validators: [validator('demo')] }, {}, {
    routes (app) {
      app.register(async (instance) => {
        instance.decorateRequest('session', null as never)
        instance.get('/', { config: { auth: 'jwt_demo' } }, async () => 'in')
      })
    }
  })
  await t.rejects(async () => await child.ready(), { code: 'DWA_JWT_LATE_SESSION' }, 'in a child it always is')
})

t.test('fuzz: no header and no cookie passes, none gives a 500', async (t) => {
  const app = await appWith(t, { validators: [validator('demo', { nextValidator: 'shop' }), validator('shop', { cookieEnabled: true, cookieName: 'shop' })] }, { '/': { auth: 'jwt_demo' } })
  const good = token()
  const text = fc.oneof(
    fc.string(), fc.json(), fc.string({ unit: 'binary-ascii' }), fc.base64String(),
    fc.array(fc.base64String(), { minLength: 3, maxLength: 3 }).map((parts) => parts.join('.')),
    fc.tuple(fc.nat(good.length - 1), fc.constantFrom('', 'A', '.', ' ', '=', 'é')).map(([at, part]) => good.slice(0, at) + part + good.slice(at + 1)).filter((one) => one !== good)
  )
  await app.ready()
  const { db } = app.store.connection
  const state = async (): Promise<string> => JSON.stringify(await Promise.all(['validators', 'keys', 'leases'].map(async (name) => await db?.collection(app.store.collectionName(name)).find().toArray())))
  const before = await state()
  await t.resolves(fc.assert(fc.asyncProperty(fc.constantFrom('Bearer ', 'bearer ', '', 'Basic '), text, text, async (scheme, credential, value) => {
    const response = await app.inject({ url: '/', headers: { authorization: scheme + credential, cookie: `shop=${value}; shop2=${credential}` } })
    return response.statusCode === 401
  }), { seed: 20261121, numRuns: 1500 }))
  t.equal(await state(), before, 'and none changes anything')
  await app.auditLog.append('thing.last')
  t.same([...new Set((await app.auditLog.find({ limit: 1000 })).map(({ event }) => event))].sort(), ['jwt.refused', 'log.opened', 'thing.last'])
})
