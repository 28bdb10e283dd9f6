import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { errors } from '../lib/errors.js'
import { fetchJson } from '../lib/http/fetch-json.js'
import { Authenticator, type Accepted, type Credentials, type Outcome } from '../lib/jwt/authenticator.js'
import { answerOf } from '../lib/jwt/challenge.js'
import { compileValidator, type CompiledValidator, type CompileInput } from '../lib/jwt/compiled-validator.js'
import { declareValidators } from '../lib/jwt/declared-validators.js'
import { emailStrategy, type IdentityStrategy } from '../lib/jwt/identity.js'
import { jwtOptionsSchema, type JwtOptions as Options } from '../lib/jwt/jwt-options.js'
import { KeySets } from '../lib/jwt/key-sets.js'
import { parseRouteValue, type RouteValue } from '../lib/jwt/route-value.js'
import { validatorKind, type StoredValidator } from '../lib/jwt/validator-kind.js'
import { ValidatorRegistry } from '../lib/jwt/validator-registry.js'
import { Validators } from '../lib/jwt/validators.js'
import { VerifiedTokens } from '../lib/jwt/verified-tokens.js'
import { checkOptions } from '../lib/options.js'
import '../types/jwt.js'

/** Options of the `jwt` plugin. */
export type JwtOptions = Options<FastifyRequest>

const pluginName = 'fastify-docuware-auth/jwt'

async function jwtPlugin (app: FastifyInstance, options: JwtOptions): Promise<void> {
  checkOptions('jwt', jwtOptionsSchema, options)
  if (app.hasDecorator('jwtValidators')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const now = options.now ?? Date.now
  const { store, auditLog } = app

  const userIdStrategies = strategies(options.userIdStrategies, 'userIdStrategies', ['static', 'claim'])
  const partnerIdStrategies = strategies(options.partnerIdStrategies, 'partnerIdStrategies', ['email'])
  if (options.partners !== undefined) {
    partnerIdStrategies.set('email', emailStrategy(options.partners.model, options.partners.emailField ?? 'email', (operation) => store.run(operation)))
  }

  const keySets = new KeySets({
    fetch: (url, dynamic) => fetchJson(url, { timeoutMs: 5000, maxBytes: 512 * 1024, allowSpecialAddress: !dynamic || options.allowInsecure === true || options.keySets?.allowPrivateAddresses === true }),
    now,
    onFailure (url, error) {
      app.log.error({ err: error, keySet: url }, 'a JWT key set could not be fetched')
      auditLog.sample(`key_set_failed ${url}`, 'validator.key_set_failed', { level: 'error', target: { type: 'key_set', id: url }, message: String(error) })
    }
  })
  const compile = (input: CompileInput): CompiledValidator => compileValidator(input, (uri, dynamic) => keySets.get(uri, dynamic), now)
  const context = {
    allowInsecure: options.allowInsecure === true,
    userIdStrategies: new Set(userIdStrategies.keys()),
    partnerIdStrategies: new Set(partnerIdStrategies.keys())
  }
  const declared = await declareValidators(options.validators ?? [], context, compile)
  for (const { name, fields } of declared.values()) {
    if (fields.allowShortSecret) auditLog.record('validator.short_secret', { level: 'warning', target: { type: 'validator', id: null, name }, message: 'a code-declared validator allows a secret shorter than its hash' })
  }
  const records = store.records<StoredValidator>(validatorKind)
  const registry = new ValidatorRegistry({ declared, records, changes: store.changes, compile, now, maxStaleMs: (options.maxStaleSeconds ?? 300) * 1000 })
  const authenticator = new Authenticator<FastifyRequest>({
    registry,
    verified: new VerifiedTokens(options.cache?.max ?? 10_000),
    keyRing: store.keyRing,
    userIdStrategies,
    partnerIdStrategies,
    trustedOrigins: new Set([...store.publicUrl === null ? [] : [new URL(store.publicUrl).origin], ...options.trustedOrigins ?? []]),
    now
  })
  const isSessionAuthenticated = options.isSessionAuthenticated ?? hasSignedInSession

  const validators = new Validators({ declared, records, context, exclusively: (change) => store.exclusively('validators', change) })
  app.decorate('jwtValidators', {
    create: (input, change) => validators.create(input, change),
    get: (name) => validators.get(name),
    list: () => validators.list(),
    update: (name, patch, change) => validators.update(name, patch, change),
    remove: (name, change) => validators.remove(name, change),
    async clearCookie (reply, name) {
      replaceCookie(reply, authenticator.clearingCookie(await registry.resolve({ name })))
    }
  })
  app.decorate('requireAuth', (value, { scopes = [] } = {}) => {
    const route = parseRouteValue(value)
    if (typeof route === 'string') throw new errors.DWA_ROUTE_MALFORMED('requireAuth', `"${value}" is not jwt, jwt_<validator>, public_or_jwt or public_or_jwt_<validator>`)
    return guard(route, scopes)
  })
  for (const name of ['jwtPayload', 'jwtPartnerId', 'jwtValidator'] as const) app.decorateRequest(name, null)
  if (!app.hasRequestDecorator('userId')) app.decorateRequest('userId', null)

  app.routeAuth.register({
    name: pluginName,
    claim (value, where) {
      const route = parseRouteValue(value)
      if (route === 'unclaimed') return null
      if (route === 'malformed') throw new errors.DWA_ROUTE_MALFORMED(where, `config.auth ${JSON.stringify(value)} names no valid validator: a name is an identifier`)
      return guard(route, null)
    }
  })
  if (typeof options.protect === 'object') app.routeAuth.every(options.protect.every)
  if (options.openapi !== undefined && options.openapi !== false) documentSecurity(app, options.openapi === true ? 'bearerAuth' : options.openapi)
  refuseLateSession(app)
  app.addHook('onReady', async () => await refuseSharedNames())

  /** A name that is both declared and stored is an error at boot; with MongoDB away the declared one simply wins. */
  async function refuseSharedNames (): Promise<void> {
    if (!store.available) return
    for (const [index, name] of [...declared.keys()].entries()) {
      if (await records.getByName(name) !== null) throw new errors.DWA_OPTIONS_INVALID(`jwt.validators[${index}].name`, `a stored validator is called "${name}" too`)
    }
  }

  /** The onRequest hook for one `config.auth` value. @param ownScopes null: the route's `config.scopes` */
  function guard (route: RouteValue, ownScopes: readonly string[] | null): onRequestHookHandler {
    return function jwtGuard (request, reply, done) {
      let accepted: Accepted | null
      let scopes: readonly string[]
      try {
        if (isSessionAuthenticated(request)) return refuseSession(request, reply, done)
        scopes = ownScopes ?? request.routeOptions.config.scopes ?? []
        accepted = authenticator.decideAtOnce(route, request.headers.authorization, scopes)
      } catch (error) {
        return done(toError(error))
      }
      if (accepted !== null) {
        grant(request, reply, accepted)
        return done()
      }
      authenticator.decide(route, credentialsOf(request, scopes)).then(
        (outcome) => conclude(request, reply, outcome, done),
        (error: unknown) => {
          if (errorStatus(error) === 500) request.log.error({ err: error }, 'a JWT validator cannot be used')
          done(toError(error))
        }
      )
    }
  }

  function conclude (request: FastifyRequest, reply: FastifyReply, outcome: Outcome, done: (error?: Error) => void): void {
    if (outcome === 'anonymous') return done()
    if (!('refusals' in outcome)) {
      grant(request, reply, outcome)
      return done()
    }
    for (const { validator, validatorId, reason } of outcome.refusals) {
      if (reason === 'missing') continue
      const level = reason === 'unknown_key' || reason === 'key_set_unreachable' ? 'error' : 'info'
      request.log[level]({ validator, reason }, 'JWT refused')
      auditLog.sample(`jwt.refused ${validator} ${reason}`, 'jwt.refused', { level: 'warning', target: { type: 'validator', id: validatorId, name: validator }, details: { reason } })
    }
    const { error, challenge } = answerOf(outcome)
    refuse(request, reply, error, challenge, done)
  }

  function refuseSession (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    request.log.warn('a request with a signed-in session was refused on a JWT route')
    auditLog.sample('jwt.session_mismatch', 'jwt.session_mismatch', { level: 'warning' })
    refuse(request, reply, new errors.DWA_JWT_SESSION_MISMATCH(), 'Bearer', done)
  }
}

function grant (request: FastifyRequest, reply: FastifyReply, { validator, claims, userId, partnerId, setCookie }: Accepted): void {
  request.jwtPayload = claims
  request.jwtPartnerId = partnerId
  request.userId = userId
  request.jwtValidator = validator.name
  if (setCookie !== null) reply.header('set-cookie', setCookie)
}

/** Sets a cookie in place of one of the same name that is already on its way (RFC 6265 §4.1.1: a name at most once). */
function replaceCookie (reply: FastifyReply, cookie: string): void {
  const name = cookie.slice(0, cookie.indexOf('=') + 1)
  const others = [reply.getHeader('set-cookie') ?? []].flat().map(String).filter((one) => !one.startsWith(name))
  reply.removeHeader('set-cookie').header('set-cookie', [...others, cookie])
}

function refuse (request: FastifyRequest, reply: FastifyReply, error: Error & { statusCode?: number | undefined, code: string, errors?: unknown }, challenge: string | null, done: (error?: Error) => void): void {
  if (challenge !== null) reply.header('www-authenticate', challenge)
  // Fastify's own error handler leaves out what it does not know; an app's own one gets the error.
  if (error.errors !== undefined && request.server.errorHandler.name === 'defaultErrorHandler') {
    reply.code(401).send({ statusCode: 401, code: error.code, error: 'Unauthorized', message: error.message, errors: error.errors })
  } else {
    done(error)
  }
}

function credentialsOf (request: FastifyRequest, scopes: readonly string[]): Credentials<FastifyRequest> {
  const { headers, method } = request
  return { request, scopes, method, authorization: headers.authorization, cookie: headers.cookie, secFetchSite: header(headers['sec-fetch-site']), origin: headers.origin }
}

function header (value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value
}

function hasSignedInSession (request: FastifyRequest): boolean {
  const { session } = request as { session?: { userId?: unknown, user?: unknown, get?: (key: string) => unknown } }
  if (session === undefined || session === null) return false
  return Boolean(session.userId ?? session.user ?? (typeof session.get === 'function' ? session.get('user') : undefined))
}

/** A session plugin registered after this one would not have run yet when the session guard looks. */
function refuseLateSession (app: FastifyInstance): void {
  const before = app.hasRequestDecorator('session')
  app.addHook('onReady', async () => {
    if (!before && app.hasRequestDecorator('session')) throw new errors.DWA_JWT_LATE_SESSION()
  })
}

function documentSecurity (app: FastifyInstance, scheme: string): void {
  app.addHook('onRoute', (route) => {
    const value = typeof route.config?.auth === 'string' ? parseRouteValue(route.config.auth) : 'unclaimed'
    if (typeof value === 'string') return
    const security = [...value.public ? [{}] : [], { [scheme]: [...route.config?.scopes ?? []] }]
    route.schema = Object.assign({}, route.schema, { security })
  })
}

function strategies (given: { readonly [name: string]: IdentityStrategy<FastifyRequest> } | undefined, option: string, builtIn: readonly string[]): Map<string, IdentityStrategy<FastifyRequest>> {
  for (const name of builtIn) {
    if (given !== undefined && Object.hasOwn(given, name)) throw new errors.DWA_OPTIONS_INVALID(`jwt.${option}.${name}`, 'this name is built in')
  }
  return new Map(Object.entries(given ?? {}))
}

function errorStatus (error: unknown): number {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
}

function toError (error: unknown): Error {
  return error instanceof Error ? error : new Error('something was thrown that is no Error', { cause: error })
}

/** Route-level JWT authentication by named validators. */
export const jwt = fp(jwtPlugin, { name: pluginName, fastify: '5.x', dependencies: ['fastify-docuware-auth/store'] })
