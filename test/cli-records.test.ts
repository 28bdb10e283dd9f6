import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import docuwareAuth from '../index.js'
import { run } from '../lib/cli/run.js'
import { withProgress } from '../lib/cli/progress.js'
import { startEmbeddedMongo } from '../testing/index.js'
import { ManualClock } from './manual-clock.js'
import { startTestMongo } from './mongo.js'
import { basic } from './provider/provider-app.js'
import { masterKey } from './store-app.js'

interface Answer { readonly code: number, readonly out: string[], readonly err: string[] }

async function command (args: readonly string[], env: Record<string, string>): Promise<Answer> {
  const out: string[] = []
  const err: string[] = []
  const code = await run(args, { say (line) { out.push(line) }, complain (line) { err.push(line) }, env })
  return { code, out, err }
}

async function running (t: Test): Promise<{ app: FastifyInstance, env: Record<string, string> }> {
  const { uri } = await startTestMongo(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const publicUrl = 'https://id.example'
  await app.register(docuwareAuth, {
    publicUrl,
    store: { uri, secretKeys: [masterKey] },
    docuware: {},
    jwt: {},
    provider: { issuer: publicUrl, owner: { current: () => null, loginUrl: () => '/', find: () => null } }
  })
  await app.ready()
  return { app, env: { DWA_URI: uri, DWA_KEYS: masterKey } }
}

t.test('create-client makes a client that the running app knows, and shows its secret once', async (t) => {
  const { app, env } = await running(t)
  const { code, out, err } = await command(['create-client', '--name', 'Robot', '--type', 'backend', '--scope', 'read', '--scope', 'write', '--json'], env)
  t.strictSame({ code, err }, { code: 0, err: [] })
  const made = JSON.parse(out.join(''))
  t.match(made, { name: 'Robot', clientId: /^[0-9a-f-]{36}$/, clientSecret: /^\S{40,}$/, applicationType: 'backend', confidential: true, scopes: ['read', 'write'] })
  const token = await app.inject({ method: 'POST', url: '/oauth2/token', headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic(made.clientId, made.clientSecret) }, payload: 'grant_type=client_credentials&scope=read' })
  t.equal(token.statusCode, 200, token.body)
  t.match(await app.auditLog.find({ event: 'client.created' }), [{ actor: { type: 'system' }, target: { name: 'Robot' }, message: 'made by the command create-client' }])

  const web = await command(['create-client', '--name', 'Shop', '--type', 'web', '--redirect-uri', 'https://shop.example/cb', '--skip-authorization'], env)
  t.match(web, { code: 0, out: [/^name {11}Shop$/, /^client id {6}\S+$/, /^client secret {2}\S{40,} {3}\(shown this once\)$/, /^redirect URIs {2}https:\/\/shop\.example\/cb$/, /^scopes {9}–$/], err: [] })
  t.match(await app.oauthProvider.clients.get('Shop'), { skipAuthorization: true, hasClientSecret: true })

  const file = join(t.testdir(), 'client.json')
  await writeFile(file, JSON.stringify({ name: 'App', applicationType: 'mobile', redirectUris: ['com.example.app:/cb'], clientId: 'the-app' }))
  t.match((await command(['create-client', '--from', file, '--name', 'Other name'], env)).out, [/Other name$/, /the-app$/, /^redirect URIs {2}com\.example\.app:\/cb$/])
  t.notOk((await command(['list', 'clients', '--json'], env)).out.join('').includes('ecret"'), 'it is not shown again')
})

t.test('create-client: 1 for a client that is refused, 2 when it cannot try, and secrets are no arguments', async (t) => {
  const { env } = await running(t)
  const directory = t.testdir()
  const [broken, list] = [join(directory, 'broken'), join(directory, 'list')]
  await writeFile(broken, '{"clientSecret":"not to be repeated')
  await writeFile(list, '[]')
  await command(['create-client', '--name', 'Taken', '--type', 'backend'], env)
  const cases: Array<[string[], number, RegExp, Record<string, string>?]> = [
    [['--name', 'Taken', '--type', 'backend'], 1, /exists already/],
    [['--name', 'X', '--type', 'nonsense'], 1, /applicationType/],
    [['--name', 'X', '--type', 'web'], 1, /redirectUris/],
    [['--name', 'X', '--type', 'web', '--redirect-uri', 'http://shop.example/cb'], 1, /redirectUris/],
    [[], 1, /name/],
    [['--name', 'X', '--type', 'backend', '--from', broken], 2, /is no JSON$/],
    [['--name', 'X', '--type', 'backend', '--from', list], 2, /holds no JSON object$/],
    [['--name', 'X', '--type', 'backend'], 2, /--key-file or DWA_KEYS is missing$/, { DWA_KEYS: '' }],
    [['--name', 'X', '--type', 'backend'], 2, /--uri \(or DWA_URI\) is missing$/, { DWA_URI: '' }],
    [['--name', 'X', '--type', 'backend'], 2, /cannot be reached$/, { DWA_URI: 'mongodb://127.0.0.1:1/x' }],
    [['--name', 'X', '--type', 'backend', '--prefix', 'other_'], 2, /key ring in other_keys does not exist/],
    [['--key', masterKey], 2, /Unknown option '--key'/],
    [['--client-secret', 'mine'], 2, /Unknown option '--client-secret'/]
  ]
  for (const [args, code, message, changed = {}] of cases) {
    const answer = await command(['create-client', ...args], { ...env, ...changed })
    t.strictSame({ code: answer.code, out: answer.out }, { code, out: [] }, args.join(' '))
    t.match(answer.err.at(-1), message)
    t.notOk(answer.err.join().includes('not to be repeated'))
  }
  const refused = await command(['create-client', '--name', 'X', '--type', 'web', '--json'], env)
  t.strictSame({ code: refused.code, err: refused.err }, { code: 1, err: [] })
  t.match(JSON.parse(refused.out.join('')), { code: 'DWA_PROVIDER_INVALID_CLIENT', field: 'redirectUris', message: /redirectUris/ })
  t.match(JSON.parse((await command(['create-client', '--name', 'Taken', '--type', 'backend', '--json'], env)).out.join('')), { code: 'DWA_STORE_DUPLICATE', field: null })
})

t.test('list shows every kind of record without its secrets, and needs no keys', async (t) => {
  const { app, env: { DWA_URI: uri = '' } } = await running(t)
  const env = { DWA_URI: uri }
  await app.jwtValidators.create({ name: 'shop', signatureType: 'secret', secretKey: 'the secret of the validator, long enough', audience: ['a', 'b'], issuer: 'https://shop.example' })
  await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'c', clientSecret: 'the secret of the connection' })
  await app.docuware.connections.create({ name: '\u001b[2Jclear', platformUrl: 'acme', clientId: 'c' })
  const { client, clientSecret } = await app.oauthProvider.clients.create({ name: 'Robot', applicationType: 'backend' })
  await app.oauthProvider.scopes.create({ code: 'read', name: 'Read' })

  const table = await command(['list', 'connections'], env)
  t.match(table, { code: 0, out: [/^name +platformUrl +clientId +status +statusMessage +expiresAt +updatedAt$/, /^\?\[2Jclear +https:\/\/acme\.docuware\.cloud\/DocuWare\/Platform +c +draft +– +– +\d{4}-/, /^acme +/], err: [] })
  t.match((await command(['list', 'validators'], env)).out[1], /^shop +true +secret +https:\/\/shop\.example +a b +– +/)
  t.match(JSON.parse((await command(['list', 'clients', '--json'], env)).out.join('')), [{ id: client.id, name: 'Robot', clientId: client.clientId, version: 1 }])
  t.match((await command(['list', 'scopes'], env)).out, [/^code/, /^read +Read/])
  t.equal((await command(['list', 'consents'], env)).out.length, 1)
  t.match((await command(['list', 'settings', '--prefix', 'none_'], env)), { code: 0, out: [/./] })
  for (const what of ['connections', 'validators', 'clients', 'scopes', 'consents', 'settings']) {
    const text = [...(await command(['list', what], env)).out, ...(await command(['list', what, '--json'], env)).out].join('\n')
    for (const secret of ['the secret of', String(clientSecret), 'v1.', 'hash']) t.notOk(text.includes(secret), `${what}: ${secret}`)
  }
  for (const [args, message] of [[[], /say what to list: .*connections/], [['nonsense'], /say what to list/], [['clients', 'scopes'], /say what to list/], [['__proto__'], /say what to list/]] as const) t.match(await command(['list', ...args], env), { code: 2, out: [], err: [message] })
  t.match(await command(['list', 'clients', '--uri', 'mongodb://127.0.0.1:1/x'], {}), { code: 2, err: [/cannot be reached/] })
})

t.test('a date in a record is shown as a date', async (t) => {
  const { app, env } = await running(t)
  const { id } = await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'c' })
  await app.store.connection.collection('dwa_connections').updateOne({ _id: app.store.connection.base.Types.ObjectId.createFromHexString(id) }, { $set: { expiresAt: 1_700_000_000_000 } })
  t.match((await command(['list', 'connections'], env)).out[1], / 2023-11-14T22:13:20\.000Z /)
})

const commands: ReadonlyArray<readonly [name: string, ...args: string[]]> = [['verify-log'], ['rotate-keys'], ['create-client', '--name', 'X', '--type', 'backend'], ['list', 'clients'], ['doctor', '--offline']]

t.test('each command explains itself, and is 2 for what it cannot be told to do', async (t) => {
  for (const [name, ...args] of commands) {
    for (const help of ['--help', '-h']) t.match(await command([name, help], {}), { code: 0, out: [new RegExp(`^fastify-docuware-auth ${name} .*Exit code: 0 .*, 2 .*--uri .*--json `, 's')], err: [] }, name)
    const cases: Array<[string[], RegExp, Record<string, string>?]> = [
      [['--frobnicate'], /Unknown option '--frobnicate'/],
      [['--uri'], /argument missing/],
      [['--json=yes'], /does not take an argument/],
      [[], /--uri .*is missing$/, { DWA_KEYS: masterKey }],
      [['one too many'], /one too many|say what to list/]
    ]
    for (const [more, message, env = {}] of cases) {
      const answer = await command([name, ...args, ...more], env)
      t.strictSame({ code: answer.code, out: answer.out, lines: answer.err.length }, { code: 2, out: [], lines: 1 }, `${name} ${more.join(' ')}`)
      t.match(answer.err, [message])
    }
    if (name !== 'list') t.match(await command([name, ...args, '--uri', 'mongodb://127.0.0.1:1/x', '--key-file', import.meta.dirname], {}), { code: 2, out: [], err: [/EISDIR/] })
  }
  t.match((await command(['--help'], {})).out, [/verify-log.*rotate-keys.*create-client.*list.*doctor/s])
})

t.test('each command answers in JSON, one document, when it is asked to', async (t) => {
  const { env } = await running(t)
  for (const [name, ...args] of commands) {
    const { out, err } = await command([name, ...args, '--json'], env)
    t.strictSame({ documents: out.length, err }, { documents: 1, err: [] }, name)
    t.type(JSON.parse(out.join()), 'object')
  }
})

t.test('what MongoDB refuses is one line, 2, and quotes nothing', async (t) => {
  const mongo = await startEmbeddedMongo({ auth: true })
  t.teardown(() => mongo.stop())
  const admin = await MongoClient.connect(mongo.uri)
  t.teardown(() => admin.close())
  await admin.db().command({ createUser: 'nobody', pwd: 'nobody', roles: [] })
  const uri = new URL(mongo.uri)
  uri.username = uri.password = 'nobody'
  uri.searchParams.set('authSource', admin.db().databaseName)
  for (const [name, ...args] of commands.filter(([name]) => name !== 'doctor')) {
    t.strictSame(await command([name, ...args], { DWA_URI: uri.href, DWA_KEYS: masterKey }), { code: 2, out: [], err: [`${name}: MongoDB refuses: Unauthorized`] })
  }
})

t.test('progress is for people: none with --json', async (t) => {
  const watch = async (...more: string[]): Promise<string[]> => {
    const seen: string[] = []
    t.equal(await run(['list', 'clients', '--uri', 'mongodb://127.0.0.1:1/app', ...more], { say () {}, complain () {}, status (line) { seen.push(line) }, env: {} }), 2)
    return seen
  }
  const [shown, quiet] = await Promise.all([watch(), watch('--json')])
  t.match(shown, [/^list … 1 s$/])
  t.equal(shown.at(-1), '')
  t.strictSame(quiet, [])
})

t.test('whoever looks on is told after a second what is being done, and nothing of it is left', async (t) => {
  const clock = new ManualClock()
  const seen: string[] = []
  const terminal = { say (line: string) { seen.push(`say ${line}`) }, complain (line: string) { seen.push(`complain ${line}`) }, status (line: string) { seen.push(`status ${line}`) }, env: {}, clock }
  const code = await withProgress(terminal, 'doctor', async ({ say, complain, doing }) => {
    clock.advance(750)
    doing?.('looking at keys')
    clock.advance(250)
    say('ok')
    complain('no')
    clock.advance(1000)
    return 1
  })
  t.equal(code, 1)
  t.strictSame(seen, ['status doctor: looking at keys … 1 s', 'status ', 'say ok', 'complain no', 'status doctor: looking at keys … 1 s', 'status doctor: looking at keys … 1 s', 'status doctor: looking at keys … 1 s', 'status doctor: looking at keys … 2 s', 'status '])
  clock.advance(5000)
  t.equal(seen.length, 9, 'it is over')
  seen.length = 0
  await withProgress(terminal, 'list', async ({ say }) => { say('quick') })
  t.strictSame(seen, ['say quick'])
})

t.test('the command waits for a database that is away, and says so', async (t) => {
  const child = fork(new URL('../cli.ts', import.meta.url), ['list', 'clients', '--uri', 'mongodb://127.0.0.1:1/app'], { silent: true })
  const said: Buffer[] = []
  child.stderr?.on('data', (data: Buffer) => { said.push(data) })
  const [exit] = await once(child, 'close')
  t.equal(exit, 2)
  t.equal(Buffer.concat(said).toString(), 'list: the database cannot be reached\n', 'and nothing of its progress, where nobody looks on')
})
