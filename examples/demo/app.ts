import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import type { DocuWare } from 'fastify-docuware-auth/testing'
import type { Connection } from 'mongoose'
import { addConnectorRoutes, connectorsOptions } from './connectors.js'
import { addDemoPage } from './demo-page.js'
import { addDocuwareRoutes, adminAccess } from './docuware.js'
import type { EchoApi } from './echo-api.js'
import type { IdentityServer } from './identity-server.js'
import { createOrders } from './orders.js'
import type { People } from './people.js'
import { addProviderRoutes, providerOptions } from './provider.js'
import { addRoutes } from './routes.js'
import { freshSecret } from './secrets.js'
import { addSessionRoutes, Sessions } from './sessions.js'
import { staffSignIn } from './staff.js'
import { declaredValidators } from './validators.js'
import { addWebhookRoutes, webhooksOptions } from './webhooks.js'

export interface AppParts {
  readonly connection: Connection
  readonly people: People
  readonly identityServer: IdentityServer
  readonly docuWare: DocuWare
  readonly echo: EchoApi
  /** Where the app is reached. */
  readonly url: string
  /** Where the provider's client apps are reached. */
  readonly clientUrls: readonly string[]
  /** The HMAC secret of `demo` and `demo_cookie`. */
  readonly secretKey: string
  /** What the demo's administrator proves himself with. */
  readonly adminKey: string
  readonly logger: FastifyServerOptions['logger']
}

/** The demo's app: what a team's own app looks like with this package. */
export async function buildApp ({ connection, people, identityServer, docuWare, echo, url, clientUrls, secretKey, adminKey, logger = false }: AppParts): Promise<FastifyInstance> {
  const app = Fastify({ logger })
  const orders = await createOrders(connection, people)
  const sessions = new Sessions()

  // Before the umbrella plugin, so that preflight requests are answered before anything asks for a token.
  await app.register(cors, { origin: '*', methods: ['GET', 'POST', 'OPTIONS'], strictPreflight: false })
  await app.register(docuwareAuth, {
    publicUrl: url,
    store: { connection, secretKeys: [freshSecret()], access: adminAccess(adminKey) },
    docuware: { allowInsecure: true }, // the simulated DocuWare is http on loopback
    provider: providerOptions({ url, people, orders, sessions }),
    jwt: {
      validators: declaredValidators(secretKey, identityServer, url),
      partners: { model: people, emailField: 'email' },
      allowInsecure: true // the identity server is http on loopback
    },
    connectors: connectorsOptions(echo),
    webhooks: webhooksOptions(docuWare),
    telemetry: {},
    signIn: staffSignIn(identityServer),
    admin: {}
  })
  addRoutes(app, people, secretKey)
  addDocuwareRoutes(app)
  addProviderRoutes(app)
  addConnectorRoutes(app)
  addWebhookRoutes(app)
  await addSessionRoutes(app, sessions, { url, clientUrls })
  addDemoPage(app, identityServer)
  return app
}
