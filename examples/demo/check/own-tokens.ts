import { deepEqual, equal } from 'node:assert/strict'
import { signToken } from 'fastify-docuware-auth/testing'
import type { Demo } from '../demo.js'
import { freshSecret } from '../secrets.js'
import { call, type Call } from './answer.js'
import type { Step } from './step.js'

const url = '/auth_jwt_demo/whoami'
const invalid = 'Bearer error="invalid_token"'

/** The app's own HS256 tokens: one good one, and each way to be wrong. */
export function ownTokenSteps (demo: Demo): Step[] {
  const forged = signToken({ iss: 'theissuer', aud: 'auth_jwt_test_api', email: 'ann@example.com' }, { secret: freshSecret() })
  const refused: ReadonlyArray<readonly [what: string, request: Call, code: string, challenge: string]> = [
    ['no token', {}, 'DWA_JWT_MISSING_AUTHORIZATION', 'Bearer'],
    ['a header that is not Bearer', { headers: { authorization: `Token ${demo.token()}` } }, 'DWA_JWT_MALFORMED_AUTHORIZATION', invalid],
    ['a token that is none', { token: 'not.a.token' }, 'DWA_JWT_INVALID_TOKEN', invalid],
    ['an expired token', { token: demo.token({ exp: 1 }) }, 'DWA_JWT_INVALID_TOKEN', invalid],
    ['a token of another issuer', { token: demo.token({ iss: 'another' }) }, 'DWA_JWT_INVALID_TOKEN', invalid],
    ['a token for another audience', { token: demo.token({ aud: 'another' }) }, 'DWA_JWT_INVALID_TOKEN', invalid],
    ['a token with a wrong signature', { token: forged }, 'DWA_JWT_INVALID_TOKEN', invalid]
  ]
  return [
    {
      name: 'a good token tells who is calling',
      async run () {
        const { status, body } = await call(demo, url, { token: demo.token() })
        equal(status, 200)
        deepEqual(body, { uid: '1', name: 'Ann Archer', email: 'ann@example.com' })
      }
    },
    {
      name: 'a good token of somebody the app does not know tells nothing',
      async run () {
        const { status, body } = await call(demo, url, { token: demo.token({ email: 'nobody@example.com' }) })
        equal(status, 200)
        deepEqual(body, {})
      }
    },
    ...refused.map(([what, request, code, challenge]) => ({
      name: `${what} is refused: 401 ${code}`,
      async run () {
        const answer = await call(demo, url, request)
        deepEqual([answer.status, answer.code, answer.challenge], [401, code, challenge])
      }
    })),
    {
      name: 'a public route takes an anonymous caller',
      async run () {
        const { status, body } = await call(demo, '/auth_jwt_demo/whoami-public-or-jwt')
        equal(status, 200)
        deepEqual(body, { uid: null })
      }
    },
    {
      name: 'a public route refuses a bad token',
      async run () {
        const { status, code } = await call(demo, '/auth_jwt_demo/whoami-public-or-jwt', { token: forged })
        deepEqual([status, code], [401, 'DWA_JWT_INVALID_TOKEN'])
      }
    },
    {
      name: 'a preflight request needs no token',
      async run () {
        const response = await fetch(demo.url + url, { method: 'OPTIONS', headers: { origin: 'https://shop.example', 'access-control-request-method': 'GET' } })
        await response.text()
        deepEqual([response.status, response.headers.get('access-control-allow-origin')], [204, '*'])
      }
    }
  ]
}
