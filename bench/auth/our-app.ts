import type { Algorithm } from './credentials.js'

/** The master key of the benchmark's databases. */
export const masterKey = Buffer.alloc(32, 1).toString('base64')

/** The stored validator for tokens of one algorithm. */
export function usedValidator (algorithm: Algorithm): string {
  return `bench_${algorithm}`
}
