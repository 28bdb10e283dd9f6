import { createHash, randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'

export const redirectUri = 'https://app.example.com/docuware/oauth/callback'
export const scope = 'docuware.platform openid dwprofile offline_access'

export async function simulator (t: Test, options: DocuWareOptions = {}): Promise<DocuWare> {
  const dw = await startDocuWare({ redirectUris: [redirectUri], ...options })
  t.teardown(() => dw.stop())
  return dw
}

/** A JSON body as something whose members can be looked at. */
export async function read (answer: Response): Promise<{ [name: string]: unknown }> {
  const value: unknown = await answer.json()
  return typeof value === 'object' && value !== null ? { ...value } : { value }
}

/** PKCE (RFC 7636): a verifier and its challenge. */
export function proof (): { verifier: string, challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** An authorization URL; a parameter that is null is left out. */
export function authorizationUrl (dw: DocuWare, parameters: { readonly [name: string]: string | null } = {}): string {
  const query = new URLSearchParams({ response_type: 'code', client_id: dw.clientId, redirect_uri: redirectUri, scope, state: 'a state' })
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) query.delete(name)
    else query.set(name, value)
  }
  return `${dw.identityUrl}/connect/authorize?${query}`
}

export function postToken (dw: DocuWare, form: { readonly [name: string]: string } | URLSearchParams, headers: { readonly [name: string]: string } = {}): Promise<Response> {
  return fetch(`${dw.identityUrl}/connect/token`, { method: 'POST', body: new URLSearchParams(form), headers })
}

export function credentials (dw: DocuWare): { client_id: string, client_secret?: string } {
  return { client_id: dw.clientId, ...(dw.clientSecret === null ? {} : { client_secret: dw.clientSecret }) }
}

export interface TokenAnswer { accessToken: string, refreshToken: string, idToken: string, expiresIn: number, scope: string }

export async function tokensOf (answer: Response): Promise<TokenAnswer> {
  const body = await read(answer)
  if (answer.status !== 200) throw new Error(JSON.stringify(body))
  return { accessToken: String(body['access_token']), refreshToken: String(body['refresh_token']), idToken: String(body['id_token']), expiresIn: Number(body['expires_in']), scope: String(body['scope']) }
}

/** Signs in with PKCE; what the token request has to send. */
export async function redemption (dw: DocuWare, parameters: { readonly [name: string]: string | null } = {}): Promise<{ [name: string]: string }> {
  const { verifier, challenge } = proof()
  const callback = new URL(await dw.signIn(authorizationUrl(dw, { code_challenge: challenge, code_challenge_method: 'S256', ...parameters })))
  return { grant_type: 'authorization_code', code: callback.searchParams.get('code') ?? '', redirect_uri: redirectUri, code_verifier: verifier, ...credentials(dw) }
}

/** The whole way from the authorization request to tokens. */
export async function authorize (dw: DocuWare, parameters: { readonly [name: string]: string | null } = {}): Promise<TokenAnswer> {
  return await tokensOf(await postToken(dw, await redemption(dw, parameters)))
}

export function refresh (dw: DocuWare, refreshToken: string, parameters: { readonly [name: string]: string } = {}): Promise<Response> {
  return postToken(dw, { grant_type: 'refresh_token', refresh_token: refreshToken, ...credentials(dw), ...parameters })
}

/** Status and `error` of an answer of the identity service. */
export async function outcome (answer: Response): Promise<string> {
  const { error } = answer.headers.get('content-type')?.startsWith('application/json') === true ? await read(answer) : { error: await answer.text() }
  return error === undefined ? String(answer.status) : `${answer.status} ${String(error)}`
}

/** A platform call as JSON. */
export function call (dw: DocuWare, path: string, accessToken: string, init: RequestInit = {}): Promise<Response> {
  return fetch(path.startsWith('/DocuWare/') ? new URL(path, dw.platformUrl) : dw.platformUrl + path, { ...init, headers: { accept: 'application/json', authorization: `Bearer ${accessToken}`, ...init.headers } })
}

/** A member of an object, by a path such as `Links.0.href`; undefined where there is none. */
export function pick (value: unknown, path: string): unknown {
  return path.split('.').reduce((inner: unknown, key) => typeof inner === 'object' && inner !== null ? Object.entries(inner).find(([name]) => name === key)?.[1] : undefined, value)
}

/** The `href` of the link with this `rel`. */
export function link (value: unknown, rel: string): string | undefined {
  const links = pick(value, 'Links')
  const found: unknown = Array.isArray(links) ? links.find((entry: unknown) => pick(entry, 'rel') === rel) : undefined
  const href = pick(found, 'href')
  return typeof href === 'string' ? href : undefined
}
