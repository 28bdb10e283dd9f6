import Fastify, { type FastifyInstance } from 'fastify'
import { readdir, readFile } from 'node:fs/promises'
import { MongoClient, type Db } from 'mongodb'
import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import docuwareAuth from '../index.js'
import { masterKey, validator } from './app.js'
import { startTestMongo } from './mongo.js'

const page = await readFile(new URL('../docs/operations.md', import.meta.url), 'utf8')
const publicUrl = 'https://app.example.com'

/** An app with every plugin, and the lines of its own log. */
async function wholeApp (t: Test, uri: string): Promise<{ app: FastifyInstance, lines: string[] }> {
  const connection = await mongoose.createConnection(uri).asPromise()
  const User = connection.model('User', new mongoose.Schema({ name: String }))
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(async () => {
    await app.close()
    await connection.close()
  })
  await app.register(docuwareAuth, {
    publicUrl,
    store: { uri, secretKeys: [masterKey] },
    docuware: {},
    provider: { issuer: publicUrl, owner: { current: async () => null, loginUrl: () => '/login', find: async () => null }, resources: { users: { model: User, user: true } } },
    jwt: {},
    connectors: {},
    webhooks: {},
    telemetry: {},
    signIn: { issuer: 'https://login.example.com', clientId: 'console', clientSecret: 'of the console' },
    admin: {}
  })
  await app.ready()
  return { app, lines }
}

async function databaseOf (t: Test, uri: string): Promise<Db> {
  const client = await new MongoClient(uri).connect()
  t.teardown(() => client.close())
  return client.db()
}

/** The rows of the table of collections: name, and the last cell. */
const documented = new Map([...page.matchAll(/^\| (`dwa_.*?) \| .* \| (.*) \|$/gm)].flatMap(([, names = '', indexes = '']) => names.replaceAll('`', '').split(', ').map((name): [string, string] => [name, indexes])))

t.test('docs/operations.md lists every collection with the indexes that it has', async (t) => {
  const { uri } = await startTestMongo(t)
  await wholeApp(t, uri)
  const db = await databaseOf(t, uri)
  for (const { name } of await db.listCollections({ name: /^dwa_/ }).toArray()) {
    const indexes = (await db.collection(name).listIndexes().toArray()).filter((index) => index['name'] !== '_id_')
    const shown = indexes.map(({ key, unique, sparse, expireAfterSeconds }) => `\`${Object.keys(key).join(', ')}\`${unique === true ? ' unique' : ''}${sparse === true ? ' sparse' : ''}${expireAfterSeconds === undefined ? '' : ' expiring'}`)
    t.strictSame(new Set(documented.get(name)?.split('; ').filter((text) => text !== '–')), new Set(shown), name)
  }
})

t.test('a backup without the collections that may be left out is restored: secrets can be read, tokens work, the log is sound, and lines kept outside show what came after it', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app, lines } = await wholeApp(t, uri)
  await app.jwtValidators.create(validator('erp'))
  await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'c-1', clientSecret: 'of the registration' })
  const { client, clientSecret } = await app.oauthProvider.clients.create({ name: 'Report', applicationType: 'backend' })
  const token = await tokenOf(app, client.clientId, clientSecret)

  const restored = await startTestMongo(t)
  const copy = await databaseOf(t, restored.uri)
  const [, left = ''] = /^May be left out: (.*)\.$/m.exec(page) ?? []
  const leftOut = [...left.matchAll(/`(dwa_\w+)`/g)].map(([, name]) => name)
  t.equal(leftOut.length, 5)
  t.strictSame(leftOut.filter((name = '') => !documented.has(name)), [])
  const source = await databaseOf(t, uri)
  for (const { name, options } of await source.listCollections({ name: /^dwa_/ }, { nameOnly: false }).toArray()) {
    if (leftOut.includes(name)) continue
    const documents = await source.collection(name).find().toArray()
    await copy.createCollection(name, options)
    if (documents.length > 0) await copy.collection(name).insertMany(documents)
  }
  await app.jwtValidators.update('erp', { clockTolerance: 5 })
  await app.close()

  const { app: again } = await wholeApp(t, restored.uri)
  t.match(await again.jwtValidators.secrets('erp'), { secretKey: validator('erp').secretKey })
  t.match(await again.docuware.connections.secrets('acme', { actor: { type: 'user', id: 'ann' } }), { clientSecret: 'of the registration' })
  t.equal(await statusOf(again, token), 200)
  t.type(await tokenOf(again, client.clientId, clientSecret), 'string')
  t.match(await again.auditLog.verify(), { ok: true, unanchoredFront: false })
  const anchors = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'audit log checkpoint').flatMap(({ heads }) => heads)
  t.ok(anchors.length > 0)
  t.match(await again.auditLog.verify({ anchors }), { ok: false })
  await again.close()

  for (const [, name = ''] of page.matchAll(/^db\.(dwa_\w+)\.deleteMany\(\{\}\)/gm)) await copy.collection(name).deleteMany({})
  const { app: last } = await wholeApp(t, restored.uri)
  t.equal(await statusOf(last, token), 401, 'what was issued before the restore is no good any more')
  t.equal(await statusOf(last, await tokenOf(last, client.clientId, clientSecret)), 200)
})

async function tokenOf (app: FastifyInstance, clientId: string, clientSecret: string | null): Promise<string> {
  const answer = await app.inject({
    method: 'POST',
    url: '/oauth2/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
    payload: 'grant_type=client_credentials'
  })
  return answer.json().access_token
}

async function statusOf (app: FastifyInstance, token: string): Promise<number> {
  return (await app.inject({ url: '/oauth2/tokeninfo', headers: { authorization: `Bearer ${token}` } })).statusCode
}

t.test('an event that docs/operations.md tells to watch is one that the package writes', async (t) => {
  const [, watched = ''] = page.split(/^## What to watch$/m)
  const sources = await Promise.all((await readdir(new URL('../lib', import.meta.url), { recursive: true })).filter((name) => name.endsWith('.ts')).map(async (name) => await readFile(new URL(`../lib/${name}`, import.meta.url), 'utf8')))
  const isWritten = (event: string): boolean => [`'${event}'`, `\`\${area}.${event.split('.').at(1)}\``, `'${event.split('.').at(1)}'`].some((text) => sources.some((source) => source.includes(text)))
  const events = [...watched.split(/^## /m)[0]?.matchAll(/^\| `(?<event>[a-z]+\.[a-z_]+)`/gm) ?? []].map(([, event = '']) => event)
  t.ok(events.length > 5)
  t.strictSame(events.filter((event) => !isWritten(event)), [])
})
