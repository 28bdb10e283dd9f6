import { createHash, randomBytes } from 'node:crypto'
import { isLogin } from './authorize.js'
import type { Client } from './clients.js'
import { json, Refusal, type Answer, type Received } from './exchange.js'
import { makeIdToken } from './id-token.js'
import { readScopes } from './scopes.js'
import type { Tenant } from './tenant.js'
import type { Grant } from './tokens.js'

const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' }

/** `/connect/token` (RFC 6749 §3.2). @throws Refusal */
export function token (tenant: Tenant, received: Received): Answer {
  const { form } = received
  if (form === null) throw failure('invalid_request')
  const verifier = form.get('code_verifier')
  if (verifier !== null) tenant.secrets.add('codeVerifiers', verifier)
  const client = tenant.clients.authenticate(received, form, tenant.switches)
  if ([...form.keys()].some((name) => form.getAll(name).length > 1)) throw failure('invalid_request')
  const grantType = form.get('grant_type') ?? ''
  if (!['authorization_code', 'refresh_token', 'password', 'client_credentials'].includes(grantType)) throw failure(grantType === '' ? 'invalid_request' : 'unsupported_grant_type')
  if (!client.grantTypes.has(grantType)) throw failure('unauthorized_client')
  switch (grantType) {
    case 'authorization_code': return redeemCode(tenant, client, form)
    case 'refresh_token': return refresh(tenant, client, form)
    case 'password': return byPassword(tenant, client, form)
    default: return byClientCredentials(tenant, client, form)
  }
}

function failure (error: string, description?: string): Refusal {
  return new Refusal(json(400, { error, ...(description === undefined ? {} : { error_description: description }) }, noStore))
}

/** RFC 6749 §4.1.3: the code works once, for its client and redirect URI, with its verifier (RFC 7636 §4.6). */
function redeemCode (tenant: Tenant, client: Client, form: URLSearchParams): Answer {
  const code = tenant.codes.get(form.get('code') ?? '')
  if (code === undefined || code.grant.clientId !== client.clientId) throw failure('invalid_grant')
  if (code.used) {
    code.grant.revoked = true
    throw failure('invalid_grant')
  }
  code.used = true
  if (code.expiresAt <= tenant.now() || form.get('redirect_uri') !== code.redirectUri) throw failure('invalid_grant')
  const verifier = form.get('code_verifier')
  const challenge = verifier === null ? null : createHash('sha256').update(verifier).digest('base64url')
  if (challenge !== code.codeChallenge || (verifier !== null && !/^[A-Za-z0-9._~-]{43,128}$/.test(verifier))) throw failure('invalid_grant')
  return json(200, answer(tenant, code.grant, code.grant.scopes, code.nonce, firstRefreshToken(tenant, code.grant)), noStore)
}

/** RFC 6749 §6, in the refresh mode that is switched on. */
function refresh (tenant: Tenant, client: Client, form: URLSearchParams): Answer {
  const { refreshTokenSupported, refreshMode, omitRefreshToken } = tenant.switches
  if (!refreshTokenSupported) throw failure('unsupported_grant_type')
  const value = form.get('refresh_token') ?? ''
  if (value === '') throw failure('invalid_request')
  const presented = tenant.tokens.getRefresh(value)
  if (presented === undefined || presented.grant.clientId !== client.clientId || presented.grant.revoked) throw failure('invalid_grant')
  const { grant } = presented
  if (presented.used && refreshMode === 'rotate+revokeFamily') grant.revoked = true
  if (presented.used || presented.ended || presented.expiresAt <= tenant.now()) throw failure('invalid_grant')
  const scopes = form.has('scope') ? readScopes(form.get('scope'), true) : grant.scopes
  if (scopes === null || !scopes.every((scope) => grant.scopes.includes(scope))) throw failure('invalid_scope')

  const rotates = refreshMode !== 'reuse' && !omitRefreshToken
  if (rotates) presented.used = true
  else presented.expiresAt = refreshExpiry(tenant, grant)
  const next = rotates ? issueRefreshToken(tenant, grant) : value
  return json(200, answer(tenant, grant, scopes, null, omitRefreshToken ? null : next), noStore)
}

function byPassword (tenant: Tenant, client: Client, form: URLSearchParams): Answer {
  const scopes = readScopes(form.get('scope'), tenant.switches.refreshTokenSupported)
  if (scopes === null) throw failure('invalid_scope')
  if (!isLogin(tenant, form.get('username') ?? '', form.get('password') ?? '')) throw failure('invalid_grant', 'invalid_username_or_password')
  const grant = tenant.tokens.startGrant({ sub: tenant.user.sub, clientId: client.clientId, scopes, method: 'password', startedAt: tenant.now() })
  return json(200, answer(tenant, grant, scopes, null, firstRefreshToken(tenant, grant)), noStore)
}

function byClientCredentials (tenant: Tenant, client: Client, form: URLSearchParams): Answer {
  const scopes = readScopes(form.get('scope') ?? 'docuware.platform', tenant.switches.refreshTokenSupported)
  if (scopes === null || scopes.includes('openid') || scopes.includes('offline_access')) throw failure('invalid_scope')
  const grant = tenant.tokens.startGrant({ sub: client.clientId, clientId: client.clientId, scopes, method: 'client', startedAt: tenant.now() })
  return json(200, answer(tenant, grant, scopes, null, null), noStore)
}

function firstRefreshToken (tenant: Tenant, grant: Grant): string | null {
  return grant.scopes.includes('offline_access') && tenant.switches.refreshTokenSupported ? issueRefreshToken(tenant, grant) : null
}

function issueRefreshToken (tenant: Tenant, grant: Grant): string {
  return tenant.secrets.add('refreshTokens', tenant.tokens.issueRefresh(grant, refreshExpiry(tenant, grant)))
}

/** Sliding, and never beyond the absolute lifetime. */
function refreshExpiry (tenant: Tenant, grant: Grant): number {
  return Math.min(tenant.now() + tenant.lifetimes.refreshToken * 1000, grant.startedAt + tenant.lifetimes.refreshTokenAbsolute * 1000)
}

function answer (tenant: Tenant, grant: Grant, scopes: readonly string[], nonce: string | null, refreshToken: string | null): object {
  const accessToken = issueAccessToken(tenant, grant, scopes)
  const idToken = scopes.includes('openid') ? makeIdToken(tenant, grant, accessToken, nonce) : null
  return {
    ...(idToken === null ? {} : { id_token: idToken }),
    access_token: accessToken,
    expires_in: tenant.lifetimes.accessToken,
    token_type: 'Bearer',
    ...(refreshToken === null ? {} : { refresh_token: refreshToken }),
    scope: scopes.join(' ')
  }
}

/** A JWT access token with the claims of DocuWare's. */
function issueAccessToken (tenant: Tenant, grant: Grant, scopes: readonly string[]): string {
  const now = Math.floor(tenant.now() / 1000)
  const accessToken = tenant.key.sign({
    iss: tenant.issuer(),
    nbf: now,
    iat: now,
    exp: now + tenant.lifetimes.accessToken,
    aud: 'docuware.platform',
    scope: scopes,
    amr: grant.method === 'client' ? undefined : [grant.method],
    client_id: grant.clientId,
    sub: grant.sub,
    auth_time: Math.floor(grant.startedAt / 1000),
    idp: 'local',
    organization: tenant.organization.name,
    organization_guid: tenant.organization.guid,
    jti: randomBytes(16).toString('hex').toUpperCase()
  }, 'at+jwt')
  tenant.tokens.addAccess(tenant.secrets.add('accessTokens', accessToken), { grant, scopes, expiresAt: tenant.now() + tenant.lifetimes.accessToken * 1000 })
  return accessToken
}
