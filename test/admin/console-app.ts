import Fastify, { type FastifyInstance } from 'fastify'
import mongoose from 'mongoose'
import { admin, type AdminOptions } from '../../plugins/admin.js'
import { connectors } from '../../plugins/connectors.js'
import { docuware, type DocuwareOptions } from '../../plugins/docuware.js'
import { jwt } from '../../plugins/jwt.js'
import { provider, type ProviderOptions } from '../../plugins/provider.js'
import { store, type StoreOptions } from '../../plugins/store.js'
import { telemetry } from '../../plugins/telemetry.js'
import { webhooks } from '../../plugins/webhooks.js'
import { masterKey, validator } from '../app.js'
import { rolesOf } from '../docuware/caller.js'
import type { Teardown } from '../mongo.js'
import { people } from '../provider/provider-app.js'

export interface ConsoleAppOptions {
  readonly uri: string
  /** Null: none. */
  readonly publicUrl?: string | null
  /** So many more people. */
  readonly people?: number
  readonly admin?: AdminOptions
  readonly docuware?: DocuwareOptions
  /** Of the provider; the header `x-user` says who is signed in there. */
  readonly owner?: Partial<ProviderOptions['owner']>
  readonly store?: Partial<StoreOptions>
  /** Is told of each line of the app's log. */
  readonly onLine?: (line: string) => void
  /** Runs before the plugins are registered. */
  readonly before?: (app: FastifyInstance) => Promise<void>
  /** Runs after those that are administered, before `admin`. */
  readonly beforeAdmin?: (app: FastifyInstance) => Promise<void>
}

/** An app with a console for everything; who calls is said by the header `x-roles`. Its people are those of the provider's tests. Closed with the test. */
export async function consoleApp (t: Teardown, { uri, publicUrl = 'http://127.0.0.1:3000', people: more = 0, admin: options = {}, docuware: docuwareOptions = {}, owner = {}, store: storeOptions = {}, onLine, before, beforeAdmin }: ConsoleAppOptions): Promise<FastifyInstance> {
  const connection = await mongoose.createConnection(uri).asPromise()
  const UserModel = connection.model('User', new mongoose.Schema({ _id: String, name: String, email: String }, { collection: 'users' }))
  if (await UserModel.countDocuments() === 0) await UserModel.create([...people.map(({ id, name, email }) => ({ _id: id, name, email })), ...Array.from({ length: more }, (_, index) => ({ _id: `p${index}`, name: `Person ${index}` }))])
  const app = Fastify({ logger: onLine === undefined ? false : { level: 'trace', stream: { write: onLine } } })
  t.teardown(async () => {
    await app.close()
    await connection.close()
  })
  await before?.(app)
  await app.register(store, { uri, secretKeys: [masterKey], ...(publicUrl === null ? {} : { publicUrl }), access: rolesOf, ...storeOptions })
  await app.register(docuware, { allowInsecure: true, ...docuwareOptions })
  await app.register(provider, {
    issuer: publicUrl ?? 'http://127.0.0.1:3000',
    allowInsecure: true,
    owner: { current: ({ headers: { 'x-user': user } }) => people.find(({ id }) => id === user) ?? null, loginUrl: () => '/login', find: (id) => people.find((person) => person.id === id) ?? null, ...owner },
    resources: { users: { model: UserModel, user: true } }
  })
  await app.register(jwt, { validators: [validator('declared')], allowInsecure: true })
  await app.register(connectors, { allowInsecure: true })
  await app.register(webhooks)
  await app.register(telemetry)
  await beforeAdmin?.(app)
  await app.register(admin, options)
  await app.ready()
  return app
}

export const allRoles = 'docuware,oauth_provider,system'

export interface Page {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
}

export interface Looks {
  /** The roles of who looks; null: nobody. Default: all. */
  readonly as?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/** A page of the console. */
export async function look (app: FastifyInstance, path: string, { as = allRoles, headers = {} }: Looks = {}): Promise<Page> {
  const { statusCode, body, headers: received } = await app.inject({ url: `/admin${path}`, headers: { ...(as === null ? {} : { 'x-roles': as }), ...headers } })
  return { status: statusCode, text: body, headers: received }
}

/** A form as a browser has it: its hidden fields, and the cookie. */
export interface OpenForm {
  readonly fields: Readonly<Record<string, string>>
  readonly cookie: string
}

/** Reads what the first form of a page that goes to `action` would send by itself. */
export async function openForm (app: FastifyInstance, path: string, action: string, looks: Looks = {}): Promise<OpenForm> {
  const page = await look(app, path, looks)
  const form = page.text.split('<form ').find((part) => part.includes(`action="/admin${action}"`))?.split('</form>', 1).at(0)
  if (form === undefined) throw new Error(`${path} has no form for ${action}: ${page.status} ${page.text}`)
  const fields = Object.fromEntries([...form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name = '', value = '']) => [name, decode(value)]))
  const cookie = [page.headers['set-cookie'] ?? []].flat().map((one) => String(one).split(';', 1).join()).join('; ')
  return { fields, cookie: cookie === '' ? looks.headers?.['cookie'] ?? '' : cookie }
}

/** Sends a form. */
export async function send (app: FastifyInstance, action: string, { fields, cookie }: OpenForm, typed: Readonly<Record<string, string>> = {}, { as = allRoles, headers = {} }: Looks = {}): Promise<Page> {
  const { statusCode, body, headers: received } = await app.inject({
    method: 'POST',
    url: `/admin${action}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...(as === null ? {} : { 'x-roles': as }), ...(cookie === '' ? {} : { cookie }), ...headers },
    payload: new URLSearchParams({ ...fields, ...typed }).toString()
  })
  return { status: statusCode, text: body, headers: received }
}

/** Opens a form and sends it with what somebody typed. */
export async function fill (app: FastifyInstance, path: string, action: string, typed: Readonly<Record<string, string>> = {}, looks: Looks = {}): Promise<Page> {
  return await send(app, action, await openForm(app, path, action, looks), typed, looks)
}

function decode (text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
}
