import { inspect } from 'node:util'
import { redactText } from '../log/redact.js'
import type { ExchangeErrors } from './dialect.js'
import { mask } from './mask.js'

/** The error that a fetch wraps, if it does. */
function causeOf (error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}

function codeOf (error: unknown): string {
  const cause = causeOf(error)
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}

/** Node says `aborted`, `socket hang up` or `read ECONNRESET`, as it happens. */
const closed: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])

function reasonOf (error: unknown, secrets: readonly string[]): string {
  const code = codeOf(error)
  if (closed.has(code)) return 'the connection was closed'
  const cause = causeOf(error)
  return cause instanceof Error && cause.message !== '' ? redactText(mask(cause.message, secrets)).slice(0, 200) : code
}

/** A connection that failed, told from what its error says, unless that repeats a secret. */
export function unreachable (error: unknown, errors: Pick<ExchangeErrors, 'unreachable'>, secrets: readonly string[]): Error {
  const told = inspect(error, { depth: 10 })
  return errors.unreachable(reasonOf(error, secrets), mask(told, secrets) === told ? { cause: error } : { cause: undefined })
}

/** Whether the next try would fail in the same way: a certificate was refused, or a fetch with a stream was to be redirected. */
export function isPermanent (error: unknown): boolean {
  const cause = causeOf(error)
  return /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(codeOf(error)) || (cause instanceof Error && cause.message === 'unexpected redirect')
}

/** Whether there was no request at all, as what was asked for cannot be sent: what is wrong with it is quoted in the message. */
export function isUnsendable (error: unknown): boolean {
  return error instanceof TypeError && error.cause === undefined
}
