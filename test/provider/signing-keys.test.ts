import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import t from 'tap'
import { jwtAlgorithms, type ClientKey, type JwtAlgorithm, type StoredClient } from '../../lib/provider/client-schema.js'
import type { Clients } from '../../lib/provider/clients.js'
import { Keys } from '../../lib/provider/keys.js'
import { jwkSet, publicKeyPem, PublishedKeys } from '../../lib/provider/published-keys.js'
import { KeyMaker, publicKeyOf, publishedKeys, signingKeyOf, type KeySet } from '../../lib/provider/signing-keys.js'
import { storedClient } from './stored-client.js'

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
const start = Date.UTC(2026, 10, 1)
const maker = new KeyMaker({ overlapMs: hour, maxTokenMs: day })
const unfit = { code: 'DWA_PROVIDER_INVALID_KEY', statusCode: 400, message: 'The private key doesn\'t fit the selected algorithm!', field: 'jwtPrivateKey' }

/** A client whose keys were rotated at these times, in milliseconds after the start. */
async function rotated (...rotations: ReadonlyArray<{ readonly at: number, readonly immediately?: boolean }>): Promise<KeySet> {
  let set = await maker.first('ES256', undefined, start)
  for (const { at, immediately = false } of rotations) set = await maker.next(storedClient({ keys: set.keys }), JSON.stringify(set.privateKeys), start + at, immediately)
  return set
}

const kids = (keys: readonly ClientKey[]) => keys.map(({ kid }) => kid)

const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8') => key.export({ type, format: 'pem' }).toString()
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curves = Object.fromEntries((['P-256', 'P-384', 'P-521', 'secp256k1'] as const).map((namedCurve) => [namedCurve, generateKeyPairSync('ec', { namedCurve }).privateKey]))
const p256 = curves['P-256'] ?? rsa.privateKey
const ed25519 = generateKeyPairSync('ed25519').privateKey

t.test('security 37, 39: a generated key is of its algorithm\'s type, curve and strength', async (t) => {
  const expected: Record<JwtAlgorithm, object | number> = {
    HS256: 32,
    HS384: 48,
    HS512: 64,
    RS256: { kty: 'RSA' },
    RS384: { kty: 'RSA' },
    RS512: { kty: 'RSA' },
    PS256: { kty: 'RSA' },
    PS384: { kty: 'RSA' },
    PS512: { kty: 'RSA' },
    ES256: { kty: 'EC', crv: 'P-256' },
    ES384: { kty: 'EC', crv: 'P-384' },
    ES512: { kty: 'EC', crv: 'P-521' },
    EdDSA: { kty: 'OKP', crv: 'Ed25519' }
  }
  for (const algorithm of jwtAlgorithms) {
    const { keys: [key], privateKeys } = await maker.first(algorithm, undefined, start)
    if (key === undefined) return t.fail('must have a key')
    const secret = privateKeys[key.kid] ?? ''
    t.match(key, { algorithm, createdAt: start, signsFrom: start, kid: /^[\w-]{22,43}$/ }, algorithm)
    t.same(Object.keys(privateKeys), [key.kid])
    if (key.publicJwk === null) {
      t.equal(Buffer.from(secret, 'base64url').length, expected[algorithm])
      t.equal(publicKeyOf([key], start), null)
      t.not((await maker.first(algorithm, secret, start)).keys[0]?.kid, key.kid, 'an HMAC key\'s id tells nothing of the secret')
      continue
    }
    t.match(key.publicJwk, expected[algorithm])
    t.same(Object.keys(key.publicJwk).filter((member) => !['kty', 'n', 'e', 'crv', 'x', 'y'].includes(member)), [], 'nothing private')
    t.equal(key.kid, await calculateJwkThumbprint(key.publicJwk), 'RFC 7638')
    t.match(secret, /^-----BEGIN PRIVATE KEY-----/)
    t.same(createPublicKey(secret).export({ format: 'jwk' }), key.publicJwk)
    t.same(createPublicKey(publicKeyOf([key], start) ?? '').export({ format: 'jwk' }), key.publicJwk)
    if (key.publicJwk['kty'] === 'RSA') t.match(createPrivateKey(secret).asymmetricKeyDetails, { modulusLength: 2048, publicExponent: 65537n })
  }
})

t.test('a key made elsewhere is taken in every form of PEM, and kept in one', async (t) => {
  const cases: Array<[JwtAlgorithm, string]> = [
    ['RS256', pem(rsa.privateKey)], ['PS512', pem(rsa.privateKey, 'pkcs1')], ['ES256', pem(p256, 'sec1')], ['ES256', `Bag Attributes\n${pem(p256)}`.replaceAll('\n', '\r\n')],
    ['ES384', pem(curves['P-384'] ?? p256)], ['ES512', pem(curves['P-521'] ?? p256)], ['EdDSA', pem(ed25519)]
  ]
  for (const [algorithm, text] of cases) {
    const { keys: [key], privateKeys } = await maker.first(algorithm, text, start)
    t.same(key?.publicJwk, createPublicKey(text).export({ format: 'jwk' }), algorithm)
    t.equal(privateKeys[key?.kid ?? ''], pem(createPrivateKey(text)))
  }
  const secret = 'x'.repeat(31) + 'ü'
  t.same(Object.values((await maker.first('HS256', secret, start)).privateKeys), [secret])
})

t.test('security 37: a key that is not for the algorithm is refused with one sentence', async (t) => {
  const rsaPss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey
  const keys = { rsa: rsa.privateKey, rsaPss, ...curves, ed25519, x25519: generateKeyPairSync('x25519').privateKey }
  const fits: Record<string, readonly string[]> = { rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'], 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512'], ed25519: ['EdDSA'] }
  for (const [name, key] of Object.entries(keys)) {
    for (const algorithm of jwtAlgorithms) {
      if (fits[name]?.includes(algorithm) === true) await t.resolves(maker.first(algorithm, pem(key), start), `${name} for ${algorithm}`)
      else await t.rejects(maker.first(algorithm, pem(key), start), unfit, `${name} for ${algorithm}`)
    }
  }
})

t.test('security 38, 39: weak, encrypted, public and broken keys are refused, and none is quoted', async (t) => {
  const withExponentOne = createPrivateKey({ key: { ...rsa.privateKey.export({ format: 'jwk' }), e: 'AQ', d: 'AQ', dp: 'AQ', dq: 'AQ' }, format: 'jwk' })
  const spki = (key: KeyObject) => createPublicKey(pem(key)).export({ type: 'spki', format: 'pem' }).toString()
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'x', format: 'pem' } as const
  const cases: Array<[JwtAlgorithm, string, RegExp]> = [
    ['RS256', pem(short), /too weak: an RSA key needs at least 2048 bits/],
    ['PS256', pem(withExponentOne), /too weak: an RSA key needs a public exponent of at least 3/],
    ['RS256', rsa.privateKey.export({ type: 'pkcs8', ...cipher }).toString(), /is encrypted/],
    ['RS256', rsa.privateKey.export({ type: 'pkcs1', ...cipher }).toString(), /is encrypted/],
    ['RS256', spki(rsa.privateKey), /is no private key/],
    ['RS256', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', /is no private key/],
    ['ES256', pem(p256).replace(/\n.{40}/, '\nsecret'), /cannot be read/],
    ['ES256', 'secret', /is not in PEM/],
    ['RS256', JSON.stringify(rsa.privateKey.export({ format: 'jwk' })), /is not in PEM/],
    ['HS256', 'secret'.repeat(5), /needs at least 32 bytes for HS256, and has 30/],
    ['HS384', 'secret'.repeat(6), /needs at least 48 bytes/],
    ['HS512', 'secret'.repeat(8), /needs at least 64 bytes/],
    ['HS256', '', /must not be empty/],
    ['HS256', 'your-256-bit-secret', /well-known/],
    ['HS256', spki(rsa.privateKey), /doesn't fit/],
    ['HS256', pem(rsa.privateKey), /doesn't fit/],
    ['HS256', createPublicKey(pem(p256)).export({ type: 'spki', format: 'der' }).toString('base64'), /is a public key or certificate/],
    ['HS256', JSON.stringify(createPublicKey(pem(p256)).export({ format: 'jwk' })), /is a public key or certificate/]
  ]
  for (const [algorithm, text, message] of cases) {
    const error: unknown = await maker.first(algorithm, text, start).then(() => null, (reason: unknown) => reason)
    t.match(error, { code: 'DWA_PROVIDER_INVALID_KEY', field: 'jwtPrivateKey', message }, String(message))
    t.equal(error instanceof Error ? error.cause : 'no error', undefined)
    t.notMatch(String(error), /secretsecret|MII/)
  }
})

t.test('security 36: a new key is published first, signs after the overlap, and the old one is published until its last token has expired', async (t) => {
  const { keys: [old] } = await rotated()
  const set = await maker.next(storedClient({ keys: old === undefined ? [] : [old] }), undefined, start + day, false)
  const [first, second] = kids(set.keys)
  const cases: Array<[at: number, signing: string | undefined, published: Array<string | undefined>]> = [
    [day, first, [first, second]],
    [day + hour - 1, first, [first, second]],
    [day + hour, second, [first, second]],
    [day + hour + day, second, [first, second]],
    [day + hour + day + hour - 1, second, [first, second]],
    [day + hour + day + hour, second, [second]]
  ]
  for (const [at, signing, published] of cases) {
    t.equal(signingKeyOf(set.keys, start + at)?.kid, signing, `${at / hour} h`)
    t.same(kids(publishedKeys(set.keys, start + at, day)), published)
  }
  t.equal(signingKeyOf([], start), null)
  t.equal(publicKeyOf([], start), null)
  t.equal(signingKeyOf(set.keys, start - minute)?.kid, first, 'by a clock that is behind the one it was made by')
})

t.test('a rotation prunes what nobody needs, and the private part of what signs no more', async (t) => {
  const twice = await rotated({ at: day }, { at: day + 2 * hour - 1 })
  const [first, second, third] = kids(twice.keys)
  t.equal(twice.keys.length, 3)
  t.same(Object.keys(twice.privateKeys), [first, second, third], 'a process that learns late may still sign with the first')
  const later = await maker.next(storedClient({ keys: twice.keys }), JSON.stringify(twice.privateKeys), start + day + 5 * hour, false)
  t.same(kids(later.keys).slice(0, 3), [first, second, third], 'tokens of the first may live')
  t.same(Object.keys(later.privateKeys), kids(later.keys).slice(2), 'but only the third signs, and then the fourth')
  const muchLater = await maker.next(storedClient({ keys: later.keys }), JSON.stringify(later.privateKeys), start + 5 * day, false)
  t.same(kids(muchLater.keys).slice(0, 1), kids(later.keys).slice(3))
  t.equal(muchLater.keys.length, 2)
  const lost = await maker.next(storedClient({}), undefined, start, false)
  t.equal(lost.keys[0]?.signsFrom, start, 'without another key it signs at once')
})

t.test('a key that is to sign at once also replaces one that waits, which stays published', async (t) => {
  const { keys } = await rotated({ at: day }, { at: day + minute, immediately: true })
  const [first, second, third] = keys
  t.equal(signingKeyOf(keys, start + day + minute - 1), first)
  t.equal(second?.signsFrom, start + day + minute)
  for (const at of [minute, hour, day]) t.equal(signingKeyOf(keys, start + day + at), third)
  t.same(kids(publishedKeys(keys, start + day + hour, day)), kids(keys))
  const queue = await rotated({ at: day }, { at: day })
  t.same(queue.keys.map(({ signsFrom }) => signsFrom - start), [0, day + hour, day + hour], 'of two for the same time the newest signs')
  t.equal(signingKeyOf(queue.keys, start + day + hour), queue.keys[2])
})

t.test('HMAC clients have no keys to rotate, and nobody has more than twenty', async (t) => {
  for (const jwtAlgorithm of ['HS256', 'HS384', 'HS512'] as const) {
    await t.rejects(maker.next(storedClient({ jwtAlgorithm }), undefined, start, false), { code: 'DWA_PROVIDER_INVALID_KEY', message: 'You can only generate private keys for asymmetric algorithms!' })
  }
  const many = await rotated(...Array.from({ length: 19 }, (_one, at) => ({ at, immediately: true })))
  t.equal(many.keys.length, 20)
  await t.rejects(maker.next(storedClient({ keys: many.keys }), undefined, start + hour, true), { code: 'DWA_PROVIDER_INVALID_KEY', message: /has 20 keys whose tokens may still be good/ })
  t.equal((await maker.next(storedClient({ keys: many.keys }), undefined, start + 2 * day, true)).keys.length, 2)
})

t.test('security 36: the key set has public members only, each kid once, with use and alg', async (t) => {
  const fields = async (jwtAlgorithm: JwtAlgorithm, more: Partial<StoredClient> = {}) => {
    const { keys, privateKeys } = await maker.first(jwtAlgorithm, undefined, start)
    return storedClient({ jwtAlgorithm, keys, privateKeys: JSON.stringify(privateKeys), ...more })
  }
  const clients = [...await Promise.all(jwtAlgorithms.map((algorithm) => fields(algorithm))), await fields('ES256', { enabled: false }), storedClient()]
  const { keys } = jwkSet(clients, start, day)
  t.equal(keys.length, 10, 'neither HMAC, nor disabled')
  t.same(keys.map(({ alg }) => alg), jwtAlgorithms.filter((algorithm) => !algorithm.startsWith('HS')))
  t.equal(new Set(keys.map(({ kid }) => kid)).size, keys.length)
  for (const key of keys) {
    t.equal(key['use'], 'sig')
    t.same(Object.keys(key).filter((member) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].includes(member)), [])
  }
  const shared = await Promise.all((['RS256', 'RS256', 'PS256', 'RS256'] as const).map(async (algorithm) => storedClient({ jwtAlgorithm: algorithm, keys: (await maker.first(algorithm, pem(rsa.privateKey), start)).keys })))
  t.strictSame(jwkSet(shared.slice(0, 2), start, day).keys.map(({ alg, use }) => [alg, use]), [['RS256', 'sig']])
  const both = jwkSet(shared, start, day).keys
  t.strictSame(both.map(({ use, kty }) => [use, kty]), [['sig', 'RSA']])
  t.notOk(both[0] !== undefined && 'alg' in both[0], 'one key for two algorithms says neither')
})

t.test('the PEM of a client\'s key is that of the one that signs, and empty for whom there is none', async (t) => {
  const { keys } = await rotated({ at: 0 })
  const shop = storedClient({ keys })
  const pems = [publicKeyPem(shop, start), publicKeyPem(shop, start + hour)]
  t.same(pems.map((text) => createPublicKey(text).export({ format: 'jwk' })), keys.map(({ publicJwk }) => publicJwk))
  const none: Array<[string, StoredClient | null]> = [
    ['unknown', null], ['disabled', storedClient({ keys, enabled: false })], ['opaque tokens', storedClient({ keys, tokenType: 'random' })], ['without keys', storedClient()],
    ['HMAC', storedClient({ jwtAlgorithm: 'HS256', keys: (await maker.first('HS256', undefined, start)).keys })]
  ]
  for (const [what, one] of none) t.equal(publicKeyPem(one, start), '', what)
})

t.test('the provider\'s key set is the same object until its keys change', async (t) => {
  const { keys } = await rotated({ at: day })
  const state: { clients: readonly StoredClient[], now: number, fails: boolean, slow: boolean } = { clients: [storedClient({ keys: keys.slice(0, 1) })], now: start, fails: false, slow: false }
  const published = new PublishedKeys({
    clients () {
      if (state.fails) throw new Error('away')
      return state.slow ? Promise.resolve(state.clients) : state.clients
    },
    now: () => state.now,
    maxTokenMs: day
  })
  const set = published.current()
  t.strictSame('keys' in set && set.keys.map(({ kid }) => kid), [keys[0]?.kid])
  t.equal(published.current(), set)
  state.clients = [storedClient({ keys: keys.slice(0, 1), name: 'Other' })]
  t.equal(published.current(), set, 'what changed was no key')
  state.slow = true
  t.equal(await published.current(), set)
  state.clients = [storedClient({ keys })]
  const both = await published.current()
  t.same(both.keys.map(({ kid }) => kid), kids(keys))
  state.slow = false
  state.now = start + 3 * day
  const one = published.current()
  t.match(one, { keys: [{ kid: keys[1]?.kid }] })
  t.equal('keys' in one && one.keys.length, 1, 'time removes keys as well')
  state.fails = true
  t.throws(() => published.current(), { message: 'away' })
})

t.test('keys are listed with their state, and rotated through the client', async (t) => {
  const { keys } = await rotated({ at: day }, { at: day + 2 * hour })
  const hmac = (await maker.first('HS256', undefined, start)).keys
  let now = start + day + 2 * hour
  const records = [{ fields: storedClient({ keys }) }, { fields: storedClient({ name: 'Till', clientId: 'till', keys: hmac, jwtAlgorithm: 'HS256' }) }, { fields: storedClient({ name: 'Zoo' }) }]
  const asked: unknown[] = []
  const generatePrivateKey: Clients['generatePrivateKey'] = async (...given) => {
    asked.push(given)
    return { ...storedClient(), keys, id: 'r1', version: 3, createdAt: new Date(start), updatedAt: new Date(now), hasClientSecret: true, clientSecrets: [], jwtPublicKey: null }
  }
  const list = async () => records.map((record) => ({ ...record, id: 'r', version: 1, createdAt: new Date(start), updatedAt: new Date(start), secretsSet: [] }))
  const management = new Keys({ clients: { generatePrivateKey }, records: { list, page: refuse, getByName: refuse }, now: () => now, maxTokenMs: day })
  const states = async () => (await management.list()).map(({ clientName, state }) => `${clientName} ${state}`)
  t.same(await states(), ['Shop retired', 'Shop signing', 'Shop published', 'Till signing'])
  const [first, second, third] = keys
  t.match((await management.list())[2], { clientId: 'shop', clientName: 'Shop', kid: third?.kid, algorithm: 'ES256', createdAt: new Date(start + day + 2 * hour), signsFrom: new Date(start + day + 3 * hour) })
  t.notOk(JSON.stringify(await management.list()).includes('"x"'))
  now = start + 4 * day
  t.same(await states(), ['Shop signing', 'Till signing'], 'those that nobody needs are not shown')
  now = start + day + 2 * hour
  const change = { immediately: true, actor: { type: 'user', id: 'u1' } } as const
  t.same((await management.rotate('Shop', change)).map(({ kid }) => kid), [first?.kid, second?.kid, third?.kid])
  await management.rotate('till')
  t.same(asked, [['Shop', change], ['till', {}]])
})

t.test('keys come in pages, for which no more clients are read than it takes', async (t) => {
  const { keys } = await rotated({ at: day }, { at: day + 2 * hour })
  const sameTime = keys.map((key) => ({ ...key, createdAt: start }))
  const clients = Array.from({ length: 350 }, (_, index) => `c${String(index).padStart(3, '0')}`)
    .map((name, index) => ({ id: name, version: 1, createdAt: new Date(start), updatedAt: new Date(start), secretsSet: [], fields: storedClient({ name, clientId: `id-${name}`, keys: index === 0 ? sameTime : index % 50 === 0 || index === 349 ? keys : [] }) }))
  let read = 0
  const counted = <Client>(found: Client[]): Client[] => {
    read += found.length
    return found
  }
  const management = new Keys({
    clients: { generatePrivateKey: refuse },
    records: {
      list: async ({ clientId } = {}) => counted(clients.filter(({ fields }) => clientId === undefined || fields.clientId === clientId)),
      page: async (limit, after = '') => counted(clients.filter(({ fields }) => fields.name > after).slice(0, limit)),
      getByName: async (name) => counted(clients.filter(({ fields }) => fields.name === name)).at(0) ?? null
    },
    now: () => start + day + 2 * hour,
    maxTokenMs: day
  })
  const all = (await management.list()).map(({ clientName, kid }) => `${clientName} ${kid}`)
  t.equal(all.length, 24)
  for (const limit of [1, 2, 5, 24, 100]) {
    const seen: string[] = []
    let page = await management.page(limit)
    for (; page.length > 0; page = await management.page(limit, page.at(-1))) {
      t.ok(page.length <= limit)
      seen.push(...page.map(({ clientName, kid }) => `${clientName} ${kid}`))
    }
    t.strictSame([...seen].sort(), [...all].sort(), `${limit} at a time`)
  }
  const costs: ReadonlyArray<readonly [given: Parameters<Keys['page']>, length: number, clientsRead: number]> = [
    [[2], 2, 100], [[4], 4, 100], [[7], 7, 200], [[100], 24, 350],
    [[2, { clientName: 'c300', createdAt: new Date(0), kid: '' }], 2, 50], [[2, { clientName: 'gone', createdAt: new Date(0), kid: '' }], 0, 0],
    [[100, undefined, { clientId: 'id-c050' }], 3, 1], [[100, undefined, { clientId: 'id-c050', state: 'signing' }], 1, 1], [[2, undefined, { state: 'signing' }], 2, 100]
  ]
  for (const [given, length, clientsRead] of costs) {
    read = 0
    t.strictSame([(await management.page(...given)).length, read <= clientsRead], [length, true], JSON.stringify(given))
  }
})

function refuse (): never {
  throw new Error('this is not to be asked')
}
