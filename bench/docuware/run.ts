import { parseArgs } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import docuwareAuth, { type DocuWareClient } from 'fastify-docuware-auth'
import { startEmbeddedMongo } from 'fastify-docuware-auth/testing'
import { createConnection } from 'mongoose'
import { figure, Program } from '../auth/program.js'
import { median, spread } from '../auth/spread.js'
import type { SimulatorConfig } from './simulator-config.js'

const publicUrl = 'http://127.0.0.1:3000'
const config: SimulatorConfig = { redirectUri: `${publicUrl}/docuware/oauth/callback`, clientId: 'bench', clientSecret: 'a secret of the benchmark', user: { username: 'ann', password: 'a password' } }
const inFlight = 64
const stormCallers = 1000
const path = '/Organization/UserInfo'

type Print = (line: string) => void

interface Sample { readonly perSecond: number, readonly cpuMicroseconds: number }

/** Runs `npm run bench -- docuware`. */
export async function runDocuware (given: string[], print: Print = console.log): Promise<void> {
  const { values } = parseArgs({ args: given, options: { rounds: { type: 'string', default: '5' }, requests: { type: 'string', default: '3000' } } })
  const { rounds, requests } = { rounds: Number(values.rounds), requests: Number(values.requests) }
  const mongo = await startEmbeddedMongo()
  const { program, figures } = await Program.start('../docuware/simulator', config)
  const platformUrl = `http://127.0.0.1:${figure(figures, 'platformPort')}/DocuWare/Platform`
  const apps: FastifyInstance[] = []
  try {
    const app = await startApp(mongo.uri)
    apps.push(app)
    const { id } = await app.docuware.connections.create({ name: 'bench', platformUrl, clientId: config.clientId, clientSecret: config.clientSecret })
    await authorize(app, id)
    await overhead(app.docuware.client(id), platformUrl, await accessToken(app, id), rounds, requests, print)
    await hotPath(app, id, print)
    await storm(app, id, program, print)
    apps.push(await startApp(mongo.uri))
    await notice(apps, id, print)
  } finally {
    for (const app of apps) await app.close()
    await program.stop()
    await mongo.stop()
  }
}

async function startApp (uri: string): Promise<FastifyInstance> {
  const app = Fastify()
  const connection = await createConnection(uri, { monitorCommands: true }).asPromise()
  app.addHook('onClose', async () => { await connection.close() })
  await app.register(docuwareAuth, { publicUrl, store: { connection, secretKeys: [Buffer.alloc(32, 1).toString('base64')] }, docuware: { allowInsecure: true } })
  await app.ready()
  return app
}

/** Ends an authorization as a browser would: the simulator approves by itself. */
async function authorize (app: FastifyInstance, id: string): Promise<void> {
  const url = await app.docuware.authorizationUrl(id, { unbound: true })
  const { headers } = await fetch(url, { redirect: 'manual' })
  const back = new URL(headers.get('location') ?? '')
  const { statusCode, body } = await app.inject({ url: back.pathname + back.search })
  if (statusCode !== 200) throw new Error(`the authorization ended with ${statusCode}: ${body}`)
}

async function accessToken (app: FastifyInstance, id: string): Promise<string> {
  return (await app.docuware.connections.secrets(id)).accessToken ?? ''
}

/** A GET by the client against a bare fetch of the same, in turns. */
async function overhead (client: DocuWareClient, platformUrl: string, token: string, rounds: number, requests: number, print: Print): Promise<void> {
  const bare = async (): Promise<unknown> => await (await fetch(platformUrl + path, { headers: { authorization: `Bearer ${token}`, accept: 'application/json' } })).json()
  const ours = async (): Promise<unknown> => await client.get(path)
  await measure(bare, requests)
  await measure(ours, requests)
  const samples: Array<{ bare: Sample, ours: Sample }> = []
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) samples.push({ bare: await measure(bare, requests), ours: await measure(ours, requests) })
    else {
      const oursFirst = await measure(ours, requests)
      samples.push({ bare: await measure(bare, requests), ours: oursFirst })
    }
  }
  const { median: share, least, greatest } = spread(samples.map(({ bare, ours }) => bare.perSecond / ours.perSecond))
  const cpu = median(samples.map(({ bare, ours }) => ours.cpuMicroseconds / bare.cpuMicroseconds))
  print(`client.get against bare fetch, ${inFlight} in flight, ${rounds} rounds of ${requests}: time x ${share.toFixed(3)} (${least.toFixed(3)} – ${greatest.toFixed(3)}), CPU x ${cpu.toFixed(3)}; goal: under 1.15`)
  print(`  bare fetch ${median(samples.map(({ bare }) => bare.perSecond)).toFixed(0)}/s, client.get ${median(samples.map(({ ours }) => ours.perSecond)).toFixed(0)}/s`)
}

async function measure (call: () => Promise<unknown>, requests: number): Promise<Sample> {
  const began = performance.now()
  const cpu = process.cpuUsage()
  let sent = 0
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (sent++ < requests) await call()
  }))
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: requests / (performance.now() - began) * 1000, cpuMicroseconds: (user + system) / requests }
}

/** Counts what calls with a valid token ask of the database. */
async function hotPath (app: FastifyInstance, id: string, print: Print): Promise<void> {
  const client = app.docuware.client(id)
  const commands: string[] = []
  app.store.connection.getClient().on('commandStarted', ({ commandName }) => { commands.push(commandName) })
  let requests = 0
  while (!commands.includes('getMore')) { // the log's tail: the commands are counted
    await measure(async () => await client.get(path), inFlight)
    requests += inFlight
  }
  const reads = commands.filter((name) => name === 'find' || name === 'aggregate')
  print(`database reads during ${requests} calls with a valid token: ${reads.length} (the log's tail asked for more ${commands.filter((name) => name === 'getMore').length} times)`)
}

async function storm (app: FastifyInstance, id: string, program: Program, print: Print): Promise<void> {
  const client = app.docuware.client(id)
  const before = figure(await program.ask(), 'refreshes')
  program.tell('expire')
  const began = performance.now()
  await Promise.all(Array.from({ length: stormCallers }, async () => await client.get(path)))
  const took = performance.now() - began
  print(`${stormCallers} callers with an expired token: ${figure(await program.ask(), 'refreshes') - before} refresh, all served in ${took.toFixed(0)} ms`)
}

/** How long another process goes on with a connection that was revoked. */
async function notice ([first, second]: FastifyInstance[], id: string, print: Print): Promise<void> {
  if (first === undefined || second === undefined) throw new Error('two apps are needed')
  const client = second.docuware.client(id)
  await client.get(path)
  await first.docuware.revoke(id)
  const began = performance.now()
  for (;;) {
    try {
      await client.get(path)
    } catch {
      break // it has noticed
    }
  }
  print(`a revoked connection was noticed by another app after ${(performance.now() - began).toFixed(0)} ms; goal: within 1000`)
}
