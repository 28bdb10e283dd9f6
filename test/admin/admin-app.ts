import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import { admin, type AdminOptions } from '../../plugins/admin.js'
import { docuware } from '../../plugins/docuware.js'
import { jwt } from '../../plugins/jwt.js'
import { provider } from '../../plugins/provider.js'
import { store, type StoreOptions } from '../../plugins/store.js'
import { telemetry } from '../../plugins/telemetry.js'
import { connectors } from '../../plugins/connectors.js'
import { webhooks } from '../../plugins/webhooks.js'
import { masterKey, validator } from '../app.js'
import { publicUrl, rolesOf } from '../docuware/caller.js'
import type { Teardown } from '../mongo.js'
import { issuer, people } from '../provider/provider-app.js'

export const roles = ['docuware', 'oauth_provider', 'system'] as const
export type Role = typeof roles[number]

export interface AdminAppOptions {
  readonly uri: string
  readonly admin?: AdminOptions
  readonly store?: Partial<StoreOptions>
  /** Is told of each line of the app's log. */
  readonly onLine?: (line: string) => void
  /** Runs before the plugins are registered. */
  readonly before?: (app: FastifyInstance) => Promise<void>
  readonly openapi?: boolean
  /** Whether the header `x-user` says who is signed in to the provider. */
  readonly people?: boolean
  /** Default true. */
  readonly webhooks?: boolean
}

/** An app with everything that can be administered; who calls is said by the header `x-roles`. Closed with the test. */
export async function adminApp (t: Teardown, { uri, admin: options = {}, store: storeOptions = {}, onLine, before, openapi = false, people: signedIn = false, webhooks: withWebhooks = true }: AdminAppOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: onLine === undefined ? false : { level: 'trace', stream: { write: onLine } } })
  t.teardown(() => app.close())
  if (openapi) await app.register(swagger, { openapi: { info: { title: 'an app', version: '1' } } })
  await before?.(app)
  await app.register(store, { uri, secretKeys: [masterKey], publicUrl, access: rolesOf, ...storeOptions })
  await app.register(docuware, { allowInsecure: true })
  await app.register(provider, { issuer, owner: { current: ({ headers }) => signedIn ? people.find(({ id }) => id === headers['x-user']) ?? null : null, loginUrl: () => '/login', find: (id) => people.find((person) => person.id === id) ?? null } })
  await app.register(jwt, { validators: [validator('declared')] })
  if (withWebhooks) await app.register(webhooks, { sources: {} })
  if (withWebhooks) await app.register(connectors)
  await app.register(telemetry)
  await app.register(admin, { requestsPerMinute: 100_000, ...options })
  await app.ready()
  return app
}

export interface Answer {
  readonly status: number
  /** Parsed; an empty object when there was nothing. */
  readonly body: Record<string, unknown>
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
}

export interface Sent {
  readonly as?: Role | null
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request to the API as somebody with one role, or as nobody. A string as body is sent as it stands. */
export async function call (app: FastifyInstance, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, { as = 'system', body, headers = {} }: Sent = {}): Promise<Answer> {
  const response = await app.inject({
    method,
    url: `/admin/api${path}`,
    headers: { ...(as === null ? {} : { 'x-roles': as }), ...(method === 'POST' || method === 'PATCH' ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) })
  })
  const isJson = /^application\/(problem\+)?json/.test(String(response.headers['content-type'])) && response.body !== ''
  return { status: response.statusCode, body: isJson ? response.json<Record<string, unknown>>() : {}, text: response.body, headers: response.headers }
}

/** What is created, per kind of record, and what of it is changed. `key` is unique for a test. */
export const samples = {
  connections: { role: 'docuware', input: (key: string) => ({ name: key, platformUrl: 'acme', clientId: 'client', clientSecret: 'planted-connection-secret' }), patch: { clientId: 'another' } },
  clients: { role: 'oauth_provider', input: (key: string) => ({ name: key, applicationType: 'backend', scopes: [], clientSecret: 'planted-client-secret' }), patch: { skipAuthorization: true } },
  scopes: { role: 'oauth_provider', input: (key: string) => ({ code: key, name: 'A scope' }), patch: { description: 'changed' } },
  validators: { role: 'system', input: (key: string) => ({ ...validator(key, { secretKey: 'planted-validator-secret-of-32-bytes' }), cookieSecret: 'planted-cookie-secret-of-32-bytes-or-more', cookieEnabled: true }), patch: { issuer: 'https://another.example' } },
  connectors: { role: 'system', input: (key: string) => ({ name: key, baseUrl: 'https://api.example', auth: { type: 'apiKey', key: 'planted-connector-key' } }), patch: { retries: 1 } },
  'webhook-sources': { role: 'system', input: (key: string) => ({ name: key, header: 'x-signature', secret: 'planted-webhook-secret' }), patch: { encoding: 'base64' } }
} as const

export type Kind = keyof typeof samples
export const kinds = ['connections', 'clients', 'scopes', 'validators', 'connectors', 'webhook-sources'] as const satisfies readonly Kind[]
