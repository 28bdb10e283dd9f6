import swagger from '@fastify/swagger'
import { Ajv } from 'ajv'
import t from 'tap'
import { issuer } from '../provider/provider-app.js'
import { startTestMongo } from '../mongo.js'
import { adminApp, call, kinds, samples } from './admin-app.js'

const mongo = await startTestMongo(t)

interface Response { readonly description?: string, readonly content?: { readonly [type: string]: { readonly schema?: { readonly properties?: object } } } }
interface Documented {
  readonly operationId?: string
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly description?: string
  readonly security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>>
  readonly parameters?: ReadonlyArray<{ readonly in: string, readonly name: string, readonly required?: boolean, readonly schema?: object }>
  readonly requestBody?: { readonly content: { readonly [type: string]: { readonly schema?: object } } }
  readonly responses: Readonly<Record<string, Response>>
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>
  readonly components: { readonly securitySchemes?: Readonly<Record<string, object>> }
}

/** Every operation of a document below the API, by method and path. */
function operationsOf ({ paths }: Document): Map<string, Documented> {
  return new Map(Object.entries(paths).filter(([path]) => path.startsWith('/admin/api')).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]): [string, Documented] => [`${method.toUpperCase()} ${path}`, operation])))
}

t.test('the OpenAPI document has every operation, with what it takes, answers and needs', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, openapi: true, store: { collectionPrefix: 'openapi_' } })
  const document: Document = JSON.parse(JSON.stringify(app.swagger()))
  const operations = operationsOf(document)
  const expected = app.admin.resources.flatMap(({ operations }) => operations.map(({ method, path }) => `${method} /admin/api${path.replace(':id', '{id}')}`))
  t.ok(expected.length > 30)
  t.strictSame([...operations.keys()].sort(), expected.sort())
  t.equal(new Set([...operations.values()].map(({ operationId }) => operationId)).size, operations.size, 'each has an id of its own')
  t.match(document.components.securitySchemes, { admin: { type: 'apiKey', in: 'cookie' } })
  const ajv = new Ajv({ strict: false, validateFormats: false })
  for (const [name, { tags, summary, description, security, parameters = [], requestBody, responses }] of operations) {
    t.match({ tags, summary, description, security }, { tags: { length: 1 }, summary: String, description: /^Role `/, security: [{ admin: [] }] }, name)
    t.strictSame(parameters.filter((parameter) => parameter.in === 'path').map((parameter) => [parameter.name, parameter.required]), name.includes('{id}') ? [['id', true]] : [], name)
    t.equal(new Set(parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).size, parameters.length, name)
    t.equal(requestBody !== undefined, /^(POST|PATCH) /.test(name), name)
    t.strictSame(Object.keys(requestBody?.content ?? {}), requestBody === undefined ? [] : ['application/json'], name)
    const statuses = Object.keys(responses)
    for (const status of ['401', '403', '429', '503', ...name.includes('{id}') ? ['404'] : [], ...requestBody === undefined ? [] : ['400', '413', '415'], ...name.startsWith('PATCH') ? ['412', '428'] : []]) t.ok(statuses.includes(status), `${name}: ${status}`)
    for (const [status, { description, content = {} }] of Object.entries(responses)) {
      t.type(description, 'string', `${name}: ${status}`)
      if (Number(status) >= 400) t.strictSame(Object.keys(content), ['application/problem+json'], `${name}: ${status}`)
      for (const { schema } of Object.values(content)) t.doesNotThrow(() => ajv.compile(Object(schema)), `${name}: ${status}`)
    }
    for (const { schema } of [...parameters, ...Object.values(requestBody?.content ?? {})]) t.doesNotThrow(() => ajv.compile(Object(schema)), name)
  }
  t.notMatch(JSON.stringify(document), /"\$ref":"(?!#\/components\/schemas\/)/, 'every reference leads into the document')
  t.notMatch(JSON.stringify(document.paths), /"type":"null"|"type":\[/, 'OpenAPI 3.0 knows neither null nor lists of types')
})

t.test('what is answered is documented, member by member', async (t) => {
  const app = await adminApp(t, { uri: mongo.uri, openapi: true, store: { collectionPrefix: 'documented_' } })
  const operations = operationsOf(JSON.parse(JSON.stringify(app.swagger())))
  for (const kind of kinds) {
    const { body } = await call(app, 'POST', `/${kind}`, { as: samples[kind].role, body: samples[kind].input('documented') })
    const known = Object.keys(operations.get(`POST /admin/api/${kind}`)?.responses['201']?.content?.['application/json']?.schema?.properties ?? {})
    t.strictSame(Object.keys(body).filter((name) => !known.includes(name)), [], kind)
  }
  const [entry] = Object((await call(app, 'GET', '/log')).body['items'])
  const list = operations.get('GET /admin/api/log')?.responses['200']?.content?.['application/json']?.schema?.properties
  const known = Object.keys(Object(list).items.items.properties)
  t.strictSame(Object.keys(entry).filter((name) => !known.includes(name)), [])
})

t.test('the app names the security scheme, and may have declared others', async (t) => {
  const own = await adminApp(t, {
    uri: mongo.uri,
    store: { collectionPrefix: 'own_' },
    admin: { openapi: 'own' },
    before: async (app) => { await app.register(swagger, { openapi: { components: { securitySchemes: { own: { type: 'http', scheme: 'bearer' }, another: { type: 'http', scheme: 'basic' } } } } }) }
  })
  const document: Document = JSON.parse(JSON.stringify(own.swagger()))
  t.strictSame(document.components.securitySchemes, { own: { type: 'http', scheme: 'bearer' }, another: { type: 'http', scheme: 'basic' } })
  t.match(operationsOf(document).get('GET /admin/api/log'), { security: [{ own: [] }] })
  const old = await adminApp(t, { uri: mongo.uri, store: { collectionPrefix: 'old_' }, before: async (app) => { await app.register(swagger, { swagger: { info: { title: issuer, version: '1' } } }) } })
  t.ok(Object.keys(Object(old.swagger().paths)).includes('/admin/api/log'), 'a document of Swagger 2 has the routes too')
})
