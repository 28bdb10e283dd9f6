import type { Clock } from '../../clock.js'

/**
 * Waits for `operation` at most `ms` milliseconds. What becomes of it afterwards is nobody's concern.
 * @throws Error when the time is up, or what `operation` throws
 */
export async function within<T> (clock: Clock, ms: number, operation: () => Promise<T>): Promise<T> {
  let cancel = (): void => {}
  const late = new Promise<never>((_resolve, reject) => { cancel = clock.after(ms, () => { reject(new Error(`No answer within ${ms} ms`)) }) })
  try {
    return await Promise.race([operation(), late])
  } finally {
    cancel()
  }
}
