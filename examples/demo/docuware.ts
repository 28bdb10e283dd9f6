import type { FastifyInstance } from 'fastify'
import type { Caller } from 'fastify-docuware-auth'
import { cookieOf } from './cookies.js'
import { isSame } from './same-text.js'

/** The name of the demo's one connection. */
export const connectionName = 'acme'

const adminCookie = 'demo_admin'

/** The header or cookie that a request of the demo's administrator carries. */
interface AdminRequest { readonly headers: { readonly 'x-demo-admin'?: unknown, readonly cookie?: string | undefined } }

/** Says who calls: the demo's administrator, by key, or nobody. An app of your own asks its session. */
export function adminAccess (adminKey: string): (request: AdminRequest) => Caller | null {
  return ({ headers }) => {
    const header = headers['x-demo-admin']
    return [header, cookieOf(headers.cookie, adminCookie)].some((given) => typeof given === 'string' && isSame(given, adminKey)) ? { id: 'admin', name: 'Demo administrator', roles: ['docuware', 'system'] } : null
  }
}

/** What the demo adds to the plugin's own routes. */
export function addDocuwareRoutes (app: FastifyInstance, adminKey: string): void {
  const forDocuware = { onRequest: app.requireRole('docuware') }

  // The link that the demo prints: it signs its reader in as the administrator, and leads to the button that begins the authorization.
  app.get<{ Querystring: { key?: string } }>('/docuware_demo/connect', { logLevel: 'silent' }, async (request, reply) => {
    if (!isSame(request.query.key ?? '', adminKey)) return reply.code(403).send({ message: 'Take the link that the demo printed' })
    reply.header('set-cookie', `${adminCookie}=${adminKey}; Path=/; HttpOnly; SameSite=Lax`)
    return reply.redirect(`/docuware/connections/${connectionName}/authorize?returnTo=/docuware_demo/whoami`, 303)
  })

  app.get('/docuware_demo/whoami', forDocuware, async () => await app.docuware.client(connectionName).whoami())

  app.get('/docuware_demo/log', forDocuware, async () => {
    const entries = await app.auditLog.find({ event: 'connection.*', limit: 20 })
    return entries.map(({ at, event, actor, message }) => ({ at, event, actor: actor?.id ?? null, message }))
  })
}
