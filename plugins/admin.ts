import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { adminOptionsSchema, checkSignInUrl, type AdminOptions } from '../lib/admin/admin-options.js'
import { entityTag } from '../lib/admin/entity-tag.js'
import { LogReaders } from '../lib/admin/log-readers.js'
import { routeSchema, secured } from '../lib/admin/openapi.js'
import { writeCursor } from '../lib/admin/pages.js'
import { PathTable, type Found } from '../lib/admin/path-table.js'
import { failureOf, problemOf, refusalOf } from '../lib/admin/problem.js'
import { readQuery } from '../lib/admin/query.js'
import { readObject } from '../lib/admin/read-body.js'
import type { Answer, Call, Operation, Resource, Role } from '../lib/admin/resource.js'
import { resourcesOf } from '../lib/admin/resources.js'
import type { NamedRecords } from '../lib/admin/resources/named-records.js'
import { errors, isAuthError } from '../lib/errors.js'
import { isCrossSite } from '../lib/http/cookie-header.js'
import { checkOptions } from '../lib/options.js'
import { limitAddresses } from './address-limit.js'
import { consoleRoutes } from './admin-console.js'
import { callerOf } from './authorization-routes.js'
import { originOf, ownOrigins, withoutCors } from './cross-origin.js'
import '../types/admin.js'
import '../types/docuware.js'
import '../types/jwt.js'
import '../types/provider.js'
import '../types/telemetry.js'

export type { AdminOptions }

const pluginName = 'fastify-docuware-auth/admin'
const bodyLimit = 256 * 1024
const ownAuth = { auth: false } as const // `protect: { every }` is for the app's routes

async function adminPlugin (app: FastifyInstance, options: AdminOptions): Promise<void> {
  checkOptions('admin', adminOptionsSchema, options)
  checkSignInUrl(options.signInUrl)
  if (app.hasDecorator('admin')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { prefix = '/admin', console = true, signInUrl = null, requestsPerMinute = 600, streams = 500, openapi = 'admin' } = options
  const readers = new LogReaders({ auditLog: app.auditLog, clock: app.store.clock, logger: app.log, max: streams })
  const resources = resourcesOf({
    connections: app.hasDecorator('docuware') ? app.docuware.connections : undefined,
    validators: app.hasDecorator('jwtValidators') ? app.jwtValidators : undefined,
    provider: app.hasDecorator('oauthProvider') ? app.oauthProvider : undefined,
    connectors: app.hasDecorator('connectors') ? app.getDecorator<NamedRecords>('connectors') : undefined,
    webhookSources: app.hasDecorator('webhookSources') ? app.getDecorator<NamedRecords>('webhookSources') : undefined,
    telemetry: app.hasDecorator('telemetry') ? app.telemetry : undefined,
    log: { auditLog: app.auditLog, readers }
  })
  app.decorate('admin', { resources })
  const sending = new Set<ServerResponse>()
  app.addHook('preClose', async () => {
    readers.close()
    app.store.clock.after(1000, () => { for (const response of sending) response.destroy() }) // those who do not read would keep the server open
  })
  await app.register(async (scope) => { await api(scope, resources, { requestsPerMinute, openapi, sending }) }, { prefix: `${prefix}/api` })
  if (!console) return
  await app.register(async (scope) => { await consoleRoutes(scope, resources, { signInUrl, requestsPerMinute }) }, { prefix })
}

interface ApiOptions {
  readonly requestsPerMinute: number
  readonly openapi: string
  /** The streams that are open. */
  readonly sending: Set<ServerResponse>
}

/** The REST API: a route for each operation of the table, and for each entry one for long keys. */
async function api (scope: FastifyInstance, resources: readonly Resource[], { requestsPerMinute, openapi, sending }: ApiOptions): Promise<void> {
  scope.removeAllContentTypeParsers()
  const parseJson = scope.getDefaultJsonParser('error', 'error')
  scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit }, (request, body, done) => {
    if (body === '') done(null, {}) // an action without anything to say
    else parseJson(request, String(body), done)
  })
  scope.setValidatorCompiler(() => () => true) // what is managed checks what it is given; the schemas document
  scope.setSerializerCompiler(() => (body) => JSON.stringify(body)) // a serializer made of a schema would drop what the schema does not name
  scope.setErrorHandler(sendProblem)
  const limited = await limitAddresses(scope, requestsPerMinute)
  const trusted = ownOrigins(scope)
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    // Of any method: reading secrets and verifying leave entries, and no other site has business with an answer.
    if (isCrossSite({ ...originOf(request), method: 'POST' }, trusted)) throw new errors.DWA_CROSS_SITE()
  })
  scope.addHook('onRequest', limited)
  scope.addHook('onSend', withoutCors)
  const serve = (find: (request: FastifyRequest) => Found<Operation>) => ({
    async onRequest (request: FastifyRequest, reply: FastifyReply) { await admit(scope, find(request).entry, request, reply) },
    handler: async (request: FastifyRequest, reply: FastifyReply) => await runOperation(scope, find(request), request, reply, sending),
    exposeHeadRoute: false // it would run the whole operation, streams and audit entries included
  })
  const config = { ...ownAuth, swaggerTransform: secured(openapi) } // by itself: without swagger its types do not know this
  for (const { name, operations } of resources) {
    for (const entry of operations) {
      scope.route({ ...serve(({ params }) => ({ entry, key: keyIn(params) })), method: entry.method, url: entry.path, schema: routeSchema(entry, name), config })
    }
  }
  let made: PathTable<Operation> | null = null // when somebody needs it, as few do
  const table = (): PathTable<Operation> => {
    made ??= new PathTable(scope, resources.flatMap(({ operations }) => operations))
    return made
  }
  const byTable = serve((request) => table().askedFor(request))
  const hidden = { schema: { hide: true }, config: ownAuth } as const
  for (const { name } of resources) {
    scope.route({ ...byTable, ...hidden, method: ['GET', 'POST', 'PATCH', 'DELETE'], url: `/${name}/*` }) // for keys that are longer than the router's parameters may be (`maxParamLength`)
    for (const url of [`/${name}`, `/${name}/*`]) {
      scope.options(url, hidden, async ({ url }, reply) => { // or the app's CORS would answer a preflight
        const methods = table().methodsOf(url)
        if (methods.length === 0) throw new errors.DWA_ADMIN_UNKNOWN_ROUTE()
        return await reply.code(405).header('allow', methods.join(', ')).send()
      })
    }
  }
  scope.setNotFoundHandler(async (request, reply) => { // where find-my-way before 9.6 brings long keys, and any router whoever asks for a version (`constraints`)
    await byTable.onRequest(request, reply)
    return await byTable.handler(request, reply)
  })
}

/** Who calls, if they hold one of the roles; and no page of another site, which can send a form without asking first, and no JSON. */
async function admit ({ callers }: FastifyInstance, { roles }: Operation, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const caller = await callers.find(request)
  if (caller === null) {
    reply.header('www-authenticate', 'Session') // as `requireRole` does
    throw new errors.DWA_ACCESS_UNAUTHENTICATED()
  }
  if (!roles.some((role) => caller.roles.includes(role))) throw new errors.DWA_ACCESS_FORBIDDEN(roles.join('" or "'))
  request.caller = caller
  const { method, headers } = request
  const isJson = /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
  if ((method === 'POST' || method === 'PATCH') && !isJson) throw new errors.DWA_ADMIN_NOT_JSON()
}

async function runOperation (scope: FastifyInstance, { entry: { roles, query = {}, answer: { type = 'application/json' }, run }, key }: Found<Operation>, request: FastifyRequest, reply: FastifyReply, sending: Set<ServerResponse>): Promise<FastifyReply> {
  const answer = await run({ ...callOf(request), key, mayStill: askAgain(scope, request, roles), query: readQuery(query, request.query) }).catch((error: unknown) => { throw failureOf(error) })
  return answer.stream === undefined ? send(request, reply, answer) : sendStream(reply.type(type), answer.stream, sending)
}

/** Finds out whether a request's caller is still who they were, and holds every one of those roles that they held. */
function askAgain (scope: FastifyInstance, request: FastifyRequest, roles: readonly Role[]): Call['mayStill'] {
  const id = request.caller?.id
  const counted = roles.filter((role) => request.caller?.roles.includes(role)) // now: the list is the app's, and may change
  return async () => {
    const now = await scope.callers.find(request, { passive: true })
    return now !== null && now.id === id && counted.every((role) => now.roles.includes(role))
  }
}

/** `:id` of a route's URL. */
function keyIn (params: unknown): string {
  return typeof params === 'object' && params !== null && 'id' in params && typeof params.id === 'string' ? params.id : ''
}

function callOf (request: FastifyRequest): Omit<Call, 'key' | 'query' | 'mayStill'> {
  const { headers, method, body, caller } = request
  return {
    body: method === 'POST' || method === 'PATCH' ? readObject(body) : {},
    ifMatch: headers['if-match'],
    ifNoneMatch: headers['if-none-match'],
    lastEventId: [headers['last-event-id'] ?? []].flat().at(0),
    roles: caller?.roles ?? [],
    note: callerOf(request)
  }
}

function send (request: FastifyRequest, reply: FastifyReply, { status = 200, body, version, created, next }: Answer): FastifyReply {
  const [path = ''] = request.url.split('?', 1)
  reply.code(status)
  const etag = version === undefined ? null : entityTag(version)
  if (etag !== null) reply.header('etag', etag)
  if (created !== undefined) reply.header('location', `${path}/${encodeURIComponent(created)}`)
  if (next === undefined) return reply.send(body)
  const cursor = next === null ? null : writeCursor(next)
  if (cursor !== null) reply.header('link', `<${path}?${new URLSearchParams({ ...textsOf(request.query), after: cursor }).toString()}>; rel="next"`)
  return reply.send({ ...body, next: cursor })
}

/** As long as it is open, the answer is in `sending`. */
function sendStream (reply: FastifyReply, stream: Readable, sending: Set<ServerResponse>): FastifyReply {
  if (!reply.raw.closed) { // or nothing would take it out again
    sending.add(reply.raw)
    reply.raw.once('close', () => { sending.delete(reply.raw) })
  }
  return reply.header('x-accel-buffering', 'no').send(stream) // or nginx would hold events back
}

function textsOf (query: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(Object(query)).map(([name, value]) => [name, String(value)]))
}

/** Every error as problem details. What is nobody's business but the app's is in its log. */
function sendProblem (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = refusalOf(error, request.id)
  const problem = refusal ?? problemOf(error, request.id)
  if (refusal === null && problem.status >= 500) request.log.error({ err: error }, 'a request to the administration API failed')
  if (isAuthError(error) && 'headers' in error && typeof error.headers === 'object') reply.headers({ ...error.headers })
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Management over HTTP of all that the other plugins keep: to be registered after them. */
export const admin = fp(adminPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
