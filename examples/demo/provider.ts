import type { FastifyInstance } from 'fastify'
import type { ProviderOptions } from 'fastify-docuware-auth'
import { signIn } from './accounts.js'
import type { Orders } from './orders.js'
import type { People } from './people.js'
import type { Sessions } from './sessions.js'

export interface ProviderParts {
  readonly url: string
  readonly people: People
  readonly orders: Orders
  readonly sessions: Sessions
}

/** Makes the app an OAuth 2 provider for its own people and orders. */
export function providerOptions ({ url, people, orders, sessions }: ProviderParts): ProviderOptions {
  return {
    issuer: url,
    allowInsecure: true, // http on loopback
    owner: {
      async current ({ headers }) {
        const email = sessions.emailOf(headers.cookie)
        return email === null ? null : await people.findOne({ email }).lean()
      },
      loginUrl: (_request, returnTo) => `/sign-in?next=${encodeURIComponent(returnTo)}`,
      find: async (id) => await people.findById(id).lean(),
      verifyPassword: async (email, password) => signIn(email, password) === null ? null : await people.findOne({ email: email.trim().toLowerCase() }).lean()
    },
    resources: { people: { model: people, user: true }, orders: { model: orders } }
  }
}

/** A route for whoever holds a token with the scope `orders`: it shows what the token's scopes do. */
export function addProviderRoutes (app: FastifyInstance): void {
  app.get('/provider_demo/orders', { config: { auth: 'oauth_provider', scopes: ['orders'] } }, async ({ oauthToken }) => {
    return oauthToken === null ? {} : await app.oauthProvider.getData(oauthToken, 'orders')
  })
}
