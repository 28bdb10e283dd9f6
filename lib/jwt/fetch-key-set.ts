import { fetchJson } from '../http/fetch-json.js'
import { isLoopbackHost } from '../http/private-address.js'
import type { JwtOptions } from './jwt-options.js'

const maxBytes = 512 * 1024

/**
 * Fetches the document of a key set.
 * @param dynamic whether the URL came from the database: then its host must have a global address, unless the options allow others
 * @param timeoutMs milliseconds for all of it
 * @throws Error with a one-line message that holds no part of the answer's body
 */
export async function fetchKeySet (url: URL, dynamic: boolean, { allowInsecure = false, keySets }: Pick<JwtOptions, 'allowInsecure' | 'keySets'>, timeoutMs = 5000): Promise<unknown> {
  const allowSpecialAddress = !dynamic || keySets?.allowPrivateAddresses === true || (allowInsecure && isLoopbackHost(url.hostname))
  return await fetchJson(url, { timeoutMs, maxBytes, allowSpecialAddress })
}
