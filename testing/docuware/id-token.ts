import { createHash, randomBytes } from 'node:crypto'
import type { Tenant } from './tenant.js'
import type { Grant } from './tokens.js'

/** An id_token (OpenID Connect Core §2) with what is wrong with it by `switches.idToken`; null when there is to be none. */
export function makeIdToken (tenant: Tenant, grant: Grant, accessToken: string, nonce: string | null): string | null {
  const flaw = tenant.switches.idToken
  if (flaw === 'absent') return null
  const now = Math.floor(tenant.now() / 1000)
  const from = flaw === 'expired' ? now - 3600 - tenant.lifetimes.idToken : now
  const claims = {
    iss: issuer(tenant),
    nbf: from,
    iat: from,
    exp: from + tenant.lifetimes.idToken,
    aud: flaw === 'foreign-audience' ? 'another-client' : grant.clientId,
    amr: [grant.method],
    nonce: flaw === 'foreign-nonce' ? randomBytes(16).toString('hex') : nonce ?? undefined,
    at_hash: createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
    sid: grant.id.replaceAll('-', '').toUpperCase(),
    sub: grant.sub,
    auth_time: Math.floor(grant.startedAt / 1000),
    idp: 'local'
  }
  return tenant.secrets.add('idTokens', tenant.key.sign(claims, 'JWT', flaw === 'unexpected-algorithm' ? 'RS384' : 'RS256'))
}

function issuer (tenant: Tenant): string {
  switch (tenant.switches.idToken) {
    case 'foreign-issuer': return 'https://login.example.net/another'
    case 'other-case-issuer': return tenant.issuer(tenant.switches.issuerCase === 'same' ? 'upper' : 'same')
    default: return tenant.issuer()
  }
}
