import mongoose, { type Connection, type Model } from 'mongoose'
import t, { type Test } from 'tap'
import type { Clock } from '../../lib/clock.js'
import { fieldTree, projectionOf } from '../../lib/provider/field-tree.js'
import { InfoEndpoints } from '../../lib/provider/info-endpoints.js'
import { toJson } from '../../lib/provider/json-value.js'
import type { OpenScope } from '../../lib/provider/open-scopes.js'
import type { OwnerUser } from '../../lib/provider/owner.js'
import { compareIds } from '../../lib/provider/record-order.js'
import type { Resource } from '../../lib/provider/resource-model.js'
import { Resources } from '../../lib/provider/resources.js'
import { ScopeData, type DataOptions } from '../../lib/provider/scope-data.js'
import { ManualClock } from '../manual-clock.js'
import { startTestMongo } from '../mongo.js'
import type { Line } from '../store-app.js'

const { Schema, Types: { ObjectId, Decimal128 } } = mongoose
const now = Date.parse('2026-01-01T00:00:00Z')

/** A scope as it is stored; what is not said is empty. */
function scope (code: string, model: string, filter: object | string = {}, fields: string[] = []): OpenScope {
  return { code, name: code, model, filter: typeof filter === 'string' ? filter : JSON.stringify(filter), fields }
}

interface Setup {
  readonly data: ScopeData
  /** With the scopes of those codes; all there are by default. */
  readonly get: (model: string, options?: DataOptions & { readonly as?: string | null, readonly codes?: readonly string[] }) => Promise<Record<string, unknown>>
  readonly lines: Line[]
}

function setUp (resources: Readonly<Record<string, Resource>>, scopes: readonly OpenScope[], people: Readonly<Record<string, OwnerUser>> = {}, clock: Pick<Clock, 'now'> = new ManualClock(now)): Setup {
  const lines: Line[] = []
  const byCode = new Map(scopes.map((one) => [one.code, one]))
  const data = new ScopeData({
    resources: new Resources(resources),
    scopes: { byCode: (code) => byCode.get(code) ?? null },
    findUser: (id) => Object.hasOwn(people, id) ? people[id] ?? null : null,
    clock: new ManualClock(clock.now()),
    logger: { error: (details, message) => { lines.push({ level: 'error', message, details: { ...details } }) } }
  })
  return { data, lines, get: async (model, { as = null, codes = [...byCode.keys()], ...options } = {}) => await data.getData({ scopes: codes, userId: as }, model, options) }
}

/** A connection of the app's own, and the commands it sends. */
async function connect (t: Test, base = mongoose): Promise<{ connection: Connection, commands: Array<Record<string, unknown>> }> {
  const { uri } = await startTestMongo(t)
  const connection = await base.createConnection(uri, { monitorCommands: true }).asPromise()
  t.teardown(() => connection.close())
  const commands: Array<Record<string, unknown>> = []
  connection.getClient().on('commandStarted', ({ commandName, command }) => { if (commandName === 'find') commands.push(command) })
  return { connection, commands }
}

interface Order { _id: string, owner: string, team: string, price: number, secret: string, open: boolean, until: Date, note?: string | null }

async function orders (t: Test): Promise<{ model: Model<Order>, commands: Array<Record<string, unknown>>, connection: Connection }> {
  const { connection, commands } = await connect(t)
  const model = connection.model<Order>('Order', new Schema<Order>({ _id: String, owner: String, team: String, price: Number, secret: String, open: Boolean, until: Date, note: String }))
  const all = [
    { _id: 'o1', owner: 'ann', team: 'red', price: 1, open: true },
    { _id: 'o2', owner: 'ann', team: 'blue', price: 0, open: false },
    { _id: 'o3', owner: 'bob', team: 'red', price: 3, open: true },
    { _id: 'o4', owner: 'bob', team: 'green', price: 4, open: true }
  ]
  await model.create(all.map((one, at) => ({ ...one, secret: 'hidden', until: new Date(now + (at - 1) * 1000) })))
  commands.length = 0
  return { model, commands, connection }
}

const ann = { id: 'ann', team: 'red', teams: ['red', 'green'], evil: { $ne: null } }

t.test('each scope contributes the records it matches, and a record shows the fields of the scopes that matched it', async (t) => {
  const { model } = await orders(t)
  const scopes = [scope('own', 'orders', { owner: '$$user.id' }, ['price', 'open']), scope('team', 'orders', { team: '$$user.team' }, ['team', 'price']), scope('bare', 'orders', { _id: 'o4' }), scope('other', 'people', {}, ['secret'])]
  const { get, data, lines } = setUp({ orders: { model }, people: { model } }, scopes, { ann })
  t.strictSame(await get('orders', { as: 'ann' }), {
    o1: { id: 'o1', price: 1, open: true, team: 'red' },
    o2: { id: 'o2', price: 0, open: false },
    o3: { id: 'o3', team: 'red', price: 3 },
    o4: { id: 'o4' }
  })
  t.strictSame(await get('orders', { as: 'ann', codes: ['own', 'own', 'gone', '__proto__', 'other'] }), { o1: { id: 'o1', price: 1, open: true }, o2: { id: 'o2', price: 0, open: false } })
  t.strictSame(await get('orders', { as: 'ann', id: 'o3' }), { id: 'o3', team: 'red', price: 3 })
  t.strictSame(await get('orders', { as: 'ann', id: 'o3', codes: ['own'] }), {})
  t.strictSame(await get('orders', { as: 'ann', id: 'nope' }), {})
  t.strictSame(await get('orders', { as: 'ann', codes: [] }), {})
  t.strictSame(await data.getData({ scopes: ['own', 'team'], userId: 'ann' }, 'orders', { allScopesMatch: true }), { o1: { id: 'o1', price: 1, open: true, team: 'red' } })
  t.strictSame(await get('orders', { as: 'ann', allScopesMatch: true, id: 'o1', codes: ['own', 'team'] }), { id: 'o1', price: 1, open: true, team: 'red' })
  t.strictSame(await get('orders', { as: 'ann', allScopesMatch: true, id: 'o2', codes: ['own', 'team'] }), {})
  t.strictSame(await get('orders', { as: 'ann', allScopesMatch: true }), {}, 'an empty intersection stays empty')
  t.strictSame(lines, [])
})

t.test('a model that is none of the resources, and a name that every object has, is invalid', async (t) => {
  const { model } = await orders(t)
  const { get } = setUp({ orders: { model } }, [scope('all', 'orders'), scope('odd', 'constructor'), scope('odder', '__proto__')])
  for (const name of ['nope', '', '__proto__', 'constructor', 'toString', 'Order']) await t.rejects(get(name), { code: 'DWA_OAUTH_INVALID_MODEL', statusCode: 400 }, name)
})

t.test('filters run as the token\'s user, at the time they run', async (t) => {
  const { model, connection } = await orders(t)
  const People = connection.model('Person', new Schema({ team: String, teams: [String], nested: { team: String } }))
  const document = await People.create({ team: 'red', teams: ['green'], nested: { team: 'blue' } })
  const clock = new ManualClock(now)
  const ids = async (filter: object, as: string | null = 'ann'): Promise<string[]> => {
    const people = { ann, doc: document, own: { _id: 'ann' }, empty: { id: 'empty', team: null } }
    return Object.keys(await setUp({ orders: { model } }, [scope('one', 'orders', filter)], people, clock).get('orders', { as }))
  }
  t.strictSame(await ids({ owner: '$$user.id' }), ['o1', 'o2'])
  t.strictSame(await ids({ owner: '$$user._id' }), ['o1', 'o2'], 'whichever of the two names the app uses')
  t.strictSame(await ids({ owner: '$$user.id' }, 'own'), ['o1', 'o2'])
  t.strictSame(await ids({ team: { $in: '$$user.teams' } }), ['o1', 'o3', 'o4'])
  t.strictSame(await ids({ $or: [{ team: '$$user.team' }, { team: '$$user.nested.team' }] }, 'doc'), ['o1', 'o2', 'o3'], 'a mongoose document')
  t.strictSame(await ids({ until: { $gt: '$$now' } }, null), ['o3', 'o4'])
  clock.advance(1500)
  t.strictSame(await ids({ until: { $gt: '$$now' } }, null), ['o4'])
  t.strictSame(await ids({ team: { $nin: ['red'] } }, null), ['o2', 'o4'])
  for (const filter of [{ owner: '$$user.id' }, { owner: { $ne: '$$user.id' } }, { $nor: [{ owner: '$$user.id' }] }, { $or: [{ owner: '$$user.id' }, { _id: 'o1' }] }]) {
    t.strictSame(await ids(filter, null), [], 'a client that acts as nobody')
    t.strictSame(await ids(filter, 'gone'), [], 'a person who is no more')
    t.strictSame(await ids(filter, '__proto__'), [])
  }
  for (const filter of [{ owner: { $ne: '$$user.nope' } }, { owner: { $ne: '$$user.evil' } }, { owner: '$$user.evil' }, { $nor: [{ owner: '$$user.evil' }] }]) t.strictSame(await ids(filter), [], JSON.stringify(filter))
  t.strictSame(await ids({ team: { $ne: '$$user.team' } }, 'empty'), [])
})

t.test('security 32: a stored filter is looked at again when it runs; one that is refused shows nothing, and that is logged', async (t) => {
  const { model, commands } = await orders(t)
  const hostile = [{ $where: 'true' }, { owner: { $where: 'true' } }, { $expr: { $eq: [1, 1] } }, { owner: { $regex: '.*' } }, { $nor: [{ $where: 'false' }] }, { owner: '$$root' }, { $comment: 'x' }, '{"__proto__":{"a":1}}', '{', 'null', '[]', '']
  for (const filter of hostile) {
    const { get, lines } = setUp({ orders: { model } }, [scope('bad', 'orders', filter, ['secret'])], { ann })
    t.strictSame(await get('orders', { as: 'ann' }), {}, JSON.stringify(filter))
    t.match(lines, [{ message: 'a scope shows nothing: its filter is refused', details: { scopes: ['bad'] } }])
  }
  t.equal(commands.length, 0, 'none of them has reached the database')
  const { get } = setUp({ orders: { model } }, [scope('bad', 'orders', hostile[0], ['secret']), scope('good', 'orders', { _id: 'o1' }, ['price'])])
  t.strictSame(await get('orders'), { o1: { id: 'o1', price: 1 } })
  t.strictSame(await get('orders', { allScopesMatch: true }), {})
})

t.test('a filter that does not fit the model shows nothing, and says so in the log', async (t) => {
  const { model } = await orders(t)
  for (const filter of [{ price: 'dear' }, { price: { $in: { a: 1 } } }, { unknown: { $in: 'x' } }, { $nor: [{ price: 'dear' }] }]) {
    const { get, lines } = setUp({ orders: { model } }, [scope('bad', 'orders', filter), scope('good', 'orders', { _id: 'o1' })])
    t.strictSame(await get('orders'), { o1: { id: 'o1' } }, JSON.stringify(filter))
    t.match(lines, [{ message: 'a scope shows nothing: its filter does not fit the model', details: { scopes: ['bad'], reason: String } }])
  }
})

t.test('a condition stays what it is whatever mongoose is told of strict queries and sanitized filters', async (t) => {
  const base = new mongoose.Mongoose()
  base.set('strictQuery', true)
  base.set('sanitizeFilter', true)
  const { connection } = await connect(t, base)
  const model = connection.model('Thing', new base.Schema({ _id: String, name: String, any: {}, friend: { type: String, ref: 'Thing' } }))
  await model.create([{ _id: 'a', name: 'A', any: 1, friend: 'b' }, { _id: 'b', name: 'B', any: 2 }])
  const cases: Array<[filter: object, ids: string[]]> = [
    [{ missing: 'x' }, []], [{ $nor: [{ missing: { $exists: false } }] }, []], [{ name: { $in: ['A'] } }, ['a']], [{ $nor: [{ any: { $in: [1] } }] }, ['b']], [{ $and: [{ any: { $not: { $gt: 1 } } }] }, ['a']], [{ name: { $ne: 'A' } }, ['b']]
  ]
  for (const [filter, ids] of cases) t.strictSame(Object.keys(await setUp({ things: { model } }, [scope('one', 'things', filter)]).get('things')), ids, JSON.stringify(filter))
  const { get } = setUp({ things: { model } }, [scope('one', 'things', {}, ['friend'])])
  t.strictSame(await get('things', { limit: 1 }), { a: { id: 'a', friend: 'B' } })
  t.strictSame(await get('things', { after: 'a' }), { b: { id: 'b', friend: null } })
})

t.test('nothing but the fields of the scopes is shown, whatever the model\'s hooks select', async (t) => {
  const { connection } = await connect(t)
  const inner = new Schema({ city: String, key: { type: String, select: false } }, { _id: false })
  const schema = new Schema({ _id: String, name: String, address: inner, list: [inner], maps: { type: Map, of: Number }, password: { type: String, select: false }, safe: { type: new Schema({ pin: String }, { _id: false }), select: false }, plain: { on: Boolean, key: { type: String, select: false } } }, { discriminatorKey: 'kind' })
  schema.pre('find', function () { this.select('+password +name') })
  const model = connection.model('Hidden', schema)
  const child = model.discriminator('HiddenChild', new Schema({ extra: { shown: String, key: { type: String, select: false } } }))
  const whole = { city: 'c', key: 'SECRET' }
  await child.create({ _id: 'x', name: 'n', address: whole, list: [whole], maps: { k: 1 }, password: 'SECRET', safe: { pin: 'SECRET' }, plain: { on: false, key: 'SECRET' }, extra: { shown: 's', key: 'SECRET' } })
  const fields = ['id', '_id', '_id.x', 'address', 'address.key', 'address.city', 'list', 'maps', 'password', 'safe', 'safe.pin', 'plain', 'extra', 'nope', '__proto__', 'constructor']
  const shown = await setUp({ hidden: { model } }, [scope('all', 'hidden', {}, fields)]).get('hidden', { id: 'x' })
  t.strictSame(Object.keys(shown).sort(), ['__proto__', 'address', 'constructor', 'extra', 'id', 'list', 'maps', 'nope', 'plain'])
  t.match(shown, { id: 'x', address: { city: 'c' }, list: [{ city: 'c' }], maps: { k: 1 }, plain: { on: false }, extra: { shown: 's' }, nope: null, constructor: null })
  t.notMatch(JSON.stringify(shown), 'SECRET')
  t.strictSame(await setUp({ hidden: { model } }, [scope('bare', 'hidden')]).get('hidden', { id: 'x' }), { id: 'x' })
  t.equal(Object.getPrototypeOf(shown), Object.prototype)
})

t.test('dotted fields are shown nested, also of lists, and merged with those of other scopes', async (t) => {
  const { connection } = await connect(t)
  const model = connection.model('Nested', new Schema({ _id: String, address: { city: String, zip: String, geo: {} }, lines: [{ name: String, price: Number }], none: { a: String } }))
  await model.create({ _id: 'x', address: { city: 'c', zip: 'z', geo: { at: [1, { lat: 2 }], on: null } }, lines: [{ name: 'l', price: 0 }, { price: 2 }] })
  const { get } = setUp({ nested: { model } }, [scope('a', 'nested', {}, ['lines.name', 'address.city', 'address.geo.at', 'none.a', 'address.city.deeper']), scope('b', 'nested', { _id: 'x' }, ['address.zip', 'lines.price', 'address.geo'])])
  t.strictSame(await get('nested', { id: 'x' }), { id: 'x', address: { zip: 'z', city: 'c', geo: { at: [1, { lat: 2 }], on: null } }, lines: [{ name: 'l', price: 0 }, { name: null, price: 2 }], none: null })
  t.strictSame(await get('nested', { id: 'x', codes: ['a'] }), { id: 'x', none: null, lines: [{ name: 'l' }, { name: null }], address: { city: 'c', geo: { at: [1, { lat: 2 }] } } })
})

t.test('a reference is shown as the name of its record, in one query for each model', async (t) => {
  const { connection, commands } = await connect(t)
  const Team = connection.model('Team', new Schema({ name: String, town: String, secret: { type: String, select: false } }))
  const City = connection.model('City', new Schema({ _id: Number, name: { type: String, select: false }, code: String }))
  const id = { type: Schema.Types.ObjectId, ref: 'Team' }
  const Post = connection.model('Post', new Schema({ _id: String, team: id, teams: [id], deep: [[id]], lines: [new Schema({ team: id })], maps: { type: Map, of: id }, byModel: { type: Schema.Types.ObjectId, ref: Team }, byFunction: { type: Schema.Types.ObjectId, ref: () => 'Team' }, dynamic: { type: Schema.Types.ObjectId, refPath: 'kind' }, kind: String, foreign: { type: String, ref: 'Nowhere' }, any: {}, city: {}, cities: [{ type: Number, ref: 'City' }] }))
  const red = await Team.create({ name: 'Red', town: 'R', secret: 's' })
  const nameless = await Team.create({ town: 'N' })
  const gone = new ObjectId()
  await City.create([{ _id: 1, name: 'One', code: 'I' }, { _id: 2, name: 'Two' }])
  await Post.create([
    { _id: 'p1', team: red._id, teams: [red._id, nameless._id, gone], deep: [[red._id]], lines: [{ team: red._id }, {}], maps: { k: red._id }, byModel: red._id, byFunction: red._id, dynamic: red._id, kind: 'Team', foreign: 'f', any: { team: red._id }, city: '1', cities: [1, 2, 3] },
    { _id: 'p2', team: nameless._id, city: 'no number' },
    { _id: 'p3' }
  ])
  await Post.collection.updateOne({ _id: anything('p3') }, { $set: { team: { _id: red._id, name: 'Old', secret: 's' }, foreign: { _id: 'f', secret: 's' }, teams: [{ _id: gone, secret: 's' }] } })
  commands.length = 0
  const fields = ['team', 'teams', 'deep', 'lines.team', 'maps', 'byModel', 'byFunction', 'dynamic', 'foreign', 'any', 'city', 'cities']
  const posts: Resource = { model: Post, references: { city: 'cities', 'any.team': 'teams' } }
  const shown = await setUp({ posts, teams: { model: Team }, cities: { model: City } }, [scope('all', 'posts', {}, fields)]).get('posts')
  const [redId, namelessId, goneId] = [red._id, nameless._id, gone].map((id) => id.toHexString())
  t.match(shown['p1'], { team: 'Red', teams: ['Red', namelessId, goneId], deep: [['Red']], lines: [{ team: 'Red' }, { team: null }], maps: { k: 'Red' }, byModel: 'Red', byFunction: redId, dynamic: redId, foreign: 'f', any: { team: 'Red' }, city: '1', cities: ['1', '2', '3'] })
  t.match(shown['p2'], { team: namelessId, teams: [], city: 'no number', any: null })
  t.match(shown['p3'], { team: 'Red', foreign: 'f', teams: [goneId] }, 'of what has been populated nothing else is shown')
  t.notMatch(JSON.stringify(shown), '"s"')
  t.strictSame(commands.map(({ find }) => find).sort(), ['cities', 'posts', 'teams'])

  const named = setUp({ posts, teams: { model: Team, display: ({ town, secret }) => `${String(town)} ${typeof secret}` }, cities: { model: City, display: ({ code }) => typeof code === 'string' ? code : '' } }, [scope('all', 'posts', {}, fields)])
  t.match(await named.get('posts', { id: 'p1' }), { team: 'R undefined', city: 'I', cities: ['I', '2', '3'] })
  for (const display of [() => { throw new Error('no name') }, () => anything(5)]) {
    await t.rejects(setUp({ posts, teams: { model: Team, display }, cities: { model: City } }, [scope('all', 'posts', {}, fields)]).get('posts'), { code: 'DWA_PROVIDER_OWNER_FAILED', message: /provider\.resources\.teams\.display/ })
  }
})

t.test('schemas may contain themselves', async (t) => {
  const { connection } = await connect(t)
  const node = new Schema({ name: String, key: { type: String, select: false } }, { _id: false })
  node.add({ children: [node] })
  const model = connection.model('Node', new Schema({ _id: String, tree: node }))
  await model.create({ _id: 'x', tree: { name: 'a', key: 'SECRET', children: [{ name: 'b', key: 'SECRET', children: [{ name: 'c', key: 'SECRET', children: [] }] }] } })
  const { get } = setUp({ nodes: { model } }, [scope('all', 'nodes', {}, ['tree'])])
  t.strictSame(await get('nodes', { id: 'x' }), { id: 'x', tree: { name: 'a', children: [{ name: 'b', children: [{ name: 'c', children: [] }] }] } })
})

t.test('what BSON has and JSON has not', async (t) => {
  const id = new ObjectId()
  const uuid = new mongoose.mongo.UUID('0b1e5e9c-7a4f-4c1e-9d58-3f2f3ad5d6f1')
  const cases: Array<[value: unknown, json: unknown]> = [
    [undefined, null], [null, null], ['', null], ['x', 'x'], [0, 0], [-1.5, -1.5], [NaN, null], [Infinity, null], [false, false], [true, true], [5n, 5], [2n ** 60n, '1152921504606846976'],
    [new Date(now), '2026-01-01T00:00:00.000Z'], [new Date(NaN), null], [id, id.toHexString()], [Decimal128.fromString('12.50'), '12.50'], [Buffer.from('hi'), 'aGk='], [new Uint8Array([104, 105]), 'aGk='],
    [new mongoose.mongo.Binary(Buffer.from('hi')), 'aGk='], [uuid, uuid.toString()], [mongoose.mongo.Long.fromString('1152921504606846976'), '1152921504606846976'], [new mongoose.mongo.Int32(3), 3], [new mongoose.mongo.Double(0.5), 0.5],
    [new mongoose.mongo.MinKey(), null], [/x/, null], [() => 1, null], [new Map(), null], [{ _bsontype: 'Binary' }, null]
  ]
  for (const [value, json] of cases) t.equal(toJson(value), json, `${typeof value} ${String(json)}`)
  const { connection } = await connect(t)
  const model = connection.model('Kinds', new Schema({ any: {} }))
  const values = Object.fromEntries(cases.slice(6, -6).filter(([value]) => typeof value !== 'bigint').map(([value], at) => [`v${at}`, value]))
  await model.collection.insertOne({ _id: id, any: { ...values, empty: '', list: ['', { at: new Date(now) }] } })
  const shown = await setUp({ kinds: { model } }, [scope('all', 'kinds', {}, ['any'])]).get('kinds', { id: id.toHexString() })
  t.match(shown, { id: id.toHexString(), any: { empty: null, list: [null, { at: '2026-01-01T00:00:00.000Z' }] } })
  t.strictSame(JSON.parse(JSON.stringify(shown)), shown, 'it is JSON')
  t.match(JSON.stringify(shown), `${uuid.toString()}`)
})

t.test('pages go over the union in the order of the ids, each record once', async (t) => {
  for (const kind of ['ObjectId', 'text', 'number']) {
    const { connection, commands } = await connect(t)
    const type = { ObjectId: Schema.Types.ObjectId, text: String, number: Number }[kind]
    const model = connection.model('Page', new Schema({ _id: anything(type), n: Number, third: Boolean, even: Boolean }))
    const idOf = (n: number): unknown => kind === 'ObjectId' ? new ObjectId(n.toString(16).padStart(24, '0')) : kind === 'number' ? n : ['ä', '\u{1F600}', '\uFF5E', 'z'][n % 4] + String(n)
    await model.collection.insertMany(Array.from({ length: 250 }, (_, n) => ({ _id: anything(idOf(n)), n, third: n % 3 === 0, even: n % 2 === 0 })))
    const union = (await model.find({ $or: [{ third: true }, { even: true }] }).sort({ _id: 1 }).lean()).map(({ _id }) => String(_id))
    const { get } = setUp({ pages: { model } }, [scope('third', 'pages', { third: true }, ['third']), scope('even', 'pages', { even: true }, ['even']), scope('also', 'pages', { even: true }, ['n'])])
    for (const limit of [1000, 100, 7]) {
      const seen: string[] = []
      let page: string[]
      do {
        commands.length = 0
        const after = seen.at(-1)
        const shown = await get('pages', { limit, ...(after === undefined ? {} : { after }) })
        page = Object.keys(shown)
        t.equal(commands.length, 2, 'a query for each different filter')
        t.ok(page.length <= limit)
        for (const one of Object.values(shown)) {
          const n = Object(one).n ?? 3
          t.strictSame(Object.keys(Object(one)).sort(), ['id', ...(n % 2 === 0 ? ['even', 'n'] : []), ...(n % 3 === 0 ? ['third'] : [])].sort())
        }
        seen.push(...page)
      } while (page.length === limit)
      t.strictSame(seen, union, `${kind} ${limit}`)
    }
    t.equal(Object.keys(await get('pages')).length, 100)
    for (const limit of [0, -1, 1001, 1.5, NaN, Infinity, anything('5'), anything(null)]) await t.rejects(get('pages', { limit }), { code: 'DWA_OAUTH_INVALID_REQUEST', statusCode: 400 })
    if (kind === 'text') continue
    for (const after of ['nope', 'aaaaaaaaaaaa', '$gt', anything({ $gt: '' }), anything([])]) await t.rejects(get('pages', { after }), { code: 'DWA_OAUTH_INVALID_REQUEST' }, String(after))
    for (const id of ['nope', anything({ $gt: '' })]) t.strictSame(await get('pages', { id }), {}, 'security 32')
  }
})

t.test('ids are compared as MongoDB does', async (t) => {
  const cases: Array<[one: unknown, other: unknown, order: number]> = [
    [9, 10, -1], [10, 9, 1], [9, 9, 0], [9n, 10, -1], [new Date(1), new Date(20), -1], ['10', '9', -1], ['\uFF5E', '\u{1F600}', -1], ['a', 'a', 0],
    [new ObjectId('0'.repeat(23) + '9'), new ObjectId('0'.repeat(23) + 'a'), -1]
  ]
  for (const [one, other, order] of cases) t.equal(compareIds(one, other), order, `${String(one)} ${String(other)}`)
})

t.test('a page of many records reads no more of them than it shows, each way', async (t) => {
  const { connection, commands } = await connect(t)
  const model = connection.model('Many', new Schema({ team: String, n: Number }).index({ team: 1, _id: 1 }))
  await model.init()
  await model.collection.insertMany(Array.from({ length: 20_000 }, (_, n) => ({ team: `t${n % 4}`, n })))
  const { get } = setUp({ many: { model } }, [scope('one', 'many', { team: 't1' }, ['n']), scope('two', 'many', { team: 't2' })])
  const after = Object.keys(await get('many', { limit: 50 })).at(-1)
  commands.length = 0
  t.equal(Object.keys(await get('many', { limit: 50, ...(after === undefined ? {} : { after }) })).length, 50)
  t.equal(commands.length, 2)
  for (const { find, filter, sort, limit, projection, maxTimeMS } of commands) {
    t.strictSame({ limit, maxTimeMS }, { limit: 50, maxTimeMS: 5000 })
    const plan: unknown = await connection.db?.command({ explain: { find, filter, sort, limit, projection }, verbosity: 'executionStats' })
    const { totalDocsExamined } = Object(Object(plan).executionStats)
    t.ok(totalDocsExamined <= 51, `${totalDocsExamined} examined`)
  }
})

t.test('a model that fails is not mistaken for one without records', async (t) => {
  const { connection } = await connect(t)
  const schema = new Schema({ name: String })
  const thrown: { error: Error } = { error: new Error('a hook failed') }
  schema.pre('find', () => { throw thrown.error })
  const { get } = setUp({ broken: { model: connection.model('Broken', schema) } }, [scope('all', 'broken')])
  await t.rejects(get('broken'), { code: 'DWA_PROVIDER_OWNER_FAILED', statusCode: 500, cause: thrown.error })
  thrown.error = Object.assign(new Error('too slow'), { code: 50 })
  await t.rejects(get('broken'), { code: 'DWA_PROVIDER_OWNER_FAILED', cause: thrown.error })
  thrown.error = Object.assign(new Error('away'), { name: 'MongoNetworkError' })
  await t.rejects(get('broken'), { code: 'DWA_STORE_UNAVAILABLE', statusCode: 503 })
})

t.test('resources are looked at when the app starts', async (t) => {
  const model = mongoose.model('Started', new Schema({ name: String, boss: { type: String, ref: 'Started' } }))
  const refused: Array<[resources: Record<string, unknown>, message: RegExp]> = [
    [{ a: { model: {} } }, /^provider\.resources\.a\.model: must be a mongoose model/],
    [{ a: { model, user: true }, b: { model, user: true } }, /^provider\.resources: only one can have user: true, not a and b/],
    [{ a: { model, references: { x: 'nope' } } }, /^provider\.resources\.a\.references\.x: there is no resource nope/],
    [{ a: { model, references: { x: 'constructor' } } }, /there is no resource constructor/]
  ]
  for (const [resources, message] of refused) t.throws(() => new Resources(anything(resources)), { code: 'DWA_OPTIONS_INVALID', message })
  t.equal(new Resources().people, null)
  t.equal(new Resources({ a: { model, user: true } }).people?.name, 'a')
})

t.test('fields cover those in them', async (t) => {
  const cases: Array<[fields: string[], projection: string[]]> = [
    [[], ['_id']], [['id', '_id', 'id.x'], ['_id']], [['a.b', 'a', 'a.b.c'], ['_id', 'a']], [['a.b', 'a.c', 'ab', 'a.b.d', 'a.e.f'], ['_id', 'ab', 'a.b', 'a.c', 'a.e.f']], [['b', 'b'], ['_id', 'b']]
  ]
  for (const [fields, projection] of cases) t.strictSame(Object.keys(projectionOf(fieldTree(fields))).sort(), projection.sort(), fields.join())
})

t.test('tokeninfo, userinfo and otherinfo answer as oauth_provider does', async (t) => {
  const { connection } = await connect(t)
  const People = connection.model('Account', new Schema({ _id: String, name: String, email: String, phone: String, sub: String }))
  await People.create([{ _id: 'ann', name: 'Ann', email: 'ann@example.org', sub: 'own' }, { _id: 'bob', name: 'Bob' }])
  const people = { ann: { id: 'ann' }, bob: { id: 'bob' } }
  const scopes = [scope('email', 'users', { _id: '$$user.id' }, ['email', 'phone', 'sub']), scope('name', 'users', { _id: 'ann' }, ['name']), scope('rest', 'others', {}, ['name'])]
  const clock = new ManualClock(now)
  const { data } = setUp({ users: { model: People, user: true }, others: { model: People } }, scopes, people)
  const info = (codes: string[], userId: string | null, with_: ScopeData = data): InfoEndpoints => new InfoEndpoints({
    requests: { token: async () => ({ clientId: 'shop', userId, sub: 'pairwise', scopes: codes, expiresAt: new Date(now + 90_500) }) },
    data: with_,
    clock
  })
  const request = (query: Record<string, string> = {}, body: Record<string, string> = {}) => ({ authorization: undefined, query: new Map(Object.entries(query)), body: new Map(Object.entries(body)) })

  t.strictSame(await info(['email', 'rest'], 'ann').tokeninfo(request()), { audience: 'shop', scopes: 'email rest', expires_in: 90, user_id: 'pairwise' })
  t.strictSame(await info(['rest'], 'ann').tokeninfo(request()), { audience: 'shop', scopes: 'rest', expires_in: 90 })
  t.strictSame(await info(['name'], 'bob').tokeninfo(request()), { audience: 'shop', scopes: 'name', expires_in: 90 }, 'a scope that shows somebody else')
  t.strictSame(await info([], null).tokeninfo(request()), { audience: 'shop', scopes: '', expires_in: 90 })

  t.strictSame(await info(['email', 'name', 'rest'], 'ann').userinfo(request()), { id: 'ann', email: 'ann@example.org', phone: null, name: 'Ann', sub: 'pairwise' })
  t.strictSame(await info(['email', 'name'], 'bob').userinfo(request()), { id: 'bob', email: null, phone: null, sub: 'pairwise' })
  for (const [codes, userId] of [[['name'], 'bob'], [['rest'], 'ann'], [['email'], null], [['email'], 'gone']] as const) t.strictSame(await info([...codes], userId).userinfo(request()), {})
  const nobody = setUp({ others: { model: People } }, scopes, people).data
  t.strictSame(await info(['email'], 'ann', nobody).userinfo(request()), {}, 'an app without a people model')
  t.strictSame(await info(['email'], 'ann', nobody).tokeninfo(request()), { audience: 'shop', scopes: 'email', expires_in: 90 })

  t.strictSame(await info(['rest'], 'ann').otherinfo(request({ model: 'others' })), { ann: { id: 'ann', name: 'Ann' }, bob: { id: 'bob', name: 'Bob' } })
  t.strictSame(await info(['rest'], 'ann').otherinfo(request({ limit: '1', after: 'ann' }, { model: 'others' })), { bob: { id: 'bob', name: 'Bob' } })
  t.strictSame(await info(['rest'], 'ann').otherinfo(request({ model: 'users' })), {})
  for (const query of [{}, { model: 'nope' }, { model: '__proto__' }]) await t.rejects(info(['rest'], 'ann').otherinfo(request(query)), { code: 'DWA_OAUTH_INVALID_MODEL' })
  for (const limit of ['0', '1001', '-1', '1e2', 'x', '0x10', ' 5', '99999999999']) await t.rejects(info(['rest'], 'ann').otherinfo(request({ model: 'others', limit })), { code: 'DWA_OAUTH_INVALID_REQUEST' }, limit)
  await t.rejects(info(['rest'], 'ann').otherinfo(request({ model: 'others' }, { model: 'others' })), { code: 'DWA_OAUTH_INVALID_REQUEST' })

  t.strictSame(await data.claimsOf('ann', 'email'), { email: 'ann@example.org', phone: null, sub: 'own' })
  t.strictSame(await data.claimsOf('bob', 'name'), {})
  clock.advance(100_000)
  t.match(await info([], null).tokeninfo(request()), { expires_in: 0 })
})

/** What JavaScript may pass, whatever the types say. */
function anything (value: unknown): never {
  return value as never
}
