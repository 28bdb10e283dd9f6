import formbody from '@fastify/formbody'
import oauth2 from '@fastify/oauth2'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify'
import type { ClientLogin } from './clients.js'
import { escapeHtml, renderNarrowPage } from './narrow-page.js'
import { pageHeaders, plainPolicy, servePageFiles } from './page-files.js'
import { freshSecret } from './secrets.js'

export interface ShopOptions {
  /** Where the shop is reached. */
  readonly url: string
  /** The provider's issuer, and the app with the orders. */
  readonly provider: string
  readonly client: ClientLogin
  readonly logger: FastifyServerOptions['logger']
}

type Token = Parameters<NonNullable<FastifyInstance['oauth2Provider']>['revokeAllToken']>[0]

const cookieName = 'demo_shop'
const cookieOptions = { path: '/', httpOnly: true, sameSite: 'lax' } as const

/** Somebody else's app: it knows people by the provider, and keeps their tokens to itself. */
export async function buildShop ({ url, provider, client, logger = false }: ShopOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger })
  const visits = new Map<string, Token>()
  const headers = pageHeaders(plainPolicy())
  const show = (reply: FastifyReply, body: string): FastifyReply => reply.headers(headers).send(renderNarrowPage({ title: 'Demo shop', body: `    <h1>Demo shop</h1>\n${body}` }))

  await app.register(formbody)
  await app.register(oauth2, {
    name: 'provider',
    scope: ['profile', 'orders'],
    credentials: { client, auth: { tokenHost: provider, tokenPath: '/oauth2/token', authorizePath: '/oauth2/authorize', revokePath: '/oauth2/revoke' } },
    startRedirectPath: '/sign-in',
    callbackUri: `${url}/cb`,
    pkce: 'S256' // over https, hostPrefixedCookies: true belongs here as well
  })
  const { oauth2Provider: flow } = app
  if (flow === undefined) throw new TypeError('@fastify/oauth2 has decorated nothing')
  servePageFiles(app, 'demo.css', 'icon.svg')

  app.get('/', async (request, reply) => {
    const token = visits.get(request.cookies[cookieName] ?? '')
    if (token === undefined) return show(reply, '    <p id="who" role="status">Nobody is signed in.</p>\n    <p><a href="/sign-in">Sign in with the demo’s app</a></p>')
    const [person, orders] = await Promise.all([ask('/oauth2/userinfo', token), ask('/provider_demo/orders', token)])
    if (person === null) return show(reply, '    <p id="who" role="status">The sign-in has ended.</p>\n    <p><a href="/sign-in">Sign in with the demo’s app</a></p>')
    const items = Object.values(orders ?? {}).filter(isRecord).map(({ item, price }) => `<li>${escapeHtml(`${String(item)}: ${String(price)}`)}</li>`)
    return show(reply, `    <p id="who" role="status">Signed in as ${escapeHtml(String(person['name'] ?? person['sub'] ?? 'somebody'))}.</p>
    <section class="card"><h2>Orders</h2>${items.length === 0 ? '<p>None are shown.</p>' : `<ul>${items.join('')}</ul>`}</section>
    <form method="post" action="/sign-out"><button>Sign out</button></form>`)
  })

  app.get<{ Querystring: { error?: string, iss?: string } }>('/cb', { logLevel: 'silent' }, async (request, reply) => {
    const { error, iss } = request.query
    try {
      if (iss !== provider) throw new Error('the answer is another provider\'s (RFC 9207)') // @fastify/oauth2 looks at neither of the two
      if (error !== undefined) throw new Error(error)
      const { token } = await flow.getAccessTokenFromAuthorizationCodeFlow(request, reply)
      const id = freshSecret()
      visits.set(id, token)
      return await reply.setCookie(cookieName, id, cookieOptions).redirect('/', 303)
    } catch (problem) {
      request.log.info({ err: problem }, 'a sign-in failed')
      return show(reply.code(400), '    <p role="alert" class="alert">The sign-in has failed, or was declined.</p>\n    <p><a href="/">Back</a></p>')
    }
  })

  app.post('/sign-out', async (request, reply) => {
    const id = request.cookies[cookieName] ?? ''
    const token = visits.get(id)
    visits.delete(id)
    if (token !== undefined) await flow.revokeAllToken(token, undefined)
    return await reply.clearCookie(cookieName, cookieOptions).redirect('/', 303)
  })

  /** What the provider's app answers to a token; null when it is refused. */
  async function ask (path: string, token: Token): Promise<Record<string, unknown> | null> {
    const answer = await fetch(provider + path, { headers: { authorization: `Bearer ${token.access_token}` }, signal: AbortSignal.timeout(10_000) })
    const body: unknown = await answer.json()
    return answer.ok && isRecord(body) ? body : null
  }

  return app
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
