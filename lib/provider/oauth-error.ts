import { isAuthError } from '../errors.js'

/** An error as an OAuth endpoint answers it (RFC 6749 §5.2). */
export interface OAuthErrorAnswer {
  readonly status: number
  readonly body: { readonly error: string, readonly error_description?: string }
  readonly headers: Readonly<Record<string, string>>
}

const prefix = 'DWA_OAUTH_'

/** Nothing internal is told: what is not OAuth's own is `server_error`, or `temporarily_unavailable` with a time to come back. */
export function oauthErrorOf (error: unknown): OAuthErrorAnswer {
  if (isAuthError(error, 'DWA_STORE_UNAVAILABLE') || isAuthError(error, 'DWA_LOG_CLOSED')) return { status: 503, body: { error: 'temporarily_unavailable' }, headers: { 'retry-after': '5' } }
  if (isAuthError(error, 'DWA_RATE_LIMITED')) {
    const seconds = 'retryAfter' in error && typeof error.retryAfter === 'number' ? error.retryAfter : 60
    return { status: 429, body: { error: 'temporarily_unavailable', error_description: 'Too many requests' }, headers: { 'retry-after': String(seconds) } }
  }
  if (isAuthError(error) && error.code.startsWith(prefix)) {
    const name = error.code.slice(prefix.length).toLowerCase()
    const challenged = name === 'invalid_client' && 'challenge' in error && error.challenge === true
    return { status: error.statusCode ?? 400, body: { error: name, error_description: error.message }, headers: challenged ? { 'www-authenticate': 'Basic realm="oauth2"' } : {} }
  }
  const status = typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  if (status === 413) return { status, body: { error: 'invalid_request', error_description: 'The request is too large' }, headers: {} }
  if (status === 415) return { status, body: { error: 'invalid_request', error_description: 'The body must be application/x-www-form-urlencoded' }, headers: {} }
  if (status >= 400 && status < 500) return { status, body: { error: 'invalid_request' }, headers: {} }
  return { status: 500, body: { error: 'server_error' }, headers: {} }
}
