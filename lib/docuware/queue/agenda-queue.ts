import type { Clock } from '../../clock.js'
import { isAuthError } from '../../errors.js'
import { reasonOf, type Logger } from '../../store/logger.js'
import type { AgendaInstance, AgendaJob, JobData } from './job-queue.js'
import { keepLocked } from './lock-keeper.js'

/**
 * Milliseconds. Agenda leaves a timer of half a lock's lifetime behind for every job that has run, and a process cannot end before: the lock is short,
 * and kept fresh while the job runs.
 */
const lockLifetime = 6000
const touchInterval = 2000

const definition = {
  lockLifetime,
  concurrency: 5,
  // Agenda goes on counting a locked job that waited for longer than its lock holds: any limit is reached one day, and then no job runs any more.
  lockLimit: Number.MAX_SAFE_INTEGER
}

export interface AgendaQueueOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/** Runs jobs by the app's Agenda, and starts it if the app has not: whoever started it stops it. */
export class AgendaQueue {
  readonly #agenda: AgendaInstance
  readonly #options: AgendaQueueOptions
  /** The names whose `complete` is listened to. */
  readonly #names = new Set<string>()
  /** Jobs whose outcome Agenda has yet to store. */
  readonly #unsaved = new Set<AgendaJob>()
  readonly #onComplete = (job: AgendaJob): void => {
    this.#unsaved.delete(job)
    if (this.#unsaved.size === 0) this.#onSaved()
  }

  #onSaved = (): void => {}
  #started: Promise<unknown> | null = null

  constructor (agenda: AgendaInstance, options: AgendaQueueOptions) {
    this.#agenda = agenda
    this.#options = options
  }

  async enqueue (name: string, data: JobData): Promise<unknown> {
    if (this.#agenda.now !== undefined) return await this.#agenda.now(name, data)
    return await this.#agenda.create?.(name, data).save()
  }

  /** Resolves when jobs of that name run here: not before MongoDB was reached. */
  async process (name: string, run: (data: unknown) => Promise<void>): Promise<void> {
    this.#agenda.define(name, async (job) => { await this.#perform(name, job, run) }, definition)
    if (this.#agenda.on !== undefined && !this.#names.has(name)) {
      this.#agenda.on(`complete:${name}`, this.#onComplete)
      this.#names.add(name)
    }
    if (this.#started === null && this.#agenda.isActiveJobProcessor?.() === true) return
    this.#started ??= this.#agenda.start()
    await this.#started
  }

  /** Lets no job begin any more, if the Agenda was started here. */
  async stop (): Promise<void> {
    if (this.#started === null) return
    await this.#started // else it would begin after its end
    await this.#agenda.stop(false) // the connection stays: running jobs have an outcome to store
  }

  /** Resolves when Agenda has stored the outcome of every job that ran here. */
  async saved (): Promise<void> {
    if (this.#unsaved.size > 0) await new Promise<void>((resolve) => { this.#onSaved = resolve })
  }

  /** Does what `stop` left undone: closes a connection that Agenda opened for itself. */
  async disconnect (): Promise<void> {
    for (const name of this.#names) this.#agenda.off?.(`complete:${name}`, this.#onComplete)
    this.#names.clear()
    if (this.#started !== null && 'backend' in this.#agenda && ownsConnection(this.#agenda.backend)) await this.#agenda.backend.disconnect()
  }

  async #perform (name: string, job: AgendaJob, run: (data: unknown) => Promise<void>): Promise<void> {
    const { clock, logger } = this.#options
    if (this.#names.has(name)) this.#unsaved.add(job)
    const release = keepLocked(job, touchInterval, clock, (error) => { logger.warn({ job: name, reason: reasonOf(error) }, 'the lock of a job could not be kept') })
    try {
      await run(job.attrs.data)
    } catch (error) {
      if (job.schedule === undefined || !isAuthError(error, 'DWA_DOCUWARE_QUEUE_CLOSED')) throw error
      job.schedule(new Date(clock.now() + lockLifetime)) // the app is closed and its Agenda goes on: left to another process
    } finally {
      await release()
    }
  }
}

/** Agenda's own backend, as far as it is known. */
function ownsConnection (backend: unknown): backend is { disconnect (): Promise<void> } {
  return typeof backend === 'object' && backend !== null && 'ownsConnection' in backend && backend.ownsConnection === true && 'disconnect' in backend && typeof backend.disconnect === 'function'
}
