import { errors } from '../errors.js'
import { deriveKey, openText, sealText } from './cipher.js'

/** A data key as the key ring keeps it. */
export interface WrappedKey {
  readonly id: string
  readonly wrapped: string
  /** Fingerprint of the master key that wrapped it. */
  readonly wrappedBy: string
  readonly createdAt: Date
}

/** A key from the app's configuration. It wraps data keys and does nothing else. */
export interface MasterKey { readonly fingerprint: string, readonly wrapping: Buffer }

const alphabet = /^[A-Za-z0-9+/_-]+={0,2}$/

/**
 * Reads a master key: at least 32 bytes in base64 or base64url.
 * @param option where it was given, for the error: `store.secretKeys[0]`
 * @throws DWA_OPTIONS_INVALID, which does not repeat the key
 */
export function readMasterKey (text: string, option: string): MasterKey {
  const trimmed = text.trim()
  if (!alphabet.test(trimmed)) throw new errors.DWA_OPTIONS_INVALID(option, 'is not base64')
  const bytes = Buffer.from(trimmed, 'base64')
  if (bytes.length < 32) throw new errors.DWA_OPTIONS_INVALID(option, `is ${bytes.length} bytes long, and at least 32 are needed (make one: openssl rand -base64 32)`)
  return { fingerprint: deriveKey(bytes, 'fingerprint').toString('hex').slice(0, 16), wrapping: deriveKey(bytes, 'wrapping') }
}

/** Wraps a data key for the key ring. */
export function wrapKey (id: string, dataKey: Buffer, master: MasterKey, createdAt: Date): WrappedKey {
  return { id, wrapped: `v1.${sealText(dataKey, master.wrapping, wrapBinding(id))}`, wrappedBy: master.fingerprint, createdAt }
}

/** @returns null when none of the master keys wrapped it */
export function unwrapKey (key: WrappedKey, masters: readonly MasterKey[]): Buffer | null {
  if (!key.wrapped.startsWith('v1.')) return null
  for (const master of masters) {
    const dataKey = openText(key.wrapped.slice(3), master.wrapping, wrapBinding(key.id))
    if (dataKey !== null) return dataKey
  }
  return null
}

function wrapBinding (id: string): string {
  return `fastify-docuware-auth/data-key/${id}`
}
