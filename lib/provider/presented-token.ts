import { errors } from '../errors.js'
import { readBearer } from '../jwt/bearer.js'
import type { Parameters } from './form-parameters.js'

/** Where an access token came from (RFC 6750 §2). */
export interface PresentedToken {
  readonly text: string
  /** Query: for clients with `tokenInQuery` only. */
  readonly inQuery: boolean
}

/** The token of a request, in exactly one place; null without one, or when the header is malformed. @throws DWA_OAUTH_INVALID_REQUEST for two places */
export function presentedToken ({ authorization, query, body }: { readonly authorization: string | undefined, readonly query: Parameters, readonly body: Parameters }): PresentedToken | null {
  const header = /^bearer\b/i.test(authorization ?? '') ? readBearer(authorization) : 'missing' // another scheme holds no token
  const inQuery = query.get('access_token')
  const inBody = body.get('access_token')
  if ([header === 'missing' ? undefined : header, inQuery, inBody].filter((place) => place !== undefined).length > 1) throw new errors.DWA_OAUTH_INVALID_REQUEST('The access token is in more than one place')
  if (inQuery !== undefined) return { text: inQuery, inQuery: true }
  if (inBody !== undefined) return { text: inBody, inQuery: false }
  return typeof header === 'string' ? null : { text: header.token, inQuery: false }
}
