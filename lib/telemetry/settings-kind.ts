import type { RecordKind } from '../store/record-collection.js'

/** A record of settings, one for each subject. */
export interface StoredSettings {
  readonly name: string
  /** Where telemetry goes. */
  readonly dsn?: string
  /** Whether telemetry may tell of people. */
  readonly sendPii?: boolean
}

/** The settings that administrators change at run time. */
export const settingsKind: RecordKind = {
  collection: 'settings',
  area: 'settings',
  nameField: 'name',
  secrets: ['dsn'],
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 64 },
      dsn: { type: 'string', maxLength: 2048 },
      sendPii: { type: 'boolean' }
    }
  }
}
