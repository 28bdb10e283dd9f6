import type { Grant, NewTokens } from '../../oauth-client/grant.js'
import type { TokenRefresh } from '../../oauth-client/token-refresh.js'
import { withHeaders, type ConnectorRequest, type Strategy } from '../strategy.js'
import { connectorErrors } from './connector-errors.js'

/** What a connector's requests are sent with. */
export interface TypedToken { readonly accessToken: string, readonly tokenType: string }

/** What a connector was granted. */
export interface ConnectorGrant extends Grant {
  readonly fields: Grant['fields'] & { readonly tokenType?: string }
  readonly bearer: TypedToken | null
}

/** What all kinds of connectors' grants have in common: their endpoints are configured, and never looked for. */
export const configuredGrants = {
  area: 'connector',
  errors: connectorErrors,
  isKnown: () => true,
  isGone: async () => false,
  rediscover: null,
  isDiscoveryFailure: () => false
} as const

/** A grant of what a record keeps. */
export function connectorGrant<Kept extends Omit<ConnectorGrant, 'bearer'>> (kept: Kept): Kept & { readonly bearer: TypedToken | null } {
  const { secrets: { accessToken }, fields: { tokenType = 'Bearer' } } = kept
  return { ...kept, bearer: accessToken === undefined ? null : { accessToken, tokenType: tokenType.toLowerCase() === 'bearer' ? 'Bearer' : tokenType } }
}

/** The fields of a grant with other tokens. */
export function fieldsWith<Fields extends ConnectorGrant['fields']> ({ expiresAt: _, refreshAt: __, ...fields }: Fields, { expiresAt, refreshAt, tokenType }: NewTokens): Omit<Fields, 'expiresAt' | 'refreshAt'> & { readonly status: 'authorized', readonly expiresAt?: number, readonly refreshAt?: number, readonly tokenType?: string } {
  return { ...fields, status: 'authorized', ...(expiresAt === undefined ? {} : { expiresAt }), ...(refreshAt === undefined ? {} : { refreshAt }), ...(tokenType === undefined ? {} : { tokenType }) }
}

/** Requests with the access token of a grant, `Authorization: <token_type> <access_token>`: refreshed before it ends, and once when it is refused. */
export function grantStrategy<One extends ConnectorGrant> (read: () => One | Promise<One>, refresh: TokenRefresh<One>): Strategy {
  const authorize = (request: ConnectorRequest, { tokenType, accessToken }: TypedToken): ConnectorRequest => withHeaders(request, { authorization: `${tokenType} ${accessToken}` })
  const tokenOf = ({ headers: { authorization = '' } }: ConnectorRequest): string => authorization.slice(authorization.indexOf(' ') + 1)
  let last: One | null = null
  return {
    name: 'oauth2',
    async apply (request) {
      last = await read()
      return authorize(request, await refresh.current(last))
    },
    async onUnauthorized (_response, request) {
      await refresh.renew(await read(), tokenOf(request))
      return true
    },
    onRejected (request) {
      if (last !== null) refresh.rejected(last, tokenOf(request))
    }
  }
}
