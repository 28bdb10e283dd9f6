import { errors } from '../../errors.js'
import { checkOptions } from '../../options.js'
import { withHeaders, type Strategy } from '../strategy.js'
import { headerName, headerText } from './header-schema.js'

export interface ApiKeyOptions {
  readonly key: string
  /** Sent beside the key, in `X-API-Secret`. */
  readonly secret?: string | undefined
  /** Header of the key. Default `X-API-Key`. */
  readonly header?: string | undefined
  /** Instead of a header: `Authorization: <scheme> <key>`. */
  readonly scheme?: string | undefined
  /** Instead of a header: the key as this parameter of the query. It stands in the access logs of whoever serves the API. */
  readonly query?: string | undefined
}

export const apiKeySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['key'],
  properties: {
    key: headerText,
    secret: headerText,
    header: headerName,
    scheme: headerName,
    query: { type: 'string', minLength: 1, maxLength: 100 }
  }
} as const

/** An API key in a header, under a scheme of `Authorization`, or in the query. @throws DWA_OPTIONS_INVALID */
export function apiKey (options: ApiKeyOptions): Strategy {
  checkOptions('apiKey', apiKeySchema, options)
  const { key, secret, header = 'x-api-key', scheme, query } = options
  if ([options.header, scheme, query].filter((place) => place !== undefined).length > 1) throw new errors.DWA_OPTIONS_INVALID('apiKey', 'has a header, a scheme or a query, not more than one of them')
  const headers: Record<string, string> = {
    ...(query !== undefined ? {} : scheme !== undefined ? { authorization: `${scheme} ${key}` } : { [header.toLowerCase()]: key }),
    ...(secret === undefined ? {} : { 'x-api-secret': secret })
  }
  return {
    name: 'apiKey',
    secrets: [key, ...(secret === undefined ? [] : [secret])],
    apply (request) {
      if (query === undefined) return withHeaders(request, headers)
      const url = new URL(request.url)
      url.searchParams.set(query, key)
      return { ...withHeaders(request, headers), url }
    }
  }
}
