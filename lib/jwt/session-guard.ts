/** The default of `isSessionAuthenticated`: a user id or user in the session, as @fastify/session and @fastify/secure-session keep them. */
export function hasSignedInSession (request: object): boolean {
  const session: unknown = 'session' in request ? request.session : undefined
  if (typeof session !== 'object' || session === null) return false
  const userId = 'userId' in session ? session.userId : undefined
  const user = 'user' in session ? session.user : undefined
  const stored: unknown = 'get' in session && typeof session.get === 'function' ? session.get('user') : undefined
  return Boolean(userId ?? user ?? stored)
}
