import type { BootTimes } from './boot.js'
import { shareLeft, type HookTime } from './hook.js'
import type { MemoryCheckpoint } from './memory.js'
import type { Results } from './results.js'
import type { Spread } from './spread.js'
import type { GoalResult, Row } from './throughput.js'

/** The text with what stands between a benchmark's markers replaced. @throws when it has none */
export function withReport (text: string, report: string, benchmark = 'auth'): string {
  const [begin, end] = [`<!-- ${benchmark}: begin -->`, `<!-- ${benchmark}: end -->`]
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new RangeError(`${begin} and ${end} are missing`)
  return `${text.slice(0, from + begin.length)}\n\n${report}\n${text.slice(to)}`
}

/** The results as Markdown. */
export function toMarkdown ({ rows, hook, memory, boot, circumstances }: Results): string {
  const { date, node, packages, cores, processor, memoryGiB, rounds, seconds } = circumstances
  return [
    `${date}, Node ${node}, ${cores} cores (${processor}), ${memoryGiB} GiB; ${rounds} rounds of ${seconds} s. ${Object.entries(packages).map(([name, version]) => `${name} ${version}`).join(', ')}.`,
    ...rows.length === 0 ? [] : [throughputTable(rows)],
    ...hook.length === 0 ? [] : [hookTable(hook, rows)],
    ...memory.length === 0 ? [] : [memoryTable(memory)],
    ...boot.length === 0 ? [] : [bootTable(boot)]
  ].join('\n\n') + '\n'
}

function throughputTable (rows: readonly Row[]): string {
  const lines = rows.map((row, index) => cells([
    rows[index - 1]?.comparison === row.comparison ? '' : row.title,
    row.contestant,
    inThousands(row.requestsPerSecond),
    ofSpread(row.share, 3),
    row.cpuMicroseconds.toFixed(1),
    percent(row.clientCpu),
    row.goals.map(toGoalText).join('; ')
  ]))
  return [cells(['requests', 'server', 'requests/s', 'share of the first (least – greatest)', 'server CPU, µs/request', 'sender CPU', 'goals']), cells(['---', '---', '---:', '---:', '---:', '---:', '---']), ...lines].join('\n')
}

export function toGoalText ({ against, least, most, share, reached }: GoalResult): string {
  const wanted = most === undefined ? `≥ ${least}` : `${least} – ${most}`
  return `${reached ? 'pass' : 'miss'}: ${share.median.toFixed(3)} of ${against}, goal ${wanted}`
}

/** With the requests a second that it leaves, by the CPU time that bare Fastify took in this run. */
function hookTable (hook: readonly HookTime[], rows: readonly Row[]): string {
  const bare = rows.filter(({ contestant }) => contestant === 'bare Fastify').map(({ cpuMicroseconds }) => cpuMicroseconds)
  const lines = hook.map((time) => cells([time.title, ofSpread(time.microseconds, 2), bare.length === 0 ? '' : shareLeft(bare, time).toFixed(3)]))
  return [cells(['the hook, called by itself', 'CPU, µs/call (least – greatest)', 'requests/s it leaves of bare Fastify']), cells(['---', '---:', '---:']), ...lines].join('\n')
}

function memoryTable (checkpoints: readonly MemoryCheckpoint[]): string {
  const lines = checkpoints.map(({ tokens, heap, rss }) => cells([inThousands(tokens), megabytes(heap), megabytes(rss)]))
  return [cells(['distinct tokens so far', 'heap, MB', 'RSS, MB']), cells(['---:', '---:', '---:']), ...lines].join('\n')
}

function bootTable (boots: readonly BootTimes[]): string {
  return [
    cells(['boot', 'ms (least – greatest)', 'imports alone', 'beyond the first', 'goal']),
    cells(['---', '---:', '---:', '---:', '---']),
    ...boots.map(({ title, whole, imports, over, goal }) => cells([title, ofSpread(whole, 0), ofSpread(imports, 0), ofSpread(over, 0), goal === null ? '' : `${over.median <= goal ? 'pass' : 'miss'}: goal ≤ ${goal}`]))
  ].join('\n')
}

export function cells (texts: readonly string[]): string {
  return `| ${texts.join(' | ')} |`
}

export function ofSpread ({ median, least, greatest }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${least.toFixed(digits)} – ${greatest.toFixed(digits)})`
}

export function percent (share: number): string {
  return `${Math.round(share * 100)} %`
}

export function megabytes (bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

export function inThousands (value: number): string {
  return String(Math.round(value)).replaceAll(/(?<=\d)(?=(?:\d{3})+$)/g, ' ')
}
