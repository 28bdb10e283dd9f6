import type { IncomingHttpHeaders } from 'node:http'
import { errors } from '../errors.js'
import { isJsonType, requestBounded, type BoundedRequest } from '../http/bounded-request.js'
import { parseJson } from '../http/fetch-json.js'
import { isLoopbackHost } from '../http/private-address.js'
import type { Discovered } from './connection-schema.js'
import { isCloudPlatform } from './platform-url.js'
import type { DocuWareObject } from './rest/docuware-client.js'
import { isObject, member } from './rest/member.js'

export interface DiscoveryOptions {
  /** Whether http is allowed on loopback. */
  readonly allowInsecure: boolean
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds for each of the two documents, redirects included. Default 10 000. */
  readonly timeoutMs?: number
}

const maxBytes = 256 * 1024
const maxRedirects = 3

/**
 * Finds a platform's identity service and its endpoints (OpenID Connect Discovery 1.0 §4): at most 10 s and 256 KiB a document, https only,
 * no redirect to another origin, and no private address for a cloud platform.
 * @throws DWA_DOCUWARE_NO_IDENTITY_SERVICE, DWA_DOCUWARE_DISCOVERY
 */
export async function discover (platformUrl: string, { allowInsecure, now, timeoutMs = 10_000 }: DiscoveryOptions): Promise<Discovered> {
  const bounds = { timeoutMs, allowSpecialAddress: !isCloudPlatform(platformUrl) }
  const info = await readDocument('IdentityServiceInfo', new URL(`${platformUrl}/Home/IdentityServiceInfo`), bounds)
  const named = stringMember(info, 'IdentityServiceUrl').trim()
  if (named === '') throw new errors.DWA_DOCUWARE_NO_IDENTITY_SERVICE()
  const base = secureUrl('IdentityServiceInfo', 'IdentityServiceUrl', named, allowInsecure)
  if (base.search !== '') throw new errors.DWA_DOCUWARE_DISCOVERY('IdentityServiceInfo', 'has an IdentityServiceUrl with a query')
  const identityUrl = base.href.replace(/\/+$/, '')
  const metadata = await readDocument('openid-configuration', new URL(`${identityUrl}/.well-known/openid-configuration`), bounds)
  const issuer = stringMember(metadata, 'issuer')
  if (!isSameIssuer(issuer, base)) throw new errors.DWA_DOCUWARE_DISCOVERY('openid-configuration', 'is that of another issuer')
  const endpoint = (name: string): string => {
    const url = secureUrl('openid-configuration', name, stringMember(metadata, name), allowInsecure)
    if (url.origin !== base.origin) throw new errors.DWA_DOCUWARE_DISCOVERY('openid-configuration', `has a ${name} of another origin`)
    return url.href
  }
  const optional = (name: string): string | undefined => stringMember(metadata, name) === '' ? undefined : endpoint(name)
  const userinfoEndpoint = optional('userinfo_endpoint')
  const revocationEndpoint = optional('revocation_endpoint')
  return {
    identityUrl,
    issuer,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    ...(userinfoEndpoint === undefined ? {} : { userinfoEndpoint }),
    ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
    refreshTokenSupported: member(info, 'RefreshTokenSupported') !== false,
    at: now()
  }
}

async function readDocument (document: string, start: URL, { timeoutMs, allowSpecialAddress }: Pick<BoundedRequest, 'timeoutMs' | 'allowSpecialAddress'>): Promise<DocuWareObject> {
  let url = start
  const end = performance.now() + timeoutMs
  try {
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      const { status, headers, body } = await requestBounded(url, { timeoutMs: Math.max(1, Math.ceil(end - performance.now())), maxBytes, allowSpecialAddress, headers: { accept: 'application/json' }, inspect: refuseUseless })
      if (status !== 200) {
        url = sameOriginTarget(url, headers.location)
        continue
      }
      const value = parseJson(body)
      if (!isObject(value)) throw new Error('is no JSON object')
      return value
    }
    throw new Error('is redirected in a circle')
  } catch (cause) {
    throw new errors.DWA_DOCUWARE_DISCOVERY(document, cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function refuseUseless (status: number, headers: IncomingHttpHeaders): void {
  if (status >= 300 && status < 400) return
  if (status !== 200) throw new Error(`answered with status ${status}`)
  const type = headers['content-type']
  if (!isJsonType(type)) throw new Error(`answered ${/html/i.test(type ?? '') ? 'HTML' : /xml/i.test(type ?? '') ? 'XML' : 'another media type'} where JSON was expected`)
}

function sameOriginTarget (from: URL, location = ''): URL {
  if (location === '' || !URL.canParse(location, from.href)) throw new Error('is redirected to nowhere')
  const target = new URL(location, from)
  if (target.origin !== from.origin) throw new Error('is redirected to another origin')
  return target
}

/** https, or http on loopback where that is allowed; the query stays. */
function secureUrl (document: string, name: string, text: string, allowInsecure: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && allowInsecure && isLoopbackHost(url.hostname))
  if (url === null || !secure || url.username !== '' || url.password !== '' || url.hash !== '') throw new errors.DWA_DOCUWARE_DISCOVERY(document, `has no usable ${name}`)
  return url
}

/** On premises the issuer may differ from the address in letter case: the path is compared without it, the origin exactly. */
export function isSameIssuer (issuer: string, identityUrl: URL): boolean {
  if (!URL.canParse(issuer)) return false
  const { origin, pathname, search, hash } = new URL(issuer)
  const bare = (path: string): string => path.replace(/\/+$/, '').toLowerCase()
  return origin === identityUrl.origin && search === '' && hash === '' && bare(pathname) === bare(identityUrl.pathname)
}

/** Empty when there is no such text. */
function stringMember (document: DocuWareObject, name: string): string {
  const found = member(document, name)
  return typeof found === 'string' ? found : ''
}
