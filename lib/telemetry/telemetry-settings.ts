import type { FromSchema } from 'json-schema-to-ts'
import { errors, isAuthError } from '../errors.js'
import { findDisagreement } from '../schema-check.js'
import type { Change, RecordCollection, StoredRecord } from '../store/record-collection.js'
import { findDsnProblem } from './dsn.js'
import type { StoredSettings } from './settings-kind.js'

/** What may be changed of the settings. */
export const telemetrySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    dsn: { type: ['string', 'null'], description: 'Where telemetry goes; null turns it off. Write-only.' },
    sendPii: { type: 'boolean', default: false, description: 'Whether user identifiers and addresses are sent too.' }
  }
} as const

/** What is to change; a setting that is left out stays as it is. */
export type TelemetryInput = FromSchema<typeof telemetrySchema, { keepDefaultedPropertiesOptional: true }>

/** The settings as they are shown: the DSN is write-only. */
export interface TelemetryView {
  /** Whether @sentry/node is installed; without it nothing is sent. */
  readonly sdkInstalled: boolean
  /** Whether a DSN is saved. */
  readonly on: boolean
  /** Whether user identifiers and addresses are sent too. */
  readonly sendPii: boolean
}

/** Who changes the settings, and what the audit entry says beside the event; optionally of one version only. */
export type TelemetryChange = Omit<Change, 'event' | 'level'> & { readonly version?: number | undefined }

/** Where telemetry goes, as long as it is on. */
export interface ActiveSettings { readonly dsn: string, readonly sendPii: boolean }

type SavedView = Omit<TelemetryView, 'sdkInstalled'>
type Patch = { readonly [Name in 'dsn' | 'sendPii']?: StoredSettings[Name] | undefined }

const recordName = 'telemetry'
/** How often somebody else may come first. */
const maxTries = 10

/** The telemetry settings of a database: one record. */
export class TelemetrySettings {
  readonly #records: RecordCollection<StoredSettings>

  constructor (records: RecordCollection<StoredSettings>) {
    this.#records = records
  }

  /** Whether a DSN is saved, and whether personal data may be sent. @throws DWA_STORE_UNAVAILABLE */
  async get (): Promise<SavedView> {
    return view(await this.#records.getByName(recordName))
  }

  /** Counts the changes; 0 before the first. @throws DWA_STORE_UNAVAILABLE */
  async version (): Promise<number> {
    return (await this.#records.getByName(recordName))?.version ?? 0
  }

  /** The settings to work with; null while telemetry is off. @throws DWA_STORE_UNAVAILABLE, DWA_STORE_UNREADABLE_SECRET, DWA_TELEMETRY_INVALID_SETTINGS */
  async active (): Promise<ActiveSettings | null> {
    const found = await this.#records.getByName(recordName)
    const record = found === null ? null : await this.#records.open(found.id)
    const dsn = record?.secrets['dsn']
    if (dsn === undefined) return null
    refuseMalformed(dsn)
    return { dsn, sendPii: record?.fields.sendPii === true }
  }

  /**
   * Saves what changes, in one atomic operation with its audit entry. Of two changes at once of the same setting the later holds.
   * @throws DWA_TELEMETRY_INVALID_SETTINGS, DWA_STORE_CONFLICT when they are not at the version that is meant, DWA_STORE_UNAVAILABLE
   */
  async set (input: TelemetryInput, change: TelemetryChange = {}): Promise<SavedView> {
    return await this.#save(readInput(input), change, 1)
  }

  async #save (patch: Patch, change: TelemetryChange, tries: number): Promise<SavedView> {
    const before = await this.#records.getByName(recordName)
    if (change.version !== undefined && change.version !== (before?.version ?? 0)) throw new errors.DWA_STORE_CONFLICT('The settings')
    const changed = difference(before, patch)
    if (Object.keys(changed).length === 0) return view(before)
    const { actor, requestId, message, details, personal } = change
    const note: Change = {
      actor,
      requestId,
      message,
      personal,
      details: { ...details, ...outcome(before, changed) },
      event: 'settings.changed' // not the caller's to choose: other processes go by it
    }
    try {
      return view(before === null ? await this.#records.create({ name: recordName, ...defined(changed) }, note) : await this.#records.update(before.id, before.version, changed, note))
    } catch (error) {
      const overtaken = isAuthError(error, 'DWA_STORE_CONFLICT') || isAuthError(error, 'DWA_STORE_DUPLICATE')
      if (!overtaken || tries >= maxTries) throw error
      return await this.#save(patch, change, tries + 1)
    }
  }
}

function readInput (input: TelemetryInput): Patch {
  const found = findDisagreement(telemetrySchema, input)
  if (found !== null) throw invalid(found.path, found.problem)
  const { dsn, sendPii } = input
  const trimmed = dsn?.trim()
  if (trimmed !== undefined) refuseMalformed(trimmed)
  return { ...(dsn === undefined ? {} : { dsn: trimmed }), ...(sendPii === undefined ? {} : { sendPii }) }
}

function refuseMalformed (dsn: string): void {
  const problem = findDsnProblem(dsn)
  if (problem !== null) throw invalid('dsn', problem)
}

function invalid (field: string, problem: string): Error {
  return Object.assign(new errors.DWA_TELEMETRY_INVALID_SETTINGS(field === '' ? problem : `${field}: ${problem}`), { field })
}

/** A DSN counts as changed when one is given, since the old one is not looked at. */
function difference (before: StoredRecord<StoredSettings> | null, patch: Patch): Patch {
  const { on, sendPii } = view(before)
  return {
    ...('dsn' in patch && (patch.dsn !== undefined || on) ? { dsn: patch.dsn } : {}),
    ...(patch.sendPii !== undefined && patch.sendPii !== sendPii ? { sendPii: patch.sendPii } : {})
  }
}

function defined ({ dsn, sendPii }: Patch): Omit<StoredSettings, 'name'> {
  return { ...(dsn === undefined ? {} : { dsn }), ...(sendPii === undefined ? {} : { sendPii }) }
}

function outcome (before: StoredRecord<StoredSettings> | null, changed: Patch): { readonly telemetry: 'on' | 'off', readonly sendPii: boolean } {
  const { on, sendPii } = view(before)
  return { telemetry: ('dsn' in changed ? changed.dsn !== undefined : on) ? 'on' : 'off', sendPii: changed.sendPii ?? sendPii }
}

function view (record: StoredRecord<StoredSettings> | null): SavedView {
  return { on: record?.secretsSet.includes('dsn') === true, sendPii: record?.fields.sendPii === true }
}
