import t from 'tap'
import { ConnectorGrants, declaredGrantKind, type DeclaredGrant } from '../../lib/connectors/connector-grants.js'
import { connectorKind } from '../../lib/connectors/connector-kind.js'
import type { StoredConnector } from '../../lib/connectors/connector-schema.js'
import { startTestMongo } from '../mongo.js'
import { storeApp } from '../store-app.js'

t.test('a declared connector has one grant, though another process makes it at the same moment', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  const stored = app.store.records<StoredConnector>(connectorKind)
  const real = app.store.records<DeclaredGrant>(declaredGrantKind)
  await app.ready()
  let blind = 0
  const declaredGrants = new Proxy(real, {
    get: (target, name) => name === 'getByName' && blind-- > 0 ? async () => null : Object(Reflect.get(target, name)).bind?.(target) ?? Reflect.get(target, name)
  })
  const client = { clientId: 'c', authorizationUrl: 'https://id.example/authorize', tokenUrl: 'https://id.example/token' }
  const grants = new ConnectorGrants({ stored, declaredGrants, declared: new Map(), forget () {}, timeoutMs: 1000, allowInsecure: false })
  const first = await grants.idOfDeclared('shop', { client, fingerprint: 'one' })
  blind = 1
  t.equal(await grants.idOfDeclared('shop', { client, fingerprint: 'one' }), first)
  blind = 2
  await t.rejects(grants.idOfDeclared('shop', { client, fingerprint: 'one' }), { code: 'DWA_STORE_DUPLICATE' })
  t.equal(await grants.idOfDeclared('shop', { client, fingerprint: 'two' }), first)
  t.match(await real.getByName('shop'), { fields: { fingerprint: 'two', configuration: 2, status: 'draft' } })
})
