import type { onRequestHookHandler } from 'fastify'
import type { AuditLog } from '../lib/log/audit-log.js'
import type { Caller, Callers } from '../lib/store/access.js'
import type { RouteAuth } from '../lib/store/route-auth.js'
import type { Store } from '../lib/store/store.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The shared database, by the `store` plugin. */
    store: Store
    /** The insert-only log, by the `store` plugin. */
    auditLog: AuditLog
    /** Who calls: by the app's `access`, or else by the session of `signIn`. For what is more than `requireRole`. */
    callers: Callers<FastifyRequest>
    /** An onRequest hook: 401 when nobody is known to call, 403 when the caller lacks the role. */
    requireRole (role: string): onRequestHookHandler
    /** Who serves which `config.auth` and `config.webhook`: for plugins that do. */
    routeAuth: Pick<RouteAuth, 'afterSessions' | 'register' | 'every' | 'webhook'>
  }

  interface FastifyRequest {
    /** Who calls, once `requireRole` has let them pass; otherwise null. */
    caller: Caller | null
  }

  interface FastifyContextConfig {
    /** How callers of the route authenticate: `jwt_<validator>`, `public_or_jwt_<validator>`, `oauth_provider`; false opts out of `protect: { every }`. */
    auth?: string | false
    /** Scopes a caller of the route needs beside what `auth` asks for. */
    scopes?: readonly string[]
    /** The webhook source whose signature requests must carry. */
    webhook?: string
  }
}
