import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { responseHeaders } from './response-headers.js'
import { isStream, type OutgoingBody, type Transport } from './transport.js'

/** Requests through a fetch that the app gave. */
export function fetchTransport (fetch: typeof globalThis.fetch): Transport {
  return async (url, { method, headers, body, signal }) => {
    const init = { method, headers, redirect: 'manual', signal } as const
    const answer = await fetch(url.href, body === null ? init : { ...init, ...bodyInit(body) })
    return {
      status: answer.status,
      headers: responseHeaders(answer.headers),
      body: answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body as NodeReadableStream)
    }
  }
}

/** A fetch that may be redirected keeps all that was sent of a stream in memory. */
function bodyInit (body: OutgoingBody): RequestInit {
  return isStream(body) ? { body: webStream(body), duplex: 'half', redirect: 'error' } : { body }
}

/** From an iterable fetch would make a stream too, and copy every piece. */
function webStream (body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull (controller) {
      const { done, value } = await pieces.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    async cancel () { await pieces.return?.() }
  }, { highWaterMark: 0 })
}
