/**
 * The default of `isSessionAuthenticated`: a user id or a user in the session, as @fastify/session keeps them, or behind `get`, as @fastify/secure-session does.
 * Members are read, never looked for with `in`: a session may be a proxy that answers to reading only.
 */
export function hasSignedInSession ({ session }: object & { readonly session?: unknown }): boolean {
  if (typeof session !== 'object' || session === null) return false
  const get: unknown = Reflect.get(session, 'get')
  return Boolean(Reflect.get(session, 'userId') ?? Reflect.get(session, 'user') ?? (typeof get === 'function' ? get.call(session, 'user') : undefined))
}
