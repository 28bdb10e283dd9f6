import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Connection } from 'mongoose'
import { systemClock, type Clock } from '../lib/clock.js'
import { errors, isAuthError } from '../lib/errors.js'
import { checkOptions } from '../lib/options.js'
import { Callers, type Access } from '../lib/store/access.js'
import type { DatabaseSource } from '../lib/store/database.js'
import { readMasterKey, type MasterKey } from '../lib/store/master-key.js'
import { OpenedStore } from '../lib/store/open-store.js'
import { readPublicUrl } from '../lib/store/public-url.js'
import { RouteAuth } from '../lib/store/route-auth.js'
import { defaultPrefix, logSettings, storeOptionsSchema } from '../lib/store/store-options.js'
import { decorateRequests } from './request-decorators.js'
import '../types/store.js'

/** Options of the `store` plugin. */
export interface StoreOptions {
  /** MongoDB's address, database included. Either this or `connection`. */
  uri?: string
  /** The app's own mongoose connection, which is never closed here. */
  connection?: Connection
  /** Master keys, at least 32 bytes each, base64. The first wraps the database's data keys, all unwrap. */
  secretKeys: readonly string[]
  /** Default `dwa_`. */
  collectionPrefix?: string
  /** The app's external base URL; every redirect URI is derived from it. */
  publicUrl?: string
  /** Says who calls, for `requireRole`. Default: nobody. */
  access?: Access<FastifyRequest>
  log?: {
    /** Bytes of the capped collection. Default 64 MiB. */
    size?: number
    /** Its bound in entries. Default: none. */
    max?: number
    /** A credential of its own, which should be able to insert and find and nothing else. */
    uri?: string
    /** Whether entries keep client addresses and user names. Default false. */
    personalData?: boolean
    /** Makes it an error when the credential of `uri` may do more. Default false. */
    requireInsertOnly?: boolean
    /** Entries kept in memory while the database is away. Default 1000. */
    spool?: number
  }
  /** For tests: what time it is, and timers. */
  clock?: Clock
}

const pluginName = 'fastify-docuware-auth/store'

async function storePlugin (app: FastifyInstance, options: StoreOptions): Promise<void> {
  checkOptions('store', storeOptionsSchema, options)
  if (isChild(app)) throw new errors.DWA_STORE_NOT_AT_ROOT()
  if (app.hasDecorator('store')) throw new errors.DWA_PLUGIN_ALREADY_REGISTERED(pluginName)
  const { log = {}, access = () => null } = options
  if (log.requireInsertOnly === true && log.uri === undefined) throw new errors.DWA_OPTIONS_INVALID('store.log.requireInsertOnly', 'needs store.log.uri: the store\'s own credential must be able to do more')

  const opened = new OpenedStore({
    source: readSource(options),
    masterKeys: readMasterKeys(options.secretKeys),
    collectionPrefix: options.collectionPrefix ?? defaultPrefix,
    publicUrl: options.publicUrl === undefined ? null : readPublicUrl(options.publicUrl, 'store.publicUrl'),
    log: logSettings(log),
    clock: options.clock ?? systemClock,
    logger: app.log
  })
  app.addHook('onClose', async () => { await opened.close() })
  await opened.start()

  const callers = new Callers(access)
  const routeAuth = new RouteAuth({
    afterSessions: app.hasRequestDecorator('session'),
    verifyBodies: (hook) => { app.addHook('preParsing', hook) }
  })
  app.decorate('store', opened)
  app.decorate('auditLog', opened.log)
  app.decorate('routeAuth', routeAuth)
  app.decorate('callers', callers)
  decorateRequests(app, ['caller'])
  app.decorate('requireRole', (role) => (request, reply, done) => {
    callers.require(request, role).then((caller) => {
      request.caller = caller
      done()
    }, (error: unknown) => {
      if (isAuthError(error, 'DWA_ACCESS_UNAUTHENTICATED')) reply.header('www-authenticate', 'Session') // RFC 9110 §11.6.1; how to sign in is the app's affair
      done(error instanceof Error ? error : new errors.DWA_ACCESS_FAILED({ cause: error }))
    })
  })

  app.addHook('onRequest', routeAuth.guard)
  app.addHook('onRoute', (route) => { routeAuth.see(route) })
  app.addHook('onReady', async () => {
    routeAuth.check()
    await opened.ensureKinds()
  })
}

/** Fastify makes a child context by `Object.create` of its parent. @see https://fastify.dev/docs/latest/Reference/Encapsulation/ */
function isChild (app: FastifyInstance): boolean {
  const parent: unknown = Object.getPrototypeOf(app)
  return typeof parent === 'object' && parent !== null && 'addHook' in parent
}

function readSource ({ uri, connection }: StoreOptions): DatabaseSource {
  if (uri !== undefined && connection !== undefined) throw new errors.DWA_OPTIONS_INVALID('store.connection', 'either uri or connection, not both')
  if (connection !== undefined) return { connection }
  if (uri === undefined) throw new errors.DWA_OPTIONS_INVALID('store.uri', 'is required, unless connection is given')
  return { uri }
}

function readMasterKeys (keys: readonly string[]): [MasterKey, ...MasterKey[]] {
  const [first, ...others] = keys.map((key, index) => readMasterKey(key, `store.secretKeys[${index}]`))
  if (first === undefined) throw new errors.DWA_OPTIONS_INVALID('store.secretKeys', 'must NOT have fewer than 1 items')
  return [first, ...others]
}

/** Opens the database, its log and its keys, and checks every route that asks for authentication. */
export const store = fp(storePlugin, { name: pluginName, fastify: '5.x' })
