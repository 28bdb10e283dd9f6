import t from 'tap'
import { MongoClient } from 'mongodb'
import mongoose from 'mongoose'
import { startEmbeddedMongo } from '../../testing/index.js'
import { startTestMongo } from '../mongo.js'

t.test('mongoose works over TCP', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  const schema = new mongoose.Schema({ name: { type: String, unique: true }, n: Number, tags: [String], expireAt: { type: Date, expires: 0 } }, { timestamps: true })
  const Thing = connection.model('Thing', schema)
  await Thing.init()
  await Thing.create({ name: 'a', n: 1, tags: ['x', 'y'] })
  await Thing.create({ name: 'b', n: 2 })
  const refused = await Thing.create({ name: 'a' }).catch((error: unknown) => error)
  t.match(refused, { code: 11000, keyPattern: { name: 1 }, keyValue: { name: 'a' } })
  t.equal((await Thing.findOne({ tags: 'x' }))?.name, 'a')
  t.equal(await Thing.countDocuments(), 2)
  const updated = await Thing.findOneAndUpdate({ name: 'c' }, { $inc: { n: 5 }, $setOnInsert: { tags: ['new'] } }, { upsert: true, returnDocument: 'after' })
  t.match(updated, { name: 'c', n: 5 })
  t.strictSame((await Thing.find().sort({ n: -1 }).lean()).map(({ name }) => name), ['c', 'b', 'a'])
  t.strictSame(await Thing.aggregate([{ $match: { n: { $gte: 2 } } }, { $group: { _id: null, sum: { $sum: '$n' } } }]), [{ _id: null, sum: 7 }])
  const plan = await Thing.find({ name: 'a' }).explain('queryPlanner')
  t.match(JSON.stringify(plan), 'name_1')
  await Thing.deleteMany({})
  t.equal(await Thing.countDocuments(), 0)
})

t.test('a tailable cursor on a capped collection wakes for new documents', async (t) => {
  const { uri } = await startTestMongo(t)
  const connection = await mongoose.createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  const log = await connection.createCollection('log', { capped: true, size: 65536, max: 3 })
  await log.insertOne({ n: 0 })
  const cursor = log.find({}, { tailable: true, awaitData: true, maxAwaitTimeMS: 5000 })
  t.teardown(() => cursor.close())
  t.match(await cursor.next(), { n: 0 })
  const next = cursor.next()
  await log.insertOne({ n: 1 })
  t.match(await next, { n: 1 })
  await log.insertMany([2, 3, 4, 5].map((n) => ({ n })))
  t.strictSame((await log.find().toArray()).map(({ n }) => n), [3, 4, 5])
  await t.rejects(cursor.next(), { code: 136 })
})

t.test('with auth', async (t) => {
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const root = await MongoClient.connect(mongo.uri)
  t.teardown(() => root.close())
  const signIn = async (user: string, password: string, database: string): Promise<MongoClient> => {
    const client = new MongoClient(`mongodb://${user}:${password}@${mongo.host}/${database}?authSource=${database}`, { serverSelectionTimeoutMS: 2000 })
    t.teardown(() => client.close())
    return await client.connect()
  }
  await root.db('app').createCollection('log', { capped: true, size: 65536 })

  t.test('nobody does anything without signing in', async (t) => {
    const client = new MongoClient(`mongodb://${mongo.host}/app`)
    t.teardown(() => client.close())
    t.match(await client.db().command({ ping: 1 }), { ok: 1 })
    await t.rejects(client.db().collection('log').findOne(), { code: 13, codeName: 'Unauthorized', message: 'Command find requires authentication' })
    await t.rejects(client.db().command({ nonsense: 1 }), { code: 59 })
  })

  t.test('a wrong password and an unknown user are refused alike', async (t) => {
    await root.db('app').command({ createUser: 'ann', pwd: 'right', roles: ['read'] })
    await t.rejects(signIn('ann', 'wrong', 'app'), { code: 18, codeName: 'AuthenticationFailed' })
    await t.rejects(signIn('nobody', 'wrong', 'app'), { code: 18, codeName: 'AuthenticationFailed' })
    const ann = await signIn('ann', 'right', 'app')
    t.equal(await ann.db().collection('log').findOne(), null)
    await root.db('app').command({ updateUser: 'ann', pwd: 'new' })
    await t.rejects(signIn('ann', 'right', 'app'), { code: 18 })
    t.ok(await signIn('ann', 'new', 'app'))
  })

  t.test('an insert-only role inserts and finds in one collection, and nothing else', async (t) => {
    await root.db('app').command({
      createRole: 'logWriter',
      privileges: [{ resource: { db: 'app', collection: 'log' }, actions: ['insert', 'find', 'listIndexes', 'collStats'] }],
      roles: []
    })
    await root.db('app').command({ createUser: 'writer', pwd: 'secret', roles: ['logWriter'] })
    const client = await signIn('writer', 'secret', 'app')
    const database = client.db('app')
    const log = database.collection('log')
    t.ok(await log.insertOne({ n: 1 }))
    t.match(await log.find().toArray(), [{ n: 1 }])
    t.equal(await log.countDocuments(), 1)
    t.match(await log.indexes(), [{ name: '_id_' }])
    t.match(await log.aggregate([{ $collStats: { storageStats: {} } }]).toArray(), [{ storageStats: { capped: true } }])
    const status = await database.command({ connectionStatus: 1, showPrivileges: true })
    t.strictSame(status['authInfo'], {
      authenticatedUsers: [{ user: 'writer', db: 'app' }],
      authenticatedUserRoles: [{ role: 'logWriter', db: 'app' }],
      authenticatedUserPrivileges: [{ resource: { db: 'app', collection: 'log' }, actions: ['collStats', 'find', 'insert', 'listIndexes'] }]
    })
    const refused: Record<string, () => Promise<unknown>> = {
      update: () => log.updateOne({}, { $set: { n: 2 } }),
      'update of many': () => log.updateMany({}, { $set: { n: 2 } }),
      replace: () => log.replaceOne({}, { n: 2 }),
      'upsert that would insert': () => log.updateOne({ n: 9 }, { $set: { n: 9 } }, { upsert: true }),
      findAndModify: () => log.findOneAndUpdate({}, { $set: { n: 2 } }),
      'findAndModify that removes': () => log.findOneAndDelete({}),
      delete: () => log.deleteOne({}),
      drop: () => log.drop(),
      dropDatabase: () => database.dropDatabase(),
      createIndex: () => log.createIndex({ n: 1 }),
      dropIndexes: () => database.command({ dropIndexes: 'log', index: '*' }),
      collMod: () => database.command({ collMod: 'log', cappedSize: 4096 }),
      convertToCapped: () => database.command({ convertToCapped: 'log', size: 4096 }),
      rename: () => log.rename('other'),
      'find elsewhere': () => database.collection('other').findOne(),
      'insert elsewhere': () => database.collection('other').insertOne({}),
      'insert in another database': () => client.db('other').collection('log').insertOne({}),
      'look-up elsewhere': () => log.aggregate([{ $lookup: { from: 'other', localField: 'n', foreignField: 'n', as: 'x' } }]).toArray(),
      createUser: () => database.command({ createUser: 'x', pwd: 'x', roles: [] }),
      grantRolesToUser: () => database.command({ grantRolesToUser: 'writer', roles: ['readWrite'] }),
      createRole: () => database.command({ createRole: 'x', privileges: [], roles: [] }),
      serverStatus: () => database.command({ serverStatus: 1 })
    }
    for (const [name, attempt] of Object.entries(refused)) await t.rejects(attempt(), { code: 13, codeName: 'Unauthorized' }, name)
    t.equal(await log.countDocuments(), 1)
    await root.db('app').command({ grantPrivilegesToRole: 'logWriter', privileges: [{ resource: { db: 'app', collection: 'log' }, actions: ['remove'] }] })
    t.match(await log.deleteOne({ n: 1 }), { deletedCount: 1 }, 'a grant holds at once')
    await root.db('app').command({ revokePrivilegesFromRole: 'logWriter', privileges: [{ resource: { db: 'app', collection: 'log' }, actions: ['remove'] }] })
    await t.rejects(log.deleteOne({}), { code: 13 })
    await root.db('app').command({ dropUser: 'writer' })
    await t.rejects(log.insertOne({}), { code: 13 }, 'and so does the end of a user')
  })

  t.test('users and roles are listed, granted and dropped', async (t) => {
    const admin = root.db('app')
    await admin.command({ createRole: 'reader', privileges: [], roles: ['read'] })
    await admin.command({ createUser: 'bob', pwd: 'b', roles: ['reader', { role: 'readWrite', db: 'other' }] })
    await t.rejects(admin.command({ createUser: 'bob', pwd: 'b', roles: [] }), { code: 51003 })
    await t.rejects(admin.command({ createRole: 'reader', privileges: [], roles: [] }), { code: 51002 })
    await t.rejects(admin.command({ createUser: 'eve', pwd: 'b', roles: ['nothing'] }), { code: 31 })
    await t.rejects(admin.command({ dropUser: 'eve' }), { code: 11 })
    t.match(await admin.command({ usersInfo: 'bob', showPrivileges: true }), {
      users: [{ _id: 'app.bob', roles: [{ role: 'reader', db: 'app' }, { role: 'readWrite', db: 'other' }], inheritedRoles: [{ role: 'reader' }, { role: 'read', db: 'app' }, { role: 'readWrite' }] }]
    })
    t.match(await admin.command({ rolesInfo: 'reader', showPrivileges: true }), { roles: [{ role: 'reader', isBuiltin: false, roles: [{ role: 'read', db: 'app' }] }] })
    const bob = await signIn('bob', 'b', 'app')
    t.ok(await bob.db('other').collection('x').insertOne({}))
    await t.rejects(bob.db('app').collection('x').insertOne({}), { code: 13 })
    t.strictSame((await bob.db('admin').admin().listDatabases()).databases.map(({ name }) => name).sort(), ['app', 'other'])
    await admin.command({ revokeRolesFromUser: 'bob', roles: [{ role: 'readWrite', db: 'other' }] })
    await t.rejects(bob.db('other').collection('x').insertOne({}), { code: 13 })
    await admin.command({ dropRole: 'reader' })
    await t.rejects(bob.db('app').collection('x').findOne(), { code: 13 })
  })
})
