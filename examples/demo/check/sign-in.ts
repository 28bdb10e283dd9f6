import { equal } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { demoUser } from '../accounts.js'
import type { IdentityServer } from '../identity-server.js'
import { freshSecret } from '../secrets.js'
import { readAccessToken } from '../service-token.js'
import { Browser } from './browser.js'

/** What Ann fills in. */
export const annsLogin = [['email', demoUser.email], ['password', demoUser.password]] as const

/** Does what the page and its user do: authorization code with PKCE S256, the sign-in form, the code for a token. */
export async function signInAsDemoUser ({ issuer, tokenUrl, pageClient }: IdentityServer): Promise<string> {
  const [verifier, state] = [freshSecret(), freshSecret()]
  const browser = new Browser({ elsewhere: [new URL(pageClient.redirectUri).origin] })
  const form = await browser.open(`${issuer}/auth?${new URLSearchParams({
    response_type: 'code',
    client_id: pageClient.id,
    redirect_uri: pageClient.redirectUri,
    scope: 'openid email whoami',
    state,
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256'
  })}`)
  const { url: { searchParams: back } } = await browser.submit(form, annsLogin)
  equal(back.get('state'), state)
  return await readAccessToken(await fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'authorization_code', client_id: pageClient.id, redirect_uri: pageClient.redirectUri, code: back.get('code') ?? '', code_verifier: verifier })
  }))
}

/** RFC 7636 §4.2. */
export function challengeOf (verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
