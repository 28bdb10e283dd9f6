import { errors } from '../../lib/errors.js'
import { checkOptions } from '../../lib/options.js'
import { html, json, type Answer, type Received } from './exchange.js'
import { platformError } from './platform-error.js'

/** Which requests something is planned for; what is left out matches all. */
export interface RequestFilter {
  /** Default: the platform, or the identity service when `grantType` is given. */
  readonly on?: 'platform' | 'identity'
  readonly method?: string
  /** Below `platformUrl` or `identityUrl`, such as `/Organizations` or `/connect/token`; letters' case does not matter in a string. */
  readonly path?: string | RegExp
  /** `grant_type` of a token request. */
  readonly grantType?: string
}

/** How a planned answer comes. */
export interface AnswerPace {
  /** Milliseconds before the answer. */
  readonly delayMs?: number
  /** Milliseconds between two bytes of the body (between two pieces of a file). */
  readonly dripMs?: number
}

/** A planned 429. */
export interface PlannedThrottle extends RequestFilter, AnswerPace {
  /** Seconds, or a date that is sent as one. Default: no Retry-After header. */
  readonly retryAfter?: number | Date
}

/** A planned failure. */
export interface PlannedFailure extends RequestFilter, AnswerPace {
  /** The OAuth error code of an identity answer. Default: `server_error`. */
  readonly error?: string
  /** The platform's Message. */
  readonly message?: string
  /** The platform's Exception. Default: none. */
  readonly exception?: string
  readonly retryAfter?: number | Date
}

/** A planned loss of the connection. */
export interface PlannedDrop extends RequestFilter {
  /** When: before the request is processed (default), after it was processed and its answer is lost, or in the middle of the answer's body. */
  readonly when?: 'before' | 'after' | 'body'
}

/** A planned answer of another media type. */
export interface PlannedDisguise extends RequestFilter, AnswerPace {
  /** Default: 200. */
  readonly status?: number
}

/** A planned answer of any kind. */
export interface PlannedAnswer extends RequestFilter, AnswerPace {
  /** Default: 200. */
  readonly status?: number
  /** Default: `content-type: application/json`. */
  readonly headers?: { readonly [name: string]: string }
  /** Default: `{}`. */
  readonly body?: string
}

/** What is to happen to one request. */
export interface Fault {
  readonly delayMs: number
  readonly dripMs: number
  /** Given instead of the real answer; the request is not processed. */
  readonly answer?: (received: Received) => Answer
  readonly drop?: 'before' | 'after' | 'body'
}

interface Plan extends Fault { left: number, matches: (received: Received) => boolean }

const whereSchemas = { on: { enum: ['platform', 'identity'] }, method: { type: 'string' }, path: {}, grantType: { type: 'string' } }
const paceSchemas = { delayMs: { type: 'number', minimum: 0 }, dripMs: { type: 'number', minimum: 0 } }
const status = { type: 'integer', minimum: 200, maximum: 599 }
const schema = (properties: object): object => ({ type: 'object', additionalProperties: false, properties })
const schemas = {
  throttle: schema({ ...whereSchemas, ...paceSchemas, retryAfter: {} }),
  failNext: schema({ ...whereSchemas, ...paceSchemas, error: { type: 'string' }, message: { type: 'string' }, exception: { type: 'string' }, retryAfter: {} }),
  dropNext: schema({ ...whereSchemas, when: { enum: ['before', 'after', 'body'] } }),
  slowNext: schema({ ...whereSchemas, ...paceSchemas }),
  disguiseNext: schema({ ...whereSchemas, ...paceSchemas, status }),
  answerNext: schema({ ...whereSchemas, ...paceSchemas, status, headers: { type: 'object', additionalProperties: { type: 'string' } }, body: { type: 'string' } })
}

/** What is planned for the next requests, in the order of planning. A request meets the first plan that matches it. */
export class Faults {
  #plans: Plan[] = []

  throttle (count: number, options: PlannedThrottle = {}): void {
    this.#plan('throttle', count, options, { answer: (received) => failure(received, 429, { message: 'Too many requests', ...options }) })
  }

  failNext (count: number, status: number, options: PlannedFailure = {}): void {
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new errors.DWA_OPTIONS_INVALID('failNext', 'the status must be from 200 to 599')
    this.#plan('failNext', count, options, { answer: (received) => failure(received, status, options) })
  }

  dropNext (count: number, options: PlannedDrop = {}): void {
    this.#plan('dropNext', count, options, { drop: options.when ?? 'before' })
  }

  slowNext (count: number, options: RequestFilter & AnswerPace): void {
    this.#plan('slowNext', count, options, {})
  }

  disguiseNext (count: number, as: 'xml' | 'html', options: PlannedDisguise = {}): void {
    if (as !== 'xml' && as !== 'html') throw new errors.DWA_OPTIONS_INVALID('disguiseNext', 'must be xml or html')
    this.#plan('disguiseNext', count, options, { answer: () => disguised(as, options.status ?? 200) })
  }

  answerNext (count: number, options: PlannedAnswer): void {
    const { status = 200, headers = {}, body = '{}' } = options
    this.#plan('answerNext', count, options, { answer: () => ({ status, headers: { 'content-type': 'application/json', ...headers }, body }) })
  }

  /** The first plan for this request, used up by one; null when there is none. */
  take (received: Received): Fault | null {
    const plan = this.#plans.find(({ matches }) => matches(received))
    if (plan === undefined) return null
    if (--plan.left <= 0) this.#plans = this.#plans.filter((other) => other !== plan)
    return plan
  }

  clear (): void {
    this.#plans = []
  }

  #plan (name: keyof typeof schemas, count: number, options: RequestFilter & AnswerPace & { readonly retryAfter?: number | Date }, fault: Pick<Fault, 'answer' | 'drop'>): void {
    if (!(count >= 1)) throw new errors.DWA_OPTIONS_INVALID(name, 'the number of requests must be at least 1 (Infinity: all)')
    checkOptions(name, schemas[name], options)
    if (options.path !== undefined && typeof options.path !== 'string' && !(options.path instanceof RegExp)) throw new errors.DWA_OPTIONS_INVALID(`${name}.path`, 'must be a string or a RegExp')
    if (options.retryAfter !== undefined && !Number.isFinite(options.retryAfter) && !(options.retryAfter instanceof Date)) throw new errors.DWA_OPTIONS_INVALID(`${name}.retryAfter`, 'must be a number of seconds or a Date')
    this.#plans.push({ ...fault, delayMs: options.delayMs ?? 0, dripMs: options.dripMs ?? 0, left: count, matches: matcher(options) })
  }
}

function matcher ({ on, method, path, grantType }: RequestFilter): Plan['matches'] {
  const origin = on ?? (grantType === undefined ? 'platform' : 'identity')
  const onPath = typeof path === 'string'
    ? (actual: string) => actual.toLowerCase() === path.toLowerCase()
    : (actual: string) => path === undefined || new RegExp(path.source, path.flags.replaceAll(/[gy]/g, '')).test(actual)
  return (received) => received.origin === origin && onPath(received.path) &&
    (method === undefined || received.method === method.toUpperCase()) &&
    (grantType === undefined || received.form?.get('grant_type') === grantType)
}

function failure (received: Received, status: number, { error = 'server_error', message = 'Planned failure', exception, retryAfter }: PlannedFailure): Answer {
  const headers = retryAfter === undefined ? {} : { 'retry-after': typeof retryAfter === 'number' ? String(retryAfter) : retryAfter.toUTCString() }
  if (received.origin === 'identity') return json(status, { error }, headers)
  return json(status, platformError(received, status, message, exception), headers)
}

function disguised (as: 'xml' | 'html', status: number): Answer {
  if (as === 'html') return html(status, '<!DOCTYPE html><html><head><title>DocuWare</title></head><body><p>Service page</p></body></html>')
  return { status, headers: { 'content-type': 'application/xml; charset=utf-8' }, body: '<?xml version="1.0" encoding="utf-8"?><Page xmlns="http://dev.docuware.com/schema/public/services/platform"><Text>Service page</Text></Page>' }
}
