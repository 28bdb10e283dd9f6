import type { FastifyInstance, FastifyRequest } from 'fastify'
import { signToken } from 'fastify-docuware-auth/testing'
import type { People } from './people.js'
import { audience, issuer } from './validators.js'

interface WhoAmI {
  readonly url: string
  readonly auth: string
  /** Says what is answered beside the person's name and e-mail. */
  readonly describe: (uid: string | null, known: boolean) => object
}

const uidOnly = (uid: string | null) => ({ uid })
const uidOfKnown = (uid: string | null, known: boolean) => known ? { uid } : {}
const uidOrAnonymous = (uid: string | null, known: boolean) => known ? { uid } : { uid, name: 'Anonymous' }

/** The routes that say who is calling, each with the validator it asks for. */
export const whoAmIRoutes: readonly WhoAmI[] = [
  { url: '/auth_jwt_demo/whoami', auth: 'jwt_demo', describe: uidOfKnown },
  { url: '/auth_jwt_demo/whoami-public-or-jwt', auth: 'public_or_jwt_demo', describe: uidOnly },
  { url: '/auth_jwt_demo_cookie/whoami', auth: 'jwt_demo_cookie', describe: uidOnly },
  { url: '/auth_jwt_demo_cookie/whoami-public-or-jwt', auth: 'public_or_jwt_demo_cookie', describe: uidOnly },
  { url: '/auth_jwt_demo/keycloak/whoami', auth: 'jwt_demo_keycloak', describe: uidOfKnown },
  { url: '/auth_jwt_demo/keycloak/whoami-public-or-jwt', auth: 'public_or_jwt_demo_keycloak', describe: uidOrAnonymous },
  { url: '/auth_jwt_demo/stored/whoami', auth: 'jwt_demo_stored', describe: uidOfKnown },
  { url: '/auth_jwt_demo/provider/whoami', auth: 'jwt_demo_provider', describe: uidOfKnown }
]

/** The app's own routes. `secretKey` signs what `demo` and `demo_cookie` accept. */
export function addRoutes (app: FastifyInstance, people: People, secretKey: string): void {
  for (const { url, auth, describe } of whoAmIRoutes) {
    app.get(url, { config: { auth } }, async (request) => {
      const person = await personOf(request, people)
      return { ...describe(request.userId, person !== null), ...person }
    })
  }

  // Whoever signed in at the identity server gets a token of the app's own, for as long as the first one lasts.
  app.post('/auth_jwt_demo/token', { config: { auth: 'jwt_demo_keycloak' } }, async (request, reply) => {
    const { email, exp } = request.jwtPayload ?? {}
    reply.header('cache-control', 'no-store')
    return { access_token: signToken({ iss: issuer, aud: audience, email, exp }, { secret: secretKey }), token_type: 'Bearer' }
  })

  app.post('/auth_jwt_demo_cookie/sign-out', { config: { auth: 'jwt_demo_cookie' } }, async (_request, reply) => {
    await app.jwtValidators.clearCookie(reply, 'demo_cookie')
    return reply.code(204).send()
  })
}

async function personOf (request: FastifyRequest, people: People): Promise<{ name: string, email: string } | null> {
  if (request.jwtPartnerId === null) return null
  const person = await people.findById(request.jwtPartnerId).lean()
  return person === null ? null : { name: person.name, email: person.email }
}
