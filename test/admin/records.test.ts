import cors from '@fastify/cors'
import rateLimit from '@fastify/rate-limit'
import t from 'tap'
import { errors } from '../../lib/errors.js'
import { publicUrl } from '../docuware/caller.js'
import { startTestMongo } from '../mongo.js'
import { adminApp, call, kinds, roles, samples, type Kind } from './admin-app.js'

const mongo = await startTestMongo(t)
const app = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'records_' } })

async function make (kind: Kind, key: string): Promise<{ id: string, etag: string }> {
  const { role, input } = samples[kind]
  const { status, body, headers, text } = await call(app, 'POST', `/${kind}`, { as: role, body: input(key) })
  if (status !== 201) throw new Error(text)
  return { id: String(body['id']), etag: String(headers['etag']) }
}

t.test('every route takes its role and no other', async (t) => {
  const table: ReadonlyArray<readonly [method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, roles: readonly string[]]> = kinds.flatMap((kind) => {
    const { role } = samples[kind]
    const actions = kind === 'clients' ? [['POST', '/clients/x/rotate-secret', [role]], ['POST', '/clients/x/drop-secret', [role]]] as const : []
    const secrets = kind !== 'clients' && kind !== 'scopes' ? [['GET', `/${kind}/x/secrets`, ['system']]] as const : []
    return [['GET', `/${kind}`, [role]], ['POST', `/${kind}`, [role]], ['GET', `/${kind}/x`, [role]], ['PATCH', `/${kind}/x`, [role]], ['DELETE', `/${kind}/x`, [role]], ...secrets, ...actions] as const
  })
  for (const [method, path, allowed] of table) {
    const sent = method === 'POST' || method === 'PATCH' ? { body: {} } : {}
    const nobody = await call(app, method, path, { as: null, ...sent })
    t.match([nobody.status, nobody.body['code'], nobody.headers['www-authenticate']], [401, 'DWA_ACCESS_UNAUTHENTICATED', 'Session'], `${method} ${path} as nobody`)
    for (const role of roles) {
      const { status, body } = await call(app, method, path, { as: role, ...sent })
      if (allowed.includes(role)) t.ok([200, 400, 404, 428].includes(status), `${method} ${path} as ${role}: ${status}`)
      else t.strictSame([status, body['code']], [403, 'DWA_ACCESS_FORBIDDEN'], `${method} ${path} as ${role}`)
    }
  }
  const routes = app.admin.resources.flatMap(({ records, operations }) => records === undefined ? [] : operations.map(({ method, path }) => `${method} ${path.replace(':id', 'x')}`))
  t.strictSame(routes.sort(), table.map(([method, path]) => `${method} ${path}`).sort(), 'these are all there are')
})

for (const kind of kinds) {
  const { role, input, patch } = samples[kind]
  const as = { as: role } as const

  t.test(`${kind}: created, read, changed and removed, each change at the version that was read`, async (t) => {
    const created = await call(app, 'POST', `/${kind}`, { ...as, body: input('story') })
    t.equal(created.status, 201)
    const { id } = created.body
    const path = `/${kind}/${String(id)}`
    t.equal(created.headers['location'], `/admin/api${path}`)
    const etag = (version: number): string => `"${String(id)}-${version}"`
    t.equal(created.headers['etag'], etag(1))
    t.match(String(created.headers['content-type']), /^application\/json/)
    for (const key of [String(id), 'story']) {
      const read = await call(app, 'GET', `/${kind}/${key}`, as)
      t.strictSame([read.status, read.headers['etag'], read.body['id'], read.body['version']], [200, etag(1), id, 1], key)
      t.equal(read.headers['cache-control'], 'no-store')
    }
    for (const [known, status] of [[etag(1), 304], [`W/${etag(1)}`, 304], [`${etag(7)}, ${etag(1)}`, 304], ['*', 304], [etag(2), 200], ['"1"', 200], [`"${'f'.repeat(24)}-1"`, 200]] as const) {
      const read = await call(app, 'GET', path, { ...as, headers: { 'if-none-match': known } })
      t.strictSame([read.status, read.headers['etag'], read.text === ''], [status, etag(1), status === 304], `If-None-Match: ${known}`)
    }
    for (const method of ['PATCH', 'DELETE'] as const) {
      const without = await call(app, method, path, { ...as, ...(method === 'PATCH' ? { body: patch } : {}) })
      t.strictSame([without.status, without.body['code']], [428, 'DWA_ADMIN_PRECONDITION_REQUIRED'], method)
      for (const stale of [etag(7), '1', '"1"', '"-1"', `"${'f'.repeat(24)}-1"`, `W/${etag(1)}`, '"one"', `${etag(7)}, ${etag(8)}`, '']) {
        const lost = await call(app, method, path, { ...as, ...(method === 'PATCH' ? { body: patch } : {}), headers: { 'if-match': stale } })
        t.strictSame([lost.status, lost.body['code']], [412, 'DWA_STORE_CONFLICT'], `${method} If-Match: ${stale}`)
      }
    }
    const changed = await call(app, 'PATCH', path, { ...as, body: patch, headers: { 'if-match': etag(1) } })
    t.match([changed.status, changed.headers['etag'], changed.body], [200, etag(2), { ...patch, id, version: 2 }])
    const again = await call(app, 'PATCH', path, { ...as, body: patch, headers: { 'if-match': `${etag(9)}, ${etag(2)}` } })
    t.equal(again.status, 200, 'one of several versions')
    t.equal((await call(app, 'PATCH', path, { ...as, body: patch, headers: { 'if-match': '*' } })).status, 200, 'whatever it is')
    const newest = String((await call(app, 'GET', path, as)).headers['etag'])
    const removed = await call(app, 'DELETE', path, { ...as, headers: { 'if-match': newest } })
    t.strictSame([removed.status, removed.text], [204, ''])
    t.equal((await call(app, 'GET', path, as)).status, 404)
  })

  t.test(`${kind}: a record that was removed and made again under its name is another one`, async (t) => {
    const { id, etag } = await make(kind, 'phoenix')
    const path = `/${kind}/phoenix`
    t.equal((await call(app, 'DELETE', path, { ...as, headers: { 'if-match': etag } })).status, 204)
    const again = await make(kind, 'phoenix')
    t.not(again.id, id)
    const lost = await call(app, 'PATCH', path, { ...as, body: patch, headers: { 'if-match': etag } })
    t.strictSame([lost.status, lost.body['code']], [412, 'DWA_STORE_CONFLICT'])
    t.equal((await call(app, 'DELETE', path, { ...as, headers: { 'if-match': etag } })).status, 412)
    const read = await call(app, 'GET', path, { ...as, headers: { 'if-none-match': etag } })
    t.strictSame([read.status, read.headers['etag'], read.body['id'], read.body['version']], [200, again.etag, again.id, 1])
    if (kind === 'clients') t.equal((await call(app, 'POST', `${path}/rotate-secret`, { ...as, headers: { 'if-match': etag } })).status, 412)
    t.equal((await call(app, 'PATCH', path, { ...as, body: patch, headers: { 'if-match': again.etag } })).status, 200)
  })

  t.test(`${kind}: an id finds its record and no other; a name that looks like an id finds none`, async (t) => {
    const { id } = await make(kind, 'by_id')
    const removed = await make(kind, 'removed')
    t.equal((await call(app, 'DELETE', `/${kind}/${removed.id}`, { ...as, headers: { 'if-match': '*' } })).status, 204)
    const named = []
    for (const name of kind === 'validators' ? ['abcdefabcdefabcdefabcdef'] : [id, removed.id]) named.push({ name, ...await make(kind, name) })
    for (const { name, id: own } of named) {
      const expected = name === id ? [200, id] : [404, undefined]
      const read = await call(app, 'GET', `/${kind}/${name}`, as)
      t.strictSame([read.status, read.body['id']], expected)
      for (const method of ['PATCH', 'DELETE'] as const) {
        if (name === id) continue
        const answer = await call(app, method, `/${kind}/${name}`, { ...as, ...(method === 'PATCH' ? { body: patch } : {}), headers: { 'if-match': '*' } })
        t.strictSame([answer.status, answer.body['code']], [404, 'DWA_STORE_NOT_FOUND'], method)
      }
      if (kind !== 'clients' && kind !== 'scopes') t.equal((await call(app, 'GET', `/${kind}/${name}/secrets`)).status, expected[0])
      t.match(await call(app, 'GET', `/${kind}/${own}`, as), { status: 200, body: { id: own, version: 1 } }, 'by its own')
    }
    t.match((await call(app, 'PATCH', `/${kind}/${id}`, { ...as, body: patch, headers: { 'if-match': '*' } })).body, { id, version: 2 })
  })

  t.test(`${kind}: names are addresses as long as they may be`, async (t) => {
    const longest = { connections: 100, clients: 200, scopes: 128, validators: 128, connectors: 100, 'webhook-sources': 100 }[kind]
    const names = ['x'.repeat(longest), ...kind === 'clients' ? ['\u{1F600}'.repeat(longest), '/?% \n'.repeat(longest / 5)] : kind === 'validators' ? ['\u{20000}'.repeat(longest)] : []]
    for (const name of names) {
      const { id, etag } = await make(kind, name)
      const path = `/${kind}/${encodeURIComponent(name)}`
      const read = await call(app, 'GET', path, as)
      t.strictSame([read.status, read.headers['etag'], read.body['id']], [200, etag, id])
      t.equal((await call(app, 'GET', path, { as: null })).status, 401)
      if (kind !== 'clients' && kind !== 'scopes') {
        t.equal((await call(app, 'GET', `${path}/secrets`)).status, 200)
        t.equal((await call(app, 'GET', `${path}/secrets`, { as: 'oauth_provider' })).status, 403)
      } else if (kind === 'clients') {
        t.equal((await call(app, 'POST', `${path}/rotate-secret`, { ...as, headers: { 'if-match': etag } })).status, 200)
      }
      const preflight = await app.inject({ method: 'OPTIONS', url: `/admin/api${path}` })
      t.strictSame([preflight.statusCode, preflight.headers.allow], [405, 'GET, PATCH, DELETE'])
      t.equal((await call(app, 'PATCH', path, { ...as, body: patch, headers: { 'if-match': '*' } })).body['id'], id)
      t.equal((await call(app, 'DELETE', path, { ...as, headers: { 'if-match': '*' } })).status, 204)
    }
  })

  t.test(`${kind}: the audit log says who did it, by which request`, async (t) => {
    const { id } = await make(kind, 'audited')
    const entries = await app.auditLog.find({ target: id })
    t.match(entries, [{ event: /\.created$/, actor: { type: 'user', id: 'u1' }, requestId: /^req-/ }])
  })

  t.test(`${kind}: faults`, async (t) => {
    const { id, etag } = await make(kind, 'faulty')
    const path = `/${kind}/${id}`
    const match = { 'if-match': etag }
    const cases = [
      ['a name that is there', await call(app, 'POST', `/${kind}`, { ...as, body: input('faulty') }), 409, 'DWA_STORE_DUPLICATE'],
      ['no object', await call(app, 'POST', `/${kind}`, { ...as, body: [] }), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['null', await call(app, 'PATCH', path, { ...as, body: 'null', headers: match }), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['no JSON', await call(app, 'POST', `/${kind}`, { ...as, body: '{' }), 400, 'DWA_ADMIN_MALFORMED_JSON'],
      ['a prototype', await call(app, 'POST', `/${kind}`, { ...as, body: '{"__proto__":{"x":1}}' }), 400, 'DWA_ADMIN_MALFORMED_JSON'],
      ['too large', await call(app, 'POST', `/${kind}`, { ...as, body: { name: 'x'.repeat(300_000) } }), 413, 'DWA_ADMIN_BODY_TOO_LARGE'],
      ['a form', await call(app, 'POST', `/${kind}`, { ...as, body: 'name=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 415, 'DWA_ADMIN_NOT_JSON'],
      ['text that is JSON', await call(app, 'POST', `/${kind}`, { ...as, body: '{}', headers: { 'content-type': 'text/plain' } }), 415, 'DWA_ADMIN_NOT_JSON'],
      ['a form that removes', await call(app, 'DELETE', path, { ...as, body: 'x=1', headers: { ...match, 'content-type': 'application/x-www-form-urlencoded' } }), 415, 'DWA_ADMIN_NOT_JSON'],
      ['unknown', await call(app, 'GET', `/${kind}/ffffffffffffffffffffffff`, as), 404, 'DWA_STORE_NOT_FOUND'],
      ['unknown, changed', await call(app, 'PATCH', `/${kind}/unknown`, { ...as, body: patch, headers: match }), 404, 'DWA_STORE_NOT_FOUND'],
      ['unknown, changed at one of several versions', await call(app, 'PATCH', `/${kind}/unknown`, { ...as, body: patch, headers: { 'if-match': `${etag}, "x-2"` } }), 404, 'DWA_STORE_NOT_FOUND'],
      ['unknown, removed', await call(app, 'DELETE', `/${kind}/unknown`, { ...as, headers: match }), 404, 'DWA_STORE_NOT_FOUND'],
      ['no such action', await call(app, 'POST', `${path}/explode`, { ...as, body: {} }), 404, 'DWA_ADMIN_UNKNOWN_ROUTE'],
      ['the API itself', await call(app, 'GET', '', as), 404, 'DWA_ADMIN_UNKNOWN_ROUTE'],
      ['no such resource', await call(app, 'GET', '/nothing', as), 404, 'DWA_ADMIN_UNKNOWN_ROUTE'],
      ['no such parameter', await call(app, 'GET', `/${kind}?colour=red`, as), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['a page too large', await call(app, 'GET', `/${kind}?limit=201`, as), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['a page of nothing', await call(app, 'GET', `/${kind}?limit=0`, as), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['no number', await call(app, 'GET', `/${kind}?limit=1e1`, as), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['two limits', await call(app, 'GET', `/${kind}?limit=1&limit=2`, as), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['no cursor', await call(app, 'GET', `/${kind}?after=***`, as), 400, 'DWA_ADMIN_INVALID_REQUEST'],
      ['an operator', await call(app, 'GET', `/${kind}?name[$ne]=x`, as), 400, 'DWA_ADMIN_INVALID_REQUEST']
    ] as const
    for (const [name, { status, body, headers }, expected, code] of cases) {
      t.match([status, body], [expected, { type: 'about:blank', status: expected, code, title: String, detail: String, requestId: String }], name)
      t.match(String(headers['content-type']), /^application\/problem\+json/, name)
      t.equal(headers['cache-control'], 'no-store', name)
    }
    t.match((await call(app, 'GET', path, as)).body, { version: 1 }, 'and nothing has changed')
  })

  t.test(`32. ${kind}: hostile texts are names like others, and values are nothing else`, async (t) => {
    const nameField = kind === 'scopes' ? 'code' : 'name'
    for (const value of [{ $ne: null }, { $gt: '' }, ['a'], 7, true, null]) {
      const { status, body } = await call(app, 'POST', `/${kind}`, { ...as, body: { ...input('x'), [nameField]: value } })
      t.match([status, body], [400, { errors: [{ path: nameField }] }], JSON.stringify(value))
    }
    for (const key of ['constructor', '__proto__', '%00', '%24where', '%7B%22%24ne%22%3Anull%7D', '%3Cscript%3E', '%F0%9F%92%A3', '%22%0d%0aset-cookie%3A%20a=b']) {
      const { status, body, headers } = await call(app, 'GET', `/${kind}/${key}`, as)
      t.strictSame([status, body['code'], headers['set-cookie']], [404, 'DWA_STORE_NOT_FOUND', undefined], key)
    }
    if (kind === 'connections' || kind === 'clients') {
      const hostile = '"><script>alert(1)</script>$where'
      const { id } = await make(kind, hostile)
      const page = await call(app, 'GET', `/${kind}?name=${encodeURIComponent(hostile)}`, as)
      t.match(page.body, { items: [{ id, name: hostile }] })
      t.equal(page.headers['x-content-type-options'], 'nosniff')
    }
  })
}

t.test('an invalid body is answered with the path of the field', async (t) => {
  const cases = [
    ['connections', { name: 'x', platformUrl: 'acme' }, 'clientId'],
    ['connections', { name: 'x', platformUrl: 'http://10.0.0.1/', clientId: 'c' }, 'platformUrl'],
    ['connections', { name: 'x', platformUrl: 'acme', clientId: 'c', scopes: ['ok', 'not ok'] }, 'scopes[1]'],
    ['connections', { name: 'x', platformUrl: 'acme', clientId: 'c', refreshToken: 'mine' }, 'refreshToken'],
    ['clients', { name: 'x', applicationType: 'web', redirectUris: ['https://a.example/', 'javascript:x'] }, 'redirectUris[1]'],
    ['clients', { name: 'x', applicationType: 'web' }, 'redirectUris'],
    ['clients', { name: 'x', applicationType: 'backend', lifetimes: { code: 0 } }, 'lifetimes.code'],
    ['scopes', { code: 'x', name: 'x', model: 'nothing' }, 'model'],
    ['validators', { name: 'not a name', signatureType: 'secret', audience: 'a', issuer: 'i' }, 'name'],
    ['validators', { name: 'x', signatureType: 'secret', secretKey: 'short', audience: 'a', issuer: 'i' }, 'secretKey'],
    ['validators', { name: 'x', signatureType: 'secret', secretKey: 'x'.repeat(32), audience: ['a', ''], issuer: 'i' }, 'audience[1]'],
    ['connectors', { name: 'x', baseUrl: 'http://shop.example', auth: { type: 'apiKey', key: 'k' } }, 'baseUrl'],
    ['connectors', { name: 'x', baseUrl: 'https://shop.example', auth: { type: 'magic' } }, 'auth.type'],
    ['connectors', { name: 'x', baseUrl: 'https://shop.example', auth: { type: 'basic', username: 'u' } }, 'auth.password'],
    ['webhook-sources', { name: 'x', header: 'not a header', secret: 'long enough a secret' }, 'header'],
    ['webhook-sources', { name: 'x', header: 'x-signature', secret: 'long enough a secret', timestamp: {} }, 'timestamp.header']
  ] as const
  for (const [kind, body, path] of cases) {
    const { status, body: problem } = await call(app, 'POST', `/${kind}`, { as: samples[kind].role, body })
    t.match([status, problem], [400, { code: /_INVALID/, errors: [{ path, message: String }] }], `${kind}: ${path}`)
    t.equal(Array.isArray(problem['errors']) && problem['errors'].length, 1)
  }
})

t.test('what is in use, or declared in code, stays: 409', async (t) => {
  await make('scopes', 'used')
  await call(app, 'POST', '/clients', { as: 'oauth_provider', body: { ...samples.clients.input('user of it'), scopes: ['used'] } })
  t.match(await call(app, 'DELETE', '/scopes/used', { as: 'oauth_provider', headers: { 'if-match': '*' } }), { status: 409, body: { code: 'DWA_PROVIDER_SCOPE_IN_USE' } })
  for (const known of ['"0"', '*', '"null-0"']) {
    const read = await call(app, 'GET', '/validators/declared', { headers: { 'if-none-match': known } })
    t.strictSame([read.status, read.headers['etag'], read.body['id'], read.body['name']], [200, undefined, null, 'declared'], `If-None-Match: ${known}: its version does not count what becomes of it`)
  }
  t.match(await call(app, 'PATCH', '/validators/declared', { body: {}, headers: { 'if-match': '*' } }), { status: 409, body: { code: 'DWA_JWT_READ_ONLY_VALIDATOR' } })
  for (const tag of ['"0"', '"0", "1"']) t.match(await call(app, 'PATCH', '/validators/declared', { body: {}, headers: { 'if-match': tag } }), { status: 412, body: { code: 'DWA_STORE_CONFLICT' } }, tag)
  t.match(await call(app, 'GET', '/validators/declared/secrets'), { status: 409, body: { code: 'DWA_JWT_READ_ONLY_VALIDATOR' } })
})

t.test('lists come in pages, by name, and each record is in one of them', async (t) => {
  for (const kind of kinds) {
    const as = { as: samples[kind].role } as const
    const own = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: `pages_${kind}_` } })
    for (const letter of ['e', 'b', 'd', 'a', 'c']) await call(own, 'POST', `/${kind}`, { ...as, body: samples[kind].input(letter) })
    const nameField = kind === 'scopes' ? 'code' : 'name'
    const all = [...kind === 'validators' ? ['declared'] : [], 'a', 'b', 'c', 'd', 'e'].sort()
    const seen: unknown[] = []
    let path: string | undefined = `/${kind}?limit=2`
    while (path !== undefined) {
      const page = await call(own, 'GET', path, as)
      const { items, next } = page.body
      if (!Array.isArray(items)) throw new Error(page.text)
      seen.push(...items.map((item) => item[nameField]))
      const link: string | undefined = /^<\/admin\/api(.+)>; rel="next"$/.exec(String(page.headers['link']))?.[1]
      t.equal(link === undefined, next === null, 'the header says what the body says')
      if (link !== undefined) t.equal(new URL(link, 'http://x').searchParams.get('after'), next)
      if (seen.length === 2) await call(own, 'DELETE', `/${kind}/${String(seen[1])}`, { ...as, headers: { 'if-match': '*' } }) // what a page ended with may go
      path = link
    }
    t.strictSame(seen, all, kind)
    t.match((await call(own, 'GET', `/${kind}`, as)).body, { items: { length: all.length - 1 }, next: null })
  }
})

t.test('lists are narrowed by plain values', async (t) => {
  const cases = [
    ['connections', '?status=draft&name=narrow', 1], ['connections', '?status=authorized', 0], ['clients', '?name=narrow', 1], ['clients', '?enabled=false', 0], ['clients', '?enabled=true&name=narrow&limit=1', 1],
    ['clients', '?applicationType=mobile', 0], ['scopes', '?code=narrow', 1], ['scopes', '?model=users', 0], ['validators', '?name=narrow&enabled=true', 1], ['validators', '?signatureType=public_key', 0], ['webhook-sources', '?name=narrow', 1]
  ] as const
  for (const kind of kinds) await make(kind, 'narrow')
  for (const [kind, query, count] of cases) t.match((await call(app, 'GET', `/${kind}${query}`, { as: samples[kind].role })).body, { items: { length: count }, next: null }, `${kind}${query}`)
  t.match(await call(app, 'GET', '/connections?status=broken', { as: 'docuware' }), { status: 400, body: { errors: [{ path: 'status' }] } })
  t.match(await call(app, 'GET', '/clients?enabled=yes', { as: 'oauth_provider' }), { status: 400, body: { errors: [{ path: 'enabled' }] } })
})

t.test('a client\'s secret is shown once, when it is new', async (t) => {
  const as = { as: 'oauth_provider' } as const
  const created = await call(app, 'POST', '/clients', { ...as, body: { name: 'shown once', applicationType: 'backend' } })
  const { id, clientSecret: first } = created.body
  const etag = String(created.headers['etag'])
  t.match(first, /^.{40,}$/)
  const rotated = await call(app, 'POST', `/clients/${String(id)}/rotate-secret`, { ...as, headers: { 'if-match': etag } })
  t.match([rotated.status, rotated.headers['etag'], rotated.body], [200, `"${String(id)}-2"`, { clientSecret: /^.{40,}$/, clientSecrets: { length: 2 } }])
  t.not(rotated.body['clientSecret'], first)
  t.match(await call(app, 'POST', `/clients/${String(id)}/rotate-secret`, { ...as, headers: { 'if-match': etag } }), { status: 412 })
  t.match(await call(app, 'POST', `/clients/${String(id)}/rotate-secret`, { ...as, body: { x: 1 } }), { status: 400, body: { errors: [{ path: 'x' }] } })
  t.match(await call(app, 'POST', '/clients/unknown/rotate-secret', as), { status: 404 })
  const kept = Object(rotated.body['clientSecrets'])[1].id
  const dropped = await call(app, 'POST', `/clients/${String(id)}/drop-secret`, { ...as, body: { secretId: Object(rotated.body['clientSecrets'])[0].id } })
  t.match([dropped.status, dropped.body], [200, { clientSecrets: [{ id: kept }] }])
  t.match(await call(app, 'POST', `/clients/${String(id)}/drop-secret`, as), { status: 400, body: { errors: [{ path: 'clientSecret' }] } }, 'the only one')
  t.notMatch(dropped.body, { clientSecret: String })
  const imported = await call(app, 'POST', '/clients', { ...as, body: samples.clients.input('imported') })
  t.equal(imported.body['clientSecret'], null, 'what was sent is not sent back')
})

t.test('that there is a secret is said, and nothing of it', async (t) => {
  const flags = { connections: ['hasClientSecret', 'clientSecret'], clients: ['hasClientSecret', 'clientSecret'], validators: ['hasSecretKey', 'secretKey'], connectors: ['hasCredentials', 'auth.key'], 'webhook-sources': ['hasSecret', 'secret'] } as const
  for (const kind of ['connections', 'clients', 'validators', 'connectors', 'webhook-sources'] as const) {
    const as = { as: samples[kind].role } as const
    const { id } = await make(kind, `flag_${kind}`)
    const [flag, secret] = flags[kind]
    const { body } = await call(app, 'GET', `/${kind}/${id}`, as)
    t.equal(body[flag], true, kind)
    t.notOk(Object.hasOwn(body, secret) || Object.hasOwn(Object(body['auth']), 'key'), kind)
    const list = await call(app, 'GET', `/${kind}?name=flag_${kind}`, as)
    t.strictSame(Object(list.body['items'])[0], body, 'lists say the same')
  }
  const { body: without } = await call(app, 'POST', '/connections', { as: 'docuware', body: { name: 'no secret', platformUrl: 'acme', clientId: 'c' } })
  t.equal(without['hasClientSecret'], false)
})

t.test('52. secrets are in no answer but that of /secrets, for system, which is written down before', async (t) => {
  const lines: string[] = []
  const own = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'planted_' }, onLine: (line) => { lines.push(line) } })
  const answers: string[] = []
  const planted = ['planted-connection-secret', 'planted-client-secret', 'planted-validator-secret-of-32-bytes', 'planted-cookie-secret-of-32-bytes-or-more', 'planted-webhook-secret']
  const keep = async (...args: Parameters<typeof call> extends [unknown, ...infer Rest] ? Rest : never): Promise<string> => {
    const { text, headers, body } = await call(own, ...args)
    answers.push(text, JSON.stringify(headers))
    return String(body['id'])
  }
  for (const kind of kinds) {
    const { role, input, patch } = samples[kind]
    const id = await keep('POST', `/${kind}`, { as: role, body: input('planted') })
    await keep('POST', `/${kind}`, { as: role, body: input('planted') })
    await keep('POST', `/${kind}`, { as: role, body: { ...input('planted two'), surprise: 1 } })
    for (const as of roles) {
      await keep('GET', `/${kind}`, { as })
      await keep('GET', `/${kind}/${id}`, { as })
      if (as !== 'system') await keep('GET', `/${kind}/${id}/secrets`, { as })
    }
    await keep('PATCH', `/${kind}/${id}`, { as: role, body: patch, headers: { 'if-match': `"${id}-1"` } })
    await keep('PATCH', `/${kind}/${id}`, { as: role, body: { ...input('planted'), surprise: 1 }, headers: { 'if-match': '*' } })
  }
  t.ok(answers.length > 80)
  for (const secret of planted) {
    t.notOk(answers.some((answer) => answer.includes(secret)), `${secret} in an answer`)
    t.notOk(lines.some((line) => line.includes(secret)), `${secret} in a line of the log`)
  }
  const connection = await call(own, 'GET', '/connections/planted/secrets')
  t.strictSame([connection.status, connection.body], [200, { clientSecret: 'planted-connection-secret', accessToken: null, refreshToken: null }])
  const jwt = await call(own, 'GET', '/validators/planted/secrets')
  t.strictSame([jwt.status, jwt.body], [200, { secretKey: 'planted-validator-secret-of-32-bytes', cookieSecret: 'planted-cookie-secret-of-32-bytes-or-more' }])
  t.strictSame((await call(own, 'GET', '/webhook-sources/planted/secrets')).body, { secret: ['planted-webhook-secret'] })
  t.match(await own.auditLog.find({ event: 'validator.*' }), [{ event: 'validator.secrets_read', actor: { id: 'u1' }, level: 'warning' }])
  t.match(await own.auditLog.find({ event: 'connection.secrets_read' }), [{ actor: { id: 'u1' } }])
  t.match(await call(own, 'GET', '/validators/unknown/secrets'), { status: 404 })
  const { append } = own.auditLog
  Object.assign(own.auditLog, { append: async () => { throw new errors.DWA_STORE_UNAVAILABLE() } })
  for (const kind of ['connections', 'validators', 'connectors', 'webhook-sources']) {
    const { status, text } = await call(own, 'GET', `/${kind}/planted/secrets`)
    t.equal(status, 503, `${kind}: without an entry there are no secrets`)
    t.notMatch(text, 'planted-', kind)
  }
  Object.assign(own.auditLog, { append })
  t.match(await call(own, 'GET', '/clients/planted/secrets', { as: 'oauth_provider' }), { status: 404 }, 'hashes are not to be read')
})

t.test('11, 51. a page of another site changes nothing, and reads nothing', async (t) => {
  const { id } = await make('connections', 'target of another site')
  const match = { 'if-match': '*' }
  const cases = [
    [{ origin: 'https://evil.example' }, 403], [{ 'sec-fetch-site': 'cross-site' }, 403], [{ 'sec-fetch-site': 'same-site' }, 403], [{ origin: 'null' }, 403],
    [{ origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }, 403], [{ origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-origin' }, 200], [{}, 200]
  ] as const
  for (const [headers, status] of cases) t.equal((await call(app, 'PATCH', `/connections/${id}`, { as: 'docuware', body: {}, headers: { ...match, ...headers } })).status, status, JSON.stringify(headers))
  t.match(await call(app, 'DELETE', `/connections/${id}`, { as: 'docuware', headers: { ...match, origin: 'https://evil.example' } }), { status: 403, body: { code: 'DWA_CROSS_SITE' } })
  const open = await adminApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'open_' },
    async before (app) { await app.register(cors, { origin: true, credentials: true, exposedHeaders: ['etag'] }) }
  })
  for (const [headers, status] of [[{ origin: 'https://evil.example' }, 403], [{ 'sec-fetch-site': 'cross-site' }, 403], [{ 'sec-fetch-site': 'same-origin' }, 200], [{ 'sec-fetch-site': 'none' }, 200]] as const) {
    t.equal((await call(app, 'GET', `/connections/${id}/secrets`, { headers })).status, status, `GET ${JSON.stringify(headers)}`)
  }
  t.equal((await app.auditLog.find({ event: 'connection.secrets_read', target: id })).length, 2, 'what is refused leaves no entry')
  const read = await call(open, 'GET', '/connections', { as: 'docuware', headers: { origin: publicUrl } })
  t.strictSame([read.status, Object.keys(read.headers).filter((name) => name.startsWith('access-control'))], [200, []])
  const preflight = { method: 'OPTIONS', url: `/admin/api/connections/${id}`, headers: { origin: 'https://evil.example', 'access-control-request-method': 'PATCH' } } as const
  t.strictSame(Object.keys((await open.inject(preflight)).headers).filter((name) => name.startsWith('access-control')), [], 'a preflight learns nothing')
  t.equal((await app.inject(preflight)).statusCode, 403)
  const { statusCode, headers } = await app.inject({ ...preflight, headers: {} })
  t.strictSame([statusCode, headers.allow], [405, 'GET, PATCH, DELETE'])
})

t.test('31. one address may send so many requests in a minute, known or not', async (t) => {
  const limited = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'limited_' }, admin: { requestsPerMinute: 3 } })
  const answers = []
  for (const [as, path] of [['docuware', '/connections'], [null, '/log'], ['docuware', '/log'], ['docuware', '/connections/x']] as const) answers.push(await call(limited, 'GET', path, { as }))
  t.strictSame(answers.map(({ status }) => status), [200, 401, 200, 429])
  t.match(answers.at(-1), { body: { code: 'DWA_RATE_LIMITED' }, headers: { 'retry-after': /^\d+$/, 'content-type': /problem/ } })
})

t.test('31. nor does a limiter of the app change that, or an address with a network of its own', async (t) => {
  const limited = await adminApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'own_limit_' },
    admin: { requestsPerMinute: 3 },
    async before (app) { await app.register(rateLimit, { max: 1, allowList: ['2001:db8:1:2::1', '2001:db8:1:2::/64'], ban: 1, errorResponseBuilder: () => new Error('the app\'s own words') }) }
  })
  const send = async (remoteAddress: string) => await limited.inject({ url: '/admin/api/scopes', headers: { 'x-roles': 'oauth_provider' }, remoteAddress })
  for (let count = 1; count <= 3; count++) t.equal((await send(`2001:db8:1:2::${count}`)).statusCode, 200)
  for (let count = 1; count <= 3; count++) {
    const refused = await send(`2001:db8:1:2::${count}`)
    t.match([refused.statusCode, refused.json()], [429, { code: 'DWA_RATE_LIMITED' }], 'of one network, again and again')
  }
  t.equal((await send('2001:db8:1:3::1')).statusCode, 200)
})

t.test('of two processes that change one version, one is told that it lost', async (t) => {
  const other = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'records_' } })
  for (const kind of kinds) {
    const { id, etag } = await make(kind, `race_${kind}`)
    const { role, patch } = samples[kind]
    const answers = await Promise.all([app, other, app, other].map(async (one) => await call(one, 'PATCH', `/${kind}/${id}`, { as: role, body: patch, headers: { 'if-match': etag } })))
    t.strictSame(answers.map(({ status }) => status).sort(), [200, 412, 412, 412], kind)
  }
})
