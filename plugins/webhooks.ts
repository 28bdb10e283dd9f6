import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { errors } from '../lib/errors.js'
import { checkOptions } from '../lib/options.js'
import { isSourceName, openWebhooks } from '../lib/webhooks/open-webhooks.js'
import { webhooksOptionsSchema, type WebhooksOptions as Options } from '../lib/webhooks/webhook-options.js'
import { decorateRequests } from './request-decorators.js'
import '../types/webhooks.js'

/** Options of the `webhooks` plugin. */
export type WebhooksOptions = Options<FastifyRequest>

const pluginName = 'fastify-docuware-auth/webhooks'

async function webhooksPlugin (app: FastifyInstance, options: WebhooksOptions): Promise<void> {
  checkOptions('webhooks', webhooksOptionsSchema, options)
  if (app.hasDecorator('webhookSources')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { sources, guard, refuseSharedNames } = openWebhooks(options, app.store, app.log, () => new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())

  app.decorate('webhookSources', sources)
  decorateRequests(app, ['webhook'])
  app.routeAuth.webhook.register({
    name: pluginName,
    claim (value, route) {
      if (!isSourceName(value)) throw new errors.DWA_ROUTE_MALFORMED(route, `config.webhook ${JSON.stringify(value)} is no name of a source`)
      return guard.hook(value)
    }
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const writing = guard.conclude(request, reply)
    if (writing === null) done(null, payload)
    else writing.then(() => { done(null, payload) }, done)
  })
  app.addHook('onReady', refuseSharedNames)
}

/** Verification of signed incoming webhooks. */
export const webhooks = fp(webhooksPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
