import { isAuthError } from '../errors.js'
import { ConfirmedCache } from '../store/confirmed-cache.js'
import { reasonOf, type Logger } from '../store/logger.js'
import type { Store } from '../store/store.js'
import { installedSdk, type SentrySdk } from './sentry-sdk.js'
import { settingsKind, type StoredSettings } from './settings-kind.js'
import { TelemetryReporter } from './telemetry-reporter.js'
import { TelemetrySettings, type ActiveSettings, type TelemetryChange, type TelemetryInput, type TelemetryView } from './telemetry-settings.js'

/** The parts of the `telemetry` plugin, put together. */
export interface OpenTelemetry {
  readonly reporter: TelemetryReporter
  get (): Promise<TelemetryView>
  version (): Promise<number>
  set (input: TelemetryInput, change?: TelemetryChange): Promise<TelemetryView>
}

/** Milliseconds that settings hold without the database confirming them. */
const maxStaleMs = 300_000

/** @param sdk replaced in tests */
export function openTelemetry (store: Store, logger: Logger, sdk: SentrySdk = installedSdk): OpenTelemetry {
  const { changes, clock, handledSecrets } = store
  const settings = new TelemetrySettings(store.records<StoredSettings>(settingsKind))
  const cache = new ConfirmedCache<ActiveSettings | null>({ changes, clock, maxStaleMs })
  const reporter = new TelemetryReporter({ settings: async () => await cache.get('telemetry', readActive), sdk, handledSecrets, clock, logger })
  changes.subscribe(({ event, target }) => {
    if (target?.type === 'settings' && target.name === 'telemetry' && event.startsWith('settings.')) follow()
  })

  /** Settings that cannot be used turn nothing on. */
  async function readActive (): Promise<ActiveSettings | null> {
    try {
      return await settings.active()
    } catch (error) {
      if (isAuthError(error, 'DWA_STORE_UNAVAILABLE')) throw error
      logger.warn({ reason: reasonOf(error) }, 'the telemetry settings cannot be used')
      return null
    }
  }

  function follow (): void {
    cache.forget(() => true)
    reporter.restart()
  }

  return {
    reporter,
    async get () {
      return { sdkInstalled: sdk.installed(), ...await settings.get() }
    },
    version: async () => await settings.version(),
    async set (input, change) {
      try {
        return { sdkInstalled: sdk.installed(), ...await settings.set(input, change) }
      } finally {
        follow() // also when the audit entry failed: the record may have changed
        await reporter.prepared()
      }
    }
  }
}
