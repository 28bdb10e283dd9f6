import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { errors } from '../lib/errors.js'
import { networkOf } from '../lib/http/address-network.js'

/**
 * Bounds the requests that one address may send to a scope in a minute, in one process (security.md 31): to each route that has `config: { rateLimit: {} }`, to all that run the
 * hook which is returned, or, `together`, to every route. In full: where the app has a limiter of its own, what is left out would be as it says there.
 */
export async function limitAddresses (scope: FastifyInstance, requestsPerMinute: number, { together = false }: { readonly together?: boolean } = {}): Promise<ReturnType<FastifyInstance['rateLimit']>> {
  const limit: Parameters<FastifyInstance['rateLimit']>[0] = {
    max: requestsPerMinute,
    timeWindow: 60_000,
    allowList: [],
    ban: -1,
    keyGenerator: ({ ip }) => networkOf(ip),
    errorResponseBuilder: (_request, { ttl }) => new errors.DWA_RATE_LIMITED(Math.ceil(ttl / 1000))
  }
  await scope.register(rateLimit, { ...limit, global: together })
  return scope.rateLimit(limit)
}
