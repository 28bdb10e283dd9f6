import { prefixSchema } from '../options.js'

/** Options of the `admin` plugin. */
export interface AdminOptions {
  /** The console is there, and the REST API at `<prefix>/api`. Default `/admin`. */
  readonly prefix?: string
  /** Whether there is a console. Default true. */
  readonly console?: boolean
  /** Requests that one address may send to the API in a minute, in one process. Default 600. */
  readonly requestsPerMinute?: number
  /** Streams and exports of the log that may be open at once, in one process. Default 500. */
  readonly streams?: number
  /** The security scheme of the OpenAPI document that operations name. Default: `admin`, which is declared unless the app does. */
  readonly openapi?: string
}

export const adminOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    prefix: prefixSchema,
    console: { type: 'boolean' },
    requestsPerMinute: { type: 'integer', minimum: 1 },
    streams: { type: 'integer', minimum: 1, maximum: 10_000 },
    openapi: { type: 'string', minLength: 1 }
  }
} as const
