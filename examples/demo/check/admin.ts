import { deepEqual, equal, match } from 'node:assert/strict'
import { connectionName } from '../docuware.js'
import type { Demo } from '../demo.js'
import { call } from './answer.js'
import { Browser, type Place } from './browser.js'
import { annsLogin } from './sign-in.js'
import type { Step } from './step.js'

interface Page { readonly items: ReadonlyArray<{ readonly name?: string, readonly event?: string }> }

/** The administration: its API and its console, for those who have the roles. */
export function adminSteps (demo: Demo): Step[] {
  const { url, identityServer, docuWare, adminKey } = demo
  const key = { 'x-demo-admin': adminKey }
  const browser = new Browser()
  const itemsOf = ({ status, text }: Place): Page['items'] => {
    equal(status, 200)
    const { items }: Page = JSON.parse(text)
    return items
  }
  return [
    {
      name: 'the administration\'s API is for nobody who is not known: 401',
      async run () {
        for (const path of ['connections', 'clients', 'connectors', 'log']) {
          const { status, code } = await call(demo, `/admin/api/${path}`)
          deepEqual([status, code], [401, 'DWA_ACCESS_UNAUTHENTICATED'], path)
        }
      }
    },
    {
      name: 'nor for somebody without the role: 403',
      async run () {
        const { status, code } = await call(demo, '/admin/api/clients', { headers: key })
        deepEqual([status, code], [403, 'DWA_ACCESS_FORBIDDEN'])
        equal((await call(demo, '/admin/api/connections', { headers: key })).status, 200)
      }
    },
    {
      name: 'the console leads whoever is not known to the identity server',
      async run () {
        const { url: { origin }, status } = await browser.open(`${url}/admin`)
        deepEqual([origin, status], [identityServer.issuer, 200])
      }
    },
    {
      name: 'Ann signs in there, and the console\'s start page says who she is',
      async run () {
        const { url: { href }, status, text } = await browser.submit(await browser.open(`${url}/admin`), annsLogin)
        deepEqual([href, status], [`${url}/admin`, 200])
        match(text, /Ann Archer/)
      }
    },
    {
      name: 'she lists connections, and sees no secret',
      async run () {
        const place = await browser.open(`${url}/admin/api/connections`)
        deepEqual(itemsOf(place).map(({ name }) => name), [connectionName])
        match(place.text, /"hasClientSecret":true/)
        for (const secret of Object.values(docuWare.secretsIssued()).flat()) equal(place.text.includes(secret), false)
      }
    },
    {
      name: 'and reads the log',
      async run () {
        const events = new Set(itemsOf(await browser.open(`${url}/admin/api/log?limit=200`)).map(({ event }) => event))
        for (const event of ['session.started', 'webhook.refused', 'connector.authorized', 'client.created']) equal(events.has(event), true, event)
      }
    }
  ]
}
