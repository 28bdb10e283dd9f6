import { randomBytes } from 'node:crypto'
import t from 'tap'
import { HandledSecrets } from '../lib/store/handled-secrets.js'
import { masterKey, storeApp } from './store-app.js'
import { startTestMongo } from './mongo.js'

const secret = 'p/ä"ss+w=rd & \\ more'

/** Every way in which a text may be written inside another one. */
const spellings: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'in base64': (text) => Buffer.from(text).toString('base64'),
  'in base64url': (text) => Buffer.from(text).toString('base64url'),
  'in base64 after one byte': (text) => Buffer.from(`x${text}yz`).toString('base64'),
  'in base64 after two bytes, as Basic does': (text) => Buffer.from(`id:${text}:`).toString('base64'),
  'in hexadecimal': (text) => Buffer.from(text).toString('hex'),
  'in upper-case hexadecimal': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'in a URL': (text) => encodeURIComponent(text),
  'in a URL, in lower case': (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  'in a form': (text) => new URLSearchParams({ text }).toString(),
  'in a URL in a URL': (text) => encodeURIComponent(encodeURIComponent(text)),
  'in base64 in a URL': (text) => encodeURIComponent(Buffer.from(text).toString('base64')),
  'in JSON': (text) => JSON.stringify({ text }),
  'in JSON in JSON': (text) => JSON.stringify(JSON.stringify({ text })),
  'in JSON of ASCII': (text) => JSON.stringify(text).replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'escaped byte by byte': (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

t.test('a handled secret is found, and taken out, however it is spelled', async (t) => {
  const token = randomBytes(300).toString('base64url')
  for (const text of [secret, token, 'sixsix', 'line one of a key\nline two of it']) {
    const handled = new HandledSecrets()
    handled.add(text)
    for (const [name, spell] of Object.entries(spellings)) {
      const message = `before ${spell(text)} after`
      t.ok(handled.includesIn(message), `${name}: ${text.slice(0, 20)}`)
      const redacted = handled.redact(message)
      t.ok(redacted.includes('[redacted]'), name)
      t.notOk(redacted.includes(spell(text).slice(-10)), `nothing of its end is left: ${name}`)
      t.notOk(handled.includesIn(redacted), name)
    }
  }
})

t.test('what surrounds a secret stays, and a text without one is the same', async (t) => {
  const handled = new HandledSecrets()
  t.equal(handled.redact(`nothing is known yet: ${secret}`), `nothing is known yet: ${secret}`)
  handled.add('first secret')
  handled.add('first secret, and more')
  t.equal(handled.redact('a first secret, and more of it; first secret.'), 'a [redacted] of it; [redacted].')
  for (const text of ['', 'first', 'first-secret', '100 % of \\nothing', 'cut off: fir']) t.equal(handled.redact(text), text)
  t.equal(handled.redact('cut off: first se'), 'cut off: [redacted]', 'its beginning, where the text ends')
})

t.test('short texts are not noted, nor what is none, and only the last ones are', async (t) => {
  const handled = new HandledSecrets(3)
  handled.add(Buffer.from('no text at all') as unknown as string)
  for (const text of ['short', 'secret one', 'secret two', 'secret three', 'secret one', 'secret four']) handled.add(text)
  const kept = ['short', 'secret one', 'secret two', 'secret three', 'secret four'].filter((text) => handled.includesIn(`<${text}>`))
  t.strictSame(kept, ['secret one', 'secret three', 'secret four'], 'the one least lately used makes room')
})

t.test('a thousand secrets and a hundred kilobytes take a moment', async (t) => {
  const handled = new HandledSecrets()
  const secrets = Array.from({ length: 1000 }, () => randomBytes(1000).toString('base64url'))
  for (const one of secrets) handled.add(one)
  const text = `${randomBytes(75_000).toString('base64')} ${secrets[500]}`
  handled.redact('the first time their spellings are worked out')
  const start = performance.now()
  t.ok(handled.redact(text).endsWith('[redacted]'))
  t.ok(performance.now() - start < 1000, `${performance.now() - start} ms`)
})

t.test('the store notes what its key ring encrypts and decrypts', async (t) => {
  const { uri } = await startTestMongo(t)
  const { app } = await storeApp(t, { uri })
  const sealed = await app.store.keyRing.encrypt('client secret 1', 'a/b/c')
  t.ok(app.store.handledSecrets.includesIn('the client secret 1 is wrong'))

  const { app: other } = await storeApp(t, { uri, secretKeys: [masterKey] })
  t.notOk(other.store.handledSecrets.includesIn('client secret 1'))
  await other.store.keyRing.decrypt(sealed, 'a/b/c')
  t.ok(other.store.handledSecrets.includesIn('client secret 1'))
})
