import { errors } from '../errors.js'
import { isLocalPath } from '../http/local-path.js'
import { prefixSchema } from '../options.js'

/** Options of the `admin` plugin. */
export interface AdminOptions {
  /** The console is there, and the REST API at `<prefix>/api`: each resource's path and all that is below it. Other routes below the prefix may be the app's. Default `/admin`. */
  readonly prefix?: string
  /** Whether there is a console. Default true. */
  readonly console?: boolean
  /** Where the console's "Sign in" leads people whom `access` does not know: a path on this site as browsers see it, or an https URL. Without it, `signIn` leads them there and back. */
  readonly signInUrl?: string
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
    signInUrl: { type: 'string', maxLength: 2048 },
    requestsPerMinute: { type: 'integer', minimum: 1 },
    streams: { type: 'integer', minimum: 1, maximum: 10_000 },
    openapi: { type: 'string', minLength: 1 }
  }
} as const

/** @throws DWA_OPTIONS_INVALID for an address that is neither a path on this site nor an https URL */
export function checkSignInUrl (url: string | undefined): void {
  if (url === undefined || isLocalPath(url)) return
  const { protocol = '', username = '', password = '' } = URL.canParse(url) ? new URL(url) : {}
  if (protocol !== 'https:' || username !== '' || password !== '') throw new errors.DWA_OPTIONS_INVALID('admin.signInUrl', 'must be a path on this site, or an https URL without credentials')
}
