import { errors } from '../errors.js'

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * The app's external base URL in one spelling, without a trailing slash: https, or http on loopback.
 * @throws DWA_OPTIONS_INVALID
 */
export function readPublicUrl (text: string, option: string): string {
  if (!URL.canParse(text)) throw new errors.DWA_OPTIONS_INVALID(option, 'is not a URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.has(url.hostname))) throw new errors.DWA_OPTIONS_INVALID(option, 'must be https, or http on loopback')
  if (url.username !== '' || url.password !== '') throw new errors.DWA_OPTIONS_INVALID(option, 'must not hold credentials')
  if (/[?#]/.test(text)) throw new errors.DWA_OPTIONS_INVALID(option, 'must not have a query or a fragment')
  return url.href.replace(/\/+$/, '')
}
