const quote = 0x22
const backslash = 0x5c

/**
 * JSON text without the whitespace outside of its strings (RFC 8259 §2), every other byte as it was: numbers and escapes are not read.
 * One pass, whatever the bytes are. null when there was none.
 */
export function minifyJson (chunks: readonly Uint8Array[]): Buffer | null {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const minified = Buffer.allocUnsafe(length)
  let end = 0
  let inString = false
  let escaped = false
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0
      if (inString) {
        if (escaped) escaped = false
        else if (byte === backslash) escaped = true
        else if (byte === quote) inString = false
      } else if (byte === quote) {
        inString = true
      } else if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        continue
      }
      minified[end++] = byte
    }
  }
  return end === length ? null : minified.subarray(0, end)
}
