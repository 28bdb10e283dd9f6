/** What a request's Authorization header holds (RFC 6750 §2.1). */
export type BearerCredential = { readonly token: string } | 'missing' | 'malformed'

/** Scheme in any letter case, one space, one token, nothing else; an empty header counts as missing. */
export function readBearer (authorization: unknown): BearerCredential {
  if (authorization === undefined) return 'missing'
  if (typeof authorization !== 'string') return 'malformed'
  if (!/^bearer /i.test(authorization)) return authorization.trim() === '' ? 'missing' : 'malformed'
  const token = authorization.slice(7)
  return token === '' || token.includes(' ') || token.includes('\t') ? 'malformed' : { token }
}
