/**
 * `nextValidator` as it is kept: by id for a stored validator, so that it survives a rename,
 * by name for a code-declared one, whose name cannot change.
 */
export type NextLink = { readonly id: string } | { readonly name: string }

export function writeLink (link: NextLink): string {
  return 'id' in link ? `id:${link.id}` : `code:${link.name}`
}

/** Reads what writeLink wrote. */
export function readLink (text: string): NextLink {
  const value = text.slice(text.indexOf(':') + 1)
  return text.startsWith('id:') ? { id: value } : { name: value }
}

/**
 * Follows the links from a validator that is being saved.
 * @returns the names from it back to itself when they form a closed chain, else null
 */
export async function findClosedChain (saved: string, first: string | undefined, next: (name: string) => Promise<string | undefined>): Promise<string[] | null> {
  const path = [saved]
  for (let name = first; name !== undefined; name = await next(name)) {
    if (path.indexOf(name, 1) > 0) return null // a circle further down that this save does not close
    path.push(name)
    if (name === saved) return path
  }
  return null
}
