import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isSpecialAddress } from './private-address.js'

export interface FetchJsonOptions {
  /** Milliseconds for the whole exchange, the last byte of the body included. */
  readonly timeoutMs: number
  /** Bytes of body. */
  readonly maxBytes: number
  /** Whether the host may resolve to a private, loopback or otherwise special address. */
  readonly allowSpecialAddress: boolean
}

/**
 * GETs a JSON document from a fixed URL: no redirects, no compression, bounded in time and size, fresh connection.
 * The address that was checked is the address that is connected to, so a name cannot be rebound in between.
 * @throws Error with a one-line message that holds no part of the answer's body
 */
export async function fetchJson (url: URL, options: FetchJsonOptions): Promise<unknown> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !options.allowSpecialAddress && isSpecialAddress(host)) throw new Error(`address ${host} is not global`)
  const signal = AbortSignal.timeout(options.timeoutMs)
  try {
    const response = await send(url, {
      method: 'GET',
      headers: { accept: 'application/json, application/*+json;q=0.9', 'accept-encoding': 'identity', connection: 'close' },
      agent: false,
      signal,
      ...(options.allowSpecialAddress ? {} : { lookup: lookupGlobal })
    })
    try {
      return await readJson(response, options.maxBytes)
    } finally {
      response.destroy()
    }
  } catch (error) {
    throw signal.aborted ? new Error(`no complete answer within ${options.timeoutMs} ms`, { cause: error }) : error
  }
}

function send (url: URL, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestHttps(url, options, resolve) : requestHttp(url, options, resolve)
    request.on('error', reject)
    request.end()
  })
}

async function readJson (response: IncomingMessage, maxBytes: number): Promise<unknown> {
  if (response.statusCode !== 200) throw new Error(`answered with status ${response.statusCode}`)
  if (response.headers['content-encoding'] !== undefined) throw new Error('answered compressed')
  const type = response.headers['content-type']?.split(';', 1).at(0)?.trim().toLowerCase() ?? ''
  if (!/^application\/(json|[a-z0-9.-]+\+json)$/.test(type)) throw new Error('answered with another media type than JSON')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`answered with more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new Error('answered with malformed JSON') // without the cause: it quotes the body
  }
}

/** A DNS look-up that fails when one of the addresses is not global. */
export const lookupGlobal: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => {
    const special = error === null ? addresses.find(({ address }) => isSpecialAddress(address)) : undefined
    const failure = error ?? (special === undefined ? null : new Error(`${hostname} resolves to ${special.address}, which is not global`))
    if (failure !== null) return callback(failure, '')
    const { address = '', family } = addresses[0] ?? {}
    return options.all === true ? callback(null, addresses) : callback(null, address, family)
  })
}
