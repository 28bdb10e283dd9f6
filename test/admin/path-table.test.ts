import Fastify, { type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { PathTable } from '../../lib/admin/path-table.js'

const entries = [
  { method: 'GET', path: '/' },
  { method: 'GET', path: '/things' },
  { method: 'GET', path: '/things/new' },
  { method: 'GET', path: '/things/:id' },
  { method: 'DELETE', path: '/things/:id' },
  { method: 'POST', path: '/things/:id/mend' }
] as const

async function tableAt (t: Test, prefix: string, options: FastifyServerOptions = {}): Promise<PathTable<typeof entries[number]>> {
  const app = Fastify(options)
  t.teardown(async () => { await app.close() })
  return await new Promise((resolve) => { app.register(async (scope) => { resolve(new PathTable(scope, entries)) }, { prefix }).ready() })
}

function shown (table: PathTable<typeof entries[number]>, method: string, url: string): string | null {
  const found = table.find(method, url)
  return found === null ? null : `${found.entry.method} ${found.entry.path} ${found.key}`
}

t.test('a URL is found as a router with a route for each entry would find it', async (t) => {
  const table = await tableAt(t, '/admin')
  const long = `${'ö'.repeat(199)}/`
  for (const [method, url, expected] of [
    ['GET', '/admin', 'GET / '],
    ['GET', '/admin/', 'GET / '],
    ['GET', '/admin?a=/things', 'GET / '],
    ['GET', '/admin/things', 'GET /things '],
    ['GET', '/admin/things/new', 'GET /things/new '],
    ['GET', '/admin/things/a%2Fb%20c?d=e', 'GET /things/:id a/b c'],
    ['POST', `/admin/things/${encodeURIComponent(long)}/mend`, `POST /things/:id/mend ${long}`],
    ['GET', `/admin/things/${'a'.repeat(401)}`, null],
    ['GET', '/admin/things/', 'GET /things/:id '],
    ['GET', '/admin/Things', null],
    ['GET', '/admin/things/a/b', null],
    ['GET', '/admin/things/%zz', null],
    ['GET', '/things', null],
    ['POST', '/admin/things', null],
    ['PUT', '/admin/things', null],
    ['HEAD', '/admin/things', null]
  ] as const) t.equal(shown(table, method, url), expected, `${method} ${url.slice(0, 40)}`)
  t.strictSame(table.methodsOf('/admin/things/a?b'), ['GET', 'DELETE'])
  t.strictSame(table.methodsOf('/admin/other'), [])
})

t.test('URLs are read as the app reads them', async (t) => {
  const lenient = await tableAt(t, '/admin', { routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false } })
  for (const url of ['/admin', '/admin/', '/ADMIN//']) t.equal(shown(lenient, 'GET', url), 'GET / ', url)
  t.equal(shown(lenient, 'GET', '/Admin//THINGS/Some%20Thing/'), 'GET /things/:id Some Thing')
  const old = await tableAt(t, '/admin', { caseSensitive: false, useSemicolonDelimiter: true })
  t.equal(shown(old, 'GET', '/ADMIN/things/a;b'), 'GET /things/:id a')
  const atRoot = await tableAt(t, '')
  t.equal(shown(atRoot, 'GET', '/'), 'GET / ')
  t.equal(shown(atRoot, 'DELETE', '/things/a'), 'DELETE /things/:id a')
})
