import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import docuwareAuth from 'fastify-docuware-auth'
import { audience, Credentials, issuer } from './credentials.js'
import { masterKey } from './our-app.js'
import { readConfig, report } from './program.js'

export interface MemoryConfig {
  readonly uri: string
  /** Distinct tokens at which memory is looked at, ascending. The last ends the run. */
  readonly checkpoints: readonly number[]
}

const { uri, checkpoints } = readConfig<MemoryConfig>()
const credentials = new Credentials()
const app = Fastify()
await app.register(docuwareAuth, {
  store: { uri, secretKeys: [masterKey] },
  jwt: { validators: [{ name: 'memory', signatureType: 'secret', secretKey: credentials.verification.HS256, audience, issuer }] }
})
app.get('/', { config: { auth: 'jwt_memory' } }, (_request, reply) => { reply.send({ hello: 'world' }) })
await app.ready()

const figures: Record<string, number> = {}
await send(credentials.tokens('HS256', 100, 'warm'))
look(0)
let sent = 0
for (const checkpoint of checkpoints) {
  while (sent < checkpoint) {
    const batch = credentials.tokens('HS256', Math.min(100, checkpoint - sent), `token-${sent}`)
    await send(batch)
    sent += batch.length
  }
  look(checkpoint)
}
await app.close()
report(figures)

async function send (tokens: readonly string[]): Promise<void> {
  for (const token of tokens) {
    const { statusCode } = await app.inject({ url: '/', headers: { authorization: `Bearer ${token}` } })
    if (statusCode !== 200) throw new Error(`a good token was answered with ${statusCode}`)
  }
  await turn() // injected requests are let go of when the event loop turns
}

function look (tokens: number): void {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  figures[`heap ${tokens}`] = heapUsed
  figures[`rss ${tokens}`] = rss
}
