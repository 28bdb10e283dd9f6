import type { SignInOptions } from 'fastify-docuware-auth'
import { demoUser } from './accounts.js'
import type { IdentityServer } from './identity-server.js'

const prefix = '/staff'

/** Where the identity server sends those who administer the app. */
export const staffCallback = `${prefix}/callback`

/** Those who administer the app sign in at the identity server. In the demo that is Ann, who may do everything. */
export function staffSignIn ({ issuer, staffClient: { id, secret } }: IdentityServer): SignInOptions {
  return {
    prefix, // the app's own people sign in at /sign-in
    issuer,
    clientId: id,
    clientSecret: secret,
    roles: { of: ({ email }) => email === demoUser.email ? ['docuware', 'oauth_provider', 'system'] : [] },
    parameters: { prompt: 'login' }, // or signing out would end nothing: the identity server still knows Ann
    allowInsecure: true // http on loopback
  }
}
