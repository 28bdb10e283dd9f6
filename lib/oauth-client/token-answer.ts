/** Tokens as the identity service gave them. */
export interface TokenAnswer {
  readonly accessToken: string
  /** Absent: the old one goes on. */
  readonly refreshToken?: string
  readonly tokenType: string
  /** Seconds. */
  readonly expiresIn: number
}

/**
 * Why there are no tokens, or the identity service did not do what else it was asked. `invalid_grant`: the code or refresh token is not good (any more); `invalid_client`: the client is not;
 * `gone`: the endpoint is not where it was, nothing was processed; `transient`: anything else, also an answer that makes no sense.
 */
export type TokenFailureKind = 'invalid_grant' | 'invalid_client' | 'gone' | 'transient'

export class TokenFailure extends Error {
  override readonly name = 'TokenFailure'
  readonly kind: TokenFailureKind
  /** What may be said to anybody: the message may name hosts and addresses. */
  readonly reason: string
  readonly #refreshToken: string | undefined

  constructor (kind: TokenFailureKind, message: string, { reason = message, refreshToken, ...options }: ErrorOptions & { readonly reason?: string, readonly refreshToken?: string | undefined } = {}) {
    super(message, options)
    this.kind = kind
    this.reason = reason
    this.#refreshToken = refreshToken
  }

  /** A refresh token that came with an answer which could not be used otherwise: the old one may be spent. Nothing that prints the error prints it. */
  get refreshToken (): string | undefined {
    return this.#refreshToken
  }
}

/** An answer of the token endpoint; `body` null when it is no JSON object. */
export interface SeenAnswer { readonly status: number, readonly body: Readonly<Record<string, unknown>> | null }

/** What is made of an answer that leaves something out. */
export interface TokenDefaults {
  /** Seconds an access token is taken to live when the answer does not say, or says nonsense. */
  readonly lifetime: number
  /** What a token of no type, or of another one, is taken for; null: it cannot be used (RFC 6749 §7.1). */
  readonly type: string | null
}

/** Seconds: the most that is believed. */
const longestLifetime = 366 * 24 * 3600

/** What an answer means that brought no tokens. The engine's own error is not kept: it may hold the answer. */
export function refused ({ status, body }: SeenAnswer): TokenFailure {
  const code = body?.['error']
  if (status === 400 && code === 'invalid_grant') return new TokenFailure('invalid_grant', 'invalid_grant')
  if ((status === 400 || status === 401) && code === 'invalid_client') return new TokenFailure('invalid_client', 'invalid_client')
  if (isGoneStatus(status)) return new TokenFailure('gone', `answered with status ${status}`)
  const said = typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : status === 200 ? 'the answer makes no sense' : `answered with status ${status}`
  return new TokenFailure('transient', said, { refreshToken: status === 200 ? textOf(body?.['refresh_token']) : undefined })
}

/** There was no answer, or none that is of use: what is wrong is what the engine wraps. */
export function unanswered (error: unknown): TokenFailure {
  let cause = error
  while (cause instanceof Error && cause.name === 'ClientError' && cause.cause instanceof Error) cause = cause.cause
  if (cause instanceof TokenFailure) return cause
  const message = cause instanceof Error ? cause.message.slice(0, 200) : 'failed'
  const reason = cause instanceof Error && 'code' in cause ? `the connection failed (${String(cause.code)})` : message // who has a code names hosts
  return new TokenFailure(isHostFailure(error) ? 'gone' : 'transient', message, { cause, reason })
}

/** Null for a token of another type (RFC 6749 §7.1) unless that is allowed, or one that no header can carry (RFC 6750 §2.1). */
export function readTokens ({ body }: SeenAnswer, defaults: TokenDefaults): TokenAnswer | null {
  const { access_token: access, refresh_token: refresh, expires_in: expiresIn, token_type: type } = body ?? {}
  const [accessToken, refreshToken] = [textOf(access), textOf(refresh)]
  const tokenType = typeOf(textOf(type), defaults.type)
  if (accessToken === undefined || !/^[\x21-\x7e]+$/.test(accessToken) || tokenType === null) return null
  return { accessToken, ...(refreshToken === undefined ? {} : { refreshToken }), tokenType, expiresIn: readLifetime(expiresIn, defaults.lifetime) }
}

function typeOf (said: string | undefined, fallback: string | null): string | null {
  if (said?.toLowerCase() === 'bearer') return said
  if (fallback === null) return null
  return said !== undefined && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(said) ? said : fallback
}

function readLifetime (expiresIn: unknown, defaultLifetime: number): number {
  const seconds = typeof expiresIn === 'number' || typeof expiresIn === 'string' ? Number(expiresIn) : NaN
  return seconds > 0 ? Math.min(seconds, longestLifetime) : defaultLifetime
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The name does not resolve or nobody listens: nothing was sent. */
export function isHostFailure (error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    if ('code' in one && ['ENOTFOUND', 'ECONNREFUSED', 'EHOSTUNREACH', 'EAI_AGAIN'].includes(String(one.code))) return true
  }
  return false
}

export function isGoneStatus (status: number): boolean {
  return status === 404 || status === 410
}
