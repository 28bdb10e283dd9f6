import type { Demo } from '../demo.js'

/** What the app said, as far as the check looks at it. */
export interface Answer {
  readonly status: number
  readonly body: unknown
  /** The error code of a refusal. */
  readonly code: unknown
  /** WWW-Authenticate. */
  readonly challenge: string | null
  /** The Set-Cookie headers. */
  readonly cookies: readonly string[]
}

export interface Call {
  readonly method?: string
  /** Sent as `Authorization: Bearer <token>`. */
  readonly token?: string
  readonly headers?: { readonly [name: string]: string }
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>
}

/** Calls one of the app's routes over HTTP. */
export async function call (demo: Demo, path: string, { method = 'GET', token, headers = {}, form }: Call = {}): Promise<Answer> {
  const response = await fetch(demo.url + path, {
    method,
    headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
    signal: AbortSignal.timeout(10_000)
  })
  const text = await response.text()
  const body: unknown = text === '' ? null : JSON.parse(text)
  const code = typeof body === 'object' && body !== null && 'code' in body ? body.code : undefined
  return { status: response.status, body, code, challenge: response.headers.get('www-authenticate'), cookies: response.headers.getSetCookie() }
}
