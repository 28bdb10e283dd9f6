import { MongoClient } from 'mongodb'
import { startEmbeddedMongo } from '../../testing/index.js'

// Run by fork: starts a server, uses it, leaves a tailable cursor waiting, and stops. It must then end by itself.
const mongo = await startEmbeddedMongo({ auth: true })
const client = await MongoClient.connect(mongo.uri, { serverSelectionTimeoutMS: 2000 })
const log = await client.db('app').createCollection('log', { capped: true, size: 4096 })
await log.createIndex({ at: 1 })
await log.insertOne({ at: new Date() })
const cursor = log.find({}, { tailable: true, awaitData: true, maxAwaitTimeMS: 60_000 })
await cursor.next()
const waiting = cursor.next().catch(() => null)
await mongo.stop()
await mongo.stop()
await waiting
await client.close()
