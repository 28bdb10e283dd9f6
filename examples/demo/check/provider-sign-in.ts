import { deepEqual, equal, match } from 'node:assert/strict'
import type { Demo } from '../demo.js'
import { call } from './answer.js'
import { Browser } from './browser.js'
import { annsLogin } from './sign-in.js'
import type { Step } from './step.js'

/** People sign in to other apps through the provider. */
export function providerSignInSteps (demo: Demo): Step[] {
  const { url, shopUrl, odooUrl, clients } = demo
  const browser = new Browser()
  return [
    {
      name: 'the provider says what it is able to (RFC 8414)',
      async run () {
        const { status, body } = await call(demo, '/.well-known/oauth-authorization-server')
        equal(status, 200)
        match(JSON.stringify(body), new RegExp(`"token_endpoint":"${url}/oauth2/token"`))
      }
    },
    {
      name: 'Ann declines at the consent page, and the shop learns nothing of her',
      async run () {
        const consent = await browser.submit(await browser.open(`${shopUrl}/sign-in`), annsLogin)
        match(consent.text, /Demo shop/)
        match(consent.text, /Your orders/)
        const { status, text } = await browser.decide(consent, 'deny')
        equal(status, 400)
        match(text, /declined/)
      }
    },
    {
      name: 'a client app signs Ann in: authorization code, PKCE, consent page (@fastify/oauth2)',
      async run () {
        const { status, text } = await browser.decide(await browser.open(`${shopUrl}/sign-in`), 'allow')
        equal(status, 200)
        match(text, /Signed in as Ann Archer\./)
        match(text, /<ul><li>Bow: 120<\/li><li>Twelve arrows: 36<\/li><\/ul>/)
      }
    },
    {
      name: 'her consent is remembered',
      async run () {
        const { url: { href }, text } = await browser.open(`${shopUrl}/sign-in`)
        equal(href, `${shopUrl}/`)
        match(text, /Signed in as Ann Archer\./)
      }
    },
    {
      name: 'it ends when she withdraws it, and the shop\'s tokens with it',
      async run () {
        const page = await browser.open(`${url}/oauth2/consents`)
        match(page.text, /Demo shop/)
        await browser.submit(page, [])
        match((await browser.open(`${shopUrl}/`)).text, /The sign-in has ended\./)
      }
    },
    {
      name: 'an app of Odoo\'s shape signs Ann in: implicit, JSON as state, the answer in the fragment, the token in the query',
      async run () {
        const [, link = ''] = /href="([^"]+authorize[^"]+)"/.exec((await browser.open(odooUrl)).text) ?? []
        const { url: back } = await browser.decide(await browser.open(link.replaceAll('&amp;', '&')), 'allow')
        const fragment = new URLSearchParams(back.hash.slice(1))
        equal(back.search, '')
        deepEqual(JSON.parse(fragment.get('state') ?? ''), { d: 'production', p: 1, r: encodeURIComponent(`${odooUrl}/web`) })
        match((await browser.open(`${back.origin}${back.pathname}?${fragment.toString()}`)).text, /Signed in as Ann Archer\.[^]*Database: production/)
        const { body } = await call(demo, `/oauth2/tokeninfo?access_token=${fragment.get('access_token')}`)
        match(JSON.stringify(body), new RegExp(`"audience":"${clients.odoo.id}","scopes":"profile",`))
      }
    }
  ]
}
