import { createHmac, timingSafeEqual } from 'node:crypto'
import { minifyJson } from './minified-json.js'
import type { SignedHeaders } from './signed-headers.js'
import type { WebhookSource } from './webhook-source.js'

/** The secret that makes the signature out of the body, whose bytes are taken as they came; null when none does. */
export function signingSecret (source: WebhookSource<never>, { signature, timestamp }: SignedHeaders, secrets: readonly string[], chunks: readonly Uint8Array[]): string | null {
  const before = source.timestamp === null || timestamp === null ? '' : source.timestamp.prefix + timestamp + source.timestamp.separator
  const given = Buffer.from(signature, 'latin1')
  const maker = (body: readonly Uint8Array[]): string | null => secrets.find((secret) => {
    const hmac = createHmac(source.algorithm, secret)
    if (before !== '') hmac.update(before)
    for (const chunk of body) hmac.update(chunk)
    const expected = Buffer.from(hmac.digest(source.encoding), 'latin1')
    return expected.length === given.length && timingSafeEqual(expected, given)
  }) ?? null
  const secret = maker(chunks)
  if (secret !== null) return secret
  const minified = source.minified ? minifyJson(chunks) : null
  return minified === null ? null : maker([minified])
}
