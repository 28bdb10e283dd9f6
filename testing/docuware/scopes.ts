/** The scopes that an app may ask for. */
export const scopesSupported = ['openid', 'dwprofile', 'docuware.platform', 'docuware.settings', 'offline_access']

/** The scopes of a request without repetition; null when there is none, or one that cannot be given. */
export function readScopes (text: string | null, refreshTokenSupported: boolean): string[] | null {
  const scopes = [...new Set((text ?? '').split(' ').filter((scope) => scope !== ''))]
  const fits = (scope: string): boolean => scopesSupported.includes(scope) && (refreshTokenSupported || scope !== 'offline_access')
  return scopes.length > 0 && scopes.every(fits) ? scopes : null
}
