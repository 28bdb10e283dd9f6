import type { HeaderPlace, WebhookSource } from './webhook-source.js'

/** The head of a request, as Node gives it. */
export interface RequestHead {
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  readonly rawHeaders: readonly string[]
}

/** What the headers say, when they say what they must. */
export interface SignedHeaders {
  readonly signature: string
  /** The time of sending as it was written, or null when the source sends none. */
  readonly timestamp: string | null
  readonly deliveryId: string | null
}

/** Why a request is refused: for the log, never for the caller. */
export type RefusalReason = 'unknown_source' | 'no_secret' | 'method_without_body' | 'signature_missing' | 'signature_repeated' | 'signature_malformed' | 'signature_wrong' |
  'timestamp_missing' | 'timestamp_repeated' | 'timestamp_malformed' | 'timestamp_outside_tolerance' | 'delivery_id_missing' | 'delivery_id_repeated' | 'delivery_id_malformed'

const seconds = /^\d{1,11}$/
/** No comma and no blank: Node joins several headers of one name by both. */
const deliveryId = /^[\x21-\x2b\x2d-\x7e]{1,255}$/

/** Reads what a source signs by, before anything of the body is read. @param now milliseconds since 1970 */
export function readSignedHeaders ({ signature, timestamp, delivery }: WebhookSource<never>, head: RequestHead, now: number): SignedHeaders | RefusalReason {
  const signed = oneValue(head, signature)
  if (signed === null || signed === 'repeated') return signed === null ? 'signature_missing' : 'signature_repeated'
  const text = signed.value.slice(signature.prefix.length)
  if (!signed.value.startsWith(signature.prefix) || !signature.form.test(text)) return 'signature_malformed'

  const sent = timestamp === null ? null : oneValue(head, timestamp)
  if (timestamp !== null) {
    if (sent === null || sent === 'repeated') return sent === null ? 'timestamp_missing' : 'timestamp_repeated'
    if (!seconds.test(sent.value)) return 'timestamp_malformed'
    if (Math.abs(now - Number(sent.value) * 1000) > timestamp.toleranceMs) return 'timestamp_outside_tolerance'
  }

  const id = delivery === null ? null : oneValue(head, delivery)
  if (delivery !== null) {
    if (id === null || id === 'repeated') return id === null ? 'delivery_id_missing' : 'delivery_id_repeated'
    if (!deliveryId.test(id.value)) return 'delivery_id_malformed'
  }
  return { signature: text, timestamp: valueOf(sent), deliveryId: valueOf(id) }
}

type Found = { readonly value: string } | 'repeated' | null

/** The value of a header that is there once. Two of one name are joined by Node, and refused for their form; those it would drop are counted. */
function oneValue ({ headers, rawHeaders }: RequestHead, { name, counted }: HeaderPlace): Found {
  const value = headers[name]
  if (value === undefined || value === '') return null
  if (typeof value !== 'string' || (counted && occurrences(rawHeaders, name) > 1)) return 'repeated'
  return { value }
}

function occurrences (rawHeaders: readonly string[], name: string): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length
}

function valueOf (found: Found): string | null {
  return found === null || found === 'repeated' ? null : found.value
}
