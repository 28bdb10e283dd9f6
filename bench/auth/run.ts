import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { measureBoot } from './boot.js'
import { drawChart } from './chart.js'
import { comparisons } from './comparisons.js'
import { Credentials } from './credentials.js'
import { measureHook } from './hook.js'
import { measureMemory } from './memory.js'
import { figure, Program } from './program.js'
import { toMarkdown, withReport } from './report.js'
import { readCircumstances, type Results } from './results.js'
import { compare, type Row } from './throughput.js'

export interface AuthBenchmark {
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** Whether a part is run: the name of a comparison, `hook`, `memory` or `boot`. */
  readonly wants: (part: string) => boolean
  /** Validators in the larger database. */
  readonly validators: number
  /** Distinct tokens of the traffic `distinct`. */
  readonly distinct: number
  readonly memoryCheckpoints: readonly number[]
  /** The package's folder. */
  readonly root: URL
  readonly progress: (line: string) => void
}

/** The command: `--rounds`, `--seconds`, `--only <part>`. A whole run is written into bench/README.md and bench/auth.svg. */
export async function runAuth (args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '3' }, only: { type: 'string', multiple: true } } })
  const { only } = values
  const root = new URL('../../../', import.meta.url)
  const results = await measureAuth({
    rounds: positive(values.rounds, '--rounds'),
    seconds: positive(values.seconds, '--seconds'),
    wants: (part) => only === undefined || only.some((start) => part.startsWith(start)),
    validators: 10_000,
    distinct: 10_000,
    memoryCheckpoints: [10_000, 100_000, 250_000, 500_000, 750_000, 1_000_000],
    root,
    progress: (line) => { process.stderr.write(`${line}\n`) }
  })
  const report = toMarkdown(results)
  process.stdout.write(report)
  if (only !== undefined) return
  const readme = new URL('bench/README.md', root)
  writeFileSync(readme, withReport(readFileSync(readme, 'utf8'), report))
  writeFileSync(new URL('bench/auth.svg', root), drawChart(results))
}

/** Runs the parts that are wanted, one after the other, on one embedded MongoDB in a process of its own. */
export async function measureAuth ({ rounds, seconds, wants, validators, distinct, memoryCheckpoints, root, progress }: AuthBenchmark): Promise<Results> {
  const credentials = new Credentials()
  const { program: mongo, figures } = await Program.start('mongo', { keys: credentials.verification, validators })
  const uri = (database: string): string => `mongodb://127.0.0.1:${figure(figures, 'port')}/${database}`
  try {
    const rows: Row[] = []
    for (const comparison of comparisons.filter(({ name }) => wants(name))) {
      progress(comparison.name)
      const found = await compare(comparison, { rounds, seconds, credentials, databases: { one: uri('one'), many: uri('many') }, distinct })
      for (const { contestant, requestsPerSecond, share, cpuMicroseconds } of found) progress(`  ${contestant}: ${Math.round(requestsPerSecond)}/s, ${share.median.toFixed(3)}, ${cpuMicroseconds.toFixed(1)} µs CPU`)
      rows.push(...found)
    }
    if (wants('boot')) progress('boot')
    const boot = wants('boot') ? await measureBoot(uri('boot'), rounds) : []
    if (wants('hook')) progress('hook')
    const hook = wants('hook') ? await measureHook(uri('one'), { rounds, calls: Math.ceil(100_000 * Math.min(1, seconds)), distinct }) : []
    if (wants('memory')) progress('memory')
    const memory = wants('memory') ? await measureMemory(uri('one'), memoryCheckpoints) : []
    return { rows, hook, memory, boot, circumstances: readCircumstances(root, rounds, seconds) }
  } finally {
    await mongo.stop()
  }
}

function positive (text: string, option: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new RangeError(`${option} must be a number above 0, not ${text}`)
  return value
}
