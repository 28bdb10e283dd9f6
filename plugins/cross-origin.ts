import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RequestOrigin } from '../lib/http/cookie-header.js'

/** What a request says of where it comes from. */
export function originOf ({ method, headers }: FastifyRequest): RequestOrigin {
  return { method, origin: headers.origin, secFetchSite: [headers['sec-fetch-site'] ?? []].flat().at(0) }
}

/** The origin of the app, as far as it is known. */
export function ownOrigins ({ store: { publicUrl } }: FastifyInstance): ReadonlySet<string> {
  return new Set(publicUrl === null ? [] : [new URL(publicUrl).origin])
}

/** An onSend hook for answers that the app's CORS, if it has some, is not for (security.md 11). */
export async function withoutCors (_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  for (const name of Object.keys(reply.getHeaders())) if (name.startsWith('access-control-')) reply.removeHeader(name)
}
