import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import type { Connection } from 'mongoose'
import { addDemoPage } from './demo-page.js'
import { addDocuwareRoutes, adminAccess } from './docuware.js'
import type { IdentityServer } from './identity-server.js'
import { createPeople } from './people.js'
import { addRoutes } from './routes.js'
import { freshSecret } from './secrets.js'
import { declaredValidators } from './validators.js'

export interface AppParts {
  readonly connection: Connection
  readonly identityServer: IdentityServer
  /** Where the app is reached. */
  readonly url: string
  /** The HMAC secret of `demo` and `demo_cookie`. */
  readonly secretKey: string
  /** What the demo's administrator proves himself with. */
  readonly adminKey: string
  readonly logger: FastifyServerOptions['logger']
}

/** The demo's app: what a team's own app looks like with this package. */
export async function buildApp ({ connection, identityServer, url, secretKey, adminKey, logger = false }: AppParts): Promise<FastifyInstance> {
  const app = Fastify({ logger })
  const people = await createPeople(connection)

  // Before the umbrella plugin, so that preflight requests are answered before anything asks for a token.
  await app.register(cors, { origin: '*', methods: ['GET', 'POST', 'OPTIONS'], strictPreflight: false })
  await app.register(docuwareAuth, {
    publicUrl: url,
    store: { connection, secretKeys: [freshSecret()], access: adminAccess(adminKey) },
    docuware: { allowInsecure: true }, // the simulated DocuWare is http on loopback
    jwt: {
      validators: declaredValidators(secretKey, identityServer),
      partners: { model: people, emailField: 'email' },
      allowInsecure: true // the identity server is http on loopback
    }
  })
  addRoutes(app, people, secretKey)
  addDocuwareRoutes(app, adminKey)
  addDemoPage(app, identityServer)
  return app
}
