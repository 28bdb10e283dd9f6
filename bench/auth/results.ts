import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { BootTimes } from './boot.js'
import type { HookTime } from './hook.js'
import type { MemoryCheckpoint } from './memory.js'
import type { Row } from './throughput.js'

/** Everything one run found out. Parts that were not asked for are empty. */
export interface Results {
  readonly rows: readonly Row[]
  readonly hook: readonly HookTime[]
  readonly memory: readonly MemoryCheckpoint[]
  readonly boot: readonly BootTimes[]
  readonly circumstances: Circumstances
}

/** When, where and with what. */
export interface Circumstances {
  readonly date: string
  readonly node: string
  readonly packages: Readonly<Record<string, string>>
  readonly cores: number
  readonly processor: string
  readonly memoryGiB: number
  readonly rounds: number
  readonly seconds: number
}

const measuredPackages = ['fastify', 'mongoose', '@fastify/jwt', 'fast-jwt', 'express', 'express-oauth2-jwt-bearer', 'autocannon']

/** @param root the package's folder */
export function readCircumstances (root: URL, rounds: number, seconds: number, packages: readonly string[] = measuredPackages): Circumstances {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    packages: Object.fromEntries([['fastify-docuware-auth', versionIn(new URL('package.json', root))], ...packages.map((name) => [name, versionIn(new URL(`node_modules/${name}/package.json`, root))])]),
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    rounds,
    seconds
  }
}

function versionIn (file: URL): string {
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'))
  return version
}
