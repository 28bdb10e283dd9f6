/** Characters of the end that count: of a token, all of its signature, or random. */
const tailLength = 12

/**
 * A number by which a Map finds a text at a fraction of what hashing the whole would cost, and without allocating: 30 bits of FNV-1a over its end.
 * Two texts may have the same: whoever finds one by it compares the whole.
 */
export function textPrint (text: string): number {
  let hash = 0x811c9dc5
  for (let at = Math.max(0, text.length - tailLength); at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash & 0x3fffffff
}
