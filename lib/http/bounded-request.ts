import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isSpecialAddress } from './private-address.js'
import { TimeLimit } from './time-limit.js'

export interface BoundedRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Milliseconds for the whole exchange, the last byte of the body included. */
  readonly timeoutMs: number
  /** Bytes of the answer's body. */
  readonly maxBytes: number
  /** Whether the host may resolve to a private, loopback or otherwise special address. */
  readonly allowSpecialAddress: boolean
  /** Looks at the head of the answer before its body is read; throws to refuse it. */
  readonly inspect?: (status: number, headers: IncomingHttpHeaders) => void
  readonly signal?: AbortSignal
}

export interface BoundedResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * One HTTP exchange with a fixed URL: no redirects, no compression, bounded in time and size, fresh connection.
 * The address that was checked is the address that is connected to, so a name cannot be rebound in between.
 * @throws Error with a one-line message that holds no part of the answer's body; one whose message names a host or an address has a `code`, a connection's own
 */
export async function requestBounded (url: URL, options: BoundedRequest): Promise<BoundedResponse> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !options.allowSpecialAddress && isSpecialAddress(host)) throw specialAddress(`address ${host} is not global`)
  const limit = new TimeLimit(options.timeoutMs)
  const signal = options.signal === undefined ? limit.signal : AbortSignal.any([limit.signal, options.signal])
  const { body } = options
  try {
    const response = await send(url, {
      method: options.method ?? 'GET',
      headers: { ...options.headers, 'accept-encoding': 'identity', connection: 'close', ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }) },
      agent: false,
      signal,
      ...(options.allowSpecialAddress ? {} : { lookup: lookupGlobal })
    }, body, limit)
    try {
      const { statusCode: status = 0, headers } = response
      options.inspect?.(status, headers)
      if (headers['content-encoding'] !== undefined) throw new Error('answered compressed')
      return { status, headers, body: await readBounded(response, options.maxBytes) }
    } finally {
      response.destroy()
    }
  } catch (error) {
    throw limit.signal.aborted ? new Error(`no complete answer within ${options.timeoutMs} ms`, { cause: error }) : error
  } finally {
    limit.end()
  }
}

/** Whether a Content-Type is one of JSON (RFC 8259 §11, RFC 6839 §3.1). */
export function isJsonType (contentType: string | undefined): boolean {
  return /^application\/(json|[a-z0-9.-]+\+json)$/.test(contentType?.split(';', 1).at(0)?.trim().toLowerCase() ?? '')
}

function send (url: URL, options: RequestOptions, body: string | undefined, limit: TimeLimit): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestHttps(url, options, resolve) : requestHttp(url, options, resolve)
    limit.of(request)
    request.on('error', reject)
    request.on('close', () => { reject(new Error('closed without an answer')) }) // 101, which nobody asked for, is neither an answer nor an error
    request.end(body)
  })
}

async function readBounded (response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`answered with more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A DNS look-up that fails when one of the addresses is not global. */
export const lookupGlobal: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => {
    const special = error === null ? addresses.find(({ address }) => isSpecialAddress(address)) : undefined
    const failure = error ?? (special === undefined ? null : specialAddress(`${hostname} resolves to ${special.address}, which is not global`))
    if (failure !== null) return callback(failure, '')
    const { address = '', family } = addresses[0] ?? {}
    return options.all === true ? callback(null, addresses) : callback(null, address, family)
  })
}

function specialAddress (message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_SPECIAL_ADDRESS' })
}
