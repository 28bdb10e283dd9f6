import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { connectorKinds } from './connectors.js'
import type { Agreed } from './echo-api.js'
import { isSame } from './same-text.js'

/** A request as it arrived; the path is the one that the caller knows, below the base URL. */
export interface Arrived { readonly method: string, readonly path: string, readonly headers: IncomingHttpHeaders, readonly body: string }

type Proof = (arrived: Arrived) => boolean | Promise<boolean>

/** Seconds that a clock may be wrong. */
const tolerance = 300

/** What each kind of connector has to show. `userinfoUrl` says whose access token it is (OpenID Connect Core §5.3). */
export function proofs ({ key, token, username, password, hmacKey, hmacSecret, jwt, storeId, managerKey }: Agreed, userinfoUrl: () => string): Readonly<Record<(typeof connectorKinds)[number], Proof>> {
  return {
    apiKey: ({ headers }) => has(headers, 'x-api-key', key),
    bearer: ({ headers }) => has(headers, 'authorization', `Bearer ${token}`),
    async oauth2 ({ headers: { authorization = '' } }) {
      const answer = await fetch(userinfoUrl(), { headers: { authorization }, signal: AbortSignal.timeout(10_000) })
      await answer.arrayBuffer()
      return answer.ok
    },
    basic: ({ headers }) => has(headers, 'authorization', `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`),
    hmac ({ method, path, headers, body }) {
      const time = String(headers['x-timestamp'])
      const signature = createHmac('sha256', hmacSecret).update([method, path, time, body].join('\n')).digest('base64')
      return has(headers, 'x-api-key', hmacKey) && Math.abs(Date.now() / 1000 - Number(time)) < tolerance && has(headers, 'x-signature', signature)
    },
    jwtAssertion ({ headers: { authorization = '' } }) {
      const [, header = '', claims = '', signature = ''] = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization) ?? []
      if (!isSame(signature, createHmac('sha256', jwt.secret).update(`${header}.${claims}`).digest('base64url'))) return false
      const { alg } = read(header)
      const { iss, aud, exp } = read(claims)
      return alg === 'HS256' && iss === jwt.issuer && aud === jwt.audience && Number(exp) > Date.now() / 1000
    },
    storeHeaders: ({ headers }) => has(headers, 'x-manager-token', managerKey) && has(headers, 'x-store-id', storeId)
  }
}

function has (headers: IncomingHttpHeaders, name: string, expected: string): boolean {
  return isSame(String(headers[name]), expected)
}

function read (part: string): { readonly [claim: string]: unknown } {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}
