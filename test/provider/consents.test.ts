import { randomBytes } from 'node:crypto'
import t from 'tap'
import { systemClock } from '../../lib/clock.js'
import { consentKind, type StoredConsent } from '../../lib/provider/consent-kind.js'
import { Consents } from '../../lib/provider/consents.js'
import type { RecordCollection } from '../../lib/store/record-collection.js'
import { startTestMongo } from '../mongo.js'
import { storeApp } from '../store-app.js'
import { as, ask, authorizeApp, decide, get, issuer, led, livingFamilies, parametersOf, post, shown, type AuthorizeApp } from './authorize-app.js'

const straightOn = (answer: { statusCode: number, headers: object }): boolean => answer.statusCode === 303 && 'location' in answer.headers && String(answer.headers.location).includes('code=')

t.test('security 14: a remembered consent covers what it was given for, and nothing else', async (t) => {
  const { app, addClient, consents } = await authorizeApp(t)
  const client = await addClient({ scopes: ['email', 'orders', 'more'] })
  const other = await addClient()
  const request = (scope: string | undefined, others = {}): string => parametersOf(client, { scope, ...others })
  t.match(await get(app, request('email', { prompt: 'none' })), { headers: { location: /error=consent_required/ } })
  t.ok(straightOn(await decide(app, await ask(app, request('email orders')), 'allow')))
  t.ok(straightOn(await get(app, request('email orders'))))
  t.ok(straightOn(await get(app, request('orders'))), 'fewer')
  t.ok(straightOn(await get(app, request('orders', { prompt: 'none' }))), 'without a word')
  t.equal((await get(app, request('orders', { prompt: 'consent' }))).statusCode, 200, 'unless the client wants it asked')
  t.equal((await get(app, request('orders', { prompt: 'login consent' }))).statusCode, 200)
  t.equal((await get(app, request('orders more'))).statusCode, 200, 'one more')
  t.equal((await get(app, request(undefined))).statusCode, 200, 'all of them')
  t.equal((await get(app, request('email'), as('bob'))).statusCode, 200, 'another person')
  t.equal((await get(app, parametersOf(other, { scope: 'email' }))).statusCode, 200, 'another client')
  t.match(led(await get(app, request('more', { prompt: 'none' }))).query, { error: 'consent_required' })

  t.ok(straightOn(await decide(app, await ask(app, request('more')), 'allow')))
  t.ok(straightOn(await get(app, request('email orders more'))), 'what was not offered stays')
  const narrowed = await decide(app, await ask(app, request('email orders', { prompt: 'consent' })), 'allow', { scopes: ['orders'] })
  t.ok(straightOn(narrowed))
  t.strictSame((await consents.list({ user: 'ann' })).map(({ scopes }) => scopes), [['more', 'orders']], 'what was left out is agreed to no more')
  t.equal((await get(app, request('email'))).statusCode, 200)
  t.match((await app.auditLog.find({ event: 'consent.granted' })).at(0), { actor: { type: 'user', id: 'ann' }, target: { type: 'consent' }, requestId: /./, details: { client: client.fields.name, user: 'ann', scope: 'orders' } })
})

t.test('no is access_denied, and so is nothing left checked; what was agreed to before stands', async (t) => {
  const { app, addClient, consents, uri } = await authorizeApp(t)
  const client = await addClient()
  await decide(app, await ask(app, parametersOf(client, { scope: 'email' })), 'allow')
  const denied = { error: 'access_denied', error_description: 'The request was denied', state: 's', iss: issuer }
  t.strictSame(led(await decide(app, await ask(app, parametersOf(client)), 'deny')).query, denied)
  t.strictSame(led(await decide(app, await ask(app, parametersOf(client)), 'allow', { scopes: [] })).query, denied)
  t.strictSame(led(await decide(app, await ask(app, parametersOf(client)), 'allow', { scopes: ['unknown', 'EMAIL'] })).query, denied)
  t.equal((await livingFamilies(uri, 'ann')).length, 1)
  t.strictSame((await consents.list()).map(({ scopes, user, client }) => ({ scopes, user, client })), [{ scopes: ['email'], user: 'ann', client: client.id }])
  const entries = await app.auditLog.find({ event: 'consent.denied' })
  t.equal(entries.length, 3)
  t.match(entries[0], { actor: { type: 'user', id: 'ann' }, target: { type: 'client', id: client.id, name: client.fields.name }, details: { user: 'ann', scope: 'email orders' } })
})

t.test('a client without scopes is agreed to once', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const client = await addClient({ scopes: [] })
  const page = await ask(app, parametersOf(client))
  t.match(page.page.body, 'It would see none of your data')
  t.strictSame([...page.form.keys()], ['interaction', 'csrf'])
  t.ok(straightOn(await decide(app, page, 'allow')))
  t.ok(straightOn(await get(app, parametersOf(client))))
})

t.test('skipAuthorization asks nobody, unless the client wants it asked', async (t) => {
  const { app, addClient, consents } = await authorizeApp(t)
  const client = await addClient({ skipAuthorization: true })
  for (const prompt of [undefined, 'none', 'login']) t.ok(straightOn(await get(app, parametersOf(client, { prompt }))), `prompt ${String(prompt)}`)
  t.strictSame(await consents.list(), [], 'and nothing is remembered')
  t.equal((await get(app, parametersOf(client, { prompt: 'consent' }))).statusCode, 200)
})

t.test('ending a consent ends what was issued by it, of that person and that client', async (t) => {
  const { app, uri, addClient, consents } = await authorizeApp(t)
  const [one, two] = [await addClient(), await addClient()]
  for (const [client, user] of [[one, 'ann'], [one, 'ann'], [two, 'ann'], [one, 'bob']] as const) await decide(app, await ask(app, parametersOf(client, { prompt: 'consent' }), user), 'allow', { user })
  t.strictSame((await consents.list({ client: one.id })).map(({ user }) => user).sort(), ['ann', 'bob'])
  t.equal((await consents.list()).length, 3)
  const results = await Promise.all([1, 2].map(async () => await consents.revoke('ann', one.id, { actor: { type: 'user', id: 'ann' } })))
  t.ok(results.includes(true))
  t.strictSame((await livingFamilies(uri, 'ann')).map(({ client }) => client), [two.id])
  t.equal((await livingFamilies(uri, 'bob')).length, 1)
  t.strictSame((await consents.list({ user: 'ann' })).map(({ client }) => client), [two.id])
  t.equal((await get(app, parametersOf(one))).statusCode, 200, 'the page again')
  t.equal(await consents.revoke('ann', one.id), false, 'there is nothing left')
  t.strictSame((await app.auditLog.find({ event: 'consent.revoked' })).map(({ actor, target, details }) => ({ actor, type: target?.type, details: { user: details['user'], scope: details['scope'] } })), [{ actor: { type: 'user', id: 'ann' }, type: 'consent', details: { user: 'ann', scope: 'email orders' } }], 'once')
  t.strictSame((await app.auditLog.find({ event: 'token.revoked' })).map(({ message }) => message), ['the consent was ended', 'the consent was ended'])

  const quiet = await addClient({ skipAuthorization: true })
  await get(app, parametersOf(quiet))
  t.equal(await consents.revoke('ann', quiet.id, { message: 'by request' }), true, 'tokens without a consent are ended as well')
  t.match((await app.auditLog.find({ event: 'token.revoked' })).at(0), { message: 'by request' })
})

t.test('the tokens end before the consent is forgotten, and once more after; a lost race is run again', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  const records = app.store.records<StoredConsent>(consentKind)
  await app.ready()
  const steps: string[] = []
  let before: (() => Promise<void>) | null = null
  const interrupt = async (): Promise<void> => {
    const run = before
    before = null
    await run?.()
  }
  const watched: RecordCollection<StoredConsent> = new Proxy(records, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (['create', 'update', 'remove'].includes(String(name))) {
          await interrupt()
          steps.push(String(name))
        }
        return await value.apply(target, args)
      }
    }
  })
  const consents = new Consents({ records: watched, families: { revokeAll: async () => { steps.push('tokens'); return 0 }, accessOf: async () => [] }, auditLog: app.auditLog, now: () => 1000 })
  const undisturbed = new Consents({ records, families: { revokeAll: async () => 0, accessOf: async () => [] }, auditLog: app.auditLog, now: () => 2000 })
  const decision = (offered: string[]) => ({ user: 'ann', client: { id: 'c', name: 'Shop' }, offered })

  before = async () => { await undisturbed.grant(decision(['email']), ['email']) }
  await consents.grant(decision(['orders']), ['orders'])
  t.strictSame((await consents.list()).map(({ scopes, grantedAt }) => ({ scopes, grantedAt })), [{ scopes: ['email', 'orders'], grantedAt: new Date(2000) }], 'both, and since the first')
  before = async () => { await undisturbed.grant(decision(['more']), ['more']) }
  await consents.grant(decision(['email']), [])
  t.strictSame((await consents.list()).map(({ scopes }) => scopes), [['orders', 'more']])
  before = async () => { await undisturbed.revoke('ann', 'c') }
  await consents.grant(decision(['email']), ['email'])
  t.strictSame((await consents.list()).map(({ scopes }) => scopes), [['email']], 'ended in between, and given again')

  steps.length = 0
  before = async () => { await undisturbed.grant(decision(['late']), ['late']) }
  t.equal(await consents.revoke('ann', 'c'), true)
  t.strictSame(steps, ['tokens', 'remove', 'remove', 'tokens'])
  t.strictSame(await consents.list(), [])

  before = async () => { throw new Error('the disk is full') }
  const failing = new Consents({ records: watched, families: { revokeAll: async () => 0, accessOf: async () => [] }, auditLog: app.auditLog, now: () => 0 })
  await t.rejects(failing.grant(decision(['email']), ['email']), { message: 'the disk is full' })
  await undisturbed.grant(decision(['email']), ['email'])
  before = async () => { throw new Error('the disk is full') }
  await t.rejects(failing.revoke('ann', 'c'), { message: 'the disk is full' }, 'only races are run again')
  t.equal((await consents.list()).length, 1)
})

t.test('many decisions at once leave one consent', async (t) => {
  const { app, addClient, consents } = await authorizeApp(t)
  const client = await addClient({ scopes: ['a', 'b', 'c', 'd', 'e'] })
  const pages = await Promise.all(client.fields.scopes.map(async (scope) => await ask(app, parametersOf(client, { scope }))))
  for (const answer of await Promise.all(pages.map(async (page) => await decide(app, page, 'allow')))) t.ok(straightOn(answer))
  t.strictSame((await consents.list()).map(({ scopes }) => [...scopes].sort()), [['a', 'b', 'c', 'd', 'e']])
})

t.test('the page of one\'s consents', async (t) => {
  const granted = async (): Promise<AuthorizeApp & { clients: Array<Awaited<ReturnType<AuthorizeApp['addClient']>>> }> => {
    const setting = await authorizeApp(t)
    const clients = [await setting.addClient({ name: 'Shop' }), await setting.addClient({ name: 'Gone' }), await setting.addClient({ name: 'Of Bob' })]
    for (const [index, client] of clients.entries()) {
      const user = index === 2 ? 'bob' : 'ann'
      await decide(setting.app, await ask(setting.app, parametersOf(client), user), 'allow', { user })
    }
    return { ...setting, clients }
  }
  const list = async ({ app }: AuthorizeApp, headers: Record<string, string> = as('ann')) => await app.inject({ url: '/oauth2/consents', headers })
  const actionsOf = (body: string): string[] => [...body.matchAll(/action="([^"]*)"/g)].map(([, action = '']) => action)

  await t.test('is for who is signed in', async (t) => {
    const setting = await granted()
    t.match(await list(setting, {}), { statusCode: 303, headers: { location: '/login?next=%2Foauth2%2Fconsents' } })
    t.match((await list(setting, as('nobody'))).body, 'You have given no application access to your data.')
  })

  await t.test('security 12, 14: lists them, also those of clients that are gone, and nobody else\'s', async (t) => {
    const setting = await granted()
    const [shop, gone] = setting.clients
    if (shop === undefined || gone === undefined) throw new Error('no clients')
    await setting.removeClient(gone)
    const answer = await list(setting)
    t.match(answer.headers, { 'content-security-policy': /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/, 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store', 'set-cookie': /^__Host-dwa_consent=/ })
    t.match(answer.body, /<h2><bdi>Shop<\/bdi><\/h2>/)
    t.match(answer.body, 'An application that is not known any more')
    t.notMatch(answer.body, 'Of Bob')
    t.match(answer.body, 'email, orders')
    t.strictSame(actionsOf(answer.body).sort(), [`/oauth2/consents/${gone.id}/revoke`, `/oauth2/consents/${shop.fields.clientId}/revoke`].sort())
    t.match((await list(setting, as('ann', { 'accept-language': 'de' }))).body, 'Was auf Ihre Daten zugreifen darf')
  })

  await t.test('security 13: ends one by a form of its own, in the browser and for the person that it was shown to', async (t) => {
    const setting = await granted()
    const { app, consents, uri, clients: [shop] } = setting
    const { form, cookie } = shown(await list(setting))
    const other = shown(await list(setting))
    const url = `/oauth2/consents/${shop?.fields.clientId ?? ''}/revoke`
    const csrf = `csrf=${form.get('csrf') ?? ''}`
    const refusals: Array<[what: string, body: string, headers: Record<string, string>, status: number]> = [
      ['no token', '', as('ann', { cookie }), 400],
      ['a wrong token', 'csrf=x', as('ann', { cookie }), 400],
      ['two tokens', `${csrf}&${csrf}`, as('ann', { cookie }), 400],
      ['the token of another browser', `csrf=${other.form.get('csrf') ?? ''}`, as('ann', { cookie }), 400],
      ['a random one', `csrf=${randomBytes(32).toString('base64url')}`, as('ann', { cookie }), 400],
      ['no cookie', csrf, as('ann'), 400],
      ['two cookies', csrf, as('ann', { cookie: `${cookie}; ${other.cookie}` }), 400],
      ['another person', csrf, as('bob', { cookie }), 400],
      ['nobody', csrf, { cookie }, 400],
      ['another site', csrf, as('ann', { cookie, 'sec-fetch-site': 'cross-site' }), 403],
      ['another origin', csrf, as('ann', { cookie, origin: 'https://evil.example' }), 403],
      ['another origin of the same site', csrf, as('ann', { cookie, origin: 'https://blog.id.example', 'sec-fetch-site': 'same-site' }), 403]
    ]
    for (const [what, body, headers, status] of refusals) t.match(await post(app, body, headers, url), { statusCode: status, headers: { location: undefined, 'content-type': 'text/html; charset=utf-8' } }, what)
    t.equal((await app.inject({ url, headers: as('ann', { cookie }) })).statusCode, 404, 'a link ends nothing')
    t.equal((await consents.list({ user: 'ann' })).length, 2)

    for (const elsewhere of ['unknown', '$ne', 'a%00b']) t.match(await post(app, csrf, as('ann', { cookie }), `/oauth2/consents/${elsewhere}/revoke`), { statusCode: 303 }, 'one that is over already is no error')
    t.equal((await consents.list()).length, 3)
    for (let time = 1; time <= 2; time++) t.match(await post(app, csrf, as('ann', { cookie, origin: issuer }), url), { statusCode: 303, headers: { location: '/oauth2/consents' } }, `time ${time}`)
    t.strictSame((await livingFamilies(uri, 'ann')).map(({ client }) => client === shop?.id), [false])
    t.equal((await livingFamilies(uri, 'bob')).length, 1)
    t.strictSame((await app.auditLog.find({ event: 'consent.revoked' })).map(({ actor, requestId }) => ({ actor, told: requestId !== null })), [{ actor: { type: 'user', id: 'ann' }, told: true }])
    const [left] = actionsOf((await list(setting)).body)
    t.match(await post(app, csrf, as('ann', { cookie }), left), { statusCode: 303 })
    t.match((await list(setting)).body, 'You have given no application access')
  })

  await t.test('14: lists and ends what a client holds that nobody was asked for', async (t) => {
    let ahead = 0
    const setting = await authorizeApp(t, { clock: { ...systemClock, now: () => Date.now() + ahead } })
    const { app, addClient, families, uri } = setting
    const skipping = await addClient({ name: 'Intranet', skipAuthorization: true })
    const legacy = await addClient({ name: 'Old till', applicationType: 'legacy' })
    const backend = await addClient({ name: 'Night job', applicationType: 'backend' })
    const bare = await addClient({ name: 'Bare', skipAuthorization: true, scopes: [] })
    const asked = await addClient({ name: 'Asked' })
    const issue = async ({ id, fields: { name } }: typeof legacy, grant: 'password' | 'client_credentials', user = 'ann'): Promise<unknown> => await families.issue({ client: { id, name }, user, grant, scopes: ['orders'], lifetimes: { code: 60, accessToken: 600, refreshToken: 3000, refreshIdle: 1200 } }, { refresh: grant === 'password', mint: null })
    t.ok(straightOn(await get(app, parametersOf(skipping, { scope: 'orders' }))))
    t.ok(straightOn(await get(app, parametersOf(skipping, { scope: 'email' }))))
    t.ok(straightOn(await get(app, parametersOf(skipping), as('bob'))))
    t.ok(straightOn(await get(app, parametersOf(bare))))
    await issue(legacy, 'password')
    await issue(backend, 'client_credentials')
    await decide(app, await ask(app, parametersOf(asked)), 'allow', { scopes: ['email'] })
    const page = await list(setting)
    const listed = (body: string): string[] => [...body.matchAll(/<h2><bdi>([^<]*)<\/bdi>/g)].map(([, name = '']) => name).sort()
    t.strictSame(listed(page.body), ['Asked', 'Bare', 'Intranet', 'Old till'], 'each once, and not what acts of itself')
    t.match(page.body, 'email, orders', 'of all that it holds')

    const { form, cookie } = shown(page)
    t.equal((await post(app, `csrf=${form.get('csrf') ?? ''}`, as('ann', { cookie }), `/oauth2/consents/${skipping.fields.clientId}/revoke`)).statusCode, 303)
    t.strictSame(listed((await list(setting)).body), ['Asked', 'Bare', 'Old till'])
    t.strictSame((await livingFamilies(uri, 'ann')).filter(({ client }) => client === skipping.id), [])
    t.equal((await livingFamilies(uri, 'bob')).length, 1, 'nobody else\'s')
    ahead = 61_000
    t.strictSame(listed((await list(setting)).body), ['Asked', 'Old till'], 'a code that is over is nothing')
    ahead = 1_201_000
    t.strictSame(listed((await list(setting)).body), ['Asked'], 'and neither are tokens; what was agreed to stays')
  })

  await t.test('one of a client that is gone is ended by its record\'s id', async (t) => {
    const setting = await granted()
    const [, gone] = setting.clients
    if (gone === undefined) throw new Error('no client')
    await setting.removeClient(gone)
    const { form, cookie } = shown(await list(setting))
    t.equal((await post(setting.app, `csrf=${form.get('csrf') ?? ''}`, as('ann', { cookie }), `/oauth2/consents/${gone.id}/revoke`)).statusCode, 303)
    t.equal((await setting.consents.list({ user: 'ann' })).length, 1)
  })
})
