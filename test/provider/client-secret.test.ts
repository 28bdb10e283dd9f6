import { randomBytes, scryptSync } from 'node:crypto'
import t from 'tap'
import { ClientSecrets } from '../../lib/provider/client-secret.js'

/** The whole answer. */
const fits = async (secrets: ClientSecrets, presented: string, stored: readonly string[]): Promise<boolean> => await secrets.fitsAtOnce([presented], stored) || await secrets.fitsImported([presented], stored)

const keys = new Map([['k1', randomBytes(32)], ['k2', randomBytes(32)]])
const ring = (current: string) => ({ current: () => ({ keyId: current, key: keys.get(current) ?? Buffer.alloc(32) }), find: async (_label: string, id: string) => keys.get(id) ?? null })

t.test('security 35: a client secret is shown once and kept as a hash under the store\'s key, which may be replaced', async (t) => {
  const before = new ClientSecrets({ keyRing: ring('k1') })
  const { secret, stored } = before.generate()
  t.match(secret, /^[\w-]{43}$/)
  t.match(stored, /^hmac\.k1\.[\w-]{43}$/)
  t.notOk(stored.includes(secret))
  t.not(before.generate().secret, secret)
  const after = new ClientSecrets({ keyRing: ring('k2') })
  t.equal(await fits(after, secret, [stored]), true, 'with the data key it was made under')
  const rotated = after.generate()
  t.match(rotated.stored, /^hmac\.k2\./)
  for (const one of [secret, rotated.secret]) t.equal(await fits(after, one, [stored, rotated.stored]), true, 'two at a time')
  t.same(await Promise.all([fits(after, secret, []), fits(after, secret, [rotated.stored]), fits(after, '', [stored]), fits(after, `${secret}x`, [stored]), fits(after, secret, ['hmac.k9.x', 'plain', secret])]), [false, false, false, false, false])
  t.equal(await fits(after, '', []), false)
})

t.test('an imported secret is kept by scrypt, and its slow check is remembered', async (t) => {
  let derived = 0
  const derive = async (secret: string, salt: Buffer): Promise<Buffer> => {
    derived++
    return scryptSync(secret, salt, 32, { N: 16_384, r: 8, p: 1 })
  }
  const secrets = new ClientSecrets({ keyRing: ring('k1'), derive, remember: 1 })
  const [stored, other] = [await new ClientSecrets({ keyRing: ring('k1') }).import('pässword'), await secrets.import('other')]
  t.match(stored, /^scrypt\.[\w-]{22}\.[\w-]{43}$/)
  t.not(await secrets.import('pässword'), stored, 'salted')
  derived = 0
  const uses = [['pässword', stored, true, 1], ['pässword', stored, true, 1], ['password', stored, false, 2], ['password', stored, false, 3], ['pässword', stored, true, 3], ['other', other, true, 4], ['other', other, true, 4], ['pässword', stored, true, 5]] as const
  for (const [presented, form, right, count] of uses) {
    t.equal(await fits(secrets, presented, [form]), right)
    t.equal(derived, count, 'only what is right is remembered, and only the last ones')
  }
})

t.test('what a generated secret was found to be is remembered, for the form it was compared with', async (t) => {
  let found = 0
  const { current, find } = ring('k1')
  const secrets = new ClientSecrets({
    keyRing: {
      current,
      find: async (label, id) => {
        found++
        return await find(label, id)
      }
    },
    remember: 1
  })
  const [one, other] = [secrets.generate(), secrets.generate()]
  const uses = [[one.secret, one, true, 1], [one.secret, one, true, 1], [one.secret, other, false, 2], [`${one.secret}x`, one, false, 3], [one.secret, one, true, 3], [other.secret, other, true, 4], [one.secret, one, true, 5]] as const
  for (const [presented, { stored }, right, count] of uses) {
    t.equal(await secrets.fitsAtOnce([presented], [stored]), right)
    t.equal(found, count)
  }
})
