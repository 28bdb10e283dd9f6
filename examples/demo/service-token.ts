import type { IdentityServer } from './identity-server.js'

/** A program's access token, by client_credentials (RFC 6749 §4.4). */
export async function serviceToken ({ tokenUrl, serviceClient: { id, secret } }: IdentityServer): Promise<string> {
  const response = await fetch(tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'whoami' }),
    signal: AbortSignal.timeout(10_000)
  })
  return await readAccessToken(response)
}

/** The access token of a token endpoint's answer. */
export async function readAccessToken (response: Response): Promise<string> {
  const answer: unknown = await response.json()
  if (typeof answer === 'object' && answer !== null && 'access_token' in answer && typeof answer.access_token === 'string') return answer.access_token
  throw new Error(`the server gave no token: ${response.status} ${JSON.stringify(answer)}`)
}
