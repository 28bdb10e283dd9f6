import { cells, inThousands, ofSpread, percent, toGoalText } from '../auth/report.js'
import type { Circumstances } from '../auth/results.js'
import type { Rotations } from './rotations.js'
import type { Row } from './throughput.js'

/** Everything one run found out. */
export interface Results {
  readonly rows: readonly Row[]
  readonly rotated: Rotations | null
  /** The same endpoints with few and with many tokens in the database. */
  readonly sizes: readonly Row[]
  readonly circumstances: Circumstances
}

/** The results as Markdown. */
export function toMarkdown ({ rows, rotated, sizes, circumstances }: Results): string {
  const { date, node, packages, cores, processor, memoryGiB, rounds, seconds } = circumstances
  return [
    `${date}, Node ${node}, ${cores} cores (${processor}), ${memoryGiB} GiB; ${rounds} rounds of ${seconds} s. ${Object.entries(packages).map(([name, version]) => `${name} ${version}`).join(', ')}.`,
    ...rows.length === 0 ? [] : [table(rows, 'share of the first (least – greatest)', ({ share, goals }) => [ofSpread(share, 2), goals.map(toGoalText).join('; ')])],
    ...rotated === null ? [] : [`${inThousands(rotated.rotations)} rotations of one refresh token, one after the other, in ${rotated.seconds.toFixed(0)} s: ${rotated.documents} family document of ${rotated.bytes} bytes.`],
    ...sizes.length === 0 ? [] : [table(sizes, 'CPU/request, share of the first (least – greatest)', ({ cost }) => [ofSpread(cost, 2), ''])]
  ].join('\n\n') + '\n'
}

function table (rows: readonly Row[], share: string, last: (row: Row) => readonly [string, string]): string {
  const lines = rows.map((row, index) => {
    const [compared, goals] = last(row)
    return cells([rows[index - 1]?.title === row.title ? '' : row.title, row.contestant, inThousands(row.requestsPerSecond), compared, row.cpuMicroseconds.toFixed(0), row.databaseMicroseconds.toFixed(0), percent(row.clientCpu), goals])
  })
  return [cells(['requests', 'server', 'requests/s', share, 'server CPU, µs/request', 'embedded MongoDB CPU, µs/request', 'sender CPU', 'goals']), cells(['---', '---', '---:', '---:', '---:', '---:', '---:', '---']), ...lines].join('\n')
}
