import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { MongoClient } from 'mongodb'
import { figure, Program } from '../auth/program.js'
import { withReport } from '../auth/report.js'
import { readCircumstances } from '../auth/results.js'
import { comparisonsOfSizes, comparisonsOn, endpointsOfSizes, type Comparison } from './comparisons.js'
import { fill } from './fill.js'
import { toMarkdown, type Results } from './report.js'
import { rotate } from './rotations.js'
import { compare, type Row } from './throughput.js'

export interface ProviderBenchmark {
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** Whether a part is run: an endpoint, an endpoint after `tokens-`, or `rotations`. */
  readonly wants: (part: string) => boolean
  /** How many families are in the databases, ascending. */
  readonly tokens: readonly number[]
  /** Of one refresh token. */
  readonly rotations: number
  /** A real server to measure on as well. */
  readonly mongodbUri: string | undefined
  /** The package's folder. */
  readonly root: URL
  readonly progress: (line: string) => void
}

const packages = ['fastify', 'mongoose', 'mongodb', '@node-oauth/oauth2-server', 'oidc-provider', 'autocannon']
/** Megabytes of heap for the embedded MongoDB: a million families are some gigabytes there. */
const heap = 12_288

/** The command: `--rounds`, `--seconds`, `--only <part>`, `--tokens 1000,1000000`. A whole run is written into bench/README.md. */
export async function runProvider (args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '1' }, tokens: { type: 'string', default: '1000,1000000' }, only: { type: 'string', multiple: true } }
  })
  const { only } = values
  const root = new URL('../../../', import.meta.url)
  const results = await measureProvider({
    rounds: positive(values.rounds, '--rounds'),
    seconds: positive(values.seconds, '--seconds'),
    wants: (part) => only === undefined || only.some((start) => part.startsWith(start)),
    tokens: values.tokens.split(',').map((count) => positive(count, '--tokens')),
    rotations: 10_000,
    mongodbUri: process.env['MONGODB_URI'],
    root,
    progress: (line) => { process.stderr.write(`${line}\n`) }
  })
  const report = toMarkdown(results)
  process.stdout.write(report)
  if (only !== undefined) return
  const readme = new URL('bench/README.md', root)
  writeFileSync(readme, withReport(readFileSync(readme, 'utf8'), report, 'provider'))
}

/** Runs what is wanted, one after the other, on one embedded MongoDB in a process of its own. */
export async function measureProvider ({ rounds, seconds, wants, tokens, rotations, mongodbUri, root, progress }: ProviderBenchmark): Promise<Results> {
  const { program: mongo, figures } = await Program.start('../provider/mongo', {}, [`--max-old-space-size=${heap}`])
  const embedded = (database: string): string => `mongodb://127.0.0.1:${figure(figures, 'port')}/${database}`
  const run = `dwa_bench_${randomBytes(6).toString('hex')}`
  const named = mongodbUri === undefined ? null : (name: string): string => withDatabase(mongodbUri, `${run}_${name}`)
  const measure = async (comparisons: readonly Comparison[]): Promise<Row[]> => {
    const rows: Row[] = []
    for (const comparison of comparisons) {
      progress(comparison.title)
      const found = await compare(comparison, { rounds, seconds, mongo })
      for (const { contestant, requestsPerSecond, share, cpuMicroseconds, databaseMicroseconds } of found) progress(`  ${contestant}: ${Math.round(requestsPerSecond)}/s, ${share.median.toFixed(2)}, ${cpuMicroseconds.toFixed(0)} + ${databaseMicroseconds.toFixed(0)} µs CPU`)
      rows.push(...found)
    }
    return rows
  }
  try {
    const rows = await measure(comparisonsOn({ embedded, named }).filter(({ name }) => wants(name)))
    if (wants('rotations')) progress(`${rotations} rotations`)
    const rotated = wants('rotations') ? await rotate(embedded('rotations'), rotations) : null
    const sizes: Array<{ tokens: number, uri: string }> = []
    const wantsSizes = endpointsOfSizes.some((name) => wants(`tokens-${name}`))
    for (const count of wantsSizes ? tokens : []) {
      const began = performance.now()
      const uri = embedded(`stored_${count}`)
      await fill(uri, count)
      progress(`${count} families stored in ${((performance.now() - began) / 1000).toFixed(0)} s, ${(figure(await mongo.ask(), 'rss') / 2 ** 20).toFixed(0)} MiB`)
      sizes.push({ tokens: count, uri })
    }
    return { rows, rotated, sizes: await measure(comparisonsOfSizes(sizes).filter(({ name }) => wants(`tokens-${name}`))), circumstances: readCircumstances(root, rounds, seconds, packages) }
  } finally {
    await mongo.stop()
    if (named !== null) for (const name of ['ours', 'oidc']) await drop(named(name))
  }
}

async function drop (uri: string): Promise<void> {
  const client = await MongoClient.connect(uri)
  await client.db().dropDatabase()
  await client.close()
}

/** The address with another database; who signs in still does so against the one named before, or admin. */
function withDatabase (uri: string, database: string): string {
  const [, hosts = '', named = '', query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(uri) ?? []
  if (hosts === '') throw new RangeError('MONGODB_URI is no MongoDB connection string')
  const options = new URLSearchParams(query)
  if (hosts.includes('@') && !options.has('authSource')) options.set('authSource', named === '' ? 'admin' : named)
  return `${hosts}/${database}${options.size > 0 ? `?${options.toString()}` : ''}`
}

function positive (text: string, option: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new RangeError(`${option} must be a number above 0, not ${text}`)
  return value
}
