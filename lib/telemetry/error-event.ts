import { randomUUID } from 'node:crypto'
import { isAuthError } from '../errors.js'
import { packageVersion } from '../version.js'
import type { ErrorContext } from './error-reporter.js'
import type { SentryEvent } from './sentry-sdk.js'
import { framesOf } from './stack-frames.js'

/** An error on its way. */
export interface CapturedError {
  readonly error: unknown
  readonly context: ErrorContext
  /** Milliseconds since 1970. */
  readonly at: number
}

type Exceptions = NonNullable<NonNullable<SentryEvent['exception']>['values']>

const maxCauses = 5

/** What Sentry is to be told of an error, before it is scrubbed: the error with its causes, and where it came from. */
export function errorEvent ({ error, context, at }: CapturedError): SentryEvent {
  const { connection, sync, request, user, ip } = context
  const code = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    event_id: randomUUID().replaceAll('-', ''),
    timestamp: at / 1000,
    level: 'error',
    platform: 'node',
    logger: 'fastify-docuware-auth',
    release: `fastify-docuware-auth@${packageVersion}`,
    sdk: { settings: { infer_ip: 'never' } },
    exception: { values: exceptions(error) },
    tags: { ...(code === undefined ? {} : { code }), ...(connection === undefined ? {} : { connection: connection.name ?? connection.id }) },
    contexts: {
      runtime: { name: 'node', version: process.version },
      ...(connection === undefined ? {} : { connection: { ...connection } }),
      ...(sync === undefined ? {} : { sync: { ...sync } }),
      ...(request?.id === undefined ? {} : { request: { id: request.id } })
    },
    ...(request === undefined ? {} : { transaction: `${request.method} ${request.route ?? '(no route)'}`, request: { method: request.method, url: request.route ?? '' } }),
    ...(user === undefined && ip === undefined ? {} : { user: { ...(user === undefined ? {} : { id: user.id, username: user.name ?? user.id }), ...(ip === undefined ? {} : { ip_address: ip }) } })
  }
}

/** The error and what caused it, the deepest cause first. */
function exceptions (error: unknown): Exceptions {
  const found: unknown[] = []
  for (let one = error; one !== undefined && one !== null && found.length <= maxCauses && !found.includes(one); one = one instanceof Error ? one.cause : undefined) found.push(one)
  return found.map(exception).reverse()
}

function exception (error: unknown): Exceptions[number] {
  if (!(error instanceof Error)) return { type: 'Error', value: typeof error === 'string' ? error : `something thrown that is no Error: ${typeof error}` }
  const frames = framesOf(error).reverse().map((frame) => ({ function: frame.function, filename: frame.file, lineno: frame.line, colno: frame.column, in_app: frame.own }))
  return { type: isAuthError(error) ? error.code : error.name, value: error.message, stacktrace: { frames }, mechanism: { type: 'generic', handled: true } }
}
