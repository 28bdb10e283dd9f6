import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { adminOptionsSchema } from '../lib/admin/admin-options.js'
import { labelOf, titleOf } from '../lib/admin/console/labels.js'
import { consoleTexts } from '../lib/admin/console/texts.js'
import { connectorOptionsSchema } from '../lib/connectors/connector.js'
import { connectorsOptionsSchema } from '../lib/connectors/connectors-options.js'
import { strategyTypes } from '../lib/connectors/strategy-types.js'
import { apiKeySchema } from '../lib/connectors/strategies/api-key.js'
import { basicSchema } from '../lib/connectors/strategies/basic.js'
import { hmacSchema } from '../lib/connectors/strategies/hmac.js'
import { jwtAssertionSchema } from '../lib/connectors/strategies/jwt-assertion.js'
import { storeHeadersSchema } from '../lib/connectors/strategies/store-headers.js'
import { connectionSchema } from '../lib/docuware/connection-schema.js'
import { docuwareOptionsSchema } from '../lib/docuware/docuware-options.js'
import { errors } from '../lib/errors.js'
import { jwtOptionsSchema } from '../lib/jwt/jwt-options.js'
import { validatorSchema } from '../lib/jwt/validator-schema.js'
import { clientSchema } from '../lib/provider/client-schema.js'
import { providerOptionsSchema } from '../lib/provider/provider-options.js'
import { scopeSchema } from '../lib/provider/scope-schema.js'
import { signInOptionsSchema } from '../lib/sign-in/sign-in-options.js'
import { storeOptionsSchema } from '../lib/store/store-options.js'
import { sourceSchema } from '../lib/webhooks/source-schema.js'
import { webhooksOptionsSchema } from '../lib/webhooks/webhook-options.js'
import { packageVersion } from '../lib/version.js'
import { docstringsOf, examplesOf, readPages, tableOf, toJavaScript, withTable } from './markdown.js'

const root = join(import.meta.dirname, '..')
const pages = await readPages()
const page = (name: string): string => pages.get(name) ?? ''

t.test('the tables of options are what the schemas say (npm run docs writes them)', async (t) => {
  const storeDocs = await docstringsOf('plugins/store.ts', 'StoreOptions')
  const jwtDocs = await docstringsOf('lib/jwt/jwt-options.ts', 'JwtOptions')
  const docuwareDocs = await docstringsOf('lib/docuware/docuware-options.ts', 'DocuwareOptions')
  const providerDocs = await docstringsOf('lib/provider/provider-options.ts', 'ProviderOptions')
  const webhooksDocs = await docstringsOf('lib/webhooks/webhook-options.ts', 'WebhooksOptions')
  const adminDocs = await docstringsOf('lib/admin/admin-options.ts', 'AdminOptions')
  const cases = [
    ['README.md', 'store options', tableOf(storeOptionsSchema, storeDocs)],
    ['README.md', 'jwt options', tableOf(jwtOptionsSchema, jwtDocs)],
    ['README.md', 'docuware options', tableOf(docuwareOptionsSchema, docuwareDocs)],
    ['README.md', 'provider options', tableOf(providerOptionsSchema, providerDocs)],
    ['docs/sign-in.md', 'signIn options', tableOf(signInOptionsSchema, await docstringsOf('lib/sign-in/sign-in-options.ts', 'SignInOptions'))],
    ['docs/admin.md', 'admin options', tableOf(adminOptionsSchema, adminDocs)],
    ['docs/provider.md', 'client', tableOf(clientSchema)],
    ['docs/provider.md', 'scope', tableOf(scopeSchema)],
    ['docs/docuware.md', 'connection', tableOf(connectionSchema)],
    ['README.md', 'webhooks options', tableOf(webhooksOptionsSchema, webhooksDocs)],
    ['docs/webhooks.md', 'webhook source', tableOf(sourceSchema)],
    ['docs/connectors.md', 'connector options', tableOf(connectorOptionsSchema, await docstringsOf('lib/connectors/connector.ts', 'ConnectorOptions'))],
    ['docs/connectors.md', 'oauth2 settings', tableOf(strategyTypes.oauth2.schema)],
    ['README.md', 'connectors options', tableOf(connectorsOptionsSchema, await docstringsOf('lib/connectors/connectors-options.ts', 'ConnectorsOptions'))],
    ['docs/jwt.md', 'validator', tableOf(validatorSchema)]
  ] as const
  for (const [name, table, text] of cases) {
    t.ok(page(name).includes(`<!-- table: ${table} -->`), `${name} has a place for ${table}`)
    t.notMatch(text, / \| {2}\|/, `every row of ${table} says what it means`)
    if (process.env['WRITE_DOCS'] === '1') {
      pages.set(name, withTable(page(name), table, text))
      await writeFile(join(root, name), page(name))
    }
    t.equal(withTable(page(name), table, text), page(name), `${name}: ${table}`)
  }
})

t.test('docs/connectors.md names every option of every strategy', async (t) => {
  const strategies = { apiKey: apiKeySchema, basic: basicSchema, hmac: hmacSchema, jwtAssertion: jwtAssertionSchema, storeHeaders: storeHeadersSchema }
  for (const [name, { properties }] of Object.entries(strategies)) {
    const rows = [...page('docs/connectors.md').matchAll(/^\| `(\w+)\(.*$/gm)].filter(([, strategy]) => strategy === name).join('\n')
    t.strictSame(Object.keys(properties).filter((option) => option !== 'clock' && !new RegExp(`\\b${option}\\b`).test(rows)), [], name)
  }
})

t.test('docs/errors.md lists every error with its status and a remedy, and no other', async (t) => {
  const listed = [...page('docs/errors.md').matchAll(/^\| `(DWA_[A-Z_]+)` \| (\d{3}) \| (.+) \| (.+) \|$/gm)].map(([, code, status]) => `${code} ${status}`)
  const known = Object.entries(errors).map(([code, AuthError]) => `${code} ${new AuthError().statusCode}`)
  t.strictSame(listed.sort(), known.sort())
})

/** Of the command: names of the same shape as codes. */
const environment = ['DWA_PUBLIC_URL', 'DWA_LOG_URI']

t.test('a code that a page names exists', async (t) => {
  for (const [name, text] of pages) {
    const unknown = [...text.matchAll(/\bDWA_[A-Z]+_[A-Z_]+\b/g)].map(([code]) => code).filter((code) => !Object.hasOwn(errors, code) && !environment.includes(code))
    t.strictSame(unknown, [], name)
  }
})

t.test('a link inside the repository leads somewhere', async (t) => {
  for (const [name, text] of pages) {
    const dead = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, target = '']) => target).filter((target) => !existsSync(join(root, dirname(name), target)))
    t.strictSame(dead, [], name)
  }
})

t.test('a link to a heading leads to one', async (t) => {
  for (const [name, text] of pages) {
    const dead = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)].filter(([, target = '', anchor = '']) => !anchorsOf(page(target === '' ? name : join(dirname(name), target))).includes(anchor)).map(([link]) => link)
    t.strictSame(dead, [], name)
  }
})

/** Of headings, as repository sites make them. */
function anchorsOf (text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-'))
}

t.test('every picture is shown somewhere', async (t) => {
  const shown = [...pages.values()].join('\n')
  t.strictSame((await readdir(join(root, 'docs/pictures'))).filter((name) => !shown.includes(`pictures/${name})`)), [])
})

t.test('a script that a page names exists', async (t) => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const [name, text] of pages) t.strictSame([...text.matchAll(/\bnpm run ([\w:]+)/g)].map(([, script = '']) => script).filter((script) => !Object.hasOwn(scripts, script)), [], name)
})

t.test('the walkthrough of DocuWare calls the console\'s buttons, fields and pages as the console does', async (t) => {
  const section = page('docs/walkthrough-docuware.md').split(/^## In the console$/m)[1]?.split(/^## At /m)[0] ?? ''
  const { done, ...texts } = consoleTexts.en
  const names = [...Object.values(texts), ...Object.keys(connectionSchema.properties).map((field) => labelOf('en', field)), ...['connections', 'log', 'webhook-sources'].map((resource) => titleOf('en', resource))]
  const named = [...section.matchAll(/\*\*(.+?)\*\*/g)].map(([, name = '']) => name)
  t.ok(named.length > 15)
  t.strictSame(named.filter((name) => !names.includes(name)), [])
  t.match(section, done.authorized)
})

t.test('the values that the walkthrough of Odoo shows are those that its program uses', async (t) => {
  const [tables = '', program = ''] = page('docs/walkthrough-odoo.md').split('```js')
  const rows = [...tables.matchAll(/^\| `(\w+)` \|(?: [A-Z][^|`]+ \|)? (`.+?`|true) \|/gm)]
  t.equal(rows.length, 11)
  t.strictSame(rows.filter(([, field, value = '']) => !new RegExp(`\\b${field}: \\[?${value.replaceAll('`', '\'')}`).test(program)).map(([row]) => row), [])
})

t.test('docs/migration.md names every field of the records that Odoo had, too', async (t) => {
  const [, docuware = '', provider = '', jwt = ''] = page('docs/migration.md').split(/^## /m)
  for (const [section, { properties }] of [[docuware, connectionSchema], [provider, clientSchema], [provider, scopeSchema], [jwt, validatorSchema]] as const) {
    t.strictSame(Object.keys(properties).filter((field) => !new RegExp(`^\\|.*\\b${field}\\b.*\\|$`, 'm').test(section)), [], section.split('\n', 1).join())
  }
})

t.test('every page of docs/ is in the index', async (t) => {
  for (const name of pages.keys()) if (name.startsWith('docs/') && name !== 'docs/README.md') t.ok(page('docs/README.md').includes(`(${name.slice(5)})`), name)
})

t.test('parts of programs are at least correct in syntax; whole ones are run by test/package.test.ts', async (t) => {
  for (const [name, text] of pages) {
    for (const example of examplesOf(name, text)) if (example.language === 'ts') t.strictSame(toJavaScript(example).problems, [], example.where)
  }
})

t.test('the README gives a reason for every dependency', async (t) => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const reasons = page('README.md').split(/^## Dependencies$/m)[1]?.split(/^## /m)[0] ?? ''
  const listed = [...reasons.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name)
  t.strictSame(listed.sort(), [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].sort())
})

t.test('version and changelog belong together', async (t) => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.equal(packageVersion, manifest.version)
  t.ok((await readFile(join(root, 'CHANGELOG.md'), 'utf8')).includes(`## ${manifest.version}\n`))
})

t.test('no page names a machine\'s folders', async (t) => {
  for (const [name, text] of pages) t.strictSame([...text.matchAll(/(?<![\w.])\/(root|home|Users|work|tmp)\/\S*/g)].map(([path]) => path), [], name)
})
