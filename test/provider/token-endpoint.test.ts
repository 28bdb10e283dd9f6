import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { eventually } from '../store-app.js'
import { startTestMongo } from '../mongo.js'
import { basic, callback, codeFor, makeClient, people, post, providerApp, redeem, refresh, verifier, type MadeClient, type ProviderAppOptions } from './provider-app.js'

async function start (t: Test, options: Partial<ProviderAppOptions> = {}): Promise<{ app: FastifyInstance, uri: string }> {
  const { uri } = await startTestMongo(t)
  return { app: await providerApp(t, { uri, ...options }), uri }
}

/** A clock that a test moves. */
function movable (): { readonly clock: { now: () => number, after: (ms: number, run: () => void) => () => void }, move: (ms: number) => void } {
  let ahead = 0
  return {
    clock: {
      now: () => Date.now() + ahead,
      after (ms, run) {
        const timer = setTimeout(run, ms).unref()
        return () => { clearTimeout(timer) }
      }
    },
    move (ms) { ahead += ms }
  }
}

t.test('the code grant answers with tokens that work, and nothing internal', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const { status, body, headers } = await redeem(app, shop, await codeFor(app, shop))
  t.equal(status, 200)
  t.same(Object.keys(body).sort(), ['access_token', 'expires_in', 'refresh_token', 'scope', 'token_type'])
  t.match(body, { token_type: 'Bearer', expires_in: 3600, scope: 'read write' })
  t.match(headers, { 'cache-control': 'no-store', pragma: 'no-cache' })
  const introspected = await post(app, '/introspect', { token: String(body['access_token']) }, shop)
  t.match(introspected.body, { active: true, client_id: shop.clientId, scope: 'read write', token_type: 'Bearer', aud: shop.clientId, iss: 'https://provider.example' })
})

t.test('26: a refresh token is rotated, and the family keeps its absolute end', async (t) => {
  const { clock, move } = movable()
  const { app } = await start(t, { store: { clock }, provider: { lifetimes: { refreshToken: 1000, refreshIdle: 600 } } })
  const shop = await makeClient(app)
  const first = await redeem(app, shop, await codeFor(app, shop))
  move(400_000)
  const second = await refresh(app, shop, first.body['refresh_token'])
  t.equal(second.status, 200)
  t.not(second.body['refresh_token'], first.body['refresh_token'])
  t.not(second.body['access_token'], first.body['access_token'])
  move(400_000)
  const third = await refresh(app, shop, second.body['refresh_token'])
  t.equal(third.status, 200, 'each use moves the idle end')
  move(250_000)
  t.match(await refresh(app, shop, third.body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } }, 'and none the absolute one')
})

t.test('26: a refresh token that is not used in time is good no more', async (t) => {
  const { clock, move } = movable()
  const { app } = await start(t, { store: { clock }, provider: { lifetimes: { refreshIdle: 600 } } })
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  move(601_000)
  t.match(await refresh(app, shop, body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })
})

t.test('26: the predecessor gets the same answer within the grace, 256 times, and its reuse afterwards ends the family', async (t) => {
  const { clock, move } = movable()
  const { app } = await start(t, { store: { clock }, provider: { limits: { refusedGrants: { max: 1000, windowSeconds: 300 } } } })
  const shop = await makeClient(app)
  const first = await redeem(app, shop, await codeFor(app, shop))
  const second = await refresh(app, shop, first.body['refresh_token'])
  const again = await refresh(app, shop, first.body['refresh_token'])
  t.equal(again.status, 200)
  t.same(again.body, second.body)
  await app.store.connection.collection('dwa_token_families').updateMany({}, { $set: { 'previous.replays': 256 } })
  t.match(await refresh(app, shop, first.body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } }, 'past 256 times it is refused')
  t.equal((await refresh(app, shop, second.body['refresh_token'])).status, 200, 'and nothing is revoked')
  move(11_000)
  const third = await refresh(app, shop, second.body['refresh_token'])
  t.match(third, { status: 400, body: { error: 'invalid_grant' } }, 'after the grace it is reuse')
  const entries = await app.auditLog.find({ event: 'token.refresh_reused' })
  t.equal(entries.length, 1, 'one entry')
  t.match((await post(app, '/introspect', { token: String(again.body['access_token']) }, shop)).body, { active: false }, 'the access tokens are gone with it')
  t.match(await refresh(app, shop, second.body['refresh_token']), { status: 400 })
  t.equal((await app.auditLog.find({ event: 'token.refresh_reused' })).length, 1, 'and it stays one')
})

t.test('26: only the immediate predecessor has a grace', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const first = await redeem(app, shop, await codeFor(app, shop))
  const second = await refresh(app, shop, first.body['refresh_token'])
  const third = await refresh(app, shop, second.body['refresh_token'])
  t.equal(third.status, 200)
  t.match(await refresh(app, shop, first.body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await refresh(app, shop, third.body['refresh_token']), { status: 400 }, 'the family is gone')
})

t.test('26: a refresh token that was made up revokes nothing', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  const good = String(body['refresh_token'])
  const bytes = Buffer.from(good.slice('dwa_r_'.length), 'base64url')
  for (const at of [0, 12, 16, 30, 48, 63]) {
    const forged = Buffer.from(bytes)
    forged.writeUInt8(forged.readUInt8(at) ^ 1, at)
    t.match(await refresh(app, shop, `dwa_r_${forged.toString('base64url')}`), { status: 400, body: { error: 'invalid_grant' } }, `byte ${at}`)
  }
  t.equal((await refresh(app, shop, good)).status, 200)
})

t.test('26, 29: a refresh may narrow the scopes of its access token, and never widen them', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop, { scope: 'read' }))
  t.equal(body['scope'], 'read')
  t.match(await refresh(app, shop, body['refresh_token'], { scope: 'read write' }), { status: 400, body: { error: 'invalid_scope' } })
  t.match(await refresh(app, shop, body['refresh_token'], { scope: 'read' }), { status: 200, body: { scope: /^read$/ } })
  const both = await redeem(app, shop, await codeFor(app, shop))
  const narrow = await refresh(app, shop, both.body['refresh_token'], { scope: 'write' })
  t.equal(narrow.body['scope'], 'write')
  t.match(await refresh(app, shop, narrow.body['refresh_token']), { status: 200, body: { scope: 'read write' } }, 'what was granted stays granted')
  await app.oauthProvider.clients.update(shop.client.id, { scopes: ['write'] })
  t.match(await refresh(app, shop, (await refresh(app, shop, narrow.body['refresh_token'])).body['refresh_token']), { status: 200, body: { scope: /^write$/ } }, 'unless the client may not have it any more')
})

t.test('23: 50 parallel redemptions of one code have exactly one success, and its tokens live', async (t) => {
  const { app } = await start(t, { provider: { limits: { refusedGrants: { max: 1000, windowSeconds: 300 } } } })
  const shop = await makeClient(app)
  const code = await codeFor(app, shop)
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await redeem(app, shop, code)))
  const good = answers.filter(({ status }) => status === 200)
  t.equal(good.length, 1)
  t.ok(answers.filter(({ status }) => status !== 200).every(({ status, body }) => status === 400 && body['error'] === 'invalid_grant'))
  t.match((await post(app, '/introspect', { token: String(good[0]?.body['access_token']) }, shop)).body, { active: true })
})

t.test('26: 50 parallel refreshes have one successor', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await refresh(app, shop, body['refresh_token'])))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(new Set(answers.map(({ body }) => body['refresh_token'])).size, 1)
  t.equal(new Set(answers.map(({ body }) => body['access_token'])).size, 1)
})

t.test('23: a used code', async (t) => {
  t.test('presented again by its own client at once is a doubled request', async (t) => {
    const { app } = await start(t)
    const shop = await makeClient(app)
    const code = await codeFor(app, shop)
    const { body } = await redeem(app, shop, code)
    t.match(await redeem(app, shop, code), { status: 400, body: { error: 'invalid_grant' } })
    t.equal((await refresh(app, shop, body['refresh_token'])).status, 200)
  })
  for (const [what, again] of Object.entries<(app: FastifyInstance, shop: MadeClient, other: MadeClient, code: string, move: (ms: number) => void) => Promise<unknown>>({
    'presented again later': async (app, shop, _other, code, move) => {
      move(6000)
      return await redeem(app, shop, code)
    },
    'presented by another client': async (app, _shop, other, code) => await redeem(app, other, code),
    'presented with another verifier': async (app, shop, _other, code) => await redeem(app, shop, code, { code_verifier: 'w'.repeat(43) })
  })) {
    t.test(`${what} ends the tokens issued from it`, async (t) => {
      const { clock, move } = movable()
      const { app } = await start(t, { store: { clock } })
      const shop = await makeClient(app)
      const other = await makeClient(app)
      const code = await codeFor(app, shop)
      const { body } = await redeem(app, shop, code)
      t.match(await again(app, shop, other, code, move), { status: 400, body: { error: 'invalid_grant' } })
      t.match(await refresh(app, shop, body['refresh_token']), { status: 400, body: { error: 'invalid_grant' } })
      t.match((await post(app, '/introspect', { token: String(body['access_token']) }, shop)).body, { active: false })
      t.equal((await app.auditLog.find({ event: 'code.reused' })).length, 1)
    })
  }
})

t.test('23, 24, 25: a code is refused', async (t) => {
  const { clock, move } = movable()
  const { app } = await start(t, { store: { clock } })
  const shop = await makeClient(app, { requirePkce: false })
  const other = await makeClient(app)
  const cases: Record<string, { query?: Record<string, string>, form?: Record<string, string>, by?: MadeClient, drop?: string, after?: number }> = {
    'after its time': { after: 61_000 },
    'to another client': { by: other },
    'with a wrong verifier': { form: { code_verifier: 'w'.repeat(43) } },
    'with a verifier of a wrong form': { form: { code_verifier: 'short' } },
    'without its verifier': { drop: 'code_verifier' },
    'with another redirect URI': { query: { redirect_uri: callback }, form: { redirect_uri: `${callback}/` } },
    'without the redirect URI it was asked for with': { query: { redirect_uri: callback } },
    'that was never issued': { form: { code: `dwa_c_${'A'.repeat(59)}` } },
    'that is no code': { form: { code: 'x' } }
  }
  for (const [what, { query = {}, form = {}, by = shop, drop, after = 0 }] of Object.entries(cases)) {
    const code = await codeFor(app, shop, query)
    move(after)
    const answer = await post(app, '/token', { grant_type: 'authorization_code', code, ...(drop === 'code_verifier' ? {} : { code_verifier: verifier }), ...form }, by)
    t.match(answer, { status: 400, body: { error: 'invalid_grant' }, headers: { 'cache-control': 'no-store' } }, what)
  }
  const withoutChallenge = new URLSearchParams({ response_type: 'code', client_id: shop.clientId })
  const { headers } = await app.inject({ url: `/oauth2/authorize?${withoutChallenge.toString()}`, headers: { 'x-user': 'ann' } })
  const code = new URL(String(headers.location)).searchParams.get('code')
  t.match(await post(app, '/token', { grant_type: 'authorization_code', code, code_verifier: verifier }, shop), { status: 400, body: { error: 'invalid_grant' } }, '24: a verifier without a challenge')
  t.equal((await post(app, '/token', { grant_type: 'authorization_code', code }, shop)).status, 200, 'and it does not burn the code')
})

t.test('23: a code takes five wrong verifiers and no more', async (t) => {
  const { app } = await start(t)
  const shop = await makeClient(app)
  const [patient, impatient] = [await codeFor(app, shop), await codeFor(app, shop)]
  for (let guess = 0; guess < 4; guess++) await redeem(app, shop, patient, { code_verifier: 'w'.repeat(43) })
  t.equal((await redeem(app, shop, patient)).status, 200)
  for (let guess = 0; guess < 5; guess++) await redeem(app, shop, impatient, { code_verifier: 'w'.repeat(43) })
  t.match(await redeem(app, shop, impatient), { status: 400, body: { error: 'invalid_grant' } })
})

t.test('27: client credentials', async (t) => {
  const { app } = await start(t)
  const nobody = await makeClient(app, { applicationType: 'backend' })
  const asBob = await makeClient(app, { applicationType: 'backend', userId: 'bob' })
  const alone = await post(app, '/token', { grant_type: 'client_credentials' }, nobody)
  t.match(alone, { status: 200, body: { scope: 'read write', expires_in: 3600 } })
  t.notOk('refresh_token' in alone.body)
  t.equal((await post(app, '/introspect', { token: String(alone.body['access_token']) }, nobody)).body['sub'], `client:${nobody.clientId}`)
  const acting = await post(app, '/token', { grant_type: 'client_credentials', scope: 'read' }, asBob)
  t.equal(acting.body['scope'], 'read')
  t.match((await post(app, '/introspect', { token: String(acting.body['access_token']) }, asBob)).body['sub'], /^[0-9a-f]{64}$/)
  t.match(await post(app, '/token', { grant_type: 'client_credentials', scope: 'read admin' }, nobody), { status: 400, body: { error: 'invalid_scope' } })
  t.match(await post(app, '/token', { grant_type: 'client_credentials', scope: 'read  write' }, nobody), { status: 400, body: { error: 'invalid_scope' } }, 'two blanks')
  const gone = await makeClient(app, { applicationType: 'backend', userId: 'carl' })
  t.match(await post(app, '/token', { grant_type: 'client_credentials' }, gone), { status: 400, body: { error: 'invalid_grant' } }, 'as somebody whom the app does not know')
})

t.test('28: the password grant', async (t) => {
  const { app } = await start(t)
  const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
  const password = people[0]?.password ?? ''
  const good = await post(app, '/token', { grant_type: 'password', username: 'ann', password }, legacy)
  t.match(good, { status: 200, body: { token_type: 'Bearer', scope: 'read write' } })
  t.equal((await refresh(app, legacy, good.body['refresh_token'])).status, 200)
  t.match(await post(app, '/token', { grant_type: 'password', username: 'ann', password: 'wrong' }, legacy), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await post(app, '/token', { grant_type: 'password', username: 'nobody', password }, legacy), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await post(app, '/token', { grant_type: 'password', username: 'ann' }, legacy), { status: 400, body: { error: 'invalid_request' } })
  const off = await makeClient(app, { applicationType: 'legacy' })
  t.match(await post(app, '/token', { grant_type: 'password', username: 'ann', password }, off), { status: 400, body: { error: 'unauthorized_client' } }, '16: only where it is switched on')
})

t.test('19, 20, 21: client authentication', async (t) => {
  const { app } = await start(t)
  const secret = 'p:ä+%20 &=/ÿ"'
  const web = await makeClient(app, { applicationType: 'backend', clientSecret: secret })
  const mobile = await makeClient(app, { applicationType: 'mobile' })
  const encoded = `Basic ${Buffer.from(`${encodeURIComponent(web.clientId)}:${new URLSearchParams({ s: secret }).toString().slice(2)}`).toString('base64')}`
  const grant = { grant_type: 'client_credentials' }
  t.equal((await post(app, '/token', grant, web)).status, 200, 'Basic, as it stands')
  t.equal((await post(app, '/token', grant, { headers: { authorization: encoded } })).status, 200, 'Basic, form-encoded')
  t.equal((await post(app, '/token', { ...grant, client_id: web.clientId, client_secret: secret })).status, 200, 'in the body')
  t.equal((await post(app, '/token', { ...grant, client_id: web.clientId }, web)).status, 200, 'named twice')
  t.match(await post(app, '/token', { ...grant, client_id: web.clientId, client_secret: secret }, web), { status: 400, body: { error: 'invalid_request' } }, 'two methods at once')

  const refused: Array<[string, Parameters<typeof post>[2], Parameters<typeof post>[3], boolean]> = [
    ['an unknown client by header', grant, { clientId: 'nobody', secret: 'x' }, true],
    ['the right secret in Latin-1', grant, { headers: { authorization: `Basic ${Buffer.from(`${web.clientId}:${secret}`, 'latin1').toString('base64')}` } }, true],
    ['a wrong secret by header', grant, { clientId: web.clientId, secret: 'x' }, true],
    ['a header that is not Basic', grant, { headers: { authorization: 'Bearer x' } }, true],
    ['a malformed header', grant, { headers: { authorization: 'Basic !' } }, true],
    ['a header without a colon', grant, { headers: { authorization: `Basic ${Buffer.from('x').toString('base64')}` } }, true],
    ['another client in the body', { ...grant, client_id: mobile.clientId }, { clientId: web.clientId, secret }, true],
    ['an unknown client in the body', { ...grant, client_id: 'nobody', client_secret: 'x' }, {}, false],
    ['a wrong secret in the body', { ...grant, client_id: web.clientId, client_secret: 'x' }, {}, false],
    ['no secret', { ...grant, client_id: web.clientId }, {}, false],
    ['no secret, and a verifier', { ...grant, client_id: web.clientId, code_verifier: verifier }, {}, false],
    ['no client', grant, {}, false],
    ['a public client with a secret', { ...grant, client_id: mobile.clientId, client_secret: 'x' }, {}, false],
    ['a public client with an empty header secret', grant, { headers: { authorization: basic(mobile.clientId, '') } }, true]
  ]
  for (const [what, form, options, challenged] of refused) {
    const { status, body, headers } = await post(app, '/token', form, options)
    t.equal(status, 401, what)
    t.same(body, { error: 'invalid_client', error_description: 'Client authentication failed' }, what)
    t.equal(headers['www-authenticate'], challenged ? 'Basic realm="oauth2"' : undefined, what)
    t.equal(headers['cache-control'], 'no-store', what)
  }
  await app.oauthProvider.clients.update(web.client.id, { enabled: false })
  t.match(await post(app, '/token', grant, web), { status: 401, body: { error: 'invalid_client' } }, 'a disabled client is an unknown one')
})

t.test('19, 20: an unknown client takes as long as a wrong secret, generated or imported', async (t) => {
  const { app } = await start(t, { provider: { limits: { clientAuthentications: { max: 1000, windowSeconds: 300 } } } })
  const generated = await makeClient(app, { applicationType: 'backend' })
  const imported = await makeClient(app, { applicationType: 'backend', clientSecret: 'chosen by a person' })
  for (const clientId of ['nobody', generated.clientId, imported.clientId]) {
    const began = performance.now()
    t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, { clientId, secret: 'wrong' })).status, 401)
    t.ok(performance.now() - began >= 149, 'not before the slow hash would be done')
  }
})

t.test('22: a client uses its own grants only', async (t) => {
  const { app } = await start(t)
  const clients = {
    web: await makeClient(app),
    mobile: await makeClient(app, { applicationType: 'mobile' }),
    legacy: await makeClient(app, { applicationType: 'legacy', allowPassword: true }),
    backend: await makeClient(app, { applicationType: 'backend' })
  }
  const allowed: Record<string, string[]> = { web: ['authorization_code', 'refresh_token'], mobile: ['authorization_code', 'refresh_token'], legacy: ['password', 'refresh_token'], backend: ['client_credentials'] }
  for (const [type, made] of Object.entries(clients)) {
    for (const grant of ['authorization_code', 'refresh_token', 'client_credentials', 'password']) {
      const { status, body } = await post(app, '/token', { grant_type: grant, ...(made.secret === null ? { client_id: made.clientId } : {}) }, made)
      const error = allowed[type]?.includes(grant) === true ? grant === 'client_credentials' ? undefined : 'invalid_request' : 'unauthorized_client'
      t.equal(body['error'], error, `${type}, ${grant}`)
      t.equal(status, error === undefined ? 200 : 400)
    }
    for (const grant of ['implicit', '__proto__', 'constructor', 'toString', 'urn:ietf:params:oauth:grant-type:device_code', 'AUTHORIZATION_CODE', 'x y']) {
      const { status, body } = await post(app, '/token', { grant_type: grant, ...(made.secret === null ? { client_id: made.clientId } : {}) }, made)
      t.equal(status, 400, grant)
      t.match(String(body['error']), /^(unsupported_grant_type|invalid_request)$/, grant)
    }
  }
})

t.test('8, 17, 18, 32: a request that is not a form with each parameter once is refused', async (t) => {
  const { app } = await start(t)
  const client = await makeClient(app, { applicationType: 'backend' })
  const credentials = `client_id=${client.clientId}&client_secret=${client.secret ?? ''}`
  const bodies: Array<[string, string]> = [
    ['a repeated parameter', `grant_type=client_credentials&${credentials}&grant_type=client_credentials`],
    ['a repeated unknown one', `grant_type=client_credentials&${credentials}&x=1&x=2`],
    ['no grant_type', credentials],
    ['an empty grant_type', `grant_type=&${credentials}`],
    ['a parameter over 4 KB', `grant_type=client_credentials&${credentials}&scope=${'x'.repeat(4097)}`],
    ['malformed percent encoding', `grant_type=client_credentials&${credentials}&scope=%zz`],
    ['no UTF-8', `grant_type=client_credentials&${credentials}&scope=%ff`],
    ['NUL', `grant_type=client_credentials&${credentials}&scope=a%00b`]
  ]
  for (const [what, body] of bodies) t.match(await post(app, '/token', body), { status: 400, body: { error: 'invalid_request' }, headers: { 'cache-control': 'no-store' } }, what)
  for (const name of ['client_id[$ne]', 'client_id[]', 'client_id.x', '__proto__', 'client_id[__proto__]']) {
    const { status } = await post(app, '/token', `grant_type=client_credentials&${encodeURIComponent(name)}=x&client_secret=y`)
    t.equal(status, 401, `${name} names no client`)
  }
  for (const [type, payload] of [['application/json', '{"grant_type":"client_credentials"}'], ['text/plain', 'x'], ['multipart/form-data; boundary=x', '--x--']] as const) {
    const response = await app.inject({ method: 'POST', url: '/oauth2/token', headers: { 'content-type': type }, payload })
    t.equal(response.statusCode, 415, type)
    t.match(response.json(), { error: 'invalid_request' })
    t.equal(response.headers['cache-control'], 'no-store')
  }
  const big = await post(app, '/token', `x=${'y'.repeat(70_000)}`)
  t.match(big, { status: 413, body: { error: 'invalid_request' } })
  for (const url of ['/oauth2/token', '/oauth2/introspect', '/oauth2/revoke']) {
    const response = await app.inject({ url })
    t.equal(response.statusCode, 405, url)
    t.equal(response.headers.allow, 'POST')
  }
})

t.test('30: descriptions have no character that RFC 6749 forbids', async (t) => {
  const { errors } = await import('../../lib/errors.js')
  for (const [code, made] of Object.entries(errors)) {
    if (!code.startsWith('DWA_OAUTH_')) continue
    const Made = made as new (text: string) => Error
    t.match(new Made('x').message, /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, code)
  }
})

t.test('31: failures lock, for all processes, and say how long', async (t) => {
  t.test('clients that authenticate wrongly', async (t) => {
    const { app, uri } = await start(t)
    const other = await providerApp(t, { uri })
    const client = await makeClient(app, { applicationType: 'backend' })
    const wrong = async (on: FastifyInstance): Promise<number> => (await post(on, '/token', { grant_type: 'client_credentials' }, { clientId: client.clientId, secret: 'x' })).status
    const first = await Promise.all(Array.from({ length: 19 }, async (_, index) => await wrong(index % 2 === 0 ? app : other)))
    t.same(new Set(first), new Set([401]))
    t.equal(await wrong(app), 401)
    const locked = await post(app, '/token', { grant_type: 'client_credentials' }, client)
    t.match(locked, { status: 429, headers: { 'cache-control': 'no-store' } }, 'even with the right secret')
    t.ok(Number(locked.headers['retry-after']) > 290)
    await eventually('the other process knows', async () => (await post(other, '/token', { grant_type: 'client_credentials' }, client)).status === 429)
    t.equal((await app.auditLog.find({ event: 'limit.locked' })).length, 1)
    const elsewhere = await makeClient(app, { applicationType: 'backend' })
    t.equal((await post(app, '/token', { grant_type: 'client_credentials' }, elsewhere)).status, 200, 'another client goes on')
  })
  t.test('wrong passwords, one after the other and all at once', async (t) => {
    const { clock, move } = movable()
    const { app } = await start(t, { store: { clock } })
    const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
    const attempt = async (username: string, password: string): Promise<number> => (await post(app, '/token', { grant_type: 'password', username, password }, legacy)).status
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => await attempt('ann', 'wrong')))
    t.equal(statuses.filter((status) => status === 400).length, 5, 'five guesses')
    t.equal(statuses.filter((status) => status === 429).length, 15)
    t.equal(await attempt('ann', people[0]?.password ?? ''), 429)
    t.equal(await attempt('bob', people[1]?.password ?? ''), 200, 'others are not locked')
    move(901_000)
    t.equal(await attempt('ann', people[0]?.password ?? ''), 200)
  })
  t.test('refused codes and refresh tokens', async (t) => {
    const { app } = await start(t)
    const shop = await makeClient(app)
    for (let attempt = 0; attempt < 30; attempt++) t.equal((await refresh(app, shop, 'x')).status, 400)
    t.match(await refresh(app, shop, 'x'), { status: 429 })
  })
  t.test('the volume of one client in one process', async (t) => {
    const { clock, move } = movable()
    const { app } = await start(t, { store: { clock }, provider: { limits: { requestsPerMinute: 3 } } })
    const client = await makeClient(app, { applicationType: 'backend' })
    const status = async (): Promise<number> => (await post(app, '/token', { grant_type: 'client_credentials' }, client)).status
    t.same([await status(), await status(), await status(), await status()], [200, 200, 200, 429])
    move(60_001)
    t.equal(await status(), 200)
  })
})

t.test('a secret is rotated without a moment in which none works', async (t) => {
  const { app } = await start(t)
  const client = await makeClient(app, { applicationType: 'backend' })
  const { clientSecret } = await app.oauthProvider.clients.rotateSecret(client.clientId)
  const grant = { grant_type: 'client_credentials' }
  t.equal((await post(app, '/token', grant, client)).status, 200)
  t.equal((await post(app, '/token', grant, { clientId: client.clientId, secret: clientSecret })).status, 200)
  await app.oauthProvider.clients.dropSecret(client.clientId)
  t.equal((await post(app, '/token', grant, client)).status, 401)
  t.equal((await post(app, '/token', grant, { clientId: client.clientId, secret: clientSecret })).status, 200)
})

t.test('a resource is an audience only when the provider knows it', async (t) => {
  const { app } = await start(t, { provider: { audiences: ['https://api.example'] } })
  const client = await makeClient(app, { applicationType: 'backend' })
  const grant = { grant_type: 'client_credentials' }
  t.match(await post(app, '/token', { ...grant, resource: 'https://other.example' }, client), { status: 400, body: { error: 'invalid_target' } })
  const { body } = await post(app, '/token', { ...grant, resource: 'https://api.example' }, client)
  t.match((await post(app, '/introspect', { token: String(body['access_token']) }, client)).body, { aud: 'https://api.example' })
})
