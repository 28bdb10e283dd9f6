import { deepEqual, equal, match } from 'node:assert/strict'
import type { Demo } from '../demo.js'
import { call } from './answer.js'
import type { Step } from './step.js'

const url = '/auth_jwt_demo_cookie/whoami'
const ann = { uid: '1', name: 'Ann Archer', email: 'ann@example.com' }

/** Cookie mode: a token once, its cookie from then on. */
export function cookieSteps (demo: Demo): Step[] {
  let cookie = ''
  return [
    {
      name: 'cookie mode without token and cookie is refused: 401 DWA_JWT_MISSING_COOKIE',
      async run () {
        const { status, code, cookies } = await call(demo, url)
        deepEqual([status, code, cookies], [401, 'DWA_JWT_MISSING_COOKIE', []])
      }
    },
    {
      name: 'a token in the header sets the cookie',
      async run () {
        const { status, body, cookies } = await call(demo, url, { token: demo.token() })
        equal(status, 200)
        deepEqual(body, ann)
        match(cookies.join(), /^demo_auth=[^;]+;.* HttpOnly; SameSite=Lax$/)
        cookie = pairOf(cookies)
      }
    },
    {
      name: 'the cookie alone is accepted, and renewed',
      async run () {
        for (const path of [url, '/auth_jwt_demo_cookie/whoami-public-or-jwt']) {
          const { status, body, cookies } = await call(demo, path, { headers: { cookie } })
          equal(status, 200)
          deepEqual(body, ann)
          match(cookies.join(), /^demo_auth=[^;]+; Max-Age=3600;/)
          cookie = pairOf(cookies)
        }
      }
    },
    {
      name: 'the cookie\'s value is no Bearer token',
      async run () {
        const { status, code } = await call(demo, url, { token: cookie.slice('demo_auth='.length) })
        deepEqual([status, code], [401, 'DWA_JWT_INVALID_TOKEN'])
      }
    },
    {
      name: 'another site\'s page cannot use the cookie to change something: 403 DWA_JWT_CROSS_SITE',
      async run () {
        for (const origin of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://another.example' }]) {
          const { status, code, cookies } = await call(demo, '/auth_jwt_demo_cookie/sign-out', { method: 'POST', headers: { cookie, ...origin } })
          deepEqual([status, code, cookies], [403, 'DWA_JWT_CROSS_SITE', []])
        }
      }
    },
    {
      name: 'the app\'s own page signs out: the cookie is taken away',
      async run () {
        const { status, cookies } = await call(demo, '/auth_jwt_demo_cookie/sign-out', { method: 'POST', headers: { cookie, origin: demo.url } })
        equal(status, 204)
        match(cookies.at(-1) ?? '', /^demo_auth=; Max-Age=0;/)
      }
    }
  ]
}

function pairOf (cookies: readonly string[]): string {
  return cookies.at(0)?.split(';', 1).at(0) ?? ''
}
