import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { systemClock } from '../../lib/clock.js'
import type { TokenFamilyDocument } from '../../lib/provider/token-family.js'
import { startTestMongo } from '../mongo.js'
import { codeFor, makeClient, people, post, providerApp, redeem, refresh, type MadeClient, type ProviderAppOptions } from './provider-app.js'

interface Started { readonly app: FastifyInstance, readonly move: (seconds: number) => void }

/** An app whose time stands still until it is moved. */
async function start (t: Test, provider: NonNullable<ProviderAppOptions['provider']> = {}): Promise<Started> {
  const { uri } = await startTestMongo(t)
  let now = Date.now()
  const app = await providerApp(t, { uri, provider, store: { clock: { ...systemClock, now: () => now } } })
  return { app, move: (seconds) => { now += seconds * 1000 } }
}

async function introspect (app: FastifyInstance, made: MadeClient, token: unknown): Promise<Record<string, unknown>> {
  return (await post(app, '/introspect', { token: String(token) }, made)).body
}

const day = 86_400

t.test('the lifetimes are the documented ones', async (t) => {
  const { app, move } = await start(t)
  const shop = await makeClient(app)
  const late = await codeFor(app, shop)
  move(61)
  t.equal((await redeem(app, shop, late)).status, 400, 'a code: 60 s')
  const code = await codeFor(app, shop)
  move(59)
  const first = await redeem(app, shop, code)
  t.equal(first.body['expires_in'], 3600, 'an access token: an hour')
  move(14 * day - 1)
  const second = await refresh(app, shop, first.body['refresh_token'])
  t.equal(second.status, 200, 'an idle refresh token: 14 days')
  move(14 * day)
  t.match(await refresh(app, shop, second.body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })

  const steady = await redeem(app, shop, await codeFor(app, shop))
  let token = steady.body['refresh_token']
  for (const days of [13, 13, 3.99999]) {
    move(days * day)
    const { status, body } = await refresh(app, shop, token)
    t.equal(status, 200)
    token = body['refresh_token']
  }
  move(1)
  t.match(await refresh(app, shop, token), { status: 400, body: { error: 'invalid_grant' } }, 'all of a family: 30 days')
})

t.test('a client\'s lifetimes count in place of the provider\'s, each by itself', async (t) => {
  const { app, move } = await start(t, { lifetimes: { accessToken: 1000, refreshToken: 5000, refreshIdle: 4000 } })
  const plain = await makeClient(app)
  const own = await makeClient(app, { lifetimes: { code: 300, accessToken: 120, refreshToken: 2000, refreshIdle: 600 } })
  const part = await makeClient(app, { lifetimes: { accessToken: 77 } })
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true, lifetimes: { accessToken: 33 } })
  const backend = await makeClient(app, { applicationType: 'backend', lifetimes: { accessToken: 44 } })
  const code = await codeFor(app, own)
  move(299)
  const first = await redeem(app, own, code)
  t.equal(first.body['expires_in'], 120, 'code and access token')
  t.equal((await redeem(app, plain, await codeFor(app, plain))).body['expires_in'], 1000)
  const partly = await redeem(app, part, await codeFor(app, part))
  t.equal(partly.body['expires_in'], 77)
  t.equal((await post(app, '/token', { grant_type: 'password', username: 'ann', password: people[0]?.password }, legacy)).body['expires_in'], 33)
  t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, backend)).body['expires_in'], 44)
  move(119)
  t.equal((await introspect(app, own, first.body['access_token']))['active'], true)
  move(2)
  t.same(await introspect(app, own, first.body['access_token']), { active: false }, 'which ends by it')
  move(470)
  const second = await refresh(app, own, first.body['refresh_token'])
  t.match(second, { status: 200, body: { expires_in: 120 } }, 'idle for less than it may')
  move(601)
  t.equal((await refresh(app, own, second.body['refresh_token'])).status, 400, 'idle for longer')
  t.equal((await refresh(app, part, partly.body['refresh_token'])).body['expires_in'], 77, 'what it does not say is the provider\'s')

  const steady = await redeem(app, own, await codeFor(app, own))
  let token = steady.body['refresh_token']
  for (const seconds of [500, 500, 500]) {
    move(seconds)
    token = (await refresh(app, own, token)).body['refresh_token']
  }
  move(450)
  const last = await refresh(app, own, token)
  t.equal(last.body['expires_in'], 50, 'no access token outlives its family')
  move(51)
  t.equal((await refresh(app, own, last.body['refresh_token'])).status, 400, 'whose end rotation does not move')
})

t.test('refreshGraceSeconds', async (t) => {
  await t.test('0: a used refresh token is reuse at once', async (t) => {
    const { app } = await start(t, { refreshGraceSeconds: 0 })
    const shop = await makeClient(app)
    const { body } = await redeem(app, shop, await codeFor(app, shop))
    const next = await refresh(app, shop, body['refresh_token'])
    t.equal(next.status, 200)
    t.equal((await app.store.connection.collection<TokenFamilyDocument>('dwa_token_families').findOne())?.previous?.answer, undefined, 'and nothing is kept to be given again')
    t.match(await refresh(app, shop, body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })
    t.match(await refresh(app, shop, next.body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } }, 'the family is gone')
    t.equal((await app.auditLog.find({ event: 'token.refresh_reused' })).length, 1)
  })
  for (const seconds of [60, 10]) {
    await t.test(`${seconds}: the same answer for so long, and no longer`, async (t) => {
      const { app, move } = await start(t, seconds === 10 ? {} : { refreshGraceSeconds: seconds })
      const shop = await makeClient(app)
      const { body } = await redeem(app, shop, await codeFor(app, shop))
      const next = await refresh(app, shop, body['refresh_token'])
      move(seconds - 1)
      t.strictSame((await refresh(app, shop, body['refresh_token'])).body, next.body)
      t.strictSame(await app.auditLog.find({ event: 'token.refresh_reused' }), [])
      move(1)
      t.match(await refresh(app, shop, body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })
      t.equal((await app.auditLog.find({ event: 'token.refresh_reused' })).length, 1)
    })
  }
})

t.test('34: introspection says times in seconds', async (t) => {
  const { app, move } = await start(t, { lifetimes: { accessToken: 600, refreshToken: 5000, refreshIdle: 4000 } })
  const shop = await makeClient(app)
  const now = (): number => Math.floor(app.store.serverClock.now() / 1000)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  const began = now()
  const access = await introspect(app, shop, body['access_token'])
  t.strictSame([access['iat'], access['exp']], [began, began + 600])
  const idle = await introspect(app, shop, body['refresh_token'])
  t.strictSame([idle['iat'], idle['exp']], [began, began + 4000], 'a refresh token: its idle end')
  move(2000)
  const next = await refresh(app, shop, body['refresh_token'])
  t.equal((await introspect(app, shop, next.body['refresh_token']))['exp'], began + 5000, 'or the end of its family')
})

t.test('what is over goes by itself: TTL indexes, and when a family may go', async (t) => {
  const { app, move } = await start(t, { lifetimes: { code: 100, accessToken: 600, refreshToken: 5000, refreshIdle: 4000 } })
  const { connection } = app.store
  for (const [name, field] of [['token_families', 'purgeAt'], ['interactions', 'expiresAt'], ['failures', 'expiresAt']] as const) {
    const indexes = await connection.collection(`dwa_${name}`).indexes()
    t.strictSame(indexes.filter((index) => index['expireAfterSeconds'] !== undefined).map(({ key, expireAfterSeconds }) => [key, expireAfterSeconds]), [[{ [field]: 1 }, 0]], name)
  }
  const families = connection.collection<TokenFamilyDocument>('dwa_token_families')
  /** Seconds from the family's beginning to its end, and to when its document goes: an hour after the last of it is good. */
  const datesOf = async (made: MadeClient): Promise<unknown> => (await families.find({ client: made.client.id }).toArray()).map(({ createdAt, expiresAt, purgeAt }) => [expiresAt, purgeAt].map((date) => Math.round((date.getTime() - createdAt.getTime()) / 1000)))
  const hour = 3600
  const shop = await makeClient(app)
  const code = await codeFor(app, shop)
  t.strictSame(await datesOf(shop), [[5000, 100 + hour]], 'a code that nobody redeems')
  const { body } = await redeem(app, shop, code)
  t.strictSame(await datesOf(shop), [[5000, 5000 + hour]], 'a used one is known as long as its tokens may live')
  move(3999)
  await refresh(app, shop, body['refresh_token'])
  t.strictSame(await datesOf(shop), [[5000, 5000 + hour]], 'rotation moves neither')
  const backend = await makeClient(app, { applicationType: 'backend' })
  await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  t.strictSame(await datesOf(backend), [[600, 600 + hour]], 'client_credentials')
  const phone = await makeClient(app, { applicationType: 'mobile', allowImplicit: true })
  await app.inject({ url: `/oauth2/authorize?response_type=token&client_id=${phone.clientId}`, headers: { 'x-user': 'ann' } })
  t.strictSame(await datesOf(phone), [[600, 600 + hour]], 'implicit')
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  await post(app, '/token', { grant_type: 'password', username: 'ann', password: people[0]?.password }, legacy)
  t.strictSame(await datesOf(legacy), [[5000, 5000 + hour]], 'password')
})
