import type { FastifyRequest } from 'fastify'

/** What the app's log says of a request whose query may hold codes, states and tokens (security.md 52): a serializer. */
export function bareRequest ({ method, url = '', ip }: Pick<FastifyRequest, 'method' | 'url' | 'ip'>): object {
  return { method, url: url.replace(/\?.*$/s, ''), remoteAddress: ip }
}
