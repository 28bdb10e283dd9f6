import { generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto'
import t from 'tap'
import { algorithms, findMisfit, publicKeySignatureCheck, secretSignatureCheck, signInput, type PublicKeyAlgorithmName } from '../../lib/jwt/algorithms.js'
import { keysOfSet, keysOfText, maxKeys } from '../../lib/jwt/public-keys.js'
import { findSecretProblem } from '../../lib/jwt/secret-strength.js'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const pairs = new Map<PublicKeyAlgorithmName, { publicKey: KeyObject, privateKey: KeyObject }>([
  ['RS256', rsa], ['RS384', rsa], ['RS512', rsa], ['PS256', rsa], ['PS384', rsa], ['PS512', rsa],
  ['ES256', ec('P-256')], ['ES384', ec('P-384')], ['ES512', ec('P-521')], ['ES256K', ec('secp256k1')],
  ['EdDSA', generateKeyPairSync('ed25519')]
])

function jwkOf (key: KeyObject, members: JsonWebKey = {}): JsonWebKey {
  return { ...key.export({ format: 'jwk' }), ...members }
}

t.test('every algorithm accepts its own signature and refuses an altered input, an altered signature and a cut one', async (t) => {
  for (const [algorithm, { publicKey, privateKey }] of pairs) {
    const check = publicKeySignatureCheck(algorithm, publicKey)
    const signature = signInput(algorithm, privateKey, 'a.b')
    t.equal(check('a.b', signature), true, algorithm)
    t.equal(check('a.c', signature), false, algorithm)
    t.equal(check('a.b', Buffer.from(signature.map((byte, index) => index === 5 ? byte ^ 1 : byte))), false, algorithm)
    t.equal(check('a.b', signature.subarray(1)), false, algorithm)
    t.equal(check('a.b', Buffer.alloc(signature.length)), false, `${algorithm}: all zero`)
  }
  for (const algorithm of ['HS256', 'HS384', 'HS512'] as const) {
    const secret = Buffer.alloc(64, 7)
    const check = secretSignatureCheck(algorithm, secret)
    const signature = signInput(algorithm, secret, 'a.b')
    t.equal(signature.length, algorithms[algorithm].bytes)
    t.same([check('a.b', signature), check('a.c', signature), check('a.b', signature.subarray(1))], [true, false, false])
  }
  t.throws(() => signInput('RS256', Buffer.alloc(32), 'a.b'), /private key/)
})

t.test('security 37: an algorithm takes only its key type and curve', async (t) => {
  for (const [algorithm, { publicKey }] of pairs) {
    t.equal(findMisfit(algorithm, publicKey), null, algorithm)
    for (const [other, { publicKey: key }] of pairs) {
      const sameKind = algorithms[other].keyTypes[0] === 'rsa' && algorithms[algorithm].keyTypes[0] === 'rsa'
      if (other !== algorithm && !sameKind) t.type(findMisfit(algorithm, key), 'string', `${algorithm} with a key for ${other}`)
    }
  }
  t.equal(findMisfit('EdDSA', generateKeyPairSync('ed448').publicKey), null)
})

t.test('security 39: weak RSA keys are refused', async (t) => {
  t.match(findMisfit('RS256', generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), /2048 bits/)
  const { n = '' } = jwkOf(rsa.publicKey)
  t.throws(() => keysOfText(JSON.stringify({ kty: 'RSA', n, e: 'AQ' }), 'RS256'), /exponent|usable/)
})

t.test('security 38, 39: HMAC secrets that are short, well known or public keys are refused', async (t) => {
  const pem = String(rsa.publicKey.export({ format: 'pem', type: 'spki' }))
  const der = rsa.publicKey.export({ format: 'der', type: 'spki' })
  const pkcs1 = rsa.publicKey.export({ format: 'der', type: 'pkcs1' })
  const refused: Array<[string, RegExp]> = [
    ['', /empty/],
    ['x'.repeat(31), /at least 32 bytes for HS256, and has 31/],
    ['your-256-bit-secret', /well-known/],
    [' A-STRING-SECRET-AT-LEAST-256-BITS-LONG', /well-known/],
    [pem, /public key/], [` \n${pem}`, /public key/], [`\uFEFF${pem}`, /public key/], [pem.replaceAll('\n', '\r\n'), /public key/], [`junk ${pem}`, /public key/],
    [pem.replace(/-----[^-]+-----/g, ''), /public key/],
    [der.toString('latin1'), /public key/], [der.toString('base64'), /public key/], [pkcs1.toString('base64'), /public key/],
    [JSON.stringify(jwkOf(rsa.publicKey)), /public key/], [JSON.stringify({ keys: [jwkOf(rsa.publicKey)] }), /public key/],
    ['ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7', /public key/]
  ]
  for (const [secret, problem] of refused) t.match(findSecretProblem(secret, 'HS256', false), problem, secret.slice(0, 30))
  t.match(findSecretProblem('x'.repeat(47), 'HS384', false), /48 bytes/)
  t.match(findSecretProblem('x'.repeat(63), 'HS512', false), /64 bytes/)
  for (const secret of ['x'.repeat(32), 'ü'.repeat(16), '{"just":"json, thirty-two bytes or more"}', `0${'y'.repeat(40)}`]) t.equal(findSecretProblem(secret, 'HS256', false), null, secret)
  t.equal(findSecretProblem('short', 'HS256', true), null, 'allowed for migration')
  t.match(findSecretProblem('secret', 'HS256', true), /well-known/, 'not even for migration')
  t.match(findSecretProblem('', 'HS256', true), /empty/)
})

t.test('a validator\'s publicKey may be PEM, a JWK or a JWK Set', async (t) => {
  const { publicKey, privateKey } = rsa
  const pem = String(publicKey.export({ format: 'pem', type: 'spki' }))
  for (const text of [pem, JSON.stringify(jwkOf(publicKey)), JSON.stringify({ keys: [jwkOf(publicKey)] })]) {
    const [check] = keysOfText(text, 'RS256').candidates(undefined)
    t.equal(check?.('a.b', signInput('RS256', privateKey, 'a.b')), true)
  }
  t.equal(keysOfText(pem, 'RS256').candidates('any').length, 1, 'a PEM has no kid: it serves for every one')
  const named = keysOfText(JSON.stringify(jwkOf(publicKey, { kid: 'k1' })), 'RS256')
  t.same(['k1', undefined, 'k2', 7].map((kid) => named.candidates(kid).length), [1, 1, 0, 0])
  const refused: Array<[string, RegExp]> = [
    ['nonsense', /not a public key/],
    ['{"kty":', /neither PEM nor JSON/],
    ['{"kty":"RSA"}', /not a usable public JWK/],
    ['{"foo":1}', /not a JWK Set/],
    ['{"keys":[]}', /no key that fits RS256/],
    [JSON.stringify({ keys: [jwkOf(ec('P-256').publicKey)] }), /no key that fits RS256/],
    [JSON.stringify(jwkOf(privateKey)), /private/],
    [String(privateKey.export({ format: 'pem', type: 'pkcs8' })), /private key/],
    [JSON.stringify(jwkOf(publicKey, { use: 'enc' })), /not for verifying/], [JSON.stringify(jwkOf(publicKey, { alg: 'RS512' })), /not for verifying/], [JSON.stringify(jwkOf(publicKey, { key_ops: ['encrypt'] })), /not for verifying/],
    [JSON.stringify(jwkOf(ec('P-256').publicKey)), /RS256 needs a key of type rsa, not ec/]
  ]
  for (const [text, problem] of refused) t.throws(() => keysOfText(text, 'RS256'), problem, text.slice(0, 30))
})

t.test('of a key set, only public keys for signing that fit the algorithm are used, and kid is an exact string', async (t) => {
  const key = jwkOf(rsa.publicKey)
  const set = keysOfSet({
    keys: [
      { ...key, kid: 'good' }, { ...key, kid: 'sig', use: 'sig', alg: 'RS256' }, { ...key, kid: 'ops', key_ops: ['verify'] },
      { ...key, kid: 'enc', use: 'enc' }, { ...key, kid: 'other-alg', alg: 'RS512' }, { ...key, kid: 'sign-only', key_ops: ['sign'] },
      jwkOf(rsa.privateKey, { kid: 'private' }), { kty: 'oct', k: 'c2VjcmV0', kid: 'oct' }, jwkOf(ec('P-256').publicKey, { kid: 'ec' }), { kty: 'RSA', kid: 'broken' },
      'text', null, 7
    ]
  }, 'RS256')
  for (const kid of ['good', 'sig', 'ops']) t.equal(set.candidates(kid).length, 1, kid)
  for (const kid of ['enc', 'other-alg', 'sign-only', 'private', 'oct', 'ec', 'broken', 'GOOD', 'good ', '__proto__', 'constructor', '../good', '/dev/null', '|sleep 5', 7, null, {}, ['good']]) {
    t.equal(set.candidates(kid).length, 0, String(kid))
  }
  t.equal(set.candidates(undefined).length, 0, 'without kid, one of several keys is a guess')
  t.equal(keysOfSet({ keys: [key] }, 'RS256').candidates(undefined).length, 1)
  t.equal(keysOfSet({ keys: [{ ...key, kid: 'same' }, { ...key, kid: 'same' }] }, 'RS256').candidates('same').length, 2)
  t.equal(keysOfSet({ keys: Array(maxKeys).fill(key) }, 'RS256').candidates('x').length, 0)
  t.throws(() => keysOfSet({ keys: Array(maxKeys + 1).fill(key) }, 'RS256'), /more than 100 keys/)
  for (const value of [null, [], 'x', 7, {}, { keys: {} }]) t.throws(() => keysOfSet(value, 'RS256'), /not a JWK Set/)
})
