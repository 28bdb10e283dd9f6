import type { FastifyRequest } from 'fastify'
import type { SessionNote } from '../lib/sign-in/sessions.js'
import type { Caller } from '../lib/store/access.js'

/** People who signed in through the identity provider. Decorated as `app.signIn`. */
export interface SignIn {
  /** The path at which a sign-in begins, and which leads to `returnTo` afterwards; what is no path on this site is left out. */
  loginUrl (returnTo?: string): string
  /** The path a form is posted to for signing out. Its field `returnTo`, a path on this site, says where that leads. */
  readonly logoutUrl: string
  /**
   * Who is signed in by the request's session cookie; null for nobody. Whoever changes something for them asks `requireRole`, or `app.callers`, which
   * refuse requests of other sites.
   * @throws DWA_STORE_UNAVAILABLE
   */
  personOf (request: FastifyRequest): Promise<Caller | null>
  /**
   * Ends all sessions of a person, in every process at once: when somebody leaves, or is to get other roles now.
   * @param id their `id` as a caller
   * @returns how many there were
   * @throws DWA_STORE_UNAVAILABLE
   */
  endSessionsOf (id: string, note?: SessionNote): Promise<number>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** By the `signIn` plugin. */
    signIn: SignIn
  }
}
