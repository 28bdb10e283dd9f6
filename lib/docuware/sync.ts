import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Actor } from '../log/log-entry.js'
import { reasonOf, type Logger } from '../store/logger.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { ErrorReporter } from '../telemetry/error-reporter.js'
import type { Account, StoredConnection } from './connection-schema.js'
import { probe } from './probe.js'
import type { JobData } from './queue/job-queue.js'
import type { OpenQueue } from './queue/open-queue.js'
import type { DocuWareClient } from './rest/docuware-client.js'

/** Who asks for a sync. */
export interface SyncRequest { readonly actor?: Actor | undefined, readonly requestId?: string | undefined }

/** What a sync found. A failure is a result too: `ok` is false, and `message` says why. */
export interface SyncResult {
  readonly ok: boolean
  readonly message: string
  /** Of what went wrong, when it is one of this package's. */
  readonly code?: string
  readonly at: Date
  readonly durationMs: number
  /** What was found; of a failed sync perhaps the organization alone, or null. */
  readonly account: Account | null
}

export type SyncAnswer = { readonly queued: true, readonly jobId: string } | { readonly queued: false, readonly result: SyncResult }

export interface SyncOptions {
  readonly records: RecordCollection<StoredConnection>
  readonly clientOf: (id: string) => DocuWareClient
  /** Null: syncs run where they are asked for. */
  readonly queue: OpenQueue | null
  readonly auditLog: Pick<AuditLog, 'append' | 'record'>
  readonly reporter: () => ErrorReporter | null
  /** For waits and lengths of time. */
  readonly clock: Clock
  /** Milliseconds since 1970, the same in every process. */
  readonly now: () => number
  readonly logger: Logger
}

type Patch = Parameters<RecordCollection<StoredConnection>['update']>[2]

const jobName = 'docuware.sync'
/** Milliseconds after which a sync that never ended is not in the way any more. */
const crashedAfter = 10 * 60_000
/** Milliseconds after which a sync that still runs has failed, lest it be taken for crashed; and what those that run have at the end. */
const longestSync = 9 * 60_000
const closingLimit = 8000
const tries = 20

/** The probe of a connection: a token, the organization, the user. It reads and never pushes anything. */
export class Sync {
  readonly #options: SyncOptions
  readonly #running = new Map<AbortController, Promise<SyncResult>>()

  constructor (options: SyncOptions) {
    this.#options = options
  }

  /** Runs the queue's syncs in this process. */
  start (): void {
    this.#options.queue?.process(jobName, async (data) => { await this.#runJob(data) })
  }

  /**
   * Has a connection probed: by the queue, or here and now without one or when it does not take the job.
   * @throws DWA_DOCUWARE_SYNC_RUNNING, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE
   */
  async request (id: string, request: SyncRequest = {}): Promise<SyncAnswer> {
    const { queue, auditLog, logger } = this.#options
    const record = await this.#existing(id)
    this.#refuseRunning(record)
    if (queue !== null) {
      const caller = askedBy(request)
      const target = { type: 'connection', id, name: record.fields.name }
      try {
        const jobId = await queue.enqueue(jobName, { connection: id, ...caller })
        await auditLog.append('connection.sync_queued', { ...caller, target, details: { jobId } })
        return { queued: true, jobId }
      } catch (error) {
        if (!isAuthError(error, 'DWA_DOCUWARE_QUEUE_REFUSED')) throw error
        logger.warn({ connection: record.fields.name, reason: reasonOf(error.cause ?? error) }, 'the job queue did not take a sync, running it here')
        await auditLog.append('connection.sync_not_queued', { ...caller, level: 'warning', target, details: { reason: reasonOf(error.cause ?? error) } })
      }
    }
    return { queued: false, result: await this.run(id, request) }
  }

  /** Probes a connection now. @throws DWA_DOCUWARE_SYNC_RUNNING, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  async run (id: string, request: SyncRequest = {}): Promise<SyncResult> {
    const limit = new AbortController()
    const cancel = this.#options.clock.after(longestSync, () => { limit.abort(new errors.DWA_DOCUWARE_TIMEOUT(longestSync)) })
    const running = this.#run(id, askedBy(request), limit.signal)
    this.#running.set(limit, running)
    try {
      return await running
    } finally {
      this.#running.delete(limit)
      cancel()
    }
  }

  /** Waits for the syncs that run. After 8 s they have failed, and it waits until their records say so. */
  async close (): Promise<void> {
    const cancel = this.#options.clock.after(closingLimit, () => {
      for (const limit of this.#running.keys()) limit.abort(new Error('The app was closed before the sync had ended'))
    })
    await Promise.allSettled(this.#running.values())
    cancel()
  }

  async #run (id: string, caller: SyncRequest, signal: AbortSignal): Promise<SyncResult> {
    const { clock, now, clientOf, reporter } = this.#options
    const [at, started] = [new Date(now()), clock.now()]
    const { fields, fields: { name, platformUrl, syncing } } = await this.#claim(id, caller)
    const { account, failure } = await probe(clientOf(id), signal)
    const organization = account?.organization ?? fields.account?.organization
    const result: SyncResult = {
      ok: failure === null,
      message: failure?.message ?? `Connected to ${organization ?? 'the organization'}`,
      ...(isAuthError(failure) ? { code: failure.code } : {}),
      at,
      durationMs: Math.max(0, Math.round(clock.now() - started)),
      account
    }
    const { durationMs, code, message } = result
    const details = { durationMs, ...(organization === undefined ? {} : { organization }), ...(code === undefined ? {} : { code }) }
    if (failure !== null) reporter()?.capture(failure, { connection: { id, name, platformUrl }, sync: details })
    await this.#change(id, (record) => record.fields.syncing?.id === syncing?.id ? outcome(result, fields, record.fields) : {}, {
      ...caller, ...(result.ok ? { event: 'connection.sync_succeeded' } : { event: 'connection.sync_failed', level: 'warning' }), message, details
    })
    return result
  }

  async #runJob ({ connection, ...request }: JobData): Promise<void> {
    if (typeof connection !== 'string') throw new errors.DWA_DOCUWARE_INVALID_JOB()
    const result = await this.run(connection, askedBy(request))
    if (!result.ok) throw new Error(result.message)
  }

  async #claim (id: string, caller: SyncRequest): Promise<StoredRecord<StoredConnection>> {
    const turn = randomUUID()
    return await this.#change(id, (record) => {
      this.#refuseRunning(record)
      return { syncing: { id: turn, since: Math.floor(this.#options.now()) } }
    }, { ...caller, event: 'connection.sync_started' })
  }

  /** Applies a change to the newest version. */
  async #change (id: string, change: (record: StoredRecord<StoredConnection>) => Patch, note: Change, left = tries): Promise<StoredRecord<StoredConnection>> {
    const record = await this.#existing(id)
    try {
      return await this.#options.records.update(id, record.version, change(record), note)
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_CONFLICT') || left === 0) throw error
      return await this.#change(id, change, note, left - 1)
    }
  }

  #refuseRunning ({ fields: { syncing } }: StoredRecord<StoredConnection>): void {
    if (syncing === undefined || this.#options.now() - syncing.since >= crashedAfter) return
    const since = new Date(syncing.since)
    throw Object.assign(new errors.DWA_DOCUWARE_SYNC_RUNNING(since.toISOString()), { since })
  }

  async #existing (id: string): Promise<StoredRecord<StoredConnection>> {
    const record = await this.#options.records.get(id)
    if (record === null) throw new errors.DWA_STORE_NOT_FOUND('The connection')
    return record
  }
}

/** What a sync leaves in the record: nothing of another platform or client than the record has by now, and no account of tokens that are gone. */
function outcome ({ at, ok, message, durationMs, account }: SyncResult, before: StoredConnection, now: StoredConnection): Patch {
  const same = now.platformUrl === before.platformUrl && now.clientId === before.clientId
  return {
    syncing: undefined,
    ...(same ? { lastSync: { at: at.getTime(), ok, message, durationMs } } : {}),
    ...(same && account !== null && now.status !== 'draft' ? { account: { ...now.account, ...account } } : {})
  }
}

/** Who asks and nothing else: whatever a caller or a queue hands over besides stays out of jobs and the log. */
function askedBy ({ actor, requestId }: { readonly actor?: unknown, readonly requestId?: unknown }): SyncRequest {
  return { ...(isActor(actor) ? { actor: { type: actor.type, id: actor.id } } : {}), ...(typeof requestId === 'string' ? { requestId } : {}) }
}

function isActor (value: unknown): value is Actor {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'id' in value && (value.id === null || typeof value.id === 'string')
}
