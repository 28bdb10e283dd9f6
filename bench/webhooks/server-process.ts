import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import { readConfig, report } from '../auth/program.js'
import { secret, type ServerConfig } from './contestants.js'

const { kind, uri } = readConfig<ServerConfig>()
const app = Fastify()
const answer = { received: true }

switch (kind) {
  case 'bare':
    app.post('/', (_request, reply) => { reply.send(answer) })
    break
  case 'by-hand':
    verifyByHand(app)
    app.post('/', (_request, reply) => { reply.send(answer) })
    break
  case 'ours':
    await app.register(docuwareAuth, { store: { uri, secretKeys: [Buffer.alloc(32, 1).toString('base64')] }, webhooks: { sources: { bench: { preset: 'generic', secret } } } })
    app.post('/', { config: { webhook: 'bench' } }, (_request, reply) => { reply.send(answer) })
}

await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo
report({ port }, () => {
  const { user, system } = process.cpuUsage()
  return { cpuMicroseconds: user + system }
})

/** The least there is to do: one HMAC over the bytes that the parser has collected anyway, then Fastify's own parser. */
function verifyByHand (app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const given = Buffer.from(String(request.headers['x-signature']), 'hex')
    const expected = createHmac('sha256', secret).update(body).digest()
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return done(Object.assign(new Error('Invalid signature'), { statusCode: 401 }))
    parse(request, body.toString(), done)
  })
}
