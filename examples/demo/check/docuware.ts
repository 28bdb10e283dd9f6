import { deepEqual, equal, match } from 'node:assert/strict'
import type { Demo } from '../demo.js'
import { connectionName } from '../docuware.js'
import type { Step } from './step.js'

/** A connection's life: authorized by a person, used, refreshed, probed, revoked, authorized again. */
export function docuwareSteps (demo: Demo): Step[] {
  const { app, url, docuWare, adminKey } = demo
  const admin = { 'x-demo-admin': adminKey }
  const connection = `${url}/docuware/connections/${connectionName}`
  const statusOf = async (): Promise<string | undefined> => (await app.docuware.connections.get(connectionName))?.status

  const whoAmI = async (): Promise<{ status: number, code: unknown, user: unknown }> => {
    const answer = await fetch(`${url}/docuware_demo/whoami`, { headers: admin })
    const body = await answer.json() as { code?: unknown, User?: { Name?: unknown } }
    return { status: answer.status, code: body.code, user: body.User?.Name }
  }

  /** Begins an authorization, and returns where DocuWare sends the browser back to, and the cookie the browser has. */
  const begin = async (): Promise<{ back: string, cookie: string }> => {
    const answer = await fetch(`${connection}/authorize`, { method: 'POST', headers: { ...admin, accept: 'application/json' } })
    equal(answer.status, 200)
    const { url: leave } = await answer.json() as { url: string }
    return { back: await docuWare.signIn(leave), cookie: answer.headers.getSetCookie().map((one) => one.split(';', 1).at(0)).join('; ') }
  }

  const authorize = async (): Promise<void> => {
    const { back, cookie } = await begin()
    equal((await fetch(back, { headers: { cookie } })).status, 200)
    equal(await statusOf(), 'authorized')
  }

  return [
    {
      name: 'a connection that nobody has authorized says so',
      async run () {
        deepEqual(await whoAmI(), { status: 409, code: 'DWA_DOCUWARE_NOT_AUTHORIZED', user: undefined })
      }
    },
    {
      name: 'nobody without the role begins an authorization',
      async run () {
        equal((await fetch(`${connection}/authorize`, { method: 'POST' })).status, 401)
      }
    },
    {
      name: 'an authorization cannot be ended in another browser',
      async run () {
        const { back, cookie } = await begin()
        equal((await fetch(back)).status, 400)
        equal((await fetch(back, { headers: { cookie } })).status, 400, 'and is used up by the attempt')
        equal(await statusOf(), 'draft')
      }
    },
    { name: 'a person authorizes the connection at DocuWare', run: authorize },
    {
      name: 'its client asks DocuWare who it is',
      async run () {
        deepEqual(await whoAmI(), { status: 200, code: undefined, user: docuWare.user.name })
      }
    },
    {
      name: 'an access token that has ended is refreshed, once for all who call',
      async run () {
        docuWare.clearCalls()
        docuWare.expireTokens()
        const answers = await Promise.all(Array.from({ length: 20 }, whoAmI))
        deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
        equal(docuWare.counters()['POST /connect/token refresh_token'], 1)
      }
    },
    {
      name: 'a sync probes it, and leaves its result on the record',
      async run () {
        const answer = await fetch(`${connection}/sync`, { method: 'POST', headers: admin })
        const { queued, result } = await answer.json() as { queued: boolean, result: { ok: boolean, message: string } }
        deepEqual([answer.status, queued, result.ok], [200, false, true])
        match(result.message, new RegExp(docuWare.organization.name))
        equal((await app.docuware.connections.get(connectionName))?.lastSync?.ok, true)
      }
    },
    {
      name: 'revoked, it is a draft again',
      async run () {
        equal((await fetch(`${connection}/revoke`, { method: 'POST', headers: admin })).status, 200)
        equal(await statusOf(), 'draft')
        equal((await whoAmI()).status, 409)
      }
    },
    { name: 'and can be authorized again', run: authorize },
    {
      name: 'the log lists all of this, and none of the secrets',
      async run () {
        const answer = await fetch(`${url}/docuware_demo/log`, { headers: admin })
        const text = await answer.text()
        for (const event of ['discovered', 'authorize_started', 'authorization_failed', 'authorized', 'refreshed', 'sync_started', 'sync_succeeded', 'revoked']) match(text, new RegExp(`connection\\.${event}"`))
        for (const secret of Object.values(docuWare.secretsIssued()).flat()) equal(text.includes(secret), false)
      }
    }
  ]
}
