import type { Resource } from '../lib/admin/resource.js'

/** Administration. Decorated as `app.admin`. */
export interface Admin {
  /** What can be managed: an entry for each kind of record that a registered plugin keeps, and for the rest. */
  readonly resources: readonly Resource[]
}

declare module 'fastify' {
  interface FastifyInstance {
    /** By the `admin` plugin. */
    admin: Admin
  }
  interface FastifySchema {
    /** Keeps a route out of the OpenAPI document, as @fastify/swagger says it. */
    hide?: boolean
  }
}
