import { randomBytes } from 'node:crypto'
import { stringifySetCookie } from 'cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ConsolePage, ConsoleRoute, Visit } from '../lib/admin/console/console-route.js'
import { readForm } from '../lib/admin/console/form-body.js'
import type { OpenConsole } from '../lib/admin/console/open-console.js'
import { consoleScript, scriptPath } from '../lib/admin/console/script.js'
import { PathTable } from '../lib/admin/path-table.js'
import { failureOf, problemOf, refusalOf } from '../lib/admin/problem.js'
import type { Resource } from '../lib/admin/resource.js'
import { errors, isAuthError } from '../lib/errors.js'
import { BrowserBinding, formToken, isFormToken } from '../lib/http/browser-binding.js'
import { isForeignForm } from '../lib/http/cookie-header.js'
import { chooseLanguage } from '../lib/http/page-language.js'
import type { Caller } from '../lib/store/access.js'
import { limitAddresses } from './address-limit.js'
import { callerOf } from './authorization-routes.js'
import { originOf, ownOrigins, withoutCors } from './cross-origin.js'
import { prefersHtml, sendPage } from './page-reply.js'
import '../types/connectors.js'
import '../types/docuware.js'
import '../types/jwt.js'
import '../types/provider.js'
import '../types/sign-in.js'
import '../types/telemetry.js'

export interface ConsoleOptions {
  /** Where people sign in, if not by `signIn`. */
  readonly signInUrl: string | null
  readonly requestsPerMinute: number
}

interface ConsoleRequest { Querystring: Record<string, unknown> }

interface LoadedConsole extends OpenConsole { readonly table: PathTable<ConsoleRoute> }

const formType = 'application/x-www-form-urlencoded'
const formBytes = 256 * 1024
/** Of forms. */
const purpose = 'console'
/** Below the console's prefix: where the browser is led that has signed out. */
const signedOutPath = '/signed-out'

/** The pages of the console, below the prefix that the scope has. @throws DWA_OPTIONS_INVALID */
export async function consoleRoutes (scope: FastifyInstance, resources: readonly Resource[], { signInUrl, requestsPerMinute }: ConsoleOptions, load = loadConsole): Promise<void> {
  const { publicUrl } = scope.store
  const at = publicUrl === null ? null : new URL(publicUrl)
  const outside = at === null ? '' : at.pathname.replace(/\/$/, '')
  const browsers = new BrowserBinding('dwa_console', at?.protocol === 'https:', randomBytes)
  const trusted = ownOrigins(scope)
  let loading: Promise<LoadedConsole> | null = null
  const loaded = async (): Promise<LoadedConsole> => {
    loading ??= load(scope, resources)
    try {
      return await loading
    } catch (error) {
      loading = null // the next request tries again
      throw error
    }
  }
  const link = (path: string): string => outside + scope.prefix + path || '/'
  const { send, fail, signInFor } = sending(scope, loaded, { link, outside, signInUrl })

  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(formType, { parseAs: 'string', bodyLimit: formBytes }, (_request, body, done) => { done(null, body) })
  const limited = await limitAddresses(scope, requestsPerMinute)
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').header('x-content-type-options', 'nosniff') // redirects as well
    if (isForeignForm(originOf(request), trusted)) throw new errors.DWA_CROSS_SITE()
  })
  scope.addHook('onSend', withoutCors)
  scope.setErrorHandler(fail)
  if (scope.prefix !== '') scope.setNotFoundHandler(async () => { throw new errors.DWA_ADMIN_UNKNOWN_ROUTE() })
  const ownAuth = { auth: false } as const // `protect: { every }` is for the app's routes

  scope.get(scriptPath, { config: ownAuth }, async (_request, reply) => await reply.type('text/javascript; charset=utf-8').header('cache-control', 'public, max-age=31536000, immutable').send(consoleScript))
  scope.get(signedOutPath, { config: ownAuth, schema: { hide: true }, exposeHeadRoute: false, onRequest: limited }, async (request, reply) => {
    if (await scope.callers.find(request) !== null) return await reply.redirect(link(''), 303)
    const { signedOutPage, texts } = await loaded()
    return await send(request, reply, signedOutPage(texts[chooseLanguage(request.headers['accept-language'])], signInFor(link(''))))
  })
  for (const name of ['connections', 'connectors']) {
    if (scope.hasRoute({ method: 'POST', url: `${scope.prefix}/${name}/:id/authorize` })) throw new errors.DWA_OPTIONS_INVALID('admin.prefix', `another plugin has its routes at "${scope.prefix}/${name}"`) // they would hide the page's
  }
  for (const url of ['/', ...resources.flatMap(({ name }) => [`/${name}`, `/${name}/*`])]) {
    scope.route<ConsoleRequest>({
      method: url === '/' ? 'GET' : ['GET', 'POST'],
      url,
      config: ownAuth,
      schema: { hide: true },
      exposeHeadRoute: false,
      onRequest: [limited, async (request) => {
        const { entry } = (await loaded()).table.askedFor(request)
        await admit(request, entry.roles)
      }],
      async handler (request, reply) {
        const { entry: { method, run }, key } = (await loaded()).table.askedFor(request)
        const { browser, set } = browsers.ensure(request.headers.cookie)
        const person = personOf(request)
        const form = method === 'POST' ? readForm(String(request.body ?? '')) : new Map<string, string>()
        if (method === 'POST' && !isFormToken(form.get('csrf') ?? '', purpose, browser, person.id)) throw new errors.DWA_ADMIN_FOREIGN_FORM()
        if (set !== null) reply.header('set-cookie', stringifySetCookie({ ...set, path: '/', httpOnly: true, sameSite: 'lax' }))
        const answer = await run(await visitOf(request, reply, { key, person, form, csrf: formToken(purpose, browser, person.id) })).catch((failure: unknown) => { throw failureOf(failure) })
        return 'location' in answer ? await reply.redirect(answer.location, 303) : await send(request, reply, answer)
      }
    })
  }

  async function admit (request: FastifyRequest, roles: ConsoleRoute['roles']): Promise<void> {
    const caller = await scope.callers.find(request, { hasFormToken: true })
    request.caller = caller // also of those who lack the role: their page says who they are
    if (caller === null) throw new errors.DWA_ACCESS_UNAUTHENTICATED()
    if (!roles.some((role) => caller.roles.includes(role))) throw new errors.DWA_ACCESS_FORBIDDEN(roles.join('" or "'))
  }

  async function visitOf (request: FastifyRequest<ConsoleRequest>, reply: FastifyReply, { key, person, form, csrf }: Pick<Visit, 'key' | 'person' | 'form' | 'csrf'>): Promise<Visit> {
    const { texts } = await loaded()
    const language = chooseLanguage(request.headers['accept-language'])
    const note = callerOf(request)
    return {
      key,
      query: request.query,
      form,
      person,
      note,
      language,
      texts: texts[language],
      csrf,
      link,
      authorizationUrl: async (kind, id, returnTo) => await (kind === 'connections' ? scope.docuware : scope.connectors).authorizationUrl(id, { reply, returnTo: link(returnTo), ...note }),
      explainToken: async (validator, token) => await scope.jwtValidators.explain(validator, token, request)
    }
  }
}

async function loadConsole (scope: FastifyInstance, resources: readonly Resource[]): Promise<LoadedConsole> {
  const { openConsole } = await import('../lib/admin/console/open-console.js')
  const opened = openConsole({
    resources,
    docuware: scope.hasDecorator('docuware') ? scope.docuware : undefined,
    provider: scope.hasDecorator('oauthProvider') ? scope.oauthProvider : undefined,
    connectors: scope.hasDecorator('connectors') ? scope.connectors : undefined,
    validators: scope.hasDecorator('jwtValidators') ? scope.jwtValidators : undefined,
    telemetry: scope.hasDecorator('telemetry') ? scope.telemetry : undefined,
    auditLog: scope.auditLog,
    clock: scope.store.clock,
    logger: scope.log
  })
  return { ...opened, table: new PathTable(scope, opened.routes) }
}

interface Addresses extends Pick<ConsoleOptions, 'signInUrl'> {
  readonly link: (path: string) => string
  /** The path of the app itself, as browsers see it. */
  readonly outside: string
}

/** How pages and errors are sent. */
function sending (scope: FastifyInstance, loaded: () => Promise<OpenConsole>, { link, outside, signInUrl }: Addresses) {
  async function send (request: FastifyRequest, reply: FastifyReply, page: ConsolePage): Promise<FastifyReply> {
    const { menuOf, render, texts } = await loaded()
    const { caller } = request
    const language = chooseLanguage(request.headers['accept-language'])
    const signOut = caller !== null && scope.hasDecorator('signIn') ? { action: scope.signIn.logoutUrl, returnTo: link(signedOutPath) } : null
    return sendPage(reply.code(page.status ?? 200), render(page, { language, texts: texts[language], link, menu: caller === null ? [] : menuOf(caller.roles), person: caller === null ? null : caller.name ?? caller.id, signOut }))
  }

  /** Where people sign in to come back to that path; null where nobody has said. */
  function signInFor (path: string): string | null {
    if (signInUrl !== null) return signInUrl
    return scope.hasDecorator('signIn') ? scope.signIn.loginUrl(path) : null
  }

  /**
   * Whoever opens a page without being signed in is led to where they can. Others are told: who sent a form, since it was for nothing; a script, which cannot follow; and who
   * sent a filter of ours, whose browser follows no redirect of a form to elsewhere (CSP `form-action`).
   */
  async function fail (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      return await sendFailure(error, request, reply)
    } catch (failure) { // the page of the error failed itself: who asks learns no more than of any failure
      request.log.error({ err: failure }, 'the console cannot be shown')
      const { status, code } = refusalOf(error, request.id) ?? problemOf(error, request.id)
      if (status === 401) reply.header('www-authenticate', 'Session') // RFC 9110 §15.5.2
      return await reply.code(status).type('text/plain').send(code)
    }
  }

  async function sendFailure (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (isAuthError(error) && 'headers' in error && typeof error.headers === 'object') reply.headers({ ...error.headers })
    const { errorPage, texts } = await loaded()
    const isNobody = isAuthError(error, 'DWA_ACCESS_UNAUTHENTICATED')
    const loginUrl = isNobody ? signInFor(request.method === 'GET' ? outside + request.url : link('')) : null
    if (loginUrl !== null && signInUrl === null && isOpened(request)) return await reply.redirect(loginUrl, 303)
    const page = errorPage(error, request.id, texts[chooseLanguage(request.headers['accept-language'])], { back: request.caller === null ? null : link(''), loginUrl })
    if (page.status >= 500) {
      request.log.error({ err: error }, 'a page of the console failed')
      if (scope.hasDecorator('telemetry') && error instanceof Error) scope.telemetry.capture(error)
    }
    if (page.status === 401) reply.header('www-authenticate', 'Session') // as `requireRole` does
    return await send(request, reply, page)
  }

  return { send, fail, signInFor }
}

/** Whether a browser opens an address, by a link or by hand. */
function isOpened (request: FastifyRequest): boolean {
  const isFilter = originOf(request).secFetchSite === 'same-origin' && request.url.includes('?')
  return request.method === 'GET' && prefersHtml(request) && !isFilter
}

function personOf ({ caller }: FastifyRequest): Caller {
  if (caller === null) throw new errors.DWA_ACCESS_UNAUTHENTICATED()
  return caller
}
