import { randomBytes } from 'node:crypto'

/** A secret of 32 random bytes, fresh for each run: the demo has none in its source. */
export function freshSecret (): string {
  return randomBytes(32).toString('base64url')
}
