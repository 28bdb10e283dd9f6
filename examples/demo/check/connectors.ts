import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { createConnector, hmac } from 'fastify-docuware-auth/connectors'
import { connectorKinds } from '../connectors.js'
import type { Demo } from '../demo.js'
import { call } from './answer.js'
import type { Step } from './step.js'

const order = { item: 'Bögen', price: 5.3 }

/** One connector of each kind calls an API that looks at what proves the caller. */
export function connectorSteps (demo: Demo): Step[] {
  const { app: { auditLog, connectors }, url, docuWare, echo, adminKey } = demo
  const headers = { 'x-demo-admin': adminKey }
  const send = async (kind: string): Promise<void> => {
    const { status, body } = await call(demo, `/connectors_demo/${kind}`, { headers })
    deepEqual([status, body], [200, { kind, order }])
  }
  return [
    {
      name: 'the echo API refuses who proves nothing',
      async run () {
        for (const kind of connectorKinds) {
          const answer = await fetch(`${echo.url}/${kind}/orders`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
          await answer.arrayBuffer()
          equal(answer.status, 401, kind)
        }
      }
    },
    {
      name: 'and whose signature is of another secret',
      async run () {
        const guessing = createConnector({ baseUrl: `${echo.url}/hmac`, allowInsecure: true, auth: hmac({ key: echo.agreed.hmacKey, secret: 'a guess' }) })
        await rejects(guessing.post('/orders', { json: order }), { code: 'DWA_CONNECTOR_HTTP', status: 401 })
      }
    },
    ...connectorKinds.filter((kind) => kind !== 'oauth2').map((kind) => ({ name: `a connector of the kind ${kind} is believed`, run: () => send(kind) })),
    {
      name: 'one of the kind oauth2 says that nobody has authorized it',
      async run () {
        const { status, code } = await call(demo, '/connectors_demo/oauth2', { headers })
        deepEqual([status, code], [409, 'DWA_CONNECTOR_NOT_AUTHORIZED'])
      }
    },
    {
      name: 'a person authorizes it at DocuWare\'s identity service, and it is believed',
      async run () {
        const begun = await fetch(`${url}/connectors/oauth2/authorize`, { method: 'POST', headers: { ...headers, accept: 'application/json' } })
        equal(begun.status, 200)
        const { url: leave } = await begun.json() as { url: string }
        const cookie = begun.headers.getSetCookie().map((one) => one.split(';', 1).at(0)).join('; ')
        const back = await fetch(await docuWare.signIn(leave), { headers: { cookie } })
        await back.text()
        equal(back.status, 200)
        await send('oauth2')
      }
    },
    {
      name: 'its access token has ended: it is refreshed, and the order is sent again',
      async run () {
        docuWare.clearCalls()
        docuWare.expireTokens()
        await send('oauth2')
        equal(docuWare.counters()['POST /connect/token refresh_token'], 1)
      }
    },
    {
      name: 'a connector is used by those who have the role, and known by its name',
      async run () {
        equal((await call(demo, '/connectors_demo/apiKey')).status, 401)
        deepEqual((await call(demo, '/connectors_demo/nobody', { headers })).code, 'DWA_STORE_NOT_FOUND')
      }
    },
    {
      name: 'neither the list of connectors nor the log has one of the secrets',
      async run () {
        const list = await connectors.list()
        deepEqual(list.map(({ name }) => name), connectorKinds.toSorted())
        const shown = JSON.stringify([list, await auditLog.find({ event: 'connector.*', limit: 100 })])
        match(shown, /connector\.authorized"/)
        const { key, token, password, hmacSecret, jwt, managerKey } = echo.agreed
        for (const secret of [key, token, password, hmacSecret, jwt.secret, managerKey, ...Object.values(docuWare.secretsIssued()).flat()]) equal(shown.includes(secret), false)
      }
    }
  ]
}
