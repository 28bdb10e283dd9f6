import type { Readable } from 'node:stream'
import type { ResponseHeaders } from './response-headers.js'

/** A request as it goes out. */
export interface OutgoingRequest {
  readonly method: string
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: OutgoingBody | null
  /** Ends the request, and the answer's body. */
  readonly signal: AbortSignal
}

/** A stream of bytes is read as the peer takes them. */
export type OutgoingBody = string | AsyncIterable<Uint8Array>

/** The start of an answer. */
export interface AnswerHead { readonly status: number, readonly headers: ResponseHeaders }

/** The answer to one request. */
export interface PeerAnswer extends AnswerHead {
  /** Unpacked. Read it to its end, and the connection is used again; `discard` it, and what is left is not fetched. */
  readonly body: Readable
}

/** Sends one request, and follows no redirect. Rejects when there was no answer; with a TypeError that has no cause when the request is none that could be sent. */
export type Transport = (url: URL, request: OutgoingRequest) => Promise<PeerAnswer>

/** Lets go of a body that nobody wants, however its connection ends. */
export function discard (body: Readable): void {
  body.on('error', () => {}).destroy()
}
