import type { FastifyInstance } from 'fastify'
import type { People } from './people.js'

/** How a client authenticates. */
export interface ClientLogin { readonly id: string, readonly secret: string }

/** The provider's clients, one of each kind. */
export interface DemoClients {
  /** Signs people in by authorization code and PKCE. */
  readonly shop: ClientLogin
  /** A program that acts as the night shift; its tokens are JWTs. */
  readonly nightShift: ClientLogin
  /** Sends people's passwords, as was usual once. */
  readonly legacy: ClientLogin
  /** Does what Odoo does: the implicit grant, and tokens in the query. It has no secret. */
  readonly odoo: { readonly id: string }
}

export interface ClientParts {
  readonly people: People
  readonly shopCallback: string
  readonly odooCallback: string
}

/** The client id of the night shift, which is the audience of its tokens. */
export const nightShiftId = 'demo-night-shift'

/** What clients may ask for, and the clients. An administrator does this once. */
export async function createClients ({ oauthProvider: { clients, scopes } }: FastifyInstance, { people, shopCallback, odooCallback }: ClientParts): Promise<DemoClients> {
  await scopes.create({ code: 'profile', name: 'Your name and e-mail address', model: 'people', filter: { _id: '$$user._id' }, fields: ['name', 'email'] })
  await scopes.create({ code: 'orders', name: 'Your orders', description: 'What you have bought, and for how much.', model: 'orders', filter: { buyer: '$$user._id' }, fields: ['item', 'price', 'buyer'] })
  await scopes.create({ code: 'items', name: 'What is ordered', description: 'The items of all orders, and not who bought them.', model: 'orders', fields: ['item'] })

  const nightShift = await people.findOne({ name: 'Night shift' }).orFail()
  const login = async (input: Parameters<typeof clients.create>[0]): Promise<ClientLogin> => {
    const { client, clientSecret } = await clients.create(input)
    return { id: client.clientId, secret: clientSecret ?? '' }
  }
  return {
    shop: await login({ name: 'Demo shop', clientId: 'demo-shop', applicationType: 'web', redirectUris: [shopCallback], scopes: ['profile', 'orders'] }),
    nightShift: await login({ name: 'Demo night shift', clientId: nightShiftId, applicationType: 'backend', userId: nightShift.id, scopes: ['profile', 'orders', 'items'], tokenType: 'jwt', jwtScope: 'profile' }),
    legacy: await login({ name: 'Demo legacy', clientId: 'demo-legacy', applicationType: 'legacy', allowPassword: true, scopes: ['profile', 'orders'] }),
    odoo: await login({ name: 'Demo Odoo', clientId: 'demo-odoo', applicationType: 'mobile', redirectUris: [odooCallback], scopes: ['profile'], allowImplicit: true, tokenInQuery: true })
  }
}
