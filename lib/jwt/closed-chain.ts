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
