import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, importSPKI, jwtVerify } from 'jose'
import t from 'tap'
import { errors } from '../../lib/errors.js'
import { algorithms, secretSignatureCheck } from '../../lib/jwt/algorithms.js'
import { localKeySetsOf, type JwkSet } from '../../lib/jwt/local-key-sets.js'
import { keysOfSet } from '../../lib/jwt/public-keys.js'
import { TokenVerifier } from '../../lib/jwt/token-verifier.js'
import { AccessTokenJwts, type AccessTokenJwtsOptions } from '../../lib/provider/access-token-jwt.js'
import { clientKind } from '../../lib/provider/client-kind.js'
import { jwtAlgorithms, type JwtAlgorithm, type StoredClient } from '../../lib/provider/client-schema.js'
import { ClientSecrets } from '../../lib/provider/client-secret.js'
import { Clients } from '../../lib/provider/clients.js'
import { familyOfAccessToken } from '../../lib/provider/issued-text.js'
import { Keys } from '../../lib/provider/keys.js'
import { OpenClients, type OpenClient } from '../../lib/provider/open-clients.js'
import { jwkSet, publicKeyPem, PublishedKeys } from '../../lib/provider/published-keys.js'
import { KeyMaker, type KeySet } from '../../lib/provider/signing-keys.js'
import { Subjects, type SubjectDocument } from '../../lib/provider/subjects.js'
import type { AccessTokenOrder } from '../../lib/provider/token-families.js'
import { ConfirmedCache } from '../../lib/store/confirmed-cache.js'
import { bearer, buildApp, clockAt, issuer, validator } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { storedClient } from './stored-client.js'

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
const start = Date.UTC(2026, 10, 1) + 789
const maker = new KeyMaker({ overlapMs: hour, maxTokenMs: day })
const family = 'abcdef0123456789abcdef01'

function openClient ({ keys, privateKeys }: KeySet, fields: Partial<StoredClient> = {}): OpenClient {
  const [key] = keys
  return { id: 'r1', version: 1, fields: storedClient({ keys, ...(key === undefined ? {} : { jwtAlgorithm: key.algorithm }), ...fields }), privateKeys: new Map(Object.entries(privateKeys)) }
}

function jwts (options: Partial<AccessTokenJwtsOptions> = {}): AccessTokenJwts {
  return new AccessTokenJwts({ issuer, subjects: { of: async (clientId, userId) => `sub of ${userId} for ${clientId}` }, claimsOf: async () => ({}), randomBytes, ...options })
}

const order = (more: Partial<AccessTokenOrder> = {}): AccessTokenOrder => ({ family, user: 'u1', scopes: ['email', 'orders'], resource: null, issuedAt: start, expiresAt: start + hour, ...more })

async function mint (client: OpenClient, more: Partial<AccessTokenOrder> = {}, minter = jwts()): Promise<string> {
  return await minter.mintFor(client)?.(order(more)) ?? 'no JWT'
}

/** What a validator of this package says to a token, with these keys at that time. */
async function verdict (token: string, algorithm: JwtAlgorithm, keys: JwkSet | string, at: number): Promise<string> {
  const rule = algorithms[algorithm].kind
  const source = typeof keys === 'string' && (algorithm === 'HS256' || algorithm === 'HS384' || algorithm === 'HS512')
    ? { candidates: () => [secretSignatureCheck(algorithm, Buffer.from(keys))] }
    : keysOfSet(keys, algorithm === 'HS256' || algorithm === 'HS384' || algorithm === 'HS512' ? 'RS256' : algorithm)
  const result = await new TokenVerifier({ algorithm, typ: 'at+jwt', issuer, audience: ['shop'], clockTolerance: 0, source: { keys: source } }, () => at).verify(token)
  return 'refused' in result ? `${rule}: ${result.refused}` : 'accepted'
}

t.test('security 37: a token of every algorithm is good for jose and for our validators, with the published key alone', async (t) => {
  for (const algorithm of jwtAlgorithms) {
    const keys = await maker.first(algorithm, undefined, start)
    const client = openClient(keys)
    const token = await mint(client)
    t.match(decodeProtectedHeader(token), { typ: 'at+jwt', alg: algorithm, kid: keys.keys[0]?.kid }, algorithm)
    const rules = { issuer, audience: 'shop', algorithms: [algorithm], typ: 'at+jwt', currentDate: new Date(start + 1000), requiredClaims: ['exp', 'nbf', 'iat', 'jti', 'sub', 'client_id'] }
    const [secret = ''] = Object.values(keys.privateKeys)
    if (algorithms[algorithm].kind === 'secret') {
      await t.resolves(jwtVerify(token, Buffer.from(secret), rules))
      t.equal(await verdict(token, algorithm, secret, start + 1000), 'accepted')
      t.equal(await verdict(token, algorithm, `${secret}x`, start + 1000), 'secret: signature')
      t.same(jwkSet([client.fields], start, day), { keys: [] })
      continue
    }
    const set = jwkSet([client.fields], start, day)
    await t.resolves(jwtVerify(token, createLocalJWKSet({ keys: set.keys.map((key) => ({ kty: '', ...key })) }), rules))
    await t.resolves(jwtVerify(token, await importSPKI(publicKeyPem(client.fields, start), algorithm), rules), 'by GET /public_key as well')
    t.equal(await verdict(token, algorithm, set, start + 1000), 'accepted')
    t.equal(await verdict(token, algorithm, jwkSet([openClient(await maker.first(algorithm, undefined, start)).fields], start, day), start + 1000), 'public_key: unknown_key')
    const altered = token.replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...decodeJwt(token), scope: 'admin' })).toString('base64url')}.`)
    t.equal(await verdict(altered, algorithm, set, start + 1000), 'public_key: signature')
  }
})

t.test('the claims are those of RFC 9068, and user_id', async (t) => {
  const client = openClient(await maker.first('ES256', undefined, start))
  const iat = Math.floor(start / 1000)
  const claims = {
    iss: issuer,
    sub: 'sub of u1 for shop',
    user_id: 'sub of u1 for shop',
    aud: 'shop',
    client_id: 'shop',
    scope: 'email orders',
    iat,
    nbf: iat,
    exp: iat + 3600,
    jti: String(decodeJwt(await mint(client, {}, jwts({ randomBytes: (size) => Buffer.alloc(size, 7) }))).jti)
  }
  const seven = jwts({ randomBytes: (size) => Buffer.alloc(size, 7) })
  t.strictSame(decodeJwt(await mint(client, {}, seven)), claims)
  t.strictSame(decodeJwt(await mint(client, { resource: 'https://api.example', scopes: [] }, seven)), { ...claims, aud: 'https://api.example', scope: '' })
  const { user_id: _, ...nobody } = claims
  t.strictSame(decodeJwt(await mint(client, { user: null }, seven)), { ...nobody, sub: 'client:shop' }, 'for nobody')
  const tokens = [await mint(client), await mint(client)]
  t.equal(new Set(tokens.map((token) => decodeJwt(token).jti)).size, 2)
  for (const token of tokens) t.equal(familyOfAccessToken(token), family, 'it can be looked up')
  t.equal(jwts().mintFor(openClient(await maker.first('ES256', undefined, start), { tokenType: 'random' })), null, 'opaque tokens are not minted')
})

t.test('the fields of jwtScope become claims, and none of them stands for what the provider says', async (t) => {
  const asked: unknown[] = []
  const fields = { email: 'ann@example.com', roles: ['a'], address: { city: 'Ulm' }, since: new Date(start) }
  const hostile = Object.fromEntries(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'scope', 'scp', 'user_id', 'id', 'azp', 'act', 'may_act', 'cnf', 'auth_time', 'acr', 'amr', 'dwa_validator', '__proto__'].map((name) => [name, 'evil']))
  const minter = jwts({
    claimsOf: async (...given) => {
      asked.push(given)
      return { ...fields, ...hostile }
    }
  })
  const client = openClient(await maker.first('ES256', undefined, start), { jwtScope: 'profile' })
  const token = await mint(client, {}, minter)
  const { email, roles, address, since, ...others } = decodeJwt(token)
  t.same({ email, roles, address, since }, { ...fields, since: new Date(start).toISOString() })
  t.same(Object.keys(others).sort(), ['aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'nbf', 'scope', 'sub', 'user_id'])
  t.notOk(JSON.stringify(others).includes('evil'))
  t.notOk(Buffer.from(token.split('.')[1] ?? '', 'base64url').includes('evil'))
  t.same(asked, [['u1', 'profile']])
  await mint(client, { user: null }, minter)
  await mint(openClient(await maker.first('ES256', undefined, start)), {}, minter)
  t.equal(asked.length, 1, 'neither for nobody nor without jwtScope')
  const away = new errors.DWA_STORE_UNAVAILABLE()
  await t.rejects(mint(client, {}, jwts({ claimsOf: async () => { throw away } })), away)
  await t.rejects(mint(client, {}, jwts({ claimsOf: async () => ({ picture: 'x'.repeat(6000) }) })), { code: 'DWA_PROVIDER_SIGNING_FAILED', statusCode: 500, message: /"Shop".*too long/ })
})

t.test('without a key that can sign there is no token', async (t) => {
  const good = await maker.first('RS256', undefined, start)
  const cases: Array<[string, KeySet, RegExp]> = [
    ['no key', { keys: [], privateKeys: {} }, /has no key/],
    ['no private key', { ...good, privateKeys: {} }, /has no key/],
    ['an unreadable one', { ...good, privateKeys: Object.fromEntries(good.keys.map(({ kid }) => [kid, 'secret nonsense'])) }, /cannot be read/]
  ]
  for (const [what, keys, message] of cases) {
    const error: unknown = await mint(openClient(keys)).then(() => null, (reason: unknown) => reason)
    t.match(error, { code: 'DWA_PROVIDER_SIGNING_FAILED', message }, what)
    t.notMatch(String(error), /nonsense/)
  }
})

t.test('RSA signatures do not hold up the event loop', async (t) => {
  const client = openClient(await maker.first('RS256', undefined, start))
  const minter = jwts()
  await mint(client, {}, minter)
  const state = { turns: 0, minting: true }
  const counting = (async () => {
    while (state.minting) {
      await nextTurn()
      state.turns++
    }
  })()
  await Promise.all(Array.from({ length: 200 }, async () => await mint(client, {}, minter)))
  state.minting = false
  await counting
  t.ok(state.turns > 3, `${state.turns} turns meanwhile`)
})

t.test('a private key is parsed once for many clients, and again when a record has another under its id', async (t) => {
  const minter = jwts()
  const pairs = Array.from({ length: 1001 }, () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  const clients = await Promise.all(pairs.map(async (text) => openClient(await maker.first('EdDSA', text, start))))
  for (const client of clients) t.equal(await verdict(await mint(client, {}, minter), 'EdDSA', jwkSet([client.fields], start, day), start), 'accepted')
  const [first, second] = clients
  const [kid] = first?.privateKeys.keys() ?? []
  const [text] = second?.privateKeys.values() ?? []
  if (first === undefined || second === undefined || kid === undefined || text === undefined) return t.fail('must have keys')
  const swapped: OpenClient = { ...first, privateKeys: new Map([[kid, text]]) }
  t.equal(await verdict(await mint(swapped, {}, minter), 'EdDSA', jwkSet([first.fields], start, day), start), 'public_key: signature')
  t.equal(await verdict(await mint(first, {}, minter), 'EdDSA', jwkSet([first.fields], start, day), start), 'accepted')
})

t.test('security 36: after a rotation old tokens are good to their end with the published keys, and then their key is gone', async (t) => {
  for (const algorithm of ['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA'] as const) {
    const before = await maker.first(algorithm, undefined, start)
    const after = await maker.next(openClient(before).fields, JSON.stringify(before.privateKeys), start + day, false)
    const client = openClient(after)
    const [old, fresh] = after.keys.map(({ kid }) => kid)
    const mintAt = async (issuedAt: number): Promise<string> => await mint(client, { issuedAt, expiresAt: issuedAt + day })
    const takeover = start + day + hour
    const last = await mintAt(takeover - 1)
    t.equal(decodeProtectedHeader(last).kid, old, algorithm)
    const first = await mintAt(takeover)
    t.equal(decodeProtectedHeader(first).kid, fresh)
    const early = jwkSet([client.fields], start + day, day)
    t.equal(await verdict(first, algorithm, early, takeover), 'accepted', 'with a set that was fetched when the key was made')
    const setAt = (at: number): JwkSet => jwkSet([client.fields], at, day)
    const end = Math.floor((takeover - 1 + day) / 1000) * 1000
    t.equal(await verdict(last, algorithm, setAt(end - 1), end - 1), 'accepted')
    t.equal(await verdict(last, algorithm, setAt(end), end), 'public_key: expired')
    t.same(setAt(takeover + day + hour).keys.map(({ kid }) => kid), [fresh])
    t.equal(await verdict(last, algorithm, setAt(takeover + day + hour), end - 1), 'public_key: unknown_key')
  }
})

const { uri } = await startTestMongo(t)

t.test('a validator that names the provider as its issuer needs no request to it, and sees rotations and removals at once', async (t) => {
  // Nothing listens there, and no resolver knows the name.
  const keySetUrl = 'https://provider.invalid/oauth2/jwks'
  let now = Date.now()
  const warnings: string[] = []
  const clock = clockAt(() => now)
  let provider: { clients: Clients, keys: Keys, openClients: OpenClients, minter: AccessTokenJwts } | undefined
  const app = await buildApp(t, {
    uri,
    store: { collectionPrefix: 'jwts_', clock },
    fastify: { logger: { level: 'warn', stream: { write (line: string) { warnings.push(line) } } } },
    jwt: { validators: [validator('shop', { signatureType: 'public_key', publicKeyAlgorithm: 'ES256', publicKeyJwkUri: keySetUrl, audience: 'shop', typ: 'at+jwt' })] },
    routes (app) {
      const { store } = app
      const records = store.records<StoredClient>(clientKind)
      const cacheOptions = { changes: store.changes, clock, maxStaleMs: 5 * minute }
      const openClients = new OpenClients(records, new ConfirmedCache(cacheOptions), new ConfirmedCache(cacheOptions))
      const clients = new Clients({
        records,
        secrets: new ClientSecrets({ keyRing: store.keyRing }),
        keys: maker,
        now: () => now,
        onChange: (id) => { openClients.forget(id) },
        revokeAll: async () => {}
      })
      const published = new PublishedKeys({ clients: () => openClients.all(), now: () => now, maxTokenMs: day })
      localKeySetsOf(store).serve(keySetUrl, () => published.current())
      const minter = jwts({ subjects: new Subjects(store.documents<SubjectDocument>('subjects', []), randomBytes) })
      provider = { clients, keys: new Keys({ clients, records, now: () => now, maxTokenMs: day }), openClients, minter }
      app.get('/orders', { config: { auth: 'jwt_shop' } }, async ({ jwtPayload }) => jwtPayload)
      app.get('/stored', { config: { auth: 'jwt_stored' } }, async () => 'in')
    }
  })
  await app.ready()
  if (provider === undefined) return t.fail('must be registered')
  const { clients, keys, openClients, minter } = provider
  const mintNow = async (): Promise<string> => {
    const client = await openClients.byClientId('shop')
    return client === null ? 'no client' : await mint(client, { issuedAt: now, expiresAt: now + day }, minter)
  }
  const get = async (token: string, url = '/orders') => await app.inject({ url, headers: bearer(token) })

  await clients.create({ name: 'Shop', clientId: 'shop', applicationType: 'web', redirectUris: ['https://shop.example/cb'], tokenType: 'jwt', jwtAlgorithm: 'ES256' })
  const old = await mintNow()
  const answer = await get(old)
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { iss: issuer, aud: 'shop', sub: /^[0-9a-f]{64}$/, user_id: answer.json<{ sub: string }>().sub })
  await app.jwtValidators.create(validator('stored', { signatureType: 'public_key', publicKeyAlgorithm: 'ES256', publicKeyJwkUri: keySetUrl, audience: 'shop' }))
  t.equal((await get(old, '/stored')).statusCode, 200, 'a stored one as well')

  const rotated = await keys.rotate('shop', { immediately: true })
  t.same(rotated.map(({ state }) => state), ['retired', 'signing'])
  const fresh = await mintNow()
  t.equal(decodeProtectedHeader(fresh).kid, rotated.at(-1)?.kid)
  for (const token of [old, fresh]) t.equal((await get(token)).statusCode, 200, 'nobody waits for a cooldown')
  t.same((await keys.list()).map(({ clientId, state }) => [clientId, state]), [['shop', 'retired'], ['shop', 'signing']])
  t.equal(createPublicKey((await clients.get('shop'))?.jwtPublicKey ?? '').asymmetricKeyType, 'ec')

  now += minute
  await keys.rotate('Shop')
  t.equal(decodeProtectedHeader(await mintNow()).kid, rotated.at(-1)?.kid)
  now += hour
  const newest = await mintNow()
  t.equal(decodeProtectedHeader(newest).kid, (await keys.list()).at(-1)?.kid)
  for (const token of [old, fresh, newest]) t.equal((await get(token)).statusCode, 200)

  await clients.remove('shop')
  for (const token of [old, fresh, newest]) for (const url of ['/orders', '/stored']) t.equal((await get(token, url)).statusCode, 401, 'a removed client\'s keys count no more')
  t.same(warnings.filter((line) => line.includes('key set')), [])
})
