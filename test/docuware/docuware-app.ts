import type { FastifyInstance } from 'fastify'
import { MongoClient } from 'mongodb'
import type { Test } from 'tap'
import type { DocuwareOptions } from '../../index.js'
import type { ConnectionView } from '../../lib/docuware/connection-schema.js'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'
import { buildApp, type AppOptions } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { asDocuware, cookieOf, publicUrl, rolesOf } from './caller.js'

export { asDocuware, cookieOf, publicUrl, rolesOf }

export const redirectUri = `${publicUrl}/docuware/oauth/callback`

export interface DocuwareAppOptions extends Partial<AppOptions> {
  readonly simulator?: DocuWareOptions
  readonly docuware?: DocuwareOptions
  /** A simulator that runs already. */
  readonly dw?: DocuWare
}

/**
 * An app with the docuware plugin, beside a simulator that knows its redirect URI; both closed with the test. Whatever the test is about,
 * it fails when a secret that the simulator has ever issued or seen is in a line of the app's log or in the database (security.md 35, 52).
 */
export async function docuwareApp (t: Test, { simulator, docuware, dw: running, store, uri, fastify, ...others }: DocuwareAppOptions = {}): Promise<{ app: FastifyInstance, dw: DocuWare, uri: string }> {
  const dw = running ?? await startDocuWare({ autoApprove: true, redirectUris: [redirectUri], ...simulator })
  if (running === undefined) t.teardown(() => dw.stop())
  const database = uri ?? (await startTestMongo(t)).uri
  const lines: string[] = []
  t.teardown(async () => { refuseLeaks(dw, [...lines, ...await dump(database)]) })
  const logger = { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } }
  const app = await buildApp(t, { uri: database, publicUrl, ...others, fastify: { logger, ...fastify }, store: { access: rolesOf, ...store }, docuware: { allowInsecure: true, ...docuware } })
  return { app, dw, uri: database }
}

/** @throws Error when a secret of the simulator's is in one of the texts */
export function refuseLeaks (dw: DocuWare, kept: readonly string[]): void {
  for (const [kind, secrets] of Object.entries(dw.secretsIssued())) {
    for (const secret of secrets.filter(({ length }) => length >= 16)) {
      const found = kept.find((line) => line.includes(secret))
      if (found !== undefined) throw new Error(`one of ${kind} was kept: ${found.slice(0, 300)}`)
    }
  }
}

/** Every document of a database, as text; nothing of one that cannot be reached any more. */
async function dump (uri: string): Promise<string[]> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 1000 })
  try {
    const collections = await client.db().collections()
    return (await Promise.all(collections.map(async (collection) => await collection.find().toArray()))).flat().map((document) => JSON.stringify(document))
  } catch {
    return [] // the test has ended its database
  } finally {
    await client.close()
  }
}

/** A connection to the simulator, not yet authorized. */
export async function connect (app: FastifyInstance, dw: DocuWare, name = 'acme'): Promise<ConnectionView> {
  return await app.docuware.connections.create({ name, platformUrl: dw.platformUrl, clientId: dw.clientId, ...(dw.clientSecret === null ? {} : { clientSecret: dw.clientSecret }) })
}

/** Authorizes a connection as a browser would, and returns the answer of the callback. */
export async function authorize (app: FastifyInstance, dw: DocuWare, id: string, headers: { readonly [name: string]: string } = {}): Promise<Awaited<ReturnType<FastifyInstance['inject']>>> {
  const started = await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: { ...asDocuware, ...headers } })
  if (started.statusCode !== 303) throw new Error(`${started.statusCode} ${started.body}`)
  const back = new URL(await dw.signIn(String(started.headers.location)))
  return await app.inject({ url: back.pathname + back.search, headers: { cookie: cookieOf(started) } })
}

/** A connection that is authorized. */
export async function authorized (app: FastifyInstance, dw: DocuWare, name = 'acme'): Promise<ConnectionView> {
  const { id } = await connect(app, dw, name)
  const answer = await authorize(app, dw, id)
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${answer.body}`)
  const connection = await app.docuware.connections.get(id)
  if (connection === null) throw new Error('gone')
  return connection
}
