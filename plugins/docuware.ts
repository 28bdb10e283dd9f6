import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { docuwareOptionsSchema, type DocuwareOptions } from '../lib/docuware/docuware-options.js'
import { openDocuware, type OpenDocuware } from '../lib/docuware/open-docuware.js'
import { errors } from '../lib/errors.js'
import { checkOptions } from '../lib/options.js'
import '../types/docuware.js'
import { authorizationRoutes, bindBrowser, callerOf, forRole, type GrantRoute } from './authorization-routes.js'

export type { DocuwareOptions }

const pluginName = 'fastify-docuware-auth/docuware'

async function docuwarePlugin (app: FastifyInstance, options: DocuwareOptions): Promise<void> {
  checkOptions('docuware', docuwareOptionsSchema, options)
  if (app.hasDecorator('docuware')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { prefix = '/docuware', requestsPerMinute = 60 } = options
  const opened = openDocuware({ ...options, prefix: app.prefix + prefix }, app.store, app.log, () => app.hasDecorator('telemetry') ? app.telemetry : null)
  const { authorization, connections, client, idOf, redirectUri, sync } = opened
  app.decorate('docuware', {
    connections,
    redirectUri,
    client,
    async authorizationUrl (idOrName, { reply, unbound = false, ...start } = {}) {
      if (reply === undefined && !unbound) throw new errors.DWA_DOCUWARE_UNBOUND()
      const { url, cookie } = await authorization.start(await idOf(idOrName), { ...start, unbound })
      if (reply !== undefined) bindBrowser(reply, cookie)
      return url
    },
    sync: async (idOrName, request) => await sync.request(await idOf(idOrName), request),
    revoke: async (idOrName, note) => { await authorization.revoke(await idOf(idOrName), note) }
  })
  app.addHook('onReady', async () => { sync.start() })
  app.addHook('onClose', async () => { await opened.close() })
  await app.register(async (scope) => { await routes(scope, opened, requestsPerMinute) }, { prefix })
}

async function routes (scope: FastifyInstance, { authorization, connections, idOf, sync }: OpenDocuware, requestsPerMinute: number): Promise<void> {
  await authorizationRoutes(scope, {
    authorization,
    path: '/connections/:id',
    role: 'docuware',
    requestsPerMinute,
    idOf,
    async subjectOf (idOrName) {
      const connection = await connections.get(idOrName)
      if (connection === null) throw new errors.DWA_STORE_NOT_FOUND(`The connection "${idOrName}"`)
      return { name: connection.name, peer: 'DocuWare', host: new URL(connection.platformUrl).host, username: connection.account?.username }
    }
  })
  const forDocuware = forRole(scope, 'docuware')

  scope.post<GrantRoute>('/connections/:id/sync', forDocuware, async (request, reply) => {
    const answer = await sync.request(await idOf(request.params.id), callerOf(request))
    return reply.code(answer.queued ? 202 : 200).send(answer)
  })

  scope.post<GrantRoute>('/connections/:id/revoke', forDocuware, async (request) => {
    const id = await idOf(request.params.id)
    await authorization.revoke(id, callerOf(request))
    return await connections.get(id)
  })
}

/** Connections to DocuWare platforms: authorized by people, refreshed by itself, probed on demand. */
export const docuware = fp(docuwarePlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
