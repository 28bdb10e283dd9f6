import type { Clock } from '../clock.js'
import { errors, isAuthError } from '../errors.js'
import type { ChangeFeed } from '../log/change-feed.js'
import { ConfirmedCache } from '../store/confirmed-cache.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { CompiledValidator, CompileInput } from './compiled-validator.js'
import { byId, byName, readLink, sole, type ValidatorKey } from './validator-key.js'
import type { StoredValidator } from './validator-kind.js'

type Failure = 'DWA_JWT_VALIDATOR_NOT_FOUND' | 'DWA_JWT_AMBIGUOUS_VALIDATOR' | 'DWA_JWT_CONFIGURATION'

type Found = CompiledValidator | { readonly failure: Failure, readonly cause?: unknown }

/** Finds one validator. @param now milliseconds since 1970, of the registry's clock, where the caller has just read it */
export type Finder = (now: number) => CompiledValidator | Promise<CompiledValidator>

export interface RegistryOptions {
  readonly declared: ReadonlyMap<string, CompiledValidator>
  readonly records: RecordCollection<StoredValidator>
  readonly changes: ChangeFeed
  readonly compile: (input: CompileInput) => CompiledValidator
  readonly clock: Clock
  /** Milliseconds a validator serves without the database confirming it. */
  readonly maxStaleMs: number
}

/** The validators in use, compiled. Code-declared ones are always at hand; stored ones are read on first use and kept until they change. */
export class ValidatorRegistry {
  readonly #options: RegistryOptions
  readonly #found: ConfirmedCache<Found>
  readonly #compiled = new Map<string, CompiledValidator>()

  constructor (options: RegistryOptions) {
    this.#options = options
    this.#found = new ConfirmedCache(options)
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
    const found = this.#found.get(key.text, async () => await this.#find(key))
    return found instanceof Promise ? found.then(open) : open(found)
  }

  /** `find`, for whoever asks for the same validator again and again. What it returns throws, or rejects, as `find` does. */
  finder (key: ValidatorKey): Finder {
    const declared = key.by === 'name' ? this.#options.declared.get(key.name) : undefined
    if (declared !== undefined) return () => open(ifEnabled(declared))
    const peek = this.#found.peeker(key.text)
    return (now) => {
      const kept = peek(now)
      return kept === undefined ? this.find(key) : open(kept.value)
    }
  }

  async #find (key: ValidatorKey): Promise<Found> {
    if (key.by === 'sole') return await this.#findSole()
    const record = key.by === 'id' ? await this.#options.records.get(key.id) : await this.#options.records.getByName(key.name)
    return await this.#compile(record)
  }

  async #findSole (): Promise<Found> {
    const { declared, records } = this.#options
    const stored = await records.count(2)
    if (declared.size + stored > 1) return { failure: 'DWA_JWT_AMBIGUOUS_VALIDATOR' }
    const [only] = declared.values()
    if (only !== undefined) return ifEnabled(only)
    return await this.#compile((await records.list()).at(0) ?? null)
  }

  async #compile (record: StoredRecord<StoredValidator> | null): Promise<Found> {
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
  forget ({ id, name }: { readonly id: string | null, readonly name: string | null }): void {
    this.#compiled.delete(id ?? '')
    this.#found.forget((key, found) => {
      const same = 'verifier' in found ? found.id !== null && found.id === id : key === byId(id ?? '').text
      return same || key === sole.text || key === byName(name ?? '').text
    })
  }
}

function ifEnabled (validator: CompiledValidator): Found {
  return validator.fields.enabled ? validator : { failure: 'DWA_JWT_VALIDATOR_NOT_FOUND' }
}

function open (found: Found): CompiledValidator {
  if ('verifier' in found) return found
  throw new errors[found.failure](...('cause' in found ? [{ cause: found.cause }] : []))
}
