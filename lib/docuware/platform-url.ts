import { isLoopbackHost } from '../http/private-address.js'

/** Why a text is no platform address, for the field's error. */
export interface BadPlatformUrl { readonly problem: string }

const cloudDomain = '.docuware.cloud'

/**
 * The one spelling of a platform's address, `https://<host>/DocuWare/Platform`: of `acme`, `acme.docuware.cloud`, a host of one's own,
 * or any address below the platform. http is for loopback only, and only with `allowInsecure`.
 */
export function readPlatformUrl (text: string, allowInsecure: boolean): string | BadPlatformUrl {
  const given = text.trim()
  const host = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(given) && given.toLowerCase() !== 'localhost' ? `${given}${cloudDomain}` : given
  const absolute = /^[a-z][a-z0-9+.-]*:\/\//i.test(host) ? host : `https://${host}`
  if (/[\s\\]|^[^:]*:\/\/(?:\/|[^/[]*:(?:\/|$))/.test(absolute) || !URL.canParse(absolute)) return { problem: 'is no address of a DocuWare platform' }
  const url = new URL(absolute)
  url.hostname = url.hostname.replace(/\.$/, '') // the same host, and it must not pass for another
  if (url.username !== '' || url.password !== '') return { problem: 'must not hold credentials' }
  if (url.search !== '' || url.hash !== '') return { problem: 'must not have a query or a fragment' }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && allowInsecure && isLoopbackHost(url.hostname))) return { problem: 'must be https (http is for loopback, with docuware.allowInsecure)' }
  const path = /^(?<before>(?:\/.*?)??)\/DocuWare(?:\/Platform(?:\/.*)?)?\/?$/i.exec(url.pathname)
  if (path === null && url.pathname !== '/') return { problem: 'must be a host, or end with /DocuWare/Platform' }
  return `${url.origin}${path?.groups?.['before'] ?? ''}/DocuWare/Platform`
}

/** Whether a platform is one of DocuWare Cloud, whose hosts have global addresses. */
export function isCloudPlatform (platformUrl: string): boolean {
  return new URL(platformUrl).hostname.endsWith(cloudDomain)
}
