import { createHmac } from 'node:crypto'
import { parseArgs } from 'node:util'
import autocannon from 'autocannon'
import { figure, Program } from '../auth/program.js'
import { median, spread, sum } from '../auth/spread.js'
import { staysAwake } from '../auth/stay-awake.js'
import { takeTurns, turned, warmUp } from '../auth/turns.js'
import { contestants, secret, type Kind, type ServersConfig } from './contestants.js'

const goal = 0.9
/** Seconds of one server at a time: short turns, there and back again, so that whatever else the machine does meets them all. */
const turnSeconds = 0.25
const sizes = [
  { name: '1 KB', bytes: 1000, connections: 64 },
  { name: '1 MB', bytes: 1_000_000, connections: 16 }
] as const

type Print = (line: string) => void

/** What one turn yields. */
interface Part { readonly requests: number, readonly seconds: number, readonly cpu: number }

interface Sample { readonly perSecond: number, readonly cpuMicroseconds: number }

/**
 * Runs `npm run bench -- webhooks`: signed requests to a verified route, against a bare one and one that is verified by hand.
 * The three listen in one process: two processes of the very same program differ by more than what is measured here.
 */
export async function runWebhooks (given: string[], print: Print = console.log): Promise<void> {
  const { values } = parseArgs({ args: given, options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } } })
  const { rounds, seconds } = { rounds: Number(values.rounds), seconds: Number(values.seconds) }
  const { program: mongo, figures } = await Program.start('../provider/mongo', {})
  try {
    for (const size of sizes) await compare(size, { rounds, seconds, uri: `mongodb://127.0.0.1:${figure(figures, 'port')}/bench` }, print)
  } finally {
    await mongo.stop()
  }
}

async function compare ({ name, bytes, connections }: (typeof sizes)[number], { rounds, seconds, uri }: { rounds: number, seconds: number, uri: string }, print: Print): Promise<void> {
  const body = bodyOf(bytes)
  const turns = Math.ceil(seconds / turnSeconds)
  const measured: Array<Map<Kind, Sample>> = []
  for (let round = 0; round < rounds; round++) {
    const { program, figures } = await Program.start('../webhooks/server', { uri } satisfies ServersConfig)
    try {
      for (const duration of warmUp(seconds)) {
        for (const { kind } of contestants) await send(figure(figures, kind), body, connections, duration)
      }
      const parts = await takeTurns(turned(contestants, round), turns, async ({ kind }): Promise<Part> => {
        const before = figure(await program.ask(), 'cpuMicroseconds')
        const { requests, duration } = await send(figure(figures, kind), body, connections, seconds / turns)
        return { requests, seconds: duration, cpu: figure(await program.ask(), 'cpuMicroseconds') - before }
      })
      measured.push(new Map([...parts].map(([{ kind }, ofTurns]) => [kind, sampleOf(ofTurns)])))
    } finally {
      await program.stop()
    }
  }
  const of = (kind: Kind): Sample[] => measured.map((results) => results.get(kind) ?? { perSecond: NaN, cpuMicroseconds: NaN })
  for (const { name: contestant, kind } of contestants) {
    const share = spread(of(kind).map(({ perSecond }, round) => perSecond / (of('by-hand')[round]?.perSecond ?? NaN)))
    const cpu = median(of(kind).map(({ cpuMicroseconds }) => cpuMicroseconds))
    const verdict = kind === 'ours' ? `; ${share.median >= goal ? 'pass' : 'miss'}: goal >= ${goal}` : ''
    print(`${name}, ${contestant}: ${median(of(kind).map(({ perSecond }) => perSecond)).toFixed(0)}/s, ${cpu.toFixed(1)} µs CPU, ${share.median.toFixed(3)} (${share.least.toFixed(3)} – ${share.greatest.toFixed(3)}) of the route verified by hand${verdict}`)
  }
}

function sampleOf (parts: readonly Part[]): Sample {
  const requests = sum(parts, (part) => part.requests)
  return { perSecond: requests / sum(parts, ({ seconds }) => seconds), cpuMicroseconds: sum(parts, ({ cpu }) => cpu) / requests }
}

/** @throws unless every answer is a 2xx */
async function send (port: number, body: string, connections: number, seconds: number): Promise<{ requests: number, duration: number }> {
  const headers = { 'content-type': 'application/json', 'x-signature': createHmac('sha256', secret).update(body).digest('hex') }
  let began = 0
  let ended = 0
  const result = await staysAwake(async () => await autocannon({
    url: `http://127.0.0.1:${port}/`,
    connections,
    duration: seconds,
    sampleInt: 50,
    setupClient (client) {
      client.setRequests([{ method: 'POST', headers, body }])
      client.on('done', () => { ended = performance.now() })
      began = performance.now()
    }
  }))
  if (result.errors > 0 || result.non2xx > 0) throw new Error(`${result['2xx']} answers were right, ${result.non2xx} were not, ${result.errors} requests failed`)
  return { requests: result['2xx'], duration: (ended - began) / 1000 }
}

/** A notification of so many bytes. */
function bodyOf (bytes: number): string {
  const field = { FieldName: 'COMPANY', IsNull: 'False', Item: 'Gross & Klein GmbH', ItemElementName: 'String' }
  const values = Array.from({ length: Math.floor((bytes - 100) / (JSON.stringify(field).length + 1)) }, () => field)
  const event = { Event: 'DocumentStored', Values: values, Filler: '' }
  return JSON.stringify({ ...event, Filler: 'x'.repeat(Math.max(0, bytes - JSON.stringify(event).length)) })
}
