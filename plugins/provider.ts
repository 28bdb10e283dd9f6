import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { errors, isAuthError } from '../lib/errors.js'
import { checkOptions } from '../lib/options.js'
import { routeValue } from '../lib/provider/access-guard.js'
import type { ClientRequest } from '../lib/provider/client-authentication.js'
import { readParameters, type Parameters } from '../lib/provider/form-parameters.js'
import { metadataPath } from '../lib/provider/issuer.js'
import { keySetAge } from '../lib/provider/published-keys.js'
import { oauthErrorOf } from '../lib/provider/oauth-error.js'
import { providerOptionsSchema, type ProviderOptions as Options } from '../lib/provider/provider-options.js'
import type { OpenProvider } from '../lib/provider/open-provider.js'
import { bareRequest } from './bare-request.js'
import { decorateRequests } from './request-decorators.js'
import '../types/provider.js'

/** Options of the `provider` plugin. */
export type ProviderOptions = Options<FastifyRequest>

const pluginName = 'fastify-docuware-auth/provider'
const formType = 'application/x-www-form-urlencoded'
/** Bytes of a form; a parameter has 4096 at most. */
const bodyLimit = 64 * 1024
const ownAuth = { auth: false } as const // `protect: { every }` is for the app's routes

async function providerPlugin (app: FastifyInstance, options: ProviderOptions): Promise<void> {
  checkOptions('provider', providerOptionsSchema, options)
  if (app.hasDecorator('oauthProvider')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { prefix = '/oauth2' } = options
  const [{ openProvider }, { pageRoutes }] = await Promise.all([import('../lib/provider/open-provider.js'), import('./provider-pages.js')]) // apps without a provider do not load them
  const opened = openProvider({ ...options, prefix: app.prefix + prefix }, app.store, app.log)
  app.decorate('oauthProvider', opened.api)
  decorateRequests(app, ['oauthToken', 'oauthUser'])
  app.routeAuth.register({ name: pluginName, claim: (value) => value === routeValue ? opened.guard.hook : null })
  app.addHook('onReady', async () => { await opened.legacyWarnings.give() })
  app.addHook('onClose', async () => { opened.close() })
  const { authorize, consents, clients, baseUrl, limits: { pagesPerMinute } } = opened
  await app.register(async (scope) => {
    await pageRoutes(scope, { authorize, consents, clients, owner: options.owner, baseUrl, pages: options.pages ?? {}, requestsPerMinute: pagesPerMinute })
  }, { prefix })
  await app.register(async (scope) => { await machineRoutes(scope, opened) }, { prefix })
  app.get(metadataPath(options.issuer), { config: ownAuth, errorHandler: sendOAuthError }, async (_request, reply) => reply.header('cache-control', `public, max-age=${keySetAge}`).send(await opened.metadata()))
}

/** What programs call: forms in, JSON out. */
async function machineRoutes (scope: FastifyInstance, { tokenEndpoint, revocation, introspection, info, publishedKeys, publicKey }: OpenProvider): Promise<void> {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(formType, { parseAs: 'string', bodyLimit }, (_request, body, done) => { done(null, body) })
  scope.setErrorHandler(sendOAuthError)
  scope.addHook('onRequest', (_request, reply, done) => { // no promise: every token request comes by here
    reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
    done()
  })
  const quiet = { config: ownAuth, logSerializers: { req: bareRequest } } // tokens may be in the query, and where clients err, secrets

  scope.post('/token', quiet, async (request) => await tokenEndpoint.answer(clientRequest(request)))
  for (const url of ['/revoke', '/revoke_token']) {
    scope.post(url, quiet, async (request, reply) => {
      await revocation.revoke(clientRequest(request))
      return await reply.send({}) // nobody need read it (RFC 7009 §2.2), but simple-oauth2 fails on what is no JSON
    })
  }
  scope.post('/introspect', quiet, async (request) => await introspection.introspect(clientRequest(request)))
  for (const url of ['/token', '/revoke', '/revoke_token', '/introspect']) {
    scope.get(url, quiet, async (_request, reply) => await reply.code(405).header('allow', 'POST').send({ error: 'invalid_request', error_description: 'The method must be POST' }))
  }
  for (const method of ['GET', 'POST'] as const) {
    scope.route({ ...quiet, method, url: '/tokeninfo', errorHandler: sendInfoError, handler: async (request) => await info.tokeninfo(infoRequest(request)) })
    scope.route({ ...quiet, method, url: '/userinfo', errorHandler: sendInfoError, handler: async (request) => await info.userinfo(infoRequest(request)) })
    scope.route({ ...quiet, method, url: '/otherinfo', errorHandler: sendInfoError, handler: async (request) => await info.otherinfo(infoRequest(request)) })
  }
  scope.get('/jwks', quiet, async (_request, reply) => {
    const set = await publishedKeys.current()
    return reply.type('application/jwk-set+json').header('cache-control', `public, max-age=${keySetAge}`).removeHeader('pragma').send(JSON.stringify(set))
  })
  scope.get('/public_key', quiet, async (request, reply) => reply.type('text/plain').send(await publicKey(queryOf(request).get('client_id'))))
}

function clientRequest (request: FastifyRequest): ClientRequest {
  return { authorization: request.headers.authorization, parameters: bodyOf(request), address: request.ip, requestId: request.id }
}

function infoRequest (request: FastifyRequest): { authorization: string | undefined, query: Parameters, body: Parameters } {
  return { authorization: request.headers.authorization, query: queryOf(request), body: bodyOf(request) }
}

function bodyOf ({ body }: FastifyRequest): Parameters {
  return readParameters(typeof body === 'string' ? body : '')
}

function queryOf ({ url }: FastifyRequest): Parameters {
  const at = url.indexOf('?')
  return readParameters(at === -1 ? '' : url.slice(at + 1))
}

function sendOAuthError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, body, headers } = oauthErrorOf(error)
  if (status >= 500) request.log.error({ err: error }, 'an OAuth request failed')
  return reply.code(status).headers(headers).header('cache-control', 'no-store').send(body)
}

/** The info endpoints say of a bad token, and of a bad model, what oauth_provider says, and challenge as RFC 6750 §3 does. */
function sendInfoError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const missing = isAuthError(error, 'DWA_OAUTH_MISSING_TOKEN')
  if (missing || isAuthError(error, 'DWA_OAUTH_INVALID_TOKEN')) return reply.code(401).header('www-authenticate', missing ? 'Bearer' : 'Bearer error="invalid_token"').send({ error: 'invalid_or_expired_token' })
  if (isAuthError(error, 'DWA_OAUTH_INVALID_MODEL')) return reply.code(400).send({ error: 'invalid_model' })
  return sendOAuthError(error, request, reply)
}

/** Makes the app an OAuth 2 provider. */
export const provider = fp(providerPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
