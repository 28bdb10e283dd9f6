import { STATUS_CODES } from 'node:http'
import { errors, isAuthError, type AuthErrorCode } from '../errors.js'

/** What is wrong with one member of what was sent. */
export interface ProblemPart {
  /** `redirectUris[0]`; empty for the whole. */
  readonly path: string
  readonly message: string
}

/** Problem details (RFC 9457). */
export interface Problem {
  /** The status says what kind it is (RFC 9457 §4.2.1). */
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: AuthErrorCode
  /** Finds the request in the app's log. */
  readonly requestId: string
  readonly errors?: readonly ProblemPart[]
}

/** Fastify's own errors that somebody who calls can bring about, and what they are here. */
const foreign = new Map<unknown, 'DWA_ADMIN_BODY_TOO_LARGE' | 'DWA_ADMIN_NOT_JSON' | 'DWA_ADMIN_MALFORMED_JSON'>([
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'DWA_ADMIN_BODY_TOO_LARGE'],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'DWA_ADMIN_NOT_JSON'],
  ['FST_ERR_CTP_INVALID_JSON_BODY', 'DWA_ADMIN_MALFORMED_JSON'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'DWA_ADMIN_MALFORMED_JSON']
])

/** What a caller learns of an error: of one that is not their fault, and has no code that says more, nothing but that there was one. */
export function problemOf (error: unknown, requestId: string): Problem {
  const raised = isAuthError(error) ? error : new errors[foreign.get(codeOf(error)) ?? 'DWA_ADMIN_FAILED']()
  const { statusCode = 500 } = raised
  const parts = statusCode === 400 ? partsOf(raised) : []
  return {
    type: 'about:blank',
    title: STATUS_CODES[statusCode] ?? 'Error',
    status: statusCode,
    detail: statusCode === 500 ? 'The request failed: the app\'s log says why' : raised.message,
    code: isAuthError(raised) ? raised.code : 'DWA_ADMIN_FAILED',
    requestId,
    ...(parts.length === 0 ? {} : { errors: parts })
  }
}

/** What a caller learns when a hook of the app refuses the request by an error of its own: the status that it chose, and nothing else of it. Null: it is something else. */
export function refusalOf (error: unknown, requestId: string): Problem | null {
  const status: unknown = Object(error).statusCode
  if (isAuthError(error) || foreign.has(codeOf(error)) || typeof status !== 'number' || !Number.isInteger(status) || !((status >= 400 && status < 500) || status === 503)) return null
  const { code, message } = new errors.DWA_ADMIN_REFUSED()
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: message, code, requestId }
}

/** What failed in an operation, as an error of this package: whatever status an error of somebody else's has, it is not for the caller. */
export function failureOf (error: unknown): Error {
  return isAuthError(error) ? error : new errors.DWA_ADMIN_FAILED({ cause: error })
}

/** Errors about a field say so in `field`, and begin with its whole path: `redirectUris[0]: must be a string`. */
function partsOf (error: Error): ProblemPart[] {
  const field = 'field' in error && typeof error.field === 'string' ? error.field : null
  const [, path, message] = /^([\w$.[\]-]+): (.+)$/s.exec(error.message) ?? []
  if (path !== undefined && message !== undefined && (field === null ? isAuthError(error, 'DWA_LOG_INVALID_QUERY') || isAuthError(error, 'DWA_STORE_INVALID_RECORD') : field !== '' && path.startsWith(field))) return [{ path, message }]
  return field === null ? [] : [{ path: field, message: error.message }]
}

function codeOf (error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
