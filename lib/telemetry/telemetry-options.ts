/** Options of the `telemetry` plugin: none. */
export interface TelemetryOptions {
  /** Not an option: telemetry is off until somebody saves a DSN at run time, by `app.telemetry.set`. */
  readonly dsn?: never
}

/** JSON schema of TelemetryOptions. */
export const telemetryOptionsSchema = { type: 'object', additionalProperties: false, properties: {} } as const
