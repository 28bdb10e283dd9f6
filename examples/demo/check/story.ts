import { deepEqual, equal, match } from 'node:assert/strict'
import { connectorKinds } from '../connectors.js'
import type { Demo } from '../demo.js'
import { connectionName } from '../docuware.js'
import { Browser, type Place } from './browser.js'
import { annsLogin } from './sign-in.js'
import type { Step } from './step.js'

/** The story that the README tells, as a newcomer goes through it: in the console, from the link that the demo prints. It leaves the demo as it was. */
export function storySteps ({ app, url, clients, identityServer: { signInLink }, docuWare: { user, organization }, shopUrl, token }: Demo): Step[] {
  const browser = new Browser()
  const open = async (path: string): Promise<string> => {
    const { status, text } = await browser.open(`${url}/admin${path}`)
    equal(status, 200, path)
    return text
  }
  const connection = `${url}/admin/connections/${connectionName}`
  const tryToken = async (text: string): Promise<Place> => await browser.submit(await browser.open(`${url}/admin/validators/demo`), [['token', text]], '/try')
  return [
    {
      name: 'the link that is printed leads to the console, signed in as Ann',
      async run () {
        const { url: { href }, status, text } = await browser.open(signInLink)
        deepEqual([href, status], [`${url}/admin`, 200])
        match(text, /<html lang="en"[^]*Signed in as Ann Archer/)
      }
    },
    {
      name: 'with another key it leads nowhere',
      async run () {
        equal((await new Browser().open(`${signInLink}x`)).status, 403)
      }
    },
    {
      name: 'everything is there: connections, clients, scopes, keys, validators, connectors, webhook sources, telemetry',
      async run () {
        match(await open('/connections'), new RegExp(connectionName))
        for (const name of ['shop', 'night shift', 'legacy', 'Odoo']) match(await open('/clients'), new RegExp(`Demo ${name}`))
        for (const code of ['profile', 'orders', 'items']) match(await open('/scopes'), new RegExp(code))
        match(await open('/keys'), /Demo night shift/)
        for (const name of ['demo', 'demo_cookie', 'demo_keycloak', 'demo_provider', 'demo_stored']) match(await open('/validators'), new RegExp(`>${name}<`))
        for (const kind of connectorKinds) match(await open('/connectors'), new RegExp(`>${kind}<`))
        match(await open('/webhook-sources'), /docuware/)
        match(await open('/settings'), /Telemetry is off/)
      }
    },
    {
      name: 'Authorize: she signs in at DocuWare, and comes back to a connection that is authorized',
      async run () {
        const page = await browser.open(connection)
        match(page.text, /Not authorized yet/)
        const form = await browser.submit(page, [], '/authorize')
        match(form.text, new RegExp(`Sign in to ${organization.name}`))
        const { url: { pathname }, text } = await browser.submit(form, [['username', user.username], ['password', user.password], ['decision', 'allow']])
        match(pathname, /^\/admin\/connections\//)
        match(text, /DocuWare has been authorized\./)
      }
    },
    {
      name: 'Sync now: DocuWare says who the connection is',
      async run () {
        const { text } = await browser.submit(await browser.open(connection), [], '/sync')
        match(text, new RegExp(`The last sync went well: Connected to ${organization.name}`))
      }
    },
    {
      name: 'the audit log tells of both',
      async run () {
        const log = await open('/log?event=connection.*')
        for (const event of ['authorize_started', 'authorized', 'sync_succeeded']) match(log, new RegExp(`>connection\\.${event}<`))
      }
    },
    {
      name: 'Try a token: a validator says whose it is, or why it refuses',
      async run () {
        match((await tryToken(token())).text, /Accepted by demo\./)
        match((await tryToken(token({ exp: 1 }))).text, /Refused\.[^]*It has expired\./)
      }
    },
    {
      name: 'the shop asks for consent, and shows her orders',
      async run () {
        const consent = await browser.submit(await browser.open(`${shopUrl}/sign-in`), annsLogin)
        match(consent.text, /Demo shop[^]*Your orders/)
        match((await browser.decide(consent, 'allow')).text, /Signed in as Ann Archer\.[^]*Bow: 120/)
      }
    },
    {
      name: 'Consents: it ends there, and the shop knows her no more',
      async run () {
        const consents = await browser.open(`${url}/admin/consents`)
        match(consents.text, new RegExp(`<bdi>Demo shop</bdi></a><p class="hint">${(await app.oauthProvider.clients.get(clients.shop.id))?.id}</p>`))
        const [, end = ''] = /href="([^"]+\/revoke)"/.exec(consents.text) ?? []
        match((await browser.submit(await browser.open(url + end), [], '/revoke')).text, /Revoked\./)
        match((await browser.open(`${shopUrl}/`)).text, /The sign-in has ended\./)
      }
    },
    {
      name: 'Revoke: the connection is a draft again',
      async run () {
        const { text } = await browser.submit(await browser.open(connection), [], '/revoke')
        match(text, /Revoked\.[^]*Not authorized yet/)
      }
    },
    {
      name: 'Sign out: the console is for nobody until she signs in again',
      async run () {
        match((await browser.submit(await browser.open(`${url}/admin`), [], '/staff/out')).text, /You are signed out/)
        const { url: { origin, pathname } } = await browser.open(`${url}/admin`)
        deepEqual([origin, pathname.startsWith('/sign-in/')], [new URL(signInLink).origin, true])
      }
    }
  ]
}
