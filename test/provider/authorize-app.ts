import { createHash, randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { MongoClient } from 'mongodb'
import type { Test } from 'tap'
import type { Clock } from '../../lib/clock.js'
import { Authorize } from '../../lib/provider/authorize.js'
import { clientKind } from '../../lib/provider/client-kind.js'
import type { StoredClient } from '../../lib/provider/client-schema.js'
import { consentKind, type StoredConsent } from '../../lib/provider/consent-kind.js'
import { Consents } from '../../lib/provider/consents.js'
import { Interactions, interactionIndexes, type InteractionDocument } from '../../lib/provider/interactions.js'
import type { OpenClient } from '../../lib/provider/open-clients.js'
import type { Owner, OwnerUser } from '../../lib/provider/owner.js'
import { defaultLifetimes, type ProviderOptions } from '../../lib/provider/provider-options.js'
import { TokenFamilies, familyIndexes } from '../../lib/provider/token-families.js'
import type { TokenFamilyDocument } from '../../lib/provider/token-family.js'
import { pageRoutes } from '../../plugins/provider-pages.js'
import { store } from '../../plugins/store.js'
import { masterKey } from '../app.js'
import { startTestMongo } from '../mongo.js'

export type Answer = Awaited<ReturnType<FastifyInstance['inject']>>
export type AskOptions = Partial<StoredClient>

export const issuer = 'https://id.example'
export const redirectUri = 'https://shop.example/cb'
export const verifier = 'a verifier of forty-three characters or more, as RFC 7636 says'.replaceAll(/[ ,]/g, '-')
export const challenge = createHash('sha256').update(verifier).digest('base64url')
/** Fetched from the header `x-user`, so that a request is whoever's it says. */
export const owner: Owner<FastifyRequest> = {
  current: ({ headers: { 'x-user': user } }) => typeof user === 'string' ? { id: user, name: `${user} Archer` } : null,
  loginUrl: (_request, returnTo) => `/login?next=${encodeURIComponent(returnTo)}`,
  find: (id) => ({ id })
}

export interface AuthorizeAppOptions {
  readonly clock?: Clock
  readonly owner?: Partial<Owner<FastifyRequest>>
  readonly pages?: NonNullable<ProviderOptions['pages']>
  readonly baseUrl?: string
  readonly requestsPerMinute?: number
  readonly before?: (app: FastifyInstance) => void | Promise<void>
}

export interface AuthorizeApp {
  readonly app: FastifyInstance
  readonly uri: string
  /** Lines of the app's log. */
  readonly lines: string[]
  readonly consents: Consents
  readonly families: TokenFamilies
  /** What people would see of scopes. */
  readonly scopes: Map<string, { name: string, description?: string }>
  readonly addClient: (fields?: AskOptions) => Promise<OpenClient>
  readonly changeClient: (client: OpenClient, fields: AskOptions) => Promise<void>
  readonly removeClient: (client: OpenClient) => Promise<void>
}

/** An app with the authorization endpoint and its pages, closed with the test. */
export async function authorizeApp (t: Test, { clock, owner: ownerOptions = {}, pages = {}, baseUrl = `${issuer}/oauth2`, requestsPerMinute = 10_000, before }: AuthorizeAppOptions = {}): Promise<AuthorizeApp> {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(store, { uri, secretKeys: [masterKey], ...(clock === undefined ? {} : { clock }) })
  const { store: opened } = app
  const clients = opened.records<StoredClient>(clientKind)
  const families = new TokenFamilies({ documents: opened.auditedDocuments<TokenFamilyDocument>('token_families', familyIndexes), keyRing: opened.keyRing, clock: opened.serverClock, randomBytes, refreshGraceSeconds: 10, onRevoked: () => {} })
  const consents = new Consents({ records: opened.records<StoredConsent>(consentKind), families, auditLog: opened.log, now: () => opened.serverClock.now() })
  const scopes = new Map<string, { name: string, description?: string }>([['email', { name: 'Your e-mail address', description: 'To send you receipts.' }], ['orders', { name: 'Your orders' }]])
  const open = (record: Awaited<ReturnType<typeof clients.get>>): OpenClient | null => record === null || !record.fields.enabled ? null : { id: record.id, version: record.version, fields: record.fields, privateKeys: new Map() }
  const openClients = {
    byId: async (id: string) => open(await clients.get(id)),
    byClientId: async (clientId: string) => open((await clients.list({ clientId })).at(0) ?? null)
  }
  const authorize = new Authorize({
    clients: openClients,
    scopes: { byCode: (code) => scopes.get(code) ?? null },
    families,
    consents,
    interactions: new Interactions(opened.documents<InteractionDocument>('interactions', interactionIndexes), opened.serverClock, randomBytes),
    issuer,
    lifetimes: defaultLifetimes,
    audiences: ['https://api.example'],
    mintFor: ({ fields }) => fields.tokenType === 'jwt' ? async ({ scopes, resource }) => `minted.${scopes.join('+')}.${resource ?? ''}.${randomBytes(16).toString('hex')}` : null
  })
  await app.register(async (scope) => {
    await pageRoutes(scope, { authorize, consents, clients: openClients, owner: { ...owner, ...ownerOptions }, baseUrl, pages, requestsPerMinute })
  }, { prefix: '/oauth2' })
  await app.ready()
  let made = 0
  return {
    app,
    uri,
    lines,
    consents,
    families,
    scopes,
    async addClient (fields = {}) {
      made++
      const record = await clients.create({
        name: `Shop ${made}`,
        clientId: `shop-${made}`,
        applicationType: 'web',
        confidential: true,
        skipAuthorization: false,
        scopes: ['email', 'orders'],
        redirectUris: [redirectUri],
        tokenType: 'random',
        jwtAlgorithm: 'RS256',
        requirePkce: true,
        tokenInQuery: false,
        allowHttpRedirect: false,
        allowImplicit: false,
        allowPassword: false,
        enabled: true,
        ...fields
      })
      return { id: record.id, version: record.version, fields: record.fields, privateKeys: new Map() }
    },
    async changeClient ({ id }, fields) {
      await clients.update(id, (await clients.get(id))?.version ?? 0, fields)
    },
    async removeClient ({ id }) {
      await clients.remove(id, (await clients.get(id))?.version ?? 0)
    }
  }
}

/** What a good request of that client asks; undefined takes a parameter away. */
export function parametersOf ({ fields: { clientId, redirectUris } }: OpenClient, others: Readonly<Record<string, string | undefined>> = {}): string {
  const all = { response_type: 'code', client_id: clientId, redirect_uri: redirectUris[0], state: 's', code_challenge: challenge, code_challenge_method: 'S256', ...others }
  return new URLSearchParams(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined)).toString()
}

/** The header of whoever is signed in, and what a browser sends along. */
export const as = (user: string, others: Readonly<Record<string, string>> = {}): Record<string, string> => ({ 'x-user': user, ...others })

export async function get (app: FastifyInstance, query: string, headers: Readonly<Record<string, string>> = as('ann')): Promise<Answer> {
  return await app.inject({ url: `/oauth2/authorize?${query}`, headers })
}

/** A consent page that was shown. */
export interface Shown {
  readonly page: Answer
  readonly cookie: string
  /** The form's fields, all boxes checked. */
  readonly form: URLSearchParams
}

/** Reads a page's only form as a browser would. */
export function shown (page: Answer, cookie = ''): Shown {
  if (page.statusCode !== 200) throw new Error(`${page.statusCode} ${String(page.headers.location)} ${page.body}`)
  const form = new URLSearchParams([...page.body.matchAll(/<input type="(?:hidden|checkbox)" name="([^"]*)" value="([^"]*)"/g)].map(([, name = '', value = '']): [string, string] => [name, unescapeHtml(value)]))
  const [set] = [page.headers['set-cookie'] ?? []].flat()
  return { page, form, cookie: set === undefined ? cookie : set.split(';', 1).join('') }
}

export async function ask (app: FastifyInstance, query: string, user = 'ann', cookie = ''): Promise<Shown> {
  return shown(await get(app, query, as(user, cookie === '' ? {} : { cookie })), cookie)
}

export async function post (app: FastifyInstance, form: URLSearchParams | string, headers: Readonly<Record<string, string>>, url = '/oauth2/authorize'): Promise<Answer> {
  return await app.inject({ method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload: form.toString() })
}

/** Answers a consent page. */
export async function decide (app: FastifyInstance, { form, cookie }: Shown, decision: 'allow' | 'deny', { user = 'ann', scopes }: { readonly user?: string, readonly scopes?: readonly string[] } = {}): Promise<Answer> {
  const sent = new URLSearchParams(form)
  if (scopes !== undefined) {
    sent.delete('scope')
    for (const scope of scopes) sent.append('scope', scope)
  }
  sent.set('decision', decision)
  return await post(app, sent, as(user, { cookie }))
}

/** Where an answer leads, and what it tells the client. */
export function led (answer: Answer): { readonly to: string, readonly query: Record<string, string>, readonly fragment: Record<string, string> } {
  if (answer.statusCode !== 303) throw new Error(`${answer.statusCode} ${answer.body}`)
  const [, to = '', query = '', fragment = ''] = /^([^?#]*)\??([^#]*)#?(.*)$/.exec(String(answer.headers.location)) ?? []
  return { to, query: Object.fromEntries(new URLSearchParams(query)), fragment: Object.fromEntries(new URLSearchParams(fragment)) }
}

/** Every document of a database, as text. */
export async function dump (uri: string): Promise<string> {
  const client = await MongoClient.connect(uri)
  try {
    const collections = await client.db().collections()
    return JSON.stringify(await Promise.all(collections.map(async (collection) => await collection.find().toArray())))
  } finally {
    await client.close()
  }
}

/** The families of a user that are not revoked. */
export async function livingFamilies (uri: string, user: string): Promise<TokenFamilyDocument[]> {
  const client = await MongoClient.connect(uri)
  try {
    return await client.db().collection<TokenFamilyDocument>('dwa_token_families').find({ user, revokedAt: { $exists: false } }).toArray()
  } finally {
    await client.close()
  }
}

export type { OwnerUser }

function unescapeHtml (text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
}
