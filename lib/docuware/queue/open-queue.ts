import type { Clock } from '../../clock.js'
import { errors } from '../../errors.js'
import { reasonOf, type Logger } from '../../store/logger.js'
import { AgendaQueue } from './agenda-queue.js'
import { jobIdOf } from './job-id.js'
import type { AgendaInstance, AppQueue, JobData, JobHandler } from './job-queue.js'
import { within } from './within.js'

/** Milliseconds that a queue has to accept a job, that running jobs have at the end, and that the queue has to stop. */
const enqueueLimit = 5000
const runningLimit = 10_000
const stopLimit = 5000

/** The app's queue, until `close`. */
export interface OpenQueue {
  /**
   * @returns the job's id: the queue's own, or one that is made up if it tells none
   * @throws DWA_DOCUWARE_QUEUE_REFUSED when the queue throws, rejects, or has not answered within 5 s. One that answers later has the job all the same
   * @throws DWA_DOCUWARE_QUEUE_CLOSED after `close`
   */
  enqueue (name: string, data: JobData): Promise<string>
  /**
   * Starts an Agenda that is not started. Neither throws nor waits: a queue that cannot be reached yet does not hold up the app, and one that fails is an error in its log.
   * A job whose data is no object fails with DWA_DOCUWARE_INVALID_JOB.
   */
  process (name: string, handler: JobHandler): void
  /**
   * Lets no more jobs begin, waits for those that run (at most 10 s), and stops an Agenda that was started here. Resolves in any case.
   * A job that a queue brings afterwards is rejected with DWA_DOCUWARE_QUEUE_CLOSED, so that the queue keeps it; an Agenda's is put off, for another process.
   */
  close (): Promise<void>
}

export interface OpenQueueOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The queue of the option `docuware.queue`: an object with `enqueue` and `process`, or an Agenda instance (agenda 6).
 * @throws DWA_OPTIONS_INVALID for anything else
 */
export function openQueue (option: unknown, options: OpenQueueOptions): OpenQueue {
  if (isAppQueue(option)) return new OpenedQueue(option, options)
  if (isAgenda(option)) return new OpenedQueue(new AgendaQueue(option, options), options)
  throw new errors.DWA_OPTIONS_INVALID('docuware.queue', 'must be an object with enqueue and process, or an Agenda instance (agenda 6)')
}

function isAppQueue (option: unknown): option is AppQueue {
  return hasMethods(option, ['enqueue', 'process'])
}

/** Before version 6, `define` took its arguments in another order. */
function isAgenda (option: unknown): option is AgendaInstance {
  return hasMethods(option, ['define', 'start', 'stop']) && (hasMethods(option, ['now']) || hasMethods(option, ['create'])) && !('_definitions' in option)
}

function hasMethods (value: unknown, names: readonly string[]): value is object {
  return typeof value === 'object' && value !== null && names.every((name) => typeof Reflect.get(value, name) === 'function')
}

class OpenedQueue implements OpenQueue {
  readonly #queue: AppQueue | AgendaQueue
  readonly #options: OpenQueueOptions
  readonly #running = new Set<Promise<void>>()
  #closing: Promise<void> | null = null

  constructor (queue: AppQueue | AgendaQueue, options: OpenQueueOptions) {
    this.#queue = queue
    this.#options = options
  }

  async enqueue (name: string, data: JobData): Promise<string> {
    if (this.#closing !== null) throw new errors.DWA_DOCUWARE_QUEUE_CLOSED()
    try {
      return jobIdOf(await within(this.#options.clock, enqueueLimit, async () => await this.#queue.enqueue(name, data)))
    } catch (cause) {
      throw new errors.DWA_DOCUWARE_QUEUE_REFUSED({ cause })
    }
  }

  process (name: string, handler: JobHandler): void {
    const ready = async (): Promise<unknown> => await this.#queue.process(name, async (data: unknown) => { await this.#run(handler, data) })
    ready().catch((error: unknown) => { this.#options.logger.error({ job: name, reason: reasonOf(error) }, 'the job queue does not run jobs in this process') })
  }

  async close (): Promise<void> {
    await (this.#closing ??= this.#close())
  }

  async #close (): Promise<void> {
    const agenda = this.#queue instanceof AgendaQueue ? this.#queue : null
    await this.#attempt(stopLimit, async () => await agenda?.stop())
    await this.#attempt(runningLimit, async () => {
      await Promise.allSettled(this.#running)
      await agenda?.saved()
    })
    await this.#attempt(stopLimit, async () => await agenda?.disconnect())
  }

  async #attempt (ms: number, operation: () => Promise<unknown>): Promise<void> {
    const { clock, logger } = this.#options
    try {
      await within(clock, ms, operation)
    } catch (error) {
      logger.warn({ running: this.#running.size, reason: reasonOf(error) }, 'the job queue did not close as it should')
    }
  }

  async #run (handler: JobHandler, data: unknown): Promise<void> {
    if (this.#closing !== null) throw new errors.DWA_DOCUWARE_QUEUE_CLOSED()
    if (!isJobData(data)) throw new errors.DWA_DOCUWARE_INVALID_JOB()
    const job = handler(data)
    this.#running.add(job)
    try {
      await job
    } finally {
      this.#running.delete(job)
    }
  }
}

function isJobData (data: unknown): data is JobData {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
}
