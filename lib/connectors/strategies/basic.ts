import { checkOptions } from '../../options.js'
import { withHeaders, type Strategy } from '../strategy.js'

export interface BasicOptions { readonly username: string, readonly password: string }

const text = { type: 'string', maxLength: 1000, pattern: '^[^\\x00-\\x1f\\x7f]*$' } as const

export const basicSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['username', 'password'],
  properties: { username: { ...text, pattern: '^[^:\\x00-\\x1f\\x7f]*$' }, password: text }
} as const

/** HTTP Basic, in UTF-8 (RFC 7617). @throws DWA_OPTIONS_INVALID, also for a user name with a colon, which Basic cannot say */
export function basic (options: BasicOptions): Strategy {
  checkOptions('basic', basicSchema, options)
  const { username, password } = options
  const authorization = `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
  return { name: 'basic', secrets: [password], apply: (request) => withHeaders(request, { authorization }) }
}
