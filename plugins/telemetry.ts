import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { errors } from '../lib/errors.js'
import { checkOptions } from '../lib/options.js'
import type { ErrorContext } from '../lib/telemetry/error-reporter.js'
import { openTelemetry } from '../lib/telemetry/open-telemetry.js'
import { telemetryOptionsSchema, type TelemetryOptions } from '../lib/telemetry/telemetry-options.js'
import '../types/telemetry.js'

export type { TelemetryOptions }

const pluginName = 'fastify-docuware-auth/telemetry'

async function telemetryPlugin (app: FastifyInstance, options: TelemetryOptions): Promise<void> {
  checkOptions('telemetry', telemetryOptionsSchema, options)
  if (app.hasDecorator('telemetry')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { reporter, get, set, version } = openTelemetry(app.store, app.log)

  app.decorate('telemetry', { get, set, version, capture: (error, context) => { reporter.capture(error, context) } })
  app.addHook('onError', (request, _reply, error, done) => {
    reporter.captureFromRequest(error, describe(request))
    done()
  })
  app.addHook('onReady', async () => { reporter.prepare() })
  app.addHook('onClose', async () => { await reporter.close() })
}

/** The request by its route's pattern, and who made it. */
function describe (request: FastifyRequest): ErrorContext {
  const userId = request.caller?.id ?? request.userId
  return {
    request: { method: request.method, route: request.routeOptions.url, id: request.id },
    ip: request.ip,
    ...(userId === null || userId === undefined ? {} : { user: { id: userId } })
  }
}

/** Tells Sentry of this package's errors, once an administrator has saved a DSN. */
export const telemetry = fp(telemetryPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
