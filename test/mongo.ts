import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { startEmbeddedMongo, type EmbeddedMongo } from '../testing/index.js'

/** What is needed of a tap test here. */
export interface Teardown { teardown: (fn: () => unknown) => void }

/** A MongoDB for one test, gone when it ends. `embedded` is undefined on a server that `MONGODB_URI` names. */
export interface TestMongo { uri: string, embedded: EmbeddedMongo | undefined }

/** A connection string with another database; who signs in still does so against the one named before, or admin. */
function withDatabase (uri: string, database: string): string {
  const [, hosts = '', named = '', query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(uri) ?? []
  if (hosts === '') throw new Error('MONGODB_URI is no MongoDB connection string')
  const options = new URLSearchParams(query)
  if (hosts.includes('@') && !options.has('authSource')) options.set('authSource', named === '' ? 'admin' : named)
  return `${hosts}/${database}${options.size > 0 ? `?${options.toString()}` : ''}`
}

/**
 * A MongoDB for one test: a new database on the server that `MONGODB_URI` names, dropped at teardown; or else an
 * embedded server, stopped at teardown.
 */
export async function startTestMongo (t: Teardown): Promise<TestMongo> {
  const server = process.env['MONGODB_URI']
  if (server !== undefined && server !== '') {
    const uri = withDatabase(server, `dwa_test_${randomBytes(8).toString('hex')}`)
    t.teardown(async () => {
      const client = new MongoClient(uri)
      await client.db().dropDatabase()
      await client.close()
    })
    return { uri, embedded: undefined }
  }
  const embedded = await startEmbeddedMongo()
  t.teardown(() => embedded.stop())
  return { uri: embedded.uri, embedded }
}
