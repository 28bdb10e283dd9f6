import type { Comparison, Contestant, Goal } from './comparisons.js'
import type { Credentials } from './credentials.js'
import { send, type Load, type LoadResult } from './load.js'
import { figure, Program } from './program.js'
import type { ServerConfig } from './servers.js'
import { median, spread, sum, type Spread } from './spread.js'
import { processesOf, takeTurns, turned, turnsOf, warmUp, type Turns } from './turns.js'

/** Medians of one contestant over all rounds. */
export interface Row {
  readonly comparison: string
  readonly title: string
  readonly contestant: string
  readonly requestsPerSecond: number
  /** Requests a second divided by the reference's in the same round: median, least and greatest. */
  readonly share: Spread
  /** CPU time of the server for one request. */
  readonly cpuMicroseconds: number
  /** CPU time of the sender as a share of the time: near 1 it was the sender that held things up. */
  readonly clientCpu: number
  readonly goals: readonly GoalResult[]
}

export interface GoalResult extends Goal { readonly share: Spread, readonly reached: boolean }

export interface ThroughputOptions {
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  readonly credentials: Credentials
  readonly databases: Readonly<Record<'one' | 'many', string>>
  /** Distinct tokens of the traffic `distinct`. */
  readonly distinct: number
}

/** What one turn yields. */
interface Part extends LoadResult { readonly cpu: number }

interface Running { readonly contestant: Contestant, readonly program: Program, readonly port: number }

interface Measurement { readonly requestsPerSecond: number, readonly cpuMicroseconds: number, readonly clientCpu: number }

/** V8 may decide early on, by chance and for good, to make a request's objects where only whole collections find them: such a server takes twice the CPU. */
const steadyHeap = ['--no-allocation-site-pretenuring']

/** Of a server with a process of its own, in a round. */
const turnsApart = 6

/** Tokens that a server verifies in a second here, about: so many are signed for each second of `new`. */
const newPerSecond = { HS256: 40_000, RS256: 20_000, ES256: 10_000 }

/**
 * Measures the contestants of one comparison in many short turns. Each round starts every server anew and warms it up, with other tokens where they
 * should be new, so that one process's luck does not decide.
 */
export async function compare (comparison: Comparison, options: ThroughputOptions): Promise<Row[]> {
  const { contestants } = comparison
  const turns = turnsOf(comparison, options.seconds, turnsApart)
  const { warm, measured } = tokensFor(comparison, turns, options)
  const rounds: Array<Map<string, Measurement>> = []
  // Only a server that remembers can tell a new token from an old one: the reference may see one twice.
  const untilFor = ({ kind }: Contestant, duration: number): Load['until'] => comparison.traffic === 'new' && kind !== 'bare' ? 'each-once' : duration
  for (let round = 0; round < options.rounds; round++) {
    const running: Running[] = []
    try {
      for (const servers of processesOf({ ...comparison, contestants: turned(contestants, round) })) {
        const started = await startServers(servers, comparison, options)
        running.push(...started)
        for (const { tokens, duration } of warm) {
          for (const { contestant, port } of started) await send({ port, tokens, until: untilFor(contestant, duration) })
        }
        if (comparison.traffic !== 'distinct') continue
        for (const { port } of started) {
          for (let use = 1; use <= 2; use++) await send({ port, tokens: measured, until: 'each-once' }) // a token is kept from its second use on
        }
      }
      const parts = await takeTurns(running, turns.count, async ({ contestant, program, port }, turn): Promise<Part> => {
        const tokens = comparison.traffic === 'new' ? measured.filter((_, position) => position % turns.count === turn) : measured
        const before = await program.ask()
        const result = await send({ port, tokens, until: untilFor(contestant, turns.seconds) })
        return { ...result, cpu: figure(await program.ask(), 'cpuMicroseconds') - figure(before, 'cpuMicroseconds') }
      })
      rounds.push(new Map([...parts].map(([{ contestant }, ofTurns]) => [contestant.name, measurementOf(ofTurns)])))
    } finally {
      for (const { program } of running) await program.stop()
    }
  }
  return contestants.map((contestant) => toRow(comparison, contestant, rounds))
}

/** What is sent in the parts of the warm-up, and then. */
interface Tokens {
  readonly warm: ReadonlyArray<{ readonly tokens: readonly string[], readonly duration: number }>
  readonly measured: readonly string[]
}

function tokensFor ({ traffic, algorithm }: Comparison, turns: Turns, { credentials, seconds, distinct }: ThroughputOptions): Tokens {
  const newTokens = (duration: number, series: string): string[] => credentials.tokens(algorithm, Math.ceil(newPerSecond[algorithm] * duration), series)
  const warmedBy = (tokens: readonly string[]): Tokens['warm'] => warmUp(seconds).map((duration) => ({ tokens, duration }))
  switch (traffic) {
    case 'no-token': return { warm: warmedBy([]), measured: [] }
    case 'hot': return { warm: warmedBy(credentials.tokens(algorithm, 1, 'warm')), measured: credentials.tokens(algorithm, 1, 'hot') }
    case 'distinct': {
      const tokens = credentials.tokens(algorithm, distinct, 'distinct')
      return { warm: warmedBy(tokens), measured: tokens }
    }
    // Tokens that come again would warm up what knows them, and leave what verifies cold.
    case 'new': return {
      warm: warmUp(seconds).map((duration, part) => ({ tokens: newTokens(duration, `warm ${part}`), duration })),
      measured: newTokens(turns.count * turns.seconds, 'new')
    }
  }
}

/** Servers that share a process. */
async function startServers (contestants: readonly Contestant[], { algorithm }: Comparison, { credentials, databases }: ThroughputOptions): Promise<Running[]> {
  const configs = contestants.map(({ kind, auth = null, database = 'one' }): ServerConfig => ({ kind, algorithm, key: credentials.verification[algorithm], ...(kind === 'ours' || kind === 'mongoose' ? { auth, uri: databases[database] } : {}) }))
  const { program, figures } = await Program.start('server', configs, steadyHeap)
  return contestants.map((contestant, index) => ({ contestant, program, port: figure(figures, `port ${index}`) }))
}

function measurementOf (parts: readonly Part[]): Measurement {
  const [requests, seconds] = [sum(parts, (part) => part.requests), sum(parts, (part) => part.seconds)]
  return { requestsPerSecond: requests / seconds, cpuMicroseconds: sum(parts, ({ cpu }) => cpu) / requests, clientCpu: sum(parts, (part) => part.clientCpu * part.seconds) / seconds }
}

function toRow ({ name, title, contestants: [reference] }: Comparison, contestant: Contestant, rounds: ReadonlyArray<ReadonlyMap<string, Measurement>>): Row {
  const own = each(rounds, contestant.name)
  return {
    comparison: name,
    title,
    contestant: contestant.name,
    requestsPerSecond: median(own.map(({ requestsPerSecond }) => requestsPerSecond)),
    share: shareOf(own, each(rounds, reference.name)),
    cpuMicroseconds: median(own.map(({ cpuMicroseconds }) => cpuMicroseconds)),
    clientCpu: median(own.map(({ clientCpu }) => clientCpu)),
    goals: (contestant.goals ?? []).map((goal) => {
      const share = shareOf(own, each(rounds, goal.against))
      return { ...goal, share, reached: share.median >= goal.least && share.median <= (goal.most ?? Infinity) }
    })
  }
}

function each (rounds: ReadonlyArray<ReadonlyMap<string, Measurement>>, name: string): Measurement[] {
  return rounds.map((round) => {
    const found = round.get(name)
    if (found === undefined) throw new RangeError(`nobody is called ${name}`)
    return found
  })
}

function shareOf (own: readonly Measurement[], others: readonly Measurement[]): Spread {
  return spread(own.map(({ requestsPerSecond }, round) => requestsPerSecond / (others[round]?.requestsPerSecond ?? NaN)))
}
