/**
 * Whether something is a path on this site and nothing else: it begins with one slash, and no reading of it, by whatever browser, leaves the origin.
 * Not `//host`, `/\host`, `/..//host` (which is `//host` once it is resolved), a scheme, control characters or blanks.
 */
export function isLocalPath (text: unknown): text is string {
  if (typeof text !== 'string' || text.length > 2048 || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(text)) return false
  const base = 'https://local.invalid'
  if (!URL.canParse(text, base)) return false
  const { origin, pathname } = new URL(text, base)
  return origin === base && !pathname.startsWith('//')
}
