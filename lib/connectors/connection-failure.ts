import { inspect } from 'node:util'
import { redactText } from '../log/redact.js'
import type { ExchangeErrors } from './dialect.js'
import { mask } from './mask.js'

/** The error that fetch wraps, if it does. */
function causeOf (error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}

function codeOf (error: unknown): string {
  const cause = causeOf(error)
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}

/** A connection that failed, told from what fetch says about it, unless that repeats a secret. */
export function unreachable (error: unknown, errors: Pick<ExchangeErrors, 'unreachable'>, secrets: readonly string[]): Error {
  const cause = causeOf(error)
  const reason = cause instanceof Error && cause.message !== '' ? redactText(mask(cause.message, secrets)).slice(0, 200) : codeOf(error)
  const told = inspect(error, { depth: 10 })
  return errors.unreachable(reason, mask(told, secrets) === told ? { cause: error } : { cause: undefined })
}

/** Whether the next try would fail in the same way: a certificate was refused, or a file was to be redirected. */
export function isPermanent (error: unknown): boolean {
  const cause = causeOf(error)
  return /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(codeOf(error)) || (cause instanceof Error && cause.message === 'unexpected redirect')
}

/** Whether fetch itself refused to make the request: what is wrong is quoted in its message. */
export function isUnsendable (error: unknown): boolean {
  return error instanceof TypeError && error.cause === undefined
}
