import axeCore from 'axe-core'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { demoUser } from '../examples/demo/accounts.js'
import { checkSteps, runCheck } from '../examples/demo/check.js'
import { startDemo, type Demo } from '../examples/demo/demo.js'
import { introduction } from '../examples/demo/introduction.js'
import { whoAmIRoutes } from '../examples/demo/routes.js'

const executablePath = '/usr/bin/chromium'
const { source: axe } = axeCore

async function demoFor (t: Test): Promise<Demo> {
  const demo = await startDemo()
  t.teardown(() => demo.close())
  return demo
}

t.test('every step of the demo\'s check passes', async (t) => {
  for (const { name, run } of checkSteps(await demoFor(t))) await t.resolves(run(), name)
})

t.test('the check counts and names the steps that fail', async (t) => {
  const demo = await demoFor(t)
  const lines: string[] = []
  const failed = await runCheck({ ...demo, token: () => demo.token({ exp: 1 }) }, (line) => lines.push(line))
  t.ok(failed > 0)
  t.equal(lines.filter((line) => line.startsWith('FAIL ')).length, failed)
  t.match(lines, [/^ok {3}the link that is printed leads to the console/])
  t.ok(lines.some((line) => line.startsWith('FAIL a good token tells who is calling: ')))
  t.ok(lines.some((line) => line.startsWith('ok   no token is refused')))
})

t.test('what the README shows of the demo\'s words is what it prints, in that order', async (t) => {
  const demo = await demoFor(t)
  const [, shown = ''] = /^```text\n(.*?)^```$/ms.exec(await storyOf()) ?? []
  const pattern = shown.trim().split(/\s*\n\s*/).map((line) => line.replaceAll(/[.?/]/g, '\\$&')).join('\\s[^]*?').replaceAll('…', '\\S+')
  t.match(await introduction(demo), new RegExp(pattern))
})

t.test('every printed curl line works as it stands', async (t) => {
  const demo = await demoFor(t)
  const lines = (await introduction(demo)).split('\n').filter((line) => line.startsWith('  curl '))
  t.equal(lines.length, 31)
  for (const line of lines) {
    const answer = await curl(line)
    t.equal(answer.status, line.endsWith('/auth_jwt_demo/whoami') ? 401 : 200, `${line.slice(0, 60)}…`)
    await answer.text()
  }
})

t.test('the demo\'s routes answer OPTIONS and allow every origin', async (t) => {
  const demo = await demoFor(t)
  for (const { url } of whoAmIRoutes) {
    const answer = await fetch(demo.url + url, { method: 'OPTIONS' })
    t.match([answer.status, answer.headers.get('access-control-allow-origin')], [204, '*'], url)
  }
})

t.test('the app\'s own tokens are those of auth_jwt_demo', async (t) => {
  const demo = await demoFor(t)
  const [header, claims] = demo.token().split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  t.match([header, claims], [{ alg: 'HS256' }, { iss: 'theissuer', aud: 'auth_jwt_test_api' }])
  t.same(whoAmIRoutes.slice(0, 6).map(({ url, auth }) => `${url} ${auth}`), [
    '/auth_jwt_demo/whoami jwt_demo', '/auth_jwt_demo/whoami-public-or-jwt public_or_jwt_demo',
    '/auth_jwt_demo_cookie/whoami jwt_demo_cookie', '/auth_jwt_demo_cookie/whoami-public-or-jwt public_or_jwt_demo_cookie',
    '/auth_jwt_demo/keycloak/whoami jwt_demo_keycloak', '/auth_jwt_demo/keycloak/whoami-public-or-jwt public_or_jwt_demo_keycloak'
  ])
})

t.test('the app\'s sign-in form leads nowhere but to the app, and is no other site\'s to send', async (t) => {
  const demo = await demoFor(t)
  const send = async (next: string, { site = 'same-origin', password = demoUser.password }: { readonly site?: string, readonly password?: string } = {}): Promise<string> => {
    const body = new URLSearchParams({ email: demoUser.email, password })
    const answer = await fetch(`${demo.url}/sign-in?${new URLSearchParams({ next }).toString()}`, { method: 'POST', body, headers: { 'sec-fetch-site': site }, redirect: 'manual' })
    await answer.text()
    return `${answer.status} ${answer.headers.get('location') ?? ''}`
  }
  t.equal(await send('/oauth2/consents?a=b'), `303 ${demo.url}/oauth2/consents?a=b`)
  for (const next of ['https://evil.example', '//evil.example/', '/\\evil.example', 'javascript:alert(1)', 'http://']) t.equal(await send(next), `303 ${demo.url}/`, next)
  t.equal(await send('/..//evil.example'), `303 ${demo.url}//evil.example`)
  t.equal(await send('/', { site: 'cross-site' }), '403 ')
  t.equal(await send('/', { password: 'wrong' }), '401 ')
})

t.test('a port that is taken ends the demo\'s start, and leaves nothing running', async (t) => {
  const demo = await demoFor(t)
  await t.rejects(startDemo({ port: Number(new URL(demo.url).port) }), { code: 'EADDRINUSE' })
})

t.test('the command', async (t) => {
  const start = (...args: string[]) => {
    const child = fork(fileURLToPath(new URL('../examples/demo/main.ts', import.meta.url)), args, { stdio: 'pipe' })
    t.teardown(() => child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    let output = ''
    let all = ''
    child.stdout?.on('data', (chunk: Buffer) => { output += chunk.toString() })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => { all += chunk.toString() })
    return { child, ended, output: () => output, all: () => all }
  }

  t.test('--check prints a line for each step and ends with 0', async (t) => {
    const { ended, output } = start('--check')
    t.same(await ended, [0, null])
    const lines = output().trim().split('\n')
    t.ok(lines.length > 80)
    t.same(lines.filter((line) => !line.startsWith('ok   ')), [])
  })

  t.test('ends cleanly when it is told to', async (t) => {
    await Promise.all((['SIGINT', 'SIGTERM'] as const).map(async (signal) => {
      const { child, ended, output } = start()
      while (!output().includes('curl')) await once(child.stdout ?? child, 'data')
      child.kill(signal)
      t.same(await ended, [0, null], signal)
    }))
  })

  t.test('says first where to begin, before oidc-provider warns of anything', async (t) => {
    const { child, ended, all } = start()
    while (!all().includes('oidc-provider WARNING')) await new Promise((resolve) => { for (const stream of [child.stdout, child.stderr]) stream?.once('data', resolve) })
    t.match(all(), /^\s*open this +http:\/\/127\.0\.0\.1:\d+\/open\?key=\S{43}\n/)
    child.kill('SIGTERM')
    t.same(await ended, [0, null])
  })

  t.test('refuses what it does not know with 2', async (t) => {
    await Promise.all([['--port', 'none'], ['--port', '70000'], ['--chek']].map(async (args) => {
      t.same(await start(...args).ended, [2, null], args.join(' '))
    }))
  })
})

t.test('the page', async (t) => {
  if (!existsSync(executablePath)) return t.comment(`not run: the page's tests need ${executablePath}`)
  const browser = await chromium.launch({
    executablePath,
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-quic', '--no-first-run', '--disable-component-update', '--disable-sync']
  })
  t.teardown(() => browser.close())
  const demo = await demoFor(t)

  for (const [width, height, colorScheme] of [[360, 740, 'light'], [360, 740, 'dark'], [1280, 800, 'light'], [1280, 800, 'dark']] as const) {
    t.test(`signs in and calls routes: ${width} px, ${colorScheme}`, async (t) => {
      const { page, foreign, complaints } = await open(t, browser, demo, { viewport: { width, height }, colorScheme })
      await isAccessible(t, page, 'before sign-in')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByLabel('Password').waitFor()
      await isAccessible(t, page, 'sign-in form')
      await fillIn(page, demoUser.password)
      await page.getByText('Signed in as Ann Archer.').waitFor()
      t.equal(page.url(), `${demo.url}/`, 'the code is gone from the address')
      t.same(await page.evaluate('[sessionStorage.length, localStorage.length]'), [0, 0], 'nothing is stored')

      t.same(await callRoute(page, '/auth_jwt_demo/keycloak/whoami'), { status: '200', body: { uid: 'ann', name: 'Ann Archer', email: 'ann@example.com' } })
      t.match(await callRoute(page, '/auth_jwt_demo/whoami'), { status: '401', body: { code: 'DWA_JWT_INVALID_TOKEN' } })
      t.equal(await page.locator('#challenge').textContent(), 'WWW-Authenticate: Bearer error="invalid_token"')
      await page.getByLabel('The app’s own').check()
      t.match(await callRoute(page, '/auth_jwt_demo/whoami'), { status: '200', body: { uid: '1' } })
      t.match(await callRoute(page, '/auth_jwt_demo_cookie/whoami'), { status: '200', body: { uid: '1' } })
      await page.getByLabel('None').check()
      t.match(await callRoute(page, '/auth_jwt_demo_cookie/whoami'), { status: '200', body: { uid: '1' } }, 'the cookie alone is accepted')
      t.match(await callRoute(page, '/auth_jwt_demo/keycloak/whoami-public-or-jwt'), { status: '200', body: { uid: null, name: 'Anonymous' } })
      await page.getByLabel('Token to send').last().fill('not.a.token')
      t.match(await callRoute(page, '/auth_jwt_demo/whoami-public-or-jwt'), { status: '401' })
      await isAccessible(t, page, 'with an answer')
      t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'nothing is wider than the window')

      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByText('Nobody is signed in.').waitFor()
      await page.getByLabel('None').check()
      t.match(await callRoute(page, '/auth_jwt_demo_cookie/whoami'), { status: '401', body: { code: 'DWA_JWT_MISSING_COOKIE' } })
      t.same(foreign, [], 'no request to anybody else')
      t.same(complaints.filter((text) => !text.includes('status of 401')), [], 'nothing in the console but refused requests')
    })
  }

  t.test('of the shop signs Ann in through the provider, and out again', async (t) => {
    const { page, foreign, complaints } = await open(t, browser, demo, { viewport: { width: 360, height: 740 } })
    await page.goto(demo.shopUrl)
    await isAccessible(t, page, 'the shop')
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByLabel('Password').waitFor()
    await isAccessible(t, page, 'the app\'s sign-in form')
    await fillIn(page, demoUser.password)
    await page.getByRole('button', { name: 'Authorize' }).click()
    await page.getByText('Signed in as Ann Archer.').waitFor()
    await isAccessible(t, page, 'the shop\'s orders')
    t.equal(page.url(), `${demo.shopUrl}/`, 'the code is gone from the address')
    await page.getByText('Twelve arrows: 36').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('Nobody is signed in.').waitFor()
    t.same([foreign, complaints], [[], []])
    t.equal((await demo.app.auditLog.find({ event: 'token.revoked' })).length, 2, 'both of its tokens are revoked')
  })

  t.test('of the README\'s story: every step, as it is written', async (t) => {
    const demo = await demoFor(t)
    const printed = await introduction(demo)
    const { page, complaints } = await open(t, browser, demo, { viewport: { width: 360, height: 740 } })
    const steps = [...(await storyOf()).matchAll(/^\d+\. (.*)$/gm)].map(([, text = '']) => text)
    t.equal(steps.length, 7)
    for (const [index, step] of steps.entries()) {
      for (const [said, pressed, seen, label] of step.matchAll(/\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`/g)) {
        if (pressed !== undefined) await press(page, pressed)
        else if (label !== undefined) await take(page, new RegExp(`^  ${label} +(\\S+)$`, 'm').exec(printed)?.[1] ?? '')
        else await page.getByText(seen ?? '').first().waitFor({ timeout: 5000 }).catch(() => t.fail(`step ${index + 1}: ${said} is to be seen at ${page.url()}`))
        await signInWhereAsked(page, demo)
        if (seen === 'Your orders') await takePicture(page, 'story-consent')
      }
      if (index === 2) await takePicture(page, 'story-connection')
    }
    t.same(complaints, [])
  })

  t.test('of Odoo\'s shape signs Ann in by the implicit grant', async (t) => {
    const { page, foreign, complaints } = await open(t, browser, demo)
    await page.goto(demo.odooUrl)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await fillIn(page, demoUser.password)
    await page.getByRole('button', { name: 'Authorize' }).click()
    await page.getByText('Signed in as Ann Archer.').waitFor()
    await page.getByText('Database: production').waitFor()
    await isAccessible(t, page, 'Odoo\'s shape')
    t.same([foreign, complaints], [[], []])
  })

  t.test('of the console knows Ann by the identity server until she signs out, and authorizes a connector', async (t) => {
    const { page, foreign, complaints } = await open(t, browser, demo)
    await page.goto(`${demo.url}/admin`)
    await fillIn(page, demoUser.password)
    await page.getByText('Ann Archer').waitFor()
    t.equal(page.url(), `${demo.url}/admin`)
    await isAccessible(t, page, 'the console\'s start page')
    t.same([foreign, complaints], [[], []])

    await page.goto(`${demo.url}/admin/connectors/oauth2`)
    await page.getByRole('button', { name: 'Authorize' }).click()
    await page.locator('[name=username]').fill(demo.docuWare.user.username)
    await page.locator('[name=password]').fill(demo.docuWare.user.password)
    await page.locator('button').first().click()
    await page.getByText('It has been authorized.').waitFor()
    await page.goto(`${demo.url}/connectors_demo/oauth2`)
    t.match(await page.locator('body').textContent(), '"kind":"oauth2"')

    await page.goto(`${demo.url}/admin`)
    const signedOut = page.waitForResponse(demoPath('/staff/out'))
    await page.getByRole('button', { name: 'Sign out' }).click()
    await signedOut
    await page.goto(`${demo.url}/admin`)
    await page.getByLabel('Password').waitFor()
    t.equal(new URL(page.url()).origin, demo.identityServer.issuer, 'and is asked again')
  })

  t.test('says when the password is wrong', async (t) => {
    const { page } = await open(t, browser, demo)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await fillIn(page, 'wrong')
    t.match(await page.getByRole('alert').textContent(), /password is wrong/)
    await isAccessible(t, page, 'sign-in form with an alert')
  })

  t.test('refuses an answer that belongs to another sign-in', async (t) => {
    const { page } = await open(t, browser, demo)
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await page.goto(`${demo.url}/?code=another&state=another&iss=${demo.identityServer.issuer}`)
    await page.getByText('belongs to another sign-in').waitFor()
    t.notOk(asked.includes('/token'), 'the code is not redeemed')
    t.equal(page.url(), `${demo.url}/`)
  })

  t.test('forgets its tokens when it is reloaded', async (t) => {
    const { page } = await open(t, browser, demo)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await fillIn(page, demoUser.password)
    await page.getByText('Signed in as').waitFor()
    await page.reload()
    await page.getByText('Nobody is signed in.').waitFor()
  })
})

/** The demo's page in a browser profile of its own, with the requests to strangers and the console's messages. */
async function open (t: Test, browser: Browser, demo: Demo, options: BrowserContextOptions = {}): Promise<{ page: Page, foreign: string[], complaints: string[] }> {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  const page = await context.newPage()
  const known = new Set([new URL(demo.url).origin, demo.identityServer.issuer, demo.shopUrl, demo.odooUrl])
  const foreign: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => { if (!known.has(new URL(request.url()).origin)) foreign.push(request.url()) })
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(demo.url)
  return { page, foreign, complaints }
}

/** The README's section for newcomers. `**Name**` is a link or a button to press, `*words*` are to be seen then, and `label` is what the demo prints under it. */
async function storyOf (): Promise<string> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  return readme.split(/^## Try it$/m)[1]?.split(/^## /m)[0] ?? ''
}

async function press (page: Page, name: string): Promise<void> {
  await page.getByRole('link', { name, exact: true }).or(page.getByRole('button', { name, exact: true })).first().click({ timeout: 5000 })
}

/** Opens an address; anything else goes into the page's box. */
async function take (page: Page, value: string): Promise<void> {
  if (value.startsWith('http')) await page.goto(value)
  else await page.locator('textarea').fill(value)
}

/** Fills in whichever sign-in form is shown, with what the demo prints. */
async function signInWhereAsked (page: Page, { docuWare: { user } }: Demo): Promise<void> {
  if (await page.getByLabel('E-mail', { exact: true }).isVisible()) await fillIn(page, demoUser.password)
  if (!await page.getByLabel('User name').isVisible()) return
  await page.getByLabel('User name').fill(user.username)
  await page.getByLabel('Password').fill(user.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function takePicture (page: Page, name: string): Promise<void> {
  if (process.env['WRITE_PICTURES'] === '1') await page.screenshot({ path: `docs/pictures/${name}.png` })
}

async function fillIn (page: Page, password: string): Promise<void> {
  await page.getByLabel('E-mail').fill(demoUser.email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function callRoute (page: Page, url: string): Promise<{ status: string | null, body: unknown }> {
  const answered = page.waitForResponse(demoPath(url))
  await page.locator(`[data-url="${url}"]`).click()
  await answered
  await page.locator('#request', { hasText: new RegExp(`^GET ${url}$`) }).waitFor()
  return { status: await page.locator('#status').textContent(), body: JSON.parse(await page.locator('#body').textContent() ?? '') }
}

function demoPath (path: string): (response: { url: () => string }) => boolean {
  return (response) => new URL(response.url()).pathname === path
}

async function isAccessible (t: Test, page: Page, when: string): Promise<void> {
  const found = await page.evaluate(`${axe}\n;axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`)
  t.same(found, [], `axe-core finds nothing: ${when}`)
}

/** Does what curl does with the few options the demo prints. */
async function curl (line: string): Promise<Response> {
  const [, url = '', ...rest] = line.trim().replace(' -i ', ' ').match(/'[^']*'|\S+/g)?.map((word) => word.replaceAll('\'', '')) ?? []
  const headers = new Headers()
  const body = new URLSearchParams()
  let raw: string | null = null
  let method = 'GET'
  for (let at = 0; at < rest.length; at += 2) {
    const value = rest[at + 1] ?? ''
    const [name = '', ...more] = value.split(/: |=/)
    if (rest[at] === '-H') headers.set(name, more.join('='))
    else if (rest[at] === '-X') method = value
    else if (rest[at] === '-b') headers.set('cookie', value)
    else if (rest[at] === '-u') headers.set('authorization', `Basic ${Buffer.from(value).toString('base64')}`)
    else if (rest[at] === '--data-raw') raw = value
    else if (rest[at] === '-d') body.append(name, more.join('='))
    else throw new Error(`curl option ${rest[at]} is not known here`)
  }
  return await fetch(url, raw !== null ? { method: 'POST', headers, body: raw } : body.size > 0 ? { method: 'POST', headers, body } : { method, headers })
}
