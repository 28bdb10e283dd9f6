import { Ajv } from 'ajv'
import t from 'tap'
import { startTestMongo } from '../mongo.js'
import { adminApp, call, kinds, samples } from './admin-app.js'

const mongo = await startTestMongo(t)

t.test('requests like those before compile no schema: what is compiled is kept for ever', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'compiled_' } })
  const connector = String((await call(app, 'POST', '/connectors', { body: samples.connectors.input('acme') })).body['id'])
  let count = 0
  async function requests (): Promise<void> {
    count++
    for (const kind of kinds) {
      const as = { as: samples[kind].role }
      t.equal((await call(app, 'GET', `/${kind}`, as)).status, 200)
      t.equal((await call(app, 'GET', `/${kind}?limit=1`, as)).status, 200)
      t.equal((await call(app, 'GET', `/${kind}/unknown?colour=red`, as)).status, 400)
    }
    t.equal((await call(app, 'GET', '/log?limit=1&event=connection.*')).status, 200)
    const changes = [{ baseUrl: `https://${count}.example` }, { auth: { type: 'apiKey', name: `x-${count}` } }, { baseUrl: `https://other${count}.example`, auth: { name: 'x' } }, { auth: { type: 'bearer', token: 'x' } }, { auth: { type: 'apiKey', key: 'x' } }]
    for (const body of changes) await call(app, 'PATCH', `/connectors/${connector}`, { body, headers: { 'if-match': '*' } })
  }
  await requests()
  const compile = t.capture(Object.getPrototypeOf(Ajv.prototype), 'compile', Object.getPrototypeOf(Ajv.prototype).compile)
  await requests()
  t.equal(compile().length, 0)
})
