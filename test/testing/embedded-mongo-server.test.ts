import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { BSON, MongoClient, type Document } from 'mongodb'
import t, { type Test } from 'tap'
import { startEmbeddedMongo, type EmbeddedMongo, type EmbeddedMongoOptions } from '../../testing/index.js'

async function start (t: Test, options: EmbeddedMongoOptions = {}): Promise<{ mongo: EmbeddedMongo, client: MongoClient }> {
  const mongo = await startEmbeddedMongo(options)
  const client = new MongoClient(mongo.uri, { serverSelectionTimeoutMS: 1000, heartbeatFrequencyMS: 500 })
  t.teardown(async () => {
    await client.close()
    await mongo.stop()
  })
  return { mongo, client }
}

function message (flags: number, ...sections: Uint8Array[]): Buffer {
  const body = Buffer.concat(sections)
  const head = Buffer.alloc(20)
  head.writeInt32LE(20 + body.length, 0)
  head.writeInt32LE(7, 4)
  head.writeInt32LE(2013, 12)
  head.writeUInt32LE(flags, 16)
  return Buffer.concat([head, body])
}

const body = (command: Document): Buffer => Buffer.concat([Buffer.from([0]), BSON.serialize(command)])

function sequence (name: string, documents: Document[]): Buffer {
  const content = Buffer.concat([Buffer.from(`${name}\0`), ...documents.map((document) => BSON.serialize(document))])
  const head = Buffer.alloc(5)
  head[0] = 1
  head.writeInt32LE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

async function dial (t: Test, mongo: EmbeddedMongo): Promise<Socket> {
  const socket = connect(mongo.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Sends a message and reads one answer. */
async function ask (socket: Socket, bytes: Buffer): Promise<Document> {
  socket.write(bytes)
  let answer = Buffer.alloc(0)
  while (answer.length < 4 || answer.length < answer.readInt32LE(0)) {
    const [chunk] = await once(socket, 'data')
    if (Buffer.isBuffer(chunk)) answer = Buffer.concat([answer, chunk])
  }
  return BSON.deserialize(answer.subarray(answer.readInt32LE(12) === 1 ? 36 : 21))
}

t.test('it does not start in production', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  process.env['NODE_ENV'] = 'production'
  await t.rejects(startEmbeddedMongo(), { message: /NODE_ENV=production/ })
})

t.test('bytes that are no message close their connection and nothing else', async (t) => {
  const { mongo, client } = await start(t)
  const ping = body({ ping: 1, $db: 'test' })
  const length = (bytes: Buffer, value: number): Buffer => {
    bytes.writeInt32LE(value, 0)
    return bytes
  }
  const cut = BSON.serialize({ ping: 1, $db: 'test', fill: 'xxxxxxxxxx' })
  const wrong: Record<string, Buffer> = {
    'a length of zero': Buffer.alloc(16),
    'a negative length': length(Buffer.alloc(16), -1),
    'a length above 48 MB': length(Buffer.alloc(16), 48_000_001),
    'a text protocol': Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'),
    'an unknown operation': length(Buffer.alloc(16), 16),
    'unknown required flags': message(4, ping),
    'no body': message(0),
    'two bodies': message(0, ping, ping),
    'an unknown kind of section': message(0, Buffer.from([9])),
    'a document longer than its message': message(0, Buffer.from([0, 0xff, 0, 0, 0, 0])),
    'a document of negative length': message(0, Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0])),
    'a document that is not BSON': message(0, Buffer.from([0, 8, 0, 0, 0, 99, 1, 2, 0])),
    'a string longer than its document': message(0, Buffer.concat([Buffer.from([0]), cut.fill(0x7f, 20, 24)])),
    'a sequence of an impossible length': message(0, ping, Buffer.from([1, 0xff, 0xff, 0, 0, 0])),
    'a sequence without a name': message(0, ping, Buffer.from([1, 6, 0, 0, 0, 65, 65]))
  }
  for (const [name, bytes] of Object.entries(wrong)) {
    const socket = await dial(t, mongo)
    const closed = once(socket, 'close')
    socket.on('error', () => {})
    socket.write(bytes)
    await closed
    t.ok(socket.destroyed, name)
  }
  t.match(await client.db().command({ ping: 1 }), { ok: 1 })
})

t.test('messages arrive in pieces, together and without wanting an answer', async (t) => {
  const { mongo } = await start(t)
  const socket = await dial(t, mongo)
  const ping = message(0, body({ ping: 1, $db: 'test' }))
  socket.write(ping.subarray(0, 3))
  socket.write(ping.subarray(3, 25))
  t.match(await ask(socket, ping.subarray(25)), { ok: 1 })
  const unacknowledged = message(2, body({ insert: 'c', $db: 'test', writeConcern: { w: 0 } }), sequence('documents', [{ _id: 1 }, { _id: 2 }]))
  t.match(await ask(socket, Buffer.concat([unacknowledged, message(0, body({ count: 'c', $db: 'test' }))])), { n: 2, ok: 1 }, 'the only answer is that of the second message')
  t.match(await ask(socket, message(1, body({ ping: 1, $db: 'test' }), Buffer.alloc(4))), { ok: 1 }, 'a checksum is passed over')
  t.match(await ask(socket, message(0, body({ ping: 1 }))), { ok: 0, code: 40571 })
  t.match(await ask(socket, message(0, body({ constructor: 1, $db: 'test' }))), { ok: 0, code: 59 })
  const query = Buffer.concat([Buffer.alloc(20), Buffer.from('admin.$cmd\0'), Buffer.alloc(8), BSON.serialize({ ismaster: 1, helloOk: true })])
  query.writeInt32LE(query.length, 0)
  query.writeInt32LE(2004, 12)
  t.match(await ask(socket, query), { ismaster: true, helloOk: true, maxBsonObjectSize: 16777216, ok: 1 })
})

t.test('two servers know nothing of each other, and hundred connections share one', async (t) => {
  const [one, two] = [await start(t), await start(t)]
  t.not(one.mongo.port, two.mongo.port)
  await one.client.db('a').collection<{ _id: number }>('c').insertOne({ _id: 1 })
  t.equal(await two.client.db('a').collection('c').countDocuments(), 0)
  const sockets = await Promise.all(Array.from({ length: 100 }, () => dial(t, one.mongo)))
  const answers = await Promise.all(sockets.map((socket, i) => ask(socket, message(0, body({ findAndModify: 'counter', query: { _id: 'n' }, update: { $inc: { n: 1 }, $setOnInsert: { first: i } }, upsert: true, new: true, $db: 'a' })))))
  t.strictSame(answers.map((answer) => answer['value'].n).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i + 1), 'every upsert counts once')
})

t.test('it goes away and returns with its data', async (t) => {
  const { mongo, client } = await start(t)
  const things = client.db().collection<{ _id: number }>('things')
  await things.insertOne({ _id: 1 })
  const log = await client.db().createCollection('log', { capped: true, size: 4096 })
  await log.insertOne({ n: 1 })
  const cursor = log.find({}, { tailable: true, awaitData: true, maxAwaitTimeMS: 60_000 })
  await cursor.next()
  const waiting = cursor.next().then(() => 'a document', () => 'an error')
  await mongo.pause()
  await mongo.pause()
  t.equal(await waiting, 'an error', 'whoever waits is told')
  const impatient = new MongoClient(mongo.uri, { serverSelectionTimeoutMS: 200 })
  t.teardown(() => impatient.close())
  await t.rejects(impatient.db().command({ ping: 1 }), { name: 'MongoServerSelectionError' })
  await mongo.resume()
  t.strictSame(await things.find().toArray(), [{ _id: 1 }])
  await mongo.stop()
  await mongo.stop()
  await t.rejects(mongo.resume(), { message: /stopped/ })
})

t.test('a process that started, used and stopped one ends by itself', async (t) => {
  const child = fork(fileURLToPath(new URL('start-use-stop.ts', import.meta.url)), { timeout: 20_000 })
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

t.test('time is the clock that was given', async (t) => {
  let now = Date.parse('2030-01-01T00:00:00Z')
  const { mongo, client } = await start(t, { now: () => now })
  const tokens = client.db().collection<{ _id: number, at: Date, seen?: Date }>('tokens')
  await tokens.createIndex({ at: 1 }, { expireAfterSeconds: 10 })
  await tokens.insertMany([{ _id: 1, at: new Date(now) }, { _id: 2, at: new Date(now + 5000) }])
  await tokens.updateOne({ _id: 2 }, [{ $set: { seen: '$$NOW' } }])
  t.strictSame((await tokens.findOne({ _id: 2 }))?.seen, new Date(now))
  t.equal(mongo.expire(), 0)
  now += 12_000
  t.equal(mongo.expire(), 1)
  t.strictSame((await tokens.find().toArray()).map(({ _id }) => _id), [2])
})

t.test('what it does not have is refused', async (t) => {
  const { client } = await start(t)
  const database = client.db()
  await database.collection<{ _id: number }>('c').insertOne({ _id: 1 })
  const session = client.startSession()
  t.teardown(() => session.endSession())
  t.match(await database.collection('c').findOne({}, { session }), { _id: 1 }, 'a session alone is accepted')
  session.startTransaction()
  await t.rejects(database.collection('c').findOne({}, { session }), { code: 20, codeName: 'IllegalOperation', message: 'Transaction numbers are only allowed on a replica set member or mongos' })
  await t.rejects(database.collection('c').findOne({}, { collation: { locale: 'de' } }), { code: 238 })
  await t.rejects(database.collection('c').watch().next(), { code: 40573 })
  await t.rejects(database.collection('c').aggregate([{ $out: 'd' }]).toArray(), { code: 238 })
  await t.rejects(database.collection('c').aggregate([{ $project: { x: { $function: { body: 'function () { return 1 }', args: [], lang: 'js' } } } }]).toArray(), { code: 238 })
  await t.rejects(database.collection('c').find({ $where: 'true' }).toArray(), { code: 2 })
  await t.rejects(database.collection('c').insertOne({}, { writeConcern: { w: 2 } }), { code: 2 })
  const deep: Document = {}
  for (let i = 0, at: Document = deep; i < 200; i++) at = at['a'] = {}
  await t.rejects(database.collection('c').insertOne(deep), { code: 15 })
  await t.rejects(database.createCollection('v', { viewOn: 'c', pipeline: [] }), { code: 238 })
})

t.test('what was stored does not change with what was answered', async (t) => {
  const { client } = await start(t)
  const things = client.db().collection<{ _id: number, a: { b: number[] } }>('things')
  await things.insertOne({ _id: 1, a: { b: [1] } })
  await things.aggregate([{ $addFields: { 'a.c': 1 } }, { $unset: 'a.b' }, { $set: { 'a.b.0': 9 } }]).toArray()
  await things.findOneAndUpdate({ _id: 1 }, { $push: { 'a.b': 2 } }, { returnDocument: 'before' })
  await things.updateOne({ _id: 1 }, { $push: { 'a.b': { $each: [3], $sort: -1 } }, $set: { 'a.d': 1 } })
  t.strictSame(await things.findOne(), { _id: 1, a: { b: [3, 2, 1], d: 1 } })
  const parsed: Document = JSON.parse('{ "_id": 2, "__proto__": { "polluted": 1 }, "constructor": 5 }')
  await client.db().collection('odd').insertOne(parsed)
  await client.db().collection('odd').updateOne({ constructor: 5 }, { $set: { hasOwnProperty: 1 } })
  t.strictSame(Object.keys(await client.db().collection('odd').findOne() ?? {}), ['_id', '__proto__', 'constructor', 'hasOwnProperty'])
  t.notOk(Reflect.has({}, 'polluted'))
})

t.test('indexes are used', async (t) => {
  const { client } = await start(t)
  const tokens = client.db().collection<{ _id: number, hash: string, client: string, expiresAt: Date, revoked?: Date }>('tokens')
  await tokens.createIndex({ hash: 1 }, { unique: true })
  await tokens.createIndex({ client: 1, expiresAt: -1 })
  await tokens.createIndex({ revoked: 1 }, { sparse: true })
  await tokens.createIndex({ user: 1 }, { partialFilterExpression: { user: { $type: 'string' } }, unique: true })
  const COUNT = 60_000
  const make = (i: number): { _id: number, hash: string, client: string, expiresAt: Date } => ({ _id: i, hash: `h${i * 7919 % 200_003}`, client: `c${i % 100}`, expiresAt: new Date(1.8e12 + i) })
  for (let i = 0; i < COUNT; i += 20_000) await tokens.insertMany(Array.from({ length: 20_000 }, (_, j) => make(i + j)))
  const examined = async (filter: Document, sort: Record<string, 1 | -1> = {}, limit = 0): Promise<{ index: unknown, keys: number }> => {
    const { queryPlanner: { winningPlan }, executionStats } = await tokens.find(filter).sort(sort).limit(limit).explain('executionStats')
    const text = JSON.stringify(winningPlan)
    return { index: /"indexName":"([^"]*)"/.exec(text)?.[1] ?? /"stage":"(COLLSCAN|IDHACK)"/.exec(text)?.[1], keys: executionStats.totalDocsExamined }
  }
  t.strictSame(await examined({ _id: 5 }), { index: 'IDHACK', keys: 1 })
  t.strictSame(await examined({ _id: 5, client: 'c5' }), { index: '_id_', keys: 1 })
  t.strictSame(await examined({ hash: 'h7919' }), { index: 'hash_1', keys: 1 })
  t.strictSame(await examined({ hash: { $in: ['h7919', 'h0', 'none'] } }), { index: 'hash_1', keys: 2 })
  t.strictSame(await examined({ client: 'c7', expiresAt: { $gt: new Date(1.8e12 + 59_000) } }), { index: 'client_1_expiresAt_-1', keys: 10 })
  t.strictSame(await examined({ client: 'c7' }, { expiresAt: -1 }, 5), { index: 'client_1_expiresAt_-1', keys: 5 })
  t.strictSame(await examined({ client: 'c7' }, { expiresAt: 1 }, 5), { index: 'client_1_expiresAt_-1', keys: 5 })
  t.strictSame(await examined({}, { _id: -1 }, 3), { index: '_id_', keys: 3 })
  t.strictSame(await examined({ _id: { $gt: 59_990 } }, { _id: 1 }), { index: '_id_', keys: 9 })
  t.strictSame(await examined({ revoked: { $exists: true } }), { index: 'revoked_1', keys: 0 })
  t.strictSame(await examined({ user: 'u1' }), { index: 'user_1', keys: 0 })
  t.strictSame(await examined({ $or: [{ _id: 4 }, { hash: 'h7919' }] }), { index: '_id_', keys: 2 })
  t.strictSame(await examined({ revoked: null, client: 'none' }), { index: 'client_1_expiresAt_-1', keys: 0 })
  t.match(await examined({ expiresAt: new Date(0) }), { index: 'COLLSCAN' })
  const started = performance.now()
  let wrong = 0
  for (let i = 0; i < 500; i++) if ((await tokens.findOne({ hash: make(i * 120).hash }))?._id !== i * 120) wrong++
  t.equal(wrong, 0)
  t.ok(performance.now() - started < 5000, 'look-ups do not scan')
})
