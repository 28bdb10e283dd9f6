import type { ErrorReporter } from '../lib/telemetry/error-reporter.js'
import type { TelemetryChange, TelemetryInput, TelemetryView } from '../lib/telemetry/telemetry-settings.js'

/** Errors of this package, sent to Sentry once an administrator has saved a DSN. */
export interface Telemetry extends ErrorReporter {
  /** @throws DWA_STORE_UNAVAILABLE */
  get (): Promise<TelemetryView>
  /** Counts the changes of the settings; 0 before the first. @throws DWA_STORE_UNAVAILABLE */
  version (): Promise<number>
  /**
   * Changes what is given: `dsn: null` turns telemetry off. The change is in the audit log when the call resolves, holds at once in this process, and in every other within a second.
   * @throws DWA_TELEMETRY_INVALID_SETTINGS (its `field` names the setting), DWA_STORE_CONFLICT when they are not at `change.version`, DWA_STORE_UNAVAILABLE
   */
  set (settings: TelemetryInput, change?: TelemetryChange): Promise<TelemetryView>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** By the `telemetry` plugin. */
    telemetry: Telemetry
  }
}
