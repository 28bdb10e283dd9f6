import { parseArgs } from 'node:util'
import { apiKey, createConnector } from 'fastify-docuware-auth/connectors'
import { figure, Program } from '../auth/program.js'
import { median, spread } from '../auth/spread.js'

const goal = 1.1
const inFlight = 64
const key = 'a key of the benchmark'

type Print = (line: string) => void

interface Sample { readonly milliseconds: number, readonly cpuMicroseconds: number }

/** Runs `npm run bench -- connectors`: requests of a connector against bare fetch, in many short turns within one process. */
export async function runConnectors (given: string[], print: Print = console.log): Promise<void> {
  const { values } = parseArgs({ args: given, options: { rounds: { type: 'string', default: '40' }, requests: { type: 'string', default: '1000' } } })
  const { rounds, requests } = { rounds: Number(values.rounds), requests: Number(values.requests) }
  const { program, figures } = await Program.start('../connectors/server', {})
  try {
    const baseUrl = `http://127.0.0.1:${figure(figures, 'port')}`
    const connector = createConnector({ baseUrl, auth: apiKey({ key }), allowInsecure: true })
    const order = { order: 17, text: 'x'.repeat(970) }
    const headers = { accept: 'application/json', 'x-api-key': key }
    await compare('GET', async () => await (await fetch(`${baseUrl}/orders/17`, { headers })).json(), async () => await connector.get('/orders/17'), { rounds, requests }, print)
    const post = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } }
    await compare('POST of 1 KB', async () => await (await fetch(`${baseUrl}/orders`, { ...post, body: JSON.stringify(order) })).json(), async () => await connector.post('/orders', { json: order }), { rounds, requests }, print)
  } finally {
    await program.stop()
  }
}

async function compare (name: string, bare: () => Promise<unknown>, ours: () => Promise<unknown>, { rounds, requests }: { rounds: number, requests: number }, print: Print): Promise<void> {
  const samples = { bare: [] as Sample[], ours: [] as Sample[] }
  await measure(bare, requests)
  await measure(ours, requests)
  for (let round = 0; round < rounds; round++) {
    const turns = [['bare', bare], ['ours', ours]] as const
    for (const [whose, call] of round % 2 === 0 ? turns : turns.toReversed()) samples[whose].push(await measure(call, requests))
  }
  const time = { bare: median(samples.bare.map(({ milliseconds }) => milliseconds)), ours: median(samples.ours.map(({ milliseconds }) => milliseconds)) }
  const cpu = { bare: median(samples.bare.map(({ cpuMicroseconds }) => cpuMicroseconds)), ours: median(samples.ours.map(({ cpuMicroseconds }) => cpuMicroseconds)) }
  const { least, greatest } = spread(samples.ours.map(({ milliseconds }, round) => milliseconds / (samples.bare[round]?.milliseconds ?? NaN)))
  const share = time.ours / time.bare
  print(`${name}, connector against bare fetch, ${inFlight} in flight, ${rounds} rounds of ${requests}: time x ${share.toFixed(3)} (${least.toFixed(3)} – ${greatest.toFixed(3)}), CPU x ${(cpu.ours / cpu.bare).toFixed(3)}; ${share < goal ? 'pass' : 'miss'}: goal < ${goal}`)
  print(`  bare fetch ${(requests / time.bare * 1000).toFixed(0)}/s, ${cpu.bare.toFixed(1)} µs CPU; connector ${(requests / time.ours * 1000).toFixed(0)}/s, ${cpu.ours.toFixed(1)} µs CPU`)
}

async function measure (call: () => Promise<unknown>, requests: number): Promise<Sample> {
  const began = performance.now()
  const cpu = process.cpuUsage()
  let sent = 0
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (sent++ < requests) await call()
  }))
  const { user, system } = process.cpuUsage(cpu)
  return { milliseconds: performance.now() - began, cpuMicroseconds: (user + system) / requests }
}
