import formbody from '@fastify/formbody'
import { stringifySetCookie } from 'cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors, isAuthError } from '../lib/errors.js'
import { cookieValues, isCrossSite } from '../lib/http/cookie-header.js'
import type { Actor, LogFields } from '../lib/log/log-entry.js'
import type { Authorization, BindingCookie } from '../lib/oauth-client/authorization.js'
import type { Grant } from '../lib/oauth-client/grant.js'
import { authorizePage, connectedPage, failedPage, type AuthorizationSubject } from '../lib/oauth-client/pages.js'
import { limitAddresses } from './address-limit.js'
import { bareRequest } from './bare-request.js'
import { originOf, ownOrigins } from './cross-origin.js'
import { logFailure, prefersHtml, sendErrorPage, sendPage } from './page-reply.js'

export interface AuthorizationRoutesOptions {
  readonly authorization: Pick<Authorization<Grant>, 'start' | 'finish' | 'cookieName' | 'returnPath'>
  /** Path of one grant, with its id or name as `:id`. */
  readonly path: string
  /** Who may begin an authorization. */
  readonly role: string
  /** Authorizations that one address may begin in a minute, and callbacks it may send, in one process (security.md 31). */
  readonly requestsPerMinute: number
  /** The id of what is authorized. @throws DWA_STORE_NOT_FOUND */
  readonly idOf: (idOrName: string) => Promise<string>
  /** How it is called on pages. @throws DWA_STORE_NOT_FOUND */
  readonly subjectOf: (idOrName: string) => Promise<AuthorizationSubject>
}

export interface GrantRoute { Params: { id: string }, Querystring: { returnTo?: unknown }, Body: { returnTo?: unknown } | null | undefined }

const formType = 'application/x-www-form-urlencoded'

/** Options of a route about one grant, for whoever has the role. `auth: false`: `protect: { every }` is for the app's routes. */
export function forRole (scope: FastifyInstance, role: string): { config: { auth: false }, onRequest: ReturnType<FastifyInstance['requireRole']> } {
  return { config: { auth: false }, onRequest: scope.requireRole(role) }
}

/** Who asks, for the audit log. */
export function callerOf ({ caller, id, ip }: FastifyRequest): { actor: Actor, requestId: string, personal: NonNullable<LogFields['personal']> } {
  return { actor: { type: 'user', id: caller?.id ?? null }, requestId: id, personal: { ip, userName: caller?.name } }
}

/** The routes by which people authorize this app at another: begin, and come back. Those that the scope adds are no-store, and closed to other sites, too. */
export async function authorizationRoutes (scope: FastifyInstance, { authorization, path, role, requestsPerMinute, idOf, subjectOf }: AuthorizationRoutesOptions): Promise<void> {
  if (!scope.hasContentTypeParser(formType)) await scope.register(formbody, { bodyLimit: 16 * 1024 })
  await limitAddresses(scope, requestsPerMinute)
  const trusted = ownOrigins(scope)
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    if (isCrossSite(originOf(request), trusted)) throw new errors.DWA_CROSS_SITE()
  })
  const forPeople = { config: { auth: false, rateLimit: {} }, errorHandler: showFailure } as const
  const authorize = { ...forRole(scope, role), ...forPeople }

  scope.get<GrantRoute>(`${path}/authorize`, authorize, async (request, reply) => {
    const returnTo = authorization.returnPath(request.query.returnTo)
    return sendPage(reply, authorizePage(await subjectOf(request.params.id), returnTo))
  })

  scope.post<GrantRoute>(`${path}/authorize`, authorize, async (request, reply) => {
    const returnTo = request.body?.returnTo ?? request.query.returnTo
    const started = await authorization.start(await idOf(request.params.id), { ...callerOf(request), unbound: false, ...(returnTo === undefined ? {} : { returnTo }) })
    bindBrowser(reply, started.cookie)
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
}

/** The browser learns of a failure where it was going; otherwise a person gets a page. A program, and whoever may not do this, gets the error as the app sends errors. */
function showFailure (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!isAuthError(error) || error.code.startsWith('DWA_ACCESS_')) throw error
  if (!('returnTo' in error) || typeof error.returnTo !== 'string') return sendErrorPage(error, request, reply, failedPage)
  logFailure(error, request)
  return reply.redirect(error.returnTo, 303)
}

/** Gives a browser the cookie that binds an authorization to it. */
export function bindBrowser (reply: FastifyReply, cookie: BindingCookie | null): void {
  if (cookie === null) return
  const { name, value, maxAge, secure } = cookie
  reply.header('set-cookie', stringifySetCookie({ name, value, maxAge, path: '/', httpOnly: true, sameSite: 'lax', secure }))
}

function prefersJson (request: FastifyRequest): boolean {
  return /\bapplication\/json\b/.test(request.headers.accept ?? '') && !prefersHtml(request)
}
