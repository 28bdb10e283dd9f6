import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { json, startStub, type Stub, type StubRoutes } from '../docuware/stub.js'

/** An identity provider whose every answer is the test's own. */
export interface StubIdentity extends Stub {
  /** Answers in place of the usual ones, by path. */
  routes: StubRoutes
  metadata: Record<string, unknown>
  claims: unknown
  /** What the token endpoint was sent: the Authorization header, and the form. */
  readonly exchanges: Array<{ readonly authorization: string | undefined, readonly form: URLSearchParams }>
}

export const accessToken = 'the access token of the identity provider'

export async function startStubIdentity (t: Test): Promise<StubIdentity> {
  const identity = { routes: {}, metadata: {}, claims: { sub: 'ann', name: 'Ann', groups: ['dw-admins'] }, exchanges: [] } as Omit<StubIdentity, keyof Stub>
  const stub = await startStub(t, (origin) => ({
    '/.well-known/openid-configuration': json({ issuer: origin, authorization_endpoint: `${origin}/authorize?tenant=a`, token_endpoint: `${origin}/token?tenant=a`, userinfo_endpoint: `${origin}/userinfo`, ...identity.metadata }),
    '/token': async (request, response) => {
      identity.exchanges.push({ authorization: request.headers.authorization, form: new URLSearchParams(await textOf(request)) })
      json({ access_token: accessToken, token_type: 'Bearer', expires_in: 60 })(request, response)
    },
    '/userinfo': (request, response) => {
      if (request.headers.authorization === `Bearer ${accessToken}`) json(identity.claims)(request, response)
      else response.writeHead(401).end()
    },
    ...identity.routes
  }))
  return Object.assign(identity, stub)
}

async function textOf (request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
