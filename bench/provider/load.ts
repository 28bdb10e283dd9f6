import autocannon, { type Client, type Request, type Result } from 'autocannon'
import type { LoadResult } from '../auth/load.js'
import { staysAwake } from '../auth/stay-awake.js'
import type { Endpoint } from './comparisons.js'
import { memberOf, verifier, type Issued, type ServerConfig } from './servers.js'

const connections = 64

export interface Load {
  readonly port: number
  readonly kind: ServerConfig['kind']
  readonly endpoint: Endpoint
  readonly issued: Issued
  /** Every issued text once, or for so many seconds. */
  readonly until: 'each-once' | number
}

/**
 * Sends requests over 64 connections. What can be made up beforehand is; a connection that refreshes sends the token that its last answer brought.
 * A short turn may bring no answer at all.
 * @throws unless every answer is a 200, and one of introspection says that the token is active
 */
export async function send ({ port, kind, endpoint, issued, until }: Load): Promise<LoadResult> {
  const { texts } = issued
  const count = until === 'each-once' ? Math.min(connections, texts.length) : connections
  let index = 0
  let began = 0
  let cpu = process.cpuUsage()
  let ended = 0
  let inactive = 0
  const setupClient = (client: Client): void => {
    const own = texts.length < connections ? texts : texts.filter((_, position) => position % count === index)
    client.setRequests(requestsOf(endpoint, kind, issued, own))
    if (endpoint === 'introspection' || endpoint === 'introspection-new') client.on('body', (body: Buffer) => { if (!body.includes('"active":true')) inactive++ })
    client.on('done', () => { ended = performance.now() })
    index++
    began = performance.now()
    cpu = process.cpuUsage()
  }
  const load = async (): Promise<Result> => await autocannon({ url: `http://127.0.0.1:${port}/`, connections: count, sampleInt: 50, setupClient, ...(until === 'each-once' ? { amount: texts.length } : { duration: until }) })
  const result = await (endpoint === 'route' ? staysAwake(load) : load()) // where a database works beside the server, no core is left for staying awake
  const { user, system } = process.cpuUsage(cpu)
  if (result.errors > 0 || result.non2xx > 0 || inactive > 0) throw new Error(`${kind}, ${endpoint}: ${result['2xx']} answers were right, ${result.non2xx} were not, ${inactive} tokens were not active, ${result.errors} requests failed`)
  const seconds = (ended - began) / 1000
  return { requests: result['2xx'], seconds, clientCpu: (user + system) / 1e6 / seconds }
}

function requestsOf (endpoint: Endpoint, kind: ServerConfig['kind'], { clientId, clientSecret }: Issued, texts: readonly string[]): Request[] {
  const prefix = kind === 'ours' ? '/oauth2' : ''
  const paths = { token: `${prefix}/token`, introspect: kind === 'ours' ? '/oauth2/introspect' : '/token/introspection' }
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` }
  const form = (path: keyof typeof paths, parameters: Record<string, string>): Request => ({ method: 'POST', path: paths[path], headers, body: new URLSearchParams(parameters).toString() })
  switch (endpoint) {
    case 'route': return [{ headers: { authorization: `Bearer ${texts[0] ?? ''}` } }]
    case 'client_credentials': return [form('token', { grant_type: 'client_credentials', scope: 'read write' })]
    case 'code': return texts.map((code) => form('token', { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: 'https://shop.example/cb' }))
    case 'introspection':
    case 'introspection-new': return texts.map((token) => form('introspect', { token }))
    case 'refresh': {
      let [token = ''] = texts
      return [{
        ...form('token', {}),
        setupRequest: (request) => ({ ...request, body: `grant_type=refresh_token&refresh_token=${token}` }),
        onResponse: (_status, body) => { token = memberOf(JSON.parse(body), 'refresh_token') }
      }]
    }
  }
}
