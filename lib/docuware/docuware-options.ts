import { prefixSchema } from '../options.js'
import type { QueueOption } from './queue/job-queue.js'

/** Options of the `docuware` plugin. */
export interface DocuwareOptions {
  /** Of the plugin's routes. Default `/docuware`. */
  readonly prefix?: string
  /** Runs syncs: an object with `enqueue` and `process`, or an Agenda instance. Without one they run where they are asked for. */
  readonly queue?: QueueOption
  readonly http?: {
    /** Milliseconds for one try of a request to the platform. Default 30 000. Exchanges with the identity service take 10 000 at most. */
    readonly timeoutMs?: number
    /** How often a request is sent at most. Default 5. */
    readonly tries?: number
  }
  /** Allows http addresses on loopback: for tests and demos. Default false. */
  readonly allowInsecure?: boolean
  /** Seconds before its end from which on an access token is refreshed. Default 300. */
  readonly refreshBeforeSeconds?: number
  /** Authorizations that one address may begin in a minute, and callbacks it may send, in one process. Default 60. */
  readonly requestsPerMinute?: number
}

export const docuwareOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    prefix: prefixSchema,
    queue: { type: 'object' },
    http: { type: 'object', additionalProperties: false, properties: { timeoutMs: { type: 'integer', minimum: 100, maximum: 600_000 }, tries: { type: 'integer', minimum: 1, maximum: 20 } } },
    allowInsecure: { type: 'boolean' },
    refreshBeforeSeconds: { type: 'integer', minimum: 0, maximum: 3600 },
    requestsPerMinute: { type: 'integer', minimum: 1 }
  }
} as const
