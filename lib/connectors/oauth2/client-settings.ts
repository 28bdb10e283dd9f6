import { createHash } from 'node:crypto'
import { errors } from '../../errors.js'
import { OAuthServer } from '../../oauth-client/oauth-server.js'
import { findUrlProblem } from '../connector.js'

const url = { type: 'string', minLength: 1, maxLength: 2000 } as const
const printable = { type: 'string', minLength: 1, maxLength: 1000, pattern: '^[\\x20-\\x7e]+$' } as const

/** What an authorization server knows this app by, and where it is. */
export const clientSettings = {
  clientId: { ...printable, description: 'Of the app\'s registration.' },
  clientSecret: { ...printable, description: 'Write-only. Absent: a public client, which proves itself by PKCE alone.' },
  authorizationUrl: { ...url, description: 'The authorization endpoint.' },
  tokenUrl: { ...url, description: 'The token endpoint.' },
  revocationUrl: { ...url, description: 'The revocation endpoint (RFC 7009), if there is one.' },
  issuer: { ...url, description: 'What every callback\'s `iss` must be (RFC 9207). Without it `iss` is not looked at: give it when several connectors go to servers that do not trust each other.' },
  scopes: { type: 'array', items: { type: 'string', pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' }, maxItems: 100, uniqueItems: true, description: 'Asked for with each authorization.' },
  clientAuthentication: { enum: ['post', 'basic'], description: 'How the secret is sent to the token endpoint. Default `post`.' }
} as const

/** Fields that are secret. */
export const clientSecrets: readonly string[] = ['clientSecret']

export interface ClientSettings {
  readonly clientId: string
  readonly clientSecret?: string | undefined
  readonly authorizationUrl: string
  readonly tokenUrl: string
  readonly revocationUrl?: string | undefined
  readonly issuer?: string | undefined
  readonly scopes?: readonly string[] | undefined
  readonly clientAuthentication?: 'post' | 'basic' | undefined
}

/** Seconds an access token is taken to live when the answer does not say. */
const lifetime = 3600

/** What no schema says of the URLs; null when nothing is wrong. */
export function findSettingsProblem (settings: Partial<ClientSettings>, allowInsecure: boolean): { readonly field: string, readonly problem: string } | null {
  for (const field of ['authorizationUrl', 'tokenUrl', 'revocationUrl'] as const) {
    const value = settings[field]
    const problem = value === undefined ? null : findUrlProblem(value, allowInsecure, field === 'authorizationUrl')
    if (problem !== null) return { field, problem }
  }
  return null
}

/** @throws DWA_OPTIONS_INVALID */
export function checkSettings (path: string, settings: Partial<ClientSettings>, allowInsecure: boolean): void {
  const found = findSettingsProblem(settings, allowInsecure)
  if (found !== null) throw new errors.DWA_OPTIONS_INVALID(`${path}.${found.field}`, found.problem)
}

/** Changes with whatever tokens rest on. @param more what else that is: the host they are sent to */
export function fingerprintOf ({ clientId, authorizationUrl, tokenUrl, revocationUrl }: ClientSettings, ...more: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify([clientId, authorizationUrl, tokenUrl, revocationUrl ?? null, ...more])).digest('base64url')
}

/** The authorization server of such a client. Whoever writes settings chooses the hosts: an internal one may be meant. */
export function serverFor ({ clientId, clientSecret, authorizationUrl, tokenUrl, revocationUrl, issuer, scopes = [], clientAuthentication = 'post' }: ClientSettings, { timeoutMs, allowInsecure }: { readonly timeoutMs: number, readonly allowInsecure: boolean }): OAuthServer {
  return new OAuthServer({
    issuer: issuer ?? new URL(authorizationUrl).origin,
    authorizationEndpoint: authorizationUrl,
    tokenEndpoint: tokenUrl,
    revocationEndpoint: revocationUrl,
    clientId,
    clientSecret,
    clientAuthentication,
    scopes,
    defaults: { lifetime, type: 'Bearer' },
    timeoutMs,
    allowInsecure,
    allowSpecialAddress: true
  })
}
