import { randomFillSync } from 'node:crypto'

/** One call of the system's generator takes as long for 32 bytes as for a few thousand. */
const poolBytes = 4096

const pool = Buffer.alloc(poolBytes)
let used = poolBytes

/**
 * Random bytes of the system's generator, fetched in advance: for tokens, of which a busy process issues thousands a second.
 * None is handed out twice, and what was handed out is gone from the pool.
 */
export function randomBytes (size: number): Buffer {
  if (size > poolBytes) return randomFillSync(Buffer.alloc(size))
  if (used + size > poolBytes) {
    randomFillSync(pool)
    used = 0
  }
  const taken = pool.subarray(used, used + size)
  const bytes = Buffer.alloc(size)
  taken.copy(bytes)
  taken.fill(0)
  used += size
  return bytes
}
