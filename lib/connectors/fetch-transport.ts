import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import type { ResponseHeaders } from './response-headers.js'
import type { OutgoingBody, Transport } from './transport.js'

/** Requests through a fetch that the app gave. */
export function fetchTransport (fetch: typeof globalThis.fetch): Transport {
  return async (url, { method, headers, body, signal }) => {
    const init = { method, headers, redirect: 'manual', signal } as const
    const answer = await fetch(url.href, body === null ? init : { ...init, ...bodyInit(body) })
    return { status: answer.status, headers: plainHeaders(answer.headers), body: answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body) }
  }
}

/** A fetch that may be redirected keeps all that was sent of a stream in memory; one that is given an iterable copies every piece. */
function bodyInit (body: OutgoingBody): RequestInit {
  return typeof body === 'string' ? { body } : { body: ReadableStream.from(body), duplex: 'half', redirect: 'error' }
}

function plainHeaders (headers: Headers): ResponseHeaders {
  const plain: IncomingHttpHeaders = Object.fromEntries(headers)
  if (plain['set-cookie'] !== undefined) plain['set-cookie'] = headers.getSetCookie()
  return plain
}
