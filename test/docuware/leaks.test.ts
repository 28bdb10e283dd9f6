import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { startEmbeddedMongo } from '../../testing/index.js'
import type { Teardown } from '../mongo.js'
import { clockedApp } from './clocked-app.js'
import { authorized, docuwareApp } from './docuware-app.js'

/** A test within a test: what it leaves for its end is done when it is told to end. */
class InnerTest implements Teardown {
  readonly #left: Array<() => unknown> = []

  teardown (fn: () => unknown): void {
    this.#left.push(fn)
  }

  /** @returns what failed at its end */
  async end (): Promise<unknown[]> {
    const failures: unknown[] = []
    for (const fn of this.#left.splice(0).reverse()) {
      try {
        await fn()
      } catch (error) {
        failures.push(error)
      }
    }
    return failures
  }
}

const builders = { docuwareApp, clockedApp }

t.test('security 35, 52: the search at the end of every test finds each kind of secret, in a line of the log and in the database', async (t) => {
  const places: Array<[where: string, plant: (app: FastifyInstance, secret: string) => unknown]> = [
    ['a trace line', (app, secret) => { app.log.trace({ said: `so: ${secret}.` }, 'planted') }],
    ['the message of a warning', (app, secret) => { app.log.warn(`planted ${secret}`) }],
    ['the database', async (app, secret) => await app.store.connection.collection('planted').insertOne({ deep: { list: [`so: ${secret}.`] } })]
  ]
  const kinds = ['accessTokens', 'refreshTokens', 'idTokens', 'codes', 'states', 'codeVerifiers', 'clientSecrets'] as const
  for (const [builder, build] of Object.entries(builders)) {
    const clean = new InnerTest()
    const { app, dw } = await build(clean)
    await authorized(app, dw)
    t.strictSame(await clean.end(), [], `${builder}: nothing where nothing is`)
    for (const [index, kind] of kinds.entries()) {
      const [where, plant] = places[index % places.length] ?? ['nowhere', () => {}]
      const inner = new InnerTest()
      const { app, dw } = await build(inner)
      await authorized(app, dw)
      const [secret] = dw.secretsIssued()[kind]
      if (secret === undefined) return t.fail(`there are no ${kind}`)
      await plant(app, secret)
      const failures = await inner.end()
      t.equal(failures.length, 1, `${builder}: ${kind} in ${where}`)
      t.match(failures, [{ message: new RegExp(`^one of ${kind} was kept: `) }])
    }
  }
})

t.test('and it does not pass when there is nothing to search', async (t) => {
  const gone = new InnerTest()
  const mongo = await startEmbeddedMongo()
  const { app } = await docuwareApp(gone, { uri: mongo.uri })
  await app.close()
  await mongo.stop()
  t.match(await gone.end(), [{ name: 'MongoServerSelectionError' }])
})
