import type { FastifyInstance } from 'fastify'
import type { ConnectorsOptions } from 'fastify-docuware-auth'
import { bearer, hmac } from 'fastify-docuware-auth/connectors'
import type { DocuWare } from 'fastify-docuware-auth/testing'
import type { EchoApi } from './echo-api.js'

/** The ways a connector proves who calls. The demo has one of each, of that name. */
export const connectorKinds = ['apiKey', 'bearer', 'oauth2', 'basic', 'hmac', 'jwtAssertion', 'storeHeaders'] as const

/** Where DocuWare's identity service sends those who authorize the connector `oauth2`. */
export const connectorsCallback = '/connectors/oauth/callback'

/** Those that are declared in code: with a function for their strategy, or with settings as the stored ones have them. */
export function connectorsOptions ({ url, agreed: { key, token, hmacKey, hmacSecret, jwt } }: EchoApi): ConnectorsOptions {
  return {
    declared: {
      apiKey: { baseUrl: `${url}/apiKey`, auth: { type: 'apiKey', key } },
      bearer: { baseUrl: `${url}/bearer`, auth: bearer(async () => token) }, // asked for it with every request
      hmac: { baseUrl: `${url}/hmac`, auth: hmac({ key: hmacKey, secret: hmacSecret }) },
      jwtAssertion: { baseUrl: `${url}/jwtAssertion`, auth: { type: 'jwtAssertion', ...jwt, expiresIn: 60 } }
    },
    allowInsecure: true // http on loopback
  }
}

/** Those that an administrator creates while the app runs: they are kept in MongoDB, their secrets encrypted. */
export async function createConnectors ({ connectors }: FastifyInstance, { url, agreed: { username, password, storeId, managerKey } }: EchoApi, { identityUrl, clientId, clientSecret }: DocuWare): Promise<void> {
  await connectors.create({ name: 'basic', baseUrl: `${url}/basic`, auth: { type: 'basic', username, password } })
  await connectors.create({ name: 'storeHeaders', baseUrl: `${url}/storeHeaders`, auth: { type: 'storeHeaders', storeId, apiKey: managerKey } })
  await connectors.create({
    name: 'oauth2',
    baseUrl: `${url}/oauth2`,
    auth: {
      type: 'oauth2',
      clientId,
      clientSecret: clientSecret ?? '',
      authorizationUrl: `${identityUrl}/connect/authorize`,
      tokenUrl: `${identityUrl}/connect/token`,
      revocationUrl: `${identityUrl}/connect/revocation`,
      scopes: ['openid', 'offline_access']
    }
  })
}

/** Sends an order by the connector of that name, and shows what the API says to it. */
export function addConnectorRoutes (app: FastifyInstance): void {
  app.get<{ Params: { name: string } }>('/connectors_demo/:name', { onRequest: app.requireRole('system') }, async ({ params: { name } }) => {
    const { data } = await app.connectors.use(name).post('/orders', { json: { item: 'Bögen', price: 5.3 } })
    return data
  })
}
