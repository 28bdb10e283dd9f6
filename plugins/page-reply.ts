import type { FastifyReply, FastifyRequest } from 'fastify'
import { isAuthError, type AuthError } from '../lib/errors.js'
import type { RenderedPage } from '../lib/http/page.js'

export function sendPage (reply: FastifyReply, { page, headers }: RenderedPage): FastifyReply {
  return reply.headers(headers).send(page)
}

/** Whether a person sees the answer. */
export function prefersHtml ({ headers: { accept = '' } }: FastifyRequest): boolean {
  return /\btext\/html\b/.test(accept)
}

/** A person gets a page; a program gets the error as the app sends errors, and so does anybody one that is not of this package. */
export function sendErrorPage (error: unknown, request: FastifyRequest, reply: FastifyReply, pageOf: (message: string) => RenderedPage): FastifyReply {
  if (!isAuthError(error) || !prefersHtml(request)) throw error
  logFailure(error, request)
  if ('headers' in error && typeof error.headers === 'object') reply.headers({ ...error.headers })
  return sendPage(reply.code(error.statusCode ?? 500), pageOf(error.message))
}

/** What an answer covers up, the app's log learns. */
export function logFailure (error: AuthError, request: FastifyRequest): void {
  if ((error.statusCode ?? 500) >= 500) request.log.error({ err: error }, error.message)
}
