import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import Provider from 'oidc-provider'
import type { Test } from 'tap'
import { startStub } from '../docuware/stub.js'
import { client } from './sign-in-app.js'

/** oidc-provider with one client and one person, who is signed in there already. */
export interface OidcIdentity {
  readonly issuer: string
  /** Requests so far, as `METHOD /path?query`. */
  readonly requests: string[]
  /** What it says of the person. */
  claims: Record<string, unknown>
  /** Whether the person says no. */
  denies: boolean
}

const jwk = (await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })).privateKey.export({ format: 'jwk' })

/** @param redirectUri of the client */
export async function startOidcIdentity (t: Test, redirectUri: string): Promise<OidcIdentity> {
  let provider: Provider | null = null
  const person = { claims: { sub: 'ann', name: 'Ann Archer', email: 'ann@example.org', groups: ['dw-admins'] }, denies: false }
  const { origin: issuer, requests } = await startStub(t, (origin) => ({
    '*': async (request, response) => {
      provider ??= new Provider(origin, {
        jwks: { keys: [{ ...jwk, use: 'sig', alg: 'RS256' }] },
        cookies: { keys: [randomBytes(24).toString('base64url')] },
        clients: [{ client_id: client.clientId, client_secret: client.clientSecret, redirect_uris: [redirectUri], grant_types: ['authorization_code'], response_types: ['code'] }],
        scopes: ['openid', 'profile', 'email', 'groups'],
        claims: { openid: ['sub'], profile: ['name'], email: ['email'], groups: ['groups'] },
        findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ ...person.claims, sub: accountId }) }),
        interactions: { url: (_: unknown, { uid }: { uid: string }) => `/person/${uid}` },
        features: { devInteractions: { enabled: false } }
      })
      if (request.url?.startsWith('/person/') !== true) return await provider.callback()(request, response)
      if (person.denies) return await provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'no' })
      const { params } = await provider.interactionDetails(request, response)
      const grant = new provider.Grant({ accountId: person.claims.sub, clientId: params.client_id ?? '' })
      grant.addOIDCScope('openid profile email groups')
      await provider.interactionFinished(request, response, { login: { accountId: person.claims.sub }, consent: { grantId: await grant.save() } })
    }
  }))
  return Object.assign(person, { issuer, requests })
}
