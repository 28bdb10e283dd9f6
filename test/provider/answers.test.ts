import t, { type Test } from 'tap'
import type { FastifyInstance, InjectOptions } from 'fastify'
import mongoose from 'mongoose'
import { systemClock } from '../../lib/clock.js'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { basic, codeFor, makeClient, people, providerApp, redeem, type MadeClient } from './provider-app.js'

const form = 'application/x-www-form-urlencoded'
const clientPaths = ['/token', '/revoke', '/revoke_token', '/introspect']
const infoPaths = ['/tokeninfo', '/userinfo', '/otherinfo?model=notes']
/** What an error may look like (RFC 6749 §5.2); the description's characters are those of its grammar. */
const isPlainError = (body: Record<string, unknown>): boolean => Object.keys(body).every((name) => ['error', 'error_description'].includes(name)) && /^[a-z_]+$/.test(String(body['error'])) && /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(String(body['error_description'] ?? ''))
const internal = /E11000|duplicate|mongo|dwa_|DWA_|collection|index|stack|\.ts\b|\.js\b|broken inside/i

/** Whether an answer may be kept by nobody, and says nothing of the inside. */
function check (t: Test, what: string, answer: Awaited<ReturnType<FastifyInstance['inject']>>, status: number): void {
  t.equal(answer.statusCode, status, what)
  t.equal(answer.headers['cache-control'], 'no-store', `${what} (${status}): no-store`)
  if (status < 400) return
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8', what)
  if (answer.body === '') return // to a HEAD
  t.ok(isPlainError(answer.json()), `${what}: ${answer.body}`)
  t.notMatch(answer.body, internal, what)
}

t.test('17, 18, 30: every answer about tokens is no-store, and no error says more than OAuth does', async (t) => {
  const { uri } = await startTestMongo(t)
  const proxy = await startProxy(t, uri)
  let ahead = 0
  let broken = false
  const known = (id: unknown): object | null => {
    if (broken) throw new Error('broken inside: E11000 duplicate key error collection: app.dwa_clients')
    return people.find((person) => person.id === id) ?? null
  }
  const connection = await mongoose.createConnection(proxy.uri).asPromise()
  t.teardown(async () => { await connection.close(true) })
  const notes = connection.model('Note', new mongoose.Schema({ text: String }))
  const app = await providerApp(t, {
    uri: proxy.uri,
    store: { clock: { ...systemClock, now: () => Date.now() + ahead } },
    provider: {
      owner: { current: ({ headers }) => known(headers['x-user']), loginUrl: () => '/login', find: known, verifyPassword: () => known('ann') },
      resources: { notes: { model: notes } }
    }
  })
  await app.oauthProvider.scopes.create({ code: 'read', name: 'Notes', model: 'notes', fields: ['text'] })
  const shop = await makeClient(app)
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const { body: issued } = await redeem(app, shop, await codeFor(app, shop))
  const token = String(issued['access_token'])
  const credentials = { authorization: basic(shop.clientId, shop.secret ?? '') }
  const send = async (method: 'GET' | 'POST' | 'HEAD', path: string, payload: string | undefined, headers: Record<string, string> = {}): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> => {
    const options: InjectOptions = { method, url: `/oauth2${path}`, headers: { ...(payload === undefined ? {} : { 'content-type': form }), ...headers }, ...(payload === undefined ? {} : { payload }) }
    return await app.inject(options)
  }
  const refreshed = async (): Promise<Awaited<ReturnType<typeof send>>> => await send('POST', '/token', `grant_type=refresh_token&refresh_token=${String(issued['refresh_token'])}`, credentials)

  await t.test('of those that clients call', async (t) => {
    const code = await codeFor(app, shop)
    for (const path of clientPaths) {
      const good = path === '/token' ? `grant_type=authorization_code&code=${code}&code_verifier=${'v'.repeat(43)}` : 'token=x'
      check(t, `POST ${path}`, await send('POST', path, good, credentials), 200)
      check(t, `POST ${path} by nobody`, await send('POST', path, good), 401)
      check(t, `POST ${path} with a wrong secret`, await send('POST', path, good, { authorization: basic(shop.clientId, 'x') }), 401)
      check(t, `POST ${path} in two ways`, await send('POST', path, `${good}&client_secret=x`, credentials), 400)
      check(t, `POST ${path} with nothing`, await send('POST', path, '', credentials), 400)
      check(t, `POST ${path} without a body`, await send('POST', path, undefined, credentials), 400)
      check(t, `POST ${path}, repeated`, await send('POST', path, `${good}&x=1&x=2`, credentials), 400)
      check(t, `POST ${path}, malformed`, await send('POST', path, `${good}&x=%zz`, credentials), 400)
      check(t, `POST ${path}, too large`, await send('POST', path, `x=${'y'.repeat(70_000)}`, credentials), 413)
      for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'x']) check(t, `POST ${path} as ${type}`, await send('POST', path, '{}', { ...credentials, 'content-type': type }), 415)
      check(t, `GET ${path}`, await send('GET', path, undefined, credentials), 405)
    }
    for (const [what, body, by] of [
      ['an unknown grant', 'grant_type=x', shop], ['another client\'s grant', 'grant_type=client_credentials', shop], ['a bad code', 'grant_type=authorization_code&code=x', shop], ['a bad refresh token', 'grant_type=refresh_token&refresh_token=x', shop],
      ['a bad scope', `grant_type=refresh_token&refresh_token=${String(issued['refresh_token'])}&scope=admin`, shop], ['a resource that is none', 'grant_type=password&username=ann&password=x&resource=x', legacy]
    ] as const) check(t, what, await send('POST', '/token', body, { authorization: basic(by.clientId, by.secret ?? '') }), 400)
  })

  await t.test('of those that take a token', async (t) => {
    const bearer = { authorization: `Bearer ${token}` }
    for (const path of infoPaths) {
      const and = path.includes('?') ? '&' : '?'
      for (const method of ['GET', 'HEAD', 'POST'] as const) {
        const payload = method === 'POST' ? '' : undefined
        check(t, `${method} ${path}`, await send(method, path, payload, bearer), 200)
        check(t, `${method} ${path} without a token`, await send(method, path, payload), 401)
        check(t, `${method} ${path} with a bad one`, await send(method, path, payload, { authorization: 'Bearer x' }), 401)
        check(t, `${method} ${path} with two`, await send(method, `${path}${and}access_token=${token}`, payload, bearer), 400)
        check(t, `${method} ${path}, repeated`, await send(method, `${path}${and}x=1&x=2`, payload, bearer), 400)
      }
      check(t, `POST ${path} as JSON`, await send('POST', path, '{}', { ...bearer, 'content-type': 'application/json' }), 415)
      check(t, `POST ${path}, too large`, await send('POST', path, `x=${'y'.repeat(70_000)}`, bearer), 413)
    }
    for (const query of ['', '?model=', '?model=none', '?model=__proto__', '?model=notes&limit=0', '?model=notes&after=%24ne']) check(t, `otherinfo${query}`, await send('GET', `/otherinfo${query}`, undefined, bearer), 400)
  })

  await t.test('when the app fails', async (t) => {
    broken = true
    ahead = 61_000 // people are asked for again
    for (const path of infoPaths) check(t, path, await send('GET', path, undefined, { authorization: `Bearer ${token}` }), 500)
    check(t, '/introspect', await send('POST', '/introspect', `token=${token}`, credentials), 500)
    check(t, 'a refresh', await refreshed(), 500)
    check(t, 'a password', await send('POST', '/token', 'grant_type=password&username=ann&password=x', { authorization: basic(legacy.clientId, legacy.secret ?? '') }), 500)
    broken = false
  })

  await t.test('when the database is away', async (t) => {
    const backend = await makeClient(app, { applicationType: 'backend' })
    const code = await codeFor(app, shop)
    await proxy.cut()
    await eventually('that is known', () => !app.store.available)
    const ask = async (): Promise<void> => {
      for (const path of clientPaths.slice(1)) check(t, path, await send('POST', path, `token=${token}`, credentials), 503)
      for (const path of infoPaths) check(t, path, await send('GET', path, undefined, { authorization: `Bearer ${token}` }), 503)
      for (const [by, body] of [[legacy, 'grant_type=password&username=ann&password=x'], [backend, 'grant_type=client_credentials'], [shop, `grant_type=authorization_code&code=${code}&code_verifier=${'v'.repeat(43)}`]] as const) {
        check(t, body, await send('POST', '/token', body, { authorization: basic(by.clientId, by.secret ?? '') }), 503)
      }
    }
    await ask()
    ahead += 10_000 // clients are not known any more
    await ask()
    for (const path of ['/jwks', `/public_key?client_id=${shop.clientId}`]) check(t, path, await send('GET', path, undefined), 503)
    check(t, 'the metadata', await app.inject({ url: '/.well-known/oauth-authorization-server' }), 503)
    await proxy.open()
    await eventually('it is back', async () => (await refreshed()).statusCode === 200)
    check(t, 'the code', await send('POST', '/token', `grant_type=authorization_code&code=${code}&code_verifier=${'v'.repeat(43)}`, credentials), 200)
  })
})

t.test('18, 31: what is too much is no-store as well', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri, provider: { limits: { requestsPerMinute: 1 } } })
  for (const path of clientPaths) {
    const made = await makeClient(app, { applicationType: 'backend' })
    const ask = async (): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> => await app.inject({ method: 'POST', url: `/oauth2${path}`, headers: { 'content-type': form, authorization: basic(made.clientId, made.secret ?? '') }, payload: path === '/token' ? 'grant_type=client_credentials' : 'token=x' })
    check(t, path, await ask(), 200)
    const refused = await ask()
    check(t, path, refused, 429)
    t.match(refused.headers['retry-after'], /^\d+$/)
  }
})

t.test('30: what the database says of a duplicate key is told to nobody', async (t) => {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const app = await providerApp(t, { uri, log: (line) => { lines.push(line) } })
  const backend = await makeClient(app, { applicationType: 'backend' })
  const shop = await makeClient(app)
  const phone = await makeClient(app, { applicationType: 'mobile', allowImplicit: true })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const families = app.store.connection.collection('dwa_token_families')
  await codeFor(app, shop)
  await families.createIndex({ version: 1 }, { unique: true }) // from now on every new family is one too many
  const by = (made: MadeClient): Record<string, string> => ({ 'content-type': form, authorization: basic(made.clientId, made.secret ?? '') })
  const token = async (made: MadeClient, payload: string): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> => await app.inject({ method: 'POST', url: '/oauth2/token', headers: by(made), payload })
  for (const [what, answer] of [
    ['client_credentials', await token(backend, 'grant_type=client_credentials')],
    ['password', await token(legacy, new URLSearchParams({ grant_type: 'password', username: 'ann', password: people[0]?.password ?? '' }).toString())]
  ] as const) {
    check(t, what, answer, 500)
    t.strictSame(answer.json(), { error: 'server_error' }, what)
  }
  for (const query of [`response_type=code&client_id=${shop.clientId}&code_challenge=${'c'.repeat(43)}&code_challenge_method=S256`, `response_type=token&client_id=${phone.clientId}`]) {
    const page = await app.inject({ url: `/oauth2/authorize?${query}`, headers: { 'x-user': 'ann' } })
    t.equal(page.statusCode, 500)
    t.notOk('location' in page.headers)
    t.equal(page.headers['cache-control'], 'no-store')
    t.notMatch(page.body, /E11000|duplicate|mongo|token_families|version_1/i)
  }
  t.equal(lines.filter((line) => line.includes('E11000')).length >= 4, true, 'the log has it')
})
