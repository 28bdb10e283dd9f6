import t from 'tap'
import type { FastifyInstance } from 'fastify'
import type { LogEntry } from '../../lib/log/log-entry.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { codeFor, makeClient, people, post, providerApp, redeem, refresh, type MadeClient } from './provider-app.js'

type Told = Pick<LogEntry, 'level' | 'actor' | 'target' | 'details'>

/** Every entry of that event, oldest first, when there are as many as said. */
async function entriesOf (app: FastifyInstance, event: string, count: number): Promise<Told[]> {
  await eventually(`${count} of ${event}`, async () => (await app.auditLog.find({ event })).length >= count)
  return (await app.auditLog.find({ event })).reverse().map(({ level, actor, target, details }) => ({ level, actor, target, details }))
}

t.test('clients in the log: created, changed, given secrets and keys, deleted', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri })
  const { clients } = app.oauthProvider
  const actor = { type: 'user', id: 'root' }
  const { client: { id, clientId } } = await clients.create({ name: 'Shop', applicationType: 'backend', tokenType: 'jwt', jwtAlgorithm: 'ES256' }, { actor, requestId: 'r-1' })
  await clients.update(clientId, { scopes: ['read'] }, { actor })
  await clients.rotateSecret(clientId, { actor })
  await clients.dropSecret(clientId, { actor })
  await clients.generatePrivateKey(clientId, { actor })
  await clients.remove(clientId, { actor })
  const target = { type: 'client', id, name: 'Shop' }
  for (const event of ['client.created', 'client.updated', 'client.secret_rotated', 'client.secret_dropped', 'client.key_rotated', 'client.deleted']) {
    const told = await entriesOf(app, event, 1)
    t.strictSame(told.map(({ level, actor, target }) => ({ level, actor, target })), [{ level: 'info', actor, target }], event)
  }
  t.equal((await app.auditLog.find({ event: 'client.created' })).at(0)?.requestId, 'r-1')
  t.strictSame((await app.auditLog.find()).map(({ event }) => event).filter((event) => event.startsWith('client.')).length, 6, 'one each')
})

t.test('codes and tokens in the log: each once, by whom, and whose', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri })
  const shop = await makeClient(app, { name: 'Shop' })
  const backend = await makeClient(app, { name: 'Job', applicationType: 'backend' })
  const legacy = await makeClient(app, { name: 'Till', applicationType: 'legacy', allowPassword: true })
  const phone = await makeClient(app, { name: 'Phone', applicationType: 'mobile', allowImplicit: true })
  const first = await redeem(app, shop, await codeFor(app, shop, { scope: 'read' }))
  await refresh(app, shop, first.body['refresh_token'])
  await post(app, '/token', { grant_type: 'client_credentials' }, backend)
  await post(app, '/token', { grant_type: 'password', username: 'ann', password: people[0]?.password }, legacy)
  await app.inject({ url: `/oauth2/authorize?response_type=token&client_id=${phone.clientId}`, headers: { 'x-user': 'ann' } })
  const by = ({ client: { id } }: MadeClient): object => ({ type: 'client', id })
  const [issued, ...more] = await entriesOf(app, 'code.issued', 1)
  t.strictSame(more, [])
  const family = issued?.target
  t.match(family, { type: 'token', id: /^[0-9a-f]{24}$/ })
  t.strictSame(issued, { level: 'info', actor: by(shop), target: family, details: { client: 'Shop', user: 'ann' } })
  t.strictSame(await entriesOf(app, 'code.redeemed', 1), [{ level: 'info', actor: by(shop), target: family, details: { scope: 'read', client: 'Shop', user: 'ann' } }])
  t.strictSame(await entriesOf(app, 'token.refreshed', 1), [{ level: 'info', actor: by(shop), target: family, details: { generation: 2, scope: 'read', client: 'Shop', user: 'ann' } }])
  t.strictSame((await entriesOf(app, 'token.issued', 3)).map(({ level, actor, details }) => ({ level, actor, details })).sort((a, b) => String(a.details['client']).localeCompare(String(b.details['client']))), [
    { level: 'info', actor: by(backend), details: { grant: 'client_credentials', scope: 'read write', client: 'Job' } },
    { level: 'info', actor: by(phone), details: { grant: 'implicit', scope: 'read write', client: 'Phone', user: 'ann' } },
    { level: 'info', actor: by(legacy), details: { grant: 'password', scope: 'read write', client: 'Till', user: 'ann' } }
  ])
  t.strictSame(await entriesOf(app, 'token.revoked', 0), [])
})

t.test('what comes often is sampled: the first of a minute, and how many more', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri })
  const reader = await providerApp(t, { uri })
  const api = await makeClient(app, { name: 'API', applicationType: 'backend' })
  const legacy = await makeClient(app, { name: 'Till', applicationType: 'legacy', allowPassword: true })
  for (let count = 0; count < 5; count++) await post(app, '/introspect', { token: 'x' }, api)
  for (let count = 0; count < 3; count++) await post(app, '/token', { grant_type: 'client_credentials' }, { clientId: api.clientId, secret: 'wrong' })
  for (let count = 0; count < 3; count++) await post(app, '/token', { grant_type: 'password', username: 'ann', password: 'wrong' }, legacy)
  const target = { type: 'client', id: api.client.id, name: 'API' }
  const events = ['token.introspected', 'client.authentication_failed', 'token.password_refused']
  for (const event of events) t.strictSame((await entriesOf(reader, event, 1)).map(({ details }) => details), [{ count: 1 }], event)
  await app.close()
  t.strictSame((await entriesOf(reader, 'token.introspected', 2)).at(-1), { level: 'info', actor: { type: 'client', id: api.client.id }, target, details: { count: 4 } })
  t.strictSame((await entriesOf(reader, 'client.authentication_failed', 2)).at(-1), { level: 'warning', actor: null, target: { ...target, name: api.clientId }, details: { count: 2 } })
  t.strictSame((await entriesOf(reader, 'token.password_refused', 2)).at(-1), { level: 'warning', actor: { type: 'client', id: legacy.client.id }, target: { type: 'user', id: null, name: null }, details: { count: 2 } })
})

t.test('addresses and user names are in the provider\'s entries only with store.log.personalData', async (t) => {
  for (const personalData of [false, true]) {
    const { uri } = await startTestMongo(t)
    const app = await providerApp(t, { uri, trustProxy: true, store: { log: { personalData } } })
    const legacy = await makeClient(app, { applicationType: 'legacy', allowPassword: true })
    const headers = { 'x-forwarded-for': '2001:db8:7::9' }
    await post(app, '/token', { grant_type: 'password', username: 'ann.archer', password: 'wrong' }, { ...legacy, headers })
    await post(app, '/token', { grant_type: 'password', username: 'ann.archer', password: 'wrong' }, { clientId: legacy.clientId, secret: 'wrong', headers })
    const code = await codeFor(app, await makeClient(app))
    t.ok(code)
    await entriesOf(app, 'token.password_refused', 1)
    await entriesOf(app, 'client.authentication_failed', 1)
    const told = (await app.auditLog.find()).filter(({ event }) => ['token.password_refused', 'client.authentication_failed'].includes(event)).map(({ event, personal }) => [event, personal]).sort()
    t.strictSame(told, [['client.authentication_failed', personalData ? { ip: '2001:db8:7::9' } : undefined], ['token.password_refused', personalData ? { ip: '2001:db8:7::9', userName: 'ann.archer' } : undefined]], 'the whole address, not its network')
    const documents = JSON.stringify(await app.store.connection.collection('dwa_log').find().toArray()) + JSON.stringify(await app.store.connection.collection('dwa_failures').find().toArray())
    t.strictSame([documents.includes('2001:db8:7'), documents.includes('ann.archer')], [personalData, personalData])
  }
})
