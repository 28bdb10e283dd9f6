import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { DemoClients } from './clients.js'
import { escapeHtml, renderNarrowPage } from './narrow-page.js'
import { pageHeaders, plainPolicy, servePageFiles } from './page-files.js'

export interface OdooShapedOptions {
  readonly url: string
  /** The provider's issuer. */
  readonly provider: string
  readonly client: DemoClients['odoo']
  readonly logger: FastifyServerOptions['logger']
}

interface Answer { readonly access_token?: string, readonly state?: string, readonly error?: string }

/** Signs people in as Odoo's auth_oauth does: the implicit grant, JSON as the state, and the token in the query of tokeninfo and userinfo. For what is being migrated; not to be imitated. */
export function buildOdooShaped ({ url, provider, client, logger = false }: OdooShapedOptions): FastifyInstance {
  const app = Fastify({ logger })
  const redirectUri = `${url}/auth_oauth/signin`
  const headers = pageHeaders(plainPolicy({ scripts: true }))
  const render = (body: string): string => renderNarrowPage({ title: 'Demo Odoo', body: `    <h1>Demo Odoo</h1>\n${body}`, script: '/fragment.js' })
  servePageFiles(app, 'demo.css', 'icon.svg', 'fragment.js')

  app.get('/', async (_request, reply) => {
    const state = JSON.stringify({ d: 'production', p: 1, r: encodeURIComponent(`${url}/web`) })
    const link = new URLSearchParams({ response_type: 'token', client_id: client.id, redirect_uri: redirectUri, scope: 'profile', state })
    return reply.headers(headers).send(render(`    <p><a href="${escapeHtml(`${provider}/oauth2/authorize?${link.toString()}`)}">Sign in with the demo’s app</a></p>`))
  })

  app.get<{ Querystring: Answer }>('/auth_oauth/signin', { logLevel: 'silent' }, async (request, reply) => {
    const { access_token: token, state = '', error } = request.query
    if (error !== undefined) return reply.code(403).headers(headers).send(render('    <p id="who" role="status">The sign-in was declined.</p>'))
    if (token === undefined) return reply.headers(headers).send(render('    <p id="who" role="status">One moment, please.</p>'))
    const [validation, person] = [await ask('tokeninfo', token), await ask('userinfo', token)]
    if (validation?.['audience'] !== client.id || person === null) return reply.code(403).headers(headers).send(render('    <p id="who" role="status">The token is no good.</p>'))
    return reply.headers(headers).send(render(`    <p id="who" role="status">Signed in as ${escapeHtml(String(person['name']))}.</p>
    <p>Database: ${escapeHtml(databaseOf(state))}</p>`))
  })

  async function ask (endpoint: 'tokeninfo' | 'userinfo', token: string): Promise<Record<string, unknown> | null> {
    const answer = await fetch(`${provider}/oauth2/${endpoint}?${new URLSearchParams({ access_token: token }).toString()}`, { signal: AbortSignal.timeout(10_000) })
    const body: unknown = await answer.json()
    return answer.ok && typeof body === 'object' && body !== null ? { ...body } : null
  }

  return app
}

/** Odoo says by the state which database the answer is for. */
function databaseOf (state: string): string {
  try {
    const { d }: { d?: unknown } = JSON.parse(state)
    return String(d)
  } catch {
    return 'none: the state is not the one that was sent'
  }
}
