import { authorize } from './authorize.js'
import { findBearer } from './bearer-token.js'
import { json, type Answer, type Received } from './exchange.js'
import { openidConfiguration } from './openid-configuration.js'
import { renderMessage } from './sign-in-page.js'
import type { Tenant } from './tenant.js'
import { token } from './token-endpoint.js'

type Endpoint = (tenant: Tenant, received: Received) => Answer

const endpoints: { readonly [path: string]: { readonly methods: readonly string[], readonly serve: Endpoint } } = {
  '/.well-known/openid-configuration': { methods: ['GET'], serve: openidConfiguration },
  '/.well-known/openid-configuration/jwks': { methods: ['GET'], serve: (tenant) => json(200, { keys: [tenant.key.jwk] }) },
  '/connect/authorize': { methods: ['GET', 'POST'], serve: authorize },
  '/connect/token': { methods: ['POST'], serve: token },
  '/connect/userinfo': { methods: ['GET', 'POST'], serve: userinfo },
  '/connect/revocation': { methods: ['POST'], serve: revoke },
  '/connect/endsession': { methods: ['GET', 'POST'], serve: endSession }
}

/** The identity half. @throws Refusal */
export function identity (tenant: Tenant, received: Received): Answer {
  const endpoint = received.known ? endpoints[received.path.toLowerCase()] : undefined
  if (endpoint === undefined) return renderMessage(404, 'Not found', 'There is no such page.')
  if (!endpoint.methods.includes(received.method)) return { status: 405, headers: { allow: endpoint.methods.join(', ') } }
  return endpoint.serve(tenant, received)
}

/** OpenID Connect Core §5.3: `sub`, and with the scope `dwprofile` who that is. */
function userinfo (tenant: Tenant, received: Received): Answer {
  const accessToken = findBearer(tenant, received)
  if (accessToken === null) return { status: 401, headers: { 'www-authenticate': received.incoming.headers.authorization === undefined ? 'Bearer' : 'Bearer error="invalid_token"' } }
  if (!accessToken.scopes.includes('openid')) return { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="openid"' } }
  const { sub, username, name, email } = tenant.user
  if (!accessToken.scopes.includes('dwprofile')) return json(200, { sub })
  return json(200, { sub, name, preferred_username: username, email, username, user_email: email, organization: tenant.organization.name, organization_guid: tenant.organization.guid })
}

/** RFC 7009: 200 for whatever is not a token of this client, too. */
function revoke (tenant: Tenant, received: Received): Answer {
  const { form } = received
  if (form === null) return json(400, { error: 'invalid_request' })
  const client = tenant.clients.authenticate(received, form, tenant.switches)
  const value = form.get('token') ?? ''
  if (value === '') return json(400, { error: 'invalid_request' })
  tenant.tokens.revoke(value, client.clientId)
  return { status: 200, headers: { 'cache-control': 'no-store' } }
}

function endSession (tenant: Tenant, received: Received): Answer {
  const parameters = received.form ?? received.url.searchParams
  const returnTo = parameters.get('post_logout_redirect_uri')
  if (returnTo === null || !tenant.clients.app.redirectUris.has(returnTo)) return renderMessage(200, 'Signed out', 'You have signed out.')
  const state = parameters.get('state')
  return { status: 302, headers: { location: state === null ? returnTo : `${returnTo}${returnTo.includes('?') ? '&' : '?'}${new URLSearchParams({ state })}` } }
}
