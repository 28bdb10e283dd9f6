import type { Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import type { ChangeFeed } from '../log/change-feed.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { CompiledValidator, CompileInput } from './compiled-validator.js'
import { byId, byName, readLink, sole, type ValidatorKey } from './validator-key.js'
import type { StoredValidator } from './validator-kind.js'

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
  readonly clock: Clock
  /** Milliseconds a validator serves without the database confirming it. */
  readonly maxStaleMs: number
}

/** Between re-reads of one validator while the change feed is not live, in milliseconds. */
const recheckMs = 1000

/** How long a request waits for a re-read while a known validator could serve, in milliseconds. */
const patienceMs = 250

/** More slots than this are never kept: names may come from callers. */
const maxSlots = 20_000

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
    options.changes.subscribe(({ event, target }) => {
      if (target?.type === 'validator' && event.startsWith('validator.')) this.forget({ id: target.id, name: target.name ?? null })
    })
  }

  /**
   * A promise only when the database has to be asked.
   * Throws, or rejects with, DWA_JWT_VALIDATOR_NOT_FOUND, DWA_JWT_AMBIGUOUS_VALIDATOR, DWA_JWT_CONFIGURATION, DWA_STORE_UNAVAILABLE.
   */
  find (key: ValidatorKey): CompiledValidator | Promise<CompiledValidator> {
    const declared = key.by === 'name' ? this.#options.declared.get(key.name) : undefined
    if (declared !== undefined) return open(ifEnabled(declared))
    const kept = this.#slots.get(key.text)
    return kept !== undefined && this.#isUsable(kept) ? open(kept.found) : this.#slot(key).then(({ found }) => open(found))
  }

  async #slot (key: ValidatorKey): Promise<Slot> {
    const kept = this.#slots.get(key.text)
    const now = this.#options.clock.now()
    const servable = kept !== undefined && now - this.#confirmedAt(kept) <= this.#options.maxStaleMs
    if (servable && now - kept.triedAt < recheckMs) return kept
    let loading = this.#loading.get(key.text)
    if (loading === undefined) this.#loading.set(key.text, loading = this.#load(key).finally(() => this.#loading.delete(key.text)))
    if (!servable) return await loading
    try {
      const reread = await Promise.race([loading, this.#patience()])
      if (reread !== undefined) return reread
    } catch (error) {
      if (!isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
    }
    // Forgotten meanwhile means changed meanwhile: then the old one must not serve.
    if (this.#slots.get(key.text) !== kept) return await loading
    kept.triedAt = now
    return kept
  }

  async #patience (): Promise<undefined> {
    await new Promise<void>((resolve) => { this.#options.clock.after(patienceMs, resolve) })
    return undefined
  }

  /** While the feed stood that was live when the slot was read, it confirmed the slot by its silence. */
  #confirmedAt ({ epoch, confirmedAt }: Slot): number {
    const { changes } = this.#options
    return epoch === changes.epoch ? Math.max(confirmedAt, changes.completeUntil) : confirmedAt
  }

  /** Confirmed within the last second, or by the feed, which would have told of a change. */
  #isUsable (slot: Slot): boolean {
    const { changes, clock } = this.#options
    const now = clock.now()
    if (now - slot.confirmedAt < recheckMs) return true
    if (slot.epoch !== changes.epoch || !changes.live) return false
    slot.confirmedAt = now
    return true
  }

  async #load (key: ValidatorKey, tries = 1): Promise<Slot> {
    const { changes, clock } = this.#options
    const invalidations = this.#invalidations
    const epoch = changes.live ? changes.epoch : null
    const confirmedAt = clock.now()
    const slot: Slot = { found: await this.#find(key), epoch, confirmedAt, triedAt: -Infinity }
    if (invalidations === this.#invalidations) this.#keep(key.text, slot)
    else if (tries < 3) return await this.#load(key, tries + 1) // something changed while it was read
    return slot
  }

  #keep (text: string, slot: Slot): void {
    if (this.#slots.size >= maxSlots) this.#slots.clear()
    this.#slots.set(text, slot)
  }

  async #find (key: ValidatorKey): Promise<Slot['found']> {
    if (key.by === 'sole') return await this.#findSole()
    const record = key.by === 'id' ? await this.#options.records.get(key.id) : await this.#options.records.getByName(key.name)
    return await this.#compile(record)
  }

  async #findSole (): Promise<Slot['found']> {
    const { declared, records } = this.#options
    const stored = await records.count(2)
    if (declared.size + stored > 1) return { failure: 'DWA_JWT_AMBIGUOUS_VALIDATOR' }
    const [only] = declared.values()
    if (only !== undefined) return ifEnabled(only)
    return await this.#compile((await records.list()).at(0) ?? null)
  }

  async #compile (record: StoredRecord<StoredValidator> | null): Promise<Slot['found']> {
    if (record === null || !record.fields.enabled) return { failure: 'DWA_JWT_VALIDATOR_NOT_FOUND' }
    const known = this.#compiled.get(record.id)
    if (known?.version === record.version) return known
    const { id, version, fields } = record
    try {
      const secrets = await this.#options.records.secrets(id)
      const next = fields.nextLink === undefined ? null : readLink(fields.nextLink)
      const compiled = this.#options.compile({ id, version, fields, secrets, next })
      this.#compiled.set(id, compiled)
      return compiled
    } catch (cause) {
      if (isAuthError(cause, 'DWA_STORE_UNAVAILABLE')) throw cause
      return { failure: 'DWA_JWT_CONFIGURATION', cause }
    }
  }

  /** Drops what a changed, renamed, created or deleted validator may have been cached as. */
  forget ({ id, name: changedName }: { readonly id: string | null, readonly name: string | null }): void {
    this.#invalidations++
    this.#compiled.delete(id ?? '')
    for (const [name, { found }] of this.#slots) {
      const same = 'verifier' in found ? found.id !== null && found.id === id : name === byId(id ?? '').text
      if (same || name === sole.text || name === byName(changedName ?? '').text) this.#slots.delete(name)
    }
  }
}

function ifEnabled (validator: CompiledValidator): Slot['found'] {
  return validator.fields.enabled ? validator : { failure: 'DWA_JWT_VALIDATOR_NOT_FOUND' }
}

function open (found: Slot['found']): CompiledValidator {
  if ('verifier' in found) return found
  throw new errors[found.failure](...('cause' in found ? [{ cause: found.cause }] : []))
}
