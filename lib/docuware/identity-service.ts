import { OAuthServer } from '../oauth-client/oauth-server.js'
import type { Discovered } from './connection-schema.js'
import { isCloudPlatform } from './platform-url.js'

export interface IdentityServiceOptions {
  readonly platformUrl: string
  readonly clientId: string
  /** Absent: a native app. */
  readonly clientSecret: string | undefined
  readonly scopes: readonly string[]
  readonly discovered: Discovered
  /** Milliseconds for one exchange. */
  readonly timeoutMs: number
  readonly allowInsecure: boolean
}

/** Seconds an access token is taken to live when the answer does not say: the least that DocuWare grants. */
const shortestLifetime = 30 * 60

/** One connection's identity service. */
export class IdentityService extends OAuthServer {
  constructor ({ platformUrl, discovered, scopes, ...others }: IdentityServiceOptions) {
    super({
      ...others,
      ...discovered,
      scopes: scopes.filter((scope) => discovered.refreshTokenSupported || scope !== 'offline_access'),
      clientAuthentication: 'post',
      defaults: { lifetime: shortestLifetime, type: null },
      allowSpecialAddress: !isCloudPlatform(platformUrl)
    })
  }
}
