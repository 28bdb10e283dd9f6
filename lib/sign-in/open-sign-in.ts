import { errors } from '../errors.js'
import { isLocalPath } from '../http/local-path.js'
import { AuthorizationStates, stateIndexes, type AuthorizationStateDocument } from '../oauth-client/authorization-state.js'
import type { Store } from '../store/store.js'
import type { CodeFlow } from './code-flow.js'
import { IdentityProvider } from './identity-provider.js'
import { personOf } from './person.js'
import { SessionCookie } from './session-cookie.js'
import { sessionIndexes, Sessions, type SessionDocument } from './sessions.js'
import { SignInFlow } from './sign-in.js'
import type { SignInOptions } from './sign-in-options.js'

/** The parts of the plugin, wired. */
export interface OpenSignIn {
  readonly flow: SignInFlow
  readonly sessions: Sessions
  readonly cookie: SessionCookie
  /** Of the app, for the Origin of requests. */
  readonly origin: string
  readonly secure: boolean
  /** Paths, as browsers see them. */
  readonly logoutUrl: string
  readonly loginUrl: (returnTo?: string) => string
  /** Where whoever comes back with nowhere to go is led. */
  readonly home: string
  readonly close: () => Promise<void>
}

/** What the code flow needs to know. */
export interface CodeFlowSettings extends Pick<SignInOptions, 'clientId' | 'clientSecret' | 'parameters'> {
  readonly scopes: readonly string[]
  readonly redirectUri: string
}

/** @throws DWA_OPTIONS_INVALID */
export function openSignIn (options: SignInOptions & { readonly prefix: string }, store: Store, openFlow: (settings: CodeFlowSettings) => CodeFlow): OpenSignIn {
  const { prefix, clientId, clientSecret, parameters, scopes = ['openid', 'profile', 'email'], session: { lifetime = 28_800, idle = 3600 } = {} } = options
  const { publicUrl, serverClock, clock, keyRing, handledSecrets, log } = store
  if (publicUrl === null) throw new errors.DWA_OPTIONS_INVALID('publicUrl', 'is required by signIn')
  const onSecret = (text: string): void => { handledSecrets.add(text) }
  onSecret(clientSecret)
  const { protocol, origin, pathname } = new URL(publicUrl)
  const secure = protocol === 'https:'
  const base = pathname.replace(/\/$/, '') + prefix

  const provider = new IdentityProvider({ ...options, now: () => clock.now() })
  const codeFlow = openFlow({ clientId, clientSecret, scopes, redirectUri: `${publicUrl}${prefix}/callback`, ...(parameters === undefined ? {} : { parameters }) })
  const sessions = new Sessions({ documents: store.auditedDocuments<SessionDocument>('sessions', sessionIndexes), clock: serverClock, lifetime, idle, onSecret })
  const states = new AuthorizationStates('sign_in', store.documents<AuthorizationStateDocument>('authorization_states', stateIndexes), keyRing, () => serverClock.now())
  const flow = new SignInFlow({ provider, flow: codeFlow, states, sessions, personOf: async (claims) => await personOf(claims, options), auditLog: log, secure, onSecret })
  return {
    flow,
    sessions,
    cookie: new SessionCookie(secure),
    origin,
    secure,
    logoutUrl: `${base}/out`,
    home: pathname,
    loginUrl: (returnTo) => returnTo === undefined || !isLocalPath(returnTo) ? base : `${base}?${new URLSearchParams({ returnTo })}`,
    close: async () => { await codeFlow.close() }
  }
}
