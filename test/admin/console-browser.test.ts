import axeCore from 'axe-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { startDocuWare } from '../../testing/index.js'
import { token } from '../app.js'
import { noChromium, startChromium } from '../chromium.js'
import { startStub } from '../docuware/stub.js'
import { startTestMongo } from '../mongo.js'
import { callback, consentTo, makeClient } from '../provider/provider-app.js'
import { allRoles, consoleApp } from './console-app.js'

const { source: axe } = axeCore
const hostile = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '</title><svg onload=alert(1)>', '\u202Etxt.exe']

t.test('in a browser', { skip: noChromium }, async (t) => {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const dw = await startDocuWare({ autoApprove: true, redirectUris: [`${origin}/docuware/oauth/callback`] })
  t.teardown(() => dw.stop())
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, publicUrl: origin })
  await app.listen({ port, host: 'localhost' })
  const browser = await startChromium(t)
  const known = [origin, new URL(dw.platformUrl).origin, new URL(dw.identityUrl).origin]
  const url = (path: string): string => `${origin}/admin${path}`

  interface Tab { readonly tab: Page, readonly complaints: string[] }
  async function open (t: Test, options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await browser.newContext({ extraHTTPHeaders: { 'x-roles': allRoles }, permissions: ['clipboard-read', 'clipboard-write'], viewport: { width: 1280, height: 800 }, ...options })
    t.teardown(() => context.close())
    const tab = await context.newPage()
    const complaints: string[] = []
    tab.on('dialog', (dialog) => { complaints.push(dialog.message()); dialog.dismiss().catch(() => {}) })
    tab.on('pageerror', (error) => { complaints.push(String(error)) })
    tab.on('console', (message) => { if (message.type() === 'error' && !/favicon|status of 4/.test(message.text())) complaints.push(message.text()) })
    tab.on('request', (request) => { if (!known.includes(new URL(request.url()).origin)) complaints.push(request.url()) })
    return { tab, complaints }
  }
  const fits = async (tab: Page): Promise<boolean> => await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
  const picture = async (tab: Page, name: string): Promise<void> => {
    if (process.env['WRITE_PICTURES'] === '1') await tab.screenshot({ path: `docs/pictures/${name}.png`, fullPage: true })
  }

  await t.test('the whole story: a connection is created, authorized and synced, and the log tells of it as it happens', async (t) => {
    const { tab, complaints } = await open(t)
    const log = await open(t)
    await log.tab.goto(url('/log?event=connection.*'))
    await log.tab.getByText('New entries appear by themselves.').waitFor()

    await tab.goto(url(''))
    await tab.getByRole('navigation').getByRole('link', { name: 'Connections' }).click()
    await tab.getByRole('link', { name: 'Create new' }).click()
    await tab.getByLabel('Name').fill('acme')
    await tab.getByLabel('Platform URL').fill(dw.platformUrl)
    await tab.getByLabel('Client id').fill(dw.clientId)
    await tab.getByLabel('Client secret').fill(String(dw.clientSecret))
    await tab.getByRole('button', { name: 'Create' }).click()
    await tab.getByRole('heading', { name: 'acme' }).waitFor()
    t.match(tab.url(), /\/admin\/connections\/[\da-f]{24}\?done=created$/)
    await log.tab.getByText('connection.created', { exact: true }).waitFor()

    await tab.getByRole('button', { name: 'Copy: Redirect URI' }).click()
    await tab.getByText('Copied').waitFor()
    t.equal(await tab.evaluate('navigator.clipboard.readText()'), `${origin}/docuware/oauth/callback`)

    await tab.getByRole('button', { name: 'Authorize' }).click()
    await tab.getByText('DocuWare has been authorized.').waitFor()
    t.equal(await tab.locator('.badge').first().textContent(), 'Authorized')
    await log.tab.getByText('connection.authorized', { exact: true }).waitFor()

    let letGo = (): void => {}
    const held = new Promise<void>((resolve) => { letGo = resolve })
    await tab.route('**/sync', async (route) => {
      await held
      await route.continue()
    })
    t.equal(await tab.getByRole('progressbar').count(), 0)
    await tab.getByRole('button', { name: 'Sync now' }).click()
    await tab.getByRole('progressbar', { name: 'The sync is running.' }).waitFor()
    t.ok(await tab.getByRole('button', { name: 'Sync now' }).isDisabled(), 'once is enough')
    letGo()
    await tab.getByText(/The last sync went well: Connected to/).waitFor()
    await tab.getByText('The sync has ended.').waitFor()
    t.match(tab.url(), /done=synced$/)
    await tab.getByRole('button', { name: 'Copy: Client id' }).waitFor()
    await log.tab.getByText('connection.sync_succeeded', { exact: true }).waitFor()
    t.strictSame((await log.tab.locator('tbody code').allTextContents()).slice(0, 3), ['connection.sync_succeeded', 'connection.sync_started', 'connection.authorized'], 'newest first, each once')
    t.equal(await log.tab.locator('tbody tr').count(), await log.tab.evaluate('new Set([...document.querySelectorAll("tbody tr")].map(({ id }) => id)).size'))

    await tab.getByRole('link', { name: 'Edit' }).click()
    await tab.getByLabel('Name').fill('')
    await tab.evaluate('document.querySelector("[name=name]").required = false')
    await tab.getByRole('button', { name: 'Save' }).click()
    await tab.getByRole('alert').getByRole('link', { name: 'Name' }).click()
    t.equal(await tab.locator(':focus, :target').first().getAttribute('name'), 'name')
    t.equal(await tab.getByLabel('Client secret', { exact: true }).inputValue(), '')
    t.strictSame([...complaints, ...log.complaints], [], 'no policy was in the way, and nobody else was asked')
  })

  await t.test('whatever is to be copied into the other side has a button of its own that copies it', async (t) => {
    const { tab, complaints } = await open(t)
    const connection = await app.docuware.connections.create({ name: 'to copy', platformUrl: 'acme', clientId: 'the client' })
    const made = await makeClient(app, { scopes: ['read', 'write'] })
    const connector = await app.connectors.create({ name: 'to_copy', baseUrl: 'https://books.example', auth: { type: 'oauth2', clientId: 'books', clientSecret: 'a secret of some length', authorizationUrl: 'https://l.example/a', tokenUrl: 'https://l.example/t', scopes: ['read'] } })
    const expected: Array<[path: string, texts: string[]]> = [
      [`/connections/${connection.id}`, [`${origin}/docuware/oauth/callback`, 'docuware.platform openid dwprofile offline_access', 'the client']],
      [`/clients/${made.client.id}`, [made.clientId, 'read write', origin, `${origin}/oauth2/authorize`, `${origin}/oauth2/token`, callback]],
      [`/connectors/${connector.id ?? ''}`, [`${origin}/connectors/oauth/callback`, 'read', 'books']]
    ]
    for (const [path, texts] of expected) {
      await tab.goto(url(path))
      const buttons = await tab.getByRole('button', { name: /^Copy: / }).all()
      const copied: unknown[] = []
      for (const button of buttons) {
        await button.click()
        copied.push(await tab.evaluate('navigator.clipboard.readText()'))
      }
      t.strictSame(copied, await tab.locator('[data-copy]').allTextContents(), path)
      for (const text of texts) t.ok(copied.includes(text), `${path}: ${text}`)
    }
    t.strictSame(complaints, [])
  })

  await t.test('a page shows what happens elsewhere', async (t) => {
    const { tab, complaints } = await open(t)
    const { id } = await app.docuware.connections.create({ name: 'contoso', platformUrl: dw.platformUrl, clientId: 'unknown' })
    const listening = tab.waitForResponse((response) => response.url().includes('/log/stream'))
    await tab.goto(url(`/connections/${id}`))
    await tab.getByText('It was never synced.').waitFor()
    await listening
    await app.docuware.sync(id)
    await tab.getByText('The last sync failed').waitFor()
    t.strictSame(complaints, [])
  })

  await t.test('without scripts, by keyboard alone, on a phone', async (t) => {
    const { tab, complaints } = await open(t, { javaScriptEnabled: false, viewport: { width: 360, height: 740 } })
    const { id } = await app.docuware.connections.create({ name: 'globex', platformUrl: dw.platformUrl, clientId: dw.clientId, ...(dw.clientSecret === null ? {} : { clientSecret: dw.clientSecret }) })
    await tab.goto(url(`/connections/${id}`))
    await tab.keyboard.press('Tab')
    t.equal(await tab.locator(':focus').textContent(), 'Skip to the content')
    await tab.keyboard.press('Enter')
    for (const name of ['Edit', 'Delete', 'Authorize']) {
      await tab.keyboard.press('Tab')
      t.equal(await tab.locator(':focus').textContent(), name)
    }
    await tab.keyboard.press('Enter')
    await tab.getByText('DocuWare has been authorized.').waitFor()
    await tab.getByRole('button', { name: 'Sync now' }).focus()
    await tab.keyboard.press('Enter')
    await tab.getByText(/The last sync went well/).waitFor()
    t.match(tab.url(), /done=synced$/)
    t.equal(await tab.locator('button.copy').count(), 0)
    t.notOk(await tab.getByText('New entries appear by themselves.').isVisible())
    await tab.goto(url('/log/verify'))
    await tab.getByRole('button', { name: 'Verify the log' }).click()
    await tab.getByText('The log is whole.').waitFor()
    t.strictSame(complaints, [])
  })

  const client = (await app.oauthProvider.clients.create({ name: 'Contoso Webshop', applicationType: 'web', redirectUris: ['https://shop.example/cb'], tokenType: 'jwt', scopes: [] })).client
  const scope = await app.oauthProvider.scopes.create({ code: 'email', name: 'E-mail', model: 'users', filter: { _id: '$$user._id' }, fields: ['email'] })
  await consentTo(app, await makeClient(app, { skipAuthorization: false, scopes: ['email'] }), 'ann', 'email')
  const [consent] = await app.oauthProvider.consents.list()
  const [acme] = await app.docuware.connections.list()
  const pages = ['', '/connections', `/connections/${acme?.id ?? ''}`, `/connections/${acme?.id ?? ''}/edit`, `/connections/${acme?.id ?? ''}/delete`, '/connections/new', '/clients', `/clients/${client.id}`, `/clients/${client.id}/edit`, '/clients/new', '/scopes', `/scopes/${scope.id}`, `/scopes/${scope.id}/edit`, '/consents', `/consents/${consent?.id ?? ''}/revoke`, '/keys', '/validators', '/validators/declared', '/validators/new', '/connectors', '/connectors/new', '/connectors/new?type=oauth2', '/webhook-sources', '/webhook-sources/new', '/settings', '/log', '/log/verify', '/nothing']

  for (const [width, options] of [[360, {}], [1280, {}], [360, { colorScheme: 'dark', locale: 'de-DE' }], [1280, { colorScheme: 'dark' }]] as Array<[number, BrowserContextOptions]>) {
    await t.test(`every page fits, and axe-core finds nothing: ${width} px ${JSON.stringify(options)}`, async (t) => {
      const { tab, complaints } = await open(t, { viewport: { width, height: 800 }, ...options })
      for (const path of pages) {
        await tab.goto(url(path))
        t.equal(await tab.evaluate('document.documentElement.lang'), options.locale === undefined ? 'en' : 'de')
        t.ok(await fits(tab), path)
        await isAccessible(t, tab, path)
        if (Object.keys(options).length > 0) continue
        if (path === '/connections') await picture(tab, `console-connections-${width}`)
        if (path === `/connections/${acme?.id ?? ''}`) await picture(tab, `console-connection-${width}`)
        if (path === '/log' && width === 1280) await picture(tab, `console-log-${width}`)
      }
      t.strictSame(complaints, [])
    })
  }

  await t.test('what nobody is shown fits, and is accessible too', async (t) => {
    const { tab, complaints } = await open(t, { extraHTTPHeaders: {}, viewport: { width: 360, height: 740 } })
    for (const [path, heading] of [['', 'You are not signed in'], ['/signed-out', 'You are signed out']] as const) {
      await tab.goto(url(path))
      await tab.getByRole('heading', { name: heading }).waitFor()
      t.ok(await fits(tab), path)
      await isAccessible(t, tab, path)
    }
    t.strictSame(complaints, [])
  })

  await t.test('forms with errors, secrets shown once and tokens explained are accessible too', async (t) => {
    const { tab } = await open(t, { viewport: { width: 360, height: 740 } })
    await tab.goto(url('/scopes/new'))
    await tab.getByLabel('Code').fill('b')
    await tab.getByLabel('Name').fill('n')
    await tab.getByLabel('Filter').fill('{')
    await tab.getByRole('button', { name: 'Create' }).click()
    await tab.getByRole('alert').waitFor()
    await isAccessible(t, tab, 'errors')
    await tab.goto(url('/clients/new'))
    await tab.getByLabel('Name').fill('Once')
    await tab.getByLabel('Application type').selectOption('backend')
    await tab.getByRole('button', { name: 'Create' }).click()
    await tab.getByText('Copy it now: it is shown this once.').waitFor()
    await tab.getByRole('button', { name: 'Copy: Client secret' }).waitFor()
    t.ok(await fits(tab))
    await isAccessible(t, tab, 'a secret')
    await tab.goto(url('/validators/declared'))
    await tab.getByRole('textbox', { name: 'Token' }).fill(token({ exp: 1 }))
    await tab.getByRole('button', { name: 'Check' }).click()
    await tab.getByText('It has expired.').waitFor()
    t.ok(await fits(tab))
    await isAccessible(t, tab, 'a token')
    await tab.goto(url(`/scopes/${scope.id}`))
    await tab.getByLabel('User id').fill('ann')
    await tab.getByRole('button', { name: 'Show' }).click()
    await tab.getByText('ann@example.org').waitFor()
    await isAccessible(t, tab, 'a preview')
    const late = await open(t)
    await late.tab.goto(url(`/scopes/${scope.id}/edit`))
    await app.oauthProvider.scopes.update(scope.id, { name: 'Mail' })
    await late.tab.getByLabel('Description').fill('mine')
    await late.tab.getByRole('button', { name: 'Save' }).click()
    await late.tab.getByRole('alert').waitFor()
    await isAccessible(t, late.tab, 'a lost race')
    await late.tab.getByRole('button', { name: 'Save' }).click()
    await late.tab.getByText('Saved.').waitFor()
    t.match(await app.oauthProvider.scopes.get(scope.id), { name: 'Mail', description: 'mine' })
  })

  await t.test('security 12: hostile names run nothing, and the console is in no frame', async (t) => {
    const { tab, complaints } = await open(t, { viewport: { width: 360, height: 740 } })
    for (const [index, text] of hostile.entries()) {
      const { id } = await app.docuware.connections.create({ name: `${text} ${index} ${'x'.repeat(60)}`, platformUrl: 'acme', clientId: 'c' })
      for (const path of [`/connections/${id}`, `/connections/${id}/edit`, '/connections', '/log', '']) {
        await tab.goto(url(path))
        t.ok(await fits(tab), `${path} ${text}`)
      }
      await app.docuware.connections.remove(id)
    }
    t.strictSame(complaints, [])
    const framer = await startStub(t, () => ({ '*': (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(`<iframe src="${url('')}"></iframe>`) } }))
    await tab.goto(framer.origin)
    t.equal(await tab.frameLocator('iframe').getByRole('navigation').count(), 0)
  })

  await t.test('security 13: a page of another site changes nothing in a person\'s name', async (t) => {
    const { tab } = await open(t)
    const evil = await startStub(t, () => ({ '*': (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(`<form method="post" action="${url(`/scopes/${scope.id}/delete`)}"><input name="etag" value="&quot;${scope.id}-3&quot;"><button>win</button></form>`) } }))
    await tab.goto(evil.origin)
    await tab.getByRole('button', { name: 'win' }).click()
    t.match(await tab.locator('main').textContent(), 'DWA_CROSS_SITE')
    t.ok(await app.oauthProvider.scopes.get(scope.id))
  })
})

async function isAccessible (t: Test, page: Page, when: string): Promise<void> {
  const found = await page.evaluate(`${axe}\n;axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`)
  t.same(found, [], `axe-core finds nothing: ${when}`)
}
