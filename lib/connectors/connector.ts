import { systemClock, type Clock } from '../clock.js'
import { errors } from '../errors.js'
import { isLoopbackHost } from '../http/private-address.js'
import { checkOptions, withoutUndefined } from '../options.js'
import type { Logger } from '../store/logger.js'
import { packageVersion } from '../version.js'
import { Exchange } from './exchange.js'
import { fetchTransport } from './fetch-transport.js'
import { httpDialect, httpErrors } from './http-dialect.js'
import { readAnswer, readBytes } from './json-answer.js'
import { nodeTransport } from './node-transport.js'
import { StreamedBody, wholeBody, type BodySource, type RequestBody } from './request-body.js'
import type { ResponseHeaders } from './response-headers.js'
import { isIdempotent } from './retry-policy.js'
import type { Strategy } from './strategy.js'
import { lowerCase, noHeaders, strategyCredentials } from './strategy-credentials.js'
import { Target, type QueryParameters } from './target.js'
import type { PeerAnswer } from './transport.js'

export interface ConnectorOptions {
  /** https; http on loopback only, and only with `allowInsecure`. Paths are taken below it. */
  readonly baseUrl: string
  /** A strategy: one of this package's, or the app's own. */
  readonly auth: Strategy
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Milliseconds for one try, its answer included. Default 30 000. */
  readonly timeoutMs?: number | undefined
  /** How often a request that may be sent twice is repeated at most. Default 4. */
  readonly retries?: number | undefined
  /** http to this machine, for development. */
  readonly allowInsecure?: boolean | undefined
  /** Bytes of an answer. Default 64 MiB. */
  readonly maxBytes?: number | undefined
  /** What sends requests: `globalThis.fetch`, say, with a dispatcher for a proxy. Default: Node's http and https. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Where time comes from, for tests. */
  readonly clock?: Clock | undefined
  /** Decides on the waits between tries: from 0 to 1, for tests. */
  readonly random?: (() => number) | undefined
  /** Told of requests that are repeated: `app.log`, say. */
  readonly logger?: Logger | undefined
}

/** One request. At most one of `json`, `form` and `body`. */
export interface ConnectorRequestOptions {
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as `application/x-www-form-urlencoded`. */
  readonly form?: QueryParameters | undefined
  /** Sent as it is; name its media type in `headers`. A stream can be sent once only, see DWA_CONNECTOR_BODY_USED. */
  readonly body?: BodySource | undefined
  readonly query?: QueryParameters | undefined
  /** These win over the connector's and the strategy's. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Ends the call, and any wait before another try, at once; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for one try, instead of the connector's. */
  readonly timeoutMs?: number | undefined
  /** Whether the request may be sent twice. Default: by the method (RFC 9110 §9.2.2). */
  readonly idempotent?: boolean | undefined
  /** `bytes`: `data` is a Uint8Array whatever was sent. Default: parsed JSON, text of any other media type, null when there is nothing. */
  readonly as?: 'bytes' | undefined
}

export interface ConnectorResponse {
  readonly status: number
  /** With names in lower case; `set-cookie` is a list. */
  readonly headers: ResponseHeaders
  readonly data: unknown
}

/**
 * One API and how requests to it are authenticated. Every call
 * @throws DWA_CONNECTOR_HTTP (with `status`, `url` without query, and at most 2 KB of `body`, credentials masked) for any answer that is no success,
 * DWA_CONNECTOR_TIMEOUT, DWA_CONNECTOR_UNREACHABLE, DWA_CONNECTOR_FOREIGN_ORIGIN, DWA_CONNECTOR_INVALID_REQUEST, DWA_CONNECTOR_NOT_JSON,
 * DWA_CONNECTOR_UNEXPECTED_ANSWER, DWA_CONNECTOR_BODY_USED, and what its strategy throws
 */
export interface Connector {
  request (method: string, path: string, options?: ConnectorRequestOptions): Promise<ConnectorResponse>
  get (path: string, options?: ConnectorRequestOptions): Promise<ConnectorResponse>
  post (path: string, options?: ConnectorRequestOptions): Promise<ConnectorResponse>
  put (path: string, options?: ConnectorRequestOptions): Promise<ConnectorResponse>
  patch (path: string, options?: ConnectorRequestOptions): Promise<ConnectorResponse>
  delete (path: string, options?: ConnectorRequestOptions): Promise<ConnectorResponse>
}

export const connectorOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['baseUrl', 'auth'],
  properties: {
    baseUrl: { type: 'string', maxLength: 2000 },
    auth: {
      type: 'object',
      required: ['name', 'apply'],
      properties: { name: { type: 'string' }, apply: { function: true }, onUnauthorized: { function: true }, secrets: { type: 'array', items: { type: 'string' } } }
    },
    headers: { type: 'object', additionalProperties: { type: 'string', pattern: '^[^\\x00-\\x08\\x0a-\\x1f\\x7f\\u0100-\\uffff]*$' } },
    timeoutMs: { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1 },
    retries: { type: 'integer', minimum: 0, maximum: 100 },
    allowInsecure: { type: 'boolean' },
    maxBytes: { type: 'integer', minimum: 0 },
    fetch: { function: true },
    clock: { type: 'object' },
    random: { function: true },
    logger: { type: 'object' }
  }
} as const

/** Of a connector that does not say otherwise. */
export const defaults = { timeoutMs: 30_000, retries: 4 } as const

/** Milliseconds: the longest wait that a peer may ask for. */
const maxRetryAfterMs = 120_000

/**
 * A connector: requests to one API, authenticated by one strategy. It makes no call by itself, and is safe for any number of calls at a time.
 * @throws DWA_OPTIONS_INVALID with the option's path
 */
export function createConnector (options: ConnectorOptions): Connector {
  checkOptions('connector', connectorOptionsSchema, withoutUndefined(options))
  const { baseUrl, auth, headers = {}, timeoutMs = defaults.timeoutMs, retries = defaults.retries, allowInsecure = false, maxBytes = 64 * 1024 * 1024 } = options
  const { fetch, clock = systemClock, random = Math.random, logger = null } = options
  checkUrl('connector.baseUrl', baseUrl, allowInsecure)
  const target = new Target(baseUrl, httpErrors)
  const exchange = new Exchange({ credentials: strategyCredentials(auth, target), dialect: httpDialect, tries: retries + 1, maxRetryAfterMs, transport: fetch === undefined ? nodeTransport : fetchTransport(fetch), clock, random, logger })
  const base = Object.freeze({ 'user-agent': `fastify-docuware-auth/${packageVersion}`, accept: 'application/json, */*;q=0.8', ...lowerCase(headers) })
  const jsonBase = Object.freeze({ 'content-type': 'application/json', ...base })
  const formBase = Object.freeze({ ...base, 'content-type': 'application/x-www-form-urlencoded' })
  const read = async (answer: PeerAnswer): Promise<ConnectorResponse> => withHead(answer, await readAnswer(answer, maxBytes, httpErrors))
  const readRaw = async (answer: PeerAnswer): Promise<ConnectorResponse> => withHead(answer, await readBytes(answer, maxBytes, httpErrors))

  const request = async (method: string, path: string, options: ConnectorRequestOptions = {}): Promise<ConnectorResponse> => {
    const { query, signal, as, idempotent = isIdempotent(method.toUpperCase()) } = options
    const { source, body } = contentOf(options)
    return await exchange.run({
      method: method.toUpperCase(),
      path,
      query,
      headers: options.headers === undefined ? noHeaders : lowerCase(options.headers),
      base: options.json !== undefined ? jsonBase : options.form !== undefined ? formBase : base,
      json: options.json,
      source,
      body,
      idempotent,
      signal,
      timeoutMs: options.timeoutMs ?? timeoutMs,
      read: as === 'bytes' ? readRaw : read
    })
  }
  return withShorthands(request)
}

/** The connector of a function that makes its requests. */
export function withShorthands (request: Connector['request']): Connector {
  return {
    request,
    get: (path, options) => request('GET', path, options),
    post: (path, options) => request('POST', path, options),
    put: (path, options) => request('PUT', path, options),
    patch: (path, options) => request('PATCH', path, options),
    delete: (path, options) => request('DELETE', path, options)
  }
}

/** @throws DWA_OPTIONS_INVALID unless `text` is an https URL (http for loopback, with `allowInsecure`) without credentials, query and fragment */
export function checkUrl (path: string, text: string, allowInsecure: boolean): void {
  const problem = findUrlProblem(text, allowInsecure)
  if (problem !== null) throw new errors.DWA_OPTIONS_INVALID(path, problem)
}

/** What is wrong with the URL of a peer; null when nothing is. */
export function findUrlProblem (text: string, allowInsecure: boolean, allowQuery = false): string | null {
  if (!URL.canParse(text)) return 'is no URL'
  const { protocol, hostname, username, password, search, hash } = new URL(text)
  if (protocol !== 'https:' && !(protocol === 'http:' && allowInsecure && isLoopbackHost(hostname))) return 'must be https (http is for loopback, with allowInsecure)'
  if (username !== '' || password !== '') return 'must not hold credentials'
  if ((search !== '' && !allowQuery) || hash !== '') return 'must not have a query or a fragment'
  return null
}

function withHead ({ status, headers }: PeerAnswer, data: unknown): ConnectorResponse {
  return { status, headers, data }
}

interface Content { readonly source: BodySource | null, readonly body: RequestBody | null }

/** @throws DWA_CONNECTOR_INVALID_REQUEST */
function contentOf ({ json, form, body }: ConnectorRequestOptions): Content {
  if ([json, form, body].filter((one) => one !== undefined).length > 1) throw new errors.DWA_CONNECTOR_INVALID_REQUEST('A request has json, a form or a body, not more than one of them')
  if (body !== undefined) return { source: body, body: typeof body === 'string' ? wholeBody(body, noHeaders) : new StreamedBody(body, httpErrors) }
  if (json === undefined && form === undefined) return { source: null, body: null }
  const text = form === undefined ? jsonText(json) : formText(form)
  return { source: text, body: wholeBody(text, noHeaders) }
}

function jsonText (value: unknown): string {
  try {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined) return text
  } catch (error) {
    if (!(error instanceof TypeError)) throw error // the value's own toJSON threw it
  }
  throw new errors.DWA_CONNECTOR_INVALID_REQUEST('json is nothing that JSON can say')
}

function formText (form: QueryParameters): string {
  const { search } = new Target('https://form.invalid', httpErrors).resolve('', form)
  return search.slice(1)
}
