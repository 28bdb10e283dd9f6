import { createPublicKey, X509Certificate } from 'node:crypto'
import { algorithms, type SecretAlgorithm } from './algorithms.js'

/** Secrets that stand in tutorials, debuggers and word lists, in lower case: as good as none at any length. */
const wellKnown = new Set([
  'secret', 'secretkey', 'secret_key', 'secret-key', 'mysecret', 'my_secret', 'my-secret', 'my_secret_key', 'supersecret', 'super_secret', 'super-secret',
  'topsecret', 'jwtsecret', 'jwt_secret', 'jwt-secret', 'jwt_secret_key', 'jsonwebtoken', 'token', 'key', 'private', 'private_key', 'privatekey', 'hmac', 'hmackey',
  'password', 'passw0rd', 'p@ssw0rd', 'password1', 'password123', 'changeme', 'change_me', 'change-me', 'changeit', 'letmein', 'admin', 'administrator', 'root', 'default',
  'test', 'testing', 'example', 'sample', 'demo', 'dev', 'development', 'none', 'null', 'undefined', 'qwerty', '123456', '12345678', '123456789', '1234567890', 'abc123', 'thesecret',
  'keyboard cat', 'shhhhh', 'shhhhhhared-secret', 'some secret', 'your-secret', 'your_secret', 'your-secret-key', 'your_secret_key', 'your_jwt_secret', 'your-jwt-secret',
  'your-256-bit-secret', 'your-384-bit-secret', 'your-512-bit-secret', 'a-string-secret-at-least-256-bits-long',
  'a-valid-string-secret-that-is-at-least-384-bits-long-which-is-very-very-very-long', 'a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long',
  'a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-very-very-long', 'my-32-character-ultra-secure-and-ultra-long-secret', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  '00000000000000000000000000000000', 'abcdefghijklmnopqrstuvwxyz123456', '0123456789abcdef0123456789abcdef', 'thisisasamplesecretkeyforjwttokens', 'replace-this-with-a-long-random-secret',
  'please-change-this-to-a-long-random-secret', 'change-this-secret-in-production-please', 'insert-a-long-random-secret-here-please'
])

/**
 * Why `secret` must not serve as an HMAC secret, or null when it may: too short (RFC 7518 §3.2), well known,
 * or a public key in disguise (security.md 38, 39: such a validator would accept tokens signed with what everybody can read).
 */
export function findSecretProblem (secret: string, algorithm: SecretAlgorithm, allowShort: boolean): string | null {
  const bytes = Buffer.byteLength(secret)
  const needed = algorithms[algorithm].bytes
  if (bytes === 0) return 'must not be empty'
  if (wellKnown.has(secret.trim().toLowerCase())) return 'is a well-known example secret'
  if (isKeyMaterial(secret)) return 'is a public key or certificate, not a secret'
  if (bytes < needed && !allowShort) return `needs at least ${needed} bytes for ${algorithm}, and has ${bytes}`
  return null
}

function isKeyMaterial (secret: string): boolean {
  if (/-----\s*BEGIN [A-Z0-9 ]+-----/i.test(secret) || /^\W*(ssh-(rsa|dss|ed25519)|ecdsa-sha2-)\S* /i.test(secret)) return true
  const text = secret.replace(/^[\s\uFEFF]+/, '')
  return isJwkJson(text) || isDer(Buffer.from(text, 'latin1')) || isDer(Buffer.from(text.replaceAll(/\s/g, ''), 'base64'))
}

function isJwkJson (text: string): boolean {
  if (!text.startsWith('{') && !text.startsWith('[')) return false
  return /"(kty|keys)"\s*:/.test(text)
}

function isDer (bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false
  return [
    () => createPublicKey({ key: bytes, format: 'der', type: 'spki' }),
    () => createPublicKey({ key: bytes, format: 'der', type: 'pkcs1' }),
    () => new X509Certificate(bytes)
  ].some(succeeds)
}

function succeeds (parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false // not this format is the ordinary answer
  }
}
