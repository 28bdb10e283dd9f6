import { parseArgs } from 'node:util'
import { apiKey, createConnector } from 'fastify-docuware-auth/connectors'
import { figure, Program } from '../auth/program.js'
import { median, spread } from '../auth/spread.js'
import { turned } from '../auth/turns.js'

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
    const post = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } }
    const get = async (init: RequestInit): Promise<unknown> => await (await fetch(`${baseUrl}/orders/17`, { headers, ...init })).json()
    const create = async (init: RequestInit): Promise<unknown> => await (await fetch(`${baseUrl}/orders`, { ...post, body: JSON.stringify(order), ...init })).json()
    const timed = (): RequestInit => ({ signal: AbortSignal.timeout(30_000) })
    await compare('GET', { bare: () => get({}), timed: () => get(timed()), ours: () => connector.get('/orders/17') }, { rounds, requests }, print)
    await compare('POST of 1 KB', { bare: () => create({}), timed: () => create(timed()), ours: () => connector.post('/orders', { json: order }) }, { rounds, requests }, print)
  } finally {
    await program.stop()
  }
}

const contestants = [['bare', 'bare fetch'], ['timed', 'fetch with AbortSignal.timeout'], ['ours', 'connector']] as const

type Contestant = (typeof contestants)[number][0]

async function compare (name: string, calls: Readonly<Record<Contestant, () => Promise<unknown>>>, { rounds, requests }: { rounds: number, requests: number }, print: Print): Promise<void> {
  const samples: Record<Contestant, Sample[]> = { bare: [], timed: [], ours: [] }
  for (const [contestant] of contestants) await measure(calls[contestant], requests)
  for (let round = 0; round < rounds; round++) {
    for (const [contestant] of turned(contestants, round)) samples[contestant].push(await measure(calls[contestant], requests))
  }
  const time = (contestant: Contestant): number => median(samples[contestant].map(({ milliseconds }) => milliseconds))
  const cpu = (contestant: Contestant): number => median(samples[contestant].map(({ cpuMicroseconds }) => cpuMicroseconds))
  print(`${name}, ${inFlight} in flight, ${rounds} rounds of ${requests}`)
  for (const [contestant, title] of contestants) {
    const { least, greatest } = spread(samples[contestant].map(({ milliseconds }, round) => milliseconds / (samples.bare[round]?.milliseconds ?? NaN)))
    const share = time(contestant) / time('bare')
    const verdict = contestant === 'ours' ? `; ${share < goal ? 'pass' : 'miss'}: goal < ${goal}` : ''
    print(`  ${title}: ${(requests / time(contestant) * 1000).toFixed(0)}/s, ${cpu(contestant).toFixed(1)} µs CPU; time x ${share.toFixed(3)} (${least.toFixed(3)} – ${greatest.toFixed(3)}), CPU x ${(cpu(contestant) / cpu('bare')).toFixed(3)} of bare fetch${verdict}`)
  }
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
