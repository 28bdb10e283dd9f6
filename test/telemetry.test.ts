import { createHash, createSecretKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MongoClient } from 'mongodb'
import * as AppSentry from '@sentry/node'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import docuwareAuth from '../index.js'
import { errors } from '../lib/errors.js'
import { recordKinds } from '../lib/record-kinds.js'
import { HandledSecrets } from '../lib/store/handled-secrets.js'
import { readMasterKey } from '../lib/store/master-key.js'
import { rotateKeys } from '../lib/store/rotate-keys.js'
import { OpenedStore } from '../lib/store/open-store.js'
import type { ErrorContext } from '../lib/telemetry/error-reporter.js'
import { IsolatedClient } from '../lib/telemetry/isolated-client.js'
import { openTelemetry } from '../lib/telemetry/open-telemetry.js'
import { scrubEvent } from '../lib/telemetry/scrub-event.js'
import { Scrubber } from '../lib/telemetry/scrubber.js'
import { installedSdk, sdkFrom, type SentryEvent, type SentrySdk } from '../lib/telemetry/sentry-sdk.js'
import { settingsKind, type StoredSettings } from '../lib/telemetry/settings-kind.js'
import { packageRoot } from '../lib/telemetry/stack-frames.js'
import { TelemetryReporter } from '../lib/telemetry/telemetry-reporter.js'
import { TelemetrySettings, type ActiveSettings } from '../lib/telemetry/telemetry-settings.js'
import { redactShapes } from '../lib/telemetry/token-shapes.js'
import type { StoreOptions } from '../plugins/store.js'
import { telemetry } from '../plugins/telemetry.js'
import { signToken } from '../testing/sign-token.js'
import { clockAt } from './app.js'
import { authorized, docuwareApp } from './docuware/docuware-app.js'
import { startTestMongo } from './mongo.js'
import { startProxy } from './mongo-proxy.js'
import { SentryEndpoint } from './sentry-endpoint.js'
import { eventually, masterKey, storeApp, type StoreApp } from './store-app.js'
import { Worker } from './workers/fork-worker.js'

const mongo = await startTestMongo(t)

/** An app with store and telemetry, closed with the test and not ready yet. */
async function telemetryApp (t: Test, options: Partial<StoreOptions>): Promise<StoreApp> {
  const made = await storeApp(t, { uri: mongo.uri, ...options })
  await made.app.register(telemetry)
  return made
}

const startEndpoint = async (t: Test): Promise<SentryEndpoint> => await new SentryEndpoint().start(t)

t.test('this package is found by its name, and nowhere in an app that bundles it', async (t) => {
  const home = new URL('../', import.meta.url)
  t.strictSame(packageRoot(import.meta.url), { path: fileURLToPath(home), url: home.pathname })
  t.equal(packageRoot('file:///app/bundle.js'), null)
  const folder = pathToFileURL(`${realpathSync(t.testdir({ 'my app': { 'package.json': '{"name":"fastify-docuware-auth","exports":{"./package.json":"./package.json"}}' } }))}/my app/`)
  t.match(packageRoot(new URL('dist/index.js', folder).href), { path: /\/my app\/$/, url: /\/my%20app\/$/ })
})

t.test('nothing is connected to before a DSN is saved, whatever the environment says, nor after it is cleared', async (t) => {
  const endpoint = await startEndpoint(t)
  const environment = { SENTRY_DSN: endpoint.dsn, SENTRY_RELEASE: 'from-environment', SENTRY_ENVIRONMENT: 'from-environment', SENTRY_NAME: 'from-environment', SENTRY_DEBUG: '1', http_proxy: endpoint.dsn.replace('/42', '') }
  Object.assign(process.env, environment)
  t.teardown(() => { for (const name of Object.keys(environment)) delete process.env[name] })
  const { app } = await telemetryApp(t, { collectionPrefix: 'off_' })
  app.get('/', async () => { throw new errors.DWA_STORE_UNAVAILABLE() })
  await app.ready()
  t.same(await app.telemetry.get(), { sdkInstalled: true, on: false, sendPii: false })
  app.telemetry.capture(new Error('before'))
  await app.inject('/')
  t.same(await app.telemetry.set({ sendPii: true }), { sdkInstalled: true, on: false, sendPii: true }, 'without a DSN it stays off')
  app.telemetry.capture(new Error('still off'))

  t.same(await app.telemetry.set({ dsn: `  ${endpoint.dsn}\n`, sendPii: false }), { sdkInstalled: true, on: true, sendPii: false })
  t.equal(endpoint.connections, 0, 'saving it connects to nothing')
  app.telemetry.capture(new Error('on'))
  await endpoint.arrived(1)
  t.strictSame(endpoint.messages, ['on'])
  t.notMatch(endpoint.received, /from-environment/)

  t.same(await app.telemetry.set({ dsn: null }), { sdkInstalled: true, on: false, sendPii: false })
  const { connections } = endpoint
  app.telemetry.capture(new Error('after'))
  await app.inject('/')
  await app.close()
  t.equal(endpoint.connections, connections)
  t.equal(endpoint.requests, 1)
})

t.test('without a DSN the SDK is not even loaded; closing sends the last error and lets the process end', async (t) => {
  const endpoint = await startEndpoint(t)
  endpoint.answer = (response) => { setTimeout(() => { response.end('{}') }, 200) }
  const { uri } = await startTestMongo(t)
  const worker = new Worker(uri, endpoint.dsn, './telemetry-worker.ts')
  t.teardown(() => worker.process.kill('SIGKILL'))
  const { whileOn, ...others } = await worker.next()
  t.strictSame(others, { sdkInstalled: true, whileOff: 0, addedHandlers: 0, patched: 0, resources: [] })
  t.ok(Number(whileOn) > 0, 'the same look finds it once telemetry is on')
  t.strictSame(endpoint.messages, ['the last words'])
  t.strictSame(await worker.exit, [0, null])
})

t.test('an endpoint that is dead, slow or unwilling disturbs nobody', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app, lines } = await telemetryApp(t, { collectionPrefix: 'unwilling_' })
  app.get('/', async () => { throw new errors.DWA_STORE_UNAVAILABLE() })
  await app.ready()
  const warnings = (): unknown[] => lines.filter(({ level }) => level === 'warn').map(({ message, details }) => `${message}: ${String(details['reason'])}`)

  await app.telemetry.set({ dsn: 'http://publickey@127.0.0.1:9/1' })
  app.telemetry.capture(new Error('to a dead one'))
  t.equal((await app.inject('/')).statusCode, 503)
  await eventually('it says so', () => warnings().length > 0)
  t.match(warnings(), [/^telemetry could not be sent: connect ECONNREFUSED/])
  t.notMatch(JSON.stringify(lines), /publickey/)

  endpoint.answer = (response) => { response.writeHead(403).end() }
  await app.telemetry.set({ dsn: endpoint.dsn })
  for (const message of ['first', 'second']) app.telemetry.capture(new Error(message))
  await endpoint.arrived(2)
  await eventually('it says so', () => warnings().length > 1)
  t.match(warnings()[1], /answered with status 403/)

  endpoint.answer = (response) => { response.end('{}') }
  app.telemetry.capture(new Error('third'))
  await endpoint.arrived(3)
  t.equal(warnings().length, 2, 'the same is said once')

  endpoint.answer = () => {}
  for (let index = 0; index < 80; index++) app.telemetry.capture(new Error(`slow ${index}`))
  t.equal((await app.inject('/')).statusCode, 503)
  await eventually('the first one is under way', () => endpoint.requests === 4)
  const start = Date.now()
  await app.close()
  const took = Date.now() - start
  t.ok(took > 1500 && took < 4000, `closing waits for 2 s at most, and took ${took} ms`)
  t.equal(endpoint.requests, 4, 'one after the other')
  await eventually('its connection is closed', () => endpoint.aborted === 1)
})

t.test('clearing the DSN breaks off what is under way and drops what waits', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app } = await telemetryApp(t, { collectionPrefix: 'clear_' })
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  endpoint.answer = () => {}
  for (const message of ['under way', 'waiting', 'waiting too']) app.telemetry.capture(new Error(message))
  await eventually('the first one is under way', () => endpoint.requests === 1)
  const cleared = Date.now()
  await app.telemetry.set({ dsn: null })
  await eventually('it is broken off', () => endpoint.aborted === 1)
  t.ok(Date.now() - cleared < 1000, 'at once')
  endpoint.answer = (response) => { response.end('{}') }
  await app.telemetry.set({ dsn: endpoint.dsn })
  app.telemetry.capture(new Error('on again'))
  await endpoint.arrived(2)
  t.strictSame(endpoint.messages, ['under way', 'on again'])
})

t.test('a pause that Sentry asks for is kept', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app, lines } = await telemetryApp(t, { collectionPrefix: 'pause_' })
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  endpoint.answer = (response) => { response.writeHead(429, { 'retry-after': '60', 'x-sentry-rate-limits': '60:error:organization' }).end() }
  for (const message of ['one', 'two', 'three']) app.telemetry.capture(new Error(message))
  await endpoint.arrived(1)
  await app.close()
  t.strictSame(endpoint.messages, ['one'])
  t.strictSame(lines.filter(({ level }) => level !== 'info'), [])
})

t.test('errors are sent once each, and not more than a hundred a minute', async (t) => {
  const endpoint = await startEndpoint(t)
  let ahead = 0
  const { app } = await storeApp(t, { uri: mongo.uri, collectionPrefix: 'bounds_', clock: clockAt(() => Date.now() + ahead) })
  const { reporter, set } = openTelemetry(app.store, app.log)
  await app.ready()
  await set({ dsn: endpoint.dsn })
  const error = new Error('the same')
  for (let times = 0; times < 3; times++) reporter.capture(error)
  for (let count = 1; count < 100; count++) {
    reporter.capture(new Error(`number ${count}`))
    if (count % 50 === 0) await endpoint.arrived(count)
  }
  reporter.capture(new Error('too many'))
  await endpoint.arrived(100)
  ahead = 60_000
  reporter.capture(new Error('in the next minute'))
  await endpoint.arrived(101)
  t.equal(endpoint.messages.filter((message) => message === 'the same').length, 1)
  t.equal(endpoint.messages.at(-1), 'in the next minute')
  t.equal(endpoint.messages.includes('too many'), false)
  await reporter.close()
  reporter.capture(new Error('after closing'))
  reporter.captureFromRequest(new errors.DWA_STORE_UNAVAILABLE(), {})
  t.equal(endpoint.requests, 101)
})

t.test('what is raised inside this package is captured from requests, and nothing else', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app } = await telemetryApp(t, { collectionPrefix: 'requests_' })
  const elsewhere = Object.assign(new Error('says that it is ours'), { stack: `Error: says\n    at ours (${new URL('../lib/errors.ts', import.meta.url).href}:1:1)` })
  const cases: ReadonlyArray<readonly [name: string, raise: () => unknown, sent: string | null]> = [
    ['a coded error of the 500 class', () => new errors.DWA_STORE_UNAVAILABLE(), 'DWA_STORE_UNAVAILABLE'],
    ['an exception thrown in our code', async () => await app.auditLog.append('no event name'), 'TypeError'],
    ['an exception of Node that our code caused', async () => await app.store.keyRing.encrypt(createSecretKey(Buffer.alloc(8)) as never, ''), 'TypeError'],
    ['a coded error of the 400 class', () => new errors.DWA_STORE_NOT_FOUND('It'), null],
    ['an exception of the app', () => new Error('of the app'), null],
    ['an exception of the app, caused by ours', () => new Error('of the app', { cause: new errors.DWA_STORE_UNAVAILABLE() }), null],
    ['an exception of the app that speaks like a stack', () => new Error(`x\n    at ours (${new URL('../lib/errors.ts', import.meta.url).href}:1:1)`), null],
    ['an exception of the app with our status', () => Object.assign(new Error('of the app'), { statusCode: 503 }), null],
    ['an exception of ours, made a 4xx by the app', () => Object.assign(elsewhere, { statusCode: 418 }), null],
    ['an exception without a stack', () => Object.assign(new Error('no stack'), { stack: undefined }), null],
    ['no exception at all', () => 'a string', null]
  ]
  for (const [index, [, raise]] of cases.entries()) app.get(`/${index}/:id`, async () => { throw await raise() })
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  let sent = 0
  for (const [index, [name, , type]] of cases.entries()) {
    const answer = await app.inject(`/${index}/17?secret=x`)
    t.ok(answer.statusCode >= 400, name)
    if (type === null) continue
    const event = (await endpoint.arrived(++sent)).at(-1)
    t.match(event, { transaction: `GET /${index}/:id`, request: { method: 'GET', url: `/${index}/:id` }, exception: { values: [{ type }] } }, name)
  }
  await app.close()
  t.equal(endpoint.requests, sent)
})

const { privateKey: pem } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
const digest = (text: string): Buffer => createHash('sha512').update(text).digest()

/** Secrets that only the store knows: nothing in their form tells. */
const handledSecrets = ['plain words, a secret', 'hunter-two', 'sec"ret\\with % & = signs', 'übergeheim und länger', 'line one\nline two of a key']

/** Secrets that nobody told of, in a text that has their form: what must not arrive, and how it is said. */
const shapedSecrets: ReadonlyArray<readonly [name: string, secret: string, text: string]> = [
  ['a JWT', signToken({ sub: 'u1' }, { secret: 'x'.repeat(32) }), 'got %'],
  ['a JWT without a signature', `${signToken({ sub: 'u1' }, { secret: 'x'.repeat(32) }).split('.').slice(0, 2).join('.')}.`, 'got %'],
  ['a base64url token', digest('a').subarray(0, 32).toString('base64url'), 'token <%> was refused'],
  ['a short base64url token', digest('b').subarray(0, 18).toString('base64url'), 'the value "%" is too long'],
  ['a base64 secret with slashes', `${'ab/Cd1+'.repeat(2)}${digest('c').subarray(0, 33).toString('base64')}`, 'refused %, sorry'],
  ['a hexadecimal token', digest('d').toString('hex').slice(0, 40), 'handle %'],
  ['a refresh token of an identity server', `${digest('e').toString('hex').slice(0, 64).toUpperCase()}-1`, 'refresh of % failed'],
  ['a base32 secret', 'JBSWY3DPEHPK3PXPJBSWY3DP', 'one-time password from %'],
  ['a bearer value', 'short-one', 'sent Authorization: Bearer %'],
  ['a bearer value, alone', 'opaque.one', 'sent bearer % to it'],
  ['a short bearer value', 'q7z-9', 'sent Bearer % to it'],
  ['an Authorization header of another scheme', 'cust0m-1', 'sent authorization: Custom %'],
  ['a Basic value', Buffer.from('id:pass').toString('base64'), 'sent Basic %'],
  ['a code in a redirect', 'c0de-1a2b', 'at /callback?code=%&iss=x'],
  ['a code, alone', 'c0de-3c4d', 'cannot redeem code=%'],
  ['a state', 'st4te', 'state=% is unknown'],
  ['a token in a form', 't0k', 'grant_type=refresh_token&refresh_token=%&scope=x'],
  ['a token in JSON', 'n0tsolong', '{"access_token":"%","expires_in":3600}'],
  ['a secret in a message', 'pa55w0rd', 'client_secret: %'],
  ['a DSN', 'https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/12', 'saved %'],
  ['a MongoDB password', 'm0ng0/pass@word', 'connecting to mongodb://app:%@db1,db2/app?replicaSet=rs'],
  ['a query', 'q-value', 'GET https://acme.docuware.cloud/DocuWare/Platform?x=% failed'],
  ['a fragment', 'f-value', 'GET https://acme.docuware.cloud/#% failed'],
  ['a private key', pem.split('\n')[1] ?? '', `cannot read ${pem.replace(/\n.+\n/, '\n%\n')}`],
  ['a short line of a private key', 'MHc7one', 'cannot read -----BEGIN EC PRIVATE KEY-----\n%\n-----END EC PRIVATE KEY-----']
]

/** Every place of an error and its context where a text can hide. */
function plant (text: string): { error: Error, context: ErrorContext } {
  const circle: Record<string, unknown> = { text }
  circle['again'] = circle
  const deepest = Object.assign(new TypeError(`deepest: ${text}`), { response: { data: text, headers: { authorization: text } } })
  const error = new Error(`message: ${text}`, { cause: new Error(`cause: ${text}`, { cause: deepest }) })
  return {
    error: Object.assign(error, { name: `Error of ${text}`, config: { headers: { cookie: text } }, secret: text, code: text }),
    context: {
      connection: { id: '65f0a1b2c3d4e5f601234567', name: 'acme', platformUrl: 'https://acme.docuware.cloud/DocuWare/Platform', note: text },
      sync: {
        durationMs: 1234,
        organization: 'Peters Engineering',
        jobId: '5f8a0c9e-0d5e-4d53-9d3b-2f0f5f1d7a10',
        note: text,
        [text]: 'a name',
        list: [text, [text]],
        nested: { deeper: { text, headers: { cookie: `a=${text}`, authorization: `Bearer ${text}` }, body: text, query: { text } } },
        error: new Error(text),
        map: new Map([[text, text]]),
        bytes: Buffer.from(text),
        circle,
        get computed () { return text }
      },
      request: { method: 'GET', route: `/somewhere/${text}`, id: text }
    }
  }
}

t.test('security 30, 35, 52: no secret arrives, wherever it was planted; connection identifiers and sync metadata do', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app, lines } = await telemetryApp(t, { collectionPrefix: 'secrets_' })
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  for (const secret of handledSecrets) await app.store.keyRing.encrypt(secret, 'a/b/c')
  const planted = [
    ...handledSecrets.map((secret) => ['a handled secret', secret, 'said %'] as const),
    ...handledSecrets.map((secret) => ['a handled secret in base64', Buffer.from(secret).toString('base64').replace(/=+$/, ''), 'said id:% to it'] as const),
    ...handledSecrets.map((secret) => ['a handled secret as a literal', JSON.stringify(secret).slice(1, -1), 'said "%" to it'] as const),
    ...shapedSecrets
  ]
  for (const [index, [name, secret, text]] of planted.entries()) {
    endpoint.received = ''
    const { error, context } = plant(text.replace('%', () => secret))
    app.telemetry.capture(error, context)
    await endpoint.arrived(index + 1)
    const spelled = [secret, JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('base64').replace(/.{0,2}=*$/, ''), encodeURIComponent(secret)]
    t.strictSame(spelled.filter((one) => endpoint.received.includes(one)), [], `${name}: ${secret.slice(0, 20)}`)
    t.match(endpoint.events.at(-1), {
      exception: { values: [{ value: /^deepest: |^\[redacted\]$/ }, { value: /^cause: |^\[redacted\]$/ }, { value: /^message: |^\[redacted\]$/ }] },
      contexts: {
        connection: { id: '65f0a1b2c3d4e5f601234567', name: 'acme', platformUrl: 'https://acme.docuware.cloud/DocuWare/Platform' },
        sync: { durationMs: 1234, organization: 'Peters Engineering', jobId: '5f8a0c9e-0d5e-4d53-9d3b-2f0f5f1d7a10' }
      },
      tags: { connection: 'acme' }
    }, `${name}: what helps is there`)
  }
  t.notMatch(JSON.stringify(lines), /publickey|hunter-two/)
})

t.test('security 30, 35, 52: a sync that fails arrives with its stack, the connection and what is known of the sync, and with no secret', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app, dw } = await docuwareApp(t, { docuware: { http: { tries: 1, timeoutMs: 500 } } })
  await app.register(telemetry)
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  const { id } = await authorized(app, dw)
  await app.docuware.sync(id)
  const path = '/Organizations'
  const { accessToken } = await app.docuware.connections.secrets(id)
  const cases: Array<[code: string, spoil: () => void]> = [
    ['DWA_DOCUWARE_HTTP', () => { dw.failNext(1, 403, { path, message: `Bearer ${accessToken ?? ''} has no right, nor has ${accessToken ?? ''}`, exception: `at ${accessToken ?? ''}` }) }],
    ['DWA_DOCUWARE_NOT_JSON', () => { dw.disguiseNext(1, 'html', { path }) }],
    ['DWA_DOCUWARE_UNREACHABLE', () => { dw.dropNext(1, { path }) }],
    ['DWA_DOCUWARE_TIMEOUT', () => { dw.slowNext(1, { path, delayMs: 60_000 }) }],
    ['DWA_DOCUWARE_REFRESH_FAILED', () => { dw.expireTokens(); dw.failNext(1, 503, { grantType: 'refresh_token' }) }]
  ]
  for (const [index, [code, spoil]] of cases.entries()) {
    spoil()
    const answer = await app.docuware.sync(id)
    const event = (await endpoint.arrived(index + 1)).at(-1)
    t.match(event, {
      exception: { values: Array },
      contexts: { connection: { id, name: 'acme', platformUrl: dw.platformUrl }, sync: { code, organization: dw.organization.name, durationMs: answer.queued ? -1 : answer.result.durationMs } },
      tags: { connection: 'acme' }
    }, code)
    const raised = event?.exception?.values.at(-1)
    t.equal(raised?.type, code)
    const frames = (raised?.stacktrace?.frames ?? []).map(({ filename }) => String(filename))
    t.ok(frames.some((file) => file.includes('/docuware/')), `the stack leads into this package: ${frames.at(-1) ?? 'nowhere'}`)
  }
  await app.close()
  t.equal(endpoint.requests, cases.length, 'and each arrives once')
  for (const [kind, secrets] of Object.entries(dw.secretsIssued())) {
    for (const secret of secrets.filter(({ length }) => length >= 16)) t.notOk(endpoint.received.includes(secret), `one of ${kind}`)
  }
  t.ok(dw.secretsIssued().accessTokens.length > 0)
})

t.test('the whole of an event is scrubbed, also what this package never puts there', async (t) => {
  const endpoint = await startEndpoint(t)
  const handled = new HandledSecrets()
  handled.add('hunter-two')
  const client = new IsolatedClient({ sentry: await installedSdk.load(), dsn: endpoint.dsn, onOutcome: () => {} })
  const text = 'so: hunter-two'
  const event: SentryEvent = {
    event_id: randomUUID().replaceAll('-', ''),
    message: text,
    transaction: `GET /${text}`,
    server_name: text,
    environment: text,
    logger: text,
    request: { method: 'GET', url: `https://acme.example/path?${text}`, headers: { 'x-api-key': text, accept: text }, cookies: { session: text }, data: text, query_string: text, env: { text } },
    exception: { values: [{ type: text, value: text, mechanism: { type: text, data: { text } }, stacktrace: { frames: [{ function: text, filename: text, module: text, abs_path: text, lineno: 7, vars: { text, code: 123456 }, pre_context: [text], context_line: text, post_context: [text] }] } }, {}] },
    breadcrumbs: [{ category: 'http', message: text, timestamp: 1, data: { url: `https://acme.example/?${text}`, status_code: 200, [text]: text } }],
    tags: { text, [text]: 1, kept: 'yes' },
    contexts: { some: { text, kept: true, pin: 4711, code: 401 }, none: undefined },
    extra: { text, list: [text], when: new Date(0), never: new Date(Number.NaN), big: 12n, infinite: Infinity, call: () => text, nothing: null },
    user: { id: 'u1', email: 'ann@example.com', ip_address: '203.0.113.7' },
    modules: { text },
    fingerprint: [text],
    debug_meta: { images: [] },
    sdkProcessingMetadata: { text }
  }
  const scrub = (sendPii: boolean): SentryEvent => scrubEvent(event, new Scrubber({ handledSecrets: handled, people: sendPii ? null : [] }), sendPii)
  await client.send(scrub(false))
  await client.send(scrub(true))
  const [without, withPii] = await endpoint.arrived(2)
  t.notOk(endpoint.received.includes('hunter-two'))
  t.match(without, {
    message: 'so: [redacted]',
    transaction: 'GET /so: [redacted]',
    request: { method: 'GET', url: 'https://acme.example/path' },
    breadcrumbs: [{ category: 'http', message: 'so: [redacted]', timestamp: 1, data: { url: 'https://acme.example/', status_code: 200 } }],
    tags: { kept: 'yes' },
    contexts: { some: { kept: true, pin: '[redacted]', code: 401 } },
    extra: { when: '1970-01-01T00:00:00.000Z', big: '12', infinite: 'Infinity', nothing: null }
  })
  t.strictSame(without?.exception?.values[0]?.stacktrace?.frames, [{ function: 'so: [redacted]', filename: 'so: [redacted]', lineno: 7 }], 'no local variables, no source lines')
  t.strictSame(Object.keys(Object(without?.['request'])).sort(), ['method', 'url'])
  for (const field of ['server_name', 'modules', 'fingerprint', 'debug_meta', 'user']) t.notOk(Object.hasOwn(Object(without), field), field)
  t.strictSame(withPii?.user, { id: 'u1', email: 'ann@example.com', ip_address: '203.0.113.7' })
  t.equal(scrubEvent({ ...event, event_id: 'hunter-two' }, new Scrubber({ handledSecrets: handled, people: null }), false).event_id, undefined)
})

t.test('what tells what happened is left alone', async (t) => {
  for (const text of [
    'The database cannot be reached',
    'connect ECONNREFUSED 127.0.0.1:27017',
    'The refresh failed with code: DWA_DOCUWARE_REAUTHORIZE',
    'Request failed with status code: 503',
    'MongoServerError: E11000 duplicate key error collection: app.dwa_validators',
    'fastify-docuware-auth/lib/store/stored-records.ts',
    'mongoose/lib/drivers/node-mongodb-native/collection.js',
    'StoredRecords.createRsaSha256Verifier',
    'https://acme.docuware.cloud/DocuWare/Platform/FileCabinets',
    '65f0a1b2c3d4e5f601234567',
    '5f8a0c9e-0d5e-4d53-9d3b-2f0f5f1d7a10',
    '/docuware/connections/:id/authorize',
    'the string did not match the expected pattern in validators/65f0a1b2c3d4e5f601234567'
  ]) t.equal(redactShapes(text, ''), text)
  t.equal(redactShapes('anything', 'clientSecret'), '[redacted]', 'a name is reason enough')
})

t.test('an event is bounded in size, and one that cannot be scrubbed is not sent', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app, lines } = await storeApp(t, { uri: mongo.uri, collectionPrefix: 'hostile_' })
  const { reporter, set } = openTelemetry(app.store, app.log)
  await app.ready()
  await set({ dsn: endpoint.dsn })
  let deep: Record<string, unknown> = {}
  for (let level = 0; level < 10_000; level++) deep = { deep }
  const circle: unknown[] = []
  circle.push(circle, circle)
  reporter.capture(new Error('x '.repeat(1_000_000), { cause: 'a thrown text' }), { sync: { deep, circle, wide: Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`n${index}`, index])), long: Array.from({ length: 10_000 }, () => 'word '.repeat(10_000)) } })
  await endpoint.arrived(1)
  t.ok(endpoint.received.length < 300_000, `${endpoint.received.length} characters`)
  t.match(endpoint.events[0], { exception: { values: [{ value: 'a thrown text' }, { value: /^x x .*…$/ }] } })

  const loop = new Error('its own cause')
  loop.cause = loop
  for (const error of [loop, 'a thrown text', undefined, null, { thrown: 'object' }, Object.assign(new Error('no stack'), { stack: undefined })]) reporter.capture(error)
  await endpoint.arrived(7)
  t.equal(endpoint.events[1]?.exception?.values.length, 1)
  t.strictSame(endpoint.messages.slice(1), ['its own cause', 'a thrown text', '', '', 'something thrown that is no Error: object', 'no stack'])

  const trap = (): Error => Object.defineProperty(new Error('x'), 'message', { get () { throw new Error('sprung') } })
  reporter.capture(trap())
  reporter.captureFromRequest(trap(), {})
  reporter.capture(new Error('hidden behind a proxy'), { sync: { data: new Proxy({}, { ownKeys () { throw new Error('sprung') } }) } })
  reporter.capture(new Error('the last one'))
  await endpoint.arrived(8)
  t.equal(endpoint.messages.at(-1), 'the last one')
  t.match(lines.filter(({ level }) => level === 'warn'), [{ message: 'telemetry could not be sent', details: { reason: 'Error: sprung' } }])
  await reporter.close()
})

t.test('people are told of only when that is allowed', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app } = await telemetryApp(t, { collectionPrefix: 'people_', access: () => ({ id: 'user-4711', name: 'Ann', roles: ['system'] }) })
  app.get('/', { onRequest: app.requireRole('system') }, async () => { throw new errors.DWA_STORE_UNAVAILABLE() })
  app.get('/anonymous', async () => { throw new errors.DWA_STORE_UNAVAILABLE() })
  await app.ready()
  const person = { user: { id: 'user-4711', name: 'Ann Example' }, ip: '203.0.113.7' }
  const captureAll = async (): Promise<readonly unknown[]> => {
    endpoint.events.length = 0
    endpoint.received = ''
    app.telemetry.capture(new Error('user-4711 (Ann Example, ann@example.com) at 203.0.113.7 was refused'), person)
    await app.inject({ url: '/', remoteAddress: '203.0.113.7' })
    await app.inject({ url: '/anonymous', remoteAddress: '203.0.113.7' })
    return await endpoint.arrived(3)
  }
  await app.telemetry.set({ dsn: endpoint.dsn })
  await captureAll()
  t.notMatch(endpoint.received, /user-4711|Ann|203\.0\.113\.7|"user"/)

  await app.telemetry.set({ sendPii: true })
  t.match(await captureAll(), [
    { user: { id: 'user-4711', username: 'Ann Example', ip_address: '203.0.113.7' }, exception: { values: [{ value: 'user-4711 (Ann Example, ann@example.com) at 203.0.113.7 was refused' }] } },
    { user: { id: 'user-4711', ip_address: '203.0.113.7' } },
    { user: { ip_address: '203.0.113.7' } }
  ])
  await app.telemetry.set({ sendPii: false })
  await captureAll()
  t.notMatch(endpoint.received, /user-4711|Ann|203\.0\.113\.7|"user"/)
})

t.test('a change reaches the other processes within a second, on, off and in between', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app: one } = await telemetryApp(t, { collectionPrefix: 'spread_' })
  const { app: other } = await telemetryApp(t, { collectionPrefix: 'spread_' })
  for (const app of [one, other]) {
    await app.ready()
    await eventually('the feed stands', () => app.store.changes.live)
  }
  const person = { ip: '203.0.113.7' }
  /** Captures in the other process until it does what is expected, and returns how long that took. */
  const timeUntil = async (expected: (event: object | undefined) => boolean): Promise<number> => {
    const start = Date.now()
    for (let last: object | undefined; !expected(last);) {
      const before = endpoint.events.length
      other.telemetry.capture(new Error('in the other process'), person)
      await new Promise((resolve) => { setTimeout(resolve, 20) })
      last = endpoint.events.length > before ? endpoint.events.at(-1) : undefined
    }
    return Date.now() - start
  }
  await installedSdk.load() // so that what is measured is the way of the change
  const took: Record<string, number> = {}
  await one.telemetry.set({ dsn: endpoint.dsn })
  took['on'] = await timeUntil((event) => event !== undefined && !('user' in event))
  await one.telemetry.set({ sendPii: true })
  took['with personal data'] = await timeUntil((event) => event !== undefined && 'user' in event)
  await one.telemetry.set({ sendPii: false })
  took['without'] = await timeUntil((event) => event !== undefined && !('user' in event))
  await one.telemetry.set({ dsn: null })
  took['off'] = await timeUntil((event) => event === undefined)
  for (const [name, milliseconds] of Object.entries(took)) t.ok(milliseconds < 1000, `${name}: ${milliseconds} ms`)
  t.same(await other.telemetry.get(), { sdkInstalled: true, on: false, sendPii: false })
  const { requests } = endpoint
  other.telemetry.capture(new Error('off'))
  await other.close()
  t.equal(endpoint.requests, requests)
})

t.test('what waits in one process is dropped when another clears the DSN', async (t) => {
  const endpoint = await startEndpoint(t)
  const { app: one } = await telemetryApp(t, { collectionPrefix: 'dropped_' })
  const { app: other } = await telemetryApp(t, { collectionPrefix: 'dropped_' })
  for (const app of [one, other]) {
    await app.ready()
    await eventually('the feed stands', () => app.store.changes.live)
  }
  await one.telemetry.set({ dsn: endpoint.dsn })
  endpoint.answer = () => {}
  await eventually('the other process has heard of it', () => {
    other.telemetry.capture(new Error('waiting'))
    return endpoint.requests > 0
  })
  await one.telemetry.set({ dsn: null })
  const cleared = Date.now()
  await eventually('what is under way is broken off', () => endpoint.aborted > 0)
  t.ok(Date.now() - cleared < 1000)
  await other.close()
  t.equal(endpoint.requests, 1, 'and nothing follows')
})

t.test('what was captured before a change is not sent, however late the old settings come', async (t) => {
  const endpoint = await startEndpoint(t)
  const answers: Array<(settings: ActiveSettings | null) => void> = []
  const reporter = new TelemetryReporter({
    settings: async () => await new Promise((resolve) => { answers.push(resolve) }),
    sdk: installedSdk,
    handledSecrets: new HandledSecrets(),
    clock: clockAt(() => Date.now()),
    logger: Fastify().log
  })
  reporter.capture(new Error('before'))
  reporter.restart()
  for (const answer of answers) answer({ dsn: endpoint.dsn, sendPii: false })
  await reporter.prepared()
  reporter.capture(new Error('after'))
  await eventually('it asks again', () => answers.length === 3)
  answers[2]?.({ dsn: endpoint.dsn, sendPii: false })
  await endpoint.arrived(1)
  t.strictSame(endpoint.messages, ['after'])
  await reporter.close()
})

t.test('a process whose feed is interrupted reads the settings again, and follows within a second or so', async (t) => {
  const endpoint = await startEndpoint(t)
  const proxy = await startProxy(t, mongo.uri)
  const { app: one } = await telemetryApp(t, { collectionPrefix: 'deaf_' })
  const { app: other } = await telemetryApp(t, { collectionPrefix: 'deaf_', log: { uri: proxy.uri } })
  for (const app of [one, other]) {
    await app.ready()
    await eventually('the feed stands', () => app.store.changes.live)
  }
  await one.telemetry.set({ dsn: endpoint.dsn })
  await eventually('the other process has heard of it', () => {
    other.telemetry.capture(new Error('heard'))
    return endpoint.requests > 0
  })
  await proxy.cut()
  await eventually('the feed is lost', () => !other.store.changes.live)
  await one.telemetry.set({ dsn: null })
  const cleared = Date.now()
  await eventually('the other process sends nothing more', async () => {
    const before = endpoint.requests
    other.telemetry.capture(new Error('deaf'))
    await new Promise((resolve) => { setTimeout(resolve, 100) })
    return endpoint.requests === before
  })
  t.ok(Date.now() - cleared < 1500, `${Date.now() - cleared} ms`)
})

t.test('a database that goes away and comes back takes telemetry along', async (t) => {
  const endpoint = await startEndpoint(t)
  const proxy = await startProxy(t, mongo.uri)
  const { app } = await telemetryApp(t, { uri: proxy.uri, collectionPrefix: 'outage_' })
  app.get('/', async () => await app.telemetry.get())
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  await proxy.cut()
  await eventually('the store notices', () => !app.store.available)
  t.equal((await app.inject('/')).statusCode, 503)
  await endpoint.arrived(1)
  t.match(endpoint.events, [{ exception: { values: [{ type: 'DWA_STORE_UNAVAILABLE' }] } }], 'just then it is worth something')
  await t.rejects(app.telemetry.set({ dsn: null }), { code: 'DWA_STORE_UNAVAILABLE' })
  await proxy.open()
  await eventually('it is back', () => app.store.available)
  t.match(await app.telemetry.set({ dsn: null }), { on: false })
})

t.test('without the SDK settings can be made, nothing is sent, and nothing fails', async (t) => {
  const endpoint = await startEndpoint(t)
  const absent = sdkFrom('file:///nowhere/index.js')
  const broken: SentrySdk = { installed: () => true, load: async () => { throw new Error('made for another Node') } }
  for (const [prefix, sdk] of [['absent_', absent], ['broken_', broken]] as const) {
    const { app, lines } = await storeApp(t, { uri: mongo.uri, collectionPrefix: prefix })
    const { reporter, get, set } = openTelemetry(app.store, app.log, sdk)
    await app.ready()
    t.same(await set({ dsn: endpoint.dsn }), { sdkInstalled: sdk.installed(), on: true, sendPii: false })
    reporter.capture(new Error('nobody hears'))
    t.same(await get(), { sdkInstalled: sdk.installed(), on: true, sendPii: false })
    await reporter.close()
    const warnings = lines.filter(({ level }) => level !== 'info').map(({ details }) => details['reason'])
    t.strictSame(warnings, sdk.installed() ? ['Error: made for another Node'] : [])
  }
  t.equal(endpoint.connections, 0)
})

t.test('the app\'s own Sentry and this one know nothing of each other', async (t) => {
  const [appEndpoint, endpoint] = [await startEndpoint(t), await startEndpoint(t)]
  const { app } = await telemetryApp(t, { collectionPrefix: 'isolated_' })
  await app.ready()
  await app.telemetry.set({ dsn: endpoint.dsn })
  app.telemetry.capture(new Error('before there is another'))
  await endpoint.arrived(1)
  t.equal(AppSentry.getClient(), undefined, 'no global client is made')

  const seen: string[] = []
  const own = AppSentry.init({ dsn: appEndpoint.dsn, defaultIntegrations: false, beforeSend: (event) => { seen.push(String(event.exception?.values?.[0]?.value)); return event } })
  t.teardown(async () => {
    await AppSentry.close(100)
    AppSentry.getCurrentScope().setClient(undefined)
  })
  for (const scope of [AppSentry.getGlobalScope(), AppSentry.getIsolationScope(), AppSentry.getCurrentScope()]) {
    scope.setTag('of-the-app', 'yes').setUser({ id: 'of-the-app' }).setExtra('of-the-app', 'yes').setContext('of-the-app', { yes: true }).addBreadcrumb({ message: 'of-the-app' })
    scope.setTransactionName('of-the-app').addEventProcessor((event) => {
      seen.push(`processed ${event.exception?.values?.[0]?.value}`)
      return event
    })
  }
  const shared = new Error('shared by both')
  app.telemetry.capture(shared)
  app.telemetry.capture(new Error('of this package'))
  AppSentry.captureException(shared)
  await AppSentry.flush(2000)
  await endpoint.arrived(3)
  t.equal(AppSentry.getClient(), own)
  t.strictSame(endpoint.messages, ['before there is another', 'shared by both', 'of this package'])
  t.strictSame(appEndpoint.messages, ['shared by both'], 'capturing it here does not keep it from the app\'s')
  t.notMatch(endpoint.received, /of-the-app/)
  t.notMatch(seen.join('\n'), /of this package/)
})

t.test('a setting that cannot be is refused with its name, and without repeating a DSN', async (t) => {
  const { app } = await telemetryApp(t, { collectionPrefix: 'refused_' })
  await app.ready()
  const key = 'k3yofth3dsn'
  const cases: ReadonlyArray<readonly [input: unknown, field: string]> = [
    [{ dsn: 'sentry' }, 'dsn'],
    [{ dsn: '' }, 'dsn'],
    [{ dsn: 12 }, 'dsn'],
    [{ dsn: `https://${key}@sentry.example` }, 'dsn'],
    [{ dsn: `https://${key}@sentry.example/project` }, 'dsn'],
    [{ dsn: `https://sentry.example/${key}/1` }, 'dsn'],
    [{ dsn: `https://${key}@sentry.example:99999/1` }, 'dsn'],
    [{ dsn: `https://${key}@sentry.example/1?x=y` }, 'dsn'],
    [{ dsn: `ftp://${key}@sentry.example/1` }, 'dsn'],
    [{ dsn: `http://${key}@sentry.example/1` }, 'dsn'],
    [{ dsn: `https://${key}@sentry.example/1\nhttps://${key}@other.example/1` }, 'dsn'],
    [{ sendPii: 'yes' }, 'sendPii'],
    [{ sendPII: true }, 'sendPII'],
    ['off', '']
  ]
  for (const [input, field] of cases) {
    const error: unknown = await app.telemetry.set(input as never).catch((error: unknown) => error)
    t.match(error, { code: 'DWA_TELEMETRY_INVALID_SETTINGS', statusCode: 400, field }, JSON.stringify(input))
    t.notMatch(String(error), key)
  }
  t.same(await app.telemetry.get(), { sdkInstalled: true, on: false, sendPii: false })
  for (const dsn of [`https://${key}@o1.ingest.sentry.io/12`, `https://${key}:${key}@sentry.example:9000/some/path/12`, `http://${key}@localhost:9000/1`, `http://${key}@[::1]:9000/1`]) t.match(await app.telemetry.set({ dsn }), { on: true }, dsn)
})

t.test('security 35, 56: each change is one audit entry, the DSN is nowhere in the clear, and keys rotate under it', async (t) => {
  const { app, lines } = await telemetryApp(t, { collectionPrefix: 'audit_' })
  await app.ready()
  const dsn = 'https://k3yofth3dsn@o1.ingest.sentry.io/12'
  const actor = { type: 'user', id: 'u1' }
  await app.telemetry.set({ dsn: null }, { actor })
  await app.telemetry.set({ sendPii: false })
  await app.telemetry.set({ dsn }, { actor, requestId: 'req-7', message: 'on request', details: { ticket: 12 } })
  await Promise.all([app.telemetry.set({ sendPii: true }), app.telemetry.set({ dsn, sendPii: true })])
  await app.telemetry.set({ dsn: null, sendPii: false }, { actor })
  await app.telemetry.set({ dsn: null, sendPii: false }, { actor })
  await app.telemetry.set({ dsn }, { event: 'thing.created' } as never)
  const entries = (await app.auditLog.find({ event: 'settings.*' })).reverse()
  t.match(entries, [
    { event: 'settings.changed', actor, requestId: 'req-7', message: 'on request', target: { type: 'settings', name: 'telemetry' }, details: { ticket: 12, telemetry: 'on', sendPii: false } },
    { event: 'settings.changed', details: { telemetry: 'on', sendPii: true } },
    { event: 'settings.changed', details: { telemetry: 'on', sendPii: true } },
    { event: 'settings.changed', actor, details: { telemetry: 'off', sendPii: false } },
    { event: 'settings.changed', details: { telemetry: 'on', sendPii: false } }
  ])
  t.equal(entries.length, 5, 'what changes nothing leaves none')

  const store = new OpenedStore({
    source: { uri: mongo.uri },
    masterKeys: [readMasterKey(masterKey, 'key')],
    collectionPrefix: 'audit_',
    publicUrl: null,
    log: { size: 1 << 24, personalData: false, requireInsertOnly: false, spool: 1000 },
    clock: clockAt(() => Date.now()),
    logger: app.log
  })
  t.teardown(() => store.close())
  await store.start({ existingOnly: true })
  t.match(await rotateKeys(store, { masterKeys: [readMasterKey(masterKey, 'key')], dataKey: true, kinds: recordKinds, now: Date.now }), { reencrypted: 1, unreadable: [] })
  t.match(await new TelemetrySettings(app.store.records<StoredSettings>(settingsKind)).active(), { dsn, sendPii: false })

  const client = new MongoClient(mongo.uri)
  t.teardown(() => client.close())
  const collections = await client.db().listCollections({ name: /^audit_/ }).toArray()
  t.ok(collections.some(({ name }) => name === 'audit_settings'))
  const dump = await Promise.all(collections.map(async ({ name }) => JSON.stringify(await client.db().collection(name).find().toArray())))
  t.notMatch([...dump, JSON.stringify(lines), JSON.stringify(await app.telemetry.get())].join('\n'), /k3yofth3dsn|ingest\.sentry/)
})

t.test('a stored DSN that no DSN is, or cannot be read, turns nothing on', async (t) => {
  const { app, lines } = await telemetryApp(t, { collectionPrefix: 'forged_' })
  await app.ready()
  const records = app.store.records<StoredSettings>(settingsKind)
  const record = await records.create({ name: 'telemetry', dsn: 'console.log this' })
  app.telemetry.capture(new Error('nobody hears'))
  await eventually('it says so', () => lines.some(({ details }) => /is not a Sentry DSN/.test(String(details['reason']))))

  const client = new MongoClient(mongo.uri)
  t.teardown(() => client.close())
  await client.db().collection('forged_settings').updateOne({ name: 'telemetry' }, { $set: { dsn: 'v1.x.y' } })
  await records.update(record.id, record.version, { sendPii: true })
  app.telemetry.capture(new Error('nobody hears'))
  await eventually('it says so', () => lines.some(({ details }) => /cannot be decrypted/.test(String(details['reason']))))
  t.notMatch(JSON.stringify(lines), /console\.log/)
})

t.test('the plugin is registered once, after store, and takes no options', async (t) => {
  const { app } = await telemetryApp(t, { collectionPrefix: 'twice_' })
  await t.rejects(async () => await app.register(telemetry), { code: 'DWA_PLUGIN_ALREADY_REGISTERED' })
  await t.rejects(async () => await Fastify().register(telemetry), /fastify-docuware-auth\/store/)
  const umbrella: FastifyInstance = Fastify()
  t.teardown(() => umbrella.close())
  await t.rejects(async () => await umbrella.register(docuwareAuth, { store: { uri: mongo.uri, secretKeys: [masterKey] }, telemetry: { dsn: 'https://k@sentry.example/1' } as never }), { code: 'DWA_OPTIONS_INVALID', message: 'telemetry.dsn: unknown option' })
})
