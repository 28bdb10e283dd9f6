import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import { MongoClient } from 'mongodb'
import { masterKey } from '../auth/our-app.js'
import { createIndexes, memoryAdapter, mongoAdapter } from './adapters.js'

/** One server to be measured. */
export interface ServerConfig {
  /** `bare`: Fastify without any of it, for the protected route. */
  readonly kind: 'ours' | 'oidc-provider' | 'bare'
  /** The database; null: memory, for oidc-provider. */
  readonly uri: string | null
}

/** What requests need to have been given before: nothing but the client, a code, the first refresh token of a chain, or an access token. */
export const issuedKinds = ['none', 'code', 'refresh', 'access'] as const
export type IssuedKind = (typeof issuedKinds)[number]

/** A client with its secret, and what was issued to it. */
export interface Issued { readonly clientId: string, readonly clientSecret: string, readonly texts: readonly string[] }

export interface RunningServer {
  readonly port: number
  readonly issue: (kind: IssuedKind, count: number) => Promise<Issued>
}

/** Of every code. */
export const verifier = 'v'.repeat(43)
const challenge = createHash('sha256').update(verifier).digest('base64url')
const redirectUri = 'https://shop.example/cb'
/** The people of the benchmark: codes are issued to them in turn. */
const people = Array.from({ length: 1000 }, (_, index) => ({ id: `person-${index}`, name: `Person ${index}` }))
const scopes = ['read', 'write']
const answer = { hello: 'world' }
const hour = 3600
const manyPerMinute = 1_000_000_000

export function isIssuedKind (kind: unknown): kind is IssuedKind {
  return issuedKinds.some((known) => known === kind)
}

/** Starts a server of each kind on a free port of the loopback interface. Clients authenticate by Basic. */
export const servers: Readonly<Record<ServerConfig['kind'], (config: ServerConfig) => Promise<RunningServer>>> = {
  async bare () {
    const app = Fastify()
    app.get('/', (_request, reply) => { reply.send(answer) })
    return { port: await listen(app), issue: async () => { throw new TypeError('issues nothing') } }
  },

  async ours ({ uri }) {
    const { default: docuwareAuth } = await import('fastify-docuware-auth')
    const app = Fastify()
    const byId = new Map(people.map((person) => [person.id, person]))
    await app.register(docuwareAuth, {
      publicUrl: 'https://provider.example',
      store: { uri: uri ?? '', secretKeys: [masterKey] },
      provider: {
        issuer: 'https://provider.example',
        limits: { requestsPerMinute: manyPerMinute, pagesPerMinute: manyPerMinute },
        lifetimes: { code: 600 },
        owner: { current: ({ headers }) => byId.get(String(headers['x-user'])) ?? null, find: (id) => byId.get(id) ?? null, loginUrl: () => '/login' }
      }
    })
    app.get('/', { config: { auth: 'oauth_provider', scopes: ['read'] } }, (_request, reply) => { reply.send(answer) })
    const port = await listen(app)
    const url = `http://127.0.0.1:${port}/oauth2`
    const run = randomBytes(6).toString('hex')
    const web = await app.oauthProvider.clients.create({ name: `web ${run}`, applicationType: 'web', redirectUris: [redirectUri], scopes, skipAuthorization: true })
    const backend = await app.oauthProvider.clients.create({ name: `backend ${run}`, applicationType: 'backend', scopes })
    // Over HTTP, as they are measured: injected requests are objects of another shape, and a server that has seen both is slower.
    const code = async (index: number): Promise<string> => {
      const query = new URLSearchParams({ response_type: 'code', client_id: web.client.clientId, code_challenge: challenge, code_challenge_method: 'S256' })
      const { headers } = await fetch(`${url}/authorize?${query.toString()}`, { headers: { 'x-user': `person-${index % people.length}` }, redirect: 'manual' })
      return new URL(String(headers.get('location'))).searchParams.get('code') ?? ''
    }
    const token = async ({ client: { clientId }, clientSecret }: typeof web, form: Record<string, string>, name: string): Promise<string> => {
      const response = await fetch(`${url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret ?? ''}`).toString('base64')}` },
        body: new URLSearchParams(form)
      })
      return memberOf(await response.json(), name)
    }
    const of = ({ client: { clientId }, clientSecret }: typeof web, texts: readonly string[]): Issued => ({ clientId, clientSecret: clientSecret ?? '', texts })
    return {
      port,
      issue: async (kind, count) => {
        switch (kind) {
          case 'none': return of(backend, [])
          case 'code': return of(web, await times(count, code))
          case 'refresh': return of(web, await times(count, async (index) => await token(web, { grant_type: 'authorization_code', code: await code(index), code_verifier: verifier }, 'refresh_token')))
          case 'access': return of(backend, await times(count, async () => await token(backend, { grant_type: 'client_credentials' }, 'access_token')))
        }
      }
    }
  },

  /** Told to give out opaque tokens, and no id tokens; its clients are in its options, so that it does not read them. */
  async 'oidc-provider' ({ uri }) {
    for (const level of ['info', 'warn'] as const) console[level] = () => {} // notices about development and http
    const { default: Provider } = await import('oidc-provider')
    const server = createServer()
    const port = await new Promise<number>((resolve, reject) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        if (address === null || typeof address === 'string') reject(new TypeError('listens on no port'))
        else resolve(address.port)
      })
    })
    const [webSecret, backendSecret] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
    const scope = scopes.join(' ')
    const provider = new Provider(`http://127.0.0.1:${port}`, {
      adapter: await adapterFor(uri),
      clients: [
        { client_id: 'web', client_secret: webSecret, redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic' },
        { client_id: 'backend', client_secret: backendSecret, redirect_uris: [], grant_types: ['client_credentials'], response_types: [], token_endpoint_auth_method: 'client_secret_basic', scope }
      ],
      scopes,
      jwks: { keys: [{ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
      cookies: { keys: [randomBytes(32).toString('base64url')] },
      pkce: { required: () => true },
      findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
      issueRefreshToken: () => true,
      rotateRefreshToken: true,
      features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true }, introspection: { enabled: true }, revocation: { enabled: true } },
      ttl: { AccessToken: hour, AuthorizationCode: 600, ClientCredentials: hour, RefreshToken: 30 * 24 * hour, Grant: 30 * 24 * hour, IdToken: hour, Interaction: hour, Session: hour }
    })
    provider.on('server_error', (_context, error) => { console.error(error) })
    const callback = provider.callback()
    server.on('request', (request, response) => { callback(request, response).catch(() => { response.destroy() }) })
    const web = await provider.Client.find('web')
    const backend = await provider.Client.find('backend')
    const granted = async (index: number): Promise<object> => {
      const accountId = `person-${index % people.length}`
      const grant = new provider.Grant({ accountId, clientId: 'web' })
      grant.addOIDCScope(scope)
      return { accountId, client: web, grantId: await grant.save(), gty: 'authorization_code', scope }
    }
    return {
      port,
      issue: async (kind, count) => {
        switch (kind) {
          case 'none': return { clientId: 'backend', clientSecret: backendSecret, texts: [] }
          case 'code': return {
            clientId: 'web',
            clientSecret: webSecret,
            texts: await times(count, async (index) => await new provider.AuthorizationCode({ ...await granted(index), redirectUri, codeChallenge: challenge, codeChallengeMethod: 'S256' }).save())
          }
          case 'refresh': return { clientId: 'web', clientSecret: webSecret, texts: await times(count, async (index) => await new provider.RefreshToken({ ...await granted(index), rotations: 0 }).save()) }
          case 'access': return { clientId: 'backend', clientSecret: backendSecret, texts: await times(count, async () => await new provider.ClientCredentials({ client: backend, scope }).save()) }
        }
      }
    }
  }
}

async function adapterFor (uri: string | null): Promise<ReturnType<typeof memoryAdapter>> {
  if (uri === null) return memoryAdapter()
  const db = (await MongoClient.connect(uri)).db()
  await createIndexes(db)
  return mongoAdapter(db)
}

/** So many calls, some at a time. */
async function times<Result> (count: number, call: (index: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let from = 0; from < count; from += 64) {
    results.push(...await Promise.all(Array.from({ length: Math.min(64, count - from) }, async (_, index) => await call(from + index))))
  }
  return results
}

/** @throws when it is no string */
export function memberOf (body: unknown, name: string): string {
  const value: unknown = typeof body === 'object' && body !== null ? Object.entries(body).find(([key]) => key === name)?.[1] : undefined
  if (typeof value !== 'string') throw new TypeError(`no ${name} in ${JSON.stringify(body)}`)
  return value
}

async function listen (app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}
