/** What a job is about: names and plain values that every queue can store. Never a secret. */
export type JobData = Readonly<Record<string, unknown>>

/** Runs one job; a rejection means that it failed. */
export type JobHandler = (data: JobData) => Promise<void>

/** A queue of the app's own. `enqueue` may answer with a string, a number, an object with an `id`, or nothing; whatever `process` returns is not waited for. */
export interface AppQueue {
  enqueue (name: string, data: JobData): unknown
  process (name: string, handler: JobHandler): unknown
}

/** As much of an Agenda's job as is used here. */
export interface AgendaJob {
  readonly attrs: { readonly data?: unknown }
  touch? (): Promise<unknown>
  schedule? (at: Date): unknown
}

/** As much of an Agenda instance (agenda 6) as is used here; this package never imports agenda. */
export interface AgendaInstance {
  define (name: string, processor: (job: AgendaJob) => Promise<void>, options: { lockLifetime: number, lockLimit: number, concurrency: number }): unknown
  now? (name: string, data: JobData): Promise<unknown>
  create? (name: string, data: JobData): { save (): Promise<unknown> }
  start (): Promise<unknown>
  stop (closeConnection?: boolean): Promise<unknown>
  isActiveJobProcessor? (): boolean
  on? (event: string, listener: (job: AgendaJob) => void): unknown
  off? (event: string, listener: (job: AgendaJob) => void): unknown
}

/** The option `docuware.queue`. */
export type QueueOption = AppQueue | AgendaInstance
