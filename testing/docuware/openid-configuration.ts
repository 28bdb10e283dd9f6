import { json, type Answer } from './exchange.js'
import { scopesSupported } from './scopes.js'
import type { Tenant } from './tenant.js'

/** The identity service's metadata, with every member of DocuWare's (OpenID Connect Discovery §3), and the lies of `switches.discovery`. */
export function openidConfiguration (tenant: Tenant): Answer {
  const { discovery } = tenant.switches
  const { identity, foreign } = tenant.urls()
  if (discovery === 'foreign-redirect') return { status: 302, headers: { location: `${foreign}/.well-known/openid-configuration` } }
  const elsewhere = foreign + new URL(identity).pathname
  const metadata = { ...endpoints(tenant, discovery === 'foreign-endpoints' ? elsewhere : identity), ...capabilities(tenant) }
  switch (discovery) {
    case 'foreign-token-endpoint': return json(200, { ...metadata, token_endpoint: endpoints(tenant, elsewhere).token_endpoint })
    case 'foreign-issuer': return json(200, { ...metadata, issuer: 'https://login.example.net/another' })
    case 'no-endpoints': return json(200, { ...capabilities(tenant), issuer: tenant.issuer() })
    case 'huge': return json(200, { ...metadata, padding: 'x'.repeat(2 ** 20) })
    default: return json(200, metadata)
  }
}

function endpoints (tenant: Tenant, base: string) {
  const query = tenant.switches.endpointQuery === '' ? '' : `?${tenant.switches.endpointQuery}`
  return {
    issuer: tenant.issuer(),
    jwks_uri: `${base}/.well-known/openid-configuration/jwks`,
    authorization_endpoint: `${base}/connect/authorize${query}`,
    token_endpoint: `${base}/connect/token${query}`,
    userinfo_endpoint: `${base}/connect/userinfo${query}`,
    end_session_endpoint: `${base}/connect/endsession${query}`,
    check_session_iframe: `${base}/connect/checksession${query}`,
    revocation_endpoint: `${base}/connect/revocation${query}`,
    introspection_endpoint: `${base}/connect/introspect${query}`,
    device_authorization_endpoint: `${base}/connect/deviceauthorization${query}`,
    backchannel_authentication_endpoint: `${base}/connect/ciba${query}`,
    pushed_authorization_request_endpoint: `${base}/connect/par${query}`,
    windows_auth_endpoint: `${base}/windows/connect/token${query}`
  }
}

function capabilities (tenant: Tenant) {
  const { refreshTokenSupported, iss } = tenant.switches
  return {
    require_pushed_authorization_requests: false,
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    scopes_supported: scopesSupported.filter((scope) => refreshTokenSupported || scope !== 'offline_access'),
    claims_supported: ['sub', 'name', 'preferred_username', 'email', 'username', 'user_email', 'organization', 'organization_guid'],
    grant_types_supported: ['authorization_code', 'client_credentials', ...(refreshTokenSupported ? ['refresh_token'] : []), 'password'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    id_token_signing_alg_values_supported: ['RS256'],
    subject_types_supported: ['public'],
    code_challenge_methods_supported: ['S256'],
    request_parameter_supported: false,
    request_object_signing_alg_values_supported: [],
    prompt_values_supported: ['none', 'login', 'select_account'],
    authorization_response_iss_parameter_supported: iss !== 'absent',
    backchannel_token_delivery_modes_supported: ['poll'],
    backchannel_user_code_parameter_supported: true,
    dpop_signing_alg_values_supported: []
  }
}
