import { oauthErrorOf } from './oauth-error.js'
import type { Destination } from './authorization-request.js'

export type AnswerParameters = Readonly<Record<string, string | number>>

/**
 * The redirect that answers an authorization request: the redirect URI as it is registered, its own query kept, with the parameters, `state` as it came,
 * and `iss` (RFC 6749 §4.1.2, §4.2.2, RFC 9207).
 */
export function answerLocation ({ redirectUri, state, inFragment }: Pick<Destination, 'redirectUri' | 'state' | 'inFragment'>, issuer: string, parameters: AnswerParameters): string {
  const all = { ...parameters, ...(state === null ? {} : { state }), iss: issuer }
  const encoded = Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&') // %20 and no +: some clients read a fragment with nothing but decodeURIComponent
  if (inFragment) return `${redirectUri}#${encoded}`
  if (!redirectUri.includes('?')) return `${redirectUri}?${encoded}`
  return /[?&]$/.test(redirectUri) ? redirectUri + encoded : `${redirectUri}&${encoded}`
}

/** The same for an error of OAuth's own. */
export function refusalLocation (destination: Destination, issuer: string, error: unknown): string {
  return answerLocation(destination, issuer, { ...oauthErrorOf(error).body })
}
