import type { SchemaObject } from 'ajv'
import type { Actor, LogFields, LogLevel } from '../log/log-entry.js'

/** Whether a key has the form of a record's id. It is never taken as a name: a record named like another's id is found by its own id alone. */
export function isRecordId (key: unknown): boolean {
  return typeof key === 'string' && /^[0-9a-f]{24}$/.test(key)
}

/** One kind of record kept by the store: derived from it are the mongoose model, the indexes, encryption and audit events. */
export interface RecordKind {
  /** Collection name without prefix, plural: `validators`. */
  readonly collection: string
  /** The area of its audit events and the `type` of their target: `validator` → `validator.created`, `.updated`, `.deleted`. */
  readonly area: string
  /** JSON schema of the fields, `type: 'object'`, `additionalProperties: false`. */
  readonly schema: SchemaObject
  /** Fields kept encrypted at rest, never selected by default. */
  readonly secrets: readonly string[]
  /** The field that names a record for people and is unique among the living. */
  readonly nameField: string
  /** Further indexes, each `{ keys, unique? }`. */
  readonly indexes?: ReadonlyArray<{ keys: Readonly<Record<string, 1 | -1>>, unique?: boolean }>
}

/** A record as ordinary code sees it: without its secrets, but with which of them are set. */
export type StoredRecord<Fields extends object> = {
  readonly id: string
  /** Counts the changes, from 1: compare-and-set and ETag. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly fields: Fields
  /** The names of the secret fields that hold a value. */
  readonly secretsSet: readonly string[]
}

/** A record with its secrets decrypted, those that are set. */
export type OpenedRecord<Fields extends object> = StoredRecord<Fields> & { readonly secrets: { readonly [name: string]: string } }

/** Who changes a record, and what the audit entry should say beside the event itself. */
export interface Change {
  readonly actor?: Actor | undefined
  readonly requestId?: string | undefined
  readonly message?: string | undefined
  readonly details?: Readonly<Record<string, unknown>> | undefined
  /** In the entry only with `store.log.personalData`. */
  readonly personal?: LogFields['personal']
  /** In place of `<area>.created|updated|deleted`. */
  readonly event?: string | undefined
  /** Default `info`. */
  readonly level?: LogLevel | undefined
}

/**
 * Records of one kind. Each change is one atomic operation that also leaves its audit entry in the record's outbox;
 * the call resolves when the entry is in the log, and whatever process comes by later delivers an entry that a dead one left behind.
 */
export interface RecordCollection<Fields extends object> {
  readonly kind: RecordKind
  /** @throws DWA_STORE_DUPLICATE, DWA_STORE_UNAVAILABLE */
  create (fields: Fields, change?: Change): Promise<StoredRecord<Fields>>
  get (id: string): Promise<StoredRecord<Fields> | null>
  getByName (name: string): Promise<StoredRecord<Fields> | null>
  /** All living records that match exactly, by name. `matching` values are compared as plain values, never as operators. */
  list (matching?: Partial<Fields>): Promise<Array<StoredRecord<Fields>>>
  /** At most `limit` living records by name, from the one that follows the name `after` on; of those alone that match, as `list` has it. */
  page (limit: number, after?: string, matching?: Partial<Fields>): Promise<Array<StoredRecord<Fields>>>
  /** The number of living records, at most `limit`. */
  count (limit: number): Promise<number>
  /**
   * Sets the fields of `patch`; `undefined` in it removes a field.
   * @throws DWA_STORE_CONFLICT when the record is not at `version`, DWA_STORE_NOT_FOUND, DWA_STORE_DUPLICATE
   */
  update (id: string, version: number, patch: { readonly [Name in keyof Fields]?: Fields[Name] | undefined }, change?: Change): Promise<StoredRecord<Fields>>
  /**
   * Removes the record: one atomic replacement by a tombstone that holds nothing but the audit entry, which goes when the entry is in the log.
   * @throws DWA_STORE_CONFLICT, DWA_STORE_NOT_FOUND
   */
  remove (id: string, version: number, change?: Change): Promise<void>
  /** Decrypts the secret fields of a record that are set. @throws DWA_STORE_UNREADABLE_SECRET */
  secrets (id: string): Promise<{ readonly [name: string]: string }>
  /** A record together with its secrets, as they were at one moment. @throws DWA_STORE_UNREADABLE_SECRET */
  open (id: string): Promise<OpenedRecord<Fields> | null>
}
