import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { secretSignatureCheck, signInput } from '../../lib/jwt/algorithms.js'
import { Authenticator, KnownToken } from '../../lib/jwt/authenticator.js'
import { findClaimProblem, TokenClaims } from '../../lib/jwt/claims.js'
import { encodeInput, splitToken } from '../../lib/jwt/compact-token.js'
import { compileValidator } from '../../lib/jwt/compiled-validator.js'
import { cookieBinding, readCookieToken, signCookieToken, verifyCookieToken } from '../../lib/jwt/cookie-token.js'
import { cookieValues, isCrossSite } from '../../lib/http/cookie-header.js'
import { readBearer } from '../../lib/jwt/bearer.js'
import { parseRouteValue } from '../../lib/jwt/route-value.js'
import { TokenVerifier, VerifiedToken, type TokenResult, type TokenRules } from '../../lib/jwt/token-verifier.js'
import { byName, sole } from '../../lib/jwt/validator-key.js'
import { VerifiedTokens } from '../../lib/jwt/verified-tokens.js'
import { tailHash } from '../../lib/tail-hash.js'
import { signToken } from '../../testing/sign-token.js'

const secret = 'a secret of thirty-two bytes or more'
const seconds = 1_800_000_000
const now = seconds * 1000
const claims = { iss: 'https://issuer', aud: 'api', exp: seconds + 60, iat: seconds - 60 }

function verifier (rules: Partial<TokenRules> = {}): TokenVerifier {
  const check = [secretSignatureCheck('HS256', Buffer.from(secret))]
  return new TokenVerifier({ algorithm: 'HS256', typ: null, issuer: 'https://issuer', audience: ['api', 'other'], clockTolerance: 0, source: { keys: { candidates: () => check } }, ...rules }, () => now)
}

function reason (result: TokenResult | Promise<TokenResult>): string {
  if (result instanceof Promise) return 'promise'
  return 'refused' in result ? result.refused : 'accepted'
}

function sign (header: string, payload: string): string {
  return resign(`${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`)
}

/** Signs two raw segments, whatever they hold. */
function resign (input: string): string {
  return `${input}.${signInput('HS256', Buffer.from(secret), input).toString('base64url')}`
}

const good = signToken(claims, { secret })
const json = JSON.stringify(claims)
const header = '{"alg":"HS256","typ":"JWT"}'

t.test('a right token passes with frozen claims, its scopes and its end of life', async (t) => {
  const result = verifier().verify(signToken({ ...claims, scope: 'read write', deep: { list: [1, { a: 1 }] } }, { secret }))
  if (result instanceof Promise || 'refused' in result) return t.fail('must pass at once')
  t.match(result.claims, claims)
  t.same([...result.scopes], ['read', 'write'])
  t.equal(result.expiresAt, seconds + 60)
  t.match(verifier({ clockTolerance: 5 }).verify(good), { expiresAt: seconds + 65 }, 'clock tolerance included')
  const { deep } = result.claims
  for (const object of [result.claims, deep, Object(deep).list, Object(deep).list[1]]) t.equal(Object.isFrozen(object), true)
})

t.test('security 37: none and every other algorithm is refused, however it is spelt', async (t) => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'HS384', 'hs256', 'HS256 ', 'RS256', '', null, 7, ['HS256'], undefined]) {
    const token = signToken(claims, { secret, header: { alg } })
    t.equal(reason(verifier().verify(token)), 'algorithm', String(alg))
    t.equal(reason(verifier().verify(`${token.slice(0, token.lastIndexOf('.'))}.`)), 'malformed', `${String(alg)}, unsigned`)
  }
})

t.test('security 40: keys and key addresses in the header are never used', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' })
  for (const extra of [{ jwk }, { jku: 'http://127.0.0.1:9/' }, { x5u: 'http://127.0.0.1:9/' }, { x5c: ['MIIB'] }]) {
    t.equal(reason(verifier().verify(signToken(claims, { privateKey, header: extra }))), 'algorithm')
  }
  t.equal(reason(verifier().verify(signToken(claims, { secret, header: { x5t: 'abc', kid: '/dev/null' } }))), 'accepted', 'a right signature decides')
})

t.test('security 41: crit, b64, zip, JWE and JSON serialisation are refused', async (t) => {
  const cases: Array<[string, object]> = [
    ['crit', { crit: ['exp'] }], ['empty crit', { crit: [] }], ['crit not a list', { crit: 'b64' }], ['doubled crit', { crit: ['a', 'a'] }], ['null crit', { crit: null }],
    ['b64 false', { b64: false }], ['b64 text', { b64: 'false' }], ['zip', { zip: 'DEF' }]
  ]
  for (const [name, extra] of cases) t.equal(reason(verifier().verify(signToken(claims, { secret, header: { ...extra } }))), 'header', name)
  t.equal(reason(verifier().verify(signToken(claims, { secret, header: { b64: true } }))), 'accepted', 'b64 true changes nothing')
  for (const token of ['a.b.c.d.e', '{"payload":"e30","signatures":[]}', `${good}.`, `.${good}`, good.replace('.', '..'), '', '.', '..', '...', good.split('.')[0] ?? '']) {
    t.equal(reason(verifier().verify(token)), 'malformed', token.slice(0, 30))
  }
})

t.test('security 42: base64url is strict', async (t) => {
  const [head = '', payload = '', signature = ''] = good.split('.')
  for (const token of [`${good}=`, `${good} `, ` ${good}`, `${head}=.${payload}.${signature}`, `${head}.${payload}?.${signature}`, `${head}.${payload}\n.${signature}`, good.replaceAll('-', '+') + '+', `${good}/`, `${good}\u00e9`]) {
    t.equal(reason(verifier().verify(token)), 'malformed', token.slice(-5))
  }
  const last = signature.at(-1) ?? ''
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const twin = alphabet[alphabet.indexOf(last) ^ 1] ?? ''
  t.same(Buffer.from(signature, 'base64url'), Buffer.from(signature.slice(0, -1) + twin, 'base64url'), 'the same bytes in another spelling')
  t.equal(reason(verifier().verify(`${head}.${payload}.${signature.slice(0, -1)}${twin}`)), 'malformed')
  t.equal(splitToken('A.AA.AA'), null, 'one character is no byte')
})

t.test('security 43: header and payload must be JSON objects in UTF-8 of bounded depth without __proto__', async (t) => {
  for (const payload of ['[]', '"x"', '7', 'null', 'true', '{', '', '{"a":1}x', '{"__proto__":{"admin":true}}', '{"a":{"\\u005f_proto__":1}}', `${'['.repeat(2000)}${']'.repeat(2000)}`, `{"a":${'['.repeat(40)}${']'.repeat(40)}}`]) {
    t.equal(reason(verifier().verify(sign(header, payload))), 'malformed', payload.slice(0, 30))
    t.equal(reason(verifier().verify(sign(payload, json))), 'malformed', `header ${payload.slice(0, 30)}`)
  }
  const invalidUtf8 = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]).toString('base64url')
  t.equal(reason(verifier().verify(resign(`${Buffer.from(header).toString('base64url')}.${invalidUtf8}`))), 'malformed')
  t.equal(reason(verifier().verify(sign(header, json.replace('{', '{"x":"\\ud800",')))), 'accepted', 'a lone surrogate is only text')
  t.equal(reason(verifier().verify(sign(header, json.replace('{', '{"iss":"https://evil",')))), 'accepted', 'of doubled names the last counts, as in JSON.parse')
  t.equal(reason(verifier().verify(sign(header, json.replace('}', ',"iss":"https://evil"}')))), 'issuer')
  t.equal(reason(verifier().verify(sign('{"alg":"HS256","alg":"none"}', json))), 'algorithm')
})

t.test('security 44: exp is required, dates are finite numbers, and the edges are exact', async (t) => {
  const rules = { issuer: 'https://issuer', audience: ['api'], clockTolerance: 0 }
  const cases: Array<[object, string | null]> = [
    [{ exp: undefined }, 'claims'], [{ exp: String(seconds + 60) }, 'claims'], [{ exp: null }, 'claims'], [{ exp: Infinity }, 'claims'], [{ exp: NaN }, 'claims'], [{ exp: -1 }, 'claims'], [{ exp: true }, 'claims'], [{ exp: [seconds + 60] }, 'claims'],
    [{ exp: seconds }, 'expired'], [{ exp: seconds - 1 }, 'expired'], [{ exp: seconds + 0.001 }, null], [{ exp: 0 }, 'expired'],
    [{ nbf: seconds }, null], [{ nbf: seconds + 1 }, 'not_yet_valid'], [{ nbf: '0' }, 'claims'], [{ nbf: null }, 'claims'],
    [{ iat: seconds }, null], [{ iat: seconds + 1 }, 'not_yet_valid'], [{ iat: '0' }, 'claims'], [{ iat: -1 }, 'claims'],
    [{ iss: undefined }, 'issuer'], [{ iss: 'https://issuer/' }, 'issuer'], [{ iss: 'HTTPS://ISSUER' }, 'issuer'], [{ iss: ['https://issuer'] }, 'issuer'],
    [{ aud: undefined }, 'audience'], [{ aud: 'API' }, 'audience'], [{ aud: ['x', 'api'] }, null], [{ aud: [] }, 'audience'], [{ aud: ['x'] }, 'audience'], [{ aud: { api: 1 } }, 'audience'], [{ aud: [['api']] }, 'audience'], [{ aud: 'api,other' }, 'audience'], [{ aud: null }, 'audience']
  ]
  for (const [change, expected] of cases) t.equal(findClaimProblem({ ...claims, ...change }, rules, now), expected, JSON.stringify(change))
  t.equal(reason(verifier().verify(sign(header, json.replace(/"exp":\d+/, '"exp":1e400')))), 'claims')
  const tolerant = { ...rules, clockTolerance: 5 }
  const edges: Array<[object, string | null]> = [[{ exp: seconds - 4 }, null], [{ exp: seconds - 5 }, 'expired'], [{ nbf: seconds + 5 }, null], [{ nbf: seconds + 6 }, 'not_yet_valid'], [{ iat: seconds + 5 }, null], [{ iat: seconds + 6 }, 'not_yet_valid']]
  for (const [change, expected] of edges) t.equal(findClaimProblem({ ...claims, ...change }, tolerant, now), expected, JSON.stringify(change))
  t.equal(findClaimProblem({ ...claims, exp: seconds }, rules, now - 1), null, 'a millisecond before its end')
})

t.test('security 46: typ is compared without letter case and application/', async (t) => {
  const typed = verifier({ typ: 'at+jwt' })
  for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt']) t.equal(reason(typed.verify(signToken(claims, { secret, header: { typ } }))), 'accepted', typ)
  for (const typ of ['JWT', 'logout+jwt', 'at+jwt2', '', undefined, 7, ['at+jwt']]) t.equal(reason(typed.verify(signToken(claims, { secret, header: { typ } }))), 'type', String(typ))
})

t.test('security 47: an overlong token or header is refused unread', async (t) => {
  const longest = 8192
  const padded = (length: number) => signToken({ ...claims, pad: 'x'.repeat(length) }, { secret })
  const room = Math.floor((longest - padded(0).length) * 3 / 4)
  const lengths = [room - 6, room + 6].map((length) => padded(length).length)
  t.ok(Number(lengths[0]) <= longest && Number(lengths[1]) > longest, lengths.join())
  t.same([room - 6, room + 6].map((length) => reason(verifier().verify(padded(length)))), ['accepted', 'malformed'], '8 KB')
  t.equal(reason(verifier().verify(signToken(claims, { secret, header: { pad: 'x'.repeat(2048) } }))), 'malformed')
  const huge = 'a'.repeat(1_000_000)
  for (const text of [huge, `Bearer ${huge}`, `Bearer ${huge}.${huge}.${huge}`, `Bearer ${huge} ${huge}`, 'Bearer '.repeat(150_000), `Bearer ${'.'.repeat(1_000_000)}`, `Bearer ${'a.'.repeat(500_000)}`]) {
    const judge = (): string => {
      const bearer = readBearer(text)
      return typeof bearer === 'string' ? bearer : reason(verifier().verify(bearer.token))
    }
    t.equal(judge(), 'malformed')
    t.ok(atBest(judge) < 5, `${text.slice(0, 12)} ${atBest(judge)} ms`)
  }
})

/** Milliseconds that `run` takes, at the best of five times: whatever else the machine does makes it seem longer. */
function atBest (run: () => unknown): number {
  return Math.min(...Array.from({ length: 5 }, () => {
    const began = performance.now()
    run()
    return performance.now() - began
  }))
}

t.test('scopes come from scope and scp', async (t) => {
  const cases: Array<[object, string[]]> = [[{}, []], [{ scope: 'a b' }, ['a', 'b']], [{ scp: ['c', 'd'] }, ['c', 'd']], [{ scope: 'a', scp: 'b' }, ['a', 'b']], [{ scope: ['a'] }, []], [{ scope: 7, scp: [7, '', null, 'e'] }, ['e']], [{ scope: '' }, []]]
  for (const [given, expected] of cases) t.same([...new TokenClaims({ ...given }).scopes], expected, JSON.stringify(given))
})

t.test('the Authorization header: one scheme in any letter case, one space, one token', async (t) => {
  const cases: Array<[unknown, unknown]> = [
    [undefined, 'missing'], ['', 'missing'], ['  ', 'missing'],
    ['Bearer abc', { token: 'abc' }], ['bearer abc', { token: 'abc' }], ['BEARER abc', { token: 'abc' }],
    ['Bearer', 'malformed'], ['Bearer ', 'malformed'], ['Bearer  abc', 'malformed'], ['Bearer abc def', 'malformed'], ['Bearer abc ', 'malformed'], [' Bearer abc', 'malformed'],
    ['Bearer\tabc', 'malformed'], ['Bearerabc', 'malformed'], ['Basic abc', 'malformed'], ['Token abc', 'malformed'], ['abc', 'malformed'], ['Bearer abc, Bearer def', 'malformed'],
    [['Bearer abc'], 'malformed'], [7, 'malformed'], [null, 'malformed']
  ]
  for (const [header, expected] of cases) t.same(readBearer(header), expected, JSON.stringify(header))
})

t.test('config.auth values', async (t) => {
  const cases: Array<[string, unknown]> = [
    ['jwt', { validator: sole, public: false }], ['public_or_jwt', { validator: sole, public: true }],
    ['jwt_demo', { validator: byName('demo'), public: false }], ['public_or_jwt_demo', { validator: byName('demo'), public: true }], ['jwt_prüfer_2', { validator: byName('prüfer_2'), public: false }], ['jwt__x', { validator: byName('_x'), public: false }],
    ['jwt_', 'malformed'], ['jwt_1x', 'malformed'], ['jwt_a-b', 'malformed'], ['jwt_a.b', 'malformed'], ['jwt_a b', 'malformed'], ['jwt_a\n', 'malformed'],
    ['JWT_demo', 'unclaimed'], ['jwtdemo', 'unclaimed'], ['oauth_provider', 'unclaimed'], ['', 'unclaimed'], ['or_jwt_x', 'unclaimed'], [' jwt', 'unclaimed'], ['jwt\n', 'unclaimed']
  ]
  for (const [value, expected] of cases) t.same(parseRouteValue(value), expected, JSON.stringify(value))
})

t.test('cookies are read by exact name, and doubles are seen', async (t) => {
  const cases: Array<[string | undefined, string[]]> = [
    [undefined, []], ['', []], ['a=1', ['1']], ['b=2; a=1; c=3', ['1']], ['a=1; a=2', ['1', '2']], ['A=1', []], ['xa=1', []], ['a = 1', []], ['a="1"', ['1']], ['a=', ['']], ['a', []], ['b=a=1', []], ['a=x=y', ['x=y']]
  ]
  for (const [header, expected] of cases) t.same(cookieValues(header, 'a'), expected, String(header))
})

t.test('security 51: cross-site is decided by Origin and Fetch Metadata: either may say so', async (t) => {
  const trusted = new Set(['https://app.example'])
  const ask = (method: string, secFetchSite?: string, origin?: string) => isCrossSite({ method, secFetchSite, origin }, trusted)
  for (const method of ['GET', 'HEAD', 'OPTIONS']) t.equal(ask(method, 'cross-site', 'https://evil'), false)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'LINK']) {
    t.same(['same-origin', 'same-site', 'none', 'cross-site', 'nonsense', ''].map((site) => ask(method, site, 'https://app.example')), [false, false, false, true, true, true])
    t.same(['https://app.example', 'https://evil', 'null', 'http://app.example', ''].map((origin) => ask(method, undefined, origin)), [false, true, true, true, true])
    t.equal(ask(method), false, 'no browser')
    const sites = ['same-origin', 'none', 'same-site', 'cross-site']
    for (const origin of ['https://evil', 'http://app.example', 'https://x.app.example', '']) t.strictSame(sites.map((site) => ask(method, site, origin)), [true, true, true, true], `a foreign origin, whatever else is said: ${origin}`)
    for (const origin of ['null', undefined]) t.strictSame(sites.map((site) => ask(method, site, origin)), [false, false, true, true], 'a page without a referrer of the same site need not be ours')
    t.strictSame(sites.map((site) => isCrossSite({ method, secFetchSite: site, origin: 'https://app.example' }, new Set())), [false, false, true, true], 'where no origin is known to be ours')
  }
})

t.test('a cookie token is bound to its validator and its key, and never passes as a Bearer token', async (t) => {
  const rules = { issuer: 'https://issuer', audience: ['api'], clockTolerance: 0 }
  const key = Buffer.from(secret)
  const one = { name: 'one', keySource: 'its key' }
  const cookie = signCookieToken(claims, one, seconds + 1000, { keyId: 'k1', key })
  const verify = (value: string, validator = one, withKey = key, at = now) => {
    const read = readCookieToken(value)
    if (read === null) return 'malformed'
    const result = verifyCookieToken(read, validator, withKey, rules, at)
    return 'refused' in result ? result.refused : result.claims
  }
  t.equal(readCookieToken(cookie)?.keyId, 'k1')
  t.equal(readCookieToken(signCookieToken(claims, one, seconds + 1000, { keyId: null, key }))?.keyId, null)
  for (const value of ['', 'x', good, signToken(claims, { secret, header: { typ: 'dwa-cookie+jwt', kid: 7 } })]) t.equal(readCookieToken(value), null)
  t.same(verify(cookie), { ...claims, exp: seconds + 1000 }, 'all claims, a new exp, the binding taken off')
  t.equal(verify(cookie, { ...one, name: 'two' }), 'foreign_cookie')
  t.equal(verify(cookie, { ...one, keySource: 'another' }), 'foreign_cookie', 'a cookie does not outlive the key of the token it was made from')
  t.equal(verify(cookie, one, Buffer.from(`${secret}x`)), 'signature')
  t.equal(verify(cookie, one, key, now + 1_000_000), 'expired')
  t.equal(verify(good), 'malformed', 'a token of the validator\'s own secret')
  t.equal(verify(signToken({ ...claims, [cookieBinding]: 'one' }, { secret })), 'malformed', 'even with the binding')
  t.equal(verify(sign('{"alg":"HS256","typ":"dwa-cookie+jwt"}', '[]')), 'malformed')
  t.equal(verify(signCookieToken({ ...claims, iss: 'https://evil' }, one, seconds + 1000, { keyId: null, key })), 'issuer')
  t.equal(reason(verifier().verify(cookie)), 'foreign_cookie', 'same secret, right issuer and audience: still no Bearer token')
})

interface Noted { readonly validator: { readonly serial: number }, readonly text: string, readonly claims: object }

t.test('verified tokens are kept from their second use on, for one validator, bounded, and forgotten oldest first', async (t) => {
  const [one, two] = [{ serial: 1 }, { serial: 2 }]
  const kept = new VerifiedTokens<Noted>(5)
  const token = (validator: { readonly serial: number }, text: string): Noted => ({ validator, text, claims: {} })
  const use = (...tokens: readonly Noted[]): void => { for (const each of tokens) for (let time = 1; time <= 2; time++) kept.set(each) }
  const a = token(one, 'a')
  kept.set(a)
  t.equal(kept.get(one, 'a'), null, 'seen once')
  kept.set(a)
  t.equal(kept.get(one, 'a'), a)
  t.equal(kept.get(two, 'a'), null, 'security 48: another validator, or another revision of it, finds nothing')
  const ofTwo = token(two, 'a')
  use(ofTwo)
  t.same([kept.get(one, 'a') === a, kept.get(two, 'a') === ofTwo], [true, true], 'the same token for two validators')
  for (let index = 0; index < 5; index++) use(token(one, `b${index}`))
  t.equal(kept.get(one, 'a'), a, 'used again, so it is young again')
  for (let index = 0; index < 3; index++) use(token(one, `c${index}`))
  t.same([kept.get(one, 'b0'), kept.get(one, 'a') === a], [null, true])
  for (let index = 3; index < 12; index++) use(token(one, `c${index}`))
  t.equal(kept.get(one, 'a'), null)
  const newer = token(one, 'a')
  use(a, newer)
  t.equal(kept.get(one, 'a'), newer, 'the newer result')
  const off = new VerifiedTokens<Noted>(0)
  off.set(a)
  off.set(a)
  t.equal(off.get(one, 'a'), null)
})

t.test('one token is known to each validator that has accepted it', async (t) => {
  const fields = { name: 'one', signatureType: 'secret', secretAlgorithm: 'HS256', issuer: 'https://issuer', audience: ['api'], clockTolerance: 0 } as const
  const validators = [1, 2].map((version) => compileValidator({ id: null, version, fields: fields as never, secrets: { secretKey: secret }, next: null }, () => t.fail('there is no key set') as never, () => now))
  const kept = new VerifiedTokens<KnownToken>(5)
  const tokens = validators.map((validator) => new KnownToken(validator, `Bearer ${good}`, new VerifiedToken({}, Infinity, null)))
  for (const token of [...tokens, ...tokens]) kept.set(token)
  t.strictSame(validators.map((validator, index) => kept.get(validator, `Bearer ${good}`) === tokens[index]), [true, true])
})

t.test('of tokens that come once one in 100 is kept at most, and a first use is remembered for as many others as are kept', async (t) => {
  const validator = { serial: 1 }
  const [first = '', ...others] = Array.from({ length: 5001 }, (_, index) => resign(`token ${index}`))
  const use = (texts: readonly string[]): VerifiedTokens<Noted> => {
    const kept = new VerifiedTokens<Noted>(1000)
    for (const text of texts) kept.set({ validator, text, claims: {} })
    return kept
  }
  const once = use(others)
  const taken = others.filter((text) => once.get(validator, text) !== null)
  t.ok(taken.length <= others.length / 100, `${taken.length} of ${others.length}`)
  const remembered = (between: number): boolean => use([first, ...others.slice(0, between), first]).get(validator, first) !== null
  t.strictSame([999, 1500, 2500].map(remembered), [true, true, false])
})

t.test('security 48: the whole token and the validator are compared, however alike two of them end; the last one is kept', async (t) => {
  const kept = new VerifiedTokens<Noted>(1000)
  const validator = { serial: 1 }
  const tokens = Array.from({ length: 100 }, (_, index) => ({ validator, text: `${index}: the very same signature, to the last character`, claims: { index } }))
  const found = (): Noted[] => tokens.flatMap(({ text }) => kept.get(validator, text) ?? [])
  for (const [index, token] of tokens.entries()) {
    kept.set(token)
    kept.set(token)
    t.strictSame(found(), [tokens[index]])
  }
  const another = (): Noted | null => kept.get({ serial: 1 }, String(tokens.at(-1)?.text))
  t.equal(another(), null)
  for (let other = 0; other < 1500; other++) for (let use = 1; use <= 2; use++) kept.set({ validator, text: resign(`token ${other}`), claims: {} })
  t.equal(another(), null, 'nor among those that will be forgotten next')
  t.strictSame(found(), [tokens.at(-1)])
})

t.test('a kept token that expires while its validator is read is looked at anew', async (t) => {
  let time = 1000
  const validator = {
    name: 'one',
    fields: { userIdStrategy: 'static' },
    next: null,
    verifier: { holds: (_token: object, at: number) => at < 1500, verify: () => ({ refused: 'expired' }) }
  }
  const known = new KnownToken(validator as never, 'Bearer a.b.c', new VerifiedToken({}, Infinity, null))
  known.userId = 'u-1'
  const decide = async (takes: number): Promise<unknown> => {
    const first = async (): Promise<never> => { time += takes; return validator as never }
    const authenticator = new Authenticator({ verified: { get: () => known }, now: () => time } as never)
    return await authenticator.decide({ first, public: false }, { authorization: 'Bearer a.b.c', cookie: undefined, scopes: [], method: 'GET', origin: undefined, secFetchSite: undefined, request: {} })
  }
  t.equal(await decide(100), known)
  t.match(await decide(1000), { refusals: [{ reason: 'expired' }] })
})

t.test('texts that end differently are told apart by a number', async (t) => {
  const random = (): string => randomBytes(9).toString('base64url')
  t.ok(new Set(Array.from({ length: 1000 }, () => tailHash(random()))).size > 990)
  const last = random().slice(1)
  t.equal(new Set([...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].flatMap((one) => [tailHash(last + one), tailHash(one + last)])).size, 52, 'each of the last characters counts')
})

t.test('fuzz: no text is a token, a bearer header or a cookie, and none makes anything throw', async (t) => {
  const one = verifier()
  const key = Buffer.from(secret)
  const rules = { issuer: 'https://issuer', audience: ['api'], clockTolerance: 0 }
  const segment = fc.oneof(fc.base64String().map((text) => text.replace(/=+$/, '')), fc.string(), fc.json().map((text) => Buffer.from(text).toString('base64url')))
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }), fc.json(), fc.tuple(segment, segment, segment).map((parts) => parts.join('.')), fc.array(segment).map((parts) => parts.join('.')),
    fc.tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 3 })).map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1)).filter((text) => text !== good)
  )
  const isRefused = (text: string): boolean => {
    const result = one.verify(text)
    const read = readCookieToken(text)
    const cookie = read === null ? { refused: true } : verifyCookieToken(read, { name: 'one', keySource: '' }, key, rules, now)
    readBearer(text)
    cookieValues(text, 'a')
    return !(result instanceof Promise) && 'refused' in result && 'refused' in cookie
  }
  t.doesNotThrow(() => fc.assert(fc.property(texts, (text) => {
    const began = performance.now()
    const refused = isRefused(text)
    return refused && (performance.now() - began < 5 || atBest(() => isRefused(text)) < 5)
  }), { seed: 20261121, numRuns: 4000 }))
  const headers = fc.dictionary(fc.constantFrom('alg', 'typ', 'kid', 'crit', 'b64', 'zip', 'jwk', 'cty'), fc.jsonValue())
  t.doesNotThrow(() => fc.assert(fc.property(headers, fc.dictionary(fc.constantFrom('iss', 'aud', 'exp', 'nbf', 'iat', 'sub', 'scope'), fc.jsonValue()), (head, payload) => {
    const result = one.verify(`${encodeInput({ alg: 'HS256', ...head }, payload)}.${'A'.repeat(43)}`)
    const signed = one.verify(signToken({ exp: undefined, iat: undefined, ...payload }, { secret, header: head, algorithm: 'HS256' }))
    return !(result instanceof Promise) && 'refused' in result && !(signed instanceof Promise) && 'refused' in signed
  }), { seed: 20261121, numRuns: 4000 }))
})
