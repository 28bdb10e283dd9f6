import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { errors } from '../lib/errors.js'
import { jwtOptionsSchema, type JwtOptions as Options } from '../lib/jwt/jwt-options.js'
import { openJwt } from '../lib/jwt/open-jwt.js'
import { RouteGuard } from '../lib/jwt/route-guard.js'
import { parseRouteValue } from '../lib/jwt/route-value.js'
import { hasSignedInSession } from '../lib/jwt/session-guard.js'
import { explanationOf } from '../lib/jwt/token-explanation.js'
import { byName } from '../lib/jwt/validator-key.js'
import { checkOptions } from '../lib/options.js'
import type { RouteHook } from '../lib/store/route-auth.js'
import { decorateRequests } from './request-decorators.js'
import '../types/jwt.js'

/** Options of the `jwt` plugin. */
export type JwtOptions = Options<FastifyRequest>

const pluginName = 'fastify-docuware-auth/jwt'

async function jwtPlugin (app: FastifyInstance, options: JwtOptions): Promise<void> {
  checkOptions('jwt', jwtOptionsSchema, options)
  if (app.hasDecorator('jwtValidators')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { authenticator, cookies, registry, validators, refuseSharedNames } = await openJwt(options, app.store, app.auditLog, app.log)
  const guard = new RouteGuard({ authenticator, auditLog: app.auditLog, isSessionAuthenticated: options.isSessionAuthenticated ?? hasSignedInSession })

  app.decorate('jwtValidators', Object.assign(validators, {
    async clearCookie (reply: FastifyReply, name: string): Promise<void> {
      replaceCookie(reply, cookies.clear(await registry.find(byName(name))))
    },
    async explain (name: string, token: string, request: FastifyRequest) {
      const credentials = { authorization: `Bearer ${token}`, cookie: undefined, scopes: [], method: 'GET', origin: undefined, secFetchSite: undefined, request }
      return explanationOf(token, await authenticator.decide(authenticator.start({ validator: byName(name), public: false }), credentials))
    }
  }))
  app.decorate('requireAuth', (value, { scopes = [] } = {}) => {
    const hook = claim(value, 'requireAuth', scopes)
    if (hook === null) throw new errors.DWA_ROUTE_UNCLAIMED('requireAuth', 'auth', `"${value}"`)
    return (request, reply, done) => { hook(request, reply, done, request.routeOptions.config) }
  })
  decorateRequests(app, ['jwtPayload', 'jwtPartnerId', 'jwtValidator', ...app.hasRequestDecorator('userId') ? [] : ['userId'] as const])

  app.routeAuth.register({ name: pluginName, claim: (value, route) => claim(value, route, []) })
  if (typeof options.protect === 'object') app.routeAuth.every(options.protect.every)
  if (options.openapi !== undefined && options.openapi !== false) documentSecurity(app, options.openapi === true ? 'bearerAuth' : options.openapi)
  refuseLateSession(app)
  app.addHook('onReady', refuseSharedNames)

  function claim (value: string, route: string, scopes: readonly string[]): RouteHook | null {
    const parsed = parseRouteValue(value)
    if (parsed === 'unclaimed') return null
    if (parsed === 'malformed') throw new errors.DWA_ROUTE_MALFORMED(route, `config.auth ${JSON.stringify(value)} names no valid validator: a name is an identifier`)
    return guard.hook(parsed, scopes)
  }
}

/** Sets a cookie in place of one of the same name that is already on its way (RFC 6265 §4.1.1: a name at most once). */
function replaceCookie (reply: FastifyReply, cookie: string): void {
  const name = cookie.slice(0, cookie.indexOf('=') + 1)
  const others = [reply.getHeader('set-cookie') ?? []].flat().map(String).filter((one) => !one.startsWith(name))
  reply.removeHeader('set-cookie').header('set-cookie', [...others, cookie])
}

/** A session plugin registered after `store`, whose hook the guard is, or in a child, has not run yet when the session guard looks. */
function refuseLateSession (app: FastifyInstance): void {
  if (app.routeAuth.afterSessions) return
  const instances = new Set([app])
  app.addHook('onRoute', function () { instances.add(this) })
  app.addHook('onReady', async () => {
    if ([...instances].some((instance) => instance.hasRequestDecorator('session'))) throw new errors.DWA_JWT_LATE_SESSION()
  })
}

/** The OpenAPI security requirement of protected routes; for public ones also the empty one. */
function documentSecurity (app: FastifyInstance, scheme: string): void {
  app.addHook('onRoute', (route) => {
    const value = typeof route.config?.auth === 'string' ? parseRouteValue(route.config.auth) : 'unclaimed'
    if (typeof value === 'string') return
    const security = [...value.public ? [{}] : [], { [scheme]: [...route.config?.scopes ?? []] }]
    route.schema = Object.assign({}, route.schema, { security })
  })
}

/** Route-level JWT authentication by named validators. */
export const jwt = fp(jwtPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
