import { every, type Clock } from '../../clock.js'
import type { AgendaJob } from './job-queue.js'

/**
 * Touches a job now and every `ms` milliseconds, so that no other process takes it for abandoned.
 * @returns ends that; resolves when no touch is under way any more: one that came after the job's end would lock it again, and it would run twice
 */
export function keepLocked (job: AgendaJob, ms: number, clock: Clock, onFailure: (error: unknown) => void): () => Promise<void> {
  let touching: Promise<unknown> | null = null
  const touch = async (): Promise<unknown> => await job.touch?.()
  const beat = (): void => { touching ??= touch().catch(onFailure).finally(() => { touching = null }) }
  const cancel = every(clock, ms, beat)
  beat()
  return async () => {
    cancel()
    await touching
  }
}
