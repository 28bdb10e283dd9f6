import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import { systemClock } from '../../lib/clock.js'
import { OpenScopes } from '../../lib/provider/open-scopes.js'
import { Resources } from '../../lib/provider/resources.js'
import { scopeKind } from '../../lib/provider/scope-kind.js'
import type { ScopeInput, ScopePatch, StoredScope } from '../../lib/provider/scope-schema.js'
import { Scopes } from '../../lib/provider/scopes.js'
import { ConfirmedCache } from '../../lib/store/confirmed-cache.js'
import type { Store } from '../../lib/store/store.js'
import { startTestMongo } from '../mongo.js'
import { storeApp } from '../store-app.js'

const { Schema } = mongoose
const User = mongoose.model('ScopesUser', new Schema({ name: String, email: String, password: { type: String, select: false }, address: new Schema({ city: String, key: { type: String, select: false } }), safe: { type: new Schema({ pin: String }), select: false } }))
const resources = new Resources({ users: { model: User, user: true } })

/** What JavaScript may pass, whatever the types say. */
const anything = (value: unknown): never => value as never
const email: ScopeInput = { code: 'email', name: 'E-mail', description: 'Your address', model: 'users', filter: { _id: '$$user._id' }, fields: ['email', 'address.city'] }

interface Made { readonly scopes: Scopes, readonly open: OpenScopes, readonly store: Store, readonly used: Set<string>, readonly told: Array<string | null> }

async function make (t: Test): Promise<Made> {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  const records = app.store.records<StoredScope>(scopeKind)
  await app.ready()
  const used = new Set<string>()
  const told: Array<string | null> = []
  const open = new OpenScopes(records, new ConfirmedCache({ changes: { isLive: () => true, epoch: 1, completeUntil: 0 }, clock: systemClock, maxStaleMs: 1000 }))
  const scopes = new Scopes({ records, resources, isInUse: async (code) => used.has(code), onChange: (id) => { told.push(id); open.forget() } })
  return { scopes, open, store: app.store, used, told }
}

t.test('a scope is created, found by id and code, changed, listed and removed, and each change is in the log', async (t) => {
  const { scopes, store, told } = await make(t)
  const created = await scopes.create(email, { actor: { type: 'user', id: 'u1' } })
  t.match(created, { ...email, version: 1, createdAt: Date })
  t.strictSame(await scopes.get(created.id), created)
  t.strictSame(await scopes.get('email'), created)
  t.equal(await scopes.get('nope'), null)
  await scopes.create({ code: 'a:read', name: 'Nothing' })
  t.strictSame((await scopes.list()).map(({ code }) => code), ['a:read', 'email'])

  const changed = await scopes.update('email', { description: null, filter: { name: 'x' }, fields: ['name'], code: 'mail' }, { version: 1 })
  t.match(changed, { code: 'mail', filter: { name: 'x' }, fields: ['name'], version: 2 })
  t.notOk('description' in changed)
  t.strictSame((await scopes.update(created.id, { model: null, filter: null, fields: null })).filter, undefined)
  await scopes.update('a:read', { name: 'Still nothing' })
  await t.rejects(scopes.update('mail', { name: 'x' }, { version: 2 }), { code: 'DWA_STORE_CONFLICT' })
  await t.rejects(scopes.remove('mail', { version: 2 }), { code: 'DWA_STORE_CONFLICT' })
  await t.rejects(scopes.update('a:read', { code: 'mail' }), { code: 'DWA_STORE_DUPLICATE' })
  await t.rejects(scopes.create({ code: 'mail', name: 'x' }), { code: 'DWA_STORE_DUPLICATE' })
  await scopes.remove('mail', { version: 3, message: 'no longer' })
  await t.rejects(scopes.remove('mail'), { code: 'DWA_STORE_NOT_FOUND' })
  await t.rejects(scopes.update('mail', { name: 'x' }), { code: 'DWA_STORE_NOT_FOUND' })
  t.ok(told.includes(created.id) && told.includes(null))
  const entries = await store.log.find({ target: created.id })
  t.strictSame(entries.map(({ event }) => event).reverse(), ['scope.created', 'scope.updated', 'scope.updated', 'scope.deleted'])
})

t.test('of twenty changes at once none is lost', async (t) => {
  const { scopes } = await make(t)
  await scopes.create({ code: 'a', name: 'A' })
  await Promise.all(Array.from({ length: 20 }, async (_, at) => await scopes.update('a', { description: `${at}` })))
  t.equal((await scopes.get('a'))?.version, 21)
})

t.test('security 32: a scope that could not be run as it stands is refused, and the error names the field', async (t) => {
  const { scopes, open, store } = await make(t)
  const refused: Array<[given: unknown, field: string]> = [
    [null, ''], [[], ''], ['x', ''], [{}, 'code'], [{ code: 'a' }, 'name'], [{ code: 'a b', name: 'x' }, 'code'], [{ code: 'ä', name: 'x' }, 'code'], [{ code: '', name: 'x' }, 'code'], [{ code: 'x'.repeat(129), name: 'x' }, 'code'],
    [{ ...email, name: '' }, 'name'], [{ ...email, secret: 1 }, 'secret'], [{ ...email, description: 1 }, 'description'],
    [{ ...email, model: 'nope' }, 'model'], [{ ...email, model: '__proto__' }, 'model'], [{ ...email, model: 'constructor' }, 'model'], [{ ...email, model: { $ne: 1 } }, 'model'],
    [{ code: 'a', name: 'x', filter: {} }, 'filter'], [{ code: 'a', name: 'x', fields: ['email'] }, 'fields'],
    [{ ...email, filter: { $where: '1' } }, 'filter'], [{ ...email, filter: { name: { $regex: '.' } } }, 'filter'], [{ ...email, filter: { name: '$$root' } }, 'filter'], [{ ...email, filter: JSON.parse('{"__proto__":{"a":1}}') }, 'filter'],
    [{ ...email, filter: 'x' }, 'filter'], [{ ...email, filter: [] }, 'filter'], [{ ...email, filter: { a: new Date() } }, 'filter'], [{ ...email, filter: { toJSON: () => ({}) } }, 'filter'],
    ...['$where', '__proto__', 'a.__proto__.b', 'constructor', 'a.prototype', '', 'a..b', '.a', 'a.', 'a.$b', 'a\0'].map((field): [unknown, string] => [{ ...email, fields: [field] }, 'fields']),
    [{ ...email, fields: ['email', 'email'] }, 'fields'], [{ ...email, fields: 'email' }, 'fields'], [{ ...email, fields: [{}] }, 'fields'],
    ...['password', 'address.key', 'safe', 'safe.pin'].map((field): [unknown, string] => [{ ...email, fields: [field] }, 'fields'])
  ]
  for (const [given, field] of refused) await t.rejects(scopes.create(anything(given)), { code: 'DWA_PROVIDER_INVALID_SCOPE', statusCode: 400, field }, JSON.stringify(given))
  await scopes.create(email)
  const patches: Array<[patch: unknown, field: string]> = [
    [{ code: null }, 'code'], [{ name: null }, 'name'], [{ model: null }, 'filter'], [{ model: null, filter: null }, 'fields'], [{ model: 'nope' }, 'model'], [{ fields: ['password'] }, 'fields'], [{ filter: { $where: '1' } }, 'filter'], [{ id: 'x' }, 'id'], [null, '']
  ]
  for (const [patch, field] of patches) await t.rejects(scopes.update('email', anything(patch)), { code: 'DWA_PROVIDER_INVALID_SCOPE', field }, JSON.stringify(patch))
  t.match(await scopes.list(), { length: 1, 0: { ...email, version: 1 } })
  t.match(await open.byCode('email'), { filter: '{"_id":"$$user._id"}' })
  t.equal((await store.log.find({ event: 'scope.*' })).length, 1)
})

t.test('a scope of a model that is offered no longer can be renamed, and not given fields of another', async (t) => {
  const { scopes, store } = await make(t)
  await store.records<StoredScope>(scopeKind).create({ code: 'old', name: 'Old', model: 'gone', fields: ['x'] })
  t.match(await scopes.update('old', { name: 'Older' }), { name: 'Older', model: 'gone' })
  t.match(await scopes.update('old', { fields: ['y'] }), { fields: ['y'] })
  await t.rejects(scopes.update('old', { model: 'users', fields: ['password'] }), { code: 'DWA_PROVIDER_INVALID_SCOPE', field: 'fields' })
})

t.test('a scope that a client lists is neither removed nor given another code', async (t) => {
  const { scopes, used } = await make(t)
  await scopes.create(email)
  used.add('email')
  const inUse = { code: 'DWA_PROVIDER_SCOPE_IN_USE', statusCode: 409, message: 'The scope "email" is listed by a client' }
  await t.rejects(scopes.remove('email'), inUse)
  await t.rejects(scopes.update('email', { code: 'mail' }), inUse)
  t.match(await scopes.update('email', { code: 'email', name: 'Mail' }), { name: 'Mail' })
  used.clear()
  await scopes.remove('email')
  t.equal(await scopes.get('email'), null)
})

t.test('requests read all scopes once, until one changes', async (t) => {
  const { scopes, open, store } = await make(t)
  await scopes.create(email)
  await scopes.create({ code: 'bare', name: 'Bare' })
  t.strictSame(await open.byCode('email'), { code: 'email', name: 'E-mail', description: 'Your address', model: 'users', filter: '{"_id":"$$user._id"}', fields: ['email', 'address.city'] })
  t.notOk(open.byCode('bare') instanceof Promise, 'it is remembered')
  t.strictSame(open.byCode('bare'), { code: 'bare', name: 'Bare', model: null, filter: '{}', fields: [] })
  for (const code of ['nope', '__proto__', 'constructor']) t.equal(open.byCode(code), null, code)
  await store.records<StoredScope>(scopeKind).create({ code: 'late', name: 'Late' })
  t.equal(open.byCode('late'), null, 'nobody has told')
  open.forget()
  t.match(await open.byCode('late'), { name: 'Late' })
  await scopes.update('late', { name: 'Later' } satisfies ScopePatch)
  t.strictSame((await open.all()).map(({ name }) => name), ['Bare', 'E-mail', 'Later'])
})
