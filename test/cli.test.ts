import t, { type Test } from 'tap'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { run } from '../lib/cli/run.js'
import { validatorKind } from '../lib/jwt/validator-kind.js'
import { logIndexes } from '../lib/log/log-collection.js'
import { OpenedStore } from '../lib/store/open-store.js'
import { packageVersion } from '../lib/version.js'
import { startEmbeddedMongo } from '../testing/index.js'
import { startTestMongo } from './mongo.js'
import { masterKey, otherMasterKey, storeApp } from './store-app.js'

interface Answer { readonly code: number, readonly out: string[], readonly err: string[] }

async function command (args: readonly string[], env: Record<string, string> = {}): Promise<Answer> {
  const out: string[] = []
  const err: string[] = []
  const code = await run(args, { say (line) { out.push(line) }, complain (line) { err.push(line) }, env })
  for (const key of [masterKey, otherMasterKey]) if ([...out, ...err].some((line) => line.includes(key))) throw new Error('a key was repeated')
  return { code, out, err }
}

/** A database with a log of some entries. */
async function writtenLog (t: Test): Promise<{ uri: string, anchors: string, keyFile: string }> {
  const { uri } = await startTestMongo(t)
  const { app, lines } = await storeApp(t, { uri })
  for (let i = 0; i < 5; i++) await app.auditLog.append('thing.seen', { details: { i } })
  await app.close()
  const directory = t.testdir()
  const [anchors, keyFile] = [join(directory, 'app.log'), join(directory, 'keys')]
  await writeFile(keyFile, `${otherMasterKey}\n${masterKey}\n`)
  await writeFile(anchors, ['not JSON, and of no interest', ...lines.map(({ message, details }) => JSON.stringify({ msg: message, ...details }))].join('\n'))
  return { uri, anchors, keyFile }
}

t.test('help, version, and commands that are none', async (t) => {
  t.match(await command([]), { code: 0, out: [/verify-log/] })
  t.match(await command(['--help']), { code: 0, out: [/rotate-keys/] })
  t.match(await command(['-h']), { code: 0 })
  t.same(await command(['--version']), { code: 0, out: [packageVersion], err: [] })
  for (const name of ['verify-log', 'rotate-keys']) t.match(await command([name, '--help']), { code: 0, out: [new RegExp(`^fastify-docuware-auth ${name} `)], err: [] })
  for (const name of ['frobnicate', 'constructor', '__proto__']) t.same(await command([name]), { code: 2, out: [], err: [`unknown command: ${name} (try --help)`] })
})

t.test('arguments that do not do are one line on standard error and exit code 2', async (t) => {
  const empty = join(t.testdir(), 'empty')
  await writeFile(empty, '\n')
  const cases: Array<[string[], RegExp, Record<string, string>?]> = [
    [['verify-log'], /^verify-log: --key, --key-file or DWA_KEYS is missing$/],
    [['verify-log', '--key-file', empty], /--key, --key-file or DWA_KEYS is missing/],
    [['verify-log', '--key', masterKey], /^verify-log: --uri \(or DWA_URI\) is missing$/],
    [['verify-log', '--key', 'AAAA', '--uri', 'mongodb://127.0.0.1:1/x'], /^verify-log: --key 1: is 3 bytes long/],
    [['verify-log'], /^verify-log: DWA_KEYS 2: is not base64$/, { DWA_KEYS: `${masterKey},???` }],
    [['verify-log', '--key-file', '/does/not/exist'], /ENOENT/],
    [['verify-log', '--key', masterKey, '--uri', 'nonsense'], /^verify-log: --uri: is not a MongoDB address/],
    [['verify-log', '--key', masterKey, '--uri', 'mongodb://127.0.0.1:1/x', '--anchor', empty], /holds no checkpoint/],
    [['rotate-keys', '--frobnicate'], /^rotate-keys: Unknown option '--frobnicate'/]
  ]
  for (const [args, message, env] of cases) t.match(await command(args, env), { code: 2, out: [], err: [message] }, args.join(' '))
})

t.test('verify-log: 0 sound, 1 broken with the first bad chain and seq, 2 could not look', async (t) => {
  const { uri, anchors, keyFile } = await writtenLog(t)
  t.same(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 0, out: ['sound: 8 entries in 1 chains'], err: [] })
  t.match(await command(['verify-log', '--key-file', keyFile, '--anchor', anchors, '--json'], { DWA_URI: uri }), { code: 0, out: [/^\{"ok":true,"entries":8,"chains":1,"unanchoredFront":false\}$/] })
  t.match(await command(['verify-log', '--uri', uri], { DWA_KEYS: masterKey }), { code: 0 })

  t.match(await command(['verify-log', '--uri', uri, '--key', otherMasterKey]), { code: 2, err: [/None of store\.secretKeys opens this database/] })
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey, '--prefix', 'other_']), { code: 2, err: [/there is no key ring in other_keys/] })
  t.match(await command(['verify-log', '--uri', 'mongodb://127.0.0.1:1/x', '--key', masterKey]), { code: 2, err: [/the database cannot be reached/] })

  const { app } = await storeApp(t, { uri, collectionPrefix: 'x_' })
  const { db } = app.store.connection
  await db?.collection('dwa_log').deleteMany({ seq: { $gte: 6 } })
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 0 }, 'the end was cut, with the checkpoint in it')
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey, '--anchor', anchors]), { code: 1, out: [/^broken: chain [0-9a-f]{24}, seq 6: the end of the chain was cut off/] })
  await db?.collection('dwa_log').updateOne({ seq: 3 }, { $set: { message: 'x' } })
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 1, out: [/^broken: chain [0-9a-f]{24}, seq 3: it was altered/] })
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey, '--json']), { code: 1, out: [/"firstBad":\{"chain":"[0-9a-f]{24}","seq":3/] })
  await db?.collection('dwa_keys').updateOne({}, { $set: { keys: null } })
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 2, err: [/TypeError/] }, 'never 1 when it could not look')
})

t.test('verify-log: 1 for something in the log that has not the shape of an entry', async (t) => {
  const { uri } = await writtenLog(t)
  const client = new MongoClient(uri)
  t.teardown(() => client.close())
  await client.db().collection('dwa_log').insertOne({ chain: 'x', seq: 7 })
  t.same(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 1, out: ['broken: chain x, seq 7: it has not the shape of an entry'], err: [] })
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey, '--json']), { code: 1, out: [/"ok":false,.*"firstBad":\{"chain":"x","seq":7,/] })
})

t.test('verify-log: an evicted front is said, and a log that is not there', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri, log: { size: 1 << 20, max: 10 } })
  for (let i = 0; i < 30; i++) await app.auditLog.append('thing.seen')
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 0, out: ['sound: 10 entries in 1 chains'], err: [/evicted before any surviving checkpoint/] })
  await app.store.connection.db?.collection('dwa_log').drop()
  t.match(await command(['verify-log', '--uri', uri, '--key', masterKey]), { code: 2, err: [/there is no collection dwa_log/] })
})

t.test('a log with a credential of its own, in a database of its own: every command uses it where it reads or writes the log', async (t) => {
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const admin = await MongoClient.connect(mongo.uri)
  t.teardown(() => admin.close())
  const addressOf = async (database: string, user: string, role: string | object): Promise<string> => {
    await admin.db(database).command({ createUser: user, pwd: user, roles: [role] })
    const address = new URL(mongo.uri)
    address.username = address.password = user
    address.pathname = `/${database}`
    address.search = `?authSource=${database}`
    return address.href
  }
  await admin.db('audit').createCollection('dwa_log', { capped: true, size: 1 << 20 })
  await admin.db('audit').collection('dwa_log').createIndexes(logIndexes.map((index) => ({ ...index })))
  await admin.db('audit').command({ createRole: 'auditWriter', privileges: [{ resource: { db: 'audit', collection: 'dwa_log' }, actions: ['insert', 'find', 'listIndexes', 'collStats'] }], roles: [] })
  const uri = await addressOf('app', 'app', 'readWrite')
  const logUri = await addressOf('audit', 'writer', 'auditWriter')
  const { app } = await storeApp(t, { uri, log: { uri: logUri, requireInsertOnly: true } })
  await app.close()
  const log = admin.db('audit').collection('dwa_log')
  const env = { DWA_URI: uri, DWA_LOG_URI: logUri, DWA_KEYS: masterKey }
  const client = ['create-client', '--name', 'Robot', '--type', 'backend', '--json']

  const forgotten = /^create-client: The log app\.dwa_log does not exist$/
  t.match(await command(client, { ...env, DWA_LOG_URI: '' }), { code: 2, out: [], err: [forgotten] }, 'nothing is made beside the log')
  t.match(await command(['rotate-keys'], { ...env, DWA_LOG_URI: '', DWA_KEYS: `${otherMasterKey},${masterKey}` }), { code: 2, out: [] })
  t.match(await command(['verify-log'], { ...env, DWA_LOG_URI: '' }), { code: 2, err: [/there is no collection dwa_log/] })
  t.strictSame((await admin.db('app').listCollections({ name: 'dwa_log' }).toArray()), [])

  t.match(await command(client, env), { code: 0, err: [] })
  t.equal(await log.countDocuments({ event: 'client.created', 'target.name': 'Robot' }), 1)
  const { DWA_LOG_URI: _, ...others } = env
  t.match(await command(['create-client', '--name', 'Other', '--type', 'backend', '--log-uri', logUri], others), { code: 0 }, 'as an option')
  t.match(await command(['rotate-keys', '--json'], { ...env, DWA_KEYS: `${otherMasterKey},${masterKey}` }), { code: 0, out: [/"changed":true/] })
  t.equal(await log.countDocuments({ event: 'key.rotated' }), 1)
  const entries = await log.countDocuments()
  t.match(await command(['verify-log', '--json'], { ...env, DWA_KEYS: otherMasterKey }), { code: 0, out: [`{"ok":true,"entries":${entries},"chains":4,"unanchoredFront":false}`] })
  t.match(await command(['list', 'clients', '--json'], { DWA_URI: uri }), { code: 0, out: [/Robot/] }, 'what does not touch the log needs no credential of it')
  t.match(await command(['verify-log', '--log-uri', 'mongodb://127.0.0.1:1/audit'], { DWA_URI: uri, DWA_KEYS: otherMasterKey }), { code: 2, err: ['verify-log: the database of --log-uri cannot be reached'] })
})

t.test('56. rotate-keys: the new master key opens the database, the old one no longer does', async (t) => {
  const { uri } = await startTestMongo(t)
  t.match(await command(['rotate-keys', '--uri', uri, '--key', masterKey]), { code: 2, err: ['rotate-keys: The key ring in dwa_keys does not exist'] }, 'nothing to rotate, and nothing is made')
  const { app } = await storeApp(t, { uri })
  const validators = app.store.records<{ name: string, signatureType: string, audience: string[], issuer: string, secretKey: string }>(validatorKind)
  const { id } = await validators.create({ name: 'demo', signatureType: 'secret', audience: ['a'], issuer: 'i', secretKey: 'the secret of the validator' })

  t.match(await command(['rotate-keys', '--uri', uri, '--key', otherMasterKey]), { code: 2, err: [/None of store\.secretKeys/] })
  t.match(await command(['rotate-keys', '--uri', uri, '--key', otherMasterKey, '--key', masterKey]), { code: 0, out: [/^rotated: data key [0-9a-f]{16}, wrapped by [0-9a-f]{16}, 0 secrets encrypted anew$/] })
  t.match(await command(['rotate-keys', '--uri', uri, '--key', otherMasterKey]), { code: 0, out: [/^nothing to rotate/] })
  t.same(await validators.secrets(id), { secretKey: 'the secret of the validator' }, 'the running app does not notice')
  await t.rejects(storeApp(t, { uri }), { code: 'DWA_STORE_WRONG_KEY' })

  t.match(await command(['rotate-keys', '--uri', uri, '--key', otherMasterKey, '--data-key', '--json']), { code: 0, out: [/"changed":true,"reencrypted":1,"unreadable":\[\]/] })
  const later = await storeApp(t, { uri, secretKeys: [otherMasterKey] })
  if (!(later.app.store instanceof OpenedStore)) throw new Error('another store')
  t.same(await later.app.store.records(validatorKind).secrets(id), { secretKey: 'the secret of the validator' })
  t.match(await later.app.auditLog.verify(), { ok: true })
  await later.app.store.connection.collection('dwa_validators').updateOne({}, { $set: { secretKey: 'v1.0.0.0.0' } })
  t.match(await command(['rotate-keys', '--uri', uri, '--key', otherMasterKey, '--data-key']), { code: 1, err: [`cannot be read: validators/${id}/secretKey`] })
  t.match(await command(['rotate-keys', '--uri', 'mongodb://127.0.0.1:1/x', '--key', otherMasterKey]), { code: 2 })
})

t.test('the command itself', async (t) => {
  for (const [args, code, stream] of [[['--version'], 0, 'stdout'], [['frobnicate'], 2, 'stderr']] as const) {
    const child = fork(new URL('../cli.ts', import.meta.url), args, { silent: true })
    const output: Buffer[] = []
    child[stream]?.on('data', (data: Buffer) => { output.push(data) })
    const [exit] = await once(child, 'close')
    t.equal(exit, code)
    t.match(Buffer.concat(output).toString(), code === 0 ? packageVersion : 'unknown command: frobnicate')
  }
})
