import { createHmac, timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import { readConfig, report } from '../auth/program.js'
import { contestants, secret, type Kind, type ServersConfig } from './contestants.js'

const { uri } = readConfig<ServersConfig>()
const answer = { received: true }

const servers: Readonly<Record<Kind, (app: FastifyInstance) => Promise<void>>> = {
  async bare (app) {
    app.post('/', (_request, reply) => { reply.send(answer) })
  },
  async 'by-hand' (app) {
    verifyByHand(app)
    app.post('/', (_request, reply) => { reply.send(answer) })
  },
  async ours (app) {
    await app.register(docuwareAuth, { store: { uri, secretKeys: [Buffer.alloc(32, 1).toString('base64')] }, webhooks: { sources: { bench: { preset: 'generic', secret } } } })
    app.post('/', { config: { webhook: 'bench' } }, (_request, reply) => { reply.send(answer) })
  }
}

report(Object.fromEntries(await Promise.all(contestants.map(async ({ kind }) => [kind, await listen(servers[kind])]))), () => {
  const { user, system } = process.cpuUsage()
  return { cpuMicroseconds: user + system }
})

async function listen (addRoute: (app: FastifyInstance) => Promise<void>): Promise<number> {
  const app = Fastify()
  await addRoute(app)
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

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
