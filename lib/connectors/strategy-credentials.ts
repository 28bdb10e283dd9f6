import type { Credentials, ReadyRequest } from './credentials.js'
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
  const make = (call: ConnectorCall, asked: Asked, applied: ConnectorRequest, sent: Sent): ReadyRequest => {
    target.check(applied.url)
    sent.request = applied
    const body = applied.body === call.source ? call.body : bodyOf(applied.body)
    const headers = call.headers === noHeaders ? lowerCase(applied.headers) : { ...lowerCase(applied.headers), ...call.headers }
    return {
      url: applied.url,
      headers: body === null || body.headers === noHeaders ? headers : { ...headers, ...body.headers },
      body,
      target,
      get secrets () { return [...secrets, ...credentialsOf(asked, applied)] },
      rate: null,
      follow (url) { for (const [name, value] of addedParameters(asked, applied)) url.searchParams.set(name, value) }
    }
  }
  return {
    runsAppCode: true,
    current: () => ({ request: null }),
    ready (call, sent) {
      const url = target.resolve(call.path, call.query)
      const headers = call.headers === noHeaders ? call.base : Object.freeze({ ...call.base, ...call.headers })
      const asked = { href: url.href, headers }
      const applied = strategy.apply({ method: call.method, path: call.path, url, headers, json: call.json, body: call.source })
      return applied instanceof Promise ? applied.then((one) => make(call, asked, one, sent)) : make(call, asked, applied, sent)
    },
    async renew ({ request }, { status, headers }) {
      if (strategy.onUnauthorized === undefined || request === null) return null
      return await strategy.onUnauthorized({ status, headers }, request) === false ? null : { request: null }
    },
    rejected ({ request }) {
      if (request !== null) strategy.onRejected?.(request)
    }
  }
}

/** The headers of a call whose caller set none. */
export const noHeaders: Readonly<Record<string, string>> = {}

/** So that a header given twice is the later one, not both. */
export function lowerCase (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const name in headers) if (/[A-Z]/.test(name)) return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return headers
}

function bodyOf (body: BodySource | null): RequestBody | null {
  if (body === null) return null
  return typeof body === 'string' ? wholeBody(body, noHeaders) : new StreamedBody(body, httpErrors)
}

/** A request before its strategy saw it. A strategy may write into the URL it is given. */
interface Asked { readonly href: string, readonly headers: Readonly<Record<string, string>> }

/** What must not be repeated: what the strategy put into a request, and what is named like a credential; whole, and what follows a scheme in it. */
function credentialsOf (asked: Asked, { url, headers }: ConnectorRequest): string[] {
  const segments = new Set(new URL(asked.href).pathname.split('/'))
  return [
    ...Object.entries(headers).filter(([name, value]) => asked.headers[name] !== value).map(([, value]) => value),
    ...Object.entries(asked.headers).filter(([name]) => telling.test(name)).map(([, value]) => value),
    ...[...url.searchParams].filter(([name]) => telling.test(name)).map(([, value]) => value),
    ...addedParameters(asked, { url }).map(([, value]) => value),
    ...url.pathname.split('/').filter((segment) => !segments.has(segment)).map(decoded)
  ].flatMap((value) => [value, value.slice(value.indexOf(' ') + 1)]).filter((value) => value.length >= shortest)
}

const telling = /auth|cookie|credential|key|passw|secret|signature|token/i

/** Shorter texts are masked only when a strategy names them: they could be anywhere. */
const shortest = 8

function addedParameters (asked: Asked, { url }: Pick<ConnectorRequest, 'url'>): Array<[name: string, value: string]> {
  if (url.href === asked.href) return []
  const { searchParams } = new URL(asked.href)
  return [...url.searchParams].filter(([name, value]) => !searchParams.has(name, value))
}

function decoded (segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment // percent signs that encode nothing
  }
}
