import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import type { Actor } from '../log/log-entry.js'
import { reasonOf, type Logger } from '../store/logger.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { ErrorReporter } from '../telemetry/error-reporter.js'
import type { Account, StoredConnection } from './connection-schema.js'
import type { JobData } from './queue/job-queue.js'
import type { OpenQueue } from './queue/open-queue.js'
import type { DocuWareClient, DocuWareObject } from './rest/docuware-client.js'
import { isObject, member } from './rest/member.js'

/** Who asks for a sync. */
export interface SyncRequest { readonly actor?: Actor, readonly requestId?: string }

/** What a sync found. A failure is a result too: `ok` is false, and `message` says why. */
export interface SyncResult {
  readonly ok: boolean
  readonly message: string
  /** Of what went wrong, when it is one of this package's. */
  readonly code?: string
  readonly at: Date
  readonly durationMs: number
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
  readonly clock: Clock
  readonly logger: Logger
}

const jobName = 'docuware.sync'
/** Milliseconds after which a sync that never ended is not in the way any more. */
const crashedAfter = 10 * 60_000
const tries = 20

/** The probe of a connection: a token, the organization, the user. It reads and never pushes anything. */
export class Sync {
  readonly #options: SyncOptions

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
      const target = { type: 'connection', id, name: record.fields.name }
      try {
        const jobId = await queue.enqueue(jobName, { connection: id, ...request })
        await auditLog.append('connection.sync_queued', { ...request, target, details: { jobId } })
        return { queued: true, jobId }
      } catch (error) {
        if (!isAuthError(error, 'DWA_DOCUWARE_QUEUE_REFUSED')) throw error
        logger.warn({ connection: record.fields.name, reason: reasonOf(error.cause ?? error) }, 'the job queue did not take a sync, running it here')
        await auditLog.append('connection.sync_not_queued', { ...request, level: 'warning', target, details: { reason: reasonOf(error.cause ?? error) } })
      }
    }
    return { queued: false, result: await this.run(id, request) }
  }

  /** Probes a connection now. @throws DWA_DOCUWARE_SYNC_RUNNING, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  async run (id: string, request: SyncRequest = {}): Promise<SyncResult> {
    const { clock, clientOf, reporter } = this.#options
    const started = clock.now()
    const turn = randomUUID()
    const { fields } = await this.#claim(id, turn, request)
    let failure: unknown = null
    let account: Account | null = null
    try {
      account = await probe(clientOf(id))
    } catch (error) {
      failure = error ?? new Error('failed')
    }
    const ended = clock.now()
    const message = failure === null ? `Connected to ${account?.organization ?? 'the organization'}` : failure instanceof Error ? failure.message : String(failure)
    const result: SyncResult = {
      ok: failure === null,
      message,
      ...(isAuthError(failure) ? { code: failure.code } : {}),
      at: new Date(started),
      durationMs: Math.max(0, Math.round(ended - started)),
      account
    }
    if (failure !== null) {
      reporter()?.capture(failure, { connection: { id, name: fields.name, platformUrl: fields.platformUrl }, sync: { durationMs: result.durationMs, ...(result.code === undefined ? {} : { code: result.code }) } })
    }
    await this.#finish(id, turn, result, request)
    return result
  }

  async #runJob ({ connection, actor, requestId }: JobData): Promise<void> {
    if (typeof connection !== 'string') throw new errors.DWA_DOCUWARE_INVALID_JOB()
    const result = await this.run(connection, { ...(isActor(actor) ? { actor } : {}), ...(typeof requestId === 'string' ? { requestId } : {}) })
    if (!result.ok) throw new Error(result.message)
  }

  async #claim (id: string, turn: string, request: SyncRequest): Promise<StoredRecord<StoredConnection>> {
    return await this.#change(id, (record) => {
      this.#refuseRunning(record)
      return { syncing: { id: turn, since: Math.floor(this.#options.clock.now()) } }
    }, { ...request, event: 'connection.sync_started' })
  }

  async #finish (id: string, turn: string, { ok, message, at, durationMs, account, code }: SyncResult, request: SyncRequest): Promise<void> {
    await this.#change(id, ({ fields }) => ({
      lastSync: { at: at.getTime(), ok, message, durationMs },
      ...(fields.syncing?.id === turn ? { syncing: undefined } : {}),
      ...(account === null ? {} : { account: { ...fields.account, ...account } })
    }), { ...request, event: ok ? 'connection.sync_succeeded' : 'connection.sync_failed', message, details: { durationMs, ...(account?.organization === undefined ? {} : { organization: account.organization }), ...(code === undefined ? {} : { code }) } })
  }

  /** Applies a change to the newest version. */
  async #change (id: string, change: (record: StoredRecord<StoredConnection>) => Parameters<RecordCollection<StoredConnection>['update']>[2], note: Change): Promise<StoredRecord<StoredConnection>> {
    for (let left = tries; ; left--) {
      const record = await this.#existing(id)
      try {
        return await this.#options.records.update(id, record.version, change(record), note)
      } catch (error) {
        if (!isAuthError(error, 'DWA_STORE_CONFLICT') || left === 0) throw error
      }
    }
  }

  #refuseRunning ({ fields: { syncing } }: StoredRecord<StoredConnection>): void {
    if (syncing === undefined || this.#options.clock.now() - syncing.since >= crashedAfter) return
    const since = new Date(syncing.since)
    throw Object.assign(new errors.DWA_DOCUWARE_SYNC_RUNNING(since.toISOString()), { since })
  }

  async #existing (id: string): Promise<StoredRecord<StoredConnection>> {
    const record = await this.#options.records.get(id)
    if (record === null) throw new errors.DWA_STORE_NOT_FOUND('The connection')
    return record
  }
}

async function probe (client: DocuWareClient): Promise<Account> {
  const [organization] = await client.organizations()
  const info = await client.whoami()
  const found = member(info, 'User')
  const user = isObject(found) ? found : info
  const name = organization === undefined ? undefined : textOf(organization, 'Name')
  const username = textOf(user, 'Name') ?? textOf(user, 'EMail')
  return { ...(name === undefined ? {} : { organization: name }), ...(username === undefined ? {} : { username }) }
}

function textOf (object: DocuWareObject, name: string): string | undefined {
  const value = member(object, name)
  return typeof value === 'string' && value !== '' ? value.slice(0, 256) : undefined
}

function isActor (value: unknown): value is Actor {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'id' in value && (value.id === null || typeof value.id === 'string')
}
