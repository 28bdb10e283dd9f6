import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { startEmbeddedMongo, type EmbeddedMongo } from '../testing/index.js'

/** What is needed of a tap test here. */
export interface Teardown { teardown: (fn: () => unknown) => void }

/** A MongoDB for one test, gone when it ends. `embedded` is undefined on a server that `MONGODB_URI` names. */
export interface TestMongo { uri: string, embedded: EmbeddedMongo | undefined }

/**
 * A MongoDB for one test: a new database on the server that `MONGODB_URI` names, dropped at teardown; or else an
 * embedded server, stopped at teardown.
 */
export async function startTestMongo (t: Teardown): Promise<TestMongo> {
  const server = process.env['MONGODB_URI']
  if (server !== undefined && server !== '') {
    const address = new URL(server)
    if (address.pathname.length > 1 && !address.searchParams.has('authSource') && address.username !== '') address.searchParams.set('authSource', address.pathname.slice(1))
    address.pathname = `/dwa_test_${randomBytes(8).toString('hex')}`
    t.teardown(async () => {
      const client = new MongoClient(address.href)
      await client.db().dropDatabase()
      await client.close()
    })
    return { uri: address.href, embedded: undefined }
  }
  const embedded = await startEmbeddedMongo()
  t.teardown(() => embedded.stop())
  return { uri: embedded.uri, embedded }
}
