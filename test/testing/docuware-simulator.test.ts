import { createHash, randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'

const redirectUri = 'https://app.example.com/docuware/oauth/callback'
const scope = 'docuware.platform openid dwprofile offline_access'

async function simulator (t: Test, options: DocuWareOptions = {}): Promise<DocuWare> {
  const dw = await startDocuWare({ redirectUris: [redirectUri], ...options })
  t.teardown(() => dw.stop())
  return dw
}

/** A JSON body as something whose members can be looked at. */
async function read (answer: Response): Promise<{ [name: string]: unknown }> {
  const value: unknown = await answer.json()
  return typeof value === 'object' && value !== null ? { ...value } : { value }
}

/** PKCE (RFC 7636): a verifier and its challenge. */
function proof () {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

function authorizationUrl (dw: DocuWare, parameters: { [name: string]: string } = {}): string {
  return `${dw.identityUrl}/connect/authorize?${new URLSearchParams({ response_type: 'code', client_id: dw.clientId, redirect_uri: redirectUri, scope, state: 'a state', ...parameters })}`
}

function postToken (dw: DocuWare, form: { [name: string]: string }, headers: { [name: string]: string } = {}): Promise<Response> {
  return fetch(`${dw.identityUrl}/connect/token`, { method: 'POST', body: new URLSearchParams(form), headers })
}

function credentials (dw: DocuWare): { [name: string]: string } {
  return { client_id: dw.clientId, ...(dw.clientSecret === null ? {} : { client_secret: dw.clientSecret }) }
}

interface TokenAnswer { access_token: string, refresh_token: string, id_token: string, expires_in: number, scope: string }

async function tokensOf (answer: Response): Promise<TokenAnswer> {
  const { access_token: accessToken, refresh_token: refreshToken, id_token: idToken, expires_in: expiresIn, scope: given } = await read(answer)
  return { access_token: String(accessToken), refresh_token: String(refreshToken), id_token: String(idToken), expires_in: Number(expiresIn), scope: String(given) }
}

/** The whole way from the authorization request to tokens. */
async function authorize (dw: DocuWare, parameters: { [name: string]: string } = {}): Promise<TokenAnswer> {
  const { verifier, challenge } = proof()
  const callback = new URL(await dw.signIn(authorizationUrl(dw, { code_challenge: challenge, code_challenge_method: 'S256', ...parameters })))
  const answer = await postToken(dw, { grant_type: 'authorization_code', code: callback.searchParams.get('code') ?? '', redirect_uri: redirectUri, code_verifier: verifier, ...credentials(dw) })
  if (answer.status !== 200) throw new Error(await answer.text())
  return await tokensOf(answer)
}

function refresh (dw: DocuWare, refreshToken: string, parameters: { [name: string]: string } = {}): Promise<Response> {
  return postToken(dw, { grant_type: 'refresh_token', refresh_token: refreshToken, ...credentials(dw), ...parameters })
}

function get (dw: DocuWare, path: string, accessToken: string, init: RequestInit = {}): Promise<Response> {
  return fetch(dw.platformUrl + path, { ...init, headers: { accept: 'application/json', authorization: `Bearer ${accessToken}`, ...init.headers } })
}

t.test('from discovery to an answer of the platform and a refresh', async (t) => {
  const dw = await simulator(t)
  const info = await read(await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`, { headers: { accept: 'application/json' } }))
  t.strictSame(info, { IdentityServiceUrl: dw.identityUrl, RefreshTokenSupported: true })
  t.match(await read(await fetch(`${dw.identityUrl}/.well-known/openid-configuration`)), { issuer: dw.identityUrl, token_endpoint: `${dw.identityUrl}/connect/token` })
  const tokens = await authorize(dw)
  t.match(await read(await get(dw, '/Organizations', tokens.access_token)), { Organization: [{ Name: 'acme', Guid: dw.organization.guid }] })
  dw.expireTokens()
  t.equal((await get(dw, '/Organizations', tokens.access_token)).status, 401)
  const refreshed = await tokensOf(await refresh(dw, tokens.refresh_token))
  t.equal((await get(dw, '/Organizations', refreshed.access_token)).status, 200)
  t.match(dw.calls().map(({ method, path, grantType, status }) => [method, path, grantType, status].join(' ')), [
    'GET /Home/IdentityServiceInfo  200',
    'GET /.well-known/openid-configuration  200',
    'GET /connect/authorize  200',
    'POST /connect/authorize  303',
    'POST /connect/token authorization_code 200',
    'GET /Organizations  200',
    'GET /Organizations  401',
    'POST /connect/token refresh_token 200',
    'GET /Organizations  200'
  ])
})

t.test('plans for the next requests', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const { access_token: accessToken } = await authorize(dw)
  dw.throttle(1, { retryAfter: 7 })
  dw.failNext(2, 503, { path: '/organizations' })
  const first = await get(dw, '/Organizations', accessToken)
  t.match([first.status, first.headers.get('retry-after')], [429, '7'])
  for (const status of [503, 503, 200]) t.equal((await get(dw, '/Organizations', accessToken)).status, status)
})
