import { createHmac, timingSafeEqual } from 'node:crypto'
import { minifyJson } from './minified-json.js'
import type { SignedHeaders } from './signed-headers.js'
import type { WebhookSource } from './webhook-source.js'

/** Whether one of the secrets makes the signature out of the body, whose bytes are taken as they came. */
export function isSigned (source: WebhookSource<never>, { signature, timestamp }: SignedHeaders, secrets: readonly string[], chunks: readonly Uint8Array[]): boolean {
  const before = source.timestamp === null || timestamp === null ? '' : source.timestamp.prefix + timestamp + source.timestamp.separator
  const given = Buffer.from(signature, 'latin1')
  const fits = (body: readonly Uint8Array[]): boolean => secrets.some((secret) => {
    const hmac = createHmac(source.algorithm, secret)
    if (before !== '') hmac.update(before)
    for (const chunk of body) hmac.update(chunk)
    const expected = Buffer.from(hmac.digest(source.encoding), 'latin1')
    return expected.length === given.length && timingSafeEqual(expected, given)
  })
  if (fits(chunks)) return true
  const minified = source.minified ? minifyJson(chunks) : null
  return minified !== null && fits([minified])
}
