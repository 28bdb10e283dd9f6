import t from 'tap'
import type { DocuWareSwitches } from '../../testing/docuware/switches.js'
import type { DocuWare } from '../../testing/index.js'
import { call, clockedApp, entriesOf, linesOf, moveToEnd, newestTokens, refreshes, tokensOf } from './clocked-app.js'
import { authorized } from './docuware-app.js'
import { TamperingIdentity, type Tampered, type TokenBody } from './tampering-identity.js'

const minute = 60_000
const hour = 60 * minute
const failed = 'an access token could not be refreshed'

/** Ways in which a refresh can fail that say nothing about the refresh token. */
const transient: Array<[what: string, plan: (dw: DocuWare) => void, reason: string | RegExp]> = [
  ...[400, 401, 403, 405, 408, 418, 429, 500, 502, 503, 504].map((status): typeof transient[number] => [`status ${status}`, (dw) => { dw.failNext(1, status, { grantType: 'refresh_token' }) }, 'server_error']),
  ...['invalid_request', 'invalid_scope', 'unauthorized_client', 'unsupported_grant_type', 'temporarily_unavailable'].map((error): typeof transient[number] => [error, (dw) => { dw.failNext(1, 400, { grantType: 'refresh_token', error }) }, error]),
  ['invalid_grant with another status', (dw) => { dw.failNext(1, 500, { grantType: 'refresh_token', error: 'invalid_grant' }) }, 'invalid_grant'],
  ['invalid_client with another status', (dw) => { dw.failNext(1, 503, { grantType: 'refresh_token', error: 'invalid_client' }) }, 'invalid_client'],
  ['an error that is no code', (dw) => { dw.failNext(1, 400, { grantType: 'refresh_token', error: '<b>secret=hunter2</b>' }) }, 'answered with status 400'],
  ['a redirect', (dw) => { dw.failNext(1, 302, { grantType: 'refresh_token' }) }, 'server_error'],
  ['not modified', (dw) => { dw.disguiseNext(1, 'html', { grantType: 'refresh_token', status: 304 }) }, 'answered with status 304'],
  ['no content', (dw) => { dw.failNext(1, 204, { grantType: 'refresh_token' }) }, 'answered with status 204'],
  ...(['before', 'after', 'body'] as const).map((when): typeof transient[number] => [`dropped ${when}`, (dw) => { dw.dropNext(1, { grantType: 'refresh_token', when }) }, /socket hang up|ECONNRESET|aborted|terminated/]),
  ['silence', (dw) => { dw.slowNext(1, { grantType: 'refresh_token', delayMs: 5000 }) }, 'no complete answer within 700 ms'],
  ['a drip', (dw) => { dw.slowNext(1, { grantType: 'refresh_token', dripMs: 50 }) }, 'no complete answer within 700 ms'],
  ...(['html', 'xml'] as const).flatMap((as) => [200, 400, 500].map((status): typeof transient[number] => [`${as} with status ${status}`, (dw) => { dw.disguiseNext(1, as, { grantType: 'refresh_token', status }) }, status === 200 ? 'the answer makes no sense' : `answered with status ${status}`]))
]

t.test('whatever else goes wrong loses nothing: the old token goes on, and the next refresh succeeds', async (t) => {
  const made = await clockedApp(t, { simulator: { refreshMode: 'reuse' }, docuware: { http: { timeoutMs: 700 } } })
  const { app, dw, clock, lines } = made
  const { id } = await authorized(app, dw)
  for (const [what, plan, reason] of transient) {
    await moveToEnd(made, 2 * minute)
    const before = await tokensOf(app)
    const [asked, said] = [refreshes(dw), linesOf(made, failed).length]
    plan(dw)
    await call(made)
    await call(made)
    t.equal(refreshes(dw), asked + 1, what)
    const lines = linesOf(made, failed).slice(said)
    t.match(lines, [{ level: 'warn', details: { connection: 'acme', reason, count: 1 } }], what)
    t.equal(lines.length, 1, `${what}: one line`)
    t.same(await tokensOf(app), before, what)
    t.match(await app.docuware.connections.get(id), { status: 'authorized', statusMessage: null }, what)
    clock.advance(1000)
    await call(made)
    t.not((await tokensOf(app)).accessToken, before.accessToken, `${what}: refreshed`)
  }
  const entries = await entriesOf(app, 'connection.refresh_failed')
  t.equal(entries.length, transient.length, 'one entry each')
  for (const entry of entries) t.match(entry, { level: 'warning', actor: { type: 'app', id: null }, target: { type: 'connection', id, name: 'acme' }, details: { reason: String, count: 1 } })
  t.notMatch(JSON.stringify([entries, lines]), /hunter2/)

  await moveToEnd(made, 0)
  dw.failNext(1, 503, { grantType: 'refresh_token' })
  await t.rejects(call(made), { code: 'DWA_DOCUWARE_REFRESH_FAILED', statusCode: 503, message: 'The access token of connection "acme" could not be refreshed: server_error' }, 'after its end there is no old token to go on with')
})

t.test('an id_token, whatever is wrong with it, keeps no token from anybody, when a code is exchanged and when a token is refreshed', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  const flaws: Array<DocuWareSwitches['idToken']> = ['valid', 'expired', 'foreign-issuer', 'other-case-issuer', 'unexpected-algorithm', 'foreign-audience', 'foreign-nonce', 'absent']
  for (const issuerCase of ['same', 'upper'] as const) {
    for (const idToken of flaws) {
      const where = `${idToken}, ${issuerCase}`
      dw.set({ idToken, issuerCase })
      await authorized(app, dw, where)
      for (let round = 0; round < 2; round++) {
        const before = await tokensOf(app, where)
        await moveToEnd(made, 0, where)
        await call(made, where)
        const after = await tokensOf(app, where)
        t.not(after.refreshToken, before.refreshToken, where)
        t.equal(after.refreshToken, newestTokens(dw).refreshToken, where)
      }
    }
  }
  t.same(linesOf(made, failed), [])
})

t.test('the identity service\'s clock may be wrong', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  for (const clockOffsetMs of [-24 * hour, -10 * minute, 10 * minute, 24 * hour]) {
    const name = String(clockOffsetMs)
    dw.set({ clockOffsetMs })
    await authorized(app, dw, name)
    dw.clearCalls()
    await call(made, name)
    await moveToEnd(made, 0, name)
    await call(made, name)
    t.equal(refreshes(dw), 1, name)
    dw.set({ clockOffsetMs: clockOffsetMs + 2 * hour })
    await call(made, name)
    t.equal(refreshes(dw), 2, `${name}: a token that has ended there is refreshed after its 401`)
  }
})

t.test('answers that make no sense lose no refresh token that came with them', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  const identity = await new TamperingIdentity(dw).start(t)
  const without = (...names: string[]) => (answer: TokenBody): Tampered => ({ body: Object.fromEntries(Object.entries(answer).filter(([name]) => !names.includes(name))) })
  const having = (members: TokenBody) => (answer: TokenBody): Tampered => ({ body: { ...answer, ...members } })
  /** Whether the refresh token of the answer is kept: it is there, in an answer of status 200 that can be read. */
  const cases: Array<[what: string, tamper: (answer: TokenBody) => Tampered, saved: boolean, reason?: string | RegExp]> = [
    ['no access token', without('access_token'), true],
    ...[null, '', 17, true, {}, ['x']].map((value): typeof cases[number] => [`the access token ${JSON.stringify(value)}`, having({ access_token: value }), true]),
    ...['a b', 'a\nb', 'a\r\nx-injected: 1', 'tokën', '\u0000'].map((value): typeof cases[number] => [`the access token ${JSON.stringify(value)}`, having({ access_token: value }), true]),
    ['no token type', without('token_type'), true],
    ...[null, '', 17, {}, 'mac', 'DPoP', 'bearer token'].map((value): typeof cases[number] => [`the token type ${JSON.stringify(value)}`, having({ token_type: value }), true]),
    ['an error with status 200', (answer) => ({ body: { error: 'invalid_grant', refresh_token: String(answer['refresh_token']) } }), true, 'invalid_grant'],
    ['the answer with status 201', (answer) => ({ body: answer, status: 201 }), false, 'answered with status 201'],
    ['no refresh token either', without('access_token', 'refresh_token'), false],
    ...[null, '', 17, {}].map((value): typeof cases[number] => [`no access token, and the refresh token ${JSON.stringify(value)}`, having({ access_token: undefined, refresh_token: value }), false]),
    ['an array', () => ({ body: '[]' }), false], ['a number', () => ({ body: '17' }), false], ['null', () => ({ body: 'null' }), false], ['nothing', () => ({ body: '' }), false],
    ['half of it', (answer) => ({ body: JSON.stringify(answer).slice(0, -40) }), false],
    ['256 KiB and more', (answer) => ({ body: { ...answer, padding: 'x'.repeat(256 * 1024) } }), false, 'answered with more than 262144 bytes']
  ]
  await authorized(app, dw)
  for (const [what, tamper, saved, reason = 'the answer makes no sense'] of cases) {
    dw.set({ refreshMode: saved ? 'rotate' : 'reuse' })
    await moveToEnd(made, minute)
    const before = await tokensOf(app)
    identity.tamper = tamper
    await call(made)
    identity.tamper = null
    t.same(await tokensOf(app), { ...before, ...(saved ? { refreshToken: newestTokens(dw).refreshToken } : {}) }, what)
    t.match(linesOf(made, failed).at(-1), { details: { connection: 'acme', reason, count: 1 } }, what)
    clock.advance(1000)
    await call(made)
    t.not((await tokensOf(app)).accessToken, before.accessToken, `${what}: and then it is refreshed`)
  }
  t.match(await app.docuware.connections.get('acme'), { status: 'authorized', statusMessage: null })
  t.equal(linesOf(made, failed).length, cases.length)
})

t.test('the type of a token is kept as the answer has it', async (t) => {
  const made = await clockedApp(t)
  const { app, dw } = made
  const identity = await new TamperingIdentity(dw).start(t)
  const stored = async (): Promise<unknown> => (await app.store.connection.collection('dwa_connections').findOne({ name: 'acme' }))?.['tokenType']
  await authorized(app, dw)
  t.equal(await stored(), 'Bearer', 'of an authorization')
  for (const tokenType of ['bearer', 'BEARER', 'Bearer']) {
    identity.tamper = (answer) => ({ body: { ...answer, token_type: tokenType } })
    await moveToEnd(made, 0)
    await call(made)
    t.equal(await stored(), tokenType, 'of a refresh')
  }
  await app.docuware.revoke('acme')
  t.equal(await stored(), undefined, 'and goes with the token')
})

t.test('a lifetime that is missing or makes no sense is half an hour, and no token of an answer is lost for it', async (t) => {
  const made = await clockedApp(t)
  const { app, dw, clock } = made
  const identity = await new TamperingIdentity(dw).start(t)
  await authorized(app, dw)
  const half = 1800
  const cases: Array<[expiresIn: unknown, seconds: number]> = [
    [undefined, half], [null, half], ['', half], ['soon', half], [true, half], [{}, half], [[7200], half], [-1, half], [0, half], ['0', half], ['1e999', 366 * 86_400],
    [7200, 7200], ['7200', 7200], [5400.5, 5400.5], [1e300, 366 * 86_400], [1e9, 366 * 86_400]
  ]
  clock.hold()
  for (const [expiresIn, seconds] of cases) {
    dw.expireTokens()
    identity.tamper = (answer) => ({ type: 'text/plain', body: { ...answer, expires_in: expiresIn, scope: 17, id_token: null } })
    await call(made)
    t.equal((await app.docuware.connections.get('acme'))?.expiresAt?.getTime(), Math.floor(clock.now() + seconds * 1000), JSON.stringify(expiresIn))
    t.equal((await tokensOf(app)).refreshToken, newestTokens(dw).refreshToken)
  }
  t.same(linesOf(made, failed), [])
})
