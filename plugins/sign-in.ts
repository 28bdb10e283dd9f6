import { stringifySetCookie } from 'cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { errors } from '../lib/errors.js'
import { cookieValues, isCrossSite, isForeignForm } from '../lib/http/cookie-header.js'
import { isLocalPath } from '../lib/http/local-path.js'
import { checkOptions } from '../lib/options.js'
import { openSignIn, type OpenSignIn } from '../lib/sign-in/open-sign-in.js'
import { refusedPage, signedOutPage } from '../lib/sign-in/pages.js'
import type { SessionNote } from '../lib/sign-in/sessions.js'
import { signInOptionsSchema, type SignInOptions } from '../lib/sign-in/sign-in-options.js'
import type { Asking } from '../lib/store/access.js'
import { limitAddresses } from './address-limit.js'
import { bareRequest } from './bare-request.js'
import { originOf } from './cross-origin.js'
import { prefersHtml, sendErrorPage, sendPage } from './page-reply.js'
import { OAuth2CodeFlow } from './sign-in-code-flow.js'
import '../types/sign-in.js'

export type { SignInOptions }

const pluginName = 'fastify-docuware-auth/signIn'
const formType = 'application/x-www-form-urlencoded'
const formBytes = 16 * 1024

async function signInPlugin (app: FastifyInstance, options: SignInOptions): Promise<void> {
  checkOptions('signIn', signInOptionsSchema, options)
  if (app.hasDecorator('signIn')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { prefix = '/sign-in', requestsPerMinute = 60 } = options
  const opened = openSignIn({ ...options, prefix: app.prefix + prefix }, app.store, (settings) => new OAuth2CodeFlow(settings))
  const { sessions, cookie, origin, loginUrl, logoutUrl } = opened
  const personOf = async ({ headers }: FastifyRequest, asking?: Asking) => {
    const id = cookie.read(headers.cookie)
    return id === null ? null : await sessions.find(id, asking)
  }
  app.decorate('signIn', { loginUrl, logoutUrl, personOf: async (request) => await personOf(request), endSessionsOf: async (id, note) => await sessions.endAllOf(id, 'ended_by_app', { actor: { type: 'app', id: null }, ...note }) })
  app.callers.add(async (request, asking) => {
    const person = await personOf(request, asking)
    if (person !== null && isForeign(request, origin, { asForm: asking.hasFormToken === true })) throw new errors.DWA_CROSS_SITE()
    return person
  })
  app.addHook('onClose', async () => { await opened.close() })
  await app.register(async (scope) => { await routes(scope, opened, requestsPerMinute) }, { prefix })
}

async function routes (scope: FastifyInstance, { flow, sessions, cookie, origin, secure, loginUrl, home }: OpenSignIn, requestsPerMinute: number): Promise<void> {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(formType, { parseAs: 'string', bodyLimit: formBytes }, (_request, body, done) => { done(null, body) })
  await limitAddresses(scope, requestsPerMinute)
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer') // redirects as well
    // The session's cookie is SameSite=Lax: with it a form came from a page of ours, also where the browser says no more than the `Origin: null` of pages without a referrer.
    if (isForeign(request, origin, { asForm: cookie.read(request.headers.cookie) !== null })) throw new errors.DWA_CROSS_SITE()
  })
  const showFailure = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => sendErrorPage(error, request, reply, (message) => refusedPage(message, loginUrl()))
  /** `auth: false`: whoever comes here is known by state and cookie. The query holds code and state: it is not logged (security.md 52). */
  const route = { config: { auth: false, rateLimit: {} }, exposeHeadRoute: false, logSerializers: { req: bareRequest }, errorHandler: showFailure } as const

  scope.get('/', route, async (request, reply) => {
    const { url, cookie: binding } = await flow.start(queryOf(request).get('returnTo'))
    reply.header('set-cookie', stringifySetCookie({ ...binding, path: '/', httpOnly: true, sameSite: 'lax', secure }))
    return await reply.redirect(url, 303)
  })

  scope.get('/callback', route, async (request, reply) => {
    const query = queryOf(request)
    const name = flow.cookieName(query.get('state') ?? '')
    reply.header('set-cookie', stringifySetCookie({ name, value: '', maxAge: 0, path: '/', httpOnly: true, sameSite: 'lax', secure }))
    const { session, returnTo } = await flow.finish({ query, cookies: cookieValues(request.headers.cookie, name), session: cookie.read(request.headers.cookie) }, noteOf(request))
    reply.header('set-cookie', cookie.set(session.id, session.seconds))
    return await reply.redirect(returnTo ?? home, 303)
  })

  scope.post('/out', route, async (request, reply) => {
    const id = cookie.read(request.headers.cookie)
    if (id !== null) await sessions.end(id, 'signed_out', noteOf(request))
    reply.header('set-cookie', cookie.clear())
    const returnTo = new URLSearchParams(typeof request.body === 'string' ? request.body : '').get('returnTo')
    if (returnTo !== null && isLocalPath(returnTo)) return await reply.redirect(returnTo, 303)
    return prefersHtml(request) ? sendPage(reply, signedOutPage(loginUrl())) : await reply.code(204).send()
  })
}

function isForeign (request: FastifyRequest, origin: string, { asForm }: { readonly asForm: boolean }): boolean {
  return (asForm ? isForeignForm : isCrossSite)(originOf(request), new Set([origin]))
}

function noteOf (request: FastifyRequest): SessionNote {
  return { requestId: request.id, personal: { ip: request.ip } }
}

function queryOf ({ url }: FastifyRequest): URLSearchParams {
  return new URL(url, 'http://local.invalid').searchParams
}

/** People sign in through one identity provider; `requireRole` then knows them by their session. */
export const signIn = fp(signInPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
