import type { FastifyInstance } from 'fastify'
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import t from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { startDocuWare } from '../../testing/index.js'
import { buildApp, clockAt } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { asDocuware, connect, cookieOf, docuwareApp, redirectUri, rolesOf } from './docuware-app.js'
import { person, startOidcPlatform } from './oidc-platform.js'
import { startStub } from './stub.js'

const executablePath = '/usr/bin/chromium'

t.test('oidc-provider, an identity server of other people, is spoken to by the same client', async (t) => {
  const oidc = await startOidcPlatform(t, redirectUri)
  let now = Date.now()
  const { app } = await docuwareApp(t, { store: { clock: clockAt(() => now) } })
  const finish = async (app: FastifyInstance, id: string, change: (query: URLSearchParams) => void = () => {}) => {
    const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })
    if (started.statusCode !== 303) throw new Error(started.body)
    const back = new URL(await oidc.signIn(String(started.headers.location)))
    t.match([...back.searchParams.keys()].sort(), ['code', 'iss', 'state'])
    change(back.searchParams)
    return await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started) } })
  }
  for (const [name, client] of [['with a secret', oidc.confidential], ['native', oidc.native]] as const) {
    await t.test(name, async (t) => {
      const { id } = await app.docuware.connections.create({ name, platformUrl: oidc.platformUrl, ...client })
      const done = await finish(app, id)
      t.equal(done.statusCode, 200, done.body)
      t.match(await app.docuware.connections.get(id), { status: 'authorized', hasAccessToken: true, hasRefreshToken: true, account: { sub: person.sub, username: person.preferred_username, organization: person.organization } })
      const first = await app.docuware.connections.secrets(id)

      now += 3_400_000
      t.match(await app.docuware.client(id).organizations(), [{ Name: person.organization }])
      const second = await app.docuware.connections.secrets(id)
      t.ok(second.refreshToken !== null && second.accessToken !== null)
      t.not(second.accessToken, first.accessToken, 'refreshed')
      t.not(second.refreshToken, first.refreshToken, 'and rotated')

      await app.docuware.revoke(id)
      t.match(await app.docuware.connections.get(id), { status: 'draft', hasAccessToken: false, hasRefreshToken: false })
      const [entry] = await app.auditLog.find({ event: 'connection.revoked', target: id })
      t.notOk('notConfirmed' in (entry?.details ?? {}), 'it was confirmed')
      const introspection = await fetch(`${oidc.origin}${new URL((await app.docuware.connections.get(id))?.discovered?.userinfoEndpoint ?? '').pathname}`, { headers: { authorization: `Bearer ${String(second.accessToken)}` } })
      t.equal(introspection.status, 401, 'the token is worth nothing any more')
    })
  }

  const { id } = await app.docuware.connections.create({ name: 'refused', platformUrl: oidc.platformUrl, ...oidc.confidential })
  t.match((await finish(app, id, (query) => { query.set('code', 'wrong') })).json(), { code: 'DWA_DOCUWARE_EXCHANGE', message: /invalid_grant/ })
  t.match((await finish(app, id, (query) => { query.set('iss', 'https://evil.example') })).json(), { code: 'DWA_DOCUWARE_FOREIGN_ISSUER' })
  await app.docuware.connections.update(id, { clientSecret: 'wrong' })
  t.match((await finish(app, id)).json(), { code: 'DWA_DOCUWARE_EXCHANGE', message: /invalid_client/ })
  await app.docuware.connections.update(id, { clientSecret: oidc.confidential.clientSecret })
  t.equal((await finish(app, id)).statusCode, 200)
})

t.test('security 12, 13: a person in a browser', { skip: existsSync(executablePath) ? false : `there is no ${executablePath}` }, async (t) => {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}` // another site than 127.0.0.1, where the simulator is
  const dw = await startDocuWare({ redirectUris: [`${publicUrl}/docuware/oauth/callback`] })
  t.teardown(() => dw.stop())
  const { uri } = await startTestMongo(t)
  const app = await buildApp(t, {
    uri,
    publicUrl,
    store: { access: rolesOf },
    docuware: { allowInsecure: true },
    routes (app) { app.get('/done', async (request) => `back with ${new URL(request.url, publicUrl).search}`) }
  })
  const name = '<img src=x onerror=alert(1)> & "Söhne"'
  const { id } = await connect(app, dw, name)
  await app.listen({ port, host: 'localhost' })
  const page = `${publicUrl}/docuware/connections/${id}/authorize`
  const evil = await startStub(t, () => ({ '*': (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(`<form method="post" action="${page}"><button>win</button></form>`) } }))

  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
  t.teardown(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, extraHTTPHeaders: asDocuware })
  const tab = await context.newPage()
  const complaints: string[] = []
  tab.on('dialog', (dialog) => { complaints.push(dialog.message()); dialog.dismiss().catch(() => {}) })
  tab.on('console', (message) => { if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text()) })
  const fits = async (): Promise<boolean> => await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
  const signIn = async (password: string): Promise<void> => {
    await tab.getByLabel('User name').fill(dw.user.username)
    await tab.getByLabel('Password').fill(password)
    await tab.getByRole('button', { name: 'Sign in' }).click()
  }

  await tab.goto(page)
  t.equal(await tab.getByRole('heading').textContent(), `Connect ${name} to DocuWare`, 'a hostile name is text')
  t.equal(await tab.evaluate('getComputedStyle(document.querySelector("button")).backgroundColor'), 'rgb(20, 83, 154)', 'the style is let in')
  t.ok(await fits())
  await tab.getByRole('button', { name: 'Authorize' }).click()
  t.ok(tab.url().startsWith(`${dw.identityUrl}/connect/authorize?`))
  await signIn('wrong')
  await signIn(dw.user.password)
  t.equal(await tab.getByRole('heading').textContent(), `${name} is connected`)
  t.ok(await fits())
  t.match(await app.docuware.connections.get(id), { status: 'authorized', account: { username: dw.user.username } })
  t.strictSame(await context.cookies(publicUrl), [], 'the binding cookie is gone')

  await tab.goto(`${page}?returnTo=/done%3Fa=b`)
  t.match(await tab.locator('main').textContent(), `It is connected as ${dw.user.username} now.`)
  await tab.getByRole('button', { name: 'Authorize' }).click()
  await tab.getByRole('button', { name: 'Cancel' }).click()
  t.equal(tab.url(), `${publicUrl}/done?a=b&error=access_denied`)
  await tab.goto(page)
  await tab.getByRole('button', { name: 'Authorize' }).click()
  await tab.getByRole('button', { name: 'Cancel' }).click()
  t.match(await tab.locator('main').textContent(), 'The authorization was refused: access_denied')

  t.strictSame(complaints, [], 'nothing ran, and no policy was in the way')
  const before = (await app.auditLog.find({ event: 'connection.authorize_started' })).length
  await tab.goto(evil.origin)
  await tab.getByRole('button', { name: 'win' }).click()
  t.match(await tab.locator('main').textContent(), 'A request from another site is refused')
  t.equal((await app.auditLog.find({ event: 'connection.authorize_started' })).length, before, 'a page of another site begins nothing')

  await tab.goto(page)
  await tab.getByRole('button', { name: 'Authorize' }).click()
  const stolen = tab.url()
  const other = await (await browser.newContext()).newPage()
  await other.goto(stolen)
  await other.getByLabel('User name').fill(dw.user.username)
  await other.getByLabel('Password').fill(dw.user.password)
  await other.getByRole('button', { name: 'Sign in' }).click()
  t.match(await other.locator('main').textContent(), 'begun in another browser')
})
