import type { FastifyInstance } from 'fastify'
import { MongoClient } from 'mongodb'
import type { DocuwareOptions } from '../../index.js'
import type { ConnectionView } from '../../lib/docuware/connection-schema.js'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'
import { buildApp, type AppOptions } from '../app.js'
import { startTestMongo, type Teardown } from '../mongo.js'
import { asDocuware, cookieOf, publicUrl, rolesOf } from './caller.js'

export { asDocuware, cookieOf, publicUrl, rolesOf }

export const redirectUri = `${publicUrl}/docuware/oauth/callback`

export interface DocuwareAppOptions extends Partial<AppOptions> {
  readonly simulator?: DocuWareOptions
  readonly docuware?: DocuwareOptions
  /** A simulator that runs already. */
  readonly dw?: DocuWare
  /** Where the database is in truth, when `uri` leads through a proxy that the test may cut. */
  readonly database?: string
  /** Is told of each line of the app's log, from the level `trace` on. */
  readonly onLine?: (line: string) => void
}

/**
 * An app with the docuware plugin, beside a simulator that knows its redirect URI; both closed with the test. Whatever the test is about,
 * it fails when a secret that the simulator has ever issued or seen is in a line of the app's log or in the database (security.md 35, 52).
 */
export async function docuwareApp (t: Teardown, { simulator, docuware, dw: running, store, uri, database, fastify, onLine, ...others }: DocuwareAppOptions = {}): Promise<{ app: FastifyInstance, dw: DocuWare, uri: string }> {
  const dw = running ?? await startDocuWare({ autoApprove: true, redirectUris: [redirectUri], ...simulator })
  if (running === undefined) t.teardown(() => dw.stop())
  const address = uri ?? (await startTestMongo(t)).uri
  const lines: string[] = []
  searchAtEnd(t, dw, database ?? address, lines)
  const write = (line: string): void => {
    lines.push(line)
    onLine?.(line)
  }
  const app = await buildApp(t, { uri: address, publicUrl, ...others, fastify: { ...fastify, logger: { level: 'trace', stream: { write } } }, store: { access: rolesOf, ...store }, docuware: { allowInsecure: true, ...docuware } })
  return { app, dw, uri: address }
}

/** Has the test fail at its end when a secret of the simulator's is in the database or one of the lines by then. */
export function searchAtEnd (t: Teardown, dw: DocuWare, uri: string, lines: readonly string[]): void {
  t.teardown(async () => { refuseLeaks(dw, [...lines, ...await dump(uri)]) })
}

/** @throws Error when a secret of the simulator's is in one of the texts */
function refuseLeaks (dw: DocuWare, kept: readonly string[]): void {
  for (const [kind, secrets] of Object.entries(dw.secretsIssued())) {
    for (const secret of secrets.filter(({ length }) => length >= 16)) {
      const found = kept.find((line) => line.includes(secret))
      if (found !== undefined) throw new Error(`one of ${kind} was kept: ${found.slice(0, 300)}`)
    }
  }
}

/** Every document of a database, as text. @throws Error when it cannot be reached, or holds nothing: a search of that would find nothing */
async function dump (uri: string): Promise<string[]> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 2000 })
  try {
    const collections = await client.db().collections()
    const documents = (await Promise.all(collections.map(async (collection) => await collection.find().toArray()))).flat()
    if (documents.length === 0) throw new Error(`there is nothing in ${uri}`)
    return documents.map((document) => JSON.stringify(document))
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
