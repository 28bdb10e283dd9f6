import type { Goal } from '../auth/comparisons.js'
import type { LoadResult } from '../auth/load.js'
import { figure, Program } from '../auth/program.js'
import { median, spread, sum, type Spread } from '../auth/spread.js'
import type { GoalResult } from '../auth/throughput.js'
import { processesOf, takeTurns, turned, turnsOf, warmUp } from '../auth/turns.js'
import { traffic, type Comparison, type Contestant } from './comparisons.js'
import { send, type Load } from './load.js'
import type { Issued, IssuedKind } from './servers.js'

/** Medians of one contestant over all rounds. */
export interface Row {
  readonly title: string
  readonly contestant: string
  readonly requestsPerSecond: number
  /** Requests a second divided by the reference's in the same round. */
  readonly share: Spread
  /** CPU time of the server, and of the embedded MongoDB, for one request. */
  readonly cpuMicroseconds: number
  readonly databaseMicroseconds: number
  /** CPU time of both for one request, divided by the reference's in the same round. */
  readonly cost: Spread
  readonly clientCpu: number
  readonly goals: readonly GoalResult[]
}

export interface ThroughputOptions {
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** The process of the embedded MongoDB. */
  readonly mongo: Program
}

/** Of a server with a process of its own, in a round. Fewer than for routes: before most of them, tokens have to be issued. */
const turnsApart = 4

interface Part extends LoadResult { readonly cpu: number, readonly database: number }

/** A server, the `index`th of its process, and where it is told what to issue. */
interface Running { readonly contestant: Contestant, readonly program: Program, readonly index: number, readonly port: number, readonly desk: number }

interface Measurement { readonly requestsPerSecond: number, readonly cpuMicroseconds: number, readonly databaseMicroseconds: number, readonly clientCpu: number }

/** Measures the contestants of one comparison in short turns. Each round starts every server anew, and warms it up. */
export async function compare (comparison: Comparison, { rounds, seconds, mongo }: ThroughputOptions): Promise<Row[]> {
  const { name: endpoint, contestants } = comparison
  const turns = turnsOf(comparison, seconds, turnsApart)
  const { kind, count, eachOnce, usesUp } = traffic[endpoint]
  const measured: Array<Map<string, Measurement>> = []
  for (let round = 0; round < rounds; round++) {
    const running: Running[] = []
    const prepare = async (server: Running, duration: number): Promise<Load> => {
      const { contestant: { kind: serverKind }, port } = server
      const issued = serverKind === 'bare' ? bareIssued : await issue(server, kind, count(duration))
      return { port, kind: serverKind, endpoint, issued, until: eachOnce ? 'each-once' : duration }
    }
    try {
      for (const servers of processesOf({ ...comparison, contestants: turned(contestants, round) })) {
        const started = await startServers(servers)
        running.push(...started)
        for (const duration of warmUp(seconds)) {
          for (const server of started) await send(await prepare(server, duration))
        }
      }
      const loads = new Map<Running, Load>()
      const parts = await takeTurns(running, turns.count, async (server): Promise<Part> => {
        const { program } = server
        const load = (usesUp ? undefined : loads.get(server)) ?? await prepare(server, turns.seconds)
        loads.set(server, load)
        const [before, databaseBefore] = [await program.ask(), await mongo.ask()]
        const result = await send(load)
        const [after, databaseAfter] = [await program.ask(), await mongo.ask()]
        return {
          ...result,
          cpu: figure(after, 'cpuMicroseconds') - figure(before, 'cpuMicroseconds'),
          database: figure(databaseAfter, 'cpuMicroseconds') - figure(databaseBefore, 'cpuMicroseconds')
        }
      })
      measured.push(new Map([...parts].map(([{ contestant }, ofTurns]) => [contestant.name, measurementOf(ofTurns)])))
    } finally {
      for (const { program } of running) await program.stop()
    }
  }
  return contestants.map((contestant) => toRow(comparison, contestant, measured))
}

/** What bare Fastify is sent: as much as the others, and it does not look. */
const bareIssued: Issued = { clientId: '', clientSecret: '', texts: ['a'.repeat(65)] }

/** Servers that share a process. */
async function startServers (contestants: readonly Contestant[]): Promise<Running[]> {
  const { program, figures } = await Program.start('../provider/server', contestants.map(({ kind, uri }) => ({ kind, uri })))
  return contestants.map((contestant, index) => ({ contestant, program, index, port: figure(figures, `port ${index}`), desk: figure(figures, 'desk') }))
}

async function issue ({ desk, index }: Running, kind: IssuedKind, count: number): Promise<Issued> {
  const answer = await fetch(`http://127.0.0.1:${desk}/?server=${index}&kind=${kind}&count=${count}`)
  if (!answer.ok) throw new Error(await answer.text())
  return await answer.json() as Issued
}

function measurementOf (parts: readonly Part[]): Measurement {
  const [requests, time] = [sum(parts, (part) => part.requests), sum(parts, (part) => part.seconds)]
  return {
    requestsPerSecond: requests / time,
    cpuMicroseconds: sum(parts, ({ cpu }) => cpu) / requests,
    databaseMicroseconds: sum(parts, ({ database }) => database) / requests,
    clientCpu: sum(parts, (part) => part.clientCpu * part.seconds) / time
  }
}

function toRow ({ title, contestants: [reference] }: Comparison, { name, goals = [] }: Contestant, rounds: ReadonlyArray<ReadonlyMap<string, Measurement>>): Row {
  const own = each(rounds, name)
  const of = (field: keyof Measurement): number => median(own.map((measurement) => measurement[field]))
  const shareOf = (against: string, value: (measurement: Measurement) => number): Spread => {
    const others = each(rounds, against)
    return spread(own.map((measurement, round) => {
      const other = others[round]
      return other === undefined ? NaN : value(measurement) / value(other)
    }))
  }
  return {
    title,
    contestant: name,
    requestsPerSecond: of('requestsPerSecond'),
    share: shareOf(reference.name, rate),
    cpuMicroseconds: of('cpuMicroseconds'),
    databaseMicroseconds: of('databaseMicroseconds'),
    cost: shareOf(reference.name, ({ cpuMicroseconds, databaseMicroseconds }) => cpuMicroseconds + databaseMicroseconds),
    clientCpu: of('clientCpu'),
    goals: goals.map((goal: Goal) => {
      const share = shareOf(goal.against, rate)
      return { ...goal, share, reached: share.median >= goal.least }
    })
  }
}

function rate ({ requestsPerSecond }: Measurement): number {
  return requestsPerSecond
}

function each (rounds: ReadonlyArray<ReadonlyMap<string, Measurement>>, name: string): Measurement[] {
  return rounds.map((round) => {
    const found = round.get(name)
    if (found === undefined) throw new RangeError(`nobody is called ${name}`)
    return found
  })
}
