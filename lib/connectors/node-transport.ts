import { Agent, request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { pipeline, type Duplex, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { isStream, type OutgoingRequest, type PeerAnswer, type Transport } from './transport.js'

/** Idle connections are given up after 4 s, before servers that keep them for the usual 5 close them; earlier where a server says that it keeps them for less. */
const idle = { keepAlive: true, timeout: 4000, scheduling: 'lifo' } as const
const plainAgent = new Agent(idle)
const tlsAgent = new TlsAgent(idle)

/** Requests by Node's own client, over connections that are kept for the next: a third of what fetch costs. */
export const nodeTransport: Transport = (url, request) => new Promise((resolve, reject) => {
  const { method, body, signal } = request
  signal.throwIfAborted()
  if (body !== null && (method === 'GET' || method === 'HEAD')) throw new TypeError('a GET has no body')
  if (method === '' || method === 'CONNECT' || method === 'TRACE') throw new TypeError('a method that is no request to an API')
  for (const name of framing) if (name in request.headers) throw new TypeError('a header that belongs to the connection')
  const outgoing = url.protocol === 'https:' ? requestHttps(url, optionsOf(request, tlsAgent)) : requestHttp(url, optionsOf(request, plainAgent))
  signal.addEventListener('abort', () => { outgoing.destroy(new Error('The request was ended', { cause: signal.reason })) }, { once: true })
  outgoing.on('error', reject)
  outgoing.on('close', () => { reject(new Error('The connection was closed without an answer')) }) // 101, which nobody asked for, is neither an answer nor an error
  outgoing.on('response', (incoming) => {
    if (body !== null && isStream(body)) incoming.on('close', () => { if (!outgoing.writableFinished) outgoing.destroy() }) // it was answered before all of it was sent
    resolve(answerOf(method, incoming))
  })
  if (body === null || !isStream(body)) outgoing.end(body)
  else pipeline(told(checked(body, request.headers['content-length']), reject), outgoing, () => {})
})

/** Headers by which the two ends of a connection tell where a message ends. */
const framing = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'] as const

function optionsOf ({ method, headers, body }: OutgoingRequest, agent: Agent): RequestOptions {
  const length = body === null || isStream(body) ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  return { method, headers: { 'accept-encoding': 'gzip, br', ...headers, ...length }, agent }
}

/** Tells what a body fails with: a request that is given up for it says only that it was closed. */
async function * told (body: AsyncIterable<Uint8Array>, onFailure: (error: unknown) => void): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield * body
  } catch (error) {
    onFailure(error)
    throw error
  }
}

/** A body that is as long as it was said to be: of more, the peer would take the rest for the next request; for less, it would wait for ever. */
async function * checked (body: AsyncIterable<Uint8Array>, length: string | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (length !== undefined && bytes > Number(length)) break
    yield piece
  }
  if (length !== undefined && bytes !== Number(length)) throw new TypeError('the body is not as long as its header says')
}

function answerOf (method: string, incoming: IncomingMessage): PeerAnswer {
  const { statusCode: status = 0, headers } = incoming
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304 && headers['content-length'] !== '0'
  return { status, headers, body: hasBody ? unpacked(incoming, headers['content-encoding']) : incoming }
}

const decoders: ReadonlyMap<string, () => Duplex> = new Map([['gzip', createGunzip], ['x-gzip', createGunzip], ['deflate', createInflate], ['br', createBrotliDecompress]])
/** Layers that a body may be packed in. */
const maxLayers = 5

/** The body without its packing (RFC 9110 §8.4); as it is when it is packed in a way that is not known. */
function unpacked (incoming: Readable, encoding: string | undefined): Readable {
  if (encoding === undefined) return incoming
  const layers = encoding.toLowerCase().split(',').map((name) => decoders.get(name.trim())).reverse()
  if (layers.length > maxLayers || layers.includes(undefined)) return incoming
  return layers.reduce((packed, decoder) => decoder === undefined ? packed : pipeline(packed, decoder(), () => {}), incoming) // what fails is told by the last of them
}
