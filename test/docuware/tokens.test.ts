import type { Document } from 'mongodb'
import t from 'tap'
import { systemClock } from '../../lib/clock.js'
import type { DocuWareSwitches } from '../../testing/docuware/switches.js'
import type { DocuWare } from '../../testing/index.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { refresh } from '../testing/docuware-flow.js'
import { call, clockedApp, entriesOf, linesOf, MovableClock, moveToEnd, newestTokens, outcomes, refreshes, statusOf, tokensOf, type ClockedApp } from './clocked-app.js'
import { asDocuware, authorize, authorized, connect } from './docuware-app.js'
import { TamperingIdentity } from './tampering-identity.js'

const modes = ['rotate', 'rotate+revokeFamily', 'reuse'] as const
const minute = 60_000
const hour = 60 * minute
const failed = 'an access token could not be refreshed'

/** The commands that the app sends to its database from now on: their names, and what they say. */
function commandsOf ({ app }: ClockedApp, collection: string): Array<{ readonly name: string, readonly command: Document }> {
  const seen: Array<{ readonly name: string, readonly command: Document }> = []
  app.store.connection.getClient().on('commandStarted', ({ commandName: name, command }) => { if (command[name] === collection) seen.push({ name, command }) })
  return seen
}

/** How long the exchange of a refresh may take, as its failure says, and the lease for it. */
async function leaseAndExchange (timeoutMs: number | undefined): Promise<{ readonly timeoutMs: number | undefined, readonly exchange: number, readonly lease: number }> {
  const { uri } = await startTestMongo(t)
  const made = await clockedApp(t, { uri: `${uri}?monitorCommands=true`, ...(timeoutMs === undefined ? {} : { docuware: { http: { timeoutMs } } }) })
  await authorized(made.app, made.dw)
  await moveToEnd(made, 0)
  const leases = commandsOf(made, 'dwa_leases')
  made.dw.slowNext(1, { grantType: 'refresh_token', delayMs: 600_000 })
  const failure = await call(made).then(String, String)
  return {
    timeoutMs,
    exchange: Number(/no complete answer within (\d+) ms$/.exec(failure)?.[1]),
    lease: Number(leases.find(({ name }) => name === 'findAndModify')?.command['update']?.[0]?.$set?.until?.$add?.[1])
  }
}

// Some take ten seconds, beside the other tests.
const leasesAndExchanges = Promise.all([undefined, 100, 700, 9999, 10_001, 600_000].map(leaseAndExchange))

t.test('a token is refreshed when it has five minutes left, or whatever is configured, and not a millisecond earlier', async (t) => {
  for (const refreshBeforeSeconds of [undefined, 60, 0]) {
    const made = await clockedApp(t, refreshBeforeSeconds === undefined ? {} : { docuware: { refreshBeforeSeconds } })
    const { app, dw, clock } = made
    clock.hold()
    const { expiresAt } = await authorized(app, dw)
    const boundary = (expiresAt?.getTime() ?? 0) - 1000 * (refreshBeforeSeconds ?? 300)
    clock.hold(boundary - 1)
    await call(made)
    t.equal(refreshes(dw), 0)
    clock.hold(boundary)
    await call(made)
    t.equal(refreshes(dw), 1, `${refreshBeforeSeconds ?? 'default'}`)
    t.same((await app.docuware.connections.get('acme'))?.expiresAt, new Date(boundary + hour), 'a new hour begins')
    await call(made)
    t.equal(refreshes(dw), 1)
    await app.close()
  }
})

t.test('a token that lives for less than twice that time is, once it was refreshed, refreshed at half of its life, and not a millisecond earlier', async (t) => {
  for (const [accessToken, life] of [[400, 200_000], [599, 299_500], [601, 301_000], [2, 1000]] as const) {
    const made = await clockedApp(t, { simulator: { lifetimes: { accessToken } } })
    const { app, dw, clock } = made
    await authorized(app, dw)
    await moveToEnd(made, 0)
    clock.hold()
    await call(made)
    t.equal(refreshes(dw), 1, `${accessToken} s`)
    const since = clock.now()
    for (let round = 0; round < 2; round++) {
      const asked = refreshes(dw)
      clock.hold(since + (round + 1) * life - 1)
      await call(made)
      t.equal(refreshes(dw), asked, `${accessToken} s, a millisecond before`)
      clock.hold(since + (round + 1) * life)
      await call(made)
      t.equal(refreshes(dw), asked + 1, `${accessToken} s`)
    }
    await app.close()
  }
})

t.test('a 401 is answered with one refresh and one more try', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  await authorized(app, dw)
  dw.expireTokens()
  await call(made)
  t.equal(refreshes(dw), 1)
  dw.failNext(Infinity, 401, { path: '/Organizations' })
  dw.clearCalls()
  await t.rejects(call(made), { code: 'DWA_DOCUWARE_HTTP', status: 401 })
  t.same(dw.calls().map(({ path, status }) => [path, status]), [['/Organizations', 401], ['/connect/token', 200], ['/Organizations', 401]])
})

t.test('a platform that refuses every new token makes pauses, too', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  await authorized(app, dw)
  clock.hold()
  dw.failNext(Infinity, 401, { path: '/Organizations' })
  for (const count of [1, 2, 3]) {
    t.same(await outcomes(made, 3), ['DWA_DOCUWARE_HTTP'])
    t.equal(refreshes(dw), count, 'that may happen')
  }
  for (const [index, seconds] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
    clock.advance(seconds * 1000 - 1)
    t.same(await outcomes(made, 3), ['DWA_DOCUWARE_REFRESH_FAILED'])
    t.equal(refreshes(dw), index + 3, `${seconds} s`)
    clock.advance(1)
    t.same(await outcomes(made, 3), ['DWA_DOCUWARE_HTTP'])
    t.equal(refreshes(dw), index + 4)
  }
  const said = linesOf(made, failed)
  t.match(said, [1, 2, 3, 4, 5, 6, 7, 8, 9].map((count) => ({ level: 'warn', details: { connection: 'acme', reason: 'the API refuses new access tokens', count } })))
  t.equal(said.length, 9)
  t.match(await entriesOf(app, 'connection.refresh_failed'), { length: 9 })
  dw.clearPlans()
  t.same(await outcomes(made, 3), ['ok'], 'a token that is accepted is good in a pause as well')
  clock.advance(2 * minute)
  for (let round = 0; round < 10; round++) {
    dw.expireTokens()
    t.same(await outcomes(made, 3), ['ok'], 'tokens that were accepted may be refused as soon as can be')
  }
  t.equal(refreshes(dw), 21)
})

t.test('two hundred callers make one refresh, and take the lease for it once', async (t) => {
  const { uri } = await startTestMongo(t)
  const made = await clockedApp(t, { uri: `${uri}?monitorCommands=true` })
  const { app, dw } = made
  const { id } = await authorized(app, dw)
  const leases = commandsOf(made, 'dwa_leases')
  const taken = (): string[] => leases.splice(0).map(({ name }) => name)
  await moveToEnd(made, 5 * minute)
  t.same(await outcomes(made, 200), ['ok'], 'before the end')
  t.equal(refreshes(dw), 1)
  await eventually('the lease is given back', () => leases.length >= 2)
  t.strictSame(taken(), ['findAndModify', 'update'], 'who waits in this process asks nobody')
  dw.expireTokens()
  t.same(await outcomes(made, 200), ['ok'], 'after 401')
  t.equal(refreshes(dw), 2)
  t.strictSame(taken(), ['findAndModify', 'update'])
  await moveToEnd(made, -hour)
  t.same(await outcomes(made, 200), ['ok'], 'after the end')
  t.equal(refreshes(dw), 3)
  t.strictSame(taken(), ['findAndModify', 'update'])
  dw.expireRefreshTokens()
  await moveToEnd(made, -hour)
  t.same(await outcomes(made, 200), ['DWA_DOCUWARE_REAUTHORIZE'])
  t.equal(refreshes(dw), 4)
  const entries = await entriesOf(app, 'connection.refreshed')
  t.strictSame(entries.map(({ level, actor, target, source }) => ({ level, actor, target, told: source != null })), Array(3).fill({ level: 'info', actor: { type: 'app', id: null }, target: { type: 'connection', id, name: 'acme' }, told: true }), 'each is in the log, as the app\'s own doing')
})

t.test('the lease of a refresh is longer than an exchange can take, whatever http.timeoutMs is', async (t) => {
  for (const { timeoutMs = 30_000, exchange, lease } of await leasesAndExchanges) {
    t.equal(exchange, Math.min(timeoutMs, 10_000), 'an exchange takes ten seconds at most')
    t.equal(lease, exchange + 5000, `${lease} ms for ${exchange} ms`)
  }
})

t.test('who was refused a token does not get it again from a refresh that others wait for', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  await authorized(app, dw)
  dw.slowNext(1, { path: '/Organizations', delayMs: 400 })
  const refused = t.rejects(call(made), { code: 'DWA_DOCUWARE_REFRESH_FAILED' })
  await eventually('it is under way', () => dw.counters()['GET /Organizations'] === 1)
  await moveToEnd(made, minute)
  dw.failNext(1, 503, { grantType: 'refresh_token' })
  const gate = dw.holdTokens()
  const other = app.docuware.client('acme').fileCabinets()
  await gate.waiting()
  dw.expireTokens()
  await eventually('it is refused', () => dw.calls().some(({ path, status }) => path === '/Organizations' && status === 401))
  gate.release()
  await refused
  await t.rejects(other, { code: 'DWA_DOCUWARE_REFRESH_FAILED' }, 'the other was given the old one, was refused too, and must wait for the pause')
})

t.test('a new refresh token replaces the old one, none keeps it, in every refresh mode', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  for (const refreshMode of modes) {
    for (const omitRefreshToken of [false, true]) {
      const where = `${refreshMode}${omitRefreshToken ? ', omitted' : ''}`
      dw.set({ refreshMode, omitRefreshToken: false })
      const { id } = await authorized(app, dw, where)
      dw.set({ omitRefreshToken })
      for (let round = 0; round < 3; round++) {
        const before = await tokensOf(app, where)
        await moveToEnd(made, minute, where)
        await call(made, where)
        const after = await tokensOf(app, where)
        t.not(after.accessToken, before.accessToken, where)
        t.equal(after.refreshToken !== before.refreshToken, refreshMode !== 'reuse' && !omitRefreshToken, where)
        t.match(await app.docuware.connections.get(id), { status: 'authorized', hasRefreshToken: true })
      }
    }
  }
  t.equal(refreshes(dw), 18)
})

t.test('an answer that is lost after the identity service has rotated costs a sign-in, where it has rotated', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  for (const refreshMode of modes) {
    dw.set({ refreshMode })
    await authorized(app, dw, refreshMode)
    const before = await tokensOf(app, refreshMode)
    await moveToEnd(made, minute, refreshMode)
    dw.loseNextRefresh()
    await call(made, refreshMode)
    t.same(await tokensOf(app, refreshMode), before, 'nothing is changed')
    clock.advance(1000)
    if (refreshMode === 'reuse') await call(made, refreshMode)
    else await t.rejects(call(made, refreshMode), { code: 'DWA_DOCUWARE_REAUTHORIZE' }, refreshMode)
    t.match(await app.docuware.connections.get(refreshMode), { status: refreshMode === 'reuse' ? 'authorized' : 'reauthorize' })
  }
})

t.test('a refresh token that is not accepted any more calls for a person, once, and nobody asks again', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  const { id } = await authorized(app, dw)
  dw.expireRefreshTokens()
  await moveToEnd(made, minute)
  const error = await call(made).catch((error: unknown) => error)
  t.match(error, { code: 'DWA_DOCUWARE_REAUTHORIZE', statusCode: 409, message: 'Connection "acme" must be authorized again' })
  t.match(await app.docuware.connections.get(id), { status: 'reauthorize', statusMessage: /^The refresh token is not accepted any more/, hasRefreshToken: true })
  for (let hours = 0; hours < 3; hours++) {
    clock.advance(hour)
    t.same(await outcomes(made, 10), ['DWA_DOCUWARE_REAUTHORIZE'])
  }
  t.equal(refreshes(dw), 1)
  const again = await clockedApp(t, { dw, uri: made.uri, clock })
  t.same(await outcomes(again, 10), ['DWA_DOCUWARE_REAUTHORIZE'], 'nor does a process that starts later')
  t.equal(refreshes(dw), 1)
  const entries = await entriesOf(app, 'connection.reauthorization_needed')
  t.match(entries, [{ level: 'warning', target: { id, name: 'acme' }, actor: { type: 'app', id: null }, message: /authorize the connection again/ }])
  const said = [...linesOf(made, 'a connection does not get access tokens any more'), ...linesOf(again, 'a connection does not get access tokens any more')]
  t.strictSame([entries.length, said.length], [1, 1], 'once')
  t.match(said, [{ level: 'warn', details: { connection: 'acme', status: 'reauthorize' } }])
  t.match(await authorize(app, dw, id), { statusCode: 200 })
  t.match(await app.docuware.connections.get(id), { status: 'authorized', statusMessage: null })
  await call(made)
  t.equal(refreshes(dw), 1)
})

t.test('a refresh token that is used lives on, until its absolute end', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  await authorized(app, dw)
  for (const days of [29, 58, 87]) {
    clock.advance(29 * 24 * hour)
    t.same(await outcomes(made, 3), ['ok'], `${days} days`)
  }
  clock.advance(4 * 24 * hour)
  t.same(await outcomes(made, 3), ['DWA_DOCUWARE_REAUTHORIZE'], '90 days')
  await authorized(app, dw, 'idle')
  clock.advance(30 * 24 * hour)
  await t.rejects(call(made, 'idle'), { code: 'DWA_DOCUWARE_REAUTHORIZE' }, 'one that is not used ends earlier')
})

t.test('somebody else\'s newer token wins', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, uri, clock } = made
  await authorized(app, dw)
  const other = await clockedApp(t, { dw, uri, clock })
  await moveToEnd(made, minute)
  await call(other)
  await call(made)
  t.equal(refreshes(dw), 1, 'it is read before anything is refreshed')

  await moveToEnd(made, minute)
  dw.failNext(1, 400, { grantType: 'refresh_token', error: 'invalid_grant', delayMs: 500 })
  const late = call(made)
  await eventually('it is under way', () => refreshes(dw) === 2)
  await app.store.connection.collection('dwa_leases').deleteMany({})
  await call(other)
  await late
  t.equal(refreshes(dw), 3, 'and again after invalid_grant')
  t.match(await app.docuware.connections.get('acme'), { status: 'authorized' })
  t.same(await entriesOf(app, 'connection.reauthorization_needed'), [])
})

t.test('tokens are saved over the verdict of a process that took the turn meanwhile', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, uri, clock } = made
  await authorized(app, dw)
  const other = await clockedApp(t, { dw, uri, clock })
  await moveToEnd(made, -minute)
  dw.slowNext(1, { grantType: 'refresh_token', dripMs: 1 })
  const slow = call(made)
  await eventually('it is processed', () => dw.calls().some(({ grantType, status }) => grantType === 'refresh_token' && status === 200))
  await app.store.connection.collection('dwa_leases').deleteMany({})
  await t.rejects(call(other), { code: 'DWA_DOCUWARE_REAUTHORIZE' })
  await slow
  t.match(await app.docuware.connections.get('acme'), { status: 'authorized', statusMessage: null })
  await eventually('the other hears of it', async () => await call(other).then(() => true, () => false))
  t.equal(refreshes(dw), 2)
})

t.test('a failing refresh backs off from one second to sixty, for everyone, and begins anew after a success', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  await authorized(app, dw)
  await moveToEnd(made, 0)
  clock.hold()
  dw.failNext(Infinity, 503, { grantType: 'refresh_token' })
  t.same(await outcomes(made, 50), ['DWA_DOCUWARE_REFRESH_FAILED'])
  for (const [index, seconds] of [1, 2, 4, 8, 16, 32, 60, 60, 60].entries()) {
    clock.advance(seconds * 1000 - 1)
    t.same(await outcomes(made, 5), ['DWA_DOCUWARE_REFRESH_FAILED'])
    t.equal(refreshes(dw), index + 1, `not before ${seconds} s`)
    clock.advance(1)
    t.same(await outcomes(made, 5), ['DWA_DOCUWARE_REFRESH_FAILED'])
    t.equal(refreshes(dw), index + 2)
  }
  t.same(linesOf(made, failed).map(({ details }) => details['count']), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.same((await entriesOf(app, 'connection.refresh_failed')).map(({ details }) => details['count']), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  dw.clearPlans()
  clock.advance(minute)
  t.same(await outcomes(made, 5), ['ok'])
  await moveToEnd(made, 0)
  dw.failNext(1, 503, { grantType: 'refresh_token' })
  t.same(await outcomes(made, 5), ['DWA_DOCUWARE_REFRESH_FAILED'])
  clock.advance(1000)
  t.same(await outcomes(made, 5), ['ok'])
})

t.test('a token that somebody else got ends the pauses', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, uri, clock } = made
  const { id } = await authorized(app, dw)
  const other = await clockedApp(t, { dw, uri, clock })
  for (const renewed of [async () => { await call(other) }, async () => { await authorize(app, dw, id) }]) {
    await moveToEnd(made, 0)
    clock.hold()
    dw.failNext(1, 503, { grantType: 'refresh_token' })
    t.same(await outcomes(made, 1), ['DWA_DOCUWARE_REFRESH_FAILED'])
    await renewed()
    t.same(await outcomes(made, 1), ['ok'], 'at once')
    await moveToEnd(made, minute)
    dw.failNext(1, 503, { grantType: 'refresh_token' })
    await call(made)
    t.match(linesOf(made, failed).at(-1), { details: { count: 1 } })
    clock.advance(1000)
    await call(made)
  }
})

t.test('a token endpoint that has moved is looked for once, and then it is a failure like any other', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  await authorized(app, dw)
  const old = new URL(dw.identityUrl).pathname
  const identityUrl = dw.moveIdentity()
  await moveToEnd(made, 0)
  await call(made)
  t.match(dw.calls().filter(({ grantType }) => grantType === 'refresh_token'), [{ path: `${old}/connect/token`, status: 404 }, { path: '/connect/token', status: 200 }])
  t.match(await app.docuware.connections.get('acme'), { discovered: { identityUrl, tokenEndpoint: `${identityUrl}/connect/token` } })
  t.same(linesOf(made, failed), [])
  for (const status of [404, 410]) {
    await moveToEnd(made, minute)
    dw.clearCalls()
    dw.failNext(Infinity, status, { grantType: 'refresh_token' })
    await call(made)
    t.equal(refreshes(dw), 2, 'before it was looked for, and after')
    t.equal(dw.counters()['GET /Home/IdentityServiceInfo'], 1)
    t.match(linesOf(made, failed).at(-1), { details: { reason: `answered with status ${status}`, count: 1 } })
    dw.clearPlans()
    clock.advance(1000)
    await call(made)
  }
})

t.test('an identity service that nobody finds is a failure that backs off, whether its endpoint or its discovery is gone', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  const identity = await new TamperingIdentity(dw).start(t)
  const { port } = identity
  await authorized(app, dw)
  await moveToEnd(made, minute)
  clock.hold()
  identity.stop()
  dw.clearCalls()
  t.same(await outcomes(made, 20), ['ok'], 'the old token goes on')
  t.equal(dw.counters()['GET /Home/IdentityServiceInfo'], 1)
  clock.advance(minute)
  t.same(await outcomes(made, 20), ['DWA_DOCUWARE_REFRESH_FAILED'])
  dw.set({ identityServiceUrl: '' })
  clock.advance(2000)
  t.same(await outcomes(made, 20), ['DWA_DOCUWARE_REFRESH_FAILED'])
  t.equal(dw.counters()['GET /Home/IdentityServiceInfo'], 3, 'each time one look')
  t.match(linesOf(made, failed), [1, 2, 3].map((count) => ({ level: 'warn', details: { reason: /ECONNREFUSED/, count } })))
  t.equal(linesOf(made, failed).length, 3)
  t.match(await app.docuware.connections.get('acme'), { status: 'authorized' })
  await identity.listen(port)
  clock.advance(4000)
  t.same(await outcomes(made, 20), ['ok'])
})

t.test('a connection that changes or goes while its endpoint is looked for', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  const { id } = await authorized(app, dw)
  const changes: Array<[change: () => Promise<unknown>, code: string]> = [
    [async () => { await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() }) }, 'ok'],
    [async () => { await app.docuware.connections.remove(id) }, 'DWA_STORE_NOT_FOUND']
  ]
  for (const [change, outcome] of changes) {
    await moveToEnd(made, 0)
    dw.failNext(1, 404, { grantType: 'refresh_token' })
    dw.slowNext(1, { path: '/Home/IdentityServiceInfo', delayMs: 300 })
    dw.clearCalls()
    const pending = outcomes(made, 1)
    await eventually('it is looked for', () => dw.counters()['GET /Home/IdentityServiceInfo'] === 1)
    await change()
    t.same(await pending, [outcome])
  }
})

t.test('an expired client secret is an error that says so; a new one mends it', async (t) => {
  for (const invalidClientStatus of [400, 401] as const) {
    const made = await clockedApp(t, { simulator: { invalidClientStatus } })
    const { app, dw, clock } = made
    const { id } = await authorized(app, dw)
    await moveToEnd(made, 2 * minute)
    dw.expireClientSecret()
    t.same(await outcomes(made, 5), ['ok'], 'the old token goes on')
    t.match(await app.docuware.connections.get(id), { status: 'error', statusMessage: 'The identity service rejects the client: its secret has expired or is wrong. Enter a new one.', hasRefreshToken: true })
    clock.advance(2 * minute)
    t.same(await outcomes(made, 5), ['DWA_DOCUWARE_CLIENT_REJECTED'])
    clock.advance(hour)
    await t.rejects(call(made), { code: 'DWA_DOCUWARE_CLIENT_REJECTED', statusCode: 502, message: /its secret has expired or is wrong/ })
    t.equal(refreshes(dw), 1, 'nobody asks again')
    const entries = await entriesOf(app, 'connection.refresh_failed')
    t.match(entries, [{ level: 'warning', target: { id, name: 'acme' }, message: /secret has expired/ }])
    t.equal(entries.length, 1, 'nor is it said again')
    await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() })
    t.match(await app.docuware.connections.get(id), { status: 'authorized', statusMessage: null })
    t.same(await outcomes(made, 5), ['ok'])
    t.equal(refreshes(dw), 2)
    await app.close()
  }
})

t.test('a secret that is replaced while the old one is refused is used at once', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  const { id } = await authorized(app, dw)
  dw.expireClientSecret()
  await moveToEnd(made, 0)
  const gate = dw.holdTokens()
  const pending = call(made)
  await gate.waiting()
  await app.docuware.connections.update(id, { clientSecret: dw.addClientSecret() })
  gate.release()
  await pending
  t.equal(refreshes(dw), 2)
  t.match(await app.docuware.connections.get(id), { status: 'authorized' })
  t.same(await entriesOf(app, 'connection.refresh_failed'), [])
})

t.test('where the platform gives no refresh tokens, the connection ends with its access token', async (t) => {
  for (const how of ['its end', 'a 401']) {
    const made = await clockedApp(t, { simulator: { refreshTokenSupported: false } })
    const { app, dw } = made
    const { id } = await authorized(app, dw)
    t.match(await app.docuware.connections.get(id), { status: 'authorized', hasRefreshToken: false, discovered: { refreshTokenSupported: false } })
    await moveToEnd(made, 1000)
    t.same(await outcomes(made, 20), ['ok'], 'until then it is good')
    if (how === 'a 401') dw.expireTokens()
    else await moveToEnd(made, 0)
    t.same(await outcomes(made, 20), ['DWA_DOCUWARE_REAUTHORIZE'], how)
    t.match(await app.docuware.connections.get(id), { status: 'reauthorize', statusMessage: /there is no refresh token/ })
    t.match(await entriesOf(app, 'connection.reauthorization_needed'), { length: 1 })
    t.equal(refreshes(dw), 0)
    await app.close()
  }
})

t.test('what happens to a connection while it is refreshed', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  const { connections } = app.docuware
  const cases: Array<[what: string, change: (id: string) => Promise<unknown>, outcome: string, after: object | null]> = [
    ['renamed', async (id) => await connections.update(id, { name: `new ${id}` }), 'ok', { status: 'authorized', hasAccessToken: true }],
    ['other scopes', async (id) => await connections.update(id, { scopes: ['docuware.platform'] }), 'ok', { status: 'authorized', hasAccessToken: true }],
    ['a new secret', async (id) => await connections.update(id, { clientSecret: dw.addClientSecret() }), 'ok', { status: 'authorized', hasAccessToken: true }],
    ['a new secret that drops the tokens', async (id) => await connections.update(id, { clientSecret: dw.addClientSecret(), dropTokens: true }), 'DWA_DOCUWARE_NOT_AUTHORIZED', { status: 'draft', hasAccessToken: false, hasRefreshToken: false }],
    ['another client', async (id) => await connections.update(id, { clientId: 'other' }), 'DWA_DOCUWARE_NOT_AUTHORIZED', { status: 'draft', hasAccessToken: false, hasRefreshToken: false, discovered: null }],
    ['another platform', async (id) => await connections.update(id, { platformUrl: 'other.docuware.cloud' }), 'DWA_DOCUWARE_NOT_AUTHORIZED', { status: 'draft', hasAccessToken: false, hasRefreshToken: false, hasClientSecret: false }],
    ['removed', async (id) => { await connections.remove(id) }, 'DWA_STORE_NOT_FOUND', null]
  ]
  for (const [what, change, outcome, after] of cases) {
    const { id } = await authorized(app, dw, what)
    await moveToEnd(made, 0, what)
    const gate = dw.holdTokens({ grantType: 'refresh_token' })
    const pending = app.docuware.client(id).get('/Organizations').then(() => 'ok', (error: { code?: string }) => error.code)
    await gate.waiting()
    await change(id)
    gate.release()
    t.equal(await pending, outcome, what)
    const view = await connections.get(id)
    if (after === null) t.equal(view, null, what)
    else t.match(view, after, what)
  }
})

t.test('a turn that does not come is an error for who has no token to go on with, and for who revokes', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  const { id } = await authorized(app, dw)
  const leases = app.store.connection.collection<{ _id: string }>('dwa_leases')
  await leases.updateOne({ _id: `connection.refresh/${id}` }, { $set: { owner: 'another process', until: new Date(Date.now() + hour) } }, { upsert: true })
  await moveToEnd(made, minute)
  await call(made)
  await moveToEnd(made, 0)
  const waiting = [call(made), app.docuware.revoke(id)].map(async (pending) => await t.rejects(pending, { code: 'DWA_DOCUWARE_REFRESH_FAILED', message: /another process does not finish$/ }))
  const hurry = setInterval(() => { clock.advance(1000) }, 10)
  await Promise.all(waiting)
  clearInterval(hurry)
  t.equal(refreshes(dw), 0)
})

t.test('revoking tells the identity service of both tokens, and erases them whatever it answers', async (t) => {
  const made = await clockedApp(t, { docuware: { http: { timeoutMs: 500 } } })
  const { app, dw, clock } = made
  const path = '/connect/revocation'
  const cases: Array<[what: string, plan: () => void, notConfirmed?: string[] | 'the first to arrive']> = [
    ['200', () => {}],
    ['500', () => { dw.failNext(2, 500, { on: 'identity', path }) }, ['refresh_token', 'access_token']],
    ['503, then 200', () => { dw.failNext(1, 503, { on: 'identity', path }) }, 'the first to arrive'],
    ['dropped', () => { dw.dropNext(2, { on: 'identity', path }) }, ['refresh_token', 'access_token']],
    ['slow', () => { dw.slowNext(2, { on: 'identity', path, delayMs: 2000 }) }, ['refresh_token', 'access_token']],
    ['html', () => { dw.disguiseNext(2, 'html', { on: 'identity', path, status: 403 }) }, ['refresh_token', 'access_token']],
    ['invalid_client', () => { dw.failNext(2, 401, { on: 'identity', path, error: 'invalid_client' }) }, ['refresh_token', 'access_token']]
  ]
  for (const [what, plan, notConfirmed] of cases) {
    const { id } = await authorized(app, dw, what)
    const { refreshToken } = newestTokens(dw)
    dw.clearCalls()
    plan()
    const answer = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/revoke`, headers: asDocuware })
    t.match(answer.json(), { status: 'draft', statusMessage: null, hasAccessToken: false, hasRefreshToken: false, expiresAt: null, account: null, hasClientSecret: true, discovered: { identityUrl: dw.identityUrl } }, what)
    t.equal(dw.counters()[`POST ${path}`], 2, what)
    const entry = (await entriesOf(app, 'connection.revoked')).at(-1)
    t.match(entry, { actor: { type: 'user', id: 'u1' }, target: { id, name: what } }, what)
    if (notConfirmed !== 'the first to arrive') t.strictSame(entry?.details['notConfirmed'], notConfirmed, what)
    clock.advance(hour)
    await t.rejects(app.docuware.client(id).whoami(), { code: 'DWA_DOCUWARE_NOT_AUTHORIZED' }, what)
    t.equal(refreshes(dw), 0)
    if (notConfirmed === 'the first to arrive') { // both are on their way at the same time
      const { status } = await refresh(dw, String(refreshToken))
      t.strictSame(entry?.details['notConfirmed'], [status === 200 ? 'refresh_token' : 'access_token'], what)
    }
    t.match(await authorize(app, dw, id), { statusCode: 200 }, 'and it can be authorized again, without discovery')
  }
  t.equal(linesOf(made, 'the identity service did not revoke a token').length, 11)
  const { id } = await connect(app, dw, 'never authorized')
  dw.clearCalls()
  await app.docuware.revoke(id)
  t.same(dw.calls(), [], 'without tokens there is nothing to tell')
})

t.test('revoking waits for a refresh under way, and revokes its tokens', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  const { id } = await authorized(app, dw)
  await moveToEnd(made, 0)
  const gate = dw.holdTokens()
  const pending = outcomes(made, 3)
  await gate.waiting()
  const revoked = app.docuware.revoke(id)
  await new Promise((resolve) => { systemClock.after(200, () => { resolve(null) }) })
  t.notOk(dw.counters()['POST /connect/revocation'])
  gate.release()
  await revoked
  t.equal(dw.counters()['POST /connect/revocation'], 2)
  t.match(await app.docuware.connections.get(id), { status: 'draft', hasAccessToken: false, hasRefreshToken: false })
  t.equal(await statusOf(dw, newestTokens(dw).accessToken), 401, 'the newest is revoked')
  t.notOk((await pending).some((outcome) => outcome !== 'ok' && outcome !== 'DWA_DOCUWARE_NOT_AUTHORIZED' && outcome !== 'DWA_DOCUWARE_HTTP'), 'who was faster than the revocation may have had an answer')
  t.same(await outcomes(made, 3), ['DWA_DOCUWARE_NOT_AUTHORIZED'])
})

t.test('a valid token is at hand without the database, and a change of the connection is noticed all the same', async (t) => {
  const { uri } = await startTestMongo(t)
  const clock = new MovableClock()
  clock.timers.set(5000, Infinity) // no sweep
  const made = await clockedApp(t, { uri: `${uri}?monitorCommands=true`, clock })
  const { app, dw } = made
  const { id } = await authorized(app, dw)
  await call(made)
  await app.auditLog.find()
  const commands: string[] = []
  app.store.connection.getClient().on('commandStarted', ({ commandName }) => { if (!['getMore', 'hello', 'ping'].includes(commandName)) commands.push(commandName) })
  await app.auditLog.find()
  t.same(commands.splice(0), ['find'], 'they are seen')
  for (let i = 0; i < 20; i++) t.same(await outcomes(made, 50), ['ok'])
  t.same(commands, [])

  const other = await clockedApp(t, { uri, dw, clock })
  await other.app.docuware.connections.update(id, { name: 'renamed' })
  await eventually('it has another name', async () => await call(made).then(() => false, (error: { code?: string }) => error.code === 'DWA_STORE_NOT_FOUND'), 3000)
  await call(made, 'renamed')
  await other.app.docuware.revoke(id)
  await eventually('it is revoked', async () => await call(made, id).then(() => false, (error: { code?: string }) => error.code === 'DWA_DOCUWARE_NOT_AUTHORIZED' || error.code === 'DWA_DOCUWARE_HTTP'), 3000)
  await t.rejects(call(made, 'renamed'), { code: 'DWA_DOCUWARE_NOT_AUTHORIZED' })
})

t.test('nor is the database asked while there is no point in refreshing', async (t) => {
  const { uri } = await startTestMongo(t)
  const cases: Array<[what: string, simulator: Partial<DocuWareSwitches>, spoil: (dw: DocuWare) => void]> = [
    ['in a pause', {}, (dw) => { dw.failNext(Infinity, 503, { grantType: 'refresh_token' }) }],
    ['the client is rejected', {}, (dw) => { dw.expireClientSecret() }],
    ['there is no refresh token', { refreshTokenSupported: false }, () => {}]
  ]
  for (const [index, [what, simulator, spoil]] of cases.entries()) {
    const clock = new MovableClock()
    clock.timers.set(5000, Infinity)
    const made = await clockedApp(t, { uri: `${uri}?monitorCommands=true`, clock, simulator, store: { collectionPrefix: `p${index}_` } })
    const { app, dw } = made
    await authorized(app, dw)
    await moveToEnd(made, 4 * minute)
    clock.hold()
    spoil(dw)
    await call(made)
    await call(made)
    await app.auditLog.append('test.marked')
    const commands: string[] = []
    app.store.connection.getClient().on('commandStarted', ({ commandName }) => { if (!['getMore', 'hello', 'ping'].includes(commandName)) commands.push(commandName) })
    t.same(await outcomes(made, 100), ['ok'], what)
    t.same(commands, [], what)
    await app.close()
  }
})
