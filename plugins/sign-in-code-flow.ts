import type { OAuth2Namespace } from '@fastify/oauth2'
import Fastify, { type FastifyInstance } from 'fastify'
import { errors } from '../lib/errors.js'
import type { CodeAnswer, CodeFlow, CodeRequest } from '../lib/sign-in/code-flow.js'
import type { Endpoints } from '../lib/sign-in/identity-provider.js'
import type { CodeFlowSettings } from '../lib/sign-in/open-sign-in.js'

const stateCookie = 'oauth2-redirect-state'
const verifierCookie = 'oauth2-code-verifier'
/** Milliseconds and bytes of the token answer. */
const bounds = { timeout: 10_000, maxBytes: 64 * 1024 }

interface Opened { readonly endpoints: Endpoints, readonly app: Promise<FastifyInstance> }

/**
 * The code flow by @fastify/oauth2. That plugin wants its endpoints when it is registered, and keeps state and verifier in cookies of one name each: so it has an app of
 * its own, which listens nowhere, made when the endpoints are known; and whoever calls it keeps its cookies in the database, for as many tabs as there are.
 */
export class OAuth2CodeFlow implements CodeFlow {
  readonly #settings: CodeFlowSettings
  #opened: Opened | null = null

  constructor (settings: CodeFlowSettings) {
    this.#settings = settings
  }

  async begin (endpoints: Endpoints): Promise<CodeRequest> {
    const answer = await (await this.#appFor(endpoints)).inject('/begin')
    const cookie = (name: string): string => answer.cookies.find((one) => one.name === name)?.value ?? ''
    const [url, state, codeVerifier] = [answer.body, cookie(stateCookie), cookie(verifierCookie)]
    if (answer.statusCode !== 200 || state === '' || codeVerifier === '') throw new errors.DWA_SIGN_IN_PROVIDER('authorization request', 'could not be made')
    return { url, state, codeVerifier }
  }

  async redeem (endpoints: Endpoints, { code, state, codeVerifier }: CodeAnswer): Promise<string> {
    const answer = await (await this.#appFor(endpoints)).inject({ url: '/redeem', query: { code, state }, cookies: { [stateCookie]: state, [verifierCookie]: codeVerifier } })
    if (answer.statusCode !== 200) throw new errors.DWA_SIGN_IN_EXCHANGE(answer.body)
    return answer.body
  }

  async close (): Promise<void> {
    await (await this.#opened?.app)?.close()
  }

  async #appFor (endpoints: Endpoints): Promise<FastifyInstance> {
    if (this.#opened?.endpoints !== endpoints) this.#opened = { endpoints, app: this.#open(endpoints) }
    return await this.#opened.app
  }

  async #open (endpoints: Endpoints): Promise<FastifyInstance> {
    try {
      return await openApp(this.#settings, endpoints)
    } catch (error) {
      if (this.#opened?.endpoints === endpoints) this.#opened = null // the next sign-in tries again
      throw error
    }
  }
}

async function openApp ({ clientId, clientSecret, scopes, parameters = {}, redirectUri }: CodeFlowSettings, { authorization, token, clientAuthentication }: Endpoints): Promise<FastifyInstance> {
  const [authorizeAt, tokenAt] = [new URL(authorization), new URL(token)]
  const { default: oauth2 } = await import('@fastify/oauth2') // with the first sign-in: it takes longer to load than most of this package
  const app = Fastify()
  await app.register(oauth2, {
    name: 'oauth2SignIn',
    scope: [...scopes],
    pkce: 'S256',
    callbackUri: redirectUri,
    callbackUriParams: parameters,
    userAgent: 'fastify-docuware-auth',
    redirectStateCookieName: stateCookie,
    verifierCookieName: verifierCookie,
    credentials: {
      client: { id: clientId, secret: clientSecret },
      auth: { authorizeHost: authorizeAt.origin, authorizePath: authorizeAt.pathname + authorizeAt.search, tokenHost: tokenAt.origin, tokenPath: tokenAt.pathname + tokenAt.search },
      options: { authorizationMethod: clientAuthentication === 'basic' ? 'header' : 'body' },
      http: bounds
    }
  })
  const client = app.getDecorator<OAuth2Namespace>('oauth2SignIn')
  app.get('/begin', async (request, reply) => await client.generateAuthorizationUri(request, reply))
  app.get('/redeem', async (request) => accessTokenIn(await client.getAccessTokenFromAuthorizationCodeFlow(request)))
  app.setErrorHandler((error, _request, reply) => reply.code(502).send(reasonOf(error)))
  return app
}

function accessTokenIn ({ token: { access_token: text, token_type: type } }: { readonly token: { readonly access_token: unknown, readonly token_type: unknown } }): string {
  if (typeof text !== 'string' || text === '' || typeof type !== 'string' || type.toLowerCase() !== 'bearer') throw new UselessAnswer('the answer holds no bearer token')
  return text
}

/** The error that the provider names (RFC 6749 §5.2), or in what way there was no answer; never more, since the client's own errors hold what was sent and quote what came. */
function reasonOf (error: unknown): string {
  if (error instanceof UselessAnswer) return error.message
  const data = memberOf(error, 'data')
  const named = memberOf(memberOf(data, 'payload'), 'error')
  if (typeof named === 'string' && /^[a-z_]{1,64}$/.test(named)) return named
  const status = memberOf(memberOf(data, 'res'), 'statusCode')
  if (typeof status === 'number' && status >= 300) return `status ${status}`
  const code = memberOf(error, 'code')
  return typeof code === 'string' && /^E[A-Z_]+$/.test(code) ? code : 'no usable answer'
}

class UselessAnswer extends Error {}

function memberOf (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
