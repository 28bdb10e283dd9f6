import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { systemClock } from '../../lib/clock.js'
import { defaultLimits } from '../../lib/provider/provider-options.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { makeClient, people, post, providerApp, refresh, type Answer, type MadeClient, type ProviderAppOptions } from './provider-app.js'

interface Started { readonly app: FastifyInstance, readonly uri: string, readonly move: (seconds: number) => void }

/** An app whose time stands still until it is moved. */
async function start (t: Test, options: Partial<ProviderAppOptions> = {}): Promise<Started> {
  const { uri } = await startTestMongo(t)
  let now = Date.now()
  const app = await providerApp(t, { uri, store: { clock: { ...systemClock, now: () => now } }, ...options })
  return { app, uri, move: (seconds) => { now += seconds * 1000 } }
}

const right = people[0]?.password ?? ''

async function signIn (app: FastifyInstance, made: MadeClient, username: string, password: string, address?: string): Promise<Answer> {
  return await post(app, '/token', { grant_type: 'password', username, password }, { ...made, headers: address === undefined ? {} : { 'x-forwarded-for': address } })
}

/** The seconds after which a refused request may come again; NaN for one that was not refused by a limit. */
function retryOf ({ status, headers }: Answer): number {
  return status === 429 ? Number(headers['retry-after']) : NaN
}

t.test('31: wrong passwords of any users lock their address, and no other', async (t) => {
  const { app, uri, move } = await start(t, { trustProxy: true })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  for (let count = 1; count <= 50; count++) t.equal((await signIn(app, legacy, `user${count}`, 'wrong', '192.0.2.1')).status, 400, `guess ${count}`)
  const locked = await signIn(app, legacy, 'ann', right, '192.0.2.1')
  t.equal(retryOf(locked), 900, 'whoever comes from there, for 15 minutes')
  t.strictSame([locked.body, locked.headers['cache-control']], [{ error: 'temporarily_unavailable', error_description: 'Too many requests' }, 'no-store'])
  t.equal((await signIn(app, legacy, 'ann', right, '192.0.2.2')).status, 200)
  const other = await providerApp(t, { uri, trustProxy: true })
  await eventually('every process knows', async () => (await signIn(other, legacy, 'ann', right, '192.0.2.1')).status === 429)
  move(899)
  t.equal(retryOf(await signIn(app, legacy, 'ann', right, '192.0.2.1')), 1)
  move(1)
  t.equal((await signIn(app, legacy, 'ann', right, '192.0.2.1')).status, 200)
})

t.test('31: five wrong passwords lock a user at an address for 15 minutes', async (t) => {
  const { app, move } = await start(t, { trustProxy: true })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  for (let count = 1; count <= 5; count++) t.equal((await signIn(app, legacy, 'ann', 'wrong', '192.0.2.1')).status, 400)
  t.equal(retryOf(await signIn(app, legacy, 'ann', right, '192.0.2.1')), 900)
  t.equal((await signIn(app, legacy, 'ann', right, '192.0.2.2')).status, 200, 'who guesses elsewhere does not lock Ann out')
  t.equal((await signIn(app, legacy, 'bob', people[1]?.password ?? '', '192.0.2.1')).status, 200)
  move(899)
  t.equal((await signIn(app, legacy, 'ann', right, '192.0.2.1')).status, 429)
  move(1)
  t.equal((await signIn(app, legacy, 'ann', right, '192.0.2.1')).status, 200)
})

t.test('31: X-Forwarded-For counts only where the app trusts its proxy', async (t) => {
  const { app } = await start(t)
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const statuses: number[] = []
  for (let count = 1; count <= 6; count++) statuses.push((await signIn(app, legacy, 'ann', 'wrong', `192.0.2.${count}`)).status)
  t.strictSame(statuses, [400, 400, 400, 400, 400, 429])
})

t.test('31: failures of one window do not count in the next, and a lock may be longer than its window', async (t) => {
  const { app, move } = await start(t, { provider: { limits: { refusedGrants: { max: 3, windowSeconds: 100, lockSeconds: 1000 }, clientAuthentications: { max: 2, windowSeconds: 100 } } } })
  const shop = await makeClient(app)
  const guess = async (): Promise<Answer> => await refresh(app, shop, 'x')
  t.strictSame([(await guess()).status, (await guess()).status], [400, 400])
  move(100)
  t.strictSame([(await guess()).status, (await guess()).status], [400, 400], 'the window is over')
  move(99)
  t.equal((await guess()).status, 400, 'the third within one')
  t.equal(retryOf(await guess()), 1000)
  move(999)
  t.equal(retryOf(await guess()), 1)
  move(1)
  t.equal((await guess()).status, 400)

  const backend = await makeClient(app, { applicationType: 'backend' })
  const authenticate = async (secret = 'x'): Promise<Answer> => await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: backend.clientId, secret })
  t.strictSame([(await authenticate()).status, (await authenticate()).status], [401, 401])
  t.equal(retryOf(await authenticate(backend.secret ?? '')), 100, 'a lock is as long as its window')
  move(100)
  t.equal((await authenticate(backend.secret ?? '')).status, 200)
})

t.test('31: what a client asks of token, revoke and introspect is counted together, 600 a minute', async (t) => {
  const { app, move } = await start(t)
  const backend = await makeClient(app, { applicationType: 'backend' })
  const other = await makeClient(app, { applicationType: 'backend' })
  const ask = async (path: string, made = backend): Promise<Answer> => await post(app, path, { grant_type: 'client_credentials', token: 'x' }, made)
  const paths = ['/revoke', '/introspect', '/revoke_token', '/token'] as const
  const statuses = new Set<number>()
  for (let count = 0; count < 600; count++) statuses.add((await ask(paths[count % 50 === 0 ? 3 : count % 3] ?? '')).status)
  t.strictSame([...statuses], [200])
  for (const path of paths) t.equal(retryOf(await ask(path)), 60, path)
  t.equal((await ask('/token', other)).status, 200, 'another client')
  move(59)
  t.equal(retryOf(await ask('/token')), 1)
  move(1)
  t.equal((await ask('/token')).status, 200)
})

t.test('31: sixty pages a minute from one address, as the plugin wires it', async (t) => {
  const { app } = await start(t)
  const ask = async (url: string, remoteAddress = '192.0.2.1'): Promise<{ statusCode: number, headers: Record<string, unknown> }> => await app.inject({ url, remoteAddress })
  for (let count = 1; count <= 60; count++) t.not((await ask(count % 2 === 0 ? '/oauth2/consents' : '/oauth2/authorize?client_id=x')).statusCode, 429)
  for (const url of ['/oauth2/consents', '/oauth2/authorize?client_id=x']) t.match(await ask(url), { statusCode: 429, headers: { 'retry-after': /^\d+$/, 'content-type': 'text/html; charset=utf-8' } }, url)
  t.equal((await ask('/oauth2/consents', '192.0.2.2')).statusCode, 303)
  t.equal((await ask('/oauth2/jwks')).statusCode, 200, 'what is no page is not counted with them')
})

t.test('31: the figures are those of the requirements', async (t) => {
  t.strictSame(defaultLimits, {
    passwordsPerUser: { max: 5, windowSeconds: 900 },
    passwordsPerAddress: { max: 50, windowSeconds: 900 },
    clientAuthentications: { max: 20, windowSeconds: 300 },
    failuresPerAddress: { max: 100, windowSeconds: 300 },
    refusedGrants: { max: 30, windowSeconds: 300 },
    pagesPerMinute: 60,
    requestsPerMinute: 600
  })
})
