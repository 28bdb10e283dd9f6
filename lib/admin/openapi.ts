import type { SchemaObject } from 'ajv'
import type { Operation } from './resource.js'

type Responses = { readonly [status: string]: object }

const text = { type: 'string' } as const

/** Problem details (RFC 9457). */
const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: text,
    title: text,
    status: { type: 'integer' },
    detail: text,
    code: { type: 'string', description: 'One of docs/errors.md.' },
    requestId: text,
    errors: { type: 'array', items: { type: 'object', required: ['path', 'message'], properties: { path: text, message: text } } }
  }
} as const

/** What Fastify and @fastify/swagger take as the schema of an operation's route. It documents: nothing is checked or cut by it. */
export function routeSchema (operation: Operation, tag: string): { readonly [name: string]: unknown } {
  const { id, path, roles, summary, query, body, condition, answer } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: `Role ${roles.map((role) => `\`${role}\``).join(' or ')}.`,
    ...(path.includes('/:id') ? { params: { type: 'object', required: ['id'], properties: { id: { type: 'string', description: 'An id or a name.' } } } } : {}),
    ...(query === undefined ? {} : { querystring: { type: 'object', properties: query } }),
    ...headersOf(condition),
    ...(body === undefined ? {} : { body }),
    response: { ...success(answer), ...problems(operation) }
  }
}

function headersOf (condition: Operation['condition']): { readonly headers?: SchemaObject } {
  if (condition === undefined) return {}
  if (condition === 'none-match') return { headers: { type: 'object', properties: { 'if-none-match': { ...text, description: 'ETags that are known: 304 when it is one of them.' } } } }
  return {
    headers: {
      type: 'object',
      ...(condition === 'match' ? { required: ['if-match'] } : {}),
      properties: { 'if-match': { ...text, description: 'The ETag of the record that is to be changed, or *: 412 when it is another by now.' } }
    }
  }
}

function success ({ status, description, schema, type = 'application/json' }: Operation['answer']): Responses {
  return { [status]: schema === undefined ? { type: 'null', description } : { description, content: { [type]: { schema } } } }
}

function problems ({ path, query, body, condition }: Operation): Responses {
  const isChange = condition === 'match' || condition === 'optional'
  const by: ReadonlyArray<readonly [status: number, description: string, when: boolean]> = [
    [400, 'The query or the body is not what it must be.', query !== undefined || body !== undefined],
    [401, 'Nobody is known to call.', true],
    [403, 'The caller lacks the role, or the request comes from another site.', true],
    [404, 'It does not exist.', path.includes('/:id')],
    [409, 'It does not go together with what is there.', body !== undefined || isChange],
    [412, 'It was changed by somebody else.', isChange],
    [413, 'The body is too large.', body !== undefined],
    [415, 'The body must be application/json.', body !== undefined],
    [428, 'If-Match is needed.', condition === 'match'],
    [429, 'Too many requests.', true],
    [503, 'The database cannot be reached.', true]
  ]
  return {
    ...(condition === 'none-match' ? { 304: { type: 'null', description: 'It is still the version that is known.' } } : {}),
    ...Object.fromEntries(by.flatMap(([status, description, when]) => when ? [[status, { description, content: { 'application/problem+json': { schema: problemSchema } } }]] : []))
  }
}

/** As much of an OpenAPI document as is looked at here. */
interface OpenApiDocument { components?: { securitySchemes?: object } }

export interface DocumentedRoute {
  readonly schema: object
  readonly url: string
  readonly openapiObject?: OpenApiDocument
}

/** Names the security scheme in a route's part of the document, and declares it there unless the app has: how its callers sign in is the app's affair. */
export function secured (scheme: string): (route: DocumentedRoute) => { readonly schema: object, readonly url: string } {
  return ({ schema, url, openapiObject }) => {
    if (openapiObject === undefined) return { schema, url } // a document of Swagger 2
    const { components = {} } = openapiObject
    const { securitySchemes = {} } = components
    if (!Object.hasOwn(securitySchemes, scheme)) openapiObject.components = { ...components, securitySchemes: { ...securitySchemes, [scheme]: ownScheme } }
    return { schema: { ...schema, security: [{ [scheme]: [] }] }, url }
  }
}

const ownScheme = { type: 'apiKey', in: 'cookie', name: '__Host-dwa_session', description: 'The session of signIn, or whatever the app\'s `access` knows its callers by.' } as const
