import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const salt = Buffer.from('fastify-docuware-auth')

/** 32 bytes for one purpose, by HKDF-SHA-256 (RFC 5869) with `label` as info. */
export function deriveKey (secret: Buffer, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, label, 32))
}

/** AES-256-GCM: `<iv>.<ciphertext>.<tag>`, base64url. `binding` is authenticated, not stored. */
export function sealText (plain: Buffer, key: Buffer, binding: string): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(binding))
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
  return [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url')).join('.')
}

/** @returns null when it was not made by `sealText` with this key and binding, or was altered since */
export function openText (sealed: string, key: Buffer, binding: string): Buffer | null {
  const [iv, ciphertext, tag, ...rest] = sealed.split('.').map((part) => Buffer.from(part, 'base64url'))
  if (iv?.length !== 12 || ciphertext === undefined || tag?.length !== 16 || rest.length > 0) return null
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAAD(Buffer.from(binding)).setAuthTag(tag)
  const start = decipher.update(ciphertext)
  try {
    return Buffer.concat([start, decipher.final()])
  } catch {
    return null // the one thing final() reports: the tag does not fit
  }
}
