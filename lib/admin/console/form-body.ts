import { invalidRequest } from '../invalid-request.js'

/** What a form sent, each field once: a browser that is shown our forms sends none twice (security.md 32). @throws DWA_ADMIN_INVALID_REQUEST */
export function readForm (body: string): ReadonlyMap<string, string> {
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(body)) {
    if (form.has(name)) throw invalidRequest(name.slice(0, 100), 'must be given once')
    form.set(name, value)
  }
  return form
}
