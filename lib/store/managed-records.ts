import { errors, isAuthError } from '../errors.js'
import type { AuditLog } from '../log/audit-log.js'
import { isRecordId, type Change, type RecordCollection, type StoredRecord } from './record-collection.js'

/** Who changes a record, and what its audit entry says beside the event, which is not the caller's to choose: other processes go by it. */
export type ChangeNote = Pick<Change, 'actor' | 'requestId' | 'message' | 'details' | 'personal'>

/**
 * A change of an existing record, optionally of one version only: otherwise the newest is changed. With `id` it is a change of that record alone, and not of
 * another one by the same name; no stored record has the id null.
 */
export type RecordUpdate = ChangeNote & { readonly id?: string | null | undefined, readonly version?: number | undefined }

/** What a change sets; `undefined` in it removes a field. */
export type RecordPatch<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined }

export interface ManagedRecordsOptions<Fields extends object> {
  readonly records: RecordCollection<Fields>
  /** Told of every record that a change has touched or may have touched, whatever became of its audit entry. */
  readonly onChange: (record: { readonly id: string | null, readonly name: string }) => void
  /** Finds a record by something else than its id and its name. */
  readonly findElse?: (key: string) => Promise<StoredRecord<Fields> | null>
}

/** What an effect sees of the record that it is worked out for. */
type EffectOf<Fields extends object> = (record: StoredRecord<Fields>) => RecordPatch<Fields> | Promise<RecordPatch<Fields>>

const tries = 20

/** Records as people and programs manage them: found by id or name, changed at the version meant or at the newest, and whoever keeps copies is told. */
export class ManagedRecords<Fields extends object> {
  readonly #options: ManagedRecordsOptions<Fields>
  readonly #nameField: string
  readonly #area: string

  constructor (options: ManagedRecordsOptions<Fields>) {
    this.#options = options
    const { area, nameField } = options.records.kind
    this.#area = area
    this.#nameField = nameField
  }

  /** By id, by what else the kind is found by, or by name. */
  async find (key: string): Promise<StoredRecord<Fields> | null> {
    const { records, findElse } = this.#options
    return await records.get(key) ?? await findElse?.(key) ?? (isRecordId(key) ? null : await records.getByName(key))
  }

  /** @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE */
  async existing (key: string): Promise<StoredRecord<Fields>> {
    return await this.find(key) ?? this.#missing(key)
  }

  /** @throws DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  async create (fields: Fields, note: ChangeNote): Promise<StoredRecord<Fields>> {
    return await this.#told(null, this.#nameOf(fields), async () => await this.#options.records.create(fields, noteOf(note)))
  }

  /**
   * Changes a record by what `effectOf` makes of it; worked out again when somebody else was faster, unless one version is meant.
   * @param event in place of `<area>.updated`
   * @throws DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE
   */
  async change (key: string, update: RecordUpdate, effectOf: EffectOf<Fields>, event?: string): Promise<StoredRecord<Fields>> {
    return await this.#atNewest(key, update, async (record) => {
      const effect = await effectOf(record)
      return await this.#told(record.id, this.#nameOf({ ...record.fields, ...effect }), async () => await this.#options.records.update(record.id, record.version, effect, { ...noteOf(update), event }))
    })
  }

  /**
   * @param allowed looks at the record before it goes, and throws when it must stay
   * @returns the record as it was
   * @throws DWA_STORE_NOT_FOUND, DWA_STORE_CONFLICT, DWA_STORE_UNAVAILABLE
   */
  async remove (key: string, update: RecordUpdate, allowed?: (record: StoredRecord<Fields>) => Promise<void>): Promise<StoredRecord<Fields>> {
    return await this.#atNewest(key, update, async (record) => {
      await allowed?.(record)
      await this.#told(record.id, this.#nameOf(record.fields), async () => { await this.#options.records.remove(record.id, record.version, noteOf(update)) })
      return record
    })
  }

  /** The secrets in plain text, those that are set. The audit entry `<area>.secrets_read` is there before they are. @throws DWA_STORE_NOT_FOUND, DWA_STORE_UNREADABLE_SECRET, DWA_STORE_UNAVAILABLE */
  async secrets (key: string, note: ChangeNote, auditLog: Pick<AuditLog, 'append'>): Promise<{ readonly [name: string]: string }> {
    const { records } = this.#options
    const { id } = await this.existing(key)
    const record = await records.open(id)
    if (record === null) return this.#missing(key)
    const { actor, requestId, message, personal } = note
    await auditLog.append(`${this.#area}.secrets_read`, { level: 'warning', actor, requestId, message, personal, target: { type: this.#area, id, name: this.#nameOf(record.fields) } })
    return record.secrets
  }

  /** Runs a write on one version, or on whatever is the newest when it runs. */
  async #atNewest<T> (key: string, meant: Pick<RecordUpdate, 'id' | 'version'>, write: (record: StoredRecord<Fields>) => Promise<T>, left = tries): Promise<T> {
    const { id, version } = meant
    const record = await this.existing(key)
    if ((id !== undefined && id !== record.id) || (version !== undefined && version !== record.version)) throw new errors.DWA_STORE_CONFLICT(`The ${this.#area}`) // what the change means was worked out on this one
    try {
      return await write(record)
    } catch (error) {
      if (version !== undefined || left === 0 || !isAuthError(error, 'DWA_STORE_CONFLICT')) throw error
      return await this.#atNewest(key, meant, write, left - 1)
    }
  }

  async #told<T> (id: string | null, name: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } finally {
      this.#options.onChange({ id, name })
    }
  }

  #nameOf (fields: object): string {
    const found = Object.entries(fields).find(([field]) => field === this.#nameField)
    return String(found?.[1] ?? '')
  }

  #missing (key: string): never {
    throw new errors.DWA_STORE_NOT_FOUND(`The ${this.#area} "${key}"`)
  }
}

function noteOf ({ actor, requestId, message, details, personal }: ChangeNote): Change {
  return { actor, requestId, message, details, personal }
}
