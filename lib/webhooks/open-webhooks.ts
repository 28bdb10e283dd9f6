import { randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { findDisagreement } from '../schema-check.js'
import { ConfirmedCache } from '../store/confirmed-cache.js'
import { FailureLocks, failureCollection, failureIndexes, lockedEvent, type FailureDocument } from '../store/failure-locks.js'
import type { Logger } from '../store/logger.js'
import { ManagedRecords } from '../store/managed-records.js'
import type { Store } from '../store/store.js'
import { Deliveries, deliveryIndexes, type DeliveryDocument } from './deliveries.js'
import { sourceKind, type StoredSource } from './source-kind.js'
import { SourceRegistry, type StoredEntry } from './source-registry.js'
import { sourceName, type SigningFields } from './source-schema.js'
import { WebhookSources } from './sources.js'
import { WebhookGuard } from './webhook-guard.js'
import { defaultRefusedPerAddress, type WebhooksOptions } from './webhook-options.js'
import { compileSource, problemOf, type WebhookSource } from './webhook-source.js'

/** Milliseconds a lock of an address is believed while the database cannot confirm it. */
const maxStaleLocksMs = 60_000

/** The parts of the `webhooks` plugin, put together. */
export interface Webhooks {
  readonly sources: WebhookSources
  readonly guard: WebhookGuard
  /** A name that is both declared and stored is an error at boot; with MongoDB away it is found at the first request. @throws DWA_OPTIONS_INVALID */
  refuseSharedNames (): Promise<void>
}

/** Whether a route may name such a source. */
export function isSourceName (name: string): boolean {
  return findDisagreement(sourceName, name) === null
}

/** @throws DWA_OPTIONS_INVALID with the path of the source that is refused */
export function openWebhooks (options: WebhooksOptions<FastifyRequest>, store: Store, logger: Logger, tooLarge: () => Error): Webhooks {
  const { clock, serverClock, changes, handledSecrets, log: auditLog } = store
  const { sources = {}, limits, maxStaleSeconds = 300 } = options
  const examine = (name: string, { algorithm }: { readonly algorithm?: string | undefined }): void => {
    if (algorithm === 'sha1') logger.warn({ webhook: name }, 'a webhook source signs with SHA-1')
  }
  const declared = new Map<string, WebhookSource<FastifyRequest>>()
  const declaredFields = new Map<string, SigningFields>()
  for (const [name, { secret, ...fields }] of Object.entries(sources)) {
    const problem = isSourceName(name) ? problemOf(fields) : { field: '', problem: 'must begin with a letter or digit, and have no others than letters, digits and . _ -' }
    if (problem !== null) throw new errors.DWA_OPTIONS_INVALID(`webhooks.sources.${name}${problem.field === '' ? '' : `.${problem.field}`}`, problem.problem)
    examine(name, fields)
    if (typeof secret !== 'function') for (const text of [secret].flat()) handledSecrets.add(text)
    declared.set(name, compileSource(name, null, fields, secret))
    declaredFields.set(name, fields)
  }

  const records = store.records<StoredSource>(sourceKind)
  const registry = new SourceRegistry<FastifyRequest>({
    declared,
    records,
    handledSecrets,
    cache: new ConfirmedCache<StoredEntry<FastifyRequest>>({ changes, clock, maxStaleMs: maxStaleSeconds * 1000 })
  })
  const locks = new FailureLocks<'refusedPerAddress'>({
    documents: store.documents<FailureDocument>(failureCollection, failureIndexes),
    cache: new ConfirmedCache({ changes, clock, maxStaleMs: maxStaleLocksMs }),
    limits: { refusedPerAddress: limits?.refusedPerAddress ?? defaultRefusedPerAddress },
    auditLog,
    clock: serverClock
  })
  changes.subscribe(({ event, source, target }) => {
    if (event === lockedEvent) locks.forget()
    if (source !== undefined && target?.type === sourceKind.area) registry.forget({ id: target.id, name: target.name ?? null }) // an entry without a source says nothing of the record
  })
  const deliveries = new Deliveries({ documents: store.documents<DeliveryDocument>('webhook_deliveries', deliveryIndexes), clock: serverClock, randomBytes, logger })

  return {
    sources: new WebhookSources({
      managed: new ManagedRecords({ records, onChange: (record) => { registry.forget(record) } }),
      list: async () => await records.list(),
      declared: declaredFields,
      auditLog,
      examine
    }),
    guard: new WebhookGuard({ registry, deliveries, locks, auditLog, clock: serverClock, tooLarge }),
    async refuseSharedNames () {
      if (!store.available) return
      for (const name of declared.keys()) {
        if (await records.getByName(name) !== null) throw new errors.DWA_OPTIONS_INVALID(`webhooks.sources.${name}`, 'a stored source has this name too')
      }
    }
  }
}
