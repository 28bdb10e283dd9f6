import { deepEqual, equal } from 'node:assert/strict'
import type { Demo } from '../demo.js'
import { serviceToken } from '../service-token.js'
import { call } from './answer.js'
import { signInAsDemoUser } from './sign-in.js'
import type { Step } from './step.js'

const url = '/auth_jwt_demo/keycloak/whoami'
const publicUrl = '/auth_jwt_demo/keycloak/whoami-public-or-jwt'

/** Tokens of the identity server, checked with its key set. */
export function identityServerSteps (demo: Demo): Step[] {
  const { identityServer } = demo
  let annsToken = ''
  return [
    {
      name: 'a public key-set route takes an anonymous caller without asking for the key set',
      async run () {
        const { status, body } = await call(demo, publicUrl)
        equal(status, 200)
        deepEqual(body, { uid: null, name: 'Anonymous' })
        equal(identityServer.keySetRequests(), 0)
      }
    },
    {
      name: 'a program\'s token of the identity server is accepted (client_credentials, RS256)',
      async run () {
        const { status, body } = await call(demo, url, { token: await serviceToken(identityServer) })
        equal(status, 200)
        deepEqual(body, { uid: 'demo-service', name: 'Night shift', email: 'night-shift@example.com' })
      }
    },
    {
      name: 'a person\'s token of the identity server is accepted (authorization code, PKCE)',
      async run () {
        annsToken = await signInAsDemoUser(identityServer)
        for (const path of [url, publicUrl]) {
          const { status, body } = await call(demo, path, { token: annsToken })
          equal(status, 200)
          deepEqual(body, { uid: 'ann', name: 'Ann Archer', email: 'ann@example.com' })
        }
      }
    },
    {
      name: 'the key set was asked for once',
      run: async () => { equal(identityServer.keySetRequests(), 1) }
    },
    {
      name: 'the app trades it for a token of its own',
      async run () {
        const { status, body } = await call(demo, '/auth_jwt_demo/token', { method: 'POST', token: annsToken })
        equal(status, 200)
        const token = typeof body === 'object' && body !== null && 'access_token' in body ? String(body.access_token) : ''
        equal((await call(demo, '/auth_jwt_demo/whoami', { token })).status, 200)
      }
    },
    {
      name: 'a token of the identity server is refused where the app\'s own are wanted',
      async run () {
        const { status, code } = await call(demo, '/auth_jwt_demo/whoami', { token: annsToken })
        deepEqual([status, code], [401, 'DWA_JWT_INVALID_TOKEN'])
      }
    }
  ]
}
