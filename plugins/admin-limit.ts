import type { RateLimitOptions } from '@fastify/rate-limit'
import { errors } from '../lib/errors.js'
import { networkOf } from '../lib/http/address-network.js'

/** How requests to administration are counted. In full: where the app has a limiter of its own, what is left out would be as it says there. */
export function limitOf (requestsPerMinute: number): RateLimitOptions {
  return {
    max: requestsPerMinute,
    timeWindow: 60_000,
    allowList: [],
    ban: -1,
    keyGenerator: ({ ip }) => networkOf(ip),
    errorResponseBuilder: (_request, { ttl }) => new errors.DWA_RATE_LIMITED(Math.ceil(ttl / 1000))
  }
}
