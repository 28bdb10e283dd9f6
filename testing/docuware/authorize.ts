import { createHash, timingSafeEqual } from 'node:crypto'
import type { Answer, Received } from './exchange.js'
import { readScopes } from './scopes.js'
import { renderMessage, renderSignIn } from './sign-in-page.js'
import type { Tenant } from './tenant.js'

const parameters = ['client_id', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state', 'nonce', 'prompt', 'code_challenge', 'code_challenge_method']

/**
 * `/connect/authorize`: GET shows the sign-in page (or approves, or declines, as the switches say), POST is that page's form.
 * Nothing of the request is kept in between: the form posts to the address with the request in its query.
 */
export function authorize (tenant: Tenant, received: Received): Answer {
  const query = received.url.searchParams
  const state = query.get('state') ?? ''
  if (state !== '') tenant.secrets.add('states', state)
  const client = tenant.clients.get(query.get('client_id') ?? '')
  const redirectUri = query.get('redirect_uri') ?? ''
  if (client === undefined || query.getAll('client_id').length > 1) return renderMessage(400, 'Unknown app', 'No app with this client id is registered here.')
  if (!client.redirectUris.has(redirectUri) || query.getAll('redirect_uri').length > 1) return renderMessage(400, 'Invalid redirect URI', 'The redirect URI is not one of those that the app has registered.')
  if (query.get('prompt') === 'consent') return renderMessage(404, 'Not found', 'There is no such page.')

  const answer = (values: { readonly [name: string]: string }): Answer => redirect(tenant, redirectUri, state, received.method === 'POST' ? 303 : 302, values)
  const problem = findProblem(query, client.native)
  if (problem !== null) return answer(problem)
  const scopes = readScopes(query.get('scope'), tenant.switches.refreshTokenSupported)
  if (scopes === null) return answer({ error: 'invalid_scope' })

  const { form } = received
  if (tenant.switches.deny || form?.get('decision') === 'deny') return answer({ error: 'access_denied' })
  const signedIn = form !== null && isLogin(tenant, form.get('username') ?? '', form.get('password') ?? '')
  if (!signedIn && !tenant.switches.autoApprove) {
    if (query.get('prompt') === 'none') return answer({ error: 'login_required' })
    return renderSignIn({ organization: tenant.organization.name, clientId: client.clientId, redirectUri, scopes, mistaken: form !== null })
  }
  const now = tenant.now()
  const code = tenant.codes.issue({
    grant: tenant.tokens.startGrant({ sub: tenant.user.sub, clientId: client.clientId, scopes, method: 'pwd', startedAt: now }),
    redirectUri,
    codeChallenge: query.get('code_challenge'),
    nonce: query.get('nonce'),
    expiresAt: now + tenant.lifetimes.code * 1000
  })
  return answer({ code: tenant.secrets.add('codes', code), scope: scopes.join(' ') })
}

/** Whether this is the user's name and password. */
export function isLogin (tenant: Tenant, username: string, password: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return username.toLowerCase() === tenant.user.username.toLowerCase() && timingSafeEqual(digest(password), digest(tenant.user.password))
}

/** What is wrong with the request, beside its scope, as parameters of the redirect (RFC 6749 §4.1.2.1, RFC 7636 §4.4.1). */
function findProblem (query: URLSearchParams, native: boolean): { readonly [name: string]: string } | null {
  if (parameters.some((name) => query.getAll(name).length > 1)) return { error: 'invalid_request', error_description: 'A parameter is repeated' }
  if ((query.get('response_type') ?? '') === '') return { error: 'invalid_request', error_description: 'Missing response_type' }
  if (query.get('response_type') !== 'code') return { error: 'unsupported_response_type' }
  if (!['', 'query'].includes(query.get('response_mode') ?? '')) return { error: 'invalid_request', error_description: 'Unsupported response_mode' }
  const challenge = query.get('code_challenge')
  if (challenge === null) return native ? { error: 'invalid_request', error_description: 'code challenge required' } : null
  if (query.get('code_challenge_method') !== 'S256') return { error: 'invalid_request', error_description: 'Transform algorithm not supported' }
  return /^[A-Za-z0-9_-]{43}$/.test(challenge) ? null : { error: 'invalid_request', error_description: 'Invalid code challenge' }
}

/** Back to the app, with `state` as it came. */
function redirect (tenant: Tenant, redirectUri: string, state: string, status: number, values: { readonly [name: string]: string }): Answer {
  const { iss } = tenant.switches
  const answer = new URLSearchParams({ ...values, ...(state === '' ? {} : { state }) })
  if (iss !== 'absent') answer.set('iss', iss === 'foreign' ? 'https://login.example.net/another' : tenant.issuer())
  return { status, headers: { location: `${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${answer}`, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } }
}
