import type { FastifyInstance } from 'fastify'
import { createConnection, Schema } from 'mongoose'
import type { Test } from 'tap'
import { Browser } from '../../examples/demo/check/browser.js'
import { freePort } from '../../examples/demo/free-port.js'
import { startTestMongo } from '../mongo.js'
import { people, providerApp } from './provider-app.js'

/** A provider that others reach over HTTP. */
export interface ListeningProvider {
  readonly app: FastifyInstance
  /** The app, which is the issuer too. */
  readonly url: string
  /** Where the provider's own routes are. */
  readonly base: string
  /** A browser in which Ann is signed in. */
  readonly browser: () => Browser
}

/** A provider on a loopback port, with `profile` and `email` of its people to show. Closed with the test. */
export async function listeningProvider (t: Test): Promise<ListeningProvider> {
  const { uri } = await startTestMongo(t)
  const connection = await createConnection(uri).asPromise()
  t.teardown(() => connection.close())
  const model = connection.model('Person', new Schema({ _id: String, name: String, email: String }))
  await model.insertMany(people.map(({ id, name, email }) => ({ _id: id, name, email })))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const app = await providerApp(t, {
    uri,
    store: { publicUrl: url },
    provider: { issuer: url, allowInsecure: true, resources: { users: { model, user: true } } },
    routes (app) {
      app.get('/orders', { config: { auth: 'oauth_provider', scopes: ['email'] } }, async ({ oauthToken }) => ({ scopes: oauthToken?.scopes }))
    }
  })
  const own = { model: 'users', filter: { _id: '$$user.id' } }
  await app.oauthProvider.scopes.create({ code: 'profile', name: 'Your name', ...own, fields: ['name'] })
  await app.oauthProvider.scopes.create({ code: 'email', name: 'Your e-mail address', ...own, fields: ['email'] })
  await app.listen({ host: '127.0.0.1', port })
  return { app, url, base: `${url}/oauth2`, browser: () => new Browser({ headers: { 'x-user': 'ann' } }) }
}

/** A secret that people chose, with everything that encodings quarrel about. */
export const awkwardSecret = 'p:ä+%20 &=/ÿ"'
/** The same of ASCII alone: some clients allow nothing else (RFC 6749 appendix A.2). */
export const awkwardAsciiSecret = 'p:a+%20 &=/%zz~"'

/** What a client throws when it is refused; fails when it is not. */
export async function refusalOf (asked: Promise<unknown>): Promise<unknown> {
  try {
    await asked
  } catch (error) {
    return error
  }
  throw new Error('it was not refused')
}
