import Fastify, { type FastifyServerOptions } from 'fastify'
import type { DocuWare } from 'fastify-docuware-auth/testing'
import { proofs } from './echo-proofs.js'
import { freshSecret } from './secrets.js'

/** What the echo API and the demo's app have agreed on. An app of your own keeps its half where it keeps its secrets. */
export interface Agreed {
  readonly key: string
  readonly token: string
  readonly username: string
  readonly password: string
  readonly hmacKey: string
  readonly hmacSecret: string
  readonly jwt: { readonly issuer: string, readonly audience: string, readonly secret: string }
  readonly storeId: string
  readonly managerKey: string
}

/** Somebody else's API, which the demo's connectors call. */
export interface EchoApi {
  readonly url: string
  readonly agreed: Agreed
  readonly close: () => Promise<void>
}

/** Starts it on a free loopback port. `POST /<kind>/orders` answers what it was sent, when that is proven in the way of the kind. */
export async function startEchoApi ({ docuWare, logger = false }: { readonly docuWare: DocuWare, readonly logger: FastifyServerOptions['logger'] }): Promise<EchoApi> {
  const agreed: Agreed = {
    key: freshSecret(),
    token: freshSecret(),
    username: 'demo-app',
    password: freshSecret(),
    hmacKey: 'demo-app',
    hmacSecret: freshSecret(),
    jwt: { issuer: 'demo-app', audience: 'echo', secret: freshSecret() },
    storeId: '42',
    managerKey: freshSecret()
  }
  const app = Fastify({ logger })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => { done(null, body) }) // as it came: a signature is of the bytes
  for (const [kind, isProven] of Object.entries(proofs(agreed, () => `${docuWare.identityUrl}/connect/userinfo`))) {
    app.post<{ Body: string | undefined }>(`/${kind}/orders`, async ({ method, headers, body = '' }, reply) => {
      if (!await isProven({ method, path: '/orders', headers, body })) return await reply.code(401).send({ message: `This is not proven by ${kind}` })
      return { kind, order: JSON.parse(body) }
    })
  }
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { url, agreed, close: () => app.close() }
}
