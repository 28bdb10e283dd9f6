import { Agent, request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { pipeline, Readable, type Duplex } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { discard, type OutgoingBody, type OutgoingRequest, type PeerAnswer, type Transport } from './transport.js'

/** Idle connections are given up after 4 s, before servers that keep them for the usual 5 close them; earlier where a server says that it keeps them for less. */
const idle = { keepAlive: true, timeout: 4000 }
const plainAgent = new Agent(idle)
const tlsAgent = new TlsAgent(idle)

/** Methods that Node sends in ways of their own, or that ask for no answer of an API. */
const refusedMethods: ReadonlySet<string> = new Set(['', 'CONNECT', 'TRACE', 'TRACK'])
/** Headers by which the two ends of a connection agree where a message ends, and when it is sent. */
const connectionHeaders = ['connection', 'expect', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'] as const

/** Requests by Node's own client, over connections that are kept for the next. */
export const nodeTransport: Transport = (url, request) => new Promise((resolve, reject) => {
  const { method, body, signal } = request
  signal.throwIfAborted()
  const outgoing = url.protocol === 'https:' ? requestHttps(url, optionsOf(request, tlsAgent)) : requestHttp(url, optionsOf(request, plainAgent))
  signal.addEventListener('abort', () => { outgoing.destroy(new Error('the request was ended', { cause: signal.reason })) }, { once: true })
  outgoing.on('error', (error) => {
    Reflect.deleteProperty(error, 'rawPacket') // all that was received, whatever it repeats
    reject(error)
  })
  outgoing.on('close', () => { reject(new Error('the connection was closed without an answer')) }) // 101, which nobody asked for, is neither an answer nor an error
  outgoing.on('response', (incoming) => {
    if (body !== null) incoming.on('close', () => { if (!outgoing.writableFinished) outgoing.destroy() }) // it was answered before all of it was sent
    resolve(answerOf(method, incoming))
  })
  if (body === null || typeof body === 'string') outgoing.end(body)
  else pipeline(checked(body, request.headers['content-length'], reject), outgoing, () => {})
})

/** @throws TypeError */
function optionsOf ({ method, headers, body }: OutgoingRequest, agent: Agent): RequestOptions {
  if (refusedMethods.has(method)) throw new TypeError('a method that is no request to an API')
  if (body !== null && (method === 'GET' || method === 'HEAD')) throw new TypeError('a GET has no body')
  for (const name of connectionHeaders) if (name in headers) throw new TypeError('a header that belongs to the connection')
  const { 'content-length': length, ...others } = headers
  return { method, headers: { 'accept-encoding': 'gzip, br', ...others, ...framing(body, length) }, agent }
}

/** How the peer is told where the body ends (RFC 9112 §6): never by the caller alone, since what is left over would be taken for the next request. @throws TypeError */
function framing (body: OutgoingBody | null, length: string | undefined): Readonly<Record<string, string>> {
  if (body === null) return {}
  if (typeof body === 'string') return { 'content-length': String(Buffer.byteLength(body)) }
  if (length === undefined) return { 'transfer-encoding': 'chunked' }
  if (!/^\d{1,15}$/.test(length)) throw new TypeError('a length that is no number of bytes')
  return { 'content-length': length }
}

/** A body that is as long as it was said to be. What it fails with is told to `onFailure`: a request that is given up for it says only that it was closed. */
async function * checked (body: AsyncIterable<Uint8Array>, length: string | undefined, onFailure: (error: unknown) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0
  try {
    for await (const piece of body) {
      bytes += piece.length
      if (length !== undefined && bytes > Number(length)) break
      yield piece
    }
    if (length !== undefined && bytes !== Number(length)) throw new TypeError('the body is not as long as its header says')
  } catch (error) {
    onFailure(error)
    throw error
  }
}

function answerOf (method: string, incoming: IncomingMessage): PeerAnswer {
  const { statusCode: status = 0, headers } = incoming
  const encoding = method === 'HEAD' || status === 204 || status === 304 ? undefined : headers['content-encoding']
  return { status, headers, body: encoding === undefined ? incoming : unpacked(incoming, encoding) }
}

type Decoder = () => Duplex
const decoders: ReadonlyMap<string, Decoder> = new Map([['gzip', createGunzip], ['x-gzip', createGunzip], ['deflate', createInflate], ['br', createBrotliDecompress]])
/** A few bytes in many layers unpack to very much. */
const maxLayers = 5

/** The body without its packing (RFC 9110 §8.4); as it is when it is packed in a way that is not known. */
function unpacked (incoming: IncomingMessage, encoding: string): Readable {
  const names = encoding.toLowerCase().split(',')
  const layers = names.flatMap((name) => decoders.get(name.trim()) ?? [])
  if (names.length > maxLayers || layers.length < names.length) return incoming
  return Readable.from(unpack(incoming, layers), { objectMode: false }).on('close', () => { discard(incoming) })
}

/** Nothing at all is not packed: no decoder takes it. */
async function * unpack (incoming: AsyncIterable<Uint8Array>, layers: readonly Decoder[]): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = incoming[Symbol.asyncIterator]()
  const first = await chunks.next()
  if (first.done === true) return
  const packed = Readable.from(joined(first.value, chunks), { objectMode: false })
  yield * layers.reduceRight<Readable>((stream, decoder) => pipeline(stream, decoder(), () => {}), packed) // what fails is told by the last of them
}

async function * joined<Item> (first: Item, others: AsyncIterator<Item>): AsyncGenerator<Item, void, undefined> {
  yield first
  yield * { [Symbol.asyncIterator]: () => others }
}
