import type { Readable } from 'node:stream'
import type { ResponseHeaders } from './response-headers.js'

/** A request as it goes out. */
export interface OutgoingRequest {
  readonly method: string
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: OutgoingBody | null
  /** Ends the request, and the answer's body, with its reason. */
  readonly signal: AbortSignal
}

/** A stream of bytes is read as the peer takes them. */
export type OutgoingBody = string | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array>

/** The answer to one request. */
export interface PeerAnswer {
  readonly status: number
  readonly headers: ResponseHeaders
  /** Unpacked. Read it to its end, and the connection is used again; destroy it, and what is left is not fetched. */
  readonly body: Readable
}

/**
 * What sends requests: one at a time, without following redirects. Rejects when there was no answer; with a TypeError that has no cause when the request is
 * none that could be sent.
 */
export type Transport = (url: URL, request: OutgoingRequest) => Promise<PeerAnswer>

export function isStream (body: OutgoingBody): body is AsyncIterable<Uint8Array> {
  return typeof body !== 'string' && !(body instanceof Uint8Array)
}
