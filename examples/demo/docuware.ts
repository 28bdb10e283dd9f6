import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Caller } from 'fastify-docuware-auth'
import { isSame } from './same-text.js'

/** The name of the demo's one connection. */
export const connectionName = 'acme'

/** Says who calls: a program, by key, or nobody. People are known by `signIn`. */
export function adminAccess (adminKey: string): (request: Pick<FastifyRequest, 'headers'>) => Caller | null {
  return ({ headers }) => {
    const given = headers['x-demo-admin']
    return typeof given === 'string' && isSame(given, adminKey) ? { id: 'admin', name: 'Demo administrator', roles: ['docuware', 'system'] } : null
  }
}

/** What the demo adds to the plugin's own routes. */
export function addDocuwareRoutes (app: FastifyInstance): void {
  const forDocuware = { onRequest: app.requireRole('docuware') }

  app.get('/docuware_demo/whoami', forDocuware, async () => await app.docuware.client(connectionName).whoami())

  app.get('/docuware_demo/log', forDocuware, async () => {
    const entries = await app.auditLog.find({ event: 'connection.*', limit: 20 })
    return entries.map(({ at, event, actor, message }) => ({ at, event, actor: actor?.id ?? null, message }))
  })
}
