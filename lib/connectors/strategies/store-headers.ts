import { checkOptions } from '../../options.js'
import { withHeaders, type Strategy } from '../strategy.js'
import { headerName, headerText } from './header-schema.js'

export interface StoreHeadersOptions {
  readonly storeId: string
  readonly apiKey: string
  /** Header of the key. Default `X-Manager-Token`. */
  readonly apiKeyHeader?: string | undefined
  /** Header of the store. Default `X-Store-Id`. */
  readonly storeIdHeader?: string | undefined
}

export const storeHeadersSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['storeId', 'apiKey'],
  properties: { storeId: headerText, apiKey: headerText, apiKeyHeader: headerName, storeIdHeader: headerName }
} as const

/** A store's id and its key, each in a header, and `Accept: application/json`. @throws DWA_OPTIONS_INVALID */
export function storeHeaders (options: StoreHeadersOptions): Strategy {
  checkOptions('storeHeaders', storeHeadersSchema, options)
  const { storeId, apiKey, apiKeyHeader = 'x-manager-token', storeIdHeader = 'x-store-id' } = options
  const headers = { accept: 'application/json', [apiKeyHeader.toLowerCase()]: apiKey, [storeIdHeader.toLowerCase()]: storeId }
  return { name: 'storeHeaders', secrets: [apiKey], apply: (request) => withHeaders(request, headers) }
}
