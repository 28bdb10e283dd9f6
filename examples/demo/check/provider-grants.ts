import { deepEqual, equal, match } from 'node:assert/strict'
import { demoUser } from '../accounts.js'
import type { ClientLogin } from '../clients.js'
import type { Demo } from '../demo.js'
import { freshSecret } from '../secrets.js'
import { call, type Answer } from './answer.js'
import { Browser } from './browser.js'
import { annsLogin, challengeOf } from './sign-in.js'
import type { Step } from './step.js'

const orders = '/provider_demo/orders'

/** Each grant of the provider, and what its tokens are good for. */
export function providerGrantSteps (demo: Demo): Step[] {
  const { url, shopUrl, clients: { shop, nightShift, legacy } } = demo
  const [verifier, state] = [freshSecret(), freshSecret()]
  let code = ''
  let tokens: Tokens = { access: '', refresh: '' }
  let programs = ''

  const post = async (path: string, { id, secret }: ClientLogin, form: Readonly<Record<string, string>>): Promise<Answer> => {
    return await call(demo, path, { method: 'POST', form, headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` } })
  }
  const redeem = async (): Promise<Answer> => await post('/oauth2/token', shop, { grant_type: 'authorization_code', code, code_verifier: verifier })
  const refresh = async (token: string): Promise<Answer> => await post('/oauth2/token', shop, { grant_type: 'refresh_token', refresh_token: token })

  return [
    {
      name: 'a person leaves a scope out: the code\'s token is for the others alone',
      async run () {
        const browser = new Browser({ elsewhere: [shopUrl] })
        const form = await browser.open(`${url}/oauth2/authorize?${new URLSearchParams({ response_type: 'code', client_id: shop.id, state, code_challenge: challengeOf(verifier), code_challenge_method: 'S256' })}`)
        const { url: { searchParams: back } } = await browser.decide(await browser.submit(form, annsLogin), 'allow', ['profile'])
        deepEqual([back.get('state'), back.get('iss')], [state, url])
        code = back.get('code') ?? ''
        const answer = await redeem()
        deepEqual([answer.status, member(answer, 'scope')], [200, 'profile'])
        tokens = tokensOf(answer)
      }
    },
    {
      name: 'a code is good once: 400 invalid_grant',
      async run () {
        const answer = await redeem()
        deepEqual([answer.status, member(answer, 'error')], [400, 'invalid_grant'])
      }
    },
    {
      name: 'tokeninfo and userinfo show what the scopes allow, under an id that no other client knows',
      async run () {
        const { body: info } = await call(demo, '/oauth2/tokeninfo', { token: tokens.access })
        const person = await call(demo, '/oauth2/userinfo', { token: tokens.access })
        match(JSON.stringify(info), /"audience":"demo-shop","scopes":"profile","expires_in":\d+,"user_id":"[0-9a-f]{64}"/)
        deepEqual([member(person, 'name'), member(person, 'email')], [demoUser.name, demoUser.email])
      }
    },
    {
      name: 'a route of the provider wants a token, a good one, and the scope: 401, 401, 403',
      async run () {
        const answers = [await call(demo, orders), await call(demo, orders, { token: 'not.a.token' }), await call(demo, orders, { token: tokens.access })]
        deepEqual(answers.map(({ status, code, challenge }) => [status, code, challenge]), [
          [401, 'DWA_OAUTH_MISSING_TOKEN', 'Bearer'],
          [401, 'DWA_OAUTH_INVALID_TOKEN', 'Bearer error="invalid_token"'],
          [403, 'DWA_OAUTH_INSUFFICIENT_SCOPE', 'Bearer error="insufficient_scope", scope="orders"']
        ])
      }
    },
    {
      name: 'a refresh token is rotated, and an old one ends all that came of it',
      async run () {
        const first = tokens.refresh
        for (let turn = 0; turn < 2; turn++) {
          const answer = await refresh(tokens.refresh)
          equal(answer.status, 200)
          tokens = tokensOf(answer)
        }
        equal((await call(demo, '/oauth2/tokeninfo', { token: tokens.access })).status, 200)
        for (const token of [first, tokens.refresh]) {
          const answer = await refresh(token)
          deepEqual([answer.status, member(answer, 'error')], [400, 'invalid_grant'])
        }
        const { status, body } = await call(demo, '/oauth2/tokeninfo', { token: tokens.access })
        deepEqual([status, body], [401, { error: 'invalid_or_expired_token' }])
      }
    },
    {
      name: 'a program gets a token for itself (client_credentials), which a route of the provider takes',
      async run () {
        const answer = await post('/oauth2/token', nightShift, { grant_type: 'client_credentials' })
        deepEqual([answer.status, member(answer, 'scope'), member(answer, 'refresh_token')], [200, 'profile orders items', undefined])
        programs = tokensOf(answer).access
        equal((await call(demo, orders, { token: programs })).status, 200)
      }
    },
    {
      name: 'it is a JWT: a validator of the same app takes it, too',
      async run () {
        const answer = await call(demo, '/auth_jwt_demo/provider/whoami', { token: programs })
        deepEqual([answer.status, member(answer, 'email')], [200, 'night-shift@example.com'])
        const { code } = await call(demo, '/auth_jwt_demo/provider/whoami', { token: demo.token() })
        equal(code, 'DWA_JWT_INVALID_TOKEN')
      }
    },
    {
      name: 'otherinfo shows the items of all orders, and not who bought them',
      async run () {
        const { status, body } = await call(demo, '/oauth2/otherinfo?model=orders', { token: programs })
        equal(status, 200)
        const shown = Object.values(Object(body)).map((order) => Object.keys(Object(order)).sort().join())
        deepEqual(shown, ['id,item', 'id,item', 'id,item'])
        deepEqual((await call(demo, '/oauth2/otherinfo?model=secrets', { token: programs })).body, { error: 'invalid_model' })
      }
    },
    {
      name: 'an old client sends Ann\'s password, because it may: and no wrong one',
      async run () {
        const form = { grant_type: 'password', username: demoUser.email, password: demoUser.password }
        const wrong = await post('/oauth2/token', legacy, { ...form, password: 'wrong' })
        deepEqual([wrong.status, member(wrong, 'error')], [400, 'invalid_grant'])
        const notAllowed = await post('/oauth2/token', shop, form)
        deepEqual([notAllowed.status, member(notAllowed, 'error')], [400, 'unauthorized_client'])
        const answer = await post('/oauth2/token', legacy, form)
        equal(answer.status, 200)
        tokens = tokensOf(answer)
        const { status, body } = await call(demo, orders, { token: tokens.access })
        equal(status, 200)
        match(JSON.stringify(body), new RegExp(`"item":"Twelve arrows","price":36,"buyer":"${demoUser.name}"`))
        equal(Object.keys(Object(body)).length, 2)
      }
    },
    {
      name: 'a token in the query is for clients that may send it there',
      async run () {
        equal((await call(demo, `/oauth2/tokeninfo?access_token=${tokens.access}`)).status, 401)
      }
    },
    {
      name: 'a client revokes its tokens, and nobody else\'s',
      async run () {
        equal((await post('/oauth2/revoke', shop, { token: tokens.refresh })).status, 200)
        equal((await call(demo, orders, { token: tokens.access })).status, 200)
        equal((await post('/oauth2/revoke', legacy, { token: tokens.refresh })).status, 200)
        equal((await call(demo, orders, { token: tokens.access })).status, 401)
        equal((await post('/oauth2/revoke', nightShift, { token: programs })).status, 200)
        equal((await call(demo, orders, { token: programs })).status, 401)
      }
    },
    {
      name: 'the log lists consents and tokens, and none of their text',
      async run () {
        const entries = [...await demo.app.auditLog.find({ event: 'token.*' }), ...await demo.app.auditLog.find({ event: 'consent.*' }), ...await demo.app.auditLog.find({ event: 'code.*' })]
        const text = JSON.stringify(entries)
        for (const event of ['token.refresh_reused', 'token.revoked', 'consent.granted', 'consent.revoked']) match(text, new RegExp(`"${event}"`))
        for (const secret of [code, tokens.access, tokens.refresh, programs, shop.secret, demoUser.password]) equal(text.includes(secret), false)
      }
    }
  ]
}

interface Tokens { readonly access: string, readonly refresh: string }

function tokensOf (answer: Answer): Tokens {
  return { access: String(member(answer, 'access_token')), refresh: String(member(answer, 'refresh_token')) }
}

/** A member of what was answered. */
function member ({ body }: Answer, name: string): unknown {
  return typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined
}
