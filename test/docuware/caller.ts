/** Where the app says it is, and who calls it: whoever the header `x-roles` says. */
export const publicUrl = 'http://127.0.0.1:3000'

export const rolesOf = (request: { readonly headers: { readonly [name: string]: unknown } }) => {
  const roles = request.headers['x-roles']
  return typeof roles === 'string' ? { id: 'u1', name: 'Ann', roles: roles.split(',') } : null
}

/** The header of a caller with the role `docuware`. */
export const asDocuware = { 'x-roles': 'docuware' }

/** What a browser sends back of the cookies of an answer. */
export function cookieOf ({ headers }: { readonly headers: { readonly [name: string]: unknown } }): string {
  return [headers['set-cookie'] ?? []].flat().map((cookie) => String(cookie).split(';', 1).at(0)).join('; ')
}
