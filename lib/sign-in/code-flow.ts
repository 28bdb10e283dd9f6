import type { Endpoints } from './identity-provider.js'

/** What a sign-in begins with. */
export interface CodeRequest {
  /** Where the browser goes. */
  readonly url: string
  readonly state: string
  readonly codeVerifier: string
}

/** What a sign-in ends with. */
export interface CodeAnswer {
  readonly code: string
  readonly state: string
  readonly codeVerifier: string
}

/** The authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), without what is remembered between its halves. */
export interface CodeFlow {
  begin (endpoints: Endpoints): Promise<CodeRequest>
  /** Exchanges the code for an access token. @throws DWA_SIGN_IN_EXCHANGE */
  redeem (endpoints: Endpoints, answer: CodeAnswer): Promise<string>
  close (): Promise<void>
}
