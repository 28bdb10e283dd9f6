import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { signToken, startDocuWare, startEmbeddedMongo, type DocuWare } from 'fastify-docuware-auth/testing'
import { createConnection } from 'mongoose'
import { buildApp } from './app.js'
import { createClients, type DemoClients } from './clients.js'
import { connectorsCallback, createConnectors } from './connectors.js'
import { connectionName } from './docuware.js'
import { startEchoApi, type EchoApi } from './echo-api.js'
import { freePort } from './free-port.js'
import { startIdentityServer, type IdentityServer } from './identity-server.js'
import { buildOdooShaped } from './odoo-shaped.js'
import { createPeople } from './people.js'
import { freshSecret } from './secrets.js'
import { buildShop } from './shop.js'
import { staffCallback } from './staff.js'
import { audience, issuer, storedValidator, type NewValidator } from './validators.js'

export interface DemoOptions {
  /** The app's port. Default: a free one. */
  readonly port?: number
  readonly logger?: FastifyServerOptions['logger']
}

/** Everything that runs in the demo. */
export interface Demo {
  readonly app: FastifyInstance
  readonly url: string
  readonly identityServer: IdentityServer
  /** The simulated DocuWare organization that the connection leads to. */
  readonly docuWare: DocuWare
  /** Somebody else's API, which the connectors call. */
  readonly echo: EchoApi
  /** The provider's clients. */
  readonly clients: DemoClients
  /** The client app that signs people in by authorization code and PKCE. */
  readonly shopUrl: string
  /** The client app that does what Odoo does. */
  readonly odooUrl: string
  /** What the demo's administrator proves himself with. */
  readonly adminKey: string
  /** The validator that was created at run time, as it was given. */
  readonly stored: NewValidator
  /** A token of the app's own (validators `demo` and `demo_cookie`), Ann's unless the claims say otherwise. */
  readonly token: (claims?: { readonly [name: string]: unknown }) => string
  readonly close: () => Promise<void>
}

/** Starts MongoDB, the identity server, a simulated DocuWare, an API to call, the app and the client apps of its provider, all on loopback and in memory. */
export async function startDemo (options: DemoOptions = {}): Promise<Demo> {
  for (let tries = 3; ; tries--) { // other programs may take a free port before it is listened at
    try {
      return await start(options)
    } catch (error) {
      if (tries === 1 || !(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error && error.port !== options.port)) throw error
    }
  }
}

async function start ({ port, logger }: DemoOptions): Promise<Demo> {
  const closing: Array<() => Promise<unknown>> = []
  const close = async (): Promise<void> => {
    for (let one = closing.pop(); one !== undefined; one = closing.pop()) await one()
  }
  try {
    const mongo = await startEmbeddedMongo()
    closing.push(() => mongo.stop())
    const connection = await createConnection(mongo.uri).asPromise()
    closing.push(() => connection.close())

    const appPort = port ?? await freePort()
    const url = `http://127.0.0.1:${appPort}`
    const identityServer = await startIdentityServer({ appUrl: url, audience, staffCallback: url + staffCallback, consoleUrl: `${url}/admin` })
    closing.push(() => identityServer.close())

    const docuWare = await startDocuWare({ redirectUris: [`${url}/docuware/oauth/callback`, url + connectorsCallback] })
    closing.push(() => docuWare.stop())

    const echo = await startEchoApi({ docuWare, logger })
    closing.push(() => echo.close())

    const secretKey = freshSecret()
    const adminKey = freshSecret()
    const people = await createPeople(connection)
    const [shopPort, odooPort] = [await freePort(), await freePort()]
    const [shopUrl, odooUrl] = [`http://127.0.0.1:${shopPort}`, `http://127.0.0.1:${odooPort}`]
    const app = await buildApp({ connection, people, identityServer, docuWare, echo, url, clientUrls: [shopUrl, odooUrl], secretKey, adminKey, logger })
    closing.push(() => app.close())
    await app.listen({ host: '127.0.0.1', port: appPort })

    const stored = storedValidator(freshSecret())
    await app.jwtValidators.create(stored)
    const { platformUrl, clientId, clientSecret } = docuWare
    await app.docuware.connections.create({ name: connectionName, platformUrl, clientId, clientSecret: clientSecret ?? '' })
    await createConnectors(app, echo, docuWare)

    const clients = await createClients(app, { people, shopCallback: `${shopUrl}/cb`, odooCallback: `${odooUrl}/auth_oauth/signin` })
    const shop = await buildShop({ url: shopUrl, provider: url, client: clients.shop, logger })
    closing.push(() => shop.close())
    await shop.listen({ host: '127.0.0.1', port: shopPort })
    const odoo = buildOdooShaped({ url: odooUrl, provider: url, client: clients.odoo, logger })
    closing.push(() => odoo.close())
    await odoo.listen({ host: '127.0.0.1', port: odooPort })

    const token = (claims: { readonly [name: string]: unknown } = {}) => signToken({ iss: issuer, aud: audience, email: 'ann@example.com', ...claims }, { secret: secretKey })
    return { app, url, identityServer, docuWare, echo, clients, shopUrl, odooUrl, adminKey, stored, token, close }
  } catch (error) {
    await close()
    throw error
  }
}
