import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { MongoClient } from 'mongodb'
import type { Test } from 'tap'
import { freePort } from '../../examples/demo/free-port.js'
import { signIn, type SignInOptions } from '../../plugins/sign-in.js'
import { store, type StoreOptions } from '../../plugins/store.js'
import { masterKey } from '../app.js'
import { startTestMongo } from '../mongo.js'

export interface SignInAppOptions {
  readonly uri?: string
  /** Default: where it listens. */
  readonly publicUrl?: string
  /** May depend on where the app is. */
  readonly signIn: Partial<SignInOptions>
  readonly store?: Partial<StoreOptions>
  readonly port?: number
  readonly before?: (app: FastifyInstance) => void | Promise<void>
  readonly after?: (app: FastifyInstance) => void | Promise<void>
}

export interface SignInApp {
  readonly app: FastifyInstance
  /** Where it listens. */
  readonly url: string
  readonly uri: string
  /** Lines of its log, from trace on. */
  readonly lines: string[]
}

export const client = { clientId: 'console', clientSecret: 'the secret of the console, long enough' } as const

/** An app that people sign in to, on a loopback port, closed with the test. `/me` and `/change` need the role `docuware`. */
export async function signInApp (t: Test, { uri: given, publicUrl, signIn: options, store: storeOptions = {}, port: wanted, before, after }: SignInAppOptions): Promise<SignInApp> {
  const uri = given ?? (await startTestMongo(t)).uri
  const port = wanted ?? await freePort()
  const url = `http://127.0.0.1:${port}`
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(store, { uri, secretKeys: [masterKey], publicUrl: publicUrl ?? url, ...storeOptions })
  await app.register(signIn, { ...client, allowInsecure: true, ...options })
  const forRole = { onRequest: app.requireRole('docuware') }
  app.get('/me', forRole, async (request: FastifyRequest) => request.caller)
  app.post('/change', forRole, async () => 'changed')
  app.get('/whoever', async (request) => await app.callers.find(request) ?? 'nobody')
  await after?.(app)
  await app.listen({ host: '127.0.0.1', port })
  return { app, url, uri, lines }
}

/** Where a browser has come to. */
export interface Place { readonly url: string, readonly status: number, readonly text: string, readonly headers: Headers }

export interface Step { readonly method?: string, readonly body?: string, readonly headers?: Readonly<Record<string, string>>, /** Where it stops, without calling it. */ readonly until?: string }

/** As much of a browser as a sign-in needs: redirects, and the cookies of one host. */
export class Browser {
  readonly cookies = new Map<string, string>()

  async open (url: string, { until, ...init }: Step = {}): Promise<Place> {
    if (until !== undefined && url.startsWith(until)) return { url, status: 0, text: '', headers: new Headers() }
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { method: init.method ?? 'GET', ...(init.body === undefined ? {} : { body: init.body }), redirect: 'manual', headers: { accept: 'text/html', ...init.headers, ...(cookie === '' ? {} : { cookie }) } })
    for (const set of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (value === '') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    const text = await answer.text()
    const location = answer.headers.get('location')
    return location === null ? { url, status: answer.status, text, headers: answer.headers } : await this.open(new URL(location, url).href, until === undefined ? {} : { until })
  }
}

/** Signs in, and comes to `/me`. */
export async function signedIn (url: string, browser = new Browser()): Promise<Browser> {
  const place = await browser.open(`${url}/sign-in?returnTo=/me`)
  if (place.url !== `${url}/me`) throw new Error(`${place.url}: ${place.status} ${place.text}`)
  return browser
}

/** Every document of a database, as text; of the collections alone whose names begin like that. */
export async function dump (uri: string, prefix = ''): Promise<string> {
  const mongo = await MongoClient.connect(uri)
  try {
    const collections = (await mongo.db().collections()).filter(({ collectionName }) => collectionName.startsWith(prefix))
    return JSON.stringify(await Promise.all(collections.map(async (collection) => await collection.find().toArray())))
  } finally {
    await mongo.close()
  }
}
