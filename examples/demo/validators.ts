import type { FastifyInstance } from 'fastify'
import type { JwtOptions } from 'fastify-docuware-auth'
import { nightShiftId } from './clients.js'
import type { IdentityServer } from './identity-server.js'

/** What the app's own tokens carry as `aud` and `iss`. */
export const audience = 'auth_jwt_test_api'
export const issuer = 'theissuer'

/** The validators that are declared in code. */
export function declaredValidators (secretKey: string, identityServer: IdentityServer, url: string): NonNullable<JwtOptions['validators']> {
  const ownTokens = { signatureType: 'secret', secretKey, secretAlgorithm: 'HS256', audience, issuer, staticUserId: '1', partnerIdStrategy: 'email' } as const
  return [
    { name: 'demo', ...ownTokens },
    // The demo is http on loopback; anywhere else leave cookieSecure alone.
    { name: 'demo_cookie', ...ownTokens, cookieEnabled: true, cookieName: 'demo_auth', cookieMaxAge: 3600, cookieSecure: false },
    {
      name: 'demo_keycloak',
      signatureType: 'public_key',
      publicKeyJwkUri: identityServer.keySetUrl,
      publicKeyAlgorithm: 'RS256',
      audience,
      issuer: identityServer.issuer,
      userIdStrategy: 'claim',
      partnerIdStrategy: 'email'
    },
    // The app's own provider: its key set is at hand, and not asked for over HTTP.
    {
      name: 'demo_provider',
      signatureType: 'public_key',
      publicKeyJwkUri: `${url}/oauth2/jwks`,
      publicKeyAlgorithm: 'RS256',
      audience: nightShiftId,
      issuer: url,
      userIdStrategy: 'claim',
      partnerIdStrategy: 'email'
    }
  ]
}

export type NewValidator = Parameters<FastifyInstance['jwtValidators']['create']>[0]

/** A partner company's tokens: created while the app runs, kept in MongoDB, its secret encrypted. Whatever it refuses goes on to `demo`. */
export function storedValidator (secretKey: string): NewValidator {
  return { name: 'demo_stored', signatureType: 'secret', secretKey, audience, issuer: 'https://partner.example', userIdStrategy: 'claim', partnerIdStrategy: 'email', nextValidator: 'demo' }
}
