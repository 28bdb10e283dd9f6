import { masterKey } from './our-app.js'
import { readConfig, report } from './program.js'

export interface BootConfig {
  /** `plain`: Fastify and mongoose, connected. `ours`: an app with every plugin of this package. */
  readonly kind: 'plain' | 'ours'
  readonly uri: string
}

const { kind, uri } = readConfig<BootConfig>()
const began = performance.now()
const { default: Fastify } = await import('fastify')
const app = Fastify()
const imported = kind === 'plain' ? await bootPlain() : await bootOurs()
await app.ready()
report({ milliseconds: performance.now() - began, importMilliseconds: imported - began, cpuMilliseconds: cpuMilliseconds() })

async function bootPlain (): Promise<number> {
  const { default: mongoose } = await import('mongoose')
  const imported = performance.now()
  await mongoose.createConnection(uri).asPromise()
  return imported
}

async function bootOurs (): Promise<number> {
  const { default: docuwareAuth } = await import('fastify-docuware-auth')
  const imported = performance.now()
  await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey] }, jwt: {} })
  app.get('/', { config: { auth: 'jwt_bench_HS256' } }, (_request, reply) => { reply.send({ hello: 'world' }) })
  return imported
}

function cpuMilliseconds (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
