import type { AnswerHead, Credentials, ReadyRequest } from './credentials.js'
import type { Call } from './exchange.js'
import { httpErrors } from './http-dialect.js'
import { StreamedBody, wholeBody, type BodySource, type RequestBody } from './request-body.js'
import type { ConnectorRequest, Strategy } from './strategy.js'
import type { Target } from './target.js'

/** What a try was sent as; null before the first. */
interface Sent { request: ConnectorRequest | null }

/** A call of a connector: what the caller gave, before a strategy sees it. */
export interface ConnectorCall extends Call<unknown> {
  /** Headers of the connector, which a strategy may replace; `headers` are the caller's own, which it may not. */
  readonly base: Readonly<Record<string, string>>
  readonly source: BodySource | null
}

/** A strategy as the exchange needs it. */
export function strategyCredentials (strategy: Strategy, target: Target): Credentials<Sent, ConnectorCall> {
  const { secrets = [] } = strategy
  const make = (call: ConnectorCall, before: ConnectorRequest, applied: ConnectorRequest, sent: Sent): ReadyRequest => {
    target.check(applied.url)
    sent.request = applied
    return {
      url: applied.url,
      headers: new Headers(call.headers === noHeaders ? applied.headers : { ...applied.headers, ...call.headers }),
      body: applied.body === before.body ? call.body : bodyOf(applied.body),
      target,
      secrets: [...secrets, ...added(before, applied)],
      rate: null
    }
  }
  return {
    current: () => ({ request: null }),
    ready (call, sent) {
      const request: ConnectorRequest = {
        method: call.method,
        path: call.path,
        url: target.resolve(call.path, call.query),
        headers: call.headers === noHeaders ? call.base : { ...call.base, ...call.headers },
        json: call.json,
        body: call.source
      }
      const applied = strategy.apply(request)
      return applied instanceof Promise ? applied.then((one) => make(call, request, one, sent)) : make(call, request, applied, sent)
    },
    async renew ({ request }, head) {
      if (strategy.onUnauthorized === undefined || request === null) return null
      return await strategy.onUnauthorized(plain(head), request) === false ? null : { request: null }
    }
  }
}

/** The headers of a call whose caller set none. */
export const noHeaders: Readonly<Record<string, string>> = {}

function bodyOf (body: BodySource | null): RequestBody | null {
  if (body === null) return null
  return typeof body === 'string' ? wholeBody(body, {}) : new StreamedBody(body, httpErrors)
}

/** What a strategy put into a request: values, and what follows a scheme in them. */
function added (before: ConnectorRequest, after: ConnectorRequest): string[] {
  const headers = Object.entries(after.headers).filter(([name, value]) => before.headers[name] !== value).map(([, value]) => value)
  const parameters = after.url.search === before.url.search ? [] : [...after.url.searchParams].filter(([name, value]) => !before.url.searchParams.has(name, value)).map(([, value]) => value)
  return [...headers, ...parameters].flatMap((value) => [value, value.slice(value.indexOf(' ') + 1), encodeURIComponent(value)]).filter((value) => value.length >= shortest)
}

/** Shorter texts are masked only when a strategy names them: they could be anywhere. */
const shortest = 8

function plain ({ status, headers }: AnswerHead): { readonly status: number, readonly headers: Readonly<Record<string, string>> } {
  return { status, headers: Object.fromEntries(headers) }
}
