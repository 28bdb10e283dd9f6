import { createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type {} from '@fastify/jwt'
import Fastify, { type FastifyInstance, type onRequestHookHandler } from 'fastify'
import { audience, issuer, type Algorithm } from './credentials.js'
import { masterKey } from './our-app.js'

/** One server to be measured. Every one answers `GET /` with the same small JSON. */
export interface ServerConfig {
  readonly kind: 'bare' | 'look-up' | 'mongoose' | 'ours' | 'node-crypto' | 'fastify-jwt' | 'express-oauth2-jwt-bearer'
  readonly algorithm: Algorithm
  /** The HMAC secret or the public key. */
  readonly key: string
  /** Ours only: the route's `config.auth`; null: a route without. */
  readonly auth?: string | null
  /** Ours and mongoose: the database. */
  readonly uri?: string
}

const answer = { hello: 'world' }

/** Starts a server of each kind on a free port of the loopback interface, and returns the port. */
export const servers: Readonly<Record<ServerConfig['kind'], (config: ServerConfig) => Promise<number>>> = {
  async bare () {
    const app = Fastify()
    app.get('/', (_request, reply) => { reply.send(answer) })
    return await listen(app)
  },

  /** The least a hook can do that knows tokens: it finds the whole header in a Map, and nothing else. */
  async 'look-up' () {
    const app = Fastify()
    const known = new Map<string | undefined, object>()
    app.get('/', {
      onRequest (request, _reply, done) {
        const { authorization } = request.headers
        if (known.get(authorization) === undefined) known.set(authorization, {})
        done()
      }
    }, (_request, reply) => { reply.send(answer) })
    return await listen(app)
  },

  /** What the driver costs by being there. */
  async mongoose ({ uri = '' }) {
    const { default: mongoose } = await import('mongoose')
    await mongoose.createConnection(uri).asPromise()
    return await servers.bare({ kind: 'bare', algorithm: 'HS256', key: '' })
  },

  async ours ({ uri = '', auth = null }) {
    const { default: docuwareAuth } = await import('fastify-docuware-auth')
    const app = Fastify()
    await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey] }, jwt: {} })
    app.get('/', auth === null ? {} : { config: { auth } }, (_request, reply) => { reply.send(answer) })
    return await listen(app)
  },

  /** The least a hook can do for a token it has never seen. */
  async 'node-crypto' ({ algorithm, key }) {
    const app = Fastify()
    app.get('/', { onRequest: cryptoHook(algorithm, key) }, (_request, reply) => { reply.send(answer) })
    return await listen(app)
  },

  async 'fastify-jwt' ({ algorithm, key }) {
    const { default: fastifyJwt } = await import('@fastify/jwt')
    const app = Fastify()
    await app.register(fastifyJwt, {
      secret: algorithm === 'HS256' ? key : { public: key },
      verify: { algorithms: [algorithm], allowedIss: issuer, allowedAud: audience }
    })
    app.get('/', { onRequest: async (request) => { await request.jwtVerify() } }, (_request, reply) => { reply.send(answer) })
    return await listen(app)
  },

  async 'express-oauth2-jwt-bearer' ({ algorithm, key }) {
    const [{ default: express }, { auth }] = await Promise.all([import('express'), import('express-oauth2-jwt-bearer')])
    const app = express()
    app.use(auth({
      issuer,
      audience,
      tokenSigningAlg: algorithm,
      ...(algorithm === 'HS256' ? { secret: key } : { jwksUri: await serveKeySet(createPublicKey(key)) })
    }))
    app.get('/', (_request, response) => { response.json(answer) })
    return await new Promise((resolve) => {
      const server = createServer(app).listen(0, '127.0.0.1', () => { resolve(portOf(server.address())) })
    })
  }
}

function cryptoHook (algorithm: Algorithm, text: string): onRequestHookHandler {
  const key = algorithm === 'HS256' ? null : createPublicKey(text)
  const isRight = (input: string, signature: Buffer): boolean => {
    if (key === null) return timingSafeEqual(createHmac('sha256', text).update(input).digest(), signature)
    return verify('sha256', Buffer.from(input), algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key, signature)
  }
  return (request, reply, done) => {
    const token = request.headers.authorization?.slice(7) ?? ''
    const [header = '', payload = '', signature = ''] = token.split('.')
    const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString())
    if (alg === algorithm && isRight(`${header}.${payload}`, Buffer.from(signature, 'base64url'))) {
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
      if (claims.exp > Date.now() / 1000) return done()
    }
    reply.code(401).send()
  }
}

async function serveKeySet (key: KeyObject): Promise<string> {
  const body = JSON.stringify({ keys: [{ ...key.export({ format: 'jwk' }), use: 'sig' }] })
  return await new Promise((resolve) => {
    const server = createServer((_request, response) => { response.setHeader('content-type', 'application/json').end(body) })
    server.listen(0, '127.0.0.1', () => { resolve(`http://127.0.0.1:${portOf(server.address())}/`) })
  })
}

async function listen (app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

function portOf (address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('listens on no port')
  return address.port
}
