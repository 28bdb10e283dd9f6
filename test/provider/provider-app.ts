import { createHash, randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Teardown } from '../mongo.js'
import type { ClientInput, ClientView } from '../../lib/provider/client-schema.js'
import { provider, type ProviderOptions } from '../../plugins/provider.js'
import { store, type StoreOptions } from '../../plugins/store.js'
import { masterKey } from '../app.js'

export const issuer = 'https://provider.example'
export const callback = 'https://shop.example/cb'

/** The app's people. */
export interface Person { readonly id: string, readonly name: string, readonly email: string, readonly password: string }

export const people: readonly Person[] = [
  { id: 'ann', name: 'Ann', email: 'ann@example.org', password: 'ann\'s long password' },
  { id: 'bob', name: 'Bob', email: 'bob@example.org', password: 'bob\'s long password' }
]

export interface ProviderAppOptions {
  readonly uri: string
  readonly provider?: Partial<ProviderOptions>
  readonly store?: Partial<StoreOptions>
  readonly people?: readonly Person[]
  readonly routes?: (app: FastifyInstance) => void
  readonly trustProxy?: boolean
  /** Gets every line of the app's log, from trace on. */
  readonly log?: (line: string) => void
}

/** An app that is a provider; who is signed in is said by the header `x-user`. Closed with the test. */
export async function providerApp (t: Teardown, { uri, provider: options = {}, store: storeOptions = {}, people: known = people, routes, trustProxy = false, log }: ProviderAppOptions): Promise<FastifyInstance> {
  const app = Fastify({ trustProxy, logger: log === undefined ? false : { level: 'trace', stream: { write: log } } })
  t.teardown(() => app.close())
  const find = (id: unknown): Person | null => known.find((person) => person.id === id) ?? null
  await app.register(store, { uri, secretKeys: [masterKey], publicUrl: issuer, ...storeOptions })
  await app.register(provider, {
    issuer,
    owner: {
      current: (request: FastifyRequest) => find(request.headers['x-user']),
      loginUrl: (_request, returnTo) => `/login?next=${encodeURIComponent(returnTo)}`,
      find,
      verifyPassword: (name, password) => known.find((person) => person.id === name && person.password === password) ?? null
    },
    ...options
  })
  routes?.(app)
  await app.ready()
  return app
}

export interface MadeClient { readonly client: ClientView, readonly secret: string | null, readonly clientId: string }

/** A client that nobody has to consent to. */
export async function makeClient (app: FastifyInstance, fields: Partial<ClientInput> = {}): Promise<MadeClient> {
  const redirects = (fields.applicationType ?? 'web') === 'web' || fields.applicationType === 'mobile'
  const { client, clientSecret } = await app.oauthProvider.clients.create({
    name: `client ${randomBytes(6).toString('hex')}`,
    applicationType: 'web',
    ...(redirects ? { redirectUris: [callback] } : {}),
    scopes: ['read', 'write'],
    skipAuthorization: true,
    ...fields
  })
  return { client, secret: clientSecret ?? fields.clientSecret ?? null, clientId: client.clientId }
}

export const verifier = 'v'.repeat(43)
export const challenge = createHash('sha256').update(verifier).digest('base64url')

/** A code for Ann, by the authorization endpoint. */
export async function codeFor (app: FastifyInstance, { clientId }: Pick<MadeClient, 'clientId'>, query: Record<string, string> = {}, user = 'ann'): Promise<string> {
  const parameters = new URLSearchParams({ response_type: 'code', client_id: clientId, code_challenge: challenge, code_challenge_method: 'S256', ...query })
  const { headers } = await app.inject({ url: `/oauth2/authorize?${parameters.toString()}`, headers: { 'x-user': user } })
  const code = new URL(String(headers.location)).searchParams.get('code')
  if (code === null) throw new Error(`no code: ${String(headers.location)}`)
  return code
}

/** Somebody agrees, at the consent page, to what a client asks for. */
export async function consentTo (app: FastifyInstance, { clientId }: Pick<MadeClient, 'clientId'>, user: string, scope = 'read'): Promise<void> {
  const query = new URLSearchParams({ response_type: 'code', client_id: clientId, scope, redirect_uri: callback, code_challenge: challenge, code_challenge_method: 'S256' })
  const page = await app.inject({ url: `/oauth2/authorize?${query.toString()}`, headers: { 'x-user': user } })
  const fields = [...page.body.matchAll(/<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map(([, name = '', value = '']): [string, string] => [name, value])
  const cookie = [page.headers['set-cookie'] ?? []].flat().map((one) => String(one).split(';', 1).join()).join('; ')
  const answer = await app.inject({
    method: 'POST',
    url: '/oauth2/authorize',
    headers: { 'x-user': user, cookie, 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams([...fields, ['decision', 'allow'], ['scope', scope]]).toString()
  })
  if (answer.statusCode !== 303) throw new Error(`${answer.statusCode} ${page.body}`)
}

export interface Answer { readonly status: number, readonly body: Record<string, unknown>, readonly headers: Record<string, unknown> }

/** Sends a form. Empty values are not sent. */
export async function post (app: FastifyInstance, path: string, form: Record<string, string | null | undefined> | string, { secret, clientId, headers = {} }: { readonly clientId?: string, readonly secret?: string | null, readonly headers?: Record<string, string> } = {}): Promise<Answer> {
  const payload = typeof form === 'string' ? form : new URLSearchParams(Object.entries(form).flatMap(([name, value]): Array<[string, string]> => value === null || value === undefined ? [] : [[name, value]])).toString()
  const response = await app.inject({
    method: 'POST',
    url: `/oauth2${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...(secret === undefined || secret === null || clientId === undefined ? {} : { authorization: basic(clientId, secret) }), ...headers },
    payload
  })
  return { status: response.statusCode, body: response.body === '' ? {} : response.json<Record<string, unknown>>(), headers: response.headers }
}

export function basic (clientId: string, secret: string): string {
  return `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`
}

/** Redeems a code that `codeFor` got. */
export async function redeem (app: FastifyInstance, made: MadeClient, code: string, form: Record<string, string> = {}): Promise<Answer> {
  return await post(app, '/token', { grant_type: 'authorization_code', code, code_verifier: verifier, ...(made.secret === null ? { client_id: made.clientId } : {}), ...form }, made)
}

/** Rotates a refresh token. */
export async function refresh (app: FastifyInstance, made: MadeClient, token: unknown, form: Record<string, string> = {}): Promise<Answer> {
  return await post(app, '/token', { grant_type: 'refresh_token', refresh_token: String(token), ...(made.secret === null ? { client_id: made.clientId } : {}), ...form }, made)
}
