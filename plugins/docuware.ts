import formbody from '@fastify/formbody'
import rateLimit from '@fastify/rate-limit'
import { stringifySetCookie } from 'cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { BindingCookie } from '../lib/oauth-client/authorization.js'
import { docuwareOptionsSchema, type DocuwareOptions } from '../lib/docuware/docuware-options.js'
import { openDocuware, type OpenDocuware } from '../lib/docuware/open-docuware.js'
import { authorizePage, connectedPage, failedPage } from '../lib/docuware/pages.js'
import { errors, isAuthError } from '../lib/errors.js'
import { cookieValues, isCrossSite } from '../lib/http/cookie-header.js'
import type { renderPage } from '../lib/http/page.js'
import type { Actor } from '../lib/log/log-entry.js'
import { checkOptions } from '../lib/options.js'
import '../types/docuware.js'

export type { DocuwareOptions }

const pluginName = 'fastify-docuware-auth/docuware'
const formType = 'application/x-www-form-urlencoded'

async function docuwarePlugin (app: FastifyInstance, options: DocuwareOptions): Promise<void> {
  checkOptions('docuware', docuwareOptionsSchema, options)
  if (app.hasDecorator('docuware')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { prefix = '/docuware', requestsPerMinute = 60 } = options
  const opened = openDocuware({ ...options, prefix: app.prefix + prefix }, app.store, app.log, () => app.hasDecorator('telemetry') ? app.telemetry : null)
  const { authorization, connections, client, idOf, redirectUri, sync } = opened
  app.decorate('docuware', {
    connections,
    redirectUri,
    client,
    async authorizationUrl (idOrName, { reply, unbound = false, ...start } = {}) {
      if (reply === undefined && !unbound) throw new errors.DWA_DOCUWARE_UNBOUND()
      const { url, cookie } = await authorization.start(await idOf(idOrName), { ...start, unbound })
      if (reply !== undefined) bind(reply, cookie)
      return url
    },
    sync: async (idOrName, request) => await sync.request(await idOf(idOrName), request),
    revoke: async (idOrName, note) => { await authorization.revoke(await idOf(idOrName), note) }
  })
  app.addHook('onReady', async () => { sync.start() })
  app.addHook('onClose', async () => { await opened.close() })
  await app.register(async (scope) => { await routes(scope, opened, requestsPerMinute) }, { prefix })
}

interface ConnectionRoute { Params: { id: string }, Querystring: { returnTo?: string }, Body: { returnTo?: string } | null | undefined }

const connectionRoute = {
  params: { type: 'object', properties: { id: { type: 'string', maxLength: 100 } } },
  querystring: { type: 'object', properties: { returnTo: { type: 'string', maxLength: 2048 } } }
} as const

async function routes (scope: FastifyInstance, { authorization, connections, idOf, sync }: OpenDocuware, requestsPerMinute: number): Promise<void> {
  if (!scope.hasContentTypeParser(formType)) await scope.register(formbody, { bodyLimit: 16 * 1024 })
  await scope.register(rateLimit, {
    global: false,
    max: requestsPerMinute,
    timeWindow: 60_000,
    errorResponseBuilder: (_request, { ttl }) => new errors.DWA_RATE_LIMITED(Math.ceil(ttl / 1000))
  })
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    if (isCrossSite({ method: request.method, origin: request.headers.origin, secFetchSite: [request.headers['sec-fetch-site'] ?? []].flat().at(0) }, new Set(ownOrigin(scope)))) throw new errors.DWA_CROSS_SITE()
  })
  const ownAuth = { auth: false } as const // `protect: { every }` is for the app's routes
  const forDocuware = { config: ownAuth, onRequest: scope.requireRole('docuware'), schema: connectionRoute }
  const forPeople = { config: { ...ownAuth, rateLimit: {} }, errorHandler: showFailure }
  const authorize = { ...forDocuware, ...forPeople }

  scope.get<ConnectionRoute>('/connections/:id/authorize', authorize, async (request, reply) => {
    const connection = await connections.get(request.params.id)
    if (connection === null) throw new errors.DWA_STORE_NOT_FOUND(`The connection "${request.params.id}"`)
    return sendPage(reply, authorizePage(connection, request.query.returnTo))
  })

  scope.post<ConnectionRoute>('/connections/:id/authorize', authorize, async (request, reply) => {
    const returnTo = request.body?.returnTo ?? request.query.returnTo
    const started = await authorization.start(await idOf(request.params.id), { ...callerOf(request), unbound: false, ...(returnTo === undefined ? {} : { returnTo }) })
    bind(reply, started.cookie)
    if (prefersJson(request)) return { url: started.url }
    return reply.redirect(started.url, 303)
  })

  const callback = { ...forPeople, logSerializers: { req: bareRequest } } // whoever comes back is known by state and cookie
  scope.get('/oauth/callback', callback, async (request, reply) => {
    const query = new URL(request.url, 'http://local.invalid').searchParams
    const cookie = authorization.cookieName(query.get('state') ?? '')
    reply.header('set-cookie', stringifySetCookie({ name: cookie, value: '', path: '/', httpOnly: true, sameSite: 'lax', secure: cookie.startsWith('__Host-'), maxAge: 0 }))
    const { grant, returnTo } = await authorization.finish(query, cookieValues(request.headers.cookie, cookie), { requestId: request.id })
    return returnTo === null ? sendPage(reply, connectedPage(grant)) : await reply.redirect(returnTo, 303)
  })

  scope.post<ConnectionRoute>('/connections/:id/sync', forDocuware, async (request, reply) => {
    const answer = await sync.request(await idOf(request.params.id), callerOf(request))
    return reply.code(answer.queued ? 202 : 200).send(answer)
  })

  scope.post<ConnectionRoute>('/connections/:id/revoke', forDocuware, async (request) => {
    const id = await idOf(request.params.id)
    await authorization.revoke(id, callerOf(request))
    return await connections.get(id)
  })
}

/** The browser learns of a failure where it was going; otherwise a person gets a page. A program, and whoever may not do this, gets the error as the app sends errors. */
function showFailure (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!isAuthError(error) || error.code.startsWith('DWA_ACCESS_')) throw error
  const returnTo = 'returnTo' in error && typeof error.returnTo === 'string' ? error.returnTo : null
  if (returnTo === null && !/\btext\/html\b/.test(request.headers.accept ?? '')) throw error
  const { statusCode = 500 } = error
  if (statusCode >= 500) request.log.error({ err: error }, error.message)
  if (returnTo !== null) return reply.redirect(returnTo, 303)
  if ('headers' in error && typeof error.headers === 'object') reply.headers({ ...error.headers })
  return sendPage(reply.code(statusCode), failedPage(error.message))
}

function sendPage (reply: FastifyReply, { page, headers }: ReturnType<typeof renderPage>): FastifyReply {
  return reply.headers(headers).send(page)
}

function bind (reply: FastifyReply, cookie: BindingCookie | null): void {
  if (cookie === null) return
  const { name, value, maxAge, secure } = cookie
  reply.header('set-cookie', stringifySetCookie({ name, value, maxAge, path: '/', httpOnly: true, sameSite: 'lax', secure }))
}

function callerOf (request: FastifyRequest): { actor: Actor, requestId: string } {
  return { actor: { type: 'user', id: request.caller?.id ?? null }, requestId: request.id }
}

function ownOrigin ({ store: { publicUrl } }: FastifyInstance): string[] {
  return publicUrl === null ? [] : [new URL(publicUrl).origin]
}

function prefersJson ({ headers: { accept = '' } }: FastifyRequest): boolean {
  return /\bapplication\/json\b/.test(accept) && !/\btext\/html\b/.test(accept)
}

/** What the request log may say of a callback: its query holds code and state. */
function bareRequest ({ method, url = '', ip }: Pick<FastifyRequest, 'method' | 'url' | 'ip'>): object {
  return { method, url: url.replace(/\?.*$/s, ''), remoteAddress: ip }
}

/** Connections to DocuWare platforms: authorized by people, refreshed by itself, probed on demand. */
export const docuware = fp(docuwarePlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
