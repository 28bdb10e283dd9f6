import t from 'tap'
import { randomBytes } from '../../lib/provider/random-pool.js'

t.test('random bytes are handed out once, and as copies', async (t) => {
  const given = Array.from({ length: 1000 }, () => randomBytes(32))
  t.equal(new Set(given.map((bytes) => bytes.toString('hex'))).size, 1000)
  const [first = Buffer.alloc(0)] = given
  const before = first.toString('hex')
  t.equal(first.buffer.byteLength, 32, 'no part of a slab that others see')
  for (const size of [0, 1, 4096, 4097]) t.equal(randomBytes(size).length, size)
  for (const size of [32, 4096, 4097]) t.ok(randomBytes(size).some((byte) => byte !== 0), 'not what was wiped')
  t.equal(first.toString('hex'), before)
})
