import { randomBytes } from 'node:crypto'
import { stringifySetCookie } from 'cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors, isAuthError } from '../lib/errors.js'
import { BrowserBinding, type BrowserCookie } from '../lib/http/browser-binding.js'
import { isForeignForm } from '../lib/http/cookie-header.js'
import { chooseLanguage } from '../lib/http/page-language.js'
import type { Authorize } from '../lib/provider/authorize.js'
import { ConsentList } from '../lib/provider/consent-list.js'
import type { Consents } from '../lib/provider/consents.js'
import type { OpenClients } from '../lib/provider/open-clients.js'
import { askOwner, displayNameOf, userIdOf, type Owner, type OwnerUser } from '../lib/provider/owner.js'
import { destinationOf, ProviderPages, statusOf } from '../lib/provider/pages.js'
import type { ProviderOptions } from '../lib/provider/provider-options.js'
import { limitAddresses } from './address-limit.js'
import { bareRequest } from './bare-request.js'
import { originOf, withoutCors } from './cross-origin.js'
import { sendPage } from './page-reply.js'
import '../types/telemetry.js'

/** What the pages of the provider are made of. */
export interface PageParts<Request> {
  readonly authorize: Authorize
  readonly consents: Consents
  readonly clients: Pick<OpenClients, 'byClientId' | 'byId'>
  readonly owner: Owner<Request>
  /** Where the provider's routes are, as browsers see them: `https://app.example.com/oauth2`. */
  readonly baseUrl: string
  readonly pages: NonNullable<ProviderOptions['pages']>
  /** From one address to all of the pages, in one process (security.md 31). */
  readonly requestsPerMinute: number
}

const formType = 'application/x-www-form-urlencoded'
const formBytes = 16 * 1024

/** The routes that people see: authorization, consent, and their consents. */
export async function pageRoutes (parent: FastifyInstance, parts: PageParts<FastifyRequest>): Promise<void> {
  await parent.register(async (scope) => { await routes(scope, parts) })
}

async function routes (scope: FastifyInstance, { authorize, consents, clients, owner, baseUrl, pages: templates, requestsPerMinute }: PageParts<FastifyRequest>): Promise<void> {
  const { origin, pathname: basePath, protocol } = new URL(baseUrl)
  const pages = new ProviderPages(templates, scope.log)
  const browsers = new BrowserBinding('dwa_consent', protocol === 'https:', randomBytes)
  const consentList = new ConsentList(consents, clients)
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(formType, { parseAs: 'string', bodyLimit: formBytes }, (_request, body, done) => { done(null, body) })
  await limitAddresses(scope, requestsPerMinute, { together: true })
  const trusted = new Set([origin])
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer') // redirects as well
    if (isForeignForm(originOf(request), trusted)) throw new errors.DWA_CROSS_SITE()
  })
  scope.addHook('onSend', withoutCors)
  scope.setErrorHandler((error, request, reply) => {
    const status = statusOf(error)
    if (status >= 500) report(scope, request, error)
    if (isAuthError(error) && 'headers' in error && typeof error.headers === 'object') reply.headers({ ...error.headers })
    return sendPage(reply.code(status), pages.error(error, languageOf(request)))
  })
  /** `auth: false`: whoever comes here is known by `owner`. The query, and what comes of it, holds codes and states: it is not logged (security.md 52). */
  const route = { config: { auth: false }, exposeHeadRoute: false, logSerializers: { req: bareRequest } } as const

  for (const [url, allow] of [['/authorize', 'GET, POST'], ['/consents', 'GET'], ['/consents/:clientId/revoke', 'POST']] as const) {
    scope.options(url, route, async (_request, reply) => await reply.code(405).header('allow', allow).send()) // or the app's CORS would answer a preflight
  }

  async function current (request: FastifyRequest): Promise<OwnerUser | null> {
    return await askOwner('current', async () => await owner.current(request)) ?? null
  }

  async function signIn (request: FastifyRequest, reply: FastifyReply, returnTo: string): Promise<FastifyReply> {
    const url: unknown = await askOwner('loginUrl', async () => await owner.loginUrl(request, returnTo))
    if (typeof url !== 'string') throw new errors.DWA_PROVIDER_OWNER_FAILED('provider.owner.loginUrl returned no address')
    return await reply.redirect(url, 303)
  }

  scope.get('/authorize', route, async (request, reply) => {
    const user = await current(request)
    const { browser, set } = browsers.ensure(request.headers.cookie)
    const query = queryOf(request)
    const step = await authorize.begin(query, { user: user === null ? null : userIdOf(user), browser, requestId: request.id })
    if (step.next === 'redirect') return await reply.redirect(step.location, 303)
    if (user === null || step.next === 'sign-in') return await signIn(request, reply, `${basePath}/authorize?${query}`)
    const { redirectUri, ...question } = step.question
    const account = await displayNameOf(user, owner.displayName)
    const page = pages.consent({ ...question, account, language: languageOf(request), destination: destinationOf(redirectUri), action: `${basePath}/authorize` }, redirectUri)
    setCookie(reply, set)
    return sendPage(reply, page)
  })

  scope.post('/authorize', route, async (request, reply) => {
    const user = await current(request)
    const browser = browsers.read(request.headers.cookie)
    if (browser === null) throw new errors.DWA_OAUTH_INVALID_INTERACTION()
    return await reply.redirect(await authorize.decide(formOf(request), { user: user === null ? null : userIdOf(user), browser, requestId: request.id }), 303)
  })

  scope.get('/consents', route, async (request, reply) => {
    const user = await current(request)
    if (user === null) return await signIn(request, reply, `${basePath}/consents`)
    const { browser, set } = browsers.ensure(request.headers.cookie)
    const { consents: own, fields } = await consentList.show(userIdOf(user), browser)
    setCookie(reply, set)
    return sendPage(reply, pages.consents({
      language: languageOf(request),
      fields,
      consents: own.map(({ name, ...consent }) => ({ ...consent, action: `${basePath}/consents/${encodeURIComponent(name)}/revoke` }))
    }))
  })

  scope.post<{ Params: { clientId: string } }>('/consents/:clientId/revoke', route, async (request, reply) => {
    const user = await current(request)
    const browser = browsers.read(request.headers.cookie)
    if (user === null || browser === null) throw new errors.DWA_OAUTH_INVALID_INTERACTION()
    await consentList.revoke(request.params.clientId, formOf(request), { user: userIdOf(user), browser, requestId: request.id })
    return await reply.redirect(`${basePath}/consents`, 303)
  })
}

/** What a page covers up, the app's log and telemetry learn. */
function report (scope: FastifyInstance, request: FastifyRequest, error: unknown): void {
  request.log.error({ err: error }, 'a page of the provider failed')
  if (scope.hasDecorator('telemetry') && error instanceof Error) scope.telemetry.capture(error)
}

function setCookie (reply: FastifyReply, cookie: BrowserCookie | null): void {
  if (cookie !== null) reply.header('set-cookie', stringifySetCookie({ ...cookie, path: '/', httpOnly: true, sameSite: 'lax' }))
}

function queryOf ({ url }: FastifyRequest): string {
  const at = url.indexOf('?')
  return at === -1 ? '' : url.slice(at + 1)
}

function formOf ({ body }: FastifyRequest): string {
  return typeof body === 'string' ? body : ''
}

function languageOf ({ headers }: FastifyRequest): ReturnType<typeof chooseLanguage> {
  return chooseLanguage(headers['accept-language'])
}
