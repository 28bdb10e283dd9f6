import t from 'tap'
import { errors } from '../../lib/errors.js'
import type { NamedRecords } from '../../lib/admin/resources/named-records.js'
import type { ChangeNote, RecordUpdate } from '../../lib/store/managed-records.js'
import { startTestMongo } from '../mongo.js'
import { adminApp, call, roles } from './admin-app.js'

const mongo = await startTestMongo(t)

interface Thing { readonly id: string, readonly version: number, readonly name: string, readonly hasSecret: boolean }

/** Records in memory, managed as stored connectors and webhook sources are. */
class Things implements NamedRecords {
  readonly things = new Map<string, Thing>()
  readonly notes: ChangeNote[] = []

  async list (): Promise<Thing[]> {
    return [...this.things.values()]
  }

  async get (key: string): Promise<Thing | null> {
    return (await this.list()).find(({ id, name }) => id === key || name === key) ?? null
  }

  async create ({ name }: { readonly name?: unknown }, note: ChangeNote): Promise<Thing> {
    if (typeof name !== 'string') throw Object.assign(new errors.DWA_STORE_INVALID_RECORD('name', 'must be string'), { field: 'name' })
    this.notes.push(note)
    return this.#put({ id: `id-of-${name}`, version: 1, name, hasSecret: true })
  }

  async update (key: string, _patch: object, { version }: RecordUpdate): Promise<Thing> {
    const thing = await this.#existing(key, version)
    return this.#put({ ...thing, version: thing.version + 1 })
  }

  async remove (key: string, { version }: RecordUpdate): Promise<void> {
    this.things.delete((await this.#existing(key, version)).id)
  }

  async secrets (key: string, note: ChangeNote): Promise<{ secret: string }> {
    await this.#existing(key, undefined)
    this.notes.push(note)
    return { secret: 'planted' }
  }

  #put (thing: Thing): Thing {
    this.things.set(thing.id, thing)
    return thing
  }

  async #existing (key: string, version: number | undefined): Promise<Thing> {
    const thing = await this.get(key)
    if (thing === null) throw new errors.DWA_STORE_NOT_FOUND('The thing')
    if (version !== undefined && version !== thing.version) throw new errors.DWA_STORE_CONFLICT('The thing')
    return thing
  }
}

for (const [decorator, path] of [['connectors', '/connectors'], ['webhookSources', '/webhook-sources']] as const) {
  t.test(`${path} is there with app.${decorator}, for system`, async (t) => {
    const things = new Things()
    const app = await adminApp(t, { uri: mongo.uri, webhooks: false, admin: { console: false }, store: { collectionPrefix: `${decorator}_` }, before: async (app) => { app.decorate(decorator, Object(things)) } })
    const sent = [['GET', path], ['POST', path], ['GET', `${path}/x`], ['PATCH', `${path}/x`], ['DELETE', `${path}/x`], ['GET', `${path}/x/secrets`]] as const
    for (const [method, url] of sent) {
      const body = method === 'POST' || method === 'PATCH' ? { body: {} } : {}
      t.equal((await call(app, method, url, { as: null, ...body })).status, 401, `${method} ${url} as nobody`)
      for (const as of roles) {
        const { status } = await call(app, method, url, { as, ...body })
        if (as === 'system') t.ok([200, 400, 404, 428].includes(status), `${method} ${url}: ${status}`)
        else t.equal(status, 403, `${method} ${url} as ${as}`)
      }
    }
    for (const name of ['b', 'a', 'c']) t.match(await call(app, 'POST', path, { body: { name } }), { status: 201, headers: { etag: `"id-of-${name}-1"`, location: `/admin/api${path}/id-of-${name}` } })
    t.match(await call(app, 'POST', path, { body: { name: 7 } }), { status: 400, body: { errors: [{ path: 'name' }] } })
    t.match((await call(app, 'GET', `${path}?limit=2`)).body, { items: [{ name: 'a', hasSecret: true }, { name: 'b' }], next: String })
    t.match((await call(app, 'GET', `${path}?name=c`)).body, { items: [{ name: 'c' }], next: null })
    t.match(await call(app, 'PATCH', `${path}/a`, { body: { x: 1 }, headers: { 'if-match': '"id-of-a-1"' } }), { status: 200, headers: { etag: '"id-of-a-2"' }, body: { version: 2 } })
    t.match(await call(app, 'PATCH', `${path}/a`, { body: { x: 1 }, headers: { 'if-match': '"id-of-a-1"' } }), { status: 412 })
    t.match(await call(app, 'GET', `${path}/a/secrets`), { status: 200, body: { secret: 'planted' } })
    t.strictSame((await call(app, 'DELETE', `${path}/a`, { headers: { 'if-match': '"id-of-a-2"' } })).status, 204)
    t.strictSame((await call(app, 'GET', `${path}/a`)).status, 404)
    for (const note of things.notes) t.match(note, { actor: { type: 'user', id: 'u1' }, requestId: String })
  })
}

t.test('what fails inside is told to the app\'s log, and nobody else learns more than that it failed', async (t) => {
  const things = new Things()
  const lines: string[] = []
  const app = await adminApp(t, { uri: mongo.uri, webhooks: false, admin: { console: false }, store: { collectionPrefix: 'failing_' }, onLine: (line) => { lines.push(line) }, before: async (app) => { app.decorate('connectors', Object(things)) } })
  const cases = [
    [new TypeError('the inside of it'), 500, 'DWA_ADMIN_FAILED'], [Object.assign(new Error('the inside of it'), { code: 11000, statusCode: 418 }), 500, 'DWA_ADMIN_FAILED'], ['the inside of it', 500, 'DWA_ADMIN_FAILED'],
    [new errors.DWA_STORE_UNREADABLE_SECRET('the inside of it'), 500, 'DWA_STORE_UNREADABLE_SECRET'], [new errors.DWA_STORE_UNAVAILABLE(), 503, 'DWA_STORE_UNAVAILABLE']
  ] as const
  for (const [error, expected, code] of cases) {
    things.list = async () => { throw error }
    const { status, body, text, headers } = await call(app, 'GET', '/connectors')
    t.strictSame([status, body['status'], body['code']], [expected, expected, code])
    t.notOk(text.includes('inside'), code)
    t.match(headers['content-type'], /^application\/problem\+json/)
    t.ok(lines.some((line) => line.includes(String(body['requestId'])) && line.includes('"level":50')), 'the line is found by the request id')
  }
})

t.test('a hook of the app that refuses keeps its status, and nothing else of what it says', async (t) => {
  const lines: string[] = []
  let raised: unknown
  const app = await adminApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'hooks_' },
    onLine: (line) => { lines.push(line) },
    before: async (app) => { app.addHook('onRequest', async () => { if (raised !== undefined) throw raised }) }
  })
  const of = (statusCode: unknown): Error => Object.assign(new Error('the inside of it'), { statusCode, code: 'X' })
  const cases = [[of(403), 403], [of(401), 401], [of(429), 429], [of(418), 418], [of(503), 503], [of(500), 500], [of(502), 500], [of(399), 500], [of('403'), 500], [of(403.5), 500], [{ statusCode: 404 }, 404], [new Error('the inside of it'), 500]] as const
  for (const [error, expected] of cases) {
    lines.length = 0
    raised = error
    const { status, body, text } = await call(app, 'GET', '/connectors')
    t.strictSame([status, body['status'], body['code']], [expected, expected, expected === 500 ? 'DWA_ADMIN_FAILED' : 'DWA_ADMIN_REFUSED'], String(expected))
    t.notOk(text.includes('inside'))
    t.equal(lines.some((line) => line.includes('"level":50')), expected === 500, 'a line of an error')
  }
})

t.test('without them there is nothing there', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, webhooks: false, store: { collectionPrefix: 'without_' } })
  for (const path of ['/connectors', '/webhook-sources']) t.match(await call(app, 'GET', path), { status: 404, body: { code: 'DWA_ADMIN_UNKNOWN_ROUTE' } })
})
