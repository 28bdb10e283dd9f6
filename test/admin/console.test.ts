import Fastify from 'fastify'
import t from 'tap'
import { consoleOf } from '../../lib/admin/console/console.js'
import { recordResource } from '../../lib/admin/record-operations.js'
import { consoleTexts } from '../../lib/admin/console/texts.js'
import { errors } from '../../lib/errors.js'
import { germanHelp } from '../../lib/admin/console/help-de.js'
import { fieldsOf } from '../../lib/admin/console/fields.js'
import { strategyNames, strategyTypes } from '../../lib/connectors/strategy-types.js'
import { connectionSchema } from '../../lib/docuware/connection-schema.js'
import { clientSchema } from '../../lib/provider/client-schema.js'
import { scopeSchema } from '../../lib/provider/scope-schema.js'
import { validatorSchema } from '../../lib/jwt/validator-schema.js'
import { sourceSchema } from '../../lib/webhooks/source-schema.js'
import { admin } from '../../plugins/admin.js'
import { consoleRoutes } from '../../plugins/admin-console.js'
import { jwt } from '../../plugins/jwt.js'
import { store } from '../../plugins/store.js'
import { masterKey } from '../app.js'
import { rolesOf } from '../docuware/caller.js'
import { startTestMongo } from '../mongo.js'
import { allRoles, consoleApp, fill, look, openForm, send } from './console-app.js'
import { samples } from './admin-app.js'

const hostile = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '\'-alert(1)-\'', '</title><svg onload=alert(1)>', '</textarea><script>alert(1)</script>', '`${alert(1)}`', '&lt;b&gt;'] // eslint-disable-line no-template-curly-in-string

/** The pages that need no record, and who may see them. */
const pages = {
  '': ['docuware', 'oauth_provider', 'system'],
  '/connections': ['docuware'],
  '/connections/new': ['docuware'],
  '/clients': ['oauth_provider'],
  '/clients/new': ['oauth_provider'],
  '/scopes': ['oauth_provider'],
  '/scopes/new': ['oauth_provider'],
  '/consents': ['oauth_provider'],
  '/keys': ['system'],
  '/validators': ['system'],
  '/validators/new': ['system'],
  '/validators/declared': ['system'],
  '/connectors': ['system'],
  '/connectors/new': ['system'],
  '/connectors/new?type=oauth2': ['system'],
  '/webhook-sources': ['system'],
  '/webhook-sources/new': ['system'],
  '/settings': ['system'],
  '/log': ['docuware', 'oauth_provider', 'system'],
  '/log/verify': ['system']
} as const

t.test('every page is for its roles: nobody is 401, another role 403, and what a role may not do is not offered', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const posts = { '/connections/x/authorize': 'docuware', '/connections/x/sync': 'docuware', '/connections/x/revoke': 'docuware', '/connections/x/edit': 'docuware', '/connections/x/delete': 'docuware', '/clients/x/rotate-secret': 'oauth_provider', '/clients/x/drop-secret': 'oauth_provider', '/scopes/x/preview': 'oauth_provider', '/validators/x/try': 'system', '/connectors/x/authorize': 'system', '/connectors/x/revoke': 'system', '/consents/x/revoke': 'oauth_provider', '/keys/x/rotate': 'system', '/settings': 'system', '/settings/test': 'system', '/log/verify': 'system' } as const
  for (const [path, allowed] of Object.entries(pages)) {
    const nobody = await look(app, path, { as: null })
    t.match(nobody, { status: 401, headers: { 'www-authenticate': 'Session' }, text: 'You are not signed in' }, path)
    for (const role of ['docuware', 'oauth_provider', 'system', 'none']) {
      const page = await look(app, path, { as: role })
      t.equal(page.status, allowed.some((one) => one === role) ? 200 : 403, `${path} as ${role}`)
      const offered = [...page.text.matchAll(/<li><a href="\/admin\/([a-z-]+)"/g)].map(([, name]) => name)
      for (const name of offered) t.ok(Object.entries(pages).some(([one, roles]) => one === `/${name ?? ''}` && roles.some((of) => of === role)), `${role} is offered ${name ?? ''}`)
    }
  }
  for (const [path, role] of Object.entries(posts)) {
    t.equal((await send(app, path, { fields: {}, cookie: '' }, {}, { as: null })).status, 401, path)
    for (const other of ['docuware', 'oauth_provider', 'system']) t.match(await send(app, path, { fields: {}, cookie: '' }, {}, { as: other }), { status: 403, text: other === role ? 'DWA_ADMIN_FOREIGN_FORM' : 'DWA_ACCESS_FORBIDDEN' }, `${path} as ${other}`)
  }
  t.match((await look(app, '', { as: 'docuware' })).text, /<nav[^]*Connections<[^]*Audit log<[^]*<\/nav>/)
  t.notMatch((await look(app, '/log', { as: 'docuware' })).text, 'Verify the log')
})

t.test('security 12: pages let nothing in and are kept by nobody; the script is a file of our own', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  for (const path of ['', '/connections/new', '/nothing', '/log']) {
    const { headers, text } = await look(app, path)
    t.match(headers, {
      'content-security-policy': /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store'
    }, path)
    t.notMatch(text, /<script(?! src="\/admin\/console-[\da-f]{16}\.js" defer>)|<[^>]+\s(on[a-z]+|style)=|(src|href|action)="https?:/, path)
  }
  const [, script = ''] = /<script src="\/admin([^"]+)"/.exec((await look(app, '')).text) ?? []
  t.match(await look(app, script, { as: null }), { status: 200, headers: { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': /immutable/, 'x-content-type-options': 'nosniff' } })
})

t.test('a record is created, shown, changed and deleted by forms made of its schema', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  t.match((await look(app, '/webhook-sources')).text, 'There is nothing here yet.')
  const wrong = await fill(app, '/webhook-sources/new', '/webhook-sources/new', { name: 'shop', header: 'x-signature', algorithm: 'sha256', dedupeSeconds: '0', secret: 'planted-webhook-secret', 'timestamp.header': 'x-time' })
  t.equal(wrong.status, 400)
  t.match(wrong.text, /role="alert"[^]*href="#f-/, 'it says what is wrong')
  t.match(wrong.text, /value="x-signature"[^]*<option value="sha256" selected>/, 'what was typed stays')
  t.notMatch(wrong.text, 'planted-webhook-secret', 'a secret does not')
  const made = await fill(app, '/webhook-sources/new', '/webhook-sources/new', { name: 'shop', header: 'x-signature', secret: 'planted-webhook-secret', 'timestamp.header': 'x-time', 'timestamp.toleranceSeconds': '300' })
  t.equal(made.status, 303)
  const source = await app.webhookSources.get('shop')
  t.match(source, { header: 'x-signature', hasSecret: true, timestamp: { header: 'x-time', toleranceSeconds: 300 } })
  const path = `/webhook-sources/${source?.id ?? ''}`
  t.equal(made.headers['location'], `/admin${path}?done=created`)
  t.match((await look(app, `${path}?done=created`)).text, /Created\.[^]*<h1>shop|<h1>shop<\/h1>[^]*Created\./)
  t.match((await look(app, '/webhook-sources?name=shop')).text, `href="/admin${path}"`)
  t.match((await look(app, '/webhook-sources?name=other')).text, 'Nothing fits the filter.')

  t.equal((await fill(app, `${path}/edit`, `${path}/edit`, { name: 'shop', header: 'x-signature', encoding: 'base64' })).status, 303)
  const changed = await app.webhookSources.get('shop')
  t.match(changed, { encoding: 'base64', version: 2, hasSecret: true })
  t.notOk(changed !== null && 'timestamp' in changed, 'a group of which nothing is left is cleared')
  t.strictSame((await app.webhookSources.secrets('shop')).secret, ['planted-webhook-secret'], 'blank keeps what is stored')
  t.equal((await fill(app, `${path}/edit`, `${path}/edit`, { name: 'shop', header: 'x-signature', encoding: 'base64' })).status, 303)
  t.equal((await app.webhookSources.get('shop'))?.version, 2, 'a form that changes nothing changes nothing')
  t.match(await fill(app, `${path}/edit`, `${path}/edit`, { name: '', header: 'x-signature', encoding: 'base64' }), { status: 400, text: /id="f-name-wrong">[^]*This is required\./ })

  t.match((await look(app, `${path}/delete`)).text, /<h1>Delete shop\?<\/h1>[^]*This cannot be undone/)
  const gone = await openForm(app, `${path}/delete`, `${path}/delete`)
  await app.webhookSources.update('shop', { encoding: 'hex' })
  t.equal((await send(app, `${path}/delete`, gone)).status, 412, 'not what was looked at')
  t.match(await fill(app, `${path}/delete`, `${path}/delete`), { status: 303, headers: { location: '/admin/webhook-sources?done=removed' } })
  t.equal(await app.webhookSources.get('shop'), null)
  t.match(await look(app, path), { status: 404, text: 'There is nothing here' })
  t.match((await look(app, '/validators/declared')).text, 'Declared in code')
  for (const action of ['edit', 'delete']) t.match(await fill(app, `/validators/declared/${action}`, `/validators/declared/${action}`), { status: 409, text: 'declared in code and cannot be changed' }, action)
})

t.test('a new resource of the table has its pages without more', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const { resources } = app.admin
  const { recordRoutes } = await import('../../lib/admin/console/record-routes.js')
  const plain = resources.flatMap((resource) => resource.records === undefined ? [] : [{ resource, records: resource.records }])
  t.strictSame(plain.map(({ records: { name } }) => name), ['connections', 'clients', 'scopes', 'validators', 'connectors', 'webhook-sources'])
  for (const { resource, records } of plain) t.equal(recordRoutes(resource, records).length, 8, records.name)
  const gadgets = { ...plain[0]?.records ?? Object(null), name: 'gadgets', noun: 'gadget', role: 'system' }
  const { routes, menuOf } = consoleOf({ resources: [recordResource(gadgets)], auditLog: app.auditLog, clock: app.store.clock, logger: app.log, docuware: undefined, provider: undefined, connectors: undefined, validators: undefined, telemetry: undefined })
  const paths = ['GET /gadgets', 'GET /gadgets/new', 'POST /gadgets/new', 'GET /gadgets/:id', 'GET /gadgets/:id/edit', 'POST /gadgets/:id/edit', 'GET /gadgets/:id/delete', 'POST /gadgets/:id/delete']
  t.strictSame(routes.filter(({ path }) => path !== '/').map(({ method, path, roles }) => [`${method} ${path}`, roles]), paths.map((path) => [path, ['system']]))
  t.strictSame([menuOf(['system']), menuOf(['docuware'])], [['gadgets'], []])
  t.throws(() => recordRoutes({ operations: [] }, plain[0]?.records ?? Object(null)), { code: 'DWA_ADMIN_UNKNOWN_ROUTE' })
})

t.test('the kinds of records: what each form asks for makes one, whose secrets are in no page', async (t) => {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const app = await consoleApp(t, { uri, onLine: (line) => { lines.push(line) } })
  const planted = ['planted-connection-secret', 'planted-client-secret', 'planted-validator-secret', 'planted-cookie-secret']
  for (const kind of ['connections', 'clients', 'scopes', 'validators'] as const) {
    const given = Object.fromEntries(Object.entries(samples[kind].input(`my_${kind}`)).map(([name, value]) => [name, Array.isArray(value) ? value.join('\n') : typeof value === 'boolean' ? (value ? 'on' : '') : String(value)]))
    const made = await fill(app, `/${kind}/new`, `/${kind}/new`, given)
    t.ok(made.status === 303 || kind === 'clients', `${kind}: ${made.status}`)
    if (kind === 'clients') t.match(made, { status: 200, text: 'None' }, 'an imported secret is not shown')
    const [, path = ''] = new RegExp(`href="/admin(/${kind}/[\\da-f]{24})"`).exec((await look(app, `/${kind}`)).text) ?? []
    for (const page of [`/${kind}`, path, `${path}/edit`, `${path}/delete`, '/log', '']) {
      const { status, text } = await look(app, page)
      t.equal(status, 200, page)
      for (const secret of planted) t.notOk(text.includes(secret), `${page}: ${secret}`)
    }
    t.notMatch((await look(app, `${path}/edit`)).text, /<input type="password"[^>]*value=/, 'no secret is filled in')
  }
  for (const secret of planted) t.notOk(lines.some((line) => line.includes(secret)), secret)
})

t.test('every secret is asked for by a password field that holds nothing', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const secrets = {
    '/connections/new': ['clientSecret'],
    '/clients/new': ['clientSecret', 'jwtPrivateKey'],
    '/validators/new': ['secretKey', 'cookieSecret'],
    '/webhook-sources/new': ['secret'],
    '/settings': ['dsn'],
    ...Object.fromEntries(strategyNames.map((name) => [`/connectors/new?type=${name}`, strategyTypes[name].secrets.map((secret) => `auth.${secret}`)]))
  }
  for (const [path, names] of Object.entries(secrets)) {
    const { status, text } = await look(app, path)
    t.equal(status, 200, path)
    const fields = [...text.matchAll(/<input type="password" autocomplete="new-password" id="[^"]+" name="([^"]+)"([^>]*)>/g)]
    t.strictSame(fields.map(([, name]) => name).sort(), [...names].sort(), path)
    for (const [, name, more] of fields) t.notMatch(more, 'value', `${path}: ${name ?? ''}`)
  }
})

t.test('a secret that was stored is kept, replaced, or taken away by its box', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const { id } = await app.docuware.connections.create({ name: 'acme', platformUrl: 'acme', clientId: 'client', clientSecret: 'the-first-secret' })
  const path = `/connections/${id}/edit`
  const shown = { name: 'acme', platformUrl: 'https://acme.docuware.cloud/DocuWare/Platform', clientId: 'client', scopes: 'docuware.platform\r\nopenid\r\ndwprofile\r\noffline_access' }
  t.match((await look(app, path)).text, /Something is stored\.[^]*type="password"[^]*name="clear:clientSecret"/)
  t.equal((await fill(app, path, path, { ...shown, clientId: 'other', clientSecret: '' })).status, 303)
  t.equal((await app.docuware.connections.secrets(id)).clientSecret, 'the-first-secret')
  t.equal((await fill(app, path, path, { ...shown, clientId: 'other', clientSecret: 'the-second-secret' })).status, 303)
  t.equal((await app.docuware.connections.secrets(id)).clientSecret, 'the-second-secret')
  t.equal((await fill(app, path, path, { ...shown, clientId: 'other', clientSecret: '', 'clear:clientSecret': 'on' })).status, 303)
  t.equal((await app.docuware.connections.secrets(id)).clientSecret, null)
  t.notMatch((await look(app, path)).text, 'clear:clientSecret')
  t.match(await fill(app, path, path, { ...shown, clientId: 'other', scopes: '' }), { status: 400, text: /id="f-scopes-wrong">There must be at least one/ })
})

t.test('a lost race shows what changed, keeps what was typed, and is won by saving again', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const { id } = await app.oauthProvider.scopes.create({ code: 'email', name: 'E-mail', description: 'as it was' })
  const path = `/scopes/${id}/edit`
  const form = await openForm(app, path, path)
  await app.oauthProvider.scopes.update(id, { description: 'by <b>Bob</b>', name: 'Mail' })
  const lost = await send(app, path, form, { code: 'email', name: 'E-mail', description: 'by Ann', model: '', filter: '', fields: '' })
  t.equal(lost.status, 412)
  t.match(lost.text, 'Somebody else has changed this in the meantime.')
  t.match(lost.text, /as it was<\/td>[^]*by &#60;b&#62;Bob&#60;\/b&#62;<\/td>/, 'before and now')
  t.match(lost.text, /Changed by somebody else to: by &#60;b&#62;Bob/, 'at the field that both changed')
  t.match(lost.text, /name="description"[^>]*value="by Ann"/, 'what was typed')
  t.match(lost.text, /name="name"[^>]*value="Mail"/, 'what only the other changed')
  t.match(await app.oauthProvider.scopes.get(id), { description: 'by <b>Bob</b>', version: 2 }, 'nothing was written')
  const again = Object.fromEntries([...lost.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name = '', value = '']) => [name, value.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))]))
  t.equal((await send(app, path, { fields: again, cookie: form.cookie }, { code: 'email', name: 'Mail', description: 'by Ann', model: '', filter: '', fields: '' })).status, 303)
  t.match(await app.oauthProvider.scopes.get(id), { description: 'by Ann', name: 'Mail', version: 3 })

  const late = await openForm(app, path, path)
  await app.oauthProvider.scopes.remove(id)
  t.match(await send(app, path, late, { code: 'email', name: 'x' }), { status: 412, text: 'Somebody else has deleted this' })
})

t.test('pages of records are found by names as long as they may be', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const name = '\u{1F600}'.repeat(200)
  await app.oauthProvider.clients.create({ name, applicationType: 'backend' })
  for (const path of ['', '/edit', '/delete']) t.match(await look(app, `/clients/${encodeURIComponent(name)}${path}`), { status: 200, text: name }, path)
  t.equal((await look(app, `/clients/${encodeURIComponent(name)}`, { as: 'docuware' })).status, 403)
})

t.test('a form about a record that was deleted, and made again under its name, changes and deletes nothing', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const as = { code: 'email', name: 'E-mail', description: 'as it was' }
  const { id } = await app.oauthProvider.scopes.create(as)
  const path = `/scopes/${id}`
  const [edit, remove] = [await openForm(app, `${path}/edit`, `${path}/edit`), await openForm(app, `${path}/delete`, `${path}/delete`)]
  t.equal(edit.fields['etag'], `"${id}-1"`, 'that of the API')
  t.equal(remove.fields['etag'], `"${id}-1"`)
  await app.oauthProvider.scopes.remove(id)
  const again = await app.oauthProvider.scopes.create(as)
  const typed = { ...as, description: 'by Ann', model: '', filter: '', fields: '' }
  for (const at of [path, '/scopes/email']) {
    const lost = await send(app, `${at}/edit`, edit, typed)
    t.match(lost, { status: 412, text: at === path ? 'Somebody else has deleted this in the meantime.' : 'Somebody else has changed this in the meantime.' }, at)
    const kept = await send(app, `${at}/delete`, remove)
    t.match(kept, { status: 412, text: at === path ? 'Somebody else has deleted this in the meantime.' : /role="alert"><p>Somebody else has changed this in the meantime\. Nothing was deleted/ }, at)
    if (at !== path) for (const said of [`value="&#34;${again.id}-1&#34;"`, `href="/admin/scopes/${again.id}">Cancel`]) t.match(kept.text, said, 'it is about what is there now')
  }
  t.equal((await send(app, '/scopes/email/edit', edit, { ...as, model: '', filter: '', fields: '' })).status, 412, 'a form that changes nothing is about another one, too')
  t.match(await app.oauthProvider.scopes.list(), [{ id: again.id, version: 1, description: 'as it was' }])
  t.equal((await send(app, `/scopes/${again.id}/delete`, { ...remove, fields: { csrf: remove.fields['csrf'] ?? '' } })).status, 428, 'without a tag')
})

t.test('errors are at their fields, in the language of the page', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const german = { headers: { 'accept-language': 'de' } }
  const cases: Array<[path: string, typed: Record<string, string>, field: string, english: string, inGerman: string]> = [
    ['/connections/new', { name: 'x' }, 'platformUrl', 'This is required.', 'Das ist erforderlich.'],
    ['/connections/new', { name: ' x ', platformUrl: 'acme', clientId: 'c' }, 'name', 'characters that are not allowed', 'Zeichen, die hier nicht erlaubt sind'],
    ['/scopes/new', { code: 'c', name: 'n', filter: '{' }, 'filter', 'This is no valid JSON.', 'Das ist kein gültiges JSON.'],
    ['/scopes/new', { code: 'c', name: 'n', fields: 'a\na' }, 'fields', 'The same is there twice.', 'Dasselbe steht zweimal da.'],
    ['/clients/new', { name: 'c', applicationType: 'web', 'lifetimes.code': 'soon' }, 'lifetimes-code', 'This is no number.', 'Das ist keine Zahl.'],
    ['/clients/new', { name: 'c', applicationType: 'web', 'lifetimes.code': '601' }, 'lifetimes-code', 'It must be 600 or less.', 'Es darf höchstens 600 sein.'],
    ['/clients/new', { name: 'c', applicationType: 'web', 'lifetimes.code': '0' }, 'lifetimes-code', 'It must be 1 or more.', 'Es muss mindestens 1 sein.'],
    ['/clients/new', { name: 'c', applicationType: 'other' }, 'applicationType', 'It must be one of: web, mobile, legacy, backend.', 'Es muss eines davon sein: web'],
    ['/clients/new', { name: 'c', applicationType: 'backend', clientSecret: 'short' }, 'clientSecret', 'It must have at least 8 characters.', 'Es muss mindestens 8 Zeichen haben.'],
    ['/connections/new', { name: 'x'.repeat(101), platformUrl: 'acme', clientId: 'c' }, 'name', 'It must have at most 100 characters.', 'Es darf höchstens 100 Zeichen haben.']
  ]
  for (const [path, typed, field, english, inGerman] of cases) {
    for (const [looks, text] of [[{}, english], [german, inGerman]] as const) {
      const answer = await fill(app, path, path, typed, looks)
      t.equal(answer.status, 400, `${path} ${field}`)
      t.ok(answer.text.includes(`id="f-${field}"`) && answer.text.split(`id="f-${field}-wrong">`)[1]?.split('</p>')[0]?.includes(text), `${path} ${field}: ${text}`)
      t.match(answer.text, 'aria-invalid="true"')
    }
  }
  await app.docuware.connections.create({ name: 'taken', platformUrl: 'acme', clientId: 'c' })
  t.match(await fill(app, '/connections/new', '/connections/new', { name: 'taken', platformUrl: 'acme', clientId: 'c' }), { status: 409, text: /id="f-name-wrong">This name is taken/ })
  const { id } = await app.docuware.connections.create({ name: 'mine', platformUrl: 'acme', clientId: 'c' })
  t.match(await fill(app, `/connections/${id}/edit`, `/connections/${id}/edit`, { name: 'taken', platformUrl: 'https://acme.docuware.cloud/DocuWare/Platform', clientId: 'c', scopes: 'openid' }), { status: 409, text: /id="f-name-wrong">This name is taken/ })
  t.match(await fill(app, `/connections/${id}/edit`, `/connections/${id}/edit`, { name: 'mine', platformUrl: 'ftp://x', clientId: 'c', scopes: 'openid' }), { status: 400, text: /id="f-platformUrl-wrong"/ })
})

t.test('security 13: a form of another site, another browser or another person does nothing', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, store: { access: ({ headers }) => typeof headers['x-user'] === 'string' ? { id: headers['x-user'], roles: ['docuware'] } : null } })
  const as = (user: string, headers = {}) => ({ as: null, headers: { 'x-user': user, ...headers } })
  const typed = { name: 'acme', platformUrl: 'acme', clientId: 'client' }
  const form = await openForm(app, '/connections/new', '/connections/new', as('ann'))
  const other = await openForm(app, '/connections/new', '/connections/new', as('ann'))
  const refused: Array<[what: string, form: typeof form, looks: ReturnType<typeof as>]> = [
    ['another person', form, as('bob')],
    ['no cookie', { ...form, cookie: '' }, as('ann')],
    ['another browser', { ...form, cookie: other.cookie }, as('ann')],
    ['two cookies', { ...form, cookie: `${form.cookie}; ${other.cookie}` }, as('ann')],
    ['no token', { ...form, fields: {} }, as('ann')],
    ['a wrong token', { ...form, fields: { csrf: 'x'.repeat(43) } }, as('ann')],
    ['another site', form, as('ann', { origin: 'https://evil.example' })],
    ['another site, by its metadata', form, as('ann', { 'sec-fetch-site': 'cross-site' })],
    ['a sandboxed page', form, as('ann', { 'sec-fetch-site': 'cross-site', origin: 'null' })]
  ]
  for (const [what, sent, looks] of refused) t.match(await send(app, '/connections/new', sent, typed, looks), { status: 403, text: /DWA_CROSS_SITE|DWA_ADMIN_FOREIGN_FORM/ }, what)
  t.strictSame(await app.docuware.connections.list(), [])
  const json = await app.inject({ method: 'POST', url: '/admin/connections/new', headers: { 'x-user': 'ann', 'content-type': 'application/json' }, payload: '{}' })
  t.equal(json.statusCode, 415)
  const twice = await app.inject({ method: 'POST', url: '/admin/connections/new', headers: { 'x-user': 'ann', 'content-type': 'application/x-www-form-urlencoded', cookie: form.cookie }, payload: `${new URLSearchParams({ ...form.fields, ...typed }).toString()}&name=x` })
  t.equal(twice.statusCode, 400, 'nothing is there twice')
  const large = await app.inject({ method: 'POST', url: '/admin/connections/new', headers: { 'x-user': 'ann', 'content-type': 'application/x-www-form-urlencoded', cookie: form.cookie }, payload: 'x'.repeat(300_000) })
  t.equal(large.statusCode, 413)
  for (const headers of [{}, { origin: 'null' }, { origin: 'null', 'sec-fetch-site': 'same-origin' }, { origin: 'http://127.0.0.1:3000' }]) {
    t.equal((await send(app, '/connections/new', form, { ...typed, name: `acme ${Object.values(headers).join(' ')}`.trim() }, as('ann', headers))).status, 303, JSON.stringify(headers))
  }
  t.match(form.cookie, /^dwa_console=[\w-]{43}$/)
  const https = await consoleApp(t, { uri: (await startTestMongo(t)).uri, publicUrl: 'https://app.example.com/base' })
  const page = await look(https, '')
  t.match(page.headers['set-cookie'], /^__Host-dwa_console=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  t.match(page.text, 'href="/base/admin/connections"', 'addresses as browsers see them')
})

t.test('security 12: hostile names, messages and queries are text', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  for (const [index, text] of hostile.entries()) {
    const name = `${text} ${index}`
    const connection = await app.docuware.connections.create({ name, platformUrl: 'acme', clientId: text.replace(/[^\x20-\x7e]/g, '') })
    const { client } = await app.oauthProvider.clients.create({ name, applicationType: 'web', redirectUris: ['https://shop.example/cb'] })
    const scope = await app.oauthProvider.scopes.create({ code: `s${index}`, name: text, description: text })
    await app.auditLog.append('connection.tested', { target: { type: 'connection', id: text, name: text }, message: text, details: { [text]: text }, actor: { type: text, id: text } })
    const query = encodeURIComponent(text)
    for (const path of ['', '/connections', `/connections/${connection.id}`, `/connections/${connection.id}?error=${query}&done=${query}`, `/connections/${connection.id}/edit`, `/connections/${connection.id}/delete`, '/clients', `/clients/${client.id}`, '/scopes', `/scopes/${scope.id}`, `/scopes/${scope.id}/edit`, '/log', `/log?target=${query}&event=${query}`, `/connections?name=${query}`, `/connections?status=${query}`, `/log?from=${query}`, `/connections/${query}`, `/validators/${query}`, `/${query}`, `/connections?${query}=1`]) {
      const page = await look(app, path)
      t.notMatch(page.text, /<(script(?! src="\/admin\/console)|img|svg|b>)/, `${path}: ${text}`)
      t.notOk(page.text.includes(text) && /[<>"'`]/.test(text), `${path}: it is nowhere as it was`)
    }
    const wrong = await fill(app, '/scopes/new', '/scopes/new', { code: text, name: text, description: text, filter: text, fields: text, model: text })
    t.notMatch(wrong.text, /<(script(?! src="\/admin\/console)|img|svg|b>)/, text)
  }
})

t.test('English and German say the same', async (t) => {
  const shapeOf = (value: unknown): unknown => typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)])) : typeof value
  t.strictSame(shapeOf(consoleTexts.de), shapeOf(consoleTexts.en))
  const schemas = { connections: connectionSchema, clients: clientSchema, scopes: scopeSchema, validators: validatorSchema, 'webhook-sources': sourceSchema }
  for (const [kind, schema] of Object.entries(schemas)) {
    for (const { name, description } of fieldsOf(schema, () => false)) if (description !== undefined) t.ok(`${kind}.${name}` in germanHelp, `${kind}.${name}`)
  }
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const german = { headers: { 'accept-language': 'de-AT, en;q=0.5' } }
  for (const [path, texts] of [['', ['<html lang="de"', 'Übersicht', 'Letzte Einträge', 'Verbindungen']], ['/connections/new', ['Plattform-Adresse', 'Anlegen', 'Der App-Registrierung in DocuWare.']], ['/clients/new', ['Laufzeiten', 'Zugriffstokens, in Sekunden.', 'Standard']], ['/log', ['Protokoll', 'Ereignis', 'Protokoll prüfen']], ['/settings', ['Telemetrie ist aus']], ['/nothing', ['Hier ist nichts']]] as const) {
    const { text } = await look(app, path, german)
    for (const said of texts) t.ok(text.includes(said), `${path}: ${said}`)
  }
  t.match((await look(app, '', { as: null, ...german })).text, 'Sie sind nicht angemeldet')
})

t.test('what is not there is 404, whatever is to be done with it', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  const form = await openForm(app, '/scopes/new', '/scopes/new')
  for (const kind of ['connections', 'clients', 'scopes', 'validators', 'connectors', 'webhook-sources']) {
    for (const page of ['', '/edit', '/delete']) t.match(await look(app, `/${kind}/unknown${page}`), { status: 404, text: 'There is nothing here' }, `${kind}${page}`)
    for (const action of ['edit', 'delete']) t.match(await send(app, `/${kind}/unknown/${action}`, form, { etag: '"x-1"' }), { status: 412, text: 'Somebody else has deleted this' }, `${kind}: ${action}`)
  }
  for (const path of ['/connections/unknown/authorize', '/connections/unknown/sync', '/connections/unknown/revoke', '/clients/unknown/rotate-secret', '/clients/unknown/drop-secret', '/scopes/unknown/preview', '/validators/unknown/try', '/connectors/unknown/authorize', '/connectors/unknown/revoke', '/consents/unknown/revoke', '/keys/unknown/rotate', '/nothing/unknown/edit']) {
    t.match(await send(app, path, form), { status: 404, text: 'There is nothing here' }, path)
  }
})

t.test('lists go on page by page, with the same filters', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri })
  for (let index = 0; index < 5; index++) await app.docuware.connections.create({ name: `c${index}`, platformUrl: 'acme', clientId: 'c' })
  const names = (text: string): string[] => [...text.matchAll(/<bdi>(c\d)<\/bdi><\/a>/g)].map(([, name = '']) => name)
  const first = await look(app, '/connections?limit=2&status=draft')
  t.strictSame(names(first.text), ['c0', 'c1'])
  const [, next = ''] = /href="\/admin(\/connections\?[^"]*after=[^"]*)">Next page/.exec(first.text) ?? []
  t.match(next, 'status=draft')
  const second = await look(app, next.replaceAll('&#38;', '&'))
  t.strictSame(names(second.text), ['c2', 'c3', 'c4'], 'the limit is not kept')
  t.match(second.text, /href="\/admin\/connections\?status=draft">First page/)
  t.equal((await look(app, '/connections?after=x')).status, 400)
  t.match((await look(app, '/validators?enabled=true&signatureType=secret')).text, /<option value="true" selected>Yes/)
})

t.test('people whom an app signs in itself are shown where', async (t) => {
  const { uri } = await startTestMongo(t)
  for (const [signInUrl, href] of [['/login?next=%2Fadmin', '/login?next=%2Fadmin'], ['https://login.example/?a=1&b=2', 'https://login.example/?a=1&#38;b=2']] as const) {
    const app = await consoleApp(t, { uri, admin: { signInUrl } })
    const nobody = await look(app, '/connections', { as: null })
    t.match([nobody.status, nobody.headers['www-authenticate'], nobody.text], [401, 'Session', `<a class="button" href="${href}">Sign in</a>`])
    t.notMatch((await look(app, '/connections', { as: 'system' })).text, href, 'who lacks a role is signed in')
    t.match(await look(app, '/signed-out', { as: null }), { status: 200, text: `<a class="button" href="${href}">Sign in</a>` })
  }
  t.notMatch((await look(await consoleApp(t, { uri }), '', { as: null })).text, '>Sign in<')
  for (const signInUrl of ['login', '//evil.example', '/\\evil.example', 'http://login.example', 'javascript:alert(1)', 'https://a:b@login.example', 'https:', '']) {
    await t.rejects(consoleApp(t, { uri, admin: { signInUrl } }), { code: 'DWA_OPTIONS_INVALID', message: 'admin.signInUrl: must be a path on this site, or an https URL without credentials' }, signInUrl)
  }
})

t.test('the console has its own pages, below any prefix, and the app all others', async (t) => {
  const { uri } = await startTestMongo(t)
  for (const prefix of ['', '/admin']) {
    const app = Fastify()
    t.teardown(() => app.close())
    app.get(`${prefix}/*`, async () => 'the app')
    app.get(`${prefix}/:page/:part`, async () => 'the app')
    app.post(`${prefix}/`, async () => 'the app')
    app.options(`${prefix}/*`, async () => 'the app')
    await app.register(store, { uri, secretKeys: [masterKey], access: rolesOf })
    await app.register(jwt)
    await app.register(admin, { prefix })
    const ask = async (url: string, method: 'GET' | 'POST' | 'OPTIONS' = 'GET'): Promise<string> => (await app.inject({ method, url: prefix + url, headers: { 'x-roles': allRoles } })).body
    for (const url of ['/', '/validators', '/validators/new', '/log', '/log/verify']) t.match(await ask(url), /<nav aria-label="Menu">/, prefix + url)
    const [script = ''] = /\/console-\w+\.js/.exec(await ask('/validators')) ?? []
    t.match(await ask(script), /^'use strict'/)
    for (const url of ['/other', '/other/part', '/validatorsx', '/console-0.js', '/api/other']) t.equal(await ask(url), 'the app', prefix + url)
    t.equal(await ask('/', 'POST'), 'the app')
    for (const url of ['/validators/a', '/api/other']) t.equal(await ask(url, 'OPTIONS'), 'the app', prefix + url)
    t.match(await ask('/validators/a/b'), /DWA_ADMIN_UNKNOWN_ROUTE/)
  }
  await t.rejects(consoleApp(t, { uri, admin: { prefix: '' } }), { code: 'DWA_OPTIONS_INVALID', message: 'admin.prefix: another plugin has its routes at "/connectors"' })
})

t.test('the console and the API are found by other spellings, where the app does not mind them', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = Fastify({ routerOptions: { caseSensitive: false } })
  t.teardown(() => app.close())
  app.get('/admin/:year(\\d{4})', async () => 'the app')
  app.get('/versioned', { constraints: { version: '1.0.0' } }, async () => 'the app') // then the router finds nothing without a version for who asks for one
  app.options('*', async () => 'the app')
  await app.register(store, { uri, secretKeys: [masterKey], access: rolesOf })
  await app.register(jwt)
  await app.register(admin)
  const as = { 'x-roles': allRoles }
  const long = 'x'.repeat(128)
  await app.jwtValidators.create({ name: long, signatureType: 'secret', secretKey: masterKey, audience: 'a', issuer: 'i' })
  t.match((await app.inject({ url: '/admin/Validators', headers: as })).body, /<nav aria-label="Menu">/)
  t.equal((await app.inject({ url: '/admin/2026' })).body, 'the app')
  t.match((await app.inject({ url: `/admin/API/Validators/${long}`, headers: as })).json(), { name: long })
  t.equal((await app.inject({ url: `/admin/api/validators/${long}` })).statusCode, 401)
  const version = { 'accept-version': '1.0.0' }
  t.match((await app.inject({ url: '/admin/api/validators', headers: { ...as, ...version } })).json(), { items: [{ name: long }] })
  t.equal((await app.inject({ url: '/admin/api/validators', headers: version })).statusCode, 401)
  t.equal((await app.inject({ url: '/admin/api/nothing', headers: { ...as, ...version } })).statusCode, 404)
  for (const url of ['/admin/api/Validators', `/admin/api/validators/${long}`]) t.equal((await app.inject({ method: 'OPTIONS', url })).statusCode, 405, url)
})

t.test('a URL that the app changes after the roles were checked opens no other page', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await consoleApp(t, { uri, before: async (app) => { app.addHook('preValidation', async (request) => { request.raw.url = '/admin/validators' }) } })
  const { status, text } = await look(app, '/connections', { as: 'docuware' })
  t.match([status, text], [200, /<h1>DocuWare connections|<h1>Connections/])
})

t.test('a console that cannot be loaded says nothing of why, keeps every status, and is tried again', async (t) => {
  const { uri } = await startTestMongo(t)
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey], access: rolesOf })
  let tries = 0
  await app.register(async (scope) => {
    await consoleRoutes(scope, [], { signInUrl: null, requestsPerMinute: 3 }, async () => { throw new Error(`no such file: /srv/${++tries}`) })
    scope.get('/closed', async () => { throw new errors.DWA_ACCESS_UNAUTHENTICATED() })
  }, { prefix: '/admin' })
  const ask = async (url: string): Promise<unknown[]> => {
    const { statusCode, body } = await app.inject({ url })
    return [statusCode, body]
  }
  t.strictSame(await ask('/admin'), [500, 'DWA_ADMIN_FAILED'])
  t.strictSame(await ask('/admin/nothing'), [404, 'DWA_ADMIN_UNKNOWN_ROUTE'])
  const closed = await app.inject({ url: '/admin/closed' })
  t.strictSame([closed.statusCode, closed.body, closed.headers['www-authenticate']], [401, 'DWA_ACCESS_UNAUTHENTICATED', 'Session'])
  await ask('/admin')
  await ask('/admin')
  t.strictSame(await ask('/admin'), [429, 'DWA_RATE_LIMITED'])
  t.ok(Number((await app.inject({ url: '/admin' })).headers['retry-after']) > 0)
  t.ok(tries > 4)
  t.match(lines.join(), '/srv/2')
})

t.test('a console can be left out; limits hold; a database that is away is said plainly', async (t) => {
  const { uri } = await startTestMongo(t)
  const without = await consoleApp(t, { uri, admin: { console: false } })
  t.equal((await without.inject({ url: '/admin', headers: { 'x-roles': allRoles } })).statusCode, 404)
  t.equal((await without.inject({ url: '/admin/api/connections', headers: { 'x-roles': allRoles } })).statusCode, 200)
  const few = await consoleApp(t, { uri, admin: { requestsPerMinute: 2 } })
  t.strictSame([(await look(few, '')).status, (await look(few, '')).status, (await look(few, '')).status], [200, 200, 429])
})
