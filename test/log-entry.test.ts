import t from 'tap'
import fc from 'fast-check'
import mongoose from 'mongoose'
import { canonicalJson } from '../lib/log/canonical-json.js'
import { Heads, readHeads } from '../lib/log/heads.js'
import { draftEntry, ownDraft } from '../lib/log/log-draft.js'
import { redact, redactText } from '../lib/log/redact.js'
import { rememberFirst } from '../lib/log/remember-first.js'
import { Sampler } from '../lib/log/sampler.js'
import { isIntact, seal, toLogEntry, type LogDocument } from '../lib/log/seal.js'
import { ManualClock } from './manual-clock.js'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'
const opaque = 'Zx8Qp2LmN4vR7tYwB1cD3eF5gH6jK9sA0uI'

t.test('canonical JSON sorts members by code units and writes numbers as ECMAScript does (RFC 8785, 3.2)', async (t) => {
  const cases: Array<[Parameters<typeof canonicalJson>[0], string]> = [
    [{ b: 1, a: [true, null, 'x'] }, '{"a":[true,null,"x"],"b":1}'],
    [{ '€': 1, '\r': 2, 1: 3, '\ud83d\ude00': 4, ö: 5 }, '{"\\r":2,"1":3,"ö":5,"€":1,"😀":4}'],
    [[333333333.3333333, 1e30, 4.5, 2e-3, 1e-27, -0], '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]'],
    ['\u20ac$\u000F\nA\'B"\\/', '"€$\\u000f\\nA\'B\\"\\\\/"']
  ]
  for (const [value, expected] of cases) t.equal(canonicalJson(value), expected)
  for (const value of [NaN, Infinity]) t.throws(() => canonicalJson({ a: [value] }), TypeError)
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    t.same(JSON.parse(canonicalJson(JSON.parse(JSON.stringify(value)))), JSON.parse(JSON.stringify(value)))
  }), { numRuns: 200, seed: 7 })
  fc.assert(fc.property(fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 3 }), { maxLength: 100, size: 'max' }), (names) => {
    const value = Object.fromEntries(names.map((name) => [name, 0]))
    t.equal(canonicalJson(value), `{${[...names].sort().map((name) => `${JSON.stringify(name)}:0`).join(',')}}`)
  }), { numRuns: 200, seed: 7 })
})

t.test('what was made of the first names is remembered, and of no long one', async (t) => {
  const made: string[] = []
  const twice = rememberFirst((text) => {
    made.push(text)
    return text + text
  }, 2)
  const long = 'x'.repeat(101)
  for (const text of ['', long, 'a', 'b', '', 'a', 'b', long]) t.equal(twice(text), text + text)
  t.strictSame(made, ['', long, 'a', 'b', 'b', long])
})

t.test('52. an entry never holds a token, code, secret, password, DSN or a URL with a query', async (t) => {
  const texts: Array<[string, string]> = [
    [`Bearer ${opaque}`, 'Bearer [redacted]'],
    ['Basic dXNlcjpwdw', 'Basic [redacted]'],
    ['sent token hunter2 again', 'sent token [redacted] again'],
    ['my-DPoP  abcdef', 'my-DPoP [redacted]'],
    ['a tokens hunter2 kept', 'a tokens hunter2 kept'],
    [`token ${jwt} refused`, 'token [redacted] refused'],
    ['https://ann:pw@docs.example/a/b?code=1#x', 'https://docs.example/a/b'],
    ['https://docs.example?code=1', 'https://docs.example'],
    ['mongodb://u:p@h1:1,h2:2/db?replicaSet=r', 'mongodb://h1:1,h2:2/db'],
    ['GET /callback?code=abc&state=xyz failed', 'GET /callback failed'],
    ['client_secret=abc and code=xyz', 'client_secret=[redacted] and code=[redacted]'],
    [`got ${opaque}`, 'got [redacted]'],
    ['got 0123456789abcdef0123456789abcdef', 'got [redacted]'],
    ['3f2504e0-4f89-11d3-9a0c-0305e82c3301', '3f2504e0-4f89-11d3-9a0c-0305e82c3301'],
    ['an-ordinary-name-of-some-length-that-is-no-secret', 'an-ordinary-name-of-some-length-that-is-no-secret'],
    ['plain words, 42 of them', 'plain words, 42 of them']
  ]
  for (const [given, expected] of texts) t.equal(redactText(given), expected)

  t.same(redact({
    accessToken: 'a',
    client_secret: 'b',
    password: 1234,
    code: 'abc',
    sentryDsn: 'https://k@s/1',
    Authorization: 'x',
    cookie: { a: 1 },
    clientAssertion: ['x'],
    privateKey: 'x',
    tokenType: 'bearer',
    cookieEnabled: true,
    token: true,
    code2: 'x',
    secrets: null,
    authCode: 4711
  }), {
    accessToken: '[redacted]',
    client_secret: '[redacted]',
    password: '[redacted]',
    code: '[redacted]',
    sentryDsn: '[redacted]',
    Authorization: '[redacted]',
    cookie: '[redacted]',
    clientAssertion: '[redacted]',
    privateKey: '[redacted]',
    tokenType: 'bearer',
    cookieEnabled: true,
    token: true,
    code2: 'x',
    secrets: null,
    authCode: '[redacted]'
  })
  t.same(redact({ code: 'DWA_JWT_INVALID_TOKEN', statusCode: 401, errorCode: 'invalid_grant', kid: opaque, changed: ['secretKey'], count: 3 }),
    { code: 'DWA_JWT_INVALID_TOKEN', statusCode: 401, errorCode: 'invalid_grant', kid: opaque, changed: ['secretKey'], count: 3 }, 'what opens nothing stays')
})

t.test('redaction takes no more than a moment, whatever it is given', async (t) => {
  for (const text of ['a'.repeat(50_000), 'eyJ'.repeat(20_000), '/'.repeat(50_000), 'http:'.repeat(10_000), 'code'.repeat(10_000), 'a-'.repeat(20_000)]) {
    const began = performance.now()
    draftEntry(0, 'a.b', { message: text, details: { text, [text]: text } }, false)
    t.ok(performance.now() - began < 50, text.slice(0, 8))
  }
})

t.test('a draft is plain, bounded JSON that later changes do not reach', async (t) => {
  const details = { when: new Date(0), bad: new Date(NaN), error: new TypeError('no'), big: 12n, nan: NaN, bytes: Buffer.from('x'), fn: () => 1, undef: undefined, 'a.b': 1, $set: 2, list: [undefined, 1], deep: { a: { b: { c: { d: { e: 1 } } } } }, half: '\ud800x' }
  const draft = draftEntry(5, 'thing.done', { actor: { type: 'user', id: 'u' }, target: { type: 'thing', id: null }, requestId: 'r', message: 'm', level: 'error', details }, false)
  details.list.push(2)
  t.same(draft, {
    at: new Date(5),
    event: 'thing.done',
    level: 'error',
    actor: { type: 'user', id: 'u' },
    target: { type: 'thing', id: null, name: null },
    requestId: 'r',
    message: 'm',
    details: { when: '1970-01-01T00:00:00.000Z', bad: null, error: 'TypeError: no', big: '12', nan: 'NaN', bytes: '[binary]', a_b: 1, _set: 2, list: [null, 1], deep: { a: { b: { c: { d: '[nested]' } } } }, half: '\ufffdx' }
  })
  const long = draftEntry(0, 'thing.done', { message: 'word '.repeat(200), details: { a: 'x y '.repeat(200), b: 'x y '.repeat(300), c: 'x y '.repeat(300), d: 'x y '.repeat(300), e: 'x y '.repeat(300), f: 1 } }, false)
  t.equal(long.message?.length, 500)
  t.equal(long.details['truncated'], true)
  t.ok(JSON.stringify(long.details).length <= 4096)
  t.equal(draftEntry(0, 'thing.done', { message: 'x'.repeat(499) + '😀' }, false).message?.length, 499, 'no half characters')
  const proto = draftEntry(0, 'thing.done', { details: JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown> }, false)
  t.same(Object.keys(proto.details), ['_proto_'])
  for (const event of ['', 'thing', 'Thing.done', 'thing.', '$where.x', 'a b.c']) t.throws(() => draftEntry(0, event, {}, false), TypeError, event)
})

t.test('addresses and user names are kept only when asked for', async (t) => {
  const personal = { ip: '10.0.0.1', userName: 'ann' }
  t.notOk('personal' in draftEntry(0, 'thing.done', { personal }, false))
  t.same(draftEntry(0, 'thing.done', { personal }, true).personal, personal)
  t.same(draftEntry(0, 'thing.done', { personal: { ip: '10.0.0.1' } }, true).personal, { ip: '10.0.0.1' })
  t.same(draftEntry(0, 'thing.done', { personal: { userName: 'ann' } }, true).personal, { userName: 'ann' })
  t.notOk('personal' in draftEntry(0, 'thing.done', {}, true))
})

t.test('a seal breaks when anything in the entry changes', async (t) => {
  const key = Buffer.alloc(32, 3)
  const id = new mongoose.mongo.ObjectId()
  const entry = seal(id, draftEntry(1, 'thing.done', { message: 'm', details: { a: [1, 'x'] }, target: { type: 'thing', id: '1' } }, false), { chain: 'c', seq: 2, prev: 'p' }, 'k', key)
  t.ok(isIntact(entry, key))
  t.notOk(isIntact(entry, Buffer.alloc(32, 4)))
  const changes: Array<Partial<Record<keyof LogDocument | 'more', unknown>>> = [
    { _id: new mongoose.mongo.ObjectId() }, { chain: 'd' }, { seq: 3 }, { prev: null }, { at: new Date(2) }, { at: 'x' }, { event: 'thing.undone' }, { level: 'error' }, { actor: { type: 'user', id: 'u' } },
    { target: null }, { requestId: 'r' }, { message: 'n' }, { details: { a: [1, 'y'] } }, { key: 'l' }, { hash: 'x' }, { hash: 1 }, { more: 1 }, { details: { a: NaN } }, { source: 's' }, { personal: { ip: 'x' } }
  ]
  for (const change of changes) t.notOk(isIntact(Object.assign({ ...entry }, change), key), JSON.stringify(change))
  t.same(toLogEntry(entry).id, id.toHexString())
  t.equal(seal(id, draftEntry(1, 'thing.done', {}, false), { chain: 'c', seq: 1, prev: null }, 'k', key).hash, seal(id, draftEntry(1, 'thing.done', {}, false), { chain: 'c', seq: 1, prev: null }, 'k', key).hash)
})

t.test('heads: the newest of each chain, bounded, and only those that moved', async (t) => {
  const heads = new Heads(2)
  const head = (chain: string, seq: number) => ({ chain, seq, hash: `${chain}${seq}`, count: seq, at: seq })
  heads.note(head('a', 1))
  heads.note(head('a', 3))
  heads.note(head('a', 2))
  heads.note(head('b', 1))
  const moved = heads.takeMoved()
  t.same(moved, [head('a', 3), head('b', 1)])
  t.same(heads.takeMoved(), [])
  heads.note(head('c', 1))
  t.same(heads.takeMoved(), [head('c', 1)])
  heads.giveBack(moved)
  t.same(heads.takeMoved(), [head('b', 1)], 'the longest silent was forgotten')
  t.same(readHeads({ heads: [head('a', 1), { chain: 1 }, null, 'x'] }), [head('a', 1)])
  for (const nothing of [null, 1, {}, { heads: 1 }]) t.same(readHeads(nothing), [])
  t.same(ownDraft(1, 'log.checkpoint', { heads: [] }).details, { heads: [] })
})

t.test('of a noisy event the first of a minute is recorded, and the others are counted', async (t) => {
  const clock = new ManualClock()
  const recorded: Array<[string, unknown]> = []
  const sampler = new Sampler((event, fields) => { recorded.push([event, fields.details]) }, clock, 2)
  for (let i = 0; i < 3; i++) sampler.sample('a', 'jwt.refused', { details: { reason: 'exp' } })
  sampler.sample('b', 'jwt.refused', {})
  t.same(recorded, [['jwt.refused', { reason: 'exp', count: 1 }], ['jwt.refused', { count: 1 }]])
  clock.advance(59_999)
  t.equal(recorded.length, 2)
  clock.advance(1)
  t.same(recorded.slice(2), [['jwt.refused', { reason: 'exp', count: 2 }]])
  for (const key of ['c', 'd', 'e', 'f', 'g']) sampler.sample(key, 'jwt.refused', { details: { key } })
  t.equal(recorded.length, 6, 'beyond the bound all keys share one window')
  sampler.flush()
  t.same(recorded.at(-1), ['jwt.refused', { key: 'e', count: 2 }])
  sampler.flush()
  t.equal(recorded.length, 7)
})
