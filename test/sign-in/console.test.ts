import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { admin } from '../../plugins/admin.js'
import { docuware } from '../../plugins/docuware.js'
import { openForm, send } from '../admin/console-app.js'
import { noChromium, startChromium } from '../chromium.js'
import { ManualClock } from '../manual-clock.js'
import { startOidcIdentity } from './oidc-identity.js'
import { Browser, signedIn, signInApp, type SignInApp } from './sign-in-app.js'

interface ConsoleApp extends SignInApp { readonly clock: ManualClock, readonly issuer: string }

/** An app with a console that people sign in to at oidc-provider. */
async function consoleApp (t: Test): Promise<ConsoleApp> {
  const [port, clock] = [await freePort(), new ManualClock()]
  const { issuer } = await startOidcIdentity(t, `http://127.0.0.1:${port}/sign-in/callback`)
  const roles = { claim: 'groups', map: { 'dw-admins': ['docuware', 'system'] } } as const
  return { clock, issuer, ...await signInApp(t, { port, store: { clock }, signIn: { issuer, scopes: ['openid', 'profile', 'email', 'groups'], roles }, after: async (app) => { await app.register(docuware).register(admin) } }) }
}

t.test('whoever opens a page is led to the identity provider and back; a script and a form are told', async (t) => {
  const { app, url } = await consoleApp(t)
  const browser = new Browser()
  const page = await browser.open(`${url}/admin/log?event=connection.*`)
  t.match(page, { url: `${url}/admin/log?event=connection.*`, status: 200, text: 'Signed in as Ann Archer' })

  const asNobody = async (accept: string, headers = {}) => await app.inject({ url: '/admin/log?event=x', headers: { accept, ...headers } })
  const navigation = 'text/html,application/xhtml+xml,*/*;q=0.8'
  for (const from of ['none', 'cross-site', 'same-site']) t.equal((await asNobody(navigation, { 'sec-fetch-site': from })).statusCode, 303, from)
  for (const [accept, headers] of [['*/*', {}], ['text/event-stream', {}], [navigation, { 'sec-fetch-site': 'same-origin' }]] as const) {
    const { statusCode, headers: { location }, body } = await asNobody(accept, headers)
    t.match([statusCode, location, body], [401, undefined, 'href="/sign-in?returnTo=%2Fadmin%2Flog%3Fevent%3Dx">Sign in'], accept)
  }
  t.equal((await app.inject({ url: '/admin/log', headers: { accept: navigation, 'sec-fetch-site': 'same-origin' } })).statusCode, 303, 'a link of ours')
  const stream = await app.inject({ url: '/admin/api/log/stream', headers: { accept: 'text/event-stream' } })
  t.match([stream.statusCode, stream.json()], [401, { code: 'DWA_ACCESS_UNAUTHENTICATED' }])
})

t.test('signing out leads to a page of the console that needs no session', async (t) => {
  const { url } = await consoleApp(t)
  const browser = await signedIn(url)
  const [, action = '', returnTo = ''] = /<form method="post" action="([^"]+)"><input type="hidden" name="returnTo" value="([^"]+)">/.exec((await browser.open(`${url}/admin/log`)).text) ?? []
  const early = await browser.open(`${url}${returnTo}`)
  t.match(early, { url: `${url}/admin`, status: 200 }, 'who is signed in is not told otherwise')
  const out = await browser.open(url + action, { method: 'POST', body: new URLSearchParams({ returnTo }).toString(), headers: { origin: 'null', 'content-type': 'application/x-www-form-urlencoded' } })
  t.match(out, { url: `${url}/admin/signed-out`, status: 200, text: /<h1>You are signed out<\/h1>[^]*href="\/sign-in\?returnTo=%2Fadmin">Sign in/ })
  t.notMatch(out.text, 'Signed in as')
  t.match(out.headers.get('content-security-policy'), "form-action 'self';")
})

t.test('forms of a browser without Fetch Metadata, whose pages have no referrer, are accepted by their token', async (t) => {
  const { app, url } = await consoleApp(t)
  const session = `dwa_session=${(await signedIn(url)).cookies.get('dwa_session') ?? ''}`
  const asAnn = { as: null, headers: { cookie: session } } as const
  const opened = await openForm(app, '/connections/new', '/connections/new', asAnn)
  const form = { ...opened, cookie: `${session}; ${opened.cookie}` }
  const typed = { name: 'acme', platformUrl: 'https://acme.docuware.cloud', clientId: 'c' }
  const from = (headers: Record<string, string>) => ({ as: null, headers })
  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null', 'sec-fetch-site': 'cross-site' }]) {
    t.match(await send(app, '/connections/new', form, typed, from(headers)), { status: 403, text: 'DWA_CROSS_SITE' }, JSON.stringify(headers))
  }
  t.match(await send(app, '/connections/new', { ...form, fields: {} }, typed, from({ origin: 'null' })), { status: 403, text: 'DWA_ADMIN_FOREIGN_FORM' }, 'without the token')
  t.strictSame(await app.docuware.connections.list(), [])
  t.equal((await send(app, '/connections/new', form, typed, from({ origin: 'null' }))).status, 303)
  t.match(await app.docuware.connections.get('acme'), { version: 1 })
  t.equal((await app.inject({ method: 'POST', url: '/change', headers: { cookie: session, origin: 'null' } })).json().code, 'DWA_CROSS_SITE', 'the app\'s own routes have no token')
})

t.test('in a browser', { skip: noChromium }, async (t) => {
  const { app, url, clock, issuer } = await consoleApp(t)
  const browser = await startChromium(t)

  interface Tab { readonly tab: Page, readonly complaints: string[], readonly requests: string[] }
  async function open (t: Test, path: string): Promise<Tab> {
    const context = await browser.newContext()
    t.teardown(() => context.close())
    const tab = await context.newPage()
    const [complaints, requests]: [string[], string[]] = [[], []]
    tab.on('pageerror', (error) => { complaints.push(String(error)) })
    tab.on('console', (message) => { if (message.type() === 'error' && !/favicon|status of 4|INCOMPLETE_CHUNKED/.test(message.text())) complaints.push(message.text()) })
    await tab.goto(url + path)
    await tab.getByText('Signed in as Ann Archer').waitFor()
    tab.on('request', (request) => { requests.push(request.url()) })
    return { tab, complaints, requests }
  }

  await t.test('whoever signs out is told so, and led back to the console when they sign in again', async (t) => {
    const { tab, complaints, requests } = await open(t, '/admin/log')
    await tab.getByRole('button', { name: 'Sign out' }).click()
    await tab.getByRole('heading', { name: 'You are signed out' }).waitFor()
    t.notMatch(await tab.content(), 'Signed in as')
    t.notOk(requests.some((one) => one.startsWith(issuer)))
    await tab.getByRole('link', { name: 'Sign in' }).click()
    await tab.getByText('Signed in as Ann Archer').waitFor()
    t.equal(tab.url(), `${url}/admin`)
    t.strictSame(complaints, [])
  })

  await t.test('a filter that is sent after the session ended says so, and goes on after signing in', async (t) => {
    const { tab, complaints } = await open(t, '/admin/log')
    await tab.context().clearCookies({ name: 'dwa_session' })
    await tab.getByLabel('Target').fill('acme')
    await tab.getByRole('button', { name: 'Filter' }).click()
    await tab.getByRole('heading', { name: 'You are not signed in' }).waitFor()
    await tab.getByRole('link', { name: 'Sign in' }).click()
    await tab.getByText('Nothing fits the filter.').waitFor()
    t.match(tab.url(), /\/admin\/log\?.*target=acme/)
    t.strictSame(complaints, [])
  })

  const ends: Array<[when: string, path: string, end: () => Promise<void>]> = [
    ['an entry arrives', '/admin/log', async () => { await app.signIn.endSessionsOf('ann') }],
    ['the stream is broken off', '/admin/log?event=connection.*', async () => {
      await app.signIn.endSessionsOf('ann')
      clock.advance(15_000)
    }]
  ]
  for (const [when, path, end] of ends) {
    await t.test(`a live page whose session ended says so, asks for nothing more, and leads back: ${when}`, async (t) => {
      const { tab, complaints, requests } = await open(t, path)
      const live = tab.getByText('New entries appear by themselves.')
      await live.waitFor()
      await end()
      await tab.getByRole('alert').getByText('You are not signed in').waitFor()
      t.notOk(await live.isVisible())
      t.equal(await tab.getByText('Signed in as').count(), 0)
      const count = requests.length
      await app.auditLog.append('connection.created')
      clock.advance(15_000)
      await tab.waitForTimeout(4000) // longer than a browser waits before it opens a stream again
      t.equal(requests.length, count, 'nothing is asked for any more')
      t.notOk(requests.some((one) => one.startsWith(issuer)))
      await tab.getByRole('link', { name: 'Sign in' }).click()
      await tab.getByText('Signed in as Ann Archer').waitFor()
      t.equal(tab.url(), url + path)
      t.strictSame(complaints, [])
    })
  }
})
