import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { examplesOf, readPages, toJavaScript } from './markdown.js'

const root = join(import.meta.dirname, '..')
const sources = ['index.ts', 'connectors.ts', 'cli.ts', 'lib', 'plugins', 'types', 'testing']
const scratch = await mkdtemp(join(tmpdir(), 'fastify-docuware-auth-'))
t.teardown(() => { rmSync(scratch, { recursive: true }) })

/** A program run as a user would: none of the test runner's loaders. */
async function run (file: string, args: readonly string[], cwd: string): Promise<{ stdout: string, stderr: string }> {
  const { NODE_OPTIONS: _, ...env } = process.env
  return await promisify(execFile)(file, [...args], { cwd, env, timeout: 60_000 })
}

function filesBelow (folder: string): string[] {
  return statSync(folder).isDirectory() ? readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))).filter((file) => statSync(file).isFile()) : [folder]
}

/** The modules to be compiled, as paths without their ending. */
const modules = sources.flatMap((name) => filesBelow(join(root, name))).filter((file) => file.endsWith('.ts')).map((file) => relative(root, file).replaceAll('\\', '/').replace(/\.ts$/, ''))

const entries = ['index.js', 'connectors.js', 'cli.js', 'testing/index.js']

/** Whether dist/ was built from the sources as they are. */
function isBuilt (): boolean {
  const newest = Math.max(...['package.json', 'scripts/bundle.js', ...modules.map((name) => `${name}.ts`)].map((name) => statSync(join(root, name)).mtimeMs))
  const made = [...entries, ...modules.map((name) => `${name}.d.ts`)].map((name) => join(root, 'dist', name))
  return made.every((file) => existsSync(file) && statSync(file).mtimeMs >= newest) && filesBelow(join(root, 'dist')).filter((file) => file.endsWith('.d.ts')).length === modules.length
}

const anyImport = /(?:from |^import |import\()"(\.[^"]*)"/gm
const importAtOnce = /(?:from |^import )"(\.[^"]*)"/gm

/** The scripts of dist/ that the entries lead to. */
function reachable (dist: string, from: readonly string[] = entries, by = anyImport): string[] {
  const found = new Set(from)
  for (const name of found) { // grows as it goes
    for (const [, path = ''] of readFileSync(join(dist, name), 'utf8').matchAll(by)) found.add(join(dirname(name), path).replaceAll('\\', '/'))
  }
  return [...found]
}

/** Packs a copy of the repository, so that nothing here meets a build that goes on beside it. */
async function pack (): Promise<{ tarball: string, files: string[], size: number }> {
  const copy = join(scratch, 'copy')
  mkdirSync(copy)
  for (const name of readdirSync(root)) {
    if (!['node_modules', 'dist', '.git', '.tap', '.build'].includes(name)) cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  if (isBuilt()) cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
  else await run('npm', ['run', 'build'], copy)
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--loglevel=error'], copy)
  const [packed] = JSON.parse(stdout)
  return { tarball: join(copy, packed.filename), size: packed.size, files: packed.files.map(({ path }: { path: string }) => path) }
}

/** A folder with the package and what it declares to need, and nothing else: optional peers are absent. */
async function install (tarball: string): Promise<string> {
  const app = join(scratch, 'app')
  const home = join(app, 'node_modules', 'fastify-docuware-auth')
  mkdirSync(home, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', home], app)
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    if (peerDependenciesMeta[name]?.optional === true) continue
    mkdirSync(dirname(join(app, 'node_modules', name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name))
  }
  return app
}

const { tarball, files, size } = await pack()
const app = await install(tarball)

t.test('the tarball holds what users need and nothing else', async (t) => {
  const scripts = reachable(join(app, 'node_modules', 'fastify-docuware-auth', 'dist'))
  const expected = [...modules.map((name) => `dist/${name}.d.ts`), ...scripts.map((name) => `dist/${name}`), 'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json']
  t.strictSame(files.sort(), expected.sort())
  t.ok(size < 600_000, `${size} bytes`)
  t.notOk(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).private, 'it may be published')
})

t.test('the console is not loaded until somebody looks at it', async (t) => {
  const dist = join(app, 'node_modules', 'fastify-docuware-auth', 'dist')
  const withPages = (scripts: readonly string[]): string[] => scripts.filter((name) => readFileSync(join(dist, name), 'utf8').includes('"There is nothing here yet."'))
  t.equal(withPages(reachable(dist)).length, 1)
  t.strictSame(withPages(reachable(dist, ['index.js'], importAtOnce)), [])
})

t.test('what is published imports nothing but its declared dependencies', async (t) => {
  const home = join(app, 'node_modules', 'fastify-docuware-auth')
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  const declared = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  const foreign = filesBelow(join(home, 'dist')).flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/(?:^(?:import|export) .*?from |^import |import\()['"]([^'".][^'"]*)['"]/gm)].map(([, name = '']) => name))
    .filter((name) => !name.startsWith('node:') && !declared.has(name.split('/', name.startsWith('@') ? 2 : 1).join('/')))
  t.strictSame([...new Set(foreign)], [])
  t.match(readFileSync(join(home, 'dist/plugins/jwt.d.ts'), 'utf8'), "import '../types/jwt.js'", 'its types reach Fastify\'s')
  t.match(readFileSync(join(home, 'dist/plugins/store.d.ts'), 'utf8'), "import '../types/store.js'", 'its types reach Fastify\'s')
})

const story = `
  const mongo = await startEmbeddedMongo()
  const secretKey = 'only for the test of the package: 32 bytes'
  const app = Fastify()
  await app.register(STORE, { uri: mongo.uri, secretKeys: [Buffer.alloc(32, 1).toString('base64')] })
  await app.register(JWT, { validators: [{ name: 'demo', signatureType: 'secret', secretKey, audience: 'api', issuer: 'me' }] })
  app.get('/', { config: { auth: 'jwt_demo' } }, async (request) => request.jwtPayload.sub)
  const refused = await app.inject('/')
  const passed = await app.inject({ url: '/', headers: { authorization: 'Bearer ' + signToken({ sub: 'ann', iss: 'me', aud: 'api' }, { secret: secretKey }) } })
  console.log(refused.statusCode, passed.statusCode, passed.body)
  await app.close()
  await mongo.stop()
`

t.test('installed, it works from ESM, from CommonJS and from a shell, and says nothing of its own', async (t) => {
  writeFileSync(join(app, 'esm.mjs'), `
    import Fastify from 'fastify'
    import docuwareAuth, { jwt, store } from 'fastify-docuware-auth'
    import { signToken, startEmbeddedMongo } from 'fastify-docuware-auth/testing'
    console.log(typeof docuwareAuth, docuwareAuth.jwt === jwt, docuwareAuth.store === store)
    ${story.replace('STORE', 'store').replace('JWT', 'jwt')}`)
  writeFileSync(join(app, 'commonjs.cjs'), `
    const Fastify = require('fastify')
    const docuwareAuth = require('fastify-docuware-auth')
    const { signToken, startEmbeddedMongo } = require('fastify-docuware-auth/testing')
    console.log(typeof docuwareAuth, docuwareAuth === docuwareAuth.default || docuwareAuth.default === undefined, require('fastify-docuware-auth/package.json').version !== undefined)
    main()
    async function main () {${story.replace('STORE', 'docuwareAuth.store').replace('JWT', 'docuwareAuth.jwt')}}`)
  const [esm, commonjs, help, unknown] = await Promise.all([
    run(process.execPath, ['esm.mjs'], app),
    run(process.execPath, ['commonjs.cjs'], app),
    run(process.execPath, [join('node_modules', 'fastify-docuware-auth', 'dist', 'cli.js'), '--help'], app),
    run(process.execPath, [join('node_modules', 'fastify-docuware-auth', 'dist', 'cli.js'), 'no-such-command'], app).then(() => null, (error: unknown) => error)
  ])
  t.strictSame(esm, { stdout: 'function true true\n401 200 ann\n', stderr: '' })
  t.strictSame(commonjs, { stdout: 'function true true\n401 200 ann\n', stderr: '' })
  t.match(help, { stdout: /verify-log.*rotate-keys/s, stderr: '' })
  t.match(unknown, { code: 2, stdout: '', stderr: /no-such-command/ })
  t.match(readFileSync(join(app, 'node_modules', 'fastify-docuware-auth', 'dist', 'cli.js'), 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

t.test('connectors work from ESM and from CommonJS, and load neither Fastify nor Mongoose', async (t) => {
  const program = `
    const server = require('node:http').createServer((request, response) => { response.end(request.headers['x-api-key']) }).listen(0, '127.0.0.1', async () => {
      const api = createConnector({ baseUrl: 'http://127.0.0.1:' + server.address().port, auth: apiKey({ key: 'the-key' }), allowInsecure: true })
      const { status, data } = await api.get('/')
      console.log(status, data, Object.keys(require('node:module')._cache).filter((file) => /node_modules.(fastify|mongoose|mongodb)(?![-\\w])/.test(file)).length)
      server.close().closeAllConnections()
    })`
  writeFileSync(join(app, 'connectors.mjs'), `
    import { createRequire } from 'node:module'
    import { apiKey, createConnector } from 'fastify-docuware-auth/connectors'
    const require = createRequire(import.meta.url)
    ${program}`)
  writeFileSync(join(app, 'connectors.cjs'), `
    const { apiKey, createConnector } = require('fastify-docuware-auth/connectors')
    ${program}`)
  writeFileSync(join(app, 'control.cjs'), `
    require('fastify')
    const { apiKey, createConnector } = require('fastify-docuware-auth/connectors')
    ${program}`)
  const [esm, commonjs, control] = await Promise.all(['connectors.mjs', 'connectors.cjs', 'control.cjs'].map(async (file) => await run(process.execPath, [file], app)))
  t.strictSame(esm, { stdout: '200 the-key 0\n', stderr: '' })
  t.strictSame(commonjs, { stdout: '200 the-key 0\n', stderr: '' })
  t.match(control?.stdout, /^200 the-key [1-9]/, 'it would be noticed')
})

t.test('the programs in README and docs/ run as they are written, in an app that has installed the package', async (t) => {
  const programs = [...await readPages()].flatMap(([name, page]) => examplesOf(name, page)).filter(({ whole }) => whole)
  t.match(programs, [{ where: /^README\.md/ }], 'the README has one')
  await Promise.all(programs.map(async (example, index) => {
    const file = `example-${index}.mjs`
    writeFileSync(join(app, file), toJavaScript(example).script)
    const { stdout, stderr } = await run(process.execPath, [file], app)
    t.equal(stderr, '', example.where)
    if (example.output !== null) t.equal(stdout, example.output, example.where)
  }))
})
