import { randomBytes as cryptoRandomBytes } from 'node:crypto'
import { errors, isAuthError, type AuthError } from '../errors.js'
import { isLocalPath } from '../http/local-path.js'
import type { AuditLog } from '../log/audit-log.js'
import { bindingCookieName, isBoundTo, stateLifetime, type BegunAuthorizations } from '../oauth-client/authorization-state.js'
import { readCallback } from '../oauth-client/callback.js'
import type { Caller } from '../store/access.js'
import type { CodeFlow } from './code-flow.js'
import type { Endpoints, IdentityProvider } from './identity-provider.js'
import type { Claims } from './person.js'
import type { SessionNote, Sessions, StartedSession } from './sessions.js'

/** A cookie that binds a sign-in to a browser. */
export interface SignInCookie {
  readonly name: string
  readonly value: string
  /** Seconds. */
  readonly maxAge: number
}

export interface FinishedSignIn {
  readonly session: StartedSession
  readonly person: Caller
  /** Where the person wanted to go: a path on this site. */
  readonly returnTo: string | null
}

/** What a browser brings back. */
export interface Callback {
  readonly query: URLSearchParams
  /** The values of the cookie named `cookieName(state)`. */
  readonly cookies: readonly string[]
  /** The session it has already. */
  readonly session: string | null
}

export interface SignInParts {
  readonly provider: IdentityProvider
  readonly flow: CodeFlow
  readonly states: BegunAuthorizations
  readonly sessions: Sessions
  readonly personOf: (claims: Claims) => Promise<Caller>
  readonly auditLog: Pick<AuditLog, 'sample'>
  /** Whether the app is reached by https. */
  readonly secure: boolean
  /** Told of tokens and verifiers, to keep them out of what leaves the process. */
  readonly onSecret: (text: string) => void
  readonly randomBytes?: (size: number) => Buffer
}

/** The sign-in of a person, from the link to the session. */
export class SignInFlow {
  readonly #parts: SignInParts

  constructor (parts: SignInParts) {
    this.#parts = parts
  }

  /** @throws DWA_SIGN_IN_INVALID_REQUEST for a `returnTo` that is no local path, DWA_SIGN_IN_PROVIDER, DWA_STORE_UNAVAILABLE */
  async start (returnTo: string | null): Promise<{ readonly url: string, readonly cookie: SignInCookie }> {
    const { provider, flow, states, onSecret, randomBytes = cryptoRandomBytes } = this.#parts
    if (returnTo !== null && !isLocalPath(returnTo)) throw new errors.DWA_SIGN_IN_INVALID_REQUEST('returnTo must be a path on this site')
    const { url, state, codeVerifier } = await flow.begin(await provider.endpoints())
    onSecret(codeVerifier)
    const browser = randomBytes(32).toString('base64url')
    await states.remember({ state, codeVerifier, returnTo, browser, grant: '', configuration: 0, actor: null })
    return { url, cookie: { name: this.cookieName(state), value: browser, maxAge: stateLifetime } }
  }

  /** The name of the cookie that a callback with this state must bring. */
  cookieName (state: string): string {
    return bindingCookieName(state, this.#parts.secure, 'sign_in')
  }

  /**
   * Ends a sign-in with what the browser brought back. The state is used up before anything else happens; a session that the browser had is over, and the new
   * one has an id that nobody knew before (security.md 15).
   * @throws DWA_SIGN_IN_INVALID_REQUEST, DWA_SIGN_IN_INVALID_STATE, DWA_SIGN_IN_FOREIGN_ISSUER, DWA_SIGN_IN_DENIED, DWA_SIGN_IN_EXCHANGE, DWA_SIGN_IN_PROVIDER,
   * DWA_SIGN_IN_IDENTITY, DWA_SIGN_IN_ROLES, DWA_STORE_UNAVAILABLE
   */
  async finish ({ query, cookies, session }: Callback, note: SessionNote): Promise<FinishedSignIn> {
    const { provider, flow, states, sessions, personOf, onSecret } = this.#parts
    const bad = (problem: string): Error => new errors.DWA_SIGN_IN_INVALID_REQUEST(problem)
    const { state, code, iss, denial } = readCallback(query, bad)
    if (state === null) throw bad('state is missing')
    const begun = await states.consume(state)
    if (begun === null) return this.#refuse('state', note, new errors.DWA_SIGN_IN_INVALID_STATE())
    if (begun.binding === null || !isBoundTo(begun.binding, cookies)) return this.#refuse('browser', note, new errors.DWA_SIGN_IN_INVALID_STATE())
    try {
      const endpoints = await provider.endpoints()
      if (!isIssuer(iss, endpoints)) throw new errors.DWA_SIGN_IN_FOREIGN_ISSUER()
      if (code === null) throw new errors.DWA_SIGN_IN_DENIED(denial)
      onSecret(begun.codeVerifier)
      const accessToken = await flow.redeem(endpoints, { code, state, codeVerifier: begun.codeVerifier })
      onSecret(accessToken)
      const person = await personOf(await provider.claims(endpoints, accessToken))
      if (session !== null) await sessions.end(session, 'signed_in_again', note)
      return { session: await sessions.start(person, note), person, returnTo: begun.returnTo }
    } catch (error) {
      if (!isAuthError(error) || !error.code.startsWith('DWA_SIGN_IN_')) throw error
      return this.#refuse(error.code.slice('DWA_SIGN_IN_'.length).toLowerCase(), note, error)
    }
  }

  #refuse (reason: string, { requestId, personal }: SessionNote, error: AuthError): never {
    this.#parts.auditLog.sample(`sign-in/${reason}`, 'session.refused', { level: 'warning', requestId, personal, details: { reason, error: error.message } })
    throw error
  }
}

/** RFC 9207 §2.4. */
function isIssuer (iss: string | null, { issuer, namesIssuer }: Endpoints): boolean {
  return iss === null ? !namesIssuer : issuer === null || iss === issuer
}
