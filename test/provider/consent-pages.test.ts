import axeCore from 'axe-core'
import { existsSync } from 'node:fs'
import { chromium, type BrowserContextOptions, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { renderPage, html } from '../../lib/http/page.js'
import { chooseLanguage } from '../../lib/http/page-language.js'
import { pageTexts, spanInWords } from '../../lib/provider/page-texts.js'
import { startStub } from '../docuware/stub.js'
import { as, ask, authorizeApp, decide, get, led, parametersOf, post } from './authorize-app.js'

const executablePath = '/usr/bin/chromium'
const { source: axe } = axeCore

const hostile = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '\'-alert(1)-\'', '</title><svg onload=alert(1)>', '{{constructor.constructor("alert(1)")()}}', '`${alert(1)}`', '&lt;b&gt;', '\u202Etxt.exe'] // eslint-disable-line no-template-curly-in-string

t.test('security 12: whatever a client, a scope, an account or a state is called, it is text', async (t) => {
  const { app, addClient, scopes } = await authorizeApp(t)
  for (const text of hostile) {
    const client = await addClient({ name: `${text} ${hostile.indexOf(text)}`, scopes: ['email'] })
    scopes.set('email', { name: text, description: text })
    const page = await get(app, parametersOf(client, { state: text, error_description: text, ui_locales: text }), as('<b>ann</b>'))
    t.equal(page.statusCode, 200)
    t.notMatch(page.body, /<(script|img|svg|b>ann)/, text)
    t.notOk(page.body.includes(text) && /[<>"'`]/.test(text), 'it is nowhere as it was')
    t.notMatch(page.body, 'alert(1)</title>')
    const refused = await get(app, `client_id=x&state=${encodeURIComponent(text)}&scope=${encodeURIComponent(text)}&error_description=${encodeURIComponent(text)}`)
    t.notOk(refused.body.includes(text) || refused.body.includes('alert'), 'an error page has nothing of it')
    const list = await app.inject({ url: '/oauth2/consents', headers: as('<b>ann</b>') })
    t.notMatch(list.body, /<(script|img|svg|b>ann)/)
    t.notMatch(String(led(await get(app, parametersOf(client, { state: text, scope: 'x' }))).query['error_description']), /alert/)
  }
})

t.test('security 12, 14: the page says who asks, where they live, for what, and for how long; and its headers keep everything else out', async (t) => {
  const { app, addClient, scopes } = await authorizeApp(t)
  const client = await addClient({ name: 'Shop', scopes: ['email', 'orders', 'unknown.scope'], lifetimes: { refreshToken: 90 * 60 } })
  const { page: { body, headers } } = await ask(app, parametersOf(client))
  for (const text of ['<h1>Shop asks for access</h1>', 'ann Archer', 'shop.example', 'Your e-mail address', 'To send you receipts.', 'Your orders', '<b>unknown.scope</b>', 'The access lasts for 1.5 hours.']) t.ok(body.includes(text), text)
  t.equal([...body.matchAll(/<input type="checkbox" name="scope" value="[^"]+" checked>/g)].length, 3)
  t.match(headers, {
    'content-security-policy': /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'$/,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store'
  })
  t.notMatch(body, /<script|src=|https?:/i, 'nothing from anywhere')
  t.match((await get(app, 'client_id=x')).headers['content-security-policy'], /form-action 'self'; base-uri/)
  const phone = await addClient({ applicationType: 'mobile', redirectUris: ['com.example.app:/cb'] })
  const native = await ask(app, parametersOf(phone))
  t.match([native.page.headers['content-security-policy'], native.page.body], [/form-action 'self' com\.example\.app:;/, '<bdi>com.example.app</bdi>'])
  scopes.clear()
  t.match((await ask(app, parametersOf(client))).page.body, '<b>email</b>', 'a scope without a record is shown by its code')
})

t.test('English and German, as the browser likes', async (t) => {
  const cases: Array<[header: string | undefined, language: string]> = [
    [undefined, 'en'], ['', 'en'], ['de', 'de'], ['DE-at', 'de'], ['fr, de;q=0.8, en;q=0.9', 'en'], ['fr, de;q=0.9, en;q=0.8', 'de'], ['en, de', 'en'], ['de, en', 'de'], ['de;q=0, en;q=0.1', 'en'], ['fr', 'en'], ['*', 'en'], ['de ; q=1', 'de'], ['de;q=x', 'en'], ['den', 'en'], [',;,', 'en']
  ]
  for (const [header, language] of cases) t.equal(chooseLanguage(header), language, header ?? 'none')
  for (const [seconds, english, german] of [[60, '1 minute', '1 Minute'], [3600, '1 hour', '1 Stunde'], [5400, '1.5 hours', '1,5 Stunden'], [86_400, '1 day', '1 Tag'], [30 * 86_400, '30 days', '30 Tage'], [1, '1 second', '1 Sekunde'], [0, '0 seconds', '0 Sekunden']] as const) {
    t.strictSame([spanInWords(seconds, 'en'), spanInWords(seconds, 'de')], [english, german])
  }
  t.strictSame(Object.keys(pageTexts.de.errors), Object.keys(pageTexts.en.errors), 'everything is said in both')
  const { app, addClient } = await authorizeApp(t)
  const client = await addClient({ name: 'Laden' })
  const german = as('ann', { 'accept-language': 'de-DE,de;q=0.9,en;q=0.5' })
  const page = await get(app, parametersOf(client), german)
  for (const text of ['<html lang="de">', 'Laden bittet um Zugriff', 'Der Zugriff gilt für 30 Tage.', '>Zustimmen<', '>Ablehnen<']) t.ok(page.body.includes(text), text)
  t.match((await get(app, 'client_id=x', german)).body, /<html lang="de">[^]*Die Anwendung, von der Sie kommen, ist nicht bekannt/)
  t.match((await post(app, 'decision=allow', german)).body, 'Gehen Sie zurück zur Anwendung')
})

t.test('an app may have pages of its own; the headers stay', async (t) => {
  let broken: 'throws' | 'number' | null = null
  const said: object[] = []
  const make = (page: object): string => {
    said.push(page)
    if (broken === 'throws') throw new Error('a secret of the app')
    return broken === 'number' ? Reflect.get({ page: 7 }, 'page') as unknown as string : `<!doctype html><title>own</title>${JSON.stringify(page)}`
  }
  const { app, addClient, lines } = await authorizeApp(t, { pages: { consent: make, error: make }, owner: { displayName: () => 'Miss Ann' } })
  const client = await addClient({ name: 'Shop', scopes: ['email'] })
  const page = await get(app, parametersOf(client))
  t.match(page.body, '<title>own</title>')
  t.match(said[0], { language: 'en', clientName: 'Shop', account: 'Miss Ann', scopes: [{ code: 'email', name: 'Your e-mail address', description: 'To send you receipts.' }], lifetime: 30 * 86_400, destination: 'shop.example', action: '/oauth2/authorize', fields: { interaction: /^[\w-]{43}$/, csrf: /^[\w-]{43}$/ } })
  t.match(page.headers, { 'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'", 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' })
  const { fields } = said[0] as { fields: Record<string, string> }
  const form = new URLSearchParams({ ...fields, scope: 'email', decision: 'allow' })
  t.equal(led(await decide(app, { page, form, cookie: String(page.headers['set-cookie']).split(';', 1).join('') }, 'allow')).query['state'], 's')
  t.match(await get(app, 'client_id=x'), { statusCode: 400, body: /^<!doctype html><title>own/, headers: { 'x-frame-options': 'DENY', 'content-security-policy': /form-action 'self';/ } })
  t.strictSame(said.at(-1), { title: 'This cannot go on', message: pageTexts.en.errors.DWA_OAUTH_UNKNOWN_CLIENT, language: 'en' })
  for (const how of ['throws', 'number'] as const) {
    broken = how
    const answer = await get(app, parametersOf(client, { prompt: 'consent' }))
    t.match([answer.statusCode, answer.body], [500, '<code>DWA_PROVIDER_OWNER_FAILED</code>'], 'this package\'s own page')
    t.notMatch(answer.body, 'a secret of the app')
  }
  t.ok(lines.some((line) => line.includes('the page for an error failed')))
})

t.test('a page without a language or a form is as it was', (t) => {
  const { page, headers } = renderPage({ title: 'x', body: html`<p>${null}${undefined}</p>` })
  t.match([page, headers['content-security-policy']], ['<html lang="en">', /^default-src 'none'; style-src 'sha256-[^']+'; base-uri/])
  t.end()
})

t.test('in a browser', { skip: existsSync(executablePath) ? false : `there is no ${executablePath}` }, async (t) => {
  const port = await freePort()
  const baseUrl = `http://localhost:${port}/oauth2`
  const setting = await authorizeApp(t, { baseUrl })
  const { app, addClient, consents } = setting
  await app.listen({ port, host: 'localhost' })
  const home = await startStub(t, () => ({ '*': (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Home</title><h1>Home</h1>') } }))
  const shop = await startStub(t, () => ({ '*': (request, response) => { response.writeHead(302, { location: `${home.origin}/welcome${new URL(request.url ?? '', 'http://x').search}` }).end() } }))
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
  t.teardown(() => browser.close())

  interface Tab { readonly tab: Page, readonly complaints: string[] }
  async function open (t: Test, options: BrowserContextOptions): Promise<Tab> {
    const context = await browser.newContext({ extraHTTPHeaders: { 'x-user': 'ann' }, ...options })
    t.teardown(() => context.close())
    const tab = await context.newPage()
    const complaints: string[] = []
    tab.on('dialog', (dialog) => { complaints.push(dialog.message()); dialog.dismiss().catch(() => {}) })
    tab.on('console', (message) => { if (message.type() === 'error' && !message.text().includes('favicon')) complaints.push(message.text()) })
    tab.on('request', (request) => { if (![new URL(baseUrl).origin, shop.origin, home.origin].includes(new URL(request.url()).origin)) complaints.push(request.url()) })
    return { tab, complaints }
  }
  const client = await addClient({ name: 'Contoso Webshop', redirectUris: [`${shop.origin}/cb`] })
  const url = (others = {}): string => `${baseUrl}/authorize?${parametersOf(client, { prompt: 'consent', ...others })}`
  const fits = async (tab: Page): Promise<boolean> => await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')

  for (const [width, height, options] of [[360, 740, {}], [1280, 800, {}], [360, 740, { colorScheme: 'dark' }], [1280, 800, { colorScheme: 'dark', locale: 'de-DE' }]] as Array<[number, number, BrowserContextOptions]>) {
    await t.test(`security 12, 13: a person decides: ${width} px ${JSON.stringify(options)}`, async (t) => {
      const { tab, complaints } = await open(t, { viewport: { width, height }, javaScriptEnabled: true, ...options })
      const [allow, deny, revoke] = options.locale === undefined ? ['Authorize', 'Deny', /^Revoke/] : ['Zustimmen', 'Ablehnen', /widerrufen$/]
      await tab.goto(url())
      t.equal(await tab.evaluate('document.documentElement.lang'), options.locale === undefined ? 'en' : 'de')
      t.equal(await tab.evaluate('getComputedStyle(document.querySelector("button")).backgroundColor'), 'rgb(20, 83, 154)', 'the style is let in')
      t.ok(await fits(tab))
      await isAccessible(t, tab, 'consent')
      if (process.env['WRITE_PICTURES'] === '1' && Object.keys(options).length === 0) await tab.screenshot({ path: `docs/pictures/consent-${width}.png`, fullPage: true })
      await tab.getByRole('checkbox').nth(1).uncheck()
      await tab.getByRole('button', { name: allow }).click()
      await tab.getByRole('heading', { name: 'Home' }).waitFor()
      t.match(tab.url(), /\/welcome\?code=[\w-]+&state=s&iss=/, 'the client may lead on to another host')
      t.strictSame((await consents.list({ user: 'ann' })).map(({ scopes }) => scopes), [['email']])
      await tab.goto(`${baseUrl}/authorize?client_id=x`)
      t.ok(await fits(tab))
      await isAccessible(t, tab, 'an error')
      await tab.goto(url())
      await tab.getByRole('button', { name: deny }).click()
      await tab.getByRole('heading', { name: 'Home' }).waitFor()
      t.match(tab.url(), /error=access_denied/)
      await tab.goto(`${baseUrl}/consents`)
      t.ok(await fits(tab))
      await isAccessible(t, tab, 'consents')
      await tab.getByRole('button', { name: revoke }).click()
      await tab.getByText(/^(You have given no|Sie haben keiner)/).waitFor()
      t.equal(tab.url(), `${baseUrl}/consents`)
      t.strictSame(await consents.list({ user: 'ann' }), [])
      t.strictSame(complaints.filter((text) => !text.includes('status of 400')), [], 'no policy was in the way, and nobody else was asked')
    })
  }

  await t.test('without scripts, by keyboard alone', async (t) => {
    const { tab } = await open(t, { javaScriptEnabled: false, viewport: { width: 360, height: 740 } })
    await tab.goto(url())
    const labels: string[] = []
    for (let stop = 1; stop <= 4; stop++) {
      await tab.keyboard.press('Tab')
      const focused = tab.locator(':focus')
      labels.push(await focused.getAttribute('name') === 'scope' ? await tab.locator('label', { has: focused }).locator('b').textContent() ?? '' : await focused.textContent() ?? '')
    }
    t.strictSame(labels, ['Your e-mail address', 'Your orders', 'Authorize', 'Deny'])
    await tab.keyboard.press('Shift+Tab')
    await tab.keyboard.press('Shift+Tab')
    await tab.keyboard.press('Space')
    t.notOk(await tab.getByRole('checkbox', { name: 'Your orders' }).isChecked())
    await tab.keyboard.press('Tab')
    await tab.keyboard.press('Enter')
    await tab.getByRole('heading', { name: 'Home' }).waitFor()
    t.strictSame((await consents.list({ user: 'ann' })).map(({ scopes }) => scopes), [['email']])
  })

  await t.test('security 12: hostile names run nothing, and the page is in no frame', async (t) => {
    const { tab, complaints } = await open(t, { viewport: { width: 360, height: 740 } })
    for (const [index, text] of hostile.entries()) {
      const evil = await addClient({ name: `${text} ${index} ${'x'.repeat(100)}`, redirectUris: [`${shop.origin}/cb`] })
      await tab.goto(`${baseUrl}/authorize?${parametersOf(evil, { state: text })}`)
      t.ok(await fits(tab), text)
      t.ok((await tab.getByRole('heading').textContent())?.includes(text))
    }
    t.strictSame(complaints, [])
    const framer = await startStub(t, () => ({ '*': (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(`<iframe src="${url().replaceAll('&', '&amp;')}"></iframe>`) } }))
    await tab.goto(framer.origin)
    t.equal(await tab.frameLocator('iframe').getByRole('button', { name: 'Authorize' }).count(), 0)
  })

  await t.test('security 13: a page of another site cannot answer for a person', async (t) => {
    const { tab } = await open(t, {})
    const page = await ask(app, parametersOf(client, { prompt: 'consent' }))
    const fields = [...page.form, ['decision', 'allow'] as const].map(([name, value]) => `<input name="${name}" value="${value}">`).join('')
    const evil = await startStub(t, () => ({ '*': (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(`<form method="post" action="${baseUrl}/authorize">${fields}<button>win</button></form>`) } }))
    await tab.goto(evil.origin)
    await tab.getByRole('button', { name: 'win' }).click()
    t.match(await tab.locator('main').textContent(), 'DWA_CROSS_SITE')
    t.equal((await decide(app, page, 'allow')).statusCode, 303, 'and it is still there to be answered')
  })
})

async function isAccessible (t: Test, page: Page, when: string): Promise<void> {
  const found = await page.evaluate(`${axe}\n;axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`)
  t.same(found, [], `axe-core finds nothing: ${when}`)
}
