import { errors, isAuthError } from '../errors.js'
import type { ChangeFeed } from '../log/change-feed.js'
import type { LogEntry } from '../log/log-entry.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { CompiledValidator, CompileInput } from './compiled-validator.js'
import { readLink, type NextLink } from './next-link.js'
import type { StoredValidator } from './validator-kind.js'

/** A validator by name, by stored id, or the only one there is. */
export type ValidatorKey = NextLink | 'sole'

type Failure = 'DWA_JWT_VALIDATOR_NOT_FOUND' | 'DWA_JWT_AMBIGUOUS_VALIDATOR' | 'DWA_JWT_CONFIGURATION'

interface Slot {
  readonly found: CompiledValidator | { readonly failure: Failure, readonly cause?: unknown }
  /** The change feed's epoch under which it was read; null when the feed was not live then. */
  readonly epoch: number | null
  /** When it was last known to be what the database says, milliseconds since 1970. */
  confirmedAt: number
  /** When a re-read was last tried in vain. */
  triedAt: number
}

export interface RegistryOptions {
  readonly declared: ReadonlyMap<string, CompiledValidator>
  readonly records: RecordCollection<StoredValidator>
  readonly changes: ChangeFeed
  readonly compile: (input: CompileInput) => CompiledValidator
  readonly now: () => number
  /** Milliseconds a validator serves without the database confirming it. */
  readonly maxStaleMs: number
}

/** Between re-reads of one validator while the change feed is not live, in milliseconds. */
const recheckMs = 1000

/** How long a request waits for a re-read while a known validator could serve, in milliseconds. */
const patienceMs = 250

const changeEvents = new Set(['validator.created', 'validator.updated', 'validator.deleted'])

/**
 * The validators in use, compiled. Code-declared ones are always at hand; stored ones are read on first use and kept until
 * the change feed says they changed. While the feed is not live they are re-read on use, at most once a second.
 */
export class ValidatorRegistry {
  readonly #options: RegistryOptions
  readonly #slots = new Map<string, Slot>()
  readonly #loading = new Map<string, Promise<Slot>>()
  readonly #compiled = new Map<string, CompiledValidator>()
  #invalidations = 0

  constructor (options: RegistryOptions) {
    this.#options = options
    options.changes.subscribe((entry) => { if (changeEvents.has(entry.event)) this.#forget(entry) })
  }

  /** The validator when it can be used without asking the database, else null. */
  peek (key: ValidatorKey): CompiledValidator | null {
    const declared = this.#declared(key)
    if (declared !== null) return declared
    const slot = this.#slots.get(slotKey(key))
    return slot !== undefined && this.#isUsable(slot) && 'verifier' in slot.found ? slot.found : null
  }

  /** @throws DWA_JWT_VALIDATOR_NOT_FOUND, DWA_JWT_AMBIGUOUS_VALIDATOR, DWA_JWT_CONFIGURATION, DWA_STORE_UNAVAILABLE */
  async resolve (key: ValidatorKey): Promise<CompiledValidator> {
    const declared = this.#declared(key)
    if (declared !== null) return declared
    const { found } = await this.#slot(slotKey(key), key)
    if ('verifier' in found) return found
    throw new errors[found.failure](...('cause' in found ? [{ cause: found.cause }] : []))
  }

  #declared (key: ValidatorKey): CompiledValidator | null {
    const declared = key !== 'sole' && 'name' in key ? this.#options.declared.get(key.name) : undefined
    return declared?.fields.enabled === true ? declared : null
  }

  async #slot (name: string, key: ValidatorKey): Promise<Slot> {
    const kept = this.#slots.get(name)
    if (kept !== undefined && this.#isUsable(kept)) return kept
    const now = this.#options.now()
    const servable = kept !== undefined && now - kept.confirmedAt <= this.#options.maxStaleMs
    if (servable && now - kept.triedAt < recheckMs) return kept
    let loading = this.#loading.get(name)
    if (loading === undefined) this.#loading.set(name, loading = this.#load(name, key).finally(() => this.#loading.delete(name)))
    if (!servable) return await loading
    try {
      const reread = await Promise.race([loading, after(patienceMs)])
      if (reread !== undefined) return reread
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
    }
    // Forgotten meanwhile means changed meanwhile: then the old one must not serve.
    if (this.#slots.get(name) !== kept) return await loading
    kept.triedAt = now
    return kept
  }

  #isUsable (slot: Slot): boolean {
    const { changes, now } = this.#options
    if (slot.epoch === changes.epoch && changes.live) {
      slot.confirmedAt = now()
      return true
    }
    return now() - slot.confirmedAt < recheckMs
  }

  async #load (name: string, key: ValidatorKey): Promise<Slot> {
    const { changes, now } = this.#options
    for (let tries = 1; ; tries++) {
      const invalidations = this.#invalidations
      const epoch = changes.live ? changes.epoch : null
      const confirmedAt = now()
      const slot: Slot = { found: await this.#find(key), epoch, confirmedAt, triedAt: -Infinity }
      if (invalidations === this.#invalidations) this.#slots.set(name, slot)
      else if (tries < 3) continue // something changed while it was read: read again
      return slot
    }
  }

  async #find (key: ValidatorKey): Promise<Slot['found']> {
    if (key === 'sole') return await this.#findSole()
    const record = 'id' in key ? await this.#options.records.get(key.id) : await this.#options.records.getByName(key.name)
    return await this.#compile(record)
  }

  async #findSole (): Promise<Slot['found']> {
    const { declared, records } = this.#options
    const stored = await records.count(2)
    if (declared.size + stored > 1) return { failure: 'DWA_JWT_AMBIGUOUS_VALIDATOR' }
    const [only] = declared.values()
    if (only !== undefined) return only.fields.enabled ? only : { failure: 'DWA_JWT_VALIDATOR_NOT_FOUND' }
    return await this.#compile((await records.list()).at(0) ?? null)
  }

  async #compile (record: StoredRecord<StoredValidator> | null): Promise<Slot['found']> {
    if (record === null || !record.fields.enabled) return { failure: 'DWA_JWT_VALIDATOR_NOT_FOUND' }
    const known = this.#compiled.get(record.id)
    if (known?.version === record.version) return known
    const { id, version, fields } = record
    try {
      const secrets = await this.#options.records.secrets(id)
      const next = fields.nextValidator === undefined ? null : readLink(fields.nextValidator)
      const compiled = this.#options.compile({ id, version, fields, secrets, next })
      this.#compiled.set(id, compiled)
      return compiled
    } catch (cause) {
      if (isAuthError(cause, 'DWA_STORE_UNAVAILABLE')) throw cause
      return { failure: 'DWA_JWT_CONFIGURATION', cause }
    }
  }

  /** Drops what a changed, renamed, created or deleted validator may have been cached as. */
  #forget ({ target }: LogEntry): void {
    this.#invalidations++
    const id = target?.id ?? ''
    this.#compiled.delete(id)
    for (const [name, { found }] of this.#slots) {
      const same = 'verifier' in found ? found.id === id : name === slotKey({ id })
      if (same || name === 'sole' || name === slotKey({ name: target?.name ?? '' })) this.#slots.delete(name)
    }
  }
}

async function after (ms: number): Promise<undefined> {
  await new Promise((resolve) => { setTimeout(resolve, ms).unref() })
  return undefined
}

function slotKey (key: ValidatorKey): string {
  if (key === 'sole') return 'sole'
  return 'id' in key ? `id:${key.id}` : `name:${key.name}`
}
