import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { packageVersion } from '../version.js'

/** Milliseconds for the whole exchange. */
const timeoutMs = 5000

/**
 * POSTs an envelope: a connection of its own, closed afterwards, no redirects, no proxy from the environment.
 * @throws Error when there is no answer within 5 s, or `signal` aborts
 */
export async function postEnvelope (url: string, body: string | Uint8Array, signal: AbortSignal): Promise<IncomingMessage> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await send(new URL(url), body, AbortSignal.any([signal, timeout]))
    response.resume().on('error', () => {}) // what it says beside its head interests nobody
    return response
  } catch (error) {
    throw timeout.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause: error }) : error
  }
}

function send (url: URL, body: string | Uint8Array, signal: AbortSignal): Promise<IncomingMessage> {
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    signal,
    headers: { 'content-type': 'application/x-sentry-envelope', 'content-length': Buffer.byteLength(body), 'user-agent': `fastify-docuware-auth/${packageVersion}`, connection: 'close' }
  }
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestHttps(url, options, resolve) : requestHttp(url, options, resolve)
    request.on('error', reject)
    request.on('close', () => { reject(new Error('closed without an answer')) }) // 101, which nobody asked for, is neither an answer nor an error
    request.end(body)
  })
}
