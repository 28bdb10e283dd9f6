import { equal } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { demoUser } from '../accounts.js'
import type { IdentityServer } from '../identity-server.js'
import { freshSecret } from '../secrets.js'
import { readAccessToken } from '../service-token.js'

/** Does what the page and its user do: authorization code with PKCE S256, the sign-in form, the code for a token. */
export async function signInAsDemoUser ({ issuer, tokenUrl, pageClient }: IdentityServer): Promise<string> {
  const [verifier, state] = [freshSecret(), freshSecret()]
  const browser = new CookieJar()
  const form = await browser.request(`${issuer}/auth?${new URLSearchParams({
    response_type: 'code',
    client_id: pageClient.id,
    redirect_uri: pageClient.redirectUri,
    scope: 'openid email whoami',
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256'
  })}`)
  const resume = await browser.request(form, new URLSearchParams({ email: demoUser.email, password: demoUser.password }))
  const back = new URL(await browser.request(resume)).searchParams
  equal(back.get('state'), state)
  return await readAccessToken(await fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'authorization_code', client_id: pageClient.id, redirect_uri: pageClient.redirectUri, code: back.get('code') ?? '', code_verifier: verifier })
  }))
}

/** As much of a browser as a redirect chain with cookies needs. */
class CookieJar {
  readonly #cookies = new Map<string, string>()

  /** Where the answer redirects to. */
  async request (url: string, form?: URLSearchParams): Promise<string> {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      signal: AbortSignal.timeout(10_000),
      ...(form === undefined ? {} : { method: 'POST', body: form })
    })
    await response.text()
    for (const cookie of response.headers.getSetCookie()) {
      const [name = '', value = ''] = cookie.split(';', 1).join('').split('=')
      this.#cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) throw new Error(`${url} answered ${response.status} without a redirect`)
    return new URL(location, url).href
  }
}
