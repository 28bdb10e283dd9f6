import type { Lifetimes, StoredClient } from './client-schema.js'

/** The grants of the token endpoint that a client may use (RFC 6749 §4, §6). */
export function grantsOf ({ applicationType, allowPassword }: Pick<StoredClient, 'applicationType' | 'allowPassword'>): string[] {
  switch (applicationType) {
    case 'web':
    case 'mobile':
      return ['authorization_code', 'refresh_token']
    case 'legacy':
      return allowPassword ? ['password', 'refresh_token'] : []
    case 'backend':
      return ['client_credentials']
  }
}

/** A client's lifetimes, the provider's where it has none of its own. Seconds. */
export function lifetimesOf ({ lifetimes }: Pick<StoredClient, 'lifetimes'>, provider: Required<Lifetimes>): Required<Lifetimes> {
  return lifetimes === undefined ? provider : { ...provider, ...lifetimes }
}
