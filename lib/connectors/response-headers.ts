import type { IncomingHttpHeaders } from 'node:http'

/** Headers of an answer as Node has them: names in lower case, `set-cookie` a list, since cookies cannot be joined (RFC 9110 §5.3), any other a text. */
export type ResponseHeaders = Readonly<IncomingHttpHeaders>

export function responseHeaders (headers: Headers): ResponseHeaders {
  const plain: IncomingHttpHeaders = {}
  for (const [name, value] of headers) plain[name] = value // Object.fromEntries takes three times as long
  if (plain['set-cookie'] !== undefined) plain['set-cookie'] = headers.getSetCookie()
  return plain
}
