import { masterKey } from './our-app.js'
import { readConfig, report } from './program.js'

export interface BootConfig {
  /** `plain`: Fastify and mongoose, connected. `jwt`: with store and jwt of this package. `every`: with every plugin of it. */
  readonly kind: 'plain' | 'jwt' | 'every'
  readonly uri: string
}

const issuer = 'https://app.example'
const { kind, uri } = readConfig<BootConfig>()
const began = performance.now()
const { default: Fastify } = await import('fastify')
const app = Fastify()
const imported = kind === 'plain' ? await bootPlain() : await bootOurs(kind === 'every')
await app.ready()
report({ milliseconds: performance.now() - began, importMilliseconds: imported - began, cpuMilliseconds: cpuMilliseconds() })

async function bootPlain (): Promise<number> {
  const { default: mongoose } = await import('mongoose')
  const imported = performance.now()
  await mongoose.createConnection(uri).asPromise()
  return imported
}

async function bootOurs (every: boolean): Promise<number> {
  const { default: docuwareAuth } = await import('fastify-docuware-auth')
  const imported = performance.now()
  const others = {
    publicUrl: issuer,
    docuware: {},
    provider: { issuer, owner: { current: () => null, find: () => null, loginUrl: () => '/login' } },
    connectors: {},
    webhooks: {},
    telemetry: {},
    signIn: { issuer: 'https://login.example', clientId: 'bench', clientSecret: 'a secret of the benchmark', roles: { claim: 'groups', map: {} } },
    admin: {}
  }
  await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey] }, jwt: {}, ...every ? others : {} })
  app.get('/', { config: { auth: 'jwt_bench_HS256' } }, (_request, reply) => { reply.send({ hello: 'world' }) })
  return imported
}

function cpuMilliseconds (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
