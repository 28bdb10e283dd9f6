import { generateKeyPairSync } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { JwtOptions } from '../../index.js'
import { lookupGlobal } from '../../lib/http/bounded-request.js'
import { fetchJson } from '../../lib/http/fetch-json.js'
import { isLoopbackHost, isSpecialAddress } from '../../lib/http/private-address.js'
import { KeySets } from '../../lib/jwt/key-sets.js'
import { LocalKeySets, localKeySetsOf, type JwkSet } from '../../lib/jwt/local-key-sets.js'
import { RemoteKeySet } from '../../lib/jwt/remote-key-set.js'
import { TokenVerifier } from '../../lib/jwt/token-verifier.js'
import type { ValidatorInput } from '../../lib/jwt/validator-schema.js'
import { signToken } from '../../testing/sign-token.js'
import { bearer, buildApp, clockAt, issuer, keepToken, validator } from '../app.js'
import { hurryTimers } from '../hurried-timers.js'
import { startTestMongo } from '../mongo.js'

const minute = 60_000
/** Milliseconds, as promised: a set is kept ten minutes and refreshed ahead in the last of them, serves an hour at most, and is not asked for unknown keys twice in half a minute. */
const [maxAge, refreshAge, maxStaleAge, cooldown] = [10 * minute, 9 * minute, 60 * minute, 30_000]

const limits = { timeoutMs: 400, maxBytes: 10_000, allowSpecialAddress: true }

async function serve (t: Test, listener: RequestListener): Promise<URL> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`)
}

t.test('security 49: a document is fetched only as bounded, uncompressed, unredirected JSON', async (t) => {
  const seen: string[] = []
  const url = await serve(t, (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://x')
    seen.push(pathname)
    const json = (body: string, headers = {}) => response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)
    switch (pathname) {
      case '/ok': return json('{"keys":[]}')
      case '/jwk-set': return json('{"keys":[]}', { 'content-type': 'application/jwk-set+json; charset=utf-8' })
      case '/html': return json('<html>', { 'content-type': 'text/html' })
      case '/untyped': return response.writeHead(200).end('{}')
      case '/broken': return json('{"secret-in-body":')
      case '/missing': return response.writeHead(404).end('{}')
      case '/error': return response.writeHead(500).end('{}')
      case '/redirect': return response.writeHead(302, { location: '/target' }).end()
      case '/gzip': return json('x', { 'content-encoding': 'gzip' })
      case '/huge': {
        response.writeHead(200, { 'content-type': 'application/json' })
        const pump = (): void => { while (!response.destroyed && response.write('x'.repeat(10_000))); }
        response.on('drain', pump)
        return pump()
      }
      case '/drip': {
        response.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => response.write(' '), 20)
        return response.on('close', () => { clearInterval(timer) })
      }
      case '/silent': return
      default: return request.socket.destroy()
    }
  })
  const get = (path: string, options = limits) => fetchJson(new URL(path, url), options)
  t.same(await get('/ok'), { keys: [] })
  t.same(await get('/jwk-set'), { keys: [] })
  const refused: Array<[string, RegExp]> = [
    ['/html', /media type/], ['/untyped', /media type/], ['/broken', /malformed JSON/], ['/missing', /status 404/], ['/error', /status 500/], ['/redirect', /status 302/],
    ['/gzip', /compressed/], ['/huge', /more than 10000 bytes/], ['/drip', /within 400 ms/], ['/silent', /within 400 ms/], ['/dropped', /hang up|ECONNRESET/]
  ]
  for (const [path, problem] of refused) {
    const error: unknown = await get(path).then(() => null, (reason: unknown) => reason)
    t.match(error, problem, path)
    t.notMatch(String(error), /secret-in-body/)
  }
  t.notOk(seen.includes('/target'), 'a redirect is not followed')
  await t.rejects(fetchJson(new URL('http://127.0.0.1:1/'), limits), /ECONNREFUSED/)
})

t.test('security 49: only global addresses, for literals and for names, unless allowed', async (t) => {
  for (const address of ['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '0.0.0.0', '100.64.0.1', '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '::ffff:10.0.0.1', '::ffff:127.0.0.1', '64:ff9b::a00:1', '2002:a00:1::']) {
    t.equal(isSpecialAddress(address), true, address)
  }
  for (const address of ['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) t.equal(isSpecialAddress(address), false, address)
  for (const host of ['localhost', 'a.localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '[::1]']) t.equal(isLoopbackHost(host), true, host)
  for (const host of ['example.com', 'localhost.example.com', '10.0.0.1', '[::2]', 'notlocalhost']) t.equal(isLoopbackHost(host), false, host)

  let requests = 0
  const url = await serve(t, (_request, response) => { requests++; response.end('{}') })
  const strict = { ...limits, allowSpecialAddress: false }
  await t.rejects(fetchJson(url, strict), /127\.0\.0\.1 is not global/)
  await t.rejects(fetchJson(new URL(`http://localhost:${url.port}/`), strict), /localhost resolves to (127\.0\.0\.1|::1), which is not global/)
  await t.rejects(fetchJson(new URL('https://[::1]/'), strict), /not global/)
  await t.rejects(fetchJson(new URL('https://does-not-exist.invalid/'), strict), /ENOTFOUND|EAI_AGAIN/)
  t.equal(requests, 0)
  const lookup = (host: string, all: boolean) => new Promise((resolve) => { lookupGlobal(host, { all }, (...answer) => { resolve(answer) }) })
  t.same(await lookup('8.8.8.8', true), [null, [{ address: '8.8.8.8', family: 4 }]], 'what was checked is what is connected to')
  t.same(await lookup('8.8.8.8', false), [null, '8.8.8.8', 4])
  t.match(await lookup('10.0.0.1', true), [{ message: /not global/ }, ''])
})

const first = generateKeyPairSync('rsa', { modulusLength: 2048 })
const second = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = (pair: typeof first, kid: string) => ({ ...pair.publicKey.export({ format: 'jwk' }), kid })

/** A key set behind a switchboard: what it answers, whether it is down, and the time. */
function keySet (keys: unknown) {
  const state = { keys, down: false, fetches: 0, failures: 0, now: Date.now(), gate: Promise.resolve() }
  const set = new RemoteKeySet({
    async fetch () {
      state.fetches++
      await state.gate
      if (state.down) throw new Error('down')
      return { keys: state.keys }
    },
    now: () => state.now,
    onFailure: () => { state.failures++ }
  })
  const verifier = new TokenVerifier({ algorithm: 'RS256', typ: null, issuer: 'i', audience: ['a'], clockTolerance: 0, source: { remote: set, algorithm: 'RS256' } }, () => state.now)
  const verify = async (pair: typeof first, kid?: string) => {
    const result = await verifier.verify(signToken({ iss: 'i', aud: 'a', exp: state.now / 1000 + 60, iat: undefined }, { privateKey: pair.privateKey, header: { kid } }))
    return 'refused' in result ? result.refused : 'accepted'
  }
  return { state, set, verifier, verify }
}

t.test('a key set is fetched on first need, once for all who wait, and kept ten minutes', async (t) => {
  const { state, verify } = keySet([jwk(first, 'k1')])
  t.equal(state.fetches, 0, 'not at construction')
  t.same(await Promise.all(Array.from({ length: 50 }, () => verify(first, 'k1'))), Array(50).fill('accepted'))
  t.equal(state.fetches, 1)
  state.now += refreshAge - 1
  t.equal(await verify(first, 'k1'), 'accepted')
  t.equal(state.fetches, 1)
  state.now += 1
  t.equal(await verify(first, 'k1'), 'accepted')
  t.equal(state.fetches, 2, 'refreshed ahead of its end without making anyone wait')
  await new Promise((resolve) => { setImmediate(resolve) })
  state.now += maxAge
  t.equal(await verify(first, 'k1'), 'accepted')
  t.equal(state.fetches, 3)
})

t.test('security 40, 49: unknown keys refetch at most once a cooldown, however many come', async (t) => {
  const { state, verify } = keySet([jwk(first, 'k1')])
  t.equal(await verify(first, 'k1'), 'accepted')
  for (let index = 0; index < 200; index++) t.equal(await verify(second, `unknown-${index}`), 'unknown_key')
  t.equal(state.fetches, 1, 'the set is younger than the cooldown')
  state.now += cooldown
  state.keys = [jwk(first, 'k1'), jwk(second, 'k2')]
  t.same(await Promise.all([verify(second, 'k2'), verify(second, 'k2'), verify(second, 'nope')]), ['accepted', 'accepted', 'unknown_key'])
  t.equal(state.fetches, 2, 'a new key is found, with one fetch for all')
  for (let index = 0; index < 200; index++) t.equal(await verify(second, `unknown-${index}`), 'unknown_key')
  t.equal(state.fetches, 2)
  state.now += cooldown
  state.down = true
  t.equal(await verify(second, 'k3'), 'unknown_key', 'the refetch failed: the set stays as it is')
  t.equal(await verify(second, 'k2'), 'accepted')
})

t.test('while the endpoint is down the last good set serves for an hour after it was fetched, then nothing does', async (t) => {
  const { state, verify } = keySet([jwk(first, 'k1')])
  t.equal(await verify(first, 'k1'), 'accepted')
  state.down = true
  state.now += maxAge
  t.equal(await verify(first, 'k1'), 'accepted')
  t.equal(state.failures, 1)
  for (let index = 0; index < 20; index++) await verify(first, 'k1')
  t.equal(state.fetches, 2, 'a failure is not repeated at once')
  state.now += maxStaleAge - maxAge - 1
  t.equal(await verify(first, 'k1'), 'accepted')
  state.now += 1
  t.equal(await verify(first, 'k1'), 'key_set_unreachable')
  state.down = false
  state.now += cooldown
  t.equal(await verify(first, 'k1'), 'accepted')
})

t.test('an endpoint that hangs after it failed holds nobody up while the last good set can serve', async (t) => {
  const { state, verify } = keySet([jwk(first, 'k1')])
  t.equal(await verify(first, 'k1'), 'accepted')
  state.down = true
  state.now += maxAge
  t.equal(await verify(first, 'k1'), 'accepted')
  state.gate = new Promise(() => {})
  state.now += cooldown
  for (let index = 0; index < 3; index++) t.equal(await verify(first, 'k1'), 'accepted')
  t.equal(state.fetches, 3)
})

t.test('a set that was never had, is no set, or is too large refuses every token, and backs off', async (t) => {
  for (const keys of [Array(101).fill(jwk(first, 'k1')), null, {}, 'x']) {
    const { state, verify } = keySet(keys)
    t.equal(await verify(first, 'k1'), 'key_set_unreachable')
    t.equal(await verify(first, 'k1'), 'key_set_unreachable')
    t.same([state.fetches, state.failures], [1, 1])
    state.keys = [jwk(first, 'k1')]
    state.now += 1000
    t.equal(await verify(first, 'k1'), 'accepted')
  }
})

t.test('a removed key stops being accepted as soon as the new set is seen, and with it what was verified before', async (t) => {
  const { state, set, verifier, verify } = keySet([jwk(first, 'k1'), jwk(second, 'k2')])
  const token = signToken({ iss: 'i', aud: 'a', exp: state.now / 1000 + 7200, iat: undefined }, { privateKey: first.privateKey, header: { kid: 'k1' } })
  const verified = await verifier.verify(token)
  if ('refused' in verified) return t.fail('must pass')
  t.equal(verifier.holds(verified, state.now), true)
  t.equal(verifier.holds(verified, verified.expiresAt * 1000 - 1), true)
  t.equal(verifier.holds(verified, verified.expiresAt * 1000), false, 'its end counts as well')
  state.keys = [jwk(second, 'k2')]
  state.now += maxAge
  t.equal(verifier.holds(verified, state.now), false, 'an old set vouches for nothing')
  t.equal(await verify(first, 'k1'), 'unknown_key')
  t.equal(await verify(second, 'k2'), 'accepted')
  t.equal(verifier.holds(verified, state.now), false)
  t.not(set.fresh, verified.snapshot)
})

t.test('validators that name the same URL share one set, stored and declared ones apart', async (t) => {
  const failures: string[] = []
  const sets = new KeySets({ local: new LocalKeySets(), fetch: async () => { throw new Error('down') }, now: Date.now, onFailure: (url) => failures.push(url) })
  t.equal(sets.get('https://a/jwks?key=secret', true), sets.get('https://a/jwks?key=secret', true))
  t.not(sets.get('https://a/jwks?key=secret', true), sets.get('https://a/jwks?key=secret', false))
  t.equal(await sets.get('https://a/jwks?key=secret', true).latest(), null)
  t.same(failures, ['https://a/jwks'], 'security 52: without the query')
})

const { uri } = await startTestMongo(t)
let apps = 0

/** A validator with a remote key set. */
const remote = (name: string, url: URL, more: Partial<ValidatorInput> = {}): ValidatorInput => validator(name, { signatureType: 'public_key', publicKeyJwkUri: url.href, ...more })

/** An app with a route for each name, `/<name>`, the warnings of its log, and a time of its own. */
async function appWith (t: Test, names: readonly string[], jwt: JwtOptions) {
  const state = { now: Date.now(), warnings: [] as string[] }
  const app = await buildApp(t, {
    uri,
    jwt,
    store: { collectionPrefix: `keys${apps++}_`, clock: clockAt(() => state.now) },
    fastify: { logger: { level: 'warn', stream: { write (line: string) { state.warnings.push(line) } } } },
    routes (app) { for (const name of names) app.get(`/${name}`, { config: { auth: `jwt_${name}` } }, async () => 'in') }
  })
  await app.ready()
  const sign = (pair: typeof first, header: object, claims: object = {}) => signToken({ iss: issuer, aud: 'api', iat: undefined, exp: Math.floor(state.now / 1000) + 7200, ...claims }, { privateKey: pair.privateKey, header: { ...header } })
  return { app, state, sign }
}

const status = async (app: FastifyInstance, name: string, value: string): Promise<number> => (await app.inject({ url: `/${name}`, headers: bearer(value) })).statusCode

t.test('security 49: a key set has 5 seconds and 512 KiB', async (t) => {
  const set = JSON.stringify({ keys: [jwk(first, 'k1')] })
  const sizes: Record<string, number> = { '/exact': 512 * 1024, '/over': 512 * 1024 + 1 }
  const url = await serve(t, (request, response) => {
    const size = sizes[request.url ?? '']
    if (size !== undefined) response.writeHead(200, { 'content-type': 'application/json' }).end(set.padEnd(size))
    else if (request.url === '/slow') response.writeHead(200, { 'content-type': 'application/json' }).write(set)
  })
  const { app, state, sign } = await appWith(t, ['exact', 'over', 'slow', 'silent'], {
    allowInsecure: true,
    validators: ['exact', 'over', 'slow', 'silent'].map((name) => remote(name, new URL(name, url)))
  })
  const value = sign(first, { kid: 'k1' })
  t.equal(await status(app, 'exact', value), 200)
  t.equal(await status(app, 'over', value), 401)
  t.match(state.warnings.join(''), /answered with more than 524288 bytes/)
  hurryTimers(t, 5000)
  for (const name of ['slow', 'silent']) {
    state.warnings = []
    t.equal(await status(app, name, value), 401, name)
    t.match(state.warnings.join(''), /no complete answer within 5000 ms/)
  }
})

t.test('security 49: whether a key set may be on a special address depends on who named it, and is an option', async (t) => {
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    socket.destroy()
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`)
  const cases: Array<[what: string, options: JwtOptions, name: 'declared' | 'stored', asked: number]> = [
    ['a declared one', {}, 'declared', 1],
    ['a stored one', {}, 'stored', 0],
    ['a stored one, with allowPrivateAddresses', { keySets: { allowPrivateAddresses: true } }, 'stored', 1],
    ['a stored one on loopback, with allowInsecure', { allowInsecure: true }, 'stored', 1]
  ]
  for (const [what, options, name, asked] of cases) {
    const { app, state, sign } = await appWith(t, ['declared', 'stored', 'elsewhere'], { ...options, validators: [remote('declared', url)] })
    await app.jwtValidators.create(remote('stored', url))
    connections = 0
    t.equal(await status(app, name, sign(first, {})), 401, what)
    t.equal(connections, asked, what)
    if (options.allowInsecure !== true) continue
    await app.jwtValidators.create(remote('elsewhere', new URL('https://10.0.0.1/jwks')))
    t.equal(await status(app, 'elsewhere', sign(first, {})), 401)
    t.match(state.warnings.join(''), /address 10\.0\.0\.1 is not global/, 'which is for loopback only')
    await t.rejects(app.jwtValidators.create(remote('plain', new URL('http://10.0.0.1/jwks'))), { code: 'DWA_JWT_INVALID_VALIDATOR', field: 'publicKeyJwkUri' })
  }
})

t.test('a kept token ends with its key: as soon as the new set is seen, or the old one is too old', async (t) => {
  let keys = [jwk(first, 'k1')]
  let fetches = 0
  const url = await serve(t, (_request, response) => {
    fetches++
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
  })
  const { app, state, sign } = await appWith(t, ['one', 'two'], { allowInsecure: true, validators: [remote('one', url), remote('two', url)] })
  const removed = sign(first, { kid: 'k1' })
  for (const name of ['one', 'two']) await keepToken(t, app, `/${name}`, removed)
  t.equal(fetches, 1, 'two validators, one URL, one request')
  keys = [jwk(second, 'k2')]
  state.now += cooldown
  t.equal(await status(app, 'one', removed), 200, 'nobody knows yet')
  t.equal(await status(app, 'one', sign(second, { kid: 'k2' })), 200)
  for (const name of ['one', 'two']) t.equal(await status(app, name, removed), 401)
  const stays = sign(second, { kid: 'k2' })
  await keepToken(t, app, '/one', stays)
  keys = []
  state.now += maxAge
  t.equal(await status(app, 'one', stays), 401)
})

t.test('security 40: what a token says about keys is followed nowhere', async (t) => {
  let requests = 0
  const trap = await serve(t, (_request, response) => {
    requests++
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk(second, 'k1')] }))
  })
  const url = await serve(t, (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk(first, 'k1')] })) })
  const { app, sign } = await appWith(t, ['set', 'key'], { allowInsecure: true, validators: [remote('set', url), validator('key', { signatureType: 'public_key', publicKey: jwk(first, 'k1') })] })
  for (const header of [{ jku: trap.href }, { x5u: trap.href }, { jwk: jwk(second, 'k1') }, { kid: trap.href, jku: trap.href }, { x5c: ['MIIB'], x5t: 'abc' }]) {
    for (const name of ['set', 'key']) t.equal(await status(app, name, sign(second, { kid: 'k1', ...header })), 401, `${name} ${JSON.stringify(header)}`)
  }
  t.equal(requests, 0)
  t.equal(await status(app, 'set', sign(first, { kid: 'k1', jku: trap.href })), 200)
  t.equal(requests, 0)
})

t.test('security 45: of two issuers whose keys have the same kid, neither signs for the other', async (t) => {
  const setOf = async (pair: typeof first) => await serve(t, (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk(pair, 'same')] })) })
  const { app, sign } = await appWith(t, ['one', 'two'], {
    allowInsecure: true,
    validators: [remote('one', await setOf(first), { issuer: 'https://one' }), remote('two', await setOf(second), { issuer: 'https://two' })]
  })
  for (const [pair, iss, accepting] of [[first, 'https://one', 'one'], [second, 'https://two', 'two'], [second, 'https://one', null], [first, 'https://two', null]] as const) {
    for (const name of ['one', 'two']) t.equal(await status(app, name, sign(pair, { kid: 'same' }, { iss })), name === accepting ? 200 : 401, `${name}, ${iss}`)
  }
})

t.test('a set that the app serves itself is asked for every token, and behind its URL nobody is', async (t) => {
  const url = 'https://provider.invalid/jwks'
  const state: { set: JwkSet, mode: 'at once' | 'later' | 'throws' | 'rejects', now: number, fetches: number } = { set: { keys: [jwk(first, 'k1')] }, mode: 'at once', now: Date.now(), fetches: 0 }
  const failures: string[] = []
  const local = new LocalKeySets()
  const sets = new KeySets({
    local,
    async fetch () {
      state.fetches++
      return { keys: [jwk(second, 'remote')] }
    },
    now: () => state.now,
    onFailure: (failed, error) => failures.push(`${failed} ${String(error)}`)
  })
  const set = sets.get(url, true)
  const verifier = new TokenVerifier({ algorithm: 'RS256', typ: null, issuer: 'i', audience: ['a'], clockTolerance: 0, source: { remote: set, algorithm: 'RS256' } }, () => state.now)
  const sign = (pair: typeof first, kid: string) => signToken({ iss: 'i', aud: 'a', exp: state.now / 1000 + 7200, iat: undefined }, { privateKey: pair.privateKey, header: { kid } })
  const verify = async (pair: typeof first, kid: string) => {
    const result = await verifier.verify(sign(pair, kid))
    return 'refused' in result ? result.refused : 'accepted'
  }
  t.equal(await verify(second, 'remote'), 'accepted', 'before somebody serves it')
  const fetched = set.fresh
  t.equal(fetched !== null && set.isCurrent(fetched), true)
  set.refreshAhead()
  local.serve('https://PROVIDER.invalid:443/jwks', () => {
    if (state.mode === 'throws') throw new Error('away')
    if (state.mode === 'rejects') return Promise.reject(new Error('away'))
    return state.mode === 'later' ? Promise.resolve(state.set) : state.set
  })
  t.equal(fetched !== null && set.isCurrent(fetched), false)
  t.equal(await verify(second, 'remote'), 'unknown_key')
  const token = sign(first, 'k1')
  const verified = await verifier.verify(token)
  if ('refused' in verified) return t.fail('must pass')
  t.equal(verifier.holds(verified, state.now), true)
  set.refreshAhead()
  t.equal(verifier.holds(verified, state.now + maxAge), true, 'it does not age')

  state.set = { keys: [jwk(second, 'k2')] }
  t.equal(verifier.holds(verified, state.now), false)
  t.same([await verify(first, 'k1'), await verify(second, 'k2')], ['unknown_key', 'accepted'], 'at once')
  state.mode = 'later'
  t.same([await verify(first, 'k1'), await verify(second, 'k2')], ['unknown_key', 'accepted'])
  state.mode = 'at once'
  const before = await set.latest()
  state.set = { keys: [jwk(first, 'k1'), ...Array(200).fill(jwk(second, 'k2'))] }
  t.equal(before !== null && await set.newerThan(before), set.fresh, 'however many keys the app has')
  t.equal(await verify(first, 'k1'), 'accepted')

  for (const mode of ['throws', 'rejects'] as const) {
    state.mode = mode
    t.same([await verify(first, 'k1'), await verify(first, 'k3')], ['accepted', 'unknown_key'], 'the last one serves')
    state.now += 5 * minute - 1
    t.equal(await verify(first, 'k1'), 'accepted')
    state.now += 1
    t.equal(await verify(first, 'k1'), 'key_set_unreachable', 'for five minutes')
    t.same(failures, ['https://provider.invalid/jwks Error: away'], 'and is reported once')
    state.mode = 'at once'
    t.equal(await verify(first, 'k1'), 'accepted')
    failures.length = 0
  }
  t.equal(state.fetches, 1)
})

t.test('security 49: the rules for URLs are not for a set that the app serves itself', async (t) => {
  const urls = ['http://10.0.0.1/jwks', 'http://provider.invalid/jwks', 'https://127.0.0.1:1/jwks']
  const { app, state, sign } = await appWith(t, urls.map((_url, index) => `served${index}`), {})
  for (const [index, url] of urls.entries()) {
    const create = async () => await app.jwtValidators.create(remote(`served${index}`, new URL(url)))
    if (url.startsWith('http:')) await t.rejects(create(), { code: 'DWA_JWT_INVALID_VALIDATOR', field: 'publicKeyJwkUri' })
    localKeySetsOf(app.store).serve(url, () => ({ keys: [jwk(first, 'k1')] }))
    await create()
    t.equal(await status(app, `served${index}`, sign(first, { kid: 'k1' })), 200, url)
    t.equal(await status(app, `served${index}`, sign(second, { kid: 'k1' })), 401, url)
  }
  t.same(state.warnings.filter((line) => line.includes('keySet')), [])
})
