import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { connectorsOptionsSchema, type ConnectorsOptions } from '../lib/connectors/connectors-options.js'
import type { OpenConnectors } from '../lib/connectors/open-connectors.js'
import { errors } from '../lib/errors.js'
import { checkOptions } from '../lib/options.js'
import '../types/connectors.js'
import { authorizationRoutes, bindBrowser, callerOf, forRole, type GrantRoute } from './authorization-routes.js'

export type { ConnectorsOptions }

const pluginName = 'fastify-docuware-auth/connectors'

async function connectorsPlugin (app: FastifyInstance, options: ConnectorsOptions): Promise<void> {
  checkOptions('connectors', connectorsOptionsSchema, options)
  if (app.hasDecorator('connectors')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { prefix = '/connectors', requestsPerMinute = 60 } = options
  const { openConnectors } = await import('../lib/connectors/open-connectors.js') // apps without connectors do not load them
  const opened = openConnectors({ ...options, prefix: app.prefix + prefix }, app.store, app.log)
  const { connectors, use, authorization, grantOf, redirectUri } = opened
  app.decorate('connectors', {
    create: async (input, note) => await connectors.create(input, note),
    get: async (idOrName) => await connectors.get(idOrName),
    list: async () => await connectors.list(),
    page: async (limit, after) => await connectors.page(limit, after),
    update: async (idOrName, patch, update) => await connectors.update(idOrName, patch, update),
    remove: async (idOrName, update) => { await connectors.remove(idOrName, update) },
    secrets: async (idOrName, note) => await connectors.secrets(idOrName, note),
    use,
    redirectUri,
    async authorizationUrl (name, { reply, unbound = false, ...start } = {}) {
      if (reply === undefined && !unbound) throw new errors.DWA_CONNECTOR_UNBOUND()
      const { url, cookie } = await authorization.start(await grantOf(name), { ...start, unbound })
      if (reply !== undefined) bindBrowser(reply, cookie)
      return url
    },
    revoke: async (name, note) => { await authorization.revoke(await grantOf(name), note) }
  })
  app.addHook('onClose', async () => { await opened.close() })
  await app.register(async (scope) => { await routes(scope, opened, requestsPerMinute) }, { prefix })
}

async function routes (scope: FastifyInstance, { connectors, authorization, grantOf }: OpenConnectors, requestsPerMinute: number): Promise<void> {
  await authorizationRoutes(scope, {
    authorization,
    path: '/:id',
    role: 'system',
    requestsPerMinute,
    idOf: grantOf,
    async subjectOf (idOrName) {
      await grantOf(idOrName)
      const connector = await connectors.get(idOrName)
      if (connector === null) throw new errors.DWA_STORE_NOT_FOUND(`The connector "${idOrName}"`)
      const host = new URL(String(connector.auth['authorizationUrl'])).host
      return { name: connector.name, peer: host, host }
    }
  })

  scope.post<GrantRoute>('/:id/revoke', forRole(scope, 'system'), async (request) => {
    await authorization.revoke(await grantOf(request.params.id), callerOf(request))
    return await connectors.get(request.params.id)
  })
}

/** Connectors to other APIs: stored or declared, with the routes by which people authorize the `oauth2` ones. */
export const connectors = fp(connectorsPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
